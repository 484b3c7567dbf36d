//! Hashes, checksums and whole segments.

use super::args::{Arg, Bytes};
use crate::error::{Error, require};
use crate::segment::{SEGMENT_BLOCKS, SEGMENT_BYTES, SEGMENT_LEAVES, hash_segment};
use crate::{Simd, checksum, keccak, merkle};
use napi::bindgen_prelude::Result;
use napi_derive::napi;

/// Most segments of one call of `hashSegments`.
const MAX_SEGMENTS: usize = 16;

/// Keccak-256 (Ethereum padding), 32 bytes.
#[napi(catch_unwind, ts_args_type = "data: Uint8Array", ts_return_type = "Uint8Array")]
pub fn keccak256(data: Arg) -> Result<Bytes> {
    Ok(keccak::keccak256(data.bytes("data")?).into())
}

/// Keccak-256 of two hashes after each other.
#[napi(catch_unwind, ts_args_type = "left: Uint8Array, right: Uint8Array", ts_return_type = "Uint8Array")]
pub fn hash_pair(left: Arg, right: Arg) -> Result<Bytes> {
    Ok(keccak::hash_pair(&left.hash("left")?, &right.hash("right")?).into())
}

/// CRC-32C of a message.
#[napi(js_name = "crc32c", catch_unwind, ts_args_type = "data: Uint8Array")]
pub fn crc32c(data: Arg) -> Result<u32> {
    Ok(checksum::crc32c(data.bytes("data")?))
}

/// Writes the CRC-32C of each 4,096-byte block (the last may be short) and returns how many there are.
#[napi(js_name = "crc32cBlocks", catch_unwind, ts_args_type = "data: Uint8Array, out: Uint32Array")]
pub fn crc32c_blocks(data: Arg, mut out: Arg) -> Result<u32> {
    let out = out.words_mut("out", &[&data])?;
    let data = data.bytes("data")?;
    let count = block_count(data, out.len(), "out")?;
    checksum::block_checksums(data, out);
    Ok(count)
}

/// Index of the first block whose CRC-32C is not `expected[index]`; -1 if all are good.
#[napi(catch_unwind, ts_args_type = "data: Uint8Array, expected: Uint32Array")]
pub fn check_blocks(data: Arg, expected: Arg) -> Result<i64> {
    let (data, expected) = (data.bytes("data")?, expected.words("expected")?);
    block_count(data, expected.len(), "expected")?;
    Ok(index_or_none(checksum::first_bad_block(data, expected.iter().copied())))
}

/// Like `checkBlocks`, with the expected checksums as bytes, little-endian, 4 for each block.
#[napi(catch_unwind, ts_args_type = "data: Uint8Array, expectedLe: Uint8Array")]
pub fn check_blocks_bytes(data: Arg, expected_le: Arg) -> Result<i64> {
    let (data, expected) = (data.bytes("data")?, expected_le.bytes("expectedLe")?);
    let (expected, rest) = expected.as_chunks();
    require_whole(rest.len(), "expectedLe")?;
    block_count(data, expected.len(), "expectedLe")?;
    Ok(index_or_none(checksum::first_bad_block(data, expected.iter().map(|bytes| u32::from_le_bytes(*bytes)))))
}

fn index_or_none(index: Option<usize>) -> i64 {
    index.map_or(-1, |index| index as i64)
}

pub(super) fn require_whole(rest: usize, name: &str) -> std::result::Result<(), Error> {
    require!(rest == 0, "{name}: its length is not a multiple of 4");
    Ok(())
}

/// Blocks of `data`, for which there must be room in the array `name`.
fn block_count(data: &[u8], room: usize, name: &str) -> std::result::Result<u32, Error> {
    let count = checksum::block_count(data.len());
    require!(count <= room, "{name}: {room} checksums for {count} blocks");
    u32::try_from(count).map_err(|_| Error(format!("data: {count} blocks are too many")))
}

