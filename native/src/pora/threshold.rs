//! Which quality is an answer (spec pora-and-contracts §2.5): unsigned 256-bit integers, divided with floors, in the contract's order.

use crate::Hash;
use ruint::aliases::U256;

/// The most sectors of a range that a shard mines: 8 TiB.
const MOST_SECTORS: u128 = 1 << 35;

/// How much harder an answer is because the flow is larger than what is mined of it, times 2^64; nothing where each shard has less than a sector.
pub fn scale(flow_length: u64, shards: u128) -> Option<u128> {
    let own = (u128::from(flow_length).checked_div(shards)?).min(MOST_SECTORS);
    (u128::from(flow_length).min(MOST_SECTORS) << 64).checked_div(own)
}

/// The highest quality that is an answer, big-endian; nothing as above. Divided before it is shifted, without saturation.
pub fn threshold(pora_target: &Hash, flow_length: u64, shards: u128) -> Option<Hash> {
    let scale = U256::from(scale(flow_length, shards)?);
    let quotient = U256::from_be_bytes(*pora_target).checked_div(scale)?;
    Some((quotient << 64_usize).to_be_bytes())
}
