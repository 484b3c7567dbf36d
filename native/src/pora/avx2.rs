//! 4 nonces or 4 seals in lock-step with AVX2.

use super::{CELL_BYTES, Mixing, Pad, index_word, quarter, seed_words};
use crate::Hash;
use crate::blake2b::avx2::compress;
use crate::blake2b::{BLOCK_BYTES, Digest, START};
use crate::keccak::avx2::{LANES, Words, hash_words, load, store, transpose};
use crate::seal::{SEAL_BYTES, Seal};
use std::arch::x86_64::*;

/// Fills 4 scratchpads.
#[target_feature(enable = "avx2")]
pub(super) fn four_pads(seeds: &[Digest; LANES], pads: &mut [Pad; LANES], recalls: &mut [Hash; LANES]) {
    let ([a, b, c, d], [e, f, g, h]) = (load(seeds, 0), load(seeds, 1));
    let mut state = [a, b, c, d, e, f, g, h];
    for cell in 0..size_of::<Pad>() / CELL_BYTES {
        let low = hash_words(state);
        state[..4].copy_from_slice(&low);
        let high = hash_words(state);
        state[4..].copy_from_slice(&high);
        store(low, pads, 2 * cell);
        store(high, pads, 2 * cell + 1);
    }
    store(hash_words(state), recalls, 0);
}

/// A quarter of a block of 4 seals, mixed with their scratchpad.
#[inline]
#[target_feature(enable = "avx2")]
fn mixed(seals: &[(&Seal, &Seal); LANES], part: usize) -> Words {
    let row = |lane: usize| {
        let (seal, pad) = seals[lane];
        let at = part * 32..part * 32 + 32;
        let (seal, pad) = (&seal[at.clone()], &pad[at]);
        // SAFETY: the slices have the 32 bytes that the unaligned loads read.
        unsafe { _mm256_xor_si256(_mm256_loadu_si256(seal.as_ptr().cast()), _mm256_loadu_si256(pad.as_ptr().cast())) }
    };
    transpose([row(0), row(1), row(2), row(3)])
}

/// The qualities of 4 seals.
#[target_feature(enable = "avx2")]
pub(super) fn four_qualities(mixing: Mixing<'_>, indices: &[usize; LANES]) -> [Hash; LANES] {
    let word = |value: u64| _mm256_set1_epi64x(value.cast_signed());
    let mut block = [_mm256_setzero_si256(); 16];
    let [a, b, c, d] = indices.map(|index| index_word(index).cast_signed());
    block[3] = _mm256_set_epi64x(d, c, b, a);
    block[4..12].copy_from_slice(&seed_words(mixing.pad_seed).map(word));
    let mut chain = START.map(word);
    compress(&mut chain, &block, BLOCK_BYTES as u64, false);
    let (quarters, _) = mixing.pad.as_chunks::<SEAL_BYTES>();
    let seals = indices.map(|index| (&mixing.seals[index], &quarters[quarter(index) / SEAL_BYTES]));
    const BLOCKS: usize = SEAL_BYTES / BLOCK_BYTES;
    for at in 0..BLOCKS {
        for (part, words) in block.as_chunks_mut().0.iter_mut().enumerate() {
            *words = mixed(&seals, 4 * at + part);
        }
        compress(&mut chain, &block, ((at + 2) * BLOCK_BYTES) as u64, at == BLOCKS - 1);
    }
    let mut qualities = [[0; 32]; LANES];
    store([chain[0], chain[1], chain[2], chain[3]], &mut qualities, 0);
    qualities
}
