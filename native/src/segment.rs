//! A segment of a file in one pass: block checksums and sector hashes of the same piece while it is in the cache, then the
//! segment's root (spec log-layer §1.4).

use crate::checksum::{BLOCK_BYTES, block_checksums, block_count};
use crate::error::{Error, require};
use crate::keccak::{Hash, SECTOR_BYTES, Simd, hash_blocks};
use crate::merkle::{padded_root, sector_leaves};

/// Bytes of a segment.
pub const SEGMENT_BYTES: usize = SEGMENT_LEAVES * SECTOR_BYTES;

/// Sectors of a segment.
pub const SEGMENT_LEAVES: usize = 1024;

/// Blocks of a segment.
pub const SEGMENT_BLOCKS: usize = SEGMENT_BYTES / BLOCK_BYTES;

/// Sectors of a block.
const BLOCK_SECTORS: usize = BLOCK_BYTES / SECTOR_BYTES;

/// Hashes the 1 to 262,144 bytes of a segment, padded with zero sectors to `leaves` leaves, and writes the CRC-32C of each of
/// its blocks.
pub fn hash_segment(simd: Simd, data: &[u8], leaves: usize, checksums: &mut [u32]) -> Result<Hash, Error> {
    let (length, room) = (data.len(), checksums.len());
    require!((1..=SEGMENT_BYTES).contains(&length), "a segment of {length} bytes: 1 to {SEGMENT_BYTES}");
    let sectors = length.div_ceil(SECTOR_BYTES);
    require!((sectors..=SEGMENT_LEAVES).contains(&leaves), "{leaves} leaves: {sectors} to {SEGMENT_LEAVES} for {length} bytes");
    require!(room >= block_count(length), "room for {room} checksums: {length} bytes have {}", block_count(length));
    let hashes = leaves_and_checksums(simd, data, checksums);
    padded_root(simd, &hashes, leaves)
}

/// Hashes of the sectors of `data`, and the CRC-32C of each of its blocks, of which `checksums` must have room for all.
pub fn leaves_and_checksums(simd: Simd, data: &[u8], checksums: &mut [u32]) -> Vec<Hash> {
    let mut hashes = vec![[0; 32]; data.len().div_ceil(SECTOR_BYTES)];
    let (blocks, rest) = data.as_chunks();
    let (hashes_of_blocks, hashes_of_rest) = hashes.split_at_mut(blocks.len() * BLOCK_SECTORS);
    let (checksums_of_blocks, checksums_of_rest) = checksums.split_at_mut(blocks.len());
    hash_blocks(simd, blocks, hashes_of_blocks, checksums_of_blocks);
    block_checksums(rest, checksums_of_rest);
    sector_leaves(simd, rest, hashes_of_rest);
    hashes
}
