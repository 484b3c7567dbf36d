//! A growing tree of sectors, known by its largest complete subtrees only: one for each binary digit of its length. Files
//! and the flow both grow this way, in memory that is logarithmic in their length.

use crate::error::{Error, require};
use crate::keccak::{Hash, hash_pair};
use crate::merkle::{Subtree, fold_right, zero_hash};

/// Most sectors of a tree, so that its height stays below 64.
pub const MAX_SECTORS: u64 = 1 << 63;

/// The complete subtrees that make up the first `length` sectors, largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    length: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    /// The frontier of `length` sectors from its subtree roots, largest subtree first.
    pub fn new(length: u64, roots: &[Hash]) -> Result<Self, Error> {
        require!(length <= MAX_SECTORS, "length {length}: at most 2^63 sectors");
        let (digits, count) = (length.count_ones() as usize, roots.len());
        require!(digits == count, "frontier of {count} hashes: length {length} needs {digits}");
        Ok(Self { length, roots: roots.to_vec() })
    }

    /// Sectors.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Roots of the subtrees, largest first.
    pub fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// The subtrees, largest first.
    pub fn subtrees(&self) -> Vec<Subtree> {
        let heights = (0..u64::BITS).rev().filter(|height| self.length >> height & 1 == 1);
        heights.zip(&self.roots).map(|(height, root)| Subtree { root: *root, height }).collect()
    }

    /// Appends a subtree where it is aligned to its size.
    pub fn push(&mut self, subtree: Subtree) -> Result<(), Error> {
        let Subtree { mut root, mut height } = subtree;
        require!(height < u64::BITS, "height {height}: at most 63");
        let (length, size) = (self.length, 1 << height);
        require!(length % size == 0, "a subtree of {size} sectors cannot start at sector {length}");
        let grown = length.checked_add(size).filter(|grown| *grown <= MAX_SECTORS);
        let Some(grown) = grown else {
            return Err(Error(format!("{size} sectors behind {length}: at most 2^63 sectors")));
        };
        while length >> height & 1 == 1 {
            let Some(left) = self.roots.pop() else { unreachable!("one root for each digit of the length") };
            root = hash_pair(&left, &root);
            height += 1;
        }
        self.roots.push(root);
        self.length = grown;
        Ok(())
    }

    /// Appends zero sectors up to `length`; nothing if it is already that long.
    pub fn pad_to(&mut self, length: u64) -> Result<(), Error> {
        while self.length < length {
            let height = self.length.trailing_zeros().min((length - self.length).ilog2());
            self.push(Subtree { root: zero_hash(height as usize)?, height })?;
        }
        Ok(())
    }

    /// Root of the carry-up tree over all sectors (spec log-layer §1.4): the right fold of the subtrees.
    pub fn carry_up_root(&self) -> Result<Hash, Error> {
        fold_right(self.roots.iter().copied())
    }

    /// Root of the full binary tree over all sectors, filled up with zero sectors (spec log-layer §2.1).
    pub fn zero_filled_root(&self) -> Result<Hash, Error> {
        require!(self.length > 0, "a tree has at least one sector");
        let height = self.length.next_power_of_two().ilog2();
        let mut roots = self.roots.iter().rev();
        let mut running = None;
        for level in 0..height {
            let zero = zero_hash(level as usize)?;
            running = if self.length >> level & 1 == 1 {
                roots.next().map(|left| hash_pair(left, &running.unwrap_or(zero)))
            } else {
                running.map(|left| hash_pair(&left, &zero))
            };
        }
        running.or(roots.next().copied()).ok_or_else(|| Error("a tree has at least one sector".into()))
    }
}
