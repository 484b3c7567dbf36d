//! Keccak-256 of 8 equally long messages at once with AVX-512F: word `w` of lane `l` of the state is element `l` of vector
//! `w`. All 25 vectors stay in registers.
//!
//! The permutation is assembly, since the compiler spills: a round holds 25 words, 5 column parities and 2 temporaries, which
//! is all 32 registers. Choices that were measured: `vpternlogq` for chi, where it saves an instruction and a read, but
//! two-operand exclusive ors for the theta effect (a third source costs as much as a second instruction); outputs written to
//! the registers that the inputs of their row leave, so that rotations do all the moving and four rounds restore the order.
//! The integer units are idle meanwhile: the same loop runs the CRC-32C of the bytes that are being hashed, for nothing.

use super::{Hash, PAIR_BYTES, ROUND_CONSTANTS, SECTOR_BYTES};
use std::arch::asm;
use std::arch::x86_64::*;

/// Messages hashed at once.
pub(super) const LANES: usize = 8;

type Words = [__m512i; 8];
type State = [__m512i; 25];

/// Adds the theta effect in register `$d` to each word `$s`, rotates it by `$n` into register `$t`, then puts chi of the five
/// into `$q0` to `$q4`. The first two words go to registers 30 and 31, the others to `$q2` to `$q4` in an order in which no
/// register is overwritten before it was read.
#[rustfmt::skip]
macro_rules! row {
    ([$(($s:literal $d:literal $n:tt => $t:literal))*] $q0:literal $q1:literal $q2:literal $q3:literal $q4:literal) => {
        concat!(
            $("vpxorq zmm", $s, ", zmm", $s, ", zmm", $d, "\n", rotate!($s $n => $t),)*
            "vmovdqa64 zmm", $q0, ", zmm30\n",
            "vpternlogq zmm", $q0, ", zmm31, zmm", $q2, ", 0xD2\n",
            "vmovdqa64 zmm", $q1, ", zmm31\n",
            "vpternlogq zmm", $q1, ", zmm", $q2, ", zmm", $q3, ", 0xD2\n",
            "vpternlogq zmm", $q2, ", zmm", $q3, ", zmm", $q4, ", 0xD2\n",
            "vpternlogq zmm", $q3, ", zmm", $q4, ", zmm30, 0xD2\n",
            "vpternlogq zmm", $q4, ", zmm30, zmm31, 0xD2\n",
        )
    };
}

#[rustfmt::skip]
macro_rules! rotate {
    ($s:literal 0 => $t:literal) => { concat!("vmovdqa64 zmm", $t, ", zmm", $s, "\n") };
    ($s:literal $n:literal => $t:literal) => { concat!("vprolq zmm", $t, ", zmm", $s, ", ", $n, "\n") };
}

/// The exclusive or of a column.
#[rustfmt::skip]
macro_rules! parity {
    ($a:literal $b:literal $c:literal $d:literal $e:literal => $t:literal) => {
        concat!(
            "vpxorq zmm", $t, ", zmm", $a, ", zmm", $b, "\n",
            "vpternlogq zmm", $t, ", zmm", $c, ", zmm", $d, ", 0x96\n",
            "vpxorq zmm", $t, ", zmm", $t, ", zmm", $e, "\n",
        )
    };
}

macro_rules! iota {
    ($a:literal) => {
        concat!("vpxorq zmm", $a, ", zmm", $a, ", qword ptr [{constants}]{{1to8}}\nadd {constants}, 8\n")
    };
}

/// The next word of the checksum, if there is one.
macro_rules! step {
    (checksum $offset:literal) => {
        concat!("crc32 {checksum}, qword ptr [{bytes} + ", $offset, "]\n")
    };
    (plain $offset:literal) => {
        ""
    };
}

