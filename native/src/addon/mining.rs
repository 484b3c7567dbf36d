//! Seals, nonces and answers.

use super::args::{Arg, Bytes, hash_of};
use crate::error::{Error, require};
use crate::pora::{self, Answer, Hunt, Task, Terms};
use crate::seal::{self, SEAL_BYTES, SEAL_SECTORS, Seal, SealKey};
use crate::{Hash, Simd};
use napi::bindgen_prelude::{BigInt, Uint8Array};
use napi_derive::napi;
use std::time::{Duration, Instant};

/// Bytes of an entry of the map of places.
const ENTRY_BYTES: usize = 16;
/// The longest that a thread mines in one call.
const LONGEST_MS: u64 = 10_000;

/// Seals or unseals `data`, whole seals of 4,096 bytes that follow each other in the flow from the sector `firstSector` (a multiple of 16) on,
/// in place. `digests`: for each the digest of the context that owns it, 32 bytes. Another key gives other bytes, and nothing tells.
#[napi(
    catch_unwind,
    ts_args_type = "data: Uint8Array, isSeal: boolean, minerId: Uint8Array, digests: Uint8Array, firstSector: bigint"
)]
pub fn transform_seals(data: Arg, is_seal: Arg, miner_id: Arg, digests: Arg, first_sector: Arg) -> napi::Result<()> {
    Ok(transform(data, &is_seal, &miner_id, &digests, &first_sector)?)
}

fn transform(mut data: Arg, is_seal: &Arg, miner_id: &Arg, digests: &Arg, first_sector: &Arg) -> Result<(), Error> {
    let seals = data.bytes_mut("data", &[miner_id, digests])?;
    let bytes = seals.len();
    let (seals, rest) = seals.as_chunks_mut::<SEAL_BYTES>();
    require!(rest.is_empty(), "data: {bytes} bytes, expected a multiple of {SEAL_BYTES}");
    let digests = digests.hashes("digests")?;
    require!(digests.len() == seals.len(), "digests: {}, expected one for each of {} seals", digests.len(), seals.len());
    let first = first_sector.bigint("firstSector")?;
    require!(first.is_multiple_of(SEAL_SECTORS), "firstSector: {first}, expected a multiple of {SEAL_SECTORS}");
    require!(first.checked_add(seals.len() as u64 * SEAL_SECTORS).is_some(), "firstSector: {first} is too large");
    let miner_id = miner_id.hash("minerId")?;
    let key = |(index, digest): (usize, &Hash)| {
        let start_sector = first + index as u64 * SEAL_SECTORS;
        SealKey { miner_id, context_digest: *digest, start_sector }
    };
    let keys: Vec<_> = digests.iter().enumerate().map(key).collect();
    let simd = Simd::chosen()?;
    if is_seal.flag("isSeal")? {
        seal::seal(simd, seals, &keys);
    } else {
        seal::unseal(simd, seals, &keys);
    }
    Ok(())
}

/// The highest quality that is an answer, 32 bytes, big-endian (spec pora-and-contracts §2.5). `shards`: how many there are.
#[napi(
    catch_unwind,
    ts_args_type = "poraTarget: Uint8Array, flowLength: bigint, shards: bigint",
    ts_return_type = "Uint8Array"
)]
pub fn pora_threshold(pora_target: Arg, flow_length: Arg, shards: Arg) -> napi::Result<Bytes> {
    let (length, shards) = (flow_length.bigint("flowLength")?, shards.bigint("shards")?);
    let threshold = pora::threshold(&pora_target.hash("poraTarget")?, length, u128::from(shards));
    let none = || Error(format!("{length} sectors are fewer than {shards} shards"));
    Ok(threshold.ok_or_else(none)?.into())
}

/// A seal whose quality is an answer.
#[napi(object, object_from_js = false)]
pub struct MineFind {
    /// 32 bytes.
    #[napi(ts_type = "Uint8Array")]
    pub nonce: Bytes,
    /// Its first sector in the flow.
    pub recall_position: u64,
    /// Its index in its flow segment.
    pub seal_offset: u64,
    /// 32 bytes, big-endian.
    #[napi(ts_type = "Uint8Array")]
    pub quality: Bytes,
    /// 4,096 bytes, as they are stored.
    #[napi(ts_type = "Uint8Array")]
    pub sealed_data: Bytes,
}

