//! One nonce and one seal after the other: the reference for the vector kernels, and what the verifier uses.

use super::{CELL_BYTES, Mixing, Pad, index_word, quarter, seed_words};
use crate::Hash;
use crate::blake2b::scalar::{compress, words};
use crate::blake2b::{BLOCK_BYTES, Digest, START};
use crate::keccak::hash_words;
use crate::seal::Seal;

/// Fills a scratchpad, and returns the hash that tells the place.
pub(super) fn pad(seed: &Digest, pad: &mut Pad) -> Hash {
    let mut state = seed_words(seed);
    for cell in pad.as_chunks_mut::<CELL_BYTES>().0 {
        for half in [0, 4] {
            let hash = hash_words(state);
            state[half..half + 4].copy_from_slice(&hash);
        }
        write_words(&state, cell);
    }
    let mut recall = [0; 32];
    write_words(&hash_words(state), &mut recall);
    recall
}

/// The quality of a seal of a flow segment.
pub(super) fn quality(mixing: Mixing<'_>, index: usize) -> Hash {
    quality_of(mixing.pad_seed, mixing.pad, &mixing.seals[index], index)
}

/// The quality of a seal with this index.
pub(super) fn quality_of(pad_seed: &Digest, pad: &Pad, seal: &Seal, index: usize) -> Hash {
    let mut block = [0; 16];
    block[3] = index_word(index);
    block[4..12].copy_from_slice(&seed_words(pad_seed));
    let mut chain = START;
    let mut taken = BLOCK_BYTES as u64;
    compress(&mut chain, &block, taken, false);
    let pad = &pad[quarter(index)..];
    let last = seal.len() / BLOCK_BYTES - 1;
    for (at, (sealed, mask)) in seal.as_chunks().0.iter().zip(pad.as_chunks().0).enumerate() {
        let (sealed, mask) = (words(sealed), words(mask));
        taken += BLOCK_BYTES as u64;
        compress(&mut chain, &std::array::from_fn(|word| sealed[word] ^ mask[word]), taken, at == last);
    }
    let mut quality = [0; 32];
    write_words(&chain[..4], &mut quality);
    quality
}

fn write_words(words: &[u64], bytes: &mut [u8]) {
    for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
}
