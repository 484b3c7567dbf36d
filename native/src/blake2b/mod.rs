//! BLAKE2b with digests of 64 bytes and no key (RFC 7693), of one message, and of 4 or 8 equally long ones in lock-step, block by
//! block, as mining needs it.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
pub(crate) mod scalar;

/// A digest. Mining takes its first half, which is not the digest of a shorter BLAKE2b.
pub type Digest = [u8; 64];

/// Bytes that a compression takes in.
pub const BLOCK_BYTES: usize = 128;

/// The chain value before the first block: the IV, with the parameters "64 bytes, no key, sequential" in its first word.
pub(crate) const START: [u64; 8] = {
    let mut start = IV;
    start[0] ^= 0x0101_0040;
    start
};

const IV: [u64; 8] = [
    0x6A09_E667_F3BC_C908,
    0xBB67_AE85_84CA_A73B,
    0x3C6E_F372_FE94_F82B,
    0xA54F_F53A_5F1D_36F1,
    0x510E_527F_ADE6_82D1,
    0x9B05_688C_2B3E_6C1F,
    0x1F83_D9AB_FB41_BD6B,
    0x5BE0_CD19_137E_2179,
];

/// The 12 rounds on the working words `$v` with the message `$m`, each of 8 calls of `$mix`, written out so that every index is a constant.
#[rustfmt::skip]
macro_rules! rounds {
    ($mix:path, $v:ident, $m:ident) => {
        $crate::blake2b::round!($mix, $v, $m, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        $crate::blake2b::round!($mix, $v, $m, 14 10 4 8 9 15 13 6 1 12 0 2 11 7 5 3);
        $crate::blake2b::round!($mix, $v, $m, 11 8 12 0 5 2 15 13 10 14 3 6 7 1 9 4);
        $crate::blake2b::round!($mix, $v, $m, 7 9 3 1 13 12 11 14 2 6 5 10 4 0 15 8);
        $crate::blake2b::round!($mix, $v, $m, 9 0 5 7 2 4 10 15 14 1 11 12 6 8 3 13);
        $crate::blake2b::round!($mix, $v, $m, 2 12 6 10 0 11 8 3 4 13 7 5 15 14 1 9);
        $crate::blake2b::round!($mix, $v, $m, 12 5 1 15 14 13 4 10 0 7 6 3 9 2 8 11);
        $crate::blake2b::round!($mix, $v, $m, 13 11 7 14 12 1 3 9 5 0 15 4 8 6 2 10);
        $crate::blake2b::round!($mix, $v, $m, 6 15 14 9 11 3 0 8 12 2 13 7 1 4 10 5);
        $crate::blake2b::round!($mix, $v, $m, 10 2 8 4 7 6 1 5 15 11 9 14 3 12 13 0);
        $crate::blake2b::round!($mix, $v, $m, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        $crate::blake2b::round!($mix, $v, $m, 14 10 4 8 9 15 13 6 1 12 0 2 11 7 5 3);
    };
}

/// Columns, then diagonals, with the message words in the order of the round.
macro_rules! round {
    ($mix:path, $v:ident, $m:ident, $a:literal $b:literal $c:literal $d:literal $e:literal $f:literal $g:literal $h:literal
        $i:literal $j:literal $k:literal $l:literal $n:literal $o:literal $p:literal $q:literal) => {
        $mix(&mut $v, [0, 4, 8, 12], $m[$a], $m[$b]);
        $mix(&mut $v, [1, 5, 9, 13], $m[$c], $m[$d]);
        $mix(&mut $v, [2, 6, 10, 14], $m[$e], $m[$f]);
        $mix(&mut $v, [3, 7, 11, 15], $m[$g], $m[$h]);
        $mix(&mut $v, [0, 5, 10, 15], $m[$i], $m[$j]);
        $mix(&mut $v, [1, 6, 11, 12], $m[$k], $m[$l]);
        $mix(&mut $v, [2, 7, 8, 13], $m[$n], $m[$o]);
        $mix(&mut $v, [3, 4, 9, 14], $m[$p], $m[$q]);
    };
}

pub(crate) use {round, rounds};

/// The digest of a message of any length.
pub fn blake2b(data: &[u8]) -> Digest {
    let mut chain = START;
    let mut rest = data;
    let mut taken = 0;
    while let Some((block, behind)) = rest.split_first_chunk::<BLOCK_BYTES>().filter(|(_, behind)| !behind.is_empty()) {
        taken += BLOCK_BYTES as u64;
        scalar::compress(&mut chain, &scalar::words(block), taken, false);
        rest = behind;
    }
    let mut last = [0; BLOCK_BYTES];
    last[..rest.len()].copy_from_slice(rest);
    scalar::compress(&mut chain, &scalar::words(&last), taken + rest.len() as u64, true);
    let mut digest = [0; 64];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(chain) {
        *bytes = word.to_le_bytes();
    }
    digest
}
