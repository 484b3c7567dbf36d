//! Placement of submissions in the flow and the flow root (spec log-layer §2.1).

use crate::error::{Error, require};
use crate::frontier::{Frontier, MAX_SECTORS};
use crate::keccak::Hash;
use crate::merkle::Subtree;
use crate::segment::SEGMENT_LEAVES;

/// Sectors of a flow segment.
const SEGMENT_SECTORS: u64 = SEGMENT_LEAVES as u64;

/// Where a submission lies: its first sector, and the flow's length after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// First sector.
    pub start: u64,
    /// Length of the flow behind it.
    pub length: u64,
}

fn align_up(sector: u64, height: u32) -> Option<u64> {
    sector.checked_next_multiple_of(1 << height)
}

/// Places the subtrees of a submission in a flow of `length` sectors: aligned to the largest, and moved to the next segment
/// boundary if it would begin inside one segment and end in another.
pub fn place(length: u64, heights: &[u8]) -> Result<Placement, Error> {
    require!(!heights.is_empty(), "a submission has at least one subtree");
    let mut sectors = 0_u64;
    for (index, height) in heights.iter().enumerate() {
        require!(*height < 64, "heights[{index}] is {height}: at most 63");
        require!(index == 0 || *height < heights[index - 1], "heights[{index}] is {height}: heights decrease strictly");
        sectors |= 1 << height;
    }
    let largest = u32::from(heights[0]);
    let end = |start: u64| start.checked_add(sectors).filter(|end| *end <= MAX_SECTORS);
    let placed = align_up(length, largest).and_then(|start| {
        if start % SEGMENT_SECTORS == 0 || start / SEGMENT_SECTORS == (end(start)? - 1) / SEGMENT_SECTORS {
            return Some(start);
        }
        align_up(align_up(start, SEGMENT_SECTORS.ilog2())?, largest)
    });
    match placed.and_then(|start| Some(Placement { start, length: end(start)? })) {
        Some(placement) => Ok(placement),
        None => Err(Error(format!("{sectors} sectors behind a flow of {length}: at most 2^63 sectors"))),
    }
}

/// Appends a submission to a flow of at least one sector.
pub fn append(flow: &mut Frontier, heights: &[u8], roots: &[Hash]) -> Result<Placement, Error> {
    require!(flow.length() > 0, "a flow has at least its sector 0");
    require!(heights.len() == roots.len(), "{} heights and {} roots", heights.len(), roots.len());
    let placement = place(flow.length(), heights)?;
    flow.pad_to(placement.start)?;
    for (height, root) in heights.iter().zip(roots) {
        flow.push(Subtree { root: *root, height: u32::from(*height) })?;
    }
    Ok(placement)
}

/// The flow root (spec log-layer §2.1).
pub fn root(flow: &Frontier) -> Result<Hash, Error> {
    require!(flow.length() > 0, "a flow has at least its sector 0");
    flow.zero_filled_root()
}
