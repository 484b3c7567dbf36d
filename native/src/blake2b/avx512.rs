//! 8 messages in lock-step with AVX-512F: word `w` of message `l` is element `l` of vector `w`.

use super::{IV, rounds};
use std::arch::x86_64::*;

#[inline]
#[target_feature(enable = "avx512f")]
fn mix(v: &mut [__m512i; 16], [a, b, c, d]: [usize; 4], x: __m512i, y: __m512i) {
    v[a] = _mm512_add_epi64(_mm512_add_epi64(v[a], x), v[b]);
    v[d] = _mm512_ror_epi64::<32>(_mm512_xor_si512(v[d], v[a]));
    v[c] = _mm512_add_epi64(v[c], v[d]);
    v[b] = _mm512_ror_epi64::<24>(_mm512_xor_si512(v[b], v[c]));
    v[a] = _mm512_add_epi64(_mm512_add_epi64(v[a], y), v[b]);
    v[d] = _mm512_ror_epi64::<16>(_mm512_xor_si512(v[d], v[a]));
    v[c] = _mm512_add_epi64(v[c], v[d]);
    v[b] = _mm512_ror_epi64::<63>(_mm512_xor_si512(v[b], v[c]));
}

/// Takes a block of each message in.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn compress(chain: &mut [__m512i; 8], m: &[__m512i; 16], taken: u64, is_last: bool) {
    let mut v = [_mm512_setzero_si512(); 16];
    v[..8].copy_from_slice(chain);
    for (word, iv) in v[8..].iter_mut().zip(IV) {
        *word = _mm512_set1_epi64(iv.cast_signed());
    }
    v[12] = _mm512_xor_si512(v[12], _mm512_set1_epi64(taken.cast_signed()));
    v[14] = _mm512_xor_si512(v[14], _mm512_set1_epi64(if is_last { -1 } else { 0 }));
    rounds!(mix, v, m);
    for (at, word) in chain.iter_mut().enumerate() {
        *word = _mm512_ternarylogic_epi64::<0x96>(*word, v[at], v[at + 8]);
    }
}
