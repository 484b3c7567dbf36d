//! Keccak-256 of 8 equally long messages at once with AVX-512F, or of 9: 8 in vectors, 1 in the integer units, where those would idle.

mod permutation;

use super::simd::Units;
use super::{Hash, PAIR_BYTES, RATE_WORDS, SECTOR_BYTES};
use crate::checksum::BLOCK_BYTES;
use permutation::{CHECKSUM_BYTES, Checksum, Ninth, Side, State, Until};
use std::arch::x86_64::*;

/// Messages hashed at once with the integer units.
pub(super) const LANES: usize = 9;

/// Messages that are hashed in vectors.
pub(crate) const VECTOR_LANES: usize = 8;

/// 8 words of 8 messages: element `l` of vector `w` is word `w` of message `l`.
pub(crate) type Words = [__m512i; 8];

/// Turns 8 rows of 8 words into 8 columns: element `r` of result `c` is element `c` of `rows[r]`.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn transpose(rows: Words) -> Words {
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

/// Words `8 * group ..` of 8 messages of `BYTES` bytes, transposed. Quarters of rows come together as they are loaded, since all units but
/// one can do that, and only one can move words between quarters.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn load<const BYTES: usize>(messages: &[[u8; BYTES]; VECTOR_LANES], group: usize) -> Words {
    // Quarter `q` of the rows `first`, `first + 2`, `first + 4` and `first + 6`.
    let quarters = |first: usize, q: usize| {
        let quarter = |row: usize| {
            let bytes = &messages[row][group * 64 + q * 16..group * 64 + q * 16 + 16];
            // SAFETY: the slice has the 16 bytes that the unaligned load reads.
            unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
        };
        let all = _mm512_castsi128_si512(quarter(first));
        let all = _mm512_mask_broadcast_i32x4(all, 0x00F0, quarter(first + 2));
        let all = _mm512_mask_broadcast_i32x4(all, 0x0F00, quarter(first + 4));
        _mm512_mask_broadcast_i32x4(all, 0xF000, quarter(first + 6))
    };
    let pair = |q: usize| {
        let (even, odd) = (quarters(0, q), quarters(1, q));
        (_mm512_unpacklo_epi64(even, odd), _mm512_unpackhi_epi64(even, odd))
    };
    let ((a, b), (c, d), (e, f), (g, h)) = (pair(0), pair(1), pair(2), pair(3));
    [a, b, c, d, e, f, g, h]
}

/// The reverse of [`load`].
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn store<const BYTES: usize>(words: Words, messages: &mut [[u8; BYTES]; VECTOR_LANES], group: usize) {
    for (message, row) in messages.iter_mut().zip(transpose(words)) {
        let bytes = &mut message[group * 64..group * 64 + 64];
        // SAFETY: the slice has the 64 bytes that the unaligned store writes.
        unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), row) }
    }
}

/// Writes 4 words of all lanes as 8 hashes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn store_hashes(words: [__m512i; 4], hashes: &mut [Hash; VECTOR_LANES]) {
    let low01 = _mm512_unpacklo_epi64(words[0], words[1]);
    let high01 = _mm512_unpackhi_epi64(words[0], words[1]);
    let low23 = _mm512_unpacklo_epi64(words[2], words[3]);
    let high23 = _mm512_unpackhi_epi64(words[2], words[3]);
    // Quarter q of low01 is words 0 and 1 of lane 2 q, of high01 those of lane 2 q + 1.
    let (a, b, c, d) = quarters(low01, low23, high01, high23);
    let out = hashes.as_flattened_mut();
    for (index, lanes) in [a, b, c, d].into_iter().enumerate() {
        let bytes = &mut out[index * 64..index * 64 + 64];
        // SAFETY: the slice has the 64 bytes that the unaligned store writes.
        unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), lanes) }
    }
}

fn first_words(state: &State) -> [__m512i; 4] {
    [state[0], state[1], state[2], state[3]]
}

/// Keccak-256 of 8 messages of `WORDS` words, fewer than 16.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn hash_words<const WORDS: usize>(units: Units, words: [__m512i; WORDS]) -> [__m512i; 4] {
    let mut state = [_mm512_setzero_si512(); 25];
    state[..WORDS].copy_from_slice(&words);
    state[WORDS] = _mm512_set1_epi64(1);
    state[16] = _mm512_set1_epi64(i64::MIN);
    permutation::eight(units, &mut state, Until::Hashes);
    first_words(&state)
}

/// The first block that sectors in vectors absorb, and the words of the second that are loaded with its last one.
#[inline]
#[target_feature(enable = "avx512f")]
fn first_block(sectors: &[[u8; SECTOR_BYTES]; VECTOR_LANES]) -> ([__m512i; RATE_WORDS], [__m512i; 7]) {
    let [a, b, c, d, e, f, g, h] = load(sectors, 0);
    let [i, j, k, l, m, n, o, p] = load(sectors, 1);
    let [q, rest @ ..] = load(sectors, 2);
    ([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q], rest)
}