/// One round for the state whose words are in the registers `$a0` to `$a24`, then `$more` rounds.
#[rustfmt::skip]
macro_rules! rounds {
    ($crc:ident [] $($a:literal)*) => { "" };
    ($crc:ident [$one:tt $($more:tt)*]
        $a0:literal $a1:literal $a2:literal $a3:literal $a4:literal
        $a5:literal $a6:literal $a7:literal $a8:literal $a9:literal
        $a10:literal $a11:literal $a12:literal $a13:literal $a14:literal
        $a15:literal $a16:literal $a17:literal $a18:literal $a19:literal
        $a20:literal $a21:literal $a22:literal $a23:literal $a24:literal) => {
        concat!(
            parity!($a0 $a5 $a10 $a15 $a20 => 25),
            parity!($a1 $a6 $a11 $a16 $a21 => 26),
            parity!($a2 $a7 $a12 $a17 $a22 => 27),
            parity!($a3 $a8 $a13 $a18 $a23 => 28),
            parity!($a4 $a9 $a14 $a19 $a24 => 29),
            // The effect on columns 0 to 4 goes to the registers 29, 25, 26, 27, 28.
            "vprolq zmm30, zmm25, 1\n",
            "vprolq zmm31, zmm27, 1\n", "vpxorq zmm25, zmm25, zmm31\n",
            "vprolq zmm31, zmm29, 1\n", "vpxorq zmm27, zmm27, zmm31\n",
            "vprolq zmm31, zmm26, 1\n", "vpxorq zmm29, zmm29, zmm31\n",
            "vprolq zmm31, zmm28, 1\n", "vpxorq zmm26, zmm26, zmm31\n",
            "vpxorq zmm28, zmm28, zmm30\n",
            row!([($a0 29 0 => 30) ($a6 25 44 => 31) ($a12 26 43 => $a12) ($a18 27 21 => $a18) ($a24 28 14 => $a24)] $a0 $a6 $a12 $a18 $a24),
            step!($crc 0),
            iota!($a0),
            row!([($a3 27 28 => 30) ($a9 28 20 => 31) ($a22 26 61 => $a3) ($a16 25 45 => $a22) ($a10 29 3 => $a16)] $a9 $a10 $a16 $a22 $a3),
            step!($crc 8),
            row!([($a1 25 1 => 30) ($a7 26 6 => 31) ($a19 28 8 => $a1) ($a20 29 18 => $a7) ($a13 27 25 => $a20)] $a13 $a19 $a20 $a1 $a7),
            step!($crc 16),
            row!([($a4 28 27 => 30) ($a5 29 36 => 31) ($a11 25 10 => $a4) ($a17 26 15 => $a5) ($a23 27 56 => $a11)] $a17 $a23 $a4 $a5 $a11),
            step!($crc 24),
            row!([($a2 26 62 => 30) ($a8 27 55 => 31) ($a14 28 39 => $a8) ($a15 29 41 => $a14) ($a21 25 2 => $a15)] $a21 $a2 $a8 $a14 $a15),
            step!($crc 32),
            advance!($crc),
            rounds!($crc [$($more)*]
            $a0 $a6 $a12 $a18 $a24
            $a9 $a10 $a16 $a22 $a3
            $a13 $a19 $a20 $a1 $a7
            $a17 $a23 $a4 $a5 $a11
            $a21 $a2 $a8 $a14 $a15),
        )
    };
}

/// Moves on to the bytes of the next round, and fetches what comes 4 KiB behind them (never used if that is too far).
macro_rules! advance {
    (checksum) => {
        concat!("add {bytes}, 40\n", "prefetcht0 [{bytes} + 4096]\n")
    };
    (plain) => {
        ""
    };
}

/// The permutation of `$a`, in six times four rounds.
#[rustfmt::skip]
macro_rules! permute {
    ($a:ident, $crc:ident $(, $operand:ident = $value:expr)*) => {
        asm!(
            ".p2align 5",
            "2:",
            rounds!($crc [1 1 1 1] 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24),
            "dec {loops:e}",
            "jnz 2b",
            loops = inout(reg) 6 => _,
            constants = inout(reg) ROUND_CONSTANTS.as_ptr() => _,
            $($operand = inout(reg) $value,)*
            inout("zmm0") $a[0], inout("zmm1") $a[1], inout("zmm2") $a[2], inout("zmm3") $a[3], inout("zmm4") $a[4],
            inout("zmm5") $a[5], inout("zmm6") $a[6], inout("zmm7") $a[7], inout("zmm8") $a[8], inout("zmm9") $a[9],
            inout("zmm10") $a[10], inout("zmm11") $a[11], inout("zmm12") $a[12], inout("zmm13") $a[13], inout("zmm14") $a[14],
            inout("zmm15") $a[15], inout("zmm16") $a[16], inout("zmm17") $a[17], inout("zmm18") $a[18], inout("zmm19") $a[19],
            inout("zmm20") $a[20], inout("zmm21") $a[21], inout("zmm22") $a[22], inout("zmm23") $a[23], inout("zmm24") $a[24],
            out("zmm25") _, out("zmm26") _, out("zmm27") _, out("zmm28") _, out("zmm29") _, out("zmm30") _, out("zmm31") _,
            options(readonly, nostack),
        )
    };
}

