//! Mining for a while: nonces in groups, of which the scratchpads of the next grow while the flow segments of the last are on their way from disk.

use super::{LOAD_SEALS, Mixing, PAD_BYTES, Pad, Task, qualities, scratchpads};
use crate::Hash;
use crate::blake2b::Digest;
use crate::error::Error;
use crate::keccak::Simd;
use crate::seal::{SEAL_SECTORS, Seal};
use std::time::Instant;

/// Nonces of a group.
const GROUP: usize = 8;

/// A flow segment as it is stored for mining.
pub type Load = [Seal; LOAD_SEALS];

/// Where the sealed bytes of a flow segment are, and which of its seals are there and sealed (bit by bit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of a file.
    pub file: usize,
    /// Byte position in the file.
    pub position: u64,
    /// One bit for each seal, the lowest for the first.
    pub available: u64,
}

/// The sealed flow segments of a node.
pub trait Loads {
    /// Where a flow segment is, counted from the start of the flow; nothing where it is not held.
    fn place(&self, index: u64) -> Option<Place>;
    /// Says that a place is going to be read.
    fn ahead(&self, place: Place);
    /// Reads a place. Errors: those of the disk, in words.
    fn read(&self, place: Place, into: &mut Load) -> Result<(), Error>;
}

/// What is looked for, from where, and until when.
#[derive(Clone, Copy, Debug)]
pub struct Hunt<'a> {
    /// What the nonces are tried for.
    pub task: &'a Task,
    /// The highest quality that is an answer.
    pub threshold: &'a Hash,
    /// The nonce to begin with; those after it count its last 64 bits up.
    pub first_nonce: &'a Hash,
    /// No group is begun from then on.
    pub until: Instant,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Nonces that are done with.
    pub nonces: u64,
    /// Flow segments that were read.
    pub reads: u64,
    /// Seals that were tried.
    pub qualities: u64,
    /// Flow segments that could not be read.
    pub failures: u64,
}

/// A seal whose quality is an answer.
#[derive(Clone, Debug)]
pub struct Find {
    /// The nonce that led to it.
    pub nonce: Hash,
    /// Its first sector in the flow.
    pub recall_position: u64,
    /// Its index in its flow segment.
    pub seal_offset: u64,
    /// Big-endian.
    pub quality: Hash,
    /// As it is stored.
    pub sealed_data: Box<Seal>,
}

struct Group {
    first: u64,
    seeds: [Digest; GROUP],
    pads: Vec<Pad>,
    /// The first sector of the flow segment that each nonce leads to, and where that is.
    places: [Option<(u64, Place)>; GROUP],
}

/// Tries nonces until the time is over, or one of them has answers: the seals of that nonce which are. What cannot be read is counted, and the
/// next nonce is tried.
pub fn hunt(simd: Simd, hunt: &Hunt<'_>, loads: &impl Loads) -> (Tally, Vec<Find>) {
    let range_digest = hunt.task.range.digest();
    let begin = |first: u64, group: &mut Group| begin(simd, hunt, &range_digest, loads, first, group);
    let (mut current, mut next) = (Group::new(), Group::new());
    let mut load = vec![[0; size_of::<Seal>()]; LOAD_SEALS];
    let load: &mut Load = load.as_mut_slice().try_into().unwrap_or_else(|_| unreachable!("it has that length"));
    let mut tally = Tally::default();
    if Instant::now() >= hunt.until {
        return (tally, Vec::new());
    }
    begin(0, &mut current);
    loop {
        let goes_on = Instant::now() < hunt.until;
        if goes_on {
            begin(current.first + GROUP as u64, &mut next);
        }
        for lane in 0..GROUP {
            tally.nonces += 1;
            let Some((position, place)) = current.places[lane] else { continue };
            if loads.read(place, load).is_err() {
                tally.failures += 1;
                continue;
            }
            tally.reads += 1;
            tally.qualities += u64::from(place.available.count_ones());
            let finds = finds(simd, hunt, &current, lane, (position, place.available), load);
            if !finds.is_empty() {
                return (tally, finds);
            }
        }
        if !goes_on {
            return (tally, Vec::new());
        }
        std::mem::swap(&mut current, &mut next);
    }
}

impl Group {
    fn new() -> Self {
        Self { first: 0, seeds: [[0; 64]; GROUP], pads: vec![[0; PAD_BYTES]; GROUP], places: [None; GROUP] }
    }
}

/// Grows the scratchpads of a group, and says which flow segments are going to be read.
fn begin(simd: Simd, hunt: &Hunt<'_>, range_digest: &Hash, loads: &impl Loads, first: u64, group: &mut Group) {
    group.first = first;
    group.seeds = std::array::from_fn(|lane| hunt.task.pad_seed(range_digest, &nonce(hunt.first_nonce, first + lane as u64)));
    let mut recalls = [[0; 32]; GROUP];
    scratchpads(simd, &group.seeds, &mut group.pads, &mut recalls);
    group.places = recalls.map(|recall| {
        let position = hunt.task.range.load_position(&recall)?;
        let place = loads.place(position / super::LOAD_SECTORS).filter(|place| place.available != 0)?;
        loads.ahead(place);
        Some((position, place))
    });
}

fn finds(
    simd: Simd,
    hunt: &Hunt<'_>,
    group: &Group,
    lane: usize,
    (position, available): (u64, u64),
    seals: &Load,
) -> Vec<Find> {
    let mut finds = Vec::new();
    let mixing = Mixing { pad_seed: &group.seeds[lane], pad: &group.pads[lane], seals };
    qualities(simd, mixing, available, |index, quality| {
        if quality <= hunt.threshold {
            finds.push(Find {
                nonce: nonce(hunt.first_nonce, group.first + lane as u64),
                recall_position: position + index as u64 * SEAL_SECTORS,
                seal_offset: index as u64,
                quality: *quality,
                sealed_data: Box::new(seals[index]),
            });
        }
    });
    finds
}

fn nonce(first: &Hash, count: u64) -> Hash {
    let mut nonce = *first;
    if let Some(last) = nonce.last_chunk_mut() {
        *last = u64::from_be_bytes(*last).wrapping_add(count).to_be_bytes();
    }
    nonce
}
