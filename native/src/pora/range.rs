//! Where a nonce may lead: a range of the flow, and the flow segments of it that a shard owns (spec pora-and-contracts §2.3 to §2.5).

use crate::Hash;
use crate::keccak::keccak256;
use ruint::aliases::U256;

/// Sectors of a flow segment, of which a nonce loads one.
pub const LOAD_SECTORS: u64 = 1024;

/// A range of the flow, in sectors, of which each flow segment `c` is minable where `c` without the masked bits is the shard's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MineRange {
    /// First sector; a multiple of 2^25 for the contract.
    pub start_position: u64,
    /// Sectors.
    pub mine_length: u64,
    /// Which of the shards.
    pub shard_id: u64,
    /// All ones but as many low bits as it takes to number the shards.
    pub shard_mask: u64,
}

impl MineRange {
    /// What stands for the range in each nonce: id before mask, each number big-endian in 32 bytes.
    pub fn digest(&self) -> Hash {
        let mut message = [0; 128];
        let numbers = [self.start_position, self.mine_length, self.shard_id, self.shard_mask];
        for (place, number) in message.as_chunks_mut::<32>().0.iter_mut().zip(numbers) {
            place[24..].copy_from_slice(&number.to_be_bytes());
        }
        keccak256(&message)
    }

    /// How many shards the mask stands for.
    pub fn shards(&self) -> u128 {
        1 << self.shard_mask.count_zeros()
    }

    /// Which flow segment of the range a nonce leads to, which may lie behind its end; nothing where the range holds none.
    pub fn recall(&self, seed: &Hash) -> Option<u64> {
        let chunks = self.mine_length / LOAD_SECTORS;
        let origin = U256::from_be_bytes(*seed).checked_rem(U256::from(chunks))?;
        Some((origin.as_limbs()[0] & self.shard_mask) | self.shard_id)
    }

    /// The first sector of the flow segment that a nonce leads to, if it lies within the range.
    pub fn load_position(&self, seed: &Hash) -> Option<u64> {
        let within = self.recall(seed)?.checked_mul(LOAD_SECTORS)?;
        if within < self.mine_length { self.start_position.checked_add(within) } else { None }
    }
}