#[inline]
#[target_feature(enable = "avx512f")]
fn permute(a: &mut State) {
    // SAFETY: the assembly reads the 24 round constants and changes only the registers it names.
    unsafe { permute!(a, plain) }
}

/// The permutation, and meanwhile the CRC-32C register's way over 120 words of `bytes`.
#[inline]
#[target_feature(enable = "avx512f,sse4.2")]
fn permute_with_checksum(a: &mut State, bytes: &[u8; 960], mut checksum: u64) -> u64 {
    let mut position = bytes.as_ptr();
    // SAFETY: the assembly reads the 24 round constants and 24 times 40 bytes of `bytes`, and changes only the registers it
    // names.
    unsafe { permute!(a, checksum, bytes = position, checksum = checksum) }
    debug_assert_eq!(position, bytes.as_ptr_range().end);
    checksum
}

/// Turns 8 rows of 8 words into 8 columns: element `r` of result `c` is element `c` of `rows[r]`.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(rows: Words) -> Words {
    let [a, b, c, d, e, f, g, h] = rows;
    let (a, b) = (_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    let (c, d) = (_mm512_unpacklo_epi64(c, d), _mm512_unpackhi_epi64(c, d));
    let (e, f) = (_mm512_unpacklo_epi64(e, f), _mm512_unpackhi_epi64(e, f));
    let (g, h) = (_mm512_unpacklo_epi64(g, h), _mm512_unpackhi_epi64(g, h));
    let (a, c, p, q) = quarters(a, c, e, g);
    let (b, d, r, s) = quarters(b, d, f, h);
    [a, b, c, d, p, r, q, s]
}

/// The 4×4 transposition of 128-bit quarters; results in the order of quarters 0, 1, 2, 3.
#[inline]
#[target_feature(enable = "avx512f")]
fn quarters(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> (__m512i, __m512i, __m512i, __m512i) {
    let ab_low = _mm512_shuffle_i64x2::<0x88>(a, b);
    let ab_high = _mm512_shuffle_i64x2::<0xDD>(a, b);
    let cd_low = _mm512_shuffle_i64x2::<0x88>(c, d);
    let cd_high = _mm512_shuffle_i64x2::<0xDD>(c, d);
    (
        _mm512_shuffle_i64x2::<0x88>(ab_low, cd_low),
        _mm512_shuffle_i64x2::<0x88>(ab_high, cd_high),
        _mm512_shuffle_i64x2::<0xDD>(ab_low, cd_low),
        _mm512_shuffle_i64x2::<0xDD>(ab_high, cd_high),
    )
}

/// Words `8 * group ..` of 8 messages of `BYTES` bytes, transposed.
#[inline]
#[target_feature(enable = "avx512f")]
fn load<const BYTES: usize>(messages: &[[u8; BYTES]; LANES], group: usize) -> Words {
    let row = |lane: usize| {
        let bytes = &messages[lane][group * 64..group * 64 + 64];
        // SAFETY: the slice has the 64 bytes that the unaligned load reads.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    };
    transpose([row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7)])
}

/// Writes the first 4 words of all lanes as 8 hashes.
#[inline]
#[target_feature(enable = "avx512f")]
fn store(state: &State, hashes: &mut [Hash; LANES]) {
    let low01 = _mm512_unpacklo_epi64(state[0], state[1]);
    let high01 = _mm512_unpackhi_epi64(state[0], state[1]);
    let low23 = _mm512_unpacklo_epi64(state[2], state[3]);
    let high23 = _mm512_unpackhi_epi64(state[2], state[3]);
    // Quarter q of low01 is words 0 and 1 of lane 2 q, of high01 those of lane 2 q + 1.
    let (a, b, c, d) = quarters(low01, low23, high01, high23);
    let out = hashes.as_flattened_mut();
    for (index, lanes) in [a, b, c, d].into_iter().enumerate() {
        let bytes = &mut out[index * 64..index * 64 + 64];
        // SAFETY: the slice has the 64 bytes that the unaligned store writes.
        unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), lanes) }
    }
}

