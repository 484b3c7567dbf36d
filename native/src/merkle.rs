//! Merkle trees of Keccak-256 without domain separation (spec log-layer §0, §1.4): the carry-up tree of a file, and
//! perfect trees whose missing leaves are zero.

use crate::error::{Error, require};
use crate::keccak::{Hash, PAIR_BYTES, SECTOR_BYTES, Simd, hash_pair, hash_pairs, hash_sector, hash_sectors};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Levels of [`zero_hash`].
pub const LEVELS: usize = 64;

static ZERO_HASHES: LazyLock<[Hash; LEVELS]> = LazyLock::new(|| {
    let mut hashes = [hash_sector(&[0; SECTOR_BYTES]); LEVELS];
    for level in 1..LEVELS {
        hashes[level] = hash_pair(&hashes[level - 1], &hashes[level - 1]);
    }
    hashes
});

/// `Z[level]`, the root of 2^level zero sectors.
pub fn zero_hash(level: usize) -> Result<Hash, Error> {
    require!(level < LEVELS, "level {level}: zero hashes have the levels 0 to 63");
    Ok(ZERO_HASHES[level])
}

/// A path from a leaf to the root (spec log-layer §1.5): the leaf, its siblings from the bottom up, the root; `path[k]` says
/// whether the running node is the left child at step `k`. A tree of one leaf has the root alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Leaf, siblings, root.
    pub lemma: Vec<Hash>,
    /// One step for each sibling; `true`: the sibling is on the right.
    pub path: Vec<bool>,
}

/// A complete subtree: 2^height sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subtree {
    /// Root of the subtree.
    pub root: Hash,
    /// log2 of its sectors.
    pub height: u32,
}

/// Hashes of the sectors of `data`, the last one filled up with zeros.
///
/// # Panics
/// If `hashes` is not exactly as long as `data` has sectors.
pub fn sector_leaves(simd: Simd, data: &[u8], hashes: &mut [Hash]) {
    let (sectors, rest) = data.as_chunks::<SECTOR_BYTES>();
    hash_sectors(simd, sectors, &mut hashes[..sectors.len()]);
    assert_eq!(hashes.len(), data.len().div_ceil(SECTOR_BYTES), "one hash for each sector");
    if !rest.is_empty() {
        let mut sector = [0; SECTOR_BYTES];
        sector[..rest.len()].copy_from_slice(rest);
        hashes[sectors.len()] = hash_sector(&sector);
    }
}

/// The next level of a tree. A node without right sibling gets `right`, or is carried up as it is.
fn parents(simd: Simd, nodes: &[Hash], right: Option<Hash>) -> Vec<Hash> {
    let (pairs, _) = nodes.as_flattened().as_chunks::<PAIR_BYTES>();
    let mut parents = vec![[0; 32]; pairs.len()];
    hash_pairs(simd, pairs, &mut parents);
    if let [odd] = &nodes[2 * pairs.len()..] {
        parents.push(right.map_or(*odd, |right| hash_pair(odd, &right)));
    }
    parents
}

/// Root of the carry-up tree over at least one leaf (spec log-layer §1.4).
pub fn tree_root(simd: Simd, leaves: &[Hash]) -> Result<Hash, Error> {
    require!(!leaves.is_empty(), "a tree has at least one leaf");
    let mut nodes = Cow::Borrowed(leaves);
    while nodes.len() > 1 {
        nodes = parents(simd, &nodes, None).into();
    }
    Ok(nodes[0])
}

/// The proof of leaf `index` in the carry-up tree over `leaves` (spec log-layer §1.5).
pub fn tree_proof(simd: Simd, leaves: &[Hash], index: usize) -> Result<Proof, Error> {
    require!(index < leaves.len(), "leaf {index} of a tree of {} leaves", leaves.len());
    let mut proof = Proof { lemma: Vec::new(), path: Vec::new() };
    let (mut nodes, mut position) = (Cow::Borrowed(leaves), index);
    if leaves.len() > 1 {
        proof.lemma.push(leaves[index]);
    }
    while nodes.len() > 1 {
        if let Some(sibling) = nodes.get(position ^ 1) {
            proof.lemma.push(*sibling);
            proof.path.push(position % 2 == 0);
        }
        nodes = parents(simd, &nodes, None).into();
        position /= 2;
    }
    proof.lemma.push(nodes[0]);
    Ok(proof)
}

fn require_perfect(leaves: &[Hash], height: usize, zero_level: usize) -> Result<(), Error> {
    let top = height.saturating_add(zero_level);
    require!(top < LEVELS, "height {height} above zero level {zero_level}: a tree ends below level {LEVELS}");
    let count = leaves.len();
    require!(count as u64 <= 1 << height, "{count} leaves in a tree of height {height}");
    Ok(())
}

/// Root of the perfect tree of 2^height leaves: the given ones, then `Z[zero_level]`.
pub fn perfect_root(simd: Simd, leaves: &[Hash], height: usize, zero_level: usize) -> Result<Hash, Error> {
    require_perfect(leaves, height, zero_level)?;
    if leaves.is_empty() {
        return zero_hash(zero_level + height);
    }
    let mut nodes = Cow::Borrowed(leaves);
    for zero in &ZERO_HASHES[zero_level..zero_level + height] {
        nodes = parents(simd, &nodes, Some(*zero)).into();
    }
    Ok(nodes[0])
}

/// Siblings, from the bottom up, of leaf `index` in the tree of [`perfect_root`].
pub fn perfect_siblings(simd: Simd, leaves: &[Hash], height: usize, zero_level: usize, index: u64) -> Result<Vec<Hash>, Error> {
    require_perfect(leaves, height, zero_level)?;
    require!(index < 1 << height, "leaf {index} of a tree of height {height}");
    let mut nodes = Cow::Borrowed(leaves);
    let mut siblings = Vec::with_capacity(height);
    for step in 0..height {
        let zero = ZERO_HASHES[zero_level + step];
        let sibling = usize::try_from(index >> step ^ 1).ok().and_then(|sibling| nodes.get(sibling));
        siblings.push(*sibling.unwrap_or(&zero));
        nodes = parents(simd, &nodes, Some(zero)).into();
    }
    Ok(siblings)
}

/// The complete subtrees, largest first, of `count` sectors: the given ones, then zero sectors.
///
/// # Panics
/// If there are more than `count` leaves.
pub fn padded_subtrees(simd: Simd, leaves: &[Hash], count: usize) -> Result<Vec<Subtree>, Error> {
    assert!(leaves.len() <= count, "{} leaves of {count}", leaves.len());
    let mut rest = leaves;
    let heights = (0..usize::BITS).rev().filter(|height| count >> height & 1 == 1);
    let subtree = |height: u32| {
        let (own, behind) = rest.split_at(rest.len().min(1 << height));
        rest = behind;
        Ok(Subtree { root: perfect_root(simd, own, height as usize, 0)?, height })
    };
    heights.map(subtree).collect()
}

/// Root of the carry-up tree whose complete subtrees, largest first, have these roots.
pub fn fold_right(roots: impl DoubleEndedIterator<Item = Hash>) -> Result<Hash, Error> {
    let root = roots.rev().reduce(|right, left| hash_pair(&left, &right));
    root.ok_or_else(|| Error("a tree has at least one leaf".into()))
}

/// Root of the carry-up tree over `count` sectors: the given ones, then zero sectors.
///
/// # Panics
/// If there are more than `count` leaves.
pub fn padded_root(simd: Simd, leaves: &[Hash], count: usize) -> Result<Hash, Error> {
    fold_right(padded_subtrees(simd, leaves, count)?.iter().map(|subtree| subtree.root))
}
