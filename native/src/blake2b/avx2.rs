//! 4 messages in lock-step with AVX2: word `w` of message `l` is element `l` of vector `w`.

use super::{IV, rounds};
use std::arch::x86_64::*;

#[inline]
#[target_feature(enable = "avx2")]
fn add(a: __m256i, b: __m256i) -> __m256i {
    _mm256_add_epi64(a, b)
}

/// Rotates each word right by `BYTES` bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn rotate_bytes<const BYTES: u32>(word: __m256i) -> __m256i {
    let low = 0x0706_0504_0302_0100_u64.rotate_right(BYTES * 8).cast_signed();
    let high = 0x0F0E_0D0C_0B0A_0908_u64.rotate_right(BYTES * 8).cast_signed();
    _mm256_shuffle_epi8(word, _mm256_set_epi64x(high, low, high, low))
}

#[inline]
#[target_feature(enable = "avx2")]
fn mix(v: &mut [__m256i; 16], [a, b, c, d]: [usize; 4], x: __m256i, y: __m256i) {
    v[a] = add(add(v[a], x), v[b]);
    v[d] = _mm256_shuffle_epi32::<0xB1>(_mm256_xor_si256(v[d], v[a]));
    v[c] = add(v[c], v[d]);
    v[b] = rotate_bytes::<3>(_mm256_xor_si256(v[b], v[c]));
    v[a] = add(add(v[a], y), v[b]);
    v[d] = rotate_bytes::<2>(_mm256_xor_si256(v[d], v[a]));
    v[c] = add(v[c], v[d]);
    let changed = _mm256_xor_si256(v[b], v[c]);
    v[b] = _mm256_or_si256(add(changed, changed), _mm256_srli_epi64::<63>(changed));
}

/// Takes a block of each message in.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn compress(chain: &mut [__m256i; 8], m: &[__m256i; 16], taken: u64, is_last: bool) {
    let mut v = [_mm256_setzero_si256(); 16];
    v[..8].copy_from_slice(chain);
    for (word, iv) in v[8..].iter_mut().zip(IV) {
        *word = _mm256_set1_epi64x(iv.cast_signed());
    }
    v[12] = _mm256_xor_si256(v[12], _mm256_set1_epi64x(taken.cast_signed()));
    v[14] = _mm256_xor_si256(v[14], _mm256_set1_epi64x(if is_last { -1 } else { 0 }));
    rounds!(mix, v, m);
    for (at, word) in chain.iter_mut().enumerate() {
        *word = _mm256_xor_si256(*word, _mm256_xor_si256(v[at], v[at + 8]));
    }
}