/// Words of 8 lanes that the two blocks of a sector absorb after each other.
struct Blocks {
    first: [__m512i; 17],
    second: [__m512i; 15],
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_sectors(sectors: &[[u8; SECTOR_BYTES]; LANES]) -> Blocks {
    let [w0, w1, w2, w3, w4, w5, w6, w7] = load(sectors, 0);
    let [w8, w9, w10, w11, w12, w13, w14, w15] = load(sectors, 1);
    let [w16, v0, v1, v2, v3, v4, v5, v6] = load(sectors, 2);
    let [v7, v8, v9, v10, v11, v12, v13, v14] = load(sectors, 3);
    Blocks {
        first: [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15, w16],
        second: [v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14],
    }
}

/// The second block of a sector: 15 words and the padding.
#[inline]
#[target_feature(enable = "avx512f")]
fn absorb_second(state: &mut State, words: &[__m512i; 15]) {
    for (word, input) in state.iter_mut().zip(words) {
        *word = _mm512_xor_si512(*word, *input);
    }
    state[15] = _mm512_xor_si512(state[15], _mm512_set1_epi64(1));
    state[16] = _mm512_xor_si512(state[16], _mm512_set1_epi64(i64::MIN));
}

/// Hashes 8 sectors.
#[target_feature(enable = "avx512f")]
pub(super) fn sectors(sectors: &[[u8; SECTOR_BYTES]; LANES], hashes: &mut [Hash; LANES]) {
    let blocks = load_sectors(sectors);
    let mut state = [_mm512_setzero_si512(); 25];
    state[..17].copy_from_slice(&blocks.first);
    permute(&mut state);
    absorb_second(&mut state, &blocks.second);
    permute(&mut state);
    store(&state, hashes);
}

/// Hashes 8 sectors and takes the CRC-32C register (without its inversions) over their 2,048 bytes.
#[target_feature(enable = "avx512f,sse4.2")]
pub(super) fn sectors_and_checksum(sectors: &[[u8; SECTOR_BYTES]; LANES], hashes: &mut [Hash; LANES], checksum: u32) -> u32 {
    let (bytes, _) = sectors.as_flattened().as_chunks::<{ SECTOR_BYTES * LANES }>();
    let (during_first, rest) = bytes[0].split_first_chunk().unwrap_or_else(|| unreachable!());
    let (between, during_second) = rest.split_last_chunk().unwrap_or_else(|| unreachable!());
    let blocks = load_sectors(sectors);
    let mut state = [_mm512_setzero_si512(); 25];
    state[..17].copy_from_slice(&blocks.first);
    let mut checksum = permute_with_checksum(&mut state, during_first, u64::from(checksum));
    for word in between.as_chunks().0 {
        checksum = _mm_crc32_u64(checksum, u64::from_le_bytes(*word));
    }
    absorb_second(&mut state, &blocks.second);
    checksum = permute_with_checksum(&mut state, during_second, checksum);
    store(&state, hashes);
    checksum as u32
}

/// Hashes 8 pairs.
#[target_feature(enable = "avx512f")]
pub(super) fn pairs(pairs: &[[u8; PAIR_BYTES]; LANES], hashes: &mut [Hash; LANES]) {
    let mut state = [_mm512_setzero_si512(); 25];
    state[..8].copy_from_slice(&load(pairs, 0));
    state[8] = _mm512_set1_epi64(1);
    state[16] = _mm512_set1_epi64(i64::MIN);
    permute(&mut state);
    store(&state, hashes);
}
