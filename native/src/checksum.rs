//! CRC-32C (Castagnoli) of whole messages and of 4,096-byte blocks, the unit of checksum on disk.

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

/// Writes the CRC-32C of each block of `data` and returns how many there are.
///
/// # Panics
/// If `checksums` has no room for all blocks.
pub fn block_checksums(data: &[u8], checksums: &mut [u32]) -> usize {
    let count = block_count(data.len());
    for (block, checksum) in data.chunks(BLOCK_BYTES).zip(&mut checksums[..count]) {
        *checksum = crc32c(block);
    }
    count
}

/// The first block of `data` whose CRC-32C is not the expected one.
///
/// # Panics
/// If fewer checksums are expected than there are blocks.
pub fn first_bad_block(data: &[u8], expected: impl ExactSizeIterator<Item = u32>) -> Option<usize> {
    assert!(expected.len() >= block_count(data.len()), "one expected checksum for each block");
    data.chunks(BLOCK_BYTES).zip(expected).position(|(block, expected)| crc32c(block) != expected)
}
