//! CRC-32C of whole blocks by carry-less multiplication: 256 bytes of the message stand in four vectors, which are folded over the
//! bytes that follow them. Fold by distance d: replace a part p of the polynomial by `p * x^d mod P`, which leaves the
//! remainder as it is. What is left at the end, 16 bytes, goes through the crc32 instruction.
//!
//! Bits are reflected, as the checksum has them: bit 0 of a number is its highest power.

use super::BLOCK_BYTES;
use std::arch::x86_64::*;

/// Castagnoli's polynomial without its highest term, bit 31 = x^31.
const POLYNOMIAL: u32 = 0x1EDC_6F41;

/// `x^power mod P` as a factor for the 64-bit multiplication: bit 63 - n is the coefficient of x^n.
const fn factor(power: u32) -> i64 {
    let mut remainder = 1_u32;
    let mut at = 0;
    while at < power {
        let carry = remainder >> 31;
        remainder = (remainder << 1) ^ (carry * POLYNOMIAL);
        at += 1;
    }
    (remainder as u64).reverse_bits() as i64
}

/// Factors of both halves of 128 bits that move them by `bits`. The product of two reflected numbers is off by one power, and
/// the first half stands 64 powers higher.
const fn factors(bits: u32) -> [i64; 2] {
    [factor(bits + 63), factor(bits - 1)]
}

const BY_2048: [i64; 2] = factors(2048);
const BY_512: [i64; 2] = factors(512);
const BY_128: [i64; 2] = factors(128);

/// Whether this CPU has what [`block`] needs.
pub fn is_available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("vpclmulqdq") && is_x86_feature_detected!("sse4.2")
}

/// CRC-32C of one whole block.
#[target_feature(enable = "avx512f,vpclmulqdq,sse4.2")]
pub fn block(bytes: &[u8; BLOCK_BYTES]) -> u32 {
    let (vectors, _) = bytes.as_chunks::<64>();
    // The checksum begins with all bits set, which is the same as inverting the first four bytes.
    let mut parts = [
        _mm512_xor_si512(load(&vectors[0]), _mm512_zextsi128_si512(_mm_cvtsi32_si128(-1))),
        load(&vectors[1]),
        load(&vectors[2]),
        load(&vectors[3]),
    ];
    let far = repeated(BY_2048);
    let (quads, _) = vectors[4..].as_chunks::<4>();
    for quad in quads {
        for (part, next) in parts.iter_mut().zip(quad) {
            *part = fold(*part, far, load(next));
        }
    }
    let near = repeated(BY_512);
    let [first, second, third, fourth] = parts;
    let all = fold(fold(fold(first, near, second), near, third), near, fourth);
    finish(all)
}

/// The checksum of 64 bytes to which everything was folded.
#[inline]
#[target_feature(enable = "avx512f,vpclmulqdq,sse4.2")]
fn finish(all: __m512i) -> u32 {
    let next = _mm_set_epi64x(BY_128[1], BY_128[0]);
    let mut rest = _mm512_extracti32x4_epi32::<0>(all);
    for lane in [_mm512_extracti32x4_epi32::<1>(all), _mm512_extracti32x4_epi32::<2>(all), _mm512_extracti32x4_epi32::<3>(all)]
    {
        let low = _mm_clmulepi64_si128::<0x00>(rest, next);
        let high = _mm_clmulepi64_si128::<0x11>(rest, next);
        rest = _mm_xor_si128(_mm_xor_si128(low, high), lane);
    }
    let half = _mm_crc32_u64(0, _mm_cvtsi128_si64(rest).cast_unsigned());
    !(_mm_crc32_u64(half, _mm_extract_epi64::<1>(rest).cast_unsigned()) as u32)
}

/// `part` moved by the distance of `by`, added to `next`.
#[inline]
#[target_feature(enable = "avx512f,vpclmulqdq")]
fn fold(part: __m512i, by: __m512i, next: __m512i) -> __m512i {
    const XOR_OF_THREE: i32 = 0x96;
    let low = _mm512_clmulepi64_epi128::<0x00>(part, by);
    let high = _mm512_clmulepi64_epi128::<0x11>(part, by);
    _mm512_ternarylogic_epi64::<XOR_OF_THREE>(low, high, next)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn repeated([low, high]: [i64; 2]) -> __m512i {
    _mm512_set_epi64(high, low, high, low, high, low, high, low)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: the array has the 64 bytes that the unaligned load reads.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}
