//! Keccak-256 of 9 equally long messages at once with AVX-512F: 8 in vectors, 1 in the integer units, which would idle.

mod permutation;

use super::{Hash, PAIR_BYTES, RATE_WORDS, SECTOR_BYTES};
use crate::checksum::BLOCK_BYTES;
use permutation::{CHECKSUM_BYTES, Ninth, Side, State};
use std::arch::x86_64::*;

/// Messages hashed at once.
pub(super) const LANES: usize = 9;

/// Messages that are hashed in vectors.
pub(super) const VECTOR_LANES: usize = 8;

type Words = [__m512i; 8];

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
fn load<const BYTES: usize>(messages: &[[u8; BYTES]; VECTOR_LANES], group: usize) -> Words {
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
fn store(state: &State, hashes: &mut [Hash; VECTOR_LANES]) {
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

/// The two blocks that sectors in vectors absorb.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_sectors(sectors: &[[u8; SECTOR_BYTES]; VECTOR_LANES]) -> [[__m512i; RATE_WORDS]; 2] {
    let [w0, w1, w2, w3, w4, w5, w6, w7] = load(sectors, 0);
    let [w8, w9, w10, w11, w12, w13, w14, w15] = load(sectors, 1);
    let [w16, v0, v1, v2, v3, v4, v5, v6] = load(sectors, 2);
    let [v7, v8, v9, v10, v11, v12, v13, v14] = load(sectors, 3);
    let (v15, v16) = (_mm512_set1_epi64(1), _mm512_set1_epi64(i64::MIN));
    [
        [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15, w16],
        [v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15, v16],
    ]
}

/// The two blocks that the ninth sector absorbs.
fn ninth_sector(sector: &[u8; SECTOR_BYTES]) -> [[u64; RATE_WORDS]; 2] {
    let mut blocks = [[0; RATE_WORDS]; 2];
    for (word, bytes) in blocks.as_flattened_mut().iter_mut().zip(sector.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    blocks[1][15] = 1;
    blocks[1][16] = 1 << 63;
    blocks
}

#[inline]
#[target_feature(enable = "avx512f")]
fn absorb(state: &mut State, block: &[__m512i; RATE_WORDS]) {
    for (word, input) in state.iter_mut().zip(block) {
        *word = _mm512_xor_si512(*word, *input);
    }
}

fn store_ninth(words: [u64; 4], hash: &mut Hash) {
    for (bytes, word) in hash.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
}

/// Hashes 8 sectors.
#[target_feature(enable = "avx512f")]
pub(super) fn eight_sectors(sectors: &[[u8; SECTOR_BYTES]; VECTOR_LANES], hashes: &mut [Hash; VECTOR_LANES]) {
    let [first, second] = load_sectors(sectors);
    let mut state = [_mm512_setzero_si512(); 25];
    state[..RATE_WORDS].copy_from_slice(&first);
    permutation::eight(&mut state);
    absorb(&mut state, &second);
    permutation::eight(&mut state);
    store(&state, hashes);
}

/// The checksums of blocks, piece by piece.
pub(super) struct Checksums<'a> {
    blocks: std::slice::Iter<'a, [u8; BLOCK_BYTES]>,
    checksums: std::slice::IterMut<'a, u32>,
    /// What of the block is not in the register yet; empty after the last block, when the register means nothing.
    rest: &'a [u8],
    register: u64,
}

impl<'a> Checksums<'a> {
    /// No checksums.
    pub(super) fn none() -> Self {
        Self::new(&[], &mut [])
    }

    /// Of as many blocks as there is room for.
    pub(super) fn new(blocks: &'a [[u8; BLOCK_BYTES]], checksums: &'a mut [u32]) -> Self {
        let mut checksums = Self { blocks: blocks.iter(), checksums: checksums.iter_mut(), rest: &[], register: 0 };
        checksums.start_block();
        checksums
    }

    fn start_block(&mut self) {
        self.rest = self.blocks.next().map_or(&[], |block| block);
        self.register = u32::MAX.into();
    }

    #[inline]
    #[target_feature(enable = "sse4.2")]
    fn finish_block(&mut self) {
        for word in self.rest.as_chunks().0 {
            self.register = _mm_crc32_u64(self.register, u64::from_le_bytes(*word));
        }
        if let Some(checksum) = self.checksums.next() {
            *checksum = !(self.register as u32);
        }
        self.start_block();
    }

    /// The work beside the next permutation: with a piece of the block, or of zeros after the last one.
    fn beside<'b>(&'b mut self, ninth: &'b mut Ninth, block: &'b [u64; RATE_WORDS]) -> Side<'b> {
        let bytes = self.rest.first_chunk().unwrap_or(&[0; CHECKSUM_BYTES]);
        Side { ninth, block, checksum: &mut self.register, bytes }
    }

    /// Goes on after a piece.
    #[inline]
    #[target_feature(enable = "sse4.2")]
    fn advance(&mut self) {
        self.rest = self.rest.get(CHECKSUM_BYTES..).unwrap_or(&[]);
        if (1..CHECKSUM_BYTES).contains(&self.rest.len()) {
            self.finish_block();
        }
    }

    /// Takes the checksums that are still missing.
    #[target_feature(enable = "sse4.2")]
    pub(super) fn finish(mut self) {
        while !self.rest.is_empty() {
            self.finish_block();
        }
    }
}

