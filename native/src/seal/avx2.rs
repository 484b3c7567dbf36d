//! 4 seals in lock-step with AVX2.

use super::{Seal, SealKey};
use crate::keccak::avx2::{LANES, Words, hash_words, load, store};
use std::arch::x86_64::*;

/// Seals or unseals 4 blocks in place.
#[target_feature(enable = "avx2")]
pub(super) fn four<const UNSEALS: bool>(seals: &mut [Seal; LANES], keys: &[SealKey; LANES]) {
    let mut mask = first_masks(keys);
    for word in 0..size_of::<Seal>() / 32 {
        let came = load(seals, word);
        let left = xor(came, mask);
        mask = hash_words(if UNSEALS { came } else { left });
        store(left, seals, word);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn first_masks(keys: &[SealKey; LANES]) -> Words {
    let seeds = keys.each_ref().map(SealKey::seed);
    let [a, b, c, d] = load(&seeds, 0);
    let [e, f, g, h] = load(&seeds, 1);
    let [i, j, k, l] = load(&seeds, 2);
    hash_words([a, b, c, d, e, f, g, h, i, j, k, l])
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor([a, b, c, d]: Words, [e, f, g, h]: Words) -> Words {
    [_mm256_xor_si256(a, e), _mm256_xor_si256(b, f), _mm256_xor_si256(c, g), _mm256_xor_si256(d, h)]
}
