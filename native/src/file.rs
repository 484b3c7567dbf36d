//! A file: its geometry and its tree (spec log-layer §1.2 to §1.4).

use crate::error::{Error, require};
use crate::frontier::Frontier;
use crate::keccak::{Hash, SECTOR_BYTES, Simd};
use crate::merkle::{Subtree, fold_right, padded_subtrees, sector_leaves};
use crate::segment::{SEGMENT_BLOCKS, SEGMENT_BYTES, SEGMENT_LEAVES, hash_segment, leaves_and_checksums};

/// log2 of the sectors of a segment.
const SEGMENT_HEIGHT: u32 = SEGMENT_LEAVES.ilog2();

/// What the size of a file decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Sectors that hold bytes of the file.
    pub chunks: u64,
    /// Sectors with zero padding.
    pub padded: u64,
    /// Segments that hold bytes of the file.
    pub segments: u64,
    /// Segments with zero padding.
    pub segments_padded: u64,
    /// Bytes of the file in its last segment.
    pub last_segment_bytes: usize,
    /// Leaves of the last segment that holds bytes, with zero padding.
    pub last_segment_leaves: usize,
}

impl Geometry {
    /// The geometry of a file of `size` bytes; an empty file has none.
    pub fn of(size: u64) -> Result<Self, Error> {
        require!(size > 0, "an empty file has no tree");
        let chunks = size.div_ceil(SECTOR_BYTES as u64);
        let power = chunks.next_power_of_two();
        let padded = if power == chunks { chunks } else { chunks.next_multiple_of((power / 16).max(1)) };
        let segments = size.div_ceil(SEGMENT_BYTES as u64);
        let segments_padded = padded.div_ceil(SEGMENT_LEAVES as u64);
        let partial = (padded % SEGMENT_LEAVES as u64) as usize;
        let is_whole = segments < segments_padded || partial == 0;
        Ok(Self {
            chunks,
            padded,
            segments,
            segments_padded,
            last_segment_bytes: ((size - 1) % SEGMENT_BYTES as u64) as usize + 1,
            last_segment_leaves: if is_whole { SEGMENT_LEAVES } else { partial },
        })
    }

    /// Heights of the submission nodes, largest first (spec log-layer §1.3): the binary digits of `padded`.
    pub fn heights(&self) -> Vec<u32> {
        (0..u64::BITS).rev().filter(|height| self.padded >> height & 1 == 1).collect()
    }
}

/// The root of a file and its submission nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRoot {
    /// The data root.
    pub root: Hash,
    /// The submission nodes, largest first.
    pub nodes: Vec<Subtree>,
}

/// The tree of a file that arrives segment by segment, in memory logarithmic in its size.
#[derive(Clone, Debug, Default)]
pub struct FileTree {
    frontier: Frontier,
    /// The newest segment root, kept back because the last one may be of a partial segment.
    last: Option<Hash>,
    segments: u64,
}

impl FileTree {
    /// The tree of no segments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Segments so far.
    pub fn segments(&self) -> u64 {
        self.segments
    }

    /// Adds the roots of the next segments.
    pub fn push(&mut self, roots: &[Hash]) -> Result<(), Error> {
        for root in roots {
            if let Some(root) = self.last.take() {
                self.frontier.push(Subtree { root, height: SEGMENT_HEIGHT })?;
            }
            self.last = Some(*root);
            self.segments += 1;
        }
        Ok(())
    }

    /// The root and submission nodes of the file of `size` bytes, given the bytes of its last segment (the smaller nodes lie
    /// inside it). The tree stays as it is, also when this fails.
    pub fn finish(&self, simd: Simd, size: u64, last_segment: &[u8]) -> Result<FileRoot, Error> {
        let geometry = Geometry::of(size)?;
        let (has, needs) = (self.segments, geometry.segments);
        require!(has == needs, "{has} segment roots for a file of {size} bytes, which has {needs} segments");
        let (has, needs) = (last_segment.len(), geometry.last_segment_bytes);
        require!(has == needs, "{has} bytes for the last segment of a file of {size} bytes, which has {needs}");
        let mut hashes = vec![[0; 32]; has.div_ceil(SECTOR_BYTES)];
        sector_leaves(simd, last_segment, &mut hashes);
        let subtrees = padded_subtrees(simd, &hashes, geometry.last_segment_leaves)?;
        let root = fold_right(subtrees.iter().map(|subtree| subtree.root))?;
        require!(self.last == Some(root), "the last segment's bytes do not have the root that was pushed for it");
        let mut frontier = self.frontier.clone();
        for subtree in subtrees {
            frontier.push(subtree)?;
        }
        frontier.pad_to(geometry.padded)?;
        Ok(FileRoot { root: frontier.carry_up_root()?, nodes: frontier.subtrees() })
    }
}

/// The root and submission nodes of a file of at most one segment, in one pass that also writes the CRC-32C of each block.
pub fn small_file_root(simd: Simd, data: &[u8], checksums: &mut [u32; SEGMENT_BLOCKS]) -> Result<FileRoot, Error> {
    let geometry = Geometry::of(data.len() as u64)?;
    require!(geometry.segments == 1, "a file of {} bytes: at most {SEGMENT_BYTES}", data.len());
    let hashes = leaves_and_checksums(simd, data, checksums);
    let nodes = padded_subtrees(simd, &hashes, geometry.last_segment_leaves)?;
    Ok(FileRoot { root: fold_right(nodes.iter().map(|node| node.root))?, nodes })
}

/// The root and submission nodes of a file that is in memory.
pub fn file_root(simd: Simd, data: &[u8]) -> Result<FileRoot, Error> {
    let geometry = Geometry::of(data.len() as u64)?;
    let mut checksums = [0; SEGMENT_BLOCKS];
    if geometry.segments == 1 {
        return small_file_root(simd, data, &mut checksums);
    }
    let mut tree = FileTree::new();
    let mut last_segment = data;
    for (index, segment) in data.chunks(SEGMENT_BYTES).enumerate() {
        let is_last = index as u64 + 1 == geometry.segments;
        let leaves = if is_last { geometry.last_segment_leaves } else { SEGMENT_LEAVES };
        tree.push(&[hash_segment(simd, segment, leaves, &mut checksums)?])?;
        last_segment = segment;
    }
    tree.finish(simd, data.len() as u64, last_segment)
}