/// What a call of `mine` has done.
#[napi(object, object_from_js = false)]
pub struct MineResult {
    /// Nonces that are done with.
    pub nonces: u64,
    /// Flow segments that were read.
    pub reads: u64,
    /// Seals that were tried.
    pub qualities: u64,
    /// Flow segments that could not be read.
    pub failures: u64,
    /// Of the last nonce.
    pub finds: Vec<MineFind>,
}

/// A range of the flow, in sectors, and which shard of it.
#[napi(object, object_to_js = false)]
pub struct MineRange {
    /// First sector.
    pub start_position: BigInt,
    /// Sectors.
    pub mine_length: BigInt,
    /// Which of the shards.
    pub shard_id: BigInt,
    /// All 64 bits but the lowest, as many as it takes to number the shards.
    pub shard_mask: BigInt,
}

/// What nonces are tried for.
#[napi(object, object_to_js = false)]
pub struct MineTask {
    /// 32 bytes.
    pub miner_id: Uint8Array,
    /// 32 bytes.
    pub subtask_digest: Uint8Array,
    /// Where in the flow.
    pub range: MineRange,
    /// 32 bytes, big-endian: the highest quality that is an answer.
    pub threshold: Uint8Array,
}

/// Tries nonces from `firstNonce` on, whose last 64 bits are counted up, on this thread for about `milliseconds` (at most 10,000), or until one
/// has answers. `places` tells of each flow segment, 16 bytes each, little-endian: its byte position in a file (48 bits), the index of the file
/// in `files` (16 bits; 65,535: not held), and one bit for each of its 64 seals that is there. It may be shared, and change meanwhile: what is
/// read then is no answer. `files`: descriptors that stay open.
#[napi(
    catch_unwind,
    ts_args_type = "task: MineTask, firstNonce: Uint8Array, milliseconds: number, places: Uint8Array, files: Uint32Array"
)]
pub fn mine(task: MineTask, first_nonce: Arg, milliseconds: Arg, places: Arg, files: Arg) -> napi::Result<MineResult> {
    Ok(mined(&task, &first_nonce, &milliseconds, &places, &files)?)
}

fn mined(task: &MineTask, first_nonce: &Arg, milliseconds: &Arg, places: &Arg, files: &Arg) -> Result<MineResult, Error> {
    let mine_task = Task {
        miner_id: hash_of("minerId", &task.miner_id)?,
        subtask_digest: hash_of("subtaskDigest", &task.subtask_digest)?,
        range: task.range.checked()?,
    };
    let until = Instant::now() + Duration::from_millis(milliseconds.number("milliseconds")?.min(LONGEST_MS));
    let (entries, rest) = places.bytes("places")?.as_chunks::<ENTRY_BYTES>();
    require!(rest.is_empty(), "places: expected a multiple of {ENTRY_BYTES} bytes");
    let loads = os::Files::new(entries, files.words("files")?)?;
    let hunt = Hunt {
        task: &mine_task,
        threshold: &hash_of("threshold", &task.threshold)?,
        first_nonce: &first_nonce.hash("firstNonce")?,
        until,
    };
    let (tally, finds) = pora::hunt(Simd::chosen()?, &hunt, &loads);
    let find = |find: pora::Find| MineFind {
        nonce: find.nonce.into(),
        recall_position: find.recall_position,
        seal_offset: find.seal_offset,
        quality: find.quality.into(),
        sealed_data: Bytes(find.sealed_data.to_vec()),
    };
    let pora::Tally { nonces, reads, qualities, failures } = tally;
    Ok(MineResult { nonces, reads, qualities, failures, finds: finds.into_iter().map(find).collect() })
}