/// Hashes up to 16 segments of a slab: segment `i` is the `lengths[i]` bytes (1 to 262,144) from byte `slots[i] * 262144`,
/// padded with zero sectors to `leaves[i]` leaves. Writes its root to byte `32 * i` of `roots`, and the CRC-32C of the blocks
/// of its bytes to `crcs` from `64 * i` on (unused places become 0). Other bytes of the slab are neither read nor written.
#[napi(
    catch_unwind,
    ts_args_type = "slab: Uint8Array, slots: Uint32Array, lengths: Uint32Array, leaves: Uint32Array, roots: Uint8Array, crcs: Uint32Array, simd?: string"
)]
pub fn hash_segments(
    slab: Arg,
    slots: Arg,
    lengths: Arg,
    leaves: Arg,
    mut roots: Arg,
    mut crcs: Arg,
    simd: Option<String>,
) -> Result<()> {
    let simd = simd.map_or_else(Simd::chosen, |name| Simd::named(&name))?;
    let roots_out = roots.bytes_mut("roots", &[&slab, &slots, &lengths, &leaves, &crcs])?;
    let crcs_out = crcs.words_mut("crcs", &[&slab, &slots, &lengths, &leaves])?;
    let segments = segments(&slab, &slots, &lengths, &leaves)?;
    let (roots_out, _) = roots_out.as_chunks_mut::<32>();
    let (crcs_out, _) = crcs_out.as_chunks_mut::<SEGMENT_BLOCKS>();
    let (count, roots_room, crcs_room) = (segments.len(), roots_out.len(), crcs_out.len());
    require_room(roots_room, count, "roots")?;
    require_room(crcs_room, count, "crcs")?;
    for ((segment, root), crcs) in segments.into_iter().zip(roots_out).zip(crcs_out) {
        crcs[checksum::block_count(segment.data.len())..].fill(0);
        *root = hash_segment(simd, segment.data, segment.leaves, crcs)?;
    }
    Ok(())
}

struct Segment<'slab> {
    data: &'slab [u8],
    leaves: usize,
}

fn require_room(room: usize, count: usize, name: &str) -> std::result::Result<(), Error> {
    require!(room >= count, "{name}: room for {room} segments, expected {count}");
    Ok(())
}

/// Reads and checks everything before the first byte is hashed, so that a refused call changes nothing.
fn segments<'slab>(
    slab: &'slab Arg,
    slots: &Arg,
    lengths: &Arg,
    leaves: &Arg,
) -> std::result::Result<Vec<Segment<'slab>>, Error> {
    let slab = slab.bytes("slab")?;
    let (slots, lengths, leaves) = (slots.words("slots")?, lengths.words("lengths")?, leaves.words("leaves")?);
    let count = slots.len();
    require!(count <= MAX_SEGMENTS, "slots: {count} segments, expected at most {MAX_SEGMENTS}");
    require!(lengths.len() == count, "lengths: {}, expected one for each of {count} slots", lengths.len());
    require!(leaves.len() == count, "leaves: {}, expected one for each of {count} slots", leaves.len());
    let segment = |index: usize| {
        let (slot, length, leaves) = (slots[index] as usize, lengths[index] as usize, leaves[index] as usize);
        let is_length = (1..=SEGMENT_BYTES).contains(&length);
        require!(is_length, "lengths[{index}]: {length}, expected 1 to {SEGMENT_BYTES}");
        let sectors = length.div_ceil(keccak::SECTOR_BYTES);
        let is_count = (sectors..=SEGMENT_LEAVES).contains(&leaves);
        require!(is_count, "leaves[{index}]: {leaves}, expected {sectors} to {SEGMENT_LEAVES}");
        let data = slot.checked_mul(SEGMENT_BYTES).and_then(|start| slab.get(start..start.checked_add(length)?));
        let Some(data) = data else {
            return Err(Error(format!("slots[{index}]: {length} bytes in slot {slot} are not in the slab")));
        };
        Ok(Segment { data, leaves })
    };
    (0..count).map(segment).collect()
}

/// Hashes of the sectors of `data` (the last one filled up with zeros), then hashes of zero sectors, `count` in all.
#[napi(catch_unwind, ts_args_type = "data: Uint8Array, count: number", ts_return_type = "Uint8Array")]
pub fn sector_leaves(data: Arg, count: Arg) -> Result<Bytes> {
    const MAX_LEAVES: usize = 1 << 24;
    let (data, count) = (data.bytes("data")?, count.size("count")?);
    let sectors = data.len().div_ceil(keccak::SECTOR_BYTES);
    require_count(count, sectors, MAX_LEAVES)?;
    let mut hashes = vec![merkle::zero_hash(0)?; count];
    merkle::sector_leaves(Simd::chosen()?, data, &mut hashes[..sectors]);
    Ok(hashes.as_slice().into())
}

fn require_count(count: usize, least: usize, most: usize) -> std::result::Result<(), Error> {
    require!((least..=most).contains(&count), "count: {count}, expected {least} to {most}");
    Ok(())
}