/// Fetches the batch after the next, never used if there is none. The ninth lane fills the CPU's window of instructions, so
/// that a load that misses the cache would hold up everything.
fn fetch_ahead(sectors: &[[u8; SECTOR_BYTES]; LANES]) {
    let ahead = sectors.as_ptr().wrapping_add(2 * LANES).cast::<i8>();
    for offset in (0..size_of_val(sectors)).step_by(64) {
        // SAFETY: a fetch may name any address, and nothing that the program sees depends on it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(offset)) }
    }
}

/// Hashes 9 sectors and meanwhile goes on with the checksums, if any are left.
#[target_feature(enable = "avx512f,bmi1,bmi2,sse4.2")]
pub(super) fn sectors(sectors: &[[u8; SECTOR_BYTES]; LANES], hashes: &mut [Hash; LANES], checksums: &mut Checksums<'_>) {
    let ([in_vectors @ .., last], [hashes_of_vectors @ .., last_hash]) = (sectors, hashes);
    fetch_ahead(sectors);
    let ([first, second], [ninth_first, ninth_second]) = (load_sectors(in_vectors), ninth_sector(last));
    let mut ninth = Ninth::default();
    let mut state = [_mm512_setzero_si512(); 25];
    state[..RATE_WORDS].copy_from_slice(&first);
    permutation::nine(&mut state, checksums.beside(&mut ninth, &ninth_first));
    checksums.advance();
    absorb(&mut state, &second);
    let ninth_hash = permutation::nine_to_hashes(&mut state, checksums.beside(&mut ninth, &ninth_second));
    checksums.advance();
    store(&state, hashes_of_vectors);
    store_ninth(ninth_hash, last_hash);
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_pairs(pairs: &[[u8; PAIR_BYTES]; VECTOR_LANES]) -> State {
    let mut state = [_mm512_setzero_si512(); 25];
    state[..8].copy_from_slice(&load(pairs, 0));
    state[8] = _mm512_set1_epi64(1);
    state[16] = _mm512_set1_epi64(i64::MIN);
    state
}

/// The block that the ninth pair absorbs.
fn ninth_pair(pair: &[u8; PAIR_BYTES]) -> [u64; RATE_WORDS] {
    let mut block = [0; RATE_WORDS];
    for (word, bytes) in block.iter_mut().zip(pair.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    block[8] = 1;
    block[16] = 1 << 63;
    block
}

/// Hashes 9 pairs.
#[target_feature(enable = "avx512f,bmi1,bmi2,sse4.2")]
pub(super) fn pairs(pairs: &[[u8; PAIR_BYTES]; LANES], hashes: &mut [Hash; LANES]) {
    let ([in_vectors @ .., last], [hashes_of_vectors @ .., last_hash]) = (pairs, hashes);
    let mut state = load_pairs(in_vectors);
    let ninth_hash =
        permutation::nine_to_hashes(&mut state, Checksums::none().beside(&mut Ninth::default(), &ninth_pair(last)));
    store(&state, hashes_of_vectors);
    store_ninth(ninth_hash, last_hash);
}

/// Hashes 8 pairs.
#[target_feature(enable = "avx512f")]
pub(super) fn eight_pairs(pairs: &[[u8; PAIR_BYTES]; VECTOR_LANES], hashes: &mut [Hash; VECTOR_LANES]) {
    let mut state = load_pairs(pairs);
    permutation::eight(&mut state);
    store(&state, hashes);
}
