//! One compression after the other, in plain Rust: the reference for the vector kernels.

use super::{BLOCK_BYTES, IV, rounds};

pub(crate) fn words(block: &[u8; BLOCK_BYTES]) -> [u64; 16] {
    let (words, _) = block.as_chunks();
    std::array::from_fn(|at| u64::from_le_bytes(words[at]))
}

#[inline(always)]
fn mix(v: &mut [u64; 16], [a, b, c, d]: [usize; 4], x: u64, y: u64) {
    v[a] = v[a].wrapping_add(v[b]).wrapping_add(x);
    v[d] = (v[d] ^ v[a]).rotate_right(32);
    v[c] = v[c].wrapping_add(v[d]);
    v[b] = (v[b] ^ v[c]).rotate_right(24);
    v[a] = v[a].wrapping_add(v[b]).wrapping_add(y);
    v[d] = (v[d] ^ v[a]).rotate_right(16);
    v[c] = v[c].wrapping_add(v[d]);
    v[b] = (v[b] ^ v[c]).rotate_right(63);
}

/// Takes a block in. `taken` counts the message's bytes with this block.
pub(crate) fn compress(chain: &mut [u64; 8], m: &[u64; 16], taken: u64, is_last: bool) {
    let mut v = [0; 16];
    v[..8].copy_from_slice(chain);
    v[8..].copy_from_slice(&IV);
    v[12] ^= taken;
    v[14] ^= if is_last { u64::MAX } else { 0 };
    rounds!(mix, v, m);
    for (at, word) in chain.iter_mut().enumerate() {
        *word ^= v[at] ^ v[at + 8];
    }
}
