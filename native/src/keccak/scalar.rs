//! Keccak-256 of one message at a time, in plain Rust: the reference for the vector kernels and the kernel for everything
//! that does not come in batches.

use super::{RATE_BYTES, RATE_WORDS, ROUND_CONSTANTS};

/// The Keccak state: 25 words, word `x + 5 * y` for column `x` and row `y`.
type State = [u64; 25];

/// One round, from state `$a` to state `$e`, all 25 words in local variables.
macro_rules! round {
    ($a:ident, $e:ident, $constant:expr) => {
        let c0 = $a[0] ^ $a[5] ^ $a[10] ^ $a[15] ^ $a[20];
        let c1 = $a[1] ^ $a[6] ^ $a[11] ^ $a[16] ^ $a[21];
        let c2 = $a[2] ^ $a[7] ^ $a[12] ^ $a[17] ^ $a[22];
        let c3 = $a[3] ^ $a[8] ^ $a[13] ^ $a[18] ^ $a[23];
        let c4 = $a[4] ^ $a[9] ^ $a[14] ^ $a[19] ^ $a[24];
        let d0 = c4 ^ c1.rotate_left(1);
        let d1 = c0 ^ c2.rotate_left(1);
        let d2 = c1 ^ c3.rotate_left(1);
        let d3 = c2 ^ c4.rotate_left(1);
        let d4 = c3 ^ c0.rotate_left(1);

        let (b0, b1, b2, b3, b4) = (
            $a[0] ^ d0,
            ($a[6] ^ d1).rotate_left(44),
            ($a[12] ^ d2).rotate_left(43),
            ($a[18] ^ d3).rotate_left(21),
            ($a[24] ^ d4).rotate_left(14),
        );
        $e[0] = b0 ^ (!b1 & b2) ^ $constant;
        chi_row!($e, 0, b0, b1, b2, b3, b4);
        let (b0, b1, b2, b3, b4) = (
            ($a[3] ^ d3).rotate_left(28),
            ($a[9] ^ d4).rotate_left(20),
            ($a[10] ^ d0).rotate_left(3),
            ($a[16] ^ d1).rotate_left(45),
            ($a[22] ^ d2).rotate_left(61),
        );
        $e[5] = b0 ^ (!b1 & b2);
        chi_row!($e, 5, b0, b1, b2, b3, b4);
        let (b0, b1, b2, b3, b4) = (
            ($a[1] ^ d1).rotate_left(1),
            ($a[7] ^ d2).rotate_left(6),
            ($a[13] ^ d3).rotate_left(25),
            ($a[19] ^ d4).rotate_left(8),
            ($a[20] ^ d0).rotate_left(18),
        );
        $e[10] = b0 ^ (!b1 & b2);
        chi_row!($e, 10, b0, b1, b2, b3, b4);
        let (b0, b1, b2, b3, b4) = (
            ($a[4] ^ d4).rotate_left(27),
            ($a[5] ^ d0).rotate_left(36),
            ($a[11] ^ d1).rotate_left(10),
            ($a[17] ^ d2).rotate_left(15),
            ($a[23] ^ d3).rotate_left(56),
        );
        $e[15] = b0 ^ (!b1 & b2);
        chi_row!($e, 15, b0, b1, b2, b3, b4);
        let (b0, b1, b2, b3, b4) = (
            ($a[2] ^ d2).rotate_left(62),
            ($a[8] ^ d3).rotate_left(55),
            ($a[14] ^ d4).rotate_left(39),
            ($a[15] ^ d0).rotate_left(41),
            ($a[21] ^ d1).rotate_left(2),
        );
        $e[20] = b0 ^ (!b1 & b2);
        chi_row!($e, 20, b0, b1, b2, b3, b4);
    };
}

/// Words 1 to 4 of a row of chi; word 0 is written by the caller, which may add the round constant.
macro_rules! chi_row {
    ($e:ident, $row:literal, $b0:ident, $b1:ident, $b2:ident, $b3:ident, $b4:ident) => {
        $e[$row + 1] = $b1 ^ (!$b2 & $b3);
        $e[$row + 2] = $b2 ^ (!$b3 & $b4);
        $e[$row + 3] = $b3 ^ (!$b4 & $b0);
        $e[$row + 4] = $b4 ^ (!$b0 & $b1);
    };
}

/// The permutation Keccak-f[1600], two rounds a step so that no state has to be copied.
fn permute(state: &mut State) {
    let mut a = *state;
    let mut e: State = [0; 25];
    for pair in ROUND_CONSTANTS.chunks_exact(2) {
        round!(a, e, pair[0]);
        round!(e, a, pair[1]);
    }
    *state = a;
}

fn word(bytes: &[u8], index: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[index * 8..index * 8 + 8]);
    u64::from_le_bytes(word)
}

fn absorb(state: &mut State, block: &[u8; RATE_BYTES]) {
    for (index, lane) in state[..RATE_WORDS].iter_mut().enumerate() {
        *lane ^= word(block, index);
    }
    permute(state);
}

fn squeeze(state: &State) -> [u8; 32] {
    let mut hash = [0; 32];
    for (bytes, lane) in hash.chunks_exact_mut(8).zip(state) {
        bytes.copy_from_slice(&lane.to_le_bytes());
    }
    hash
}

/// Keccak-256 with the Ethereum padding (0x01, not the 0x06 of NIST SHA3) of a message of any length.
pub(super) fn keccak256(data: &[u8]) -> [u8; 32] {
    let mut state: State = [0; 25];
    let (blocks, rest) = data.as_chunks::<RATE_BYTES>();
    for block in blocks {
        absorb(&mut state, block);
    }
    let mut last = [0; RATE_BYTES];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 0x01;
    last[RATE_BYTES - 1] |= 0x80;
    absorb(&mut state, &last);
    squeeze(&state)
}

/// Keccak-256 of fewer than 16 words.
pub(crate) fn words<const WORDS: usize>(words: [u64; WORDS]) -> [u64; 4] {
    let mut state: State = [0; 25];
    state[..WORDS].copy_from_slice(&words);
    state[WORDS] = 0x01;
    state[16] = 0x80 << 56;
    permute(&mut state);
    [state[0], state[1], state[2], state[3]]
}

/// Keccak-256 of one hash.
pub(super) fn hash(data: &[u8; 32]) -> [u8; 32] {
    let mut hash = [0; 32];
    for (bytes, word) in hash.as_chunks_mut().0.iter_mut().zip(words::<4>(std::array::from_fn(|index| word(data, index)))) {
        *bytes = word.to_le_bytes();
    }
    hash
}

/// Keccak-256 of one 256-byte sector.
pub(super) fn sector(data: &[u8; 256]) -> [u8; 32] {
    let mut state: State = [0; 25];
    for (index, lane) in state[..RATE_WORDS].iter_mut().enumerate() {
        *lane = word(data, index);
    }
    permute(&mut state);
    for (index, lane) in state[..15].iter_mut().enumerate() {
        *lane ^= word(data, RATE_WORDS + index);
    }
    state[15] ^= 0x01;
    state[16] ^= 0x80 << 56;
    permute(&mut state);
    squeeze(&state)
}

/// Keccak-256 of one 64-byte pair of hashes.
pub(super) fn pair(data: &[u8; 64]) -> [u8; 32] {
    let mut state: State = [0; 25];
    for (index, lane) in state[..8].iter_mut().enumerate() {
        *lane = word(data, index);
    }
    state[8] = 0x01;
    state[16] = 0x80 << 56;
    permute(&mut state);
    squeeze(&state)
}
