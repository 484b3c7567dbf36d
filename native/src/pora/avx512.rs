//! 8 nonces or 8 seals in lock-step with AVX-512F.

use super::{CELL_BYTES, Mixing, Pad, index_word, quarter, seed_words};
use crate::Hash;
use crate::blake2b::avx512::compress;
use crate::blake2b::{BLOCK_BYTES, Digest, START};
use crate::keccak::Units;
use crate::keccak::avx512::{VECTOR_LANES, Words, hash_words, load, store, store_hashes, transpose};
use crate::seal::{SEAL_BYTES, Seal};
use std::arch::x86_64::*;

/// Fills 8 scratchpads; their chains stay in registers.
#[target_feature(enable = "avx512f")]
pub(super) fn eight_pads(
    units: Units,
    seeds: &[Digest; VECTOR_LANES],
    pads: &mut [Pad; VECTOR_LANES],
    recalls: &mut [Hash; VECTOR_LANES],
) {
    let mut state = load(seeds, 0);
    for cell in 0..size_of::<Pad>() / CELL_BYTES {
        [state[0], state[1], state[2], state[3]] = hash_words(units, state);
        [state[4], state[5], state[6], state[7]] = hash_words(units, state);
        store(state, pads, cell);
    }
    store_hashes(hash_words(units, state), recalls);
}

/// Half of a block of 8 seals, mixed with their scratchpad.
#[inline]
#[target_feature(enable = "avx512f")]
fn mixed(seals: &[(&Seal, &Seal); VECTOR_LANES], half: usize) -> Words {
    let row = |lane: usize| {
        let (seal, pad) = seals[lane];
        let at = half * 64..half * 64 + 64;
        let (seal, pad) = (&seal[at.clone()], &pad[at]);
        // SAFETY: the slices have the 64 bytes that the unaligned loads read.
        unsafe { _mm512_xor_si512(_mm512_loadu_si512(seal.as_ptr().cast()), _mm512_loadu_si512(pad.as_ptr().cast())) }
    };
    transpose([row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7)])
}

/// The qualities of 8 seals.
#[target_feature(enable = "avx512f")]
pub(super) fn eight_qualities(mixing: Mixing<'_>, indices: &[usize; VECTOR_LANES]) -> [Hash; VECTOR_LANES] {
    let word = |value: u64| _mm512_set1_epi64(value.cast_signed());
    let mut block = [_mm512_setzero_si512(); 16];
    let [a, b, c, d, e, f, g, h] = indices.map(|index| index_word(index).cast_signed());
    block[3] = _mm512_set_epi64(h, g, f, e, d, c, b, a);
    block[4..12].copy_from_slice(&seed_words(mixing.pad_seed).map(word));
    let mut chain = START.map(word);
    compress(&mut chain, &block, BLOCK_BYTES as u64, false);
    let (quarters, _) = mixing.pad.as_chunks::<SEAL_BYTES>();
    let seals = indices.map(|index| (&mixing.seals[index], &quarters[quarter(index) / SEAL_BYTES]));
    const BLOCKS: usize = SEAL_BYTES / BLOCK_BYTES;
    for at in 0..BLOCKS {
        block[..8].copy_from_slice(&mixed(&seals, 2 * at));
        block[8..].copy_from_slice(&mixed(&seals, 2 * at + 1));
        compress(&mut chain, &block, ((at + 2) * BLOCK_BYTES) as u64, at == BLOCKS - 1);
    }
    let mut qualities = [[0; 32]; VECTOR_LANES];
    store_hashes([chain[0], chain[1], chain[2], chain[3]], &mut qualities);
    qualities
}