/// The second block. Its other words are loaded only now, as there is no register for them before.
#[inline]
#[target_feature(enable = "avx512f")]
fn second_block(sectors: &[[u8; SECTOR_BYTES]; VECTOR_LANES], rest: [__m512i; 7]) -> [__m512i; RATE_WORDS] {
    let [a, b, c, d, e, f, g] = rest;
    let [h, i, j, k, l, m, n, o] = load(sectors, 3);
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, _mm512_set1_epi64(1), _mm512_set1_epi64(i64::MIN)]
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
pub(super) fn eight_sectors(units: Units, sectors: &[[u8; SECTOR_BYTES]; VECTOR_LANES], hashes: &mut [Hash; VECTOR_LANES]) {
    let (first, rest) = first_block(sectors);
    let mut state = [_mm512_setzero_si512(); 25];
    state[..RATE_WORDS].copy_from_slice(&first);
    permutation::eight(units, &mut state, Until::End);
    absorb(&mut state, &second_block(sectors, rest));
    permutation::eight(units, &mut state, Until::Hashes);
    store_hashes(first_words(&state), hashes);
}

/// The same in full units, going on with the checksums meanwhile, if any are left.
#[target_feature(enable = "avx512f,sse4.2")]
pub(super) fn eight_sectors_with_checksums(
    sectors: &[[u8; SECTOR_BYTES]; VECTOR_LANES],
    hashes: &mut [Hash; VECTOR_LANES],
    checksums: &mut Checksums<'_>,
) {
    let (first, rest) = first_block(sectors);
    let mut state = [_mm512_setzero_si512(); 25];
    state[..RATE_WORDS].copy_from_slice(&first);
    permutation::eight_with_checksum(&mut state, checksums.piece(), Until::End);
    checksums.advance();
    absorb(&mut state, &second_block(sectors, rest));
    permutation::eight_with_checksum(&mut state, checksums.piece(), Until::Hashes);
    checksums.advance();
    store_hashes(first_words(&state), hashes);
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

    /// The same without a ninth lane.
    fn piece(&mut self) -> Checksum<'_> {
        let bytes = self.rest.first_chunk().unwrap_or(&[0; CHECKSUM_BYTES]);
        Checksum { register: &mut self.register, bytes }
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
pub(super) fn nine_sectors(sectors: &[[u8; SECTOR_BYTES]; LANES], hashes: &mut [Hash; LANES], checksums: &mut Checksums<'_>) {
    let ([in_vectors @ .., last], [hashes_of_vectors @ .., last_hash]) = (sectors, hashes);
    fetch_ahead(sectors);
    let ((first, rest), [ninth_first, ninth_second]) = (first_block(in_vectors), ninth_sector(last));
    let mut ninth = Ninth::default();
    let mut state = [_mm512_setzero_si512(); 25];
    state[..RATE_WORDS].copy_from_slice(&first);
    permutation::nine(&mut state, checksums.beside(&mut ninth, &ninth_first));
    checksums.advance();
    absorb(&mut state, &second_block(in_vectors, rest));
    let ninth_hash = permutation::nine_to_hashes(&mut state, checksums.beside(&mut ninth, &ninth_second));
    checksums.advance();
    store_hashes(first_words(&state), hashes_of_vectors);
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
pub(super) fn nine_pairs(pairs: &[[u8; PAIR_BYTES]; LANES], hashes: &mut [Hash; LANES]) {
    let ([in_vectors @ .., last], [hashes_of_vectors @ .., last_hash]) = (pairs, hashes);
    let mut state = load_pairs(in_vectors);
    let ninth_hash =
        permutation::nine_to_hashes(&mut state, Checksums::none().beside(&mut Ninth::default(), &ninth_pair(last)));
    store_hashes(first_words(&state), hashes_of_vectors);
    store_ninth(ninth_hash, last_hash);
}

/// Hashes 8 pairs.
#[target_feature(enable = "avx512f")]
pub(super) fn eight_pairs(units: Units, pairs: &[[u8; PAIR_BYTES]; VECTOR_LANES], hashes: &mut [Hash; VECTOR_LANES]) {
    store_hashes(hash_words(units, load(pairs, 0)), hashes);
}

/// Hashes 16 hashes: those at even places, then those at odd ones.
#[target_feature(enable = "avx512f")]
pub(super) fn hashes(units: Units, hashes: &[Hash; 2 * VECTOR_LANES], out: &mut [Hash; 2 * VECTOR_LANES]) {
    let pairs = hashes.as_flattened().as_chunks::<PAIR_BYTES>().0;
    let out = out.as_flattened_mut().as_chunks_mut::<PAIR_BYTES>().0;
    let (Some(pairs), Some(out)) = (pairs.first_chunk(), out.first_chunk_mut()) else { unreachable!("16 hashes are 8 pairs") };
    let [a, b, c, d, e, f, g, h] = load(pairs, 0);
    let ([a, b, c, d], [e, f, g, h]) = (hash_words(units, [a, b, c, d]), hash_words(units, [e, f, g, h]));
    store([a, b, c, d, e, f, g, h], out, 0);
}
