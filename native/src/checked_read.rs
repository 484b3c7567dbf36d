//! A read and the comparison with its checksums in one go, while the bytes are still in the core's cache.

use crate::checksum::{BLOCK_BYTES, block_count, first_bad_block};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Bytes that are read before they are compared: they stay in the second cache of any core.
const STEP_BYTES: usize = 32 * BLOCK_BYTES;

/// Fills `into` from `position` of the file. True if all of it was read and each block has its checksum; otherwise `into` holds anything.
pub fn read_right(file: &File, position: u64, into: &mut [u8], expected: &[u32]) -> bool {
    if expected.len() < block_count(into.len()) {
        return false;
    }
    let mut at = position;
    for (step, crcs) in into.chunks_mut(STEP_BYTES).zip(expected.chunks(STEP_BYTES / BLOCK_BYTES)) {
        if file.read_exact_at(step, at).is_err() || first_bad_block(step, crcs.iter().copied()).is_some() {
            return false;
        }
        at += step.len() as u64;
    }
    true
}
