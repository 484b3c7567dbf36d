//! Proof of random access (spec pora-and-contracts §2, §3): a nonce leads to a place in the flow that only its scratchpad tells, and
//! each seal there, mixed with the scratchpad, has a quality. Nonces and seals go in lock-step, as many as the CPU has lanes.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod miner;
mod range;
mod scalar;
mod threshold;
mod verify;

pub use miner::{Find, Hunt, Load, Loads, Place, Tally, hunt};
pub use range::{LOAD_SECTORS, MineRange};
pub use threshold::{scale, threshold};
pub use verify::{Answer, Refusal, Terms, unsealed, verify};

use crate::Hash;
use crate::blake2b::{Digest, blake2b};
use crate::keccak::{Kernel, Simd};
use crate::seal::Seal;

/// Bytes of a scratchpad: four seals.
pub const PAD_BYTES: usize = 16_384;

/// A scratchpad.
pub type Pad = [u8; PAD_BYTES];

/// Bytes of a cell of a scratchpad.
const CELL_BYTES: usize = 64;

/// Seals of a flow segment.
pub const LOAD_SEALS: usize = 64;

/// What a nonce is tried for.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// Who mines.
    pub miner_id: Hash,
    /// The digest of the subtask (spec §2.3).
    pub subtask_digest: Hash,
    /// Where in the flow.
    pub range: MineRange,
}

impl Task {
    /// What the scratchpad of a nonce grows from.
    pub fn pad_seed(&self, range_digest: &Hash, nonce: &Hash) -> Digest {
        let mut message = [0; 128];
        for (part, bytes) in
            message.as_chunks_mut().0.iter_mut().zip([&self.miner_id, nonce, &self.subtask_digest, range_digest])
        {
            *part = *bytes;
        }
        blake2b(&message)
    }
}

/// Grows a scratchpad from each seed, and the hash that tells the place.
///
/// # Panics
/// If the slices differ in length.
pub fn scratchpads(simd: Simd, seeds: &[Digest], pads: &mut [Pad], recalls: &mut [Hash]) {
    assert!(seeds.len() == pads.len() && seeds.len() == recalls.len(), "one scratchpad for each seed");
    match simd.kernel() {
        Kernel::Scalar => pads_one_by_one(seeds, pads, recalls),
        // SAFETY: a `Simd` that says AVX2 exists only where the CPU has it.
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx2 => pads_in_groups(seeds, pads, recalls, |seeds, pads, out| unsafe { avx2::four_pads(seeds, pads, out) }),
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx512(units) => {
            // SAFETY: a `Simd` that says AVX-512 exists only where the CPU has it.
            pads_in_groups(seeds, pads, recalls, |seeds, pads, out| unsafe { avx512::eight_pads(units, seeds, pads, out) });
        }
    }
}

/// Feeds a kernel of `LANES` lanes; what is left over goes one by one.
#[cfg(target_arch = "x86_64")]
fn pads_in_groups<const LANES: usize>(
    seeds: &[Digest],
    pads: &mut [Pad],
    recalls: &mut [Hash],
    kernel: impl Fn(&[Digest; LANES], &mut [Pad; LANES], &mut [Hash; LANES]),
) {
    let ((seed_groups, seeds), (pad_groups, pads), (recall_groups, recalls)) =
        (seeds.as_chunks(), pads.as_chunks_mut(), recalls.as_chunks_mut());
    for ((seeds, pads), recalls) in seed_groups.iter().zip(pad_groups).zip(recall_groups) {
        kernel(seeds, pads, recalls);
    }
    pads_one_by_one(seeds, pads, recalls);
}

fn pads_one_by_one(seeds: &[Digest], pads: &mut [Pad], recalls: &mut [Hash]) {
    for ((seed, pad), recall) in seeds.iter().zip(pads).zip(recalls) {
        *recall = scalar::pad(seed, pad);
    }
}

/// What the qualities of a nonce come from.
#[derive(Clone, Copy)]
pub struct Mixing<'a> {
    /// What the scratchpad has grown from.
    pub pad_seed: &'a Digest,
    /// The scratchpad.
    pub pad: &'a Pad,
    /// The flow segment that the nonce leads to.
    pub seals: &'a [Seal; LOAD_SEALS],
}

/// Calls `found` with the index and the quality (32 bytes, big-endian) of each seal of which a bit in `available` is set.
pub fn qualities(simd: Simd, mixing: Mixing<'_>, available: u64, mut found: impl FnMut(usize, &Hash)) {
    match simd.kernel() {
        Kernel::Scalar => {
            for index in set_bits(available) {
                found(index, &scalar::quality(mixing, index));
            }
        }
        // SAFETY: a `Simd` that says AVX2 exists only where the CPU has it.
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx2 => qualities_in_groups(available, found, |seals| unsafe { avx2::four_qualities(mixing, seals) }),
        // SAFETY: a `Simd` that says AVX-512 exists only where the CPU has it.
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx512(_) => qualities_in_groups(available, found, |seals| unsafe { avx512::eight_qualities(mixing, seals) }),
    }
}

/// Feeds a kernel of `LANES` lanes; the last group is filled up with its last seal.
#[cfg(target_arch = "x86_64")]
fn qualities_in_groups<const LANES: usize>(
    available: u64,
    mut found: impl FnMut(usize, &Hash),
    kernel: impl Fn(&[usize; LANES]) -> [Hash; LANES],
) {
    let mut left = set_bits(available);
    while let Some(first) = left.next() {
        let mut group = [first; LANES];
        let mut count = 1;
        for (place, index) in group[1..].iter_mut().zip(&mut left) {
            *place = index;
            count += 1;
        }
        let last = group[count - 1];
        group[count..].fill(last);
        let qualities = kernel(&group);
        for (index, quality) in group.iter().zip(&qualities).take(count) {
            found(*index, quality);
        }
    }
}

fn set_bits(bits: u64) -> impl Iterator<Item = usize> {
    (0..LOAD_SEALS).filter(move |index| bits >> index & 1 == 1)
}

/// The first block of what a quality is the hash of, behind the seal's index: words 4 to 11.
fn seed_words(seed: &Digest) -> [u64; 8] {
    let (words, _) = seed.as_chunks();
    std::array::from_fn(|at| u64::from_le_bytes(words[at]))
}

/// Word 3 of that block: the index, big-endian in 32 bytes.
fn index_word(index: usize) -> u64 {
    (index as u64).swap_bytes()
}

/// Where in a scratchpad the bytes begin that are mixed with a seal.
fn quarter(index: usize) -> usize {
    index % 4 * size_of::<Seal>()
}
