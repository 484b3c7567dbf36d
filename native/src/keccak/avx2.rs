//! Keccak-256 of 4 equally long messages at once with AVX2: word `w` of lane `l` of the state is element `l` of vector `w`.
//! Of the 25 vectors about ten live in memory at any time, since AVX2 has 16 registers.

use super::{Hash, PAIR_BYTES, ROUND_CONSTANTS, SECTOR_BYTES};
use std::arch::x86_64::*;

/// Messages hashed at once.
pub(crate) const LANES: usize = 4;

/// 4 words of 4 messages: element `l` of vector `w` is word `w` of message `l`.
pub(crate) type Words = [__m256i; 4];

type State = [__m256i; 25];

#[inline]
#[target_feature(enable = "avx2")]
fn xor(a: __m256i, b: __m256i) -> __m256i {
    _mm256_xor_si256(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate<const BITS: i32, const REST: i32>(word: __m256i) -> __m256i {
    const { assert!(BITS + REST == 64) };
    match BITS {
        8 => _mm256_shuffle_epi8(word, bytes_rotated(7)),
        56 => _mm256_shuffle_epi8(word, bytes_rotated(1)),
        _ => _mm256_or_si256(_mm256_slli_epi64::<BITS>(word), _mm256_srli_epi64::<REST>(word)),
    }
}

/// The byte shuffle that takes byte `(i + by) % 8` of each word to place `i`.
#[inline]
#[target_feature(enable = "avx2")]
fn bytes_rotated(by: u64) -> __m256i {
    let low = 0x0706_0504_0302_0100_u64.rotate_right(by as u32 * 8).cast_signed();
    let high = 0x0F0E_0D0C_0B0A_0908_u64.rotate_right(by as u32 * 8).cast_signed();
    _mm256_set_epi64x(high, low, high, low)
}

/// Adds the theta effect to a word and rotates it into its place.
#[inline]
#[target_feature(enable = "avx2")]
fn theta_rho<const BITS: i32, const REST: i32>(word: __m256i, effect: __m256i) -> __m256i {
    rotate::<BITS, REST>(xor(word, effect))
}

#[inline]
#[target_feature(enable = "avx2")]
fn chi(row: [__m256i; 5]) -> [__m256i; 5] {
    let [a, b, c, d, e] = row;
    [
        xor(a, _mm256_andnot_si256(b, c)),
        xor(b, _mm256_andnot_si256(c, d)),
        xor(c, _mm256_andnot_si256(d, e)),
        xor(d, _mm256_andnot_si256(e, a)),
        xor(e, _mm256_andnot_si256(a, b)),
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
fn column(a: &State, x: usize) -> __m256i {
    xor(xor(xor(a[x], a[x + 5]), xor(a[x + 10], a[x + 15])), a[x + 20])
}

#[inline]
#[target_feature(enable = "avx2")]
fn round(a: &State, constant: u64) -> State {
    let (c0, c1, c2, c3, c4) = (column(a, 0), column(a, 1), column(a, 2), column(a, 3), column(a, 4));
    let d0 = xor(c4, rotate::<1, 63>(c1));
    let d1 = xor(c0, rotate::<1, 63>(c2));
    let d2 = xor(c1, rotate::<1, 63>(c3));
    let d3 = xor(c2, rotate::<1, 63>(c4));
    let d4 = xor(c3, rotate::<1, 63>(c0));

    let row0 = chi([
        xor(a[0], d0),
        theta_rho::<44, 20>(a[6], d1),
        theta_rho::<43, 21>(a[12], d2),
        theta_rho::<21, 43>(a[18], d3),
        theta_rho::<14, 50>(a[24], d4),
    ]);
    let row1 = chi([
        theta_rho::<28, 36>(a[3], d3),
        theta_rho::<20, 44>(a[9], d4),
        theta_rho::<3, 61>(a[10], d0),
        theta_rho::<45, 19>(a[16], d1),
        theta_rho::<61, 3>(a[22], d2),
    ]);
    let row2 = chi([
        theta_rho::<1, 63>(a[1], d1),
        theta_rho::<6, 58>(a[7], d2),
        theta_rho::<25, 39>(a[13], d3),
        theta_rho::<8, 56>(a[19], d4),
        theta_rho::<18, 46>(a[20], d0),
    ]);
    let row3 = chi([
        theta_rho::<27, 37>(a[4], d4),
        theta_rho::<36, 28>(a[5], d0),
        theta_rho::<10, 54>(a[11], d1),
        theta_rho::<15, 49>(a[17], d2),
        theta_rho::<56, 8>(a[23], d3),
    ]);
    let row4 = chi([
        theta_rho::<62, 2>(a[2], d2),
        theta_rho::<55, 9>(a[8], d3),
        theta_rho::<39, 25>(a[14], d4),
        theta_rho::<41, 23>(a[15], d0),
        theta_rho::<2, 62>(a[21], d1),
    ]);
    [
        xor(row0[0], _mm256_set1_epi64x(constant.cast_signed())),
        row0[1],
        row0[2],
        row0[3],
        row0[4],
        row1[0],
        row1[1],
        row1[2],
        row1[3],
        row1[4],
        row2[0],
        row2[1],
        row2[2],
        row2[3],
        row2[4],
        row3[0],
        row3[1],
        row3[2],
        row3[3],
        row3[4],
        row4[0],
        row4[1],
        row4[2],
        row4[3],
        row4[4],
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
fn permute(mut state: State) -> State {
    for constant in ROUND_CONSTANTS {
        state = round(&state, constant);
    }
    state
}

/// Turns 4 rows of 4 words into 4 columns, or back.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn transpose(rows: Words) -> Words {
    let [a, b, c, d] = rows;
    let (a, b) = (_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    let (c, d) = (_mm256_unpacklo_epi64(c, d), _mm256_unpackhi_epi64(c, d));
    [
        _mm256_permute2x128_si256::<0x20>(a, c),
        _mm256_permute2x128_si256::<0x20>(b, d),
        _mm256_permute2x128_si256::<0x31>(a, c),
        _mm256_permute2x128_si256::<0x31>(b, d),
    ]
}

/// Words `4 * group ..` of 4 messages of `BYTES` bytes, transposed.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load<const BYTES: usize>(messages: &[[u8; BYTES]; LANES], group: usize) -> Words {
    let row = |lane: usize| {
        let bytes = &messages[lane][group * 32..group * 32 + 32];
        // SAFETY: the slice has the 32 bytes that the unaligned load reads.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    };
    transpose([row(0), row(1), row(2), row(3)])
}

/// The reverse of [`load`].
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn store<const BYTES: usize>(words: Words, messages: &mut [[u8; BYTES]; LANES], group: usize) {
    for (message, row) in messages.iter_mut().zip(transpose(words)) {
        let bytes = &mut message[group * 32..group * 32 + 32];
        // SAFETY: the slice has the 32 bytes that the unaligned store writes.
        unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), row) }
    }
}

/// Keccak-256 of 4 messages of `WORDS` words, fewer than 16.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn hash_words<const WORDS: usize>(words: [__m256i; WORDS]) -> Words {
    let mut a = [_mm256_setzero_si256(); 25];
    a[..WORDS].copy_from_slice(&words);
    a[WORDS] = _mm256_set1_epi64x(1);
    a[16] = _mm256_set1_epi64x(i64::MIN);
    first_words(&permute(a))
}

fn first_words(state: &State) -> Words {
    [state[0], state[1], state[2], state[3]]
}

/// Hashes 4 sectors.
#[target_feature(enable = "avx2")]
pub(super) fn sectors(sectors: &[[u8; SECTOR_BYTES]; LANES], hashes: &mut [Hash; LANES]) {
    let mut a = [_mm256_setzero_si256(); 25];
    for group in 0..4 {
        a[group * 4..group * 4 + 4].copy_from_slice(&load(sectors, group));
    }
    let shared = load(sectors, 4);
    a[16] = shared[0];
    a = permute(a);
    for (word, input) in a.iter_mut().zip(&shared[1..]) {
        *word = xor(*word, *input);
    }
    for group in 5..8 {
        for (word, input) in a[group * 4 - 17..].iter_mut().zip(load(sectors, group)) {
            *word = xor(*word, input);
        }
    }
    a[15] = xor(a[15], _mm256_set1_epi64x(1));
    a[16] = xor(a[16], _mm256_set1_epi64x(i64::MIN));
    store(first_words(&permute(a)), hashes, 0);
}

/// Hashes 4 pairs.
#[target_feature(enable = "avx2")]
pub(super) fn pairs(pairs: &[[u8; PAIR_BYTES]; LANES], hashes: &mut [Hash; LANES]) {
    let mut a = [_mm256_setzero_si256(); 25];
    a[..4].copy_from_slice(&load(pairs, 0));
    a[4..8].copy_from_slice(&load(pairs, 1));
    a[8] = _mm256_set1_epi64x(1);
    a[16] = _mm256_set1_epi64x(i64::MIN);
    store(first_words(&permute(a)), hashes, 0);
}

/// Hashes 4 hashes.
#[target_feature(enable = "avx2")]
pub(super) fn hashes(hashes: &[Hash; LANES], out: &mut [Hash; LANES]) {
    store(hash_words(load(hashes, 0)), out, 0);
}
