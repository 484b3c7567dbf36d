//! Sealing (spec pora-and-contracts §1.1): a block of the flow is masked so that only who has done the work for one miner id and
//! one context can show it. Word 0 is masked with the hash of the key, each further one with the hash of the sealed word before
//! it, so that a seal is one chain and many seals go in lock-step; unsealing knows all masks at once.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

use crate::Hash;
use crate::keccak::{Kernel, Simd, hash_hashes, hash_words, keccak256};

/// Bytes of a seal: 16 sectors, one block.
pub const SEAL_BYTES: usize = 4096;

/// Sectors of a seal.
pub const SEAL_SECTORS: u64 = 16;

/// A sealed or plain block.
pub type Seal = [u8; SEAL_BYTES];

/// What a seal is made for.
#[derive(Clone, Copy, Debug)]
pub struct SealKey {
    /// Who mines.
    pub miner_id: Hash,
    /// The digest of the context that owns the seal (spec §1.2).
    pub context_digest: Hash,
    /// The first sector of the seal in the flow.
    pub start_sector: u64,
}

/// Bytes of what the first mask is the hash of.
const SEED_BYTES: usize = 96;

impl SealKey {
    /// Filled up with zeros behind its 96 bytes.
    fn seed(&self) -> [u8; 128] {
        let mut seed = [0; 128];
        seed[..32].copy_from_slice(&self.miner_id);
        seed[32..64].copy_from_slice(&self.context_digest);
        seed[SEED_BYTES - 8..SEED_BYTES].copy_from_slice(&self.start_sector.to_be_bytes());
        seed
    }

    /// The mask of word 0.
    pub fn first_mask(&self) -> Hash {
        let seed = self.seed();
        keccak256(&seed[..SEED_BYTES])
    }
}

/// Seals blocks in place, each for its key.
///
/// # Panics
/// If there are not as many keys as blocks.
pub fn seal(simd: Simd, blocks: &mut [Seal], keys: &[SealKey]) {
    transform::<false>(simd, blocks, keys);
}

/// The reverse of [`seal`]. Another key gives other bytes, and nothing tells.
///
/// # Panics
/// If there are not as many keys as seals.
pub fn unseal(simd: Simd, seals: &mut [Seal], keys: &[SealKey]) {
    transform::<true>(simd, seals, keys);
}

/// Unseals the words of a seal from `first_word` on, as many as `plain` has room for. Word `w` needs the sealed word before it only.
///
/// # Panics
/// If there are not as many words.
pub fn unseal_words(simd: Simd, seal: &Seal, key: &SealKey, first_word: usize, plain: &mut [Hash]) {
    let (words, _) = seal.as_chunks();
    let sealed = &words[first_word..first_word + plain.len()];
    if first_word > 0 {
        hash_hashes(simd, &words[first_word - 1..first_word - 1 + plain.len()], plain);
    } else if let Some((first, others)) = plain.split_first_mut() {
        *first = key.first_mask();
        hash_hashes(simd, &words[..others.len()], others);
    }
    for (byte, sealed) in plain.as_flattened_mut().iter_mut().zip(sealed.as_flattened()) {
        *byte ^= sealed;
    }
}

fn transform<const UNSEALS: bool>(simd: Simd, seals: &mut [Seal], keys: &[SealKey]) {
    assert_eq!(seals.len(), keys.len(), "one key for each seal");
    match simd.kernel() {
        Kernel::Scalar => one_by_one::<UNSEALS>(seals, keys),
        // SAFETY: a `Simd` that says AVX2 exists only where the CPU has it.
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx2 => in_groups::<UNSEALS, _>(seals, keys, |seals, keys| unsafe { avx2::four::<UNSEALS>(seals, keys) }),
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx512(units) => {
            // SAFETY: a `Simd` that says AVX-512 exists only where the CPU has it.
            in_groups::<UNSEALS, _>(seals, keys, |seals, keys| unsafe { avx512::eight::<UNSEALS>(units, seals, keys) });
        }
    }
}

/// Feeds a kernel of `LANES` lanes. Two or more left over at the end fill a last group up with themselves, since a group costs
/// little more than one alone.
#[cfg(target_arch = "x86_64")]
fn in_groups<const UNSEALS: bool, const LANES: usize>(
    seals: &mut [Seal],
    keys: &[SealKey],
    kernel: impl Fn(&mut [Seal; LANES], &[SealKey; LANES]),
) {
    let (groups, rest) = seals.as_chunks_mut();
    let (group_keys, rest_keys) = keys.as_chunks();
    for (group, keys) in groups.iter_mut().zip(group_keys) {
        kernel(group, keys);
    }
    if rest.len() < 2 {
        return one_by_one::<UNSEALS>(rest, rest_keys);
    }
    let mut group = [[0; SEAL_BYTES]; LANES];
    group[..rest.len()].copy_from_slice(rest);
    kernel(&mut group, &std::array::from_fn(|lane| rest_keys[lane.min(rest.len() - 1)]));
    rest.copy_from_slice(&group[..rest.len()]);
}

fn one_by_one<const UNSEALS: bool>(seals: &mut [Seal], keys: &[SealKey]) {
    for (seal, key) in seals.iter_mut().zip(keys) {
        let mut mask = words_of(&key.first_mask());
        for word in seal.as_chunks_mut().0 {
            let came = words_of(word);
            let left: [u64; 4] = std::array::from_fn(|at| came[at] ^ mask[at]);
            mask = hash_words(if UNSEALS { came } else { left });
            for (bytes, word) in word.as_chunks_mut().0.iter_mut().zip(left) {
                *bytes = word.to_le_bytes();
            }
        }
    }
}

fn words_of(bytes: &Hash) -> [u64; 4] {
    let (words, _) = bytes.as_chunks();
    std::array::from_fn(|at| u64::from_le_bytes(words[at]))
}
