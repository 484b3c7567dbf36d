//! Checking of file proofs and sector proofs (spec log-layer §1.5, §1.6).

use crate::error::{Error, require};
use crate::file::Geometry;
use crate::frontier::MAX_SECTORS;
use crate::keccak::{Hash, hash_pair};
use crate::merkle::{Proof, zero_hash};

/// Why a proof is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The proof is for another leaf.
    Leaf,
    /// Lemma and path do not have the lengths of a proof.
    Shape,
    /// The hashes do not lead to the root.
    Root,
    /// The path leads to another position.
    Position,
    /// A subtree behind the end of the file is not zero.
    Padding,
}

impl Refusal {
    /// The stable word for the reason.
    pub fn word(self) -> &'static str {
        match self {
            Self::Leaf => "leaf",
            Self::Shape => "shape",
            Self::Root => "root",
            Self::Position => "position",
            Self::Padding => "padding",
        }
    }
}

/// The lemma leads from `leaf` to `root`. Steps of the path are bounded here, since nothing else bounds the hashing.
fn check_hashes(root: &Hash, leaf: &Hash, proof: &Proof) -> Result<(), Refusal> {
    let Proof { lemma, path } = proof;
    if path.len() > u64::BITS as usize || lemma.len() != path.len() + 2 {
        return Err(Refusal::Shape);
    }
    if lemma[0] != *leaf {
        return Err(Refusal::Leaf);
    }
    let mut running = *leaf;
    for (is_left, sibling) in path.iter().zip(&lemma[1..]) {
        running = if *is_left { hash_pair(&running, sibling) } else { hash_pair(sibling, &running) };
    }
    if running != *root || lemma[lemma.len() - 1] != *root {
        return Err(Refusal::Root);
    }
    Ok(())
}

/// A file of one segment: its root is the leaf, and the proof is that root alone.
fn check_single(root: &Hash, geometry: &Geometry, index: u64, leaf: &Hash, proof: &Proof) -> Result<(), Refusal> {
    if proof.lemma.len() != 1 {
        Err(Refusal::Shape)
    } else if proof.lemma[0] != *leaf {
        Err(Refusal::Leaf)
    } else if leaf != root {
        Err(Refusal::Root)
    } else if index != 0 || geometry.segments_padded != 1 {
        Err(Refusal::Position)
    } else {
        Ok(())
    }
}

/// Walks from the top to segment `index` of the file.
fn check_position(geometry: &Geometry, index: u64, proof: &Proof, check_padding: bool) -> Result<(), Refusal> {
    let (mut left, mut position) = (geometry.segments_padded, 0);
    let mut padding = Ok(());
    for (is_left, sibling) in proof.path.iter().zip(&proof.lemma[1..]).rev() {
        if left <= 1 {
            return Err(Refusal::Position);
        }
        let half = left.next_power_of_two() / 2;
        let sibling_position = if *is_left { position + half } else { position };
        // Padding is less than the power of two that the file's length is rounded up to a multiple of (spec log-layer
        // §1.2), so a subtree of nothing but padding is complete.
        let zero = zero_hash(half.ilog2() as usize + 10).map_err(|_| Refusal::Position)?;
        if check_padding && sibling_position >= geometry.segments && *sibling != zero {
            padding = Err(Refusal::Padding);
        }
        if *is_left {
            left = half;
        } else {
            position += half;
            left -= half;
        }
    }
    if left != 1 || position != index {
        return Err(Refusal::Position);
    }
    let zero = zero_hash(10).map_err(|_| Refusal::Position)?;
    if check_padding && index >= geometry.segments && proof.lemma[0] != zero {
        padding = Err(Refusal::Padding);
    }
    padding
}

/// Checks that `leaf` is the root of the padded segment `index` of the file of `size` bytes with this data root; with
/// `check_padding` also that segments behind the end of the file are zero, as far as the proof shows them.
pub fn check_file_proof(
    root: &Hash,
    size: u64,
    index: u64,
    leaf: &Hash,
    proof: &Proof,
    check_padding: bool,
) -> Result<Result<(), Refusal>, Error> {
    let geometry = Geometry::of(size)?;
    if proof.path.is_empty() {
        return Ok(check_single(root, &geometry, index, leaf, proof));
    }
    Ok(check_hashes(root, leaf, proof).and_then(|()| check_position(&geometry, index, proof, check_padding)))
}

/// Checks that `leaf` is the hash of sector `position` of the flow of `length` sectors with this flow root.
pub fn check_flow_proof(
    root: &Hash,
    length: u64,
    position: u64,
    leaf: &Hash,
    proof: &Proof,
) -> Result<Result<(), Refusal>, Error> {
    require!((1..=MAX_SECTORS).contains(&length), "flow length {length}: 1 to 2^63");
    let height = length.next_power_of_two().ilog2() as usize;
    if proof.path.len() != height {
        return Ok(Err(Refusal::Shape));
    }
    let steps = proof.path.iter().enumerate().filter(|(_, is_left)| !**is_left);
    let shown = steps.map(|(step, _)| 1_u64 << step).sum::<u64>();
    let at_position = if shown == position && position < length { Ok(()) } else { Err(Refusal::Position) };
    Ok(check_hashes(root, leaf, proof).and(at_position))
}