/// An answer to a mining task (spec pora-and-contracts §2.7).
#[napi(object, object_to_js = false)]
pub struct PoraAnswer {
    /// 32 bytes: of the context that it is for.
    pub context_digest: Uint8Array,
    /// 32 bytes.
    pub nonce: Uint8Array,
    /// 32 bytes.
    pub miner_id: Uint8Array,
    /// Where in the flow.
    pub range: MineRange,
    /// First sector of the seal.
    pub recall_position: BigInt,
    /// Index of the seal in its flow segment.
    pub seal_offset: BigInt,
    /// 32 bytes: of the context that owns the seal.
    pub sealed_context_digest: Uint8Array,
    /// 4,096 bytes, as they are stored.
    pub sealed_data: Uint8Array,
    /// 32 bytes for each sibling from the seal up to below the root.
    pub merkle_proof: Uint8Array,
}

/// What an answer has to fit.
#[napi(object, object_to_js = false)]
pub struct PoraTerms {
    /// 32 bytes: of the context that is mined.
    pub context_digest: Uint8Array,
    /// 32 bytes, in that context.
    pub flow_root: Uint8Array,
    /// Sectors, in that context.
    pub flow_length: BigInt,
    /// 32 bytes.
    pub subtask_digest: Uint8Array,
    /// 32 bytes, big-endian; bigger is easier.
    pub pora_target: Uint8Array,
    /// Most shards that a miner may name.
    pub max_shards: BigInt,
    /// First sector of the context that the answer calls the seal's owner; 0 where there is none.
    pub sealed_start: BigInt,
    /// The one behind its last; 0 where there is none.
    pub sealed_end: BigInt,
    /// Whether the context takes no further answers.
    pub is_full: bool,
}

/// What the contract says of an answer: one of the two.
#[napi(object, object_from_js = false)]
pub struct Verdict {
    /// 32 bytes, which are to be new.
    #[napi(ts_type = "Uint8Array")]
    pub output: Option<Bytes>,
    /// The contract's words.
    pub refusal: Option<String>,
}

/// What the PoraMine contract says of an answer (spec pora-and-contracts §3.1). What only the chain knows is not looked at: who is registered,
/// the window of the subtask, whether the output is new.
#[napi(catch_unwind)]
pub fn verify_answer(answer: PoraAnswer, terms: PoraTerms) -> napi::Result<Verdict> {
    Ok(judged(&answer, &terms)?)
}

fn judged(answer: &PoraAnswer, terms: &PoraTerms) -> Result<Verdict, Error> {
    let sealed: &Seal = (&*answer.sealed_data)
        .try_into()
        .map_err(|_| Error(format!("sealedData: {} bytes, expected {SEAL_BYTES}", answer.sealed_data.len())))?;
    let (proof, rest) = answer.merkle_proof.as_chunks();
    require!(rest.is_empty(), "merkleProof: {} bytes, expected a multiple of 32", answer.merkle_proof.len());
    let answer = Answer {
        context_digest: hash_of("contextDigest", &answer.context_digest)?,
        nonce: hash_of("nonce", &answer.nonce)?,
        miner_id: hash_of("minerId", &answer.miner_id)?,
        range: answer.range.checked()?,
        recall_position: number("recallPosition", &answer.recall_position)?,
        seal_offset: number("sealOffset", &answer.seal_offset)?,
        sealed_context_digest: hash_of("sealedContextDigest", &answer.sealed_context_digest)?,
        sealed_data: Box::new(*sealed),
        merkle_proof: proof.to_vec(),
    };
    let sealed_range = (number("sealedStart", &terms.sealed_start)?, number("sealedEnd", &terms.sealed_end)?);
    let terms = Terms {
        context_digest: hash_of("contextDigest", &terms.context_digest)?,
        flow_root: hash_of("flowRoot", &terms.flow_root)?,
        flow_length: number("flowLength", &terms.flow_length)?,
        subtask_digest: hash_of("subtaskDigest", &terms.subtask_digest)?,
        pora_target: hash_of("poraTarget", &terms.pora_target)?,
        max_shards: number("maxShards", &terms.max_shards)?,
        sealed_range,
        is_full: terms.is_full,
    };
    Ok(match pora::verify(Simd::chosen()?, &answer, &terms) {
        Ok(output) => Verdict { output: Some(output.into()), refusal: None },
        Err(refusal) => Verdict { output: None, refusal: Some(refusal.0.into()) },
    })
}

