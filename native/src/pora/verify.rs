//! What the PoraMine contract does with an answer (spec pora-and-contracts §3.1, §3.3, §3.5), step by step and in its order, in plain Rust.

use super::range::{LOAD_SECTORS, MineRange};
use super::{Pad, Task, scalar, threshold};
use crate::Hash;
use crate::keccak::{Simd, hash_pair, hash_sectors};
use crate::seal::{SEAL_SECTORS, Seal, SealKey, unseal};

/// An answer to a mining task.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Of the context that it is for.
    pub context_digest: Hash,
    /// Chosen freely.
    pub nonce: Hash,
    /// Who mines.
    pub miner_id: Hash,
    /// Where in the flow.
    pub range: MineRange,
    /// First sector of the seal.
    pub recall_position: u64,
    /// Which seal, counted from the start of the flow segment that the nonce leads to; the contract sets no bound.
    pub seal_offset: u64,
    /// Of the context that owns the seal.
    pub sealed_context_digest: Hash,
    /// As it is stored.
    pub sealed_data: Box<Seal>,
    /// Siblings from the seal up to below the root.
    pub merkle_proof: Vec<Hash>,
}

/// What an answer has to fit.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Of the context that is mined.
    pub context_digest: Hash,
    /// Root of the flow in that context.
    pub flow_root: Hash,
    /// Sectors of the flow in that context.
    pub flow_length: u64,
    /// Of the miner's subtask.
    pub subtask_digest: Hash,
    /// Bigger is easier.
    pub pora_target: Hash,
    /// Most shards that a miner may name.
    pub max_shards: u64,
    /// First sector, and the one behind the last, of the context that the answer calls the seal's owner; zeros where there is none.
    pub sealed_range: (u64, u64),
    /// Whether the context takes no further answers.
    pub is_full: bool,
}

/// Why an answer is none: the contract's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(pub &'static str);

macro_rules! demand {
    ($holds:expr, $words:literal) => {
        if !$holds {
            return Err(Refusal($words));
        }
    };
}

/// The hash of "no context".
const EMPTY_HASH: Hash = [
    0xC5, 0xD2, 0x46, 0x01, 0x86, 0xF7, 0x23, 0x3C, 0x92, 0x7E, 0x7D, 0xB2, 0xDC, 0xC7, 0x03, 0xC0, 0xE5, 0x00, 0xB6, 0x53,
    0xCA, 0x82, 0x27, 0x3B, 0x7B, 0xFA, 0xD8, 0x04, 0x5D, 0x85, 0xA4, 0x70,
];

/// Sectors of a pricing chunk, on whose borders a range begins.
const PRICING_SECTORS: u64 = 1 << 25;
/// Sectors that a shard mines at most, times the number of shards.
const MOST_SECTORS: u128 = 1 << 35;

/// The output of a right answer, 32 bytes, big-endian. What only the chain knows (who is registered, the window of the subtask, whether the output is
/// new) is left to the caller. Errors: the contract's own words.
pub fn verify(simd: Simd, answer: &Answer, terms: &Terms) -> Result<Hash, Refusal> {
    demand!(answer.context_digest == terms.context_digest, "Inconsistent mining digest");
    demand!(terms.context_digest != EMPTY_HASH, "Empty digest can not mine");
    demand!(!terms.is_full, "Epoch has enough submissions");
    check_range(&answer.range, terms.flow_length)?;
    let seal_end = answer.recall_position.saturating_add(SEAL_SECTORS);
    let (first, behind) = terms.sealed_range;
    demand!(first < seal_end && seal_end <= behind, "Invalid sealed context digest");
    demand!(answer.range.shards() <= u128::from(terms.max_shards), "Exceeding the allowed number of shards");
    let root = proved_root(simd, answer, &unsealed(simd, answer));
    demand!(root == terms.flow_root, "Inconsistent merkle root");
    let output = output(answer, &terms.subtask_digest)?;
    let limit = threshold(&terms.pora_target, terms.flow_length, answer.range.shards());
    demand!(limit.is_some_and(|limit| output <= limit), "Do not reach target quality");
    Ok(output)
}

fn check_range(range: &MineRange, flow_length: u64) -> Result<(), Refusal> {
    let most = MOST_SECTORS.saturating_mul(range.shards());
    let minable = flow_length / LOAD_SECTORS * LOAD_SECTORS;
    let (start, length) = (u128::from(range.start_position), u128::from(range.mine_length));
    demand!(range.start_position.is_multiple_of(PRICING_SECTORS), "Start position is not aligned");
    demand!(start + length <= u128::from(minable), "Mining range overflow");
    demand!(length <= most, "Mining range too long");
    demand!(length >= u128::from(minable).min(most), "Mining range too short");
    demand!(range.shard_id & range.shard_mask == 0, "Masked bits should be zero");
    Ok(())
}

/// The plain bytes of an answer's seal.
pub fn unsealed(simd: Simd, answer: &Answer) -> Box<Seal> {
    let key = SealKey {
        miner_id: answer.miner_id,
        context_digest: answer.sealed_context_digest,
        start_sector: answer.recall_position,
    };
    let mut plain = answer.sealed_data.clone();
    unseal(simd, std::slice::from_mut(&mut plain), &[key]);
    plain
}

fn proved_root(simd: Simd, answer: &Answer, plain: &Seal) -> Hash {
    let mut hashes = [[0; 32]; SEAL_SECTORS as usize];
    hash_sectors(simd, plain.as_chunks().0, &mut hashes);
    let mut width = hashes.len();
    while width > 1 {
        for at in 0..width / 2 {
            hashes[at] = hash_pair(&hashes[2 * at], &hashes[2 * at + 1]);
        }
        width /= 2;
    }
    let mut index = answer.recall_position / SEAL_SECTORS;
    answer.merkle_proof.iter().fold(hashes[0], |hash, sibling| {
        let is_right = index & 1 == 1;
        index >>= 1;
        if is_right { hash_pair(sibling, &hash) } else { hash_pair(&hash, sibling) }
    })
}

/// The quality of the seal with the scratchpad of the nonce, at the place that the nonce leads to.
fn output(answer: &Answer, subtask_digest: &Hash) -> Result<Hash, Refusal> {
    let Answer { range, miner_id, nonce, seal_offset, .. } = answer;
    let task = Task { miner_id: *miner_id, subtask_digest: *subtask_digest, range: *range };
    let pad_seed = task.pad_seed(&range.digest(), nonce);
    let mut pad: Box<Pad> = boxed_zeros();
    let recall = scalar::pad(&pad_seed, &mut pad);
    let Some(chunk) = range.recall(&recall) else { return Err(Refusal("Recall position out of bound")) };
    let within = u128::from(chunk) * u128::from(LOAD_SECTORS);
    demand!(within <= u128::from(range.mine_length), "Recall position out of bound");
    let place = u128::from(range.start_position) + within + u128::from(*seal_offset) * u128::from(SEAL_SECTORS);
    demand!(place == u128::from(answer.recall_position), "Incorrect recall position");
    Ok(scalar::quality_of(&pad_seed, &pad, &answer.sealed_data, *seal_offset as usize))
}

fn boxed_zeros() -> Box<Pad> {
    vec![0; size_of::<Pad>()]
        .into_boxed_slice()
        .try_into()
        .unwrap_or_else(|_| unreachable!("it has the length of a scratchpad"))
}
