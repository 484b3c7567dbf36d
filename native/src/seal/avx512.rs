//! 8 seals in lock-step with AVX-512F.

use super::{Seal, SealKey};
use crate::keccak::Units;
use crate::keccak::avx512::{VECTOR_LANES, hash_words, load, store};
use std::arch::x86_64::*;

type Mask = [__m512i; 4];

/// Seals or unseals 8 blocks in place: two words of each at a time.
#[target_feature(enable = "avx512f")]
pub(super) fn eight<const UNSEALS: bool>(units: Units, seals: &mut [Seal; VECTOR_LANES], keys: &[SealKey; VECTOR_LANES]) {
    let mut mask = first_masks(units, keys);
    for pair in 0..size_of::<Seal>() / 64 {
        let [a, b, c, d, e, f, g, h] = load(seals, pair);
        let (first, second) = ([a, b, c, d], [e, f, g, h]);
        let [a, b, c, d] = xor(first, mask);
        mask = hash_words(units, if UNSEALS { first } else { [a, b, c, d] });
        let [e, f, g, h] = xor(second, mask);
        mask = hash_words(units, if UNSEALS { second } else { [e, f, g, h] });
        store([a, b, c, d, e, f, g, h], seals, pair);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn first_masks(units: Units, keys: &[SealKey; VECTOR_LANES]) -> Mask {
    let seeds = keys.each_ref().map(SealKey::seed);
    let [a, b, c, d, e, f, g, h] = load(&seeds, 0);
    let [i, j, k, l, ..] = load(&seeds, 1);
    hash_words(units, [a, b, c, d, e, f, g, h, i, j, k, l])
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor([a, b, c, d]: Mask, [e, f, g, h]: Mask) -> Mask {
    [_mm512_xor_si512(a, e), _mm512_xor_si512(b, f), _mm512_xor_si512(c, g), _mm512_xor_si512(d, h)]
}
