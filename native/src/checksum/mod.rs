//! CRC-32C (Castagnoli) of whole messages and of 4,096-byte blocks, the unit of checksum on disk.

#[cfg(target_arch = "x86_64")]
mod folding;

#[cfg(target_arch = "x86_64")]
use crate::Simd;
#[cfg(target_arch = "x86_64")]
use std::sync::OnceLock;

/// Bytes of a block.
pub const BLOCK_BYTES: usize = 4096;

/// CRC-32C of a message.
pub fn crc32c(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
}

/// Blocks in `length` bytes, the last possibly short.
pub fn block_count(length: usize) -> usize {
    length.div_ceil(BLOCK_BYTES)
}

/// CRC-32C of a piece that is one block, or the last one of a message.
fn block_checksum(piece: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if let Ok(block) = piece.try_into()
        && folds()
    {
        // SAFETY: `folds` has found the instruction sets.
        return unsafe { folding::block(block) };
    }
    crc32c(piece)
}

/// Whether blocks are folded: the CPU can, and nobody forced a lesser kernel.
#[cfg(target_arch = "x86_64")]
fn folds() -> bool {
    static FOLDS: OnceLock<bool> = OnceLock::new();
    *FOLDS.get_or_init(|| folding::is_available() && Simd::chosen().is_ok_and(|simd| simd.name() == "avx512"))
}

/// Writes the CRC-32C of each block of `data` and returns how many there are.
///
/// # Panics
/// If `checksums` has no room for all blocks.
pub fn block_checksums(data: &[u8], checksums: &mut [u32]) -> usize {
    let count = block_count(data.len());
    for (block, checksum) in data.chunks(BLOCK_BYTES).zip(&mut checksums[..count]) {
        *checksum = block_checksum(block);
    }
    count
}

/// The first block of `data` whose CRC-32C is not the expected one.
///
/// # Panics
/// If fewer checksums are expected than there are blocks.
pub fn first_bad_block(data: &[u8], expected: impl ExactSizeIterator<Item = u32>) -> Option<usize> {
    assert!(expected.len() >= block_count(data.len()), "one expected checksum for each block");
    data.chunks(BLOCK_BYTES).zip(expected).position(|(block, expected)| block_checksum(block) != expected)
}