impl MineRange {
    fn checked(&self) -> Result<pora::MineRange, Error> {
        Ok(pora::MineRange {
            start_position: number("startPosition", &self.start_position)?,
            mine_length: number("mineLength", &self.mine_length)?,
            shard_id: number("shardId", &self.shard_id)?,
            shard_mask: number("shardMask", &self.shard_mask)?,
        })
    }
}

fn number(name: &str, value: &BigInt) -> Result<u64, Error> {
    match value.get_u64() {
        (false, value, true) => Ok(value),
        _ => Err(Error(format!("{name}: expected a bigint from 0 to 2^64 - 1"))),
    }
}

#[cfg(unix)]
mod os {
    use super::ENTRY_BYTES;
    use crate::error::Error;
    use crate::pora::{Load, Loads, Place};
    use std::fs::File;
    use std::mem::ManuallyDrop;
    use std::os::fd::{AsRawFd, FromRawFd};
    use std::os::unix::fs::FileExt;

    const POSITION_BITS: u32 = 48;

    /// Flow segments in open files of somebody else.
    pub struct Files<'a> {
        entries: &'a [[u8; ENTRY_BYTES]],
        files: Vec<ManuallyDrop<File>>,
    }

    impl<'a> Files<'a> {
        pub fn new(entries: &'a [[u8; ENTRY_BYTES]], descriptors: &[u32]) -> Result<Self, Error> {
            let file = |fd: &u32| {
                let fd = i32::try_from(*fd).map_err(|_| Error(format!("files: {fd} is not a file descriptor")))?;
                // SAFETY: the caller keeps the descriptors open during the call, and nothing here closes them.
                Ok(ManuallyDrop::new(unsafe { File::from_raw_fd(fd) }))
            };
            Ok(Self { entries, files: descriptors.iter().map(file).collect::<Result<_, Error>>()? })
        }
    }

    impl Loads for Files<'_> {
        fn place(&self, index: u64) -> Option<Place> {
            let entry = self.entries.get(usize::try_from(index).ok()?)?;
            let (words, _) = entry.as_chunks::<8>();
            let (place, available) = (u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1]));
            let file = (place >> POSITION_BITS) as usize;
            (file < self.files.len()).then_some(Place { file, position: place & ((1 << POSITION_BITS) - 1), available })
        }

        fn ahead(&self, place: Place) {
            let Some(file) = self.files.get(place.file) else { return };
            #[cfg(target_os = "linux")]
            if let Ok(offset) = i64::try_from(place.position) {
                // SAFETY: a hint about an open file; no memory is touched.
                unsafe { libc::posix_fadvise(file.as_raw_fd(), offset, size_of::<Load>() as i64, libc::POSIX_FADV_WILLNEED) };
            }
        }

        fn read(&self, place: Place, into: &mut Load) -> Result<(), Error> {
            let file = self.files.get(place.file).ok_or_else(|| Error("no such file".into()))?;
            file.read_exact_at(into.as_flattened_mut(), place.position).map_err(|error| Error(error.to_string()))
        }
    }
}

/// Not known how on this system.
#[cfg(not(unix))]
mod os {
    use super::ENTRY_BYTES;
    use crate::error::Error;
    use crate::pora::{Load, Loads, Place};

    pub struct Files;

    impl Files {
        pub fn new(_: &[[u8; ENTRY_BYTES]], _: &[u32]) -> Result<Self, Error> {
            Err(Error("mining needs a POSIX system".into()))
        }
    }

    impl Loads for Files {
        fn place(&self, _: u64) -> Option<Place> {
            None
        }

        fn ahead(&self, _: Place) {}

        fn read(&self, _: Place, _: &mut Load) -> Result<(), Error> {
            Err(Error("mining needs a POSIX system".into()))
        }
    }
}
