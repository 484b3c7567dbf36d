//! Trees, proofs, files and the flow.

use super::args::{Arg, Bytes};
use crate::frontier::Frontier;
use crate::segment::SEGMENT_BLOCKS;
use crate::{Simd, file, flow, merkle, proof};
use napi::bindgen_prelude::Result;
use napi_derive::napi;

/// Root of the carry-up tree over hashes of 32 bytes (spec log-layer §1.4).
#[napi(catch_unwind, ts_args_type = "leaves: Uint8Array", ts_return_type = "Uint8Array")]
pub fn tree_root(leaves: Arg) -> Result<Bytes> {
    Ok(merkle::tree_root(Simd::chosen()?, leaves.hashes("leaves")?)?.into())
}

/// A proof in the form of spec log-layer §1.5.
#[napi(object, object_from_js = false)]
pub struct TreeProof {
    /// Leaf, siblings from the bottom up, root: 32 bytes each. A tree of one leaf has the root alone.
    #[napi(ts_type = "Uint8Array")]
    pub lemma: Bytes,
    /// 1 where the running node is the left child.
    #[napi(ts_type = "Uint8Array")]
    pub path: Bytes,
}

/// The proof of leaf `index` in the carry-up tree over `leaves`.
#[napi(catch_unwind, ts_args_type = "leaves: Uint8Array, index: number")]
pub fn tree_proof(leaves: Arg, index: Arg) -> Result<TreeProof> {
    let proof = merkle::tree_proof(Simd::chosen()?, leaves.hashes("leaves")?, index.size("index")?)?;
    let path = proof.path.into_iter().map(u8::from).collect();
    Ok(TreeProof { lemma: proof.lemma.as_slice().into(), path: Bytes(path) })
}

/// Root of the perfect tree of 2^height leaves: the given ones, then `zeroHash(zeroLevel)`.
#[napi(catch_unwind, ts_args_type = "leaves: Uint8Array, height: number, zeroLevel: number", ts_return_type = "Uint8Array")]
pub fn perfect_root(leaves: Arg, height: Arg, zero_level: Arg) -> Result<Bytes> {
    let (height, zero_level) = (height.size("height")?, zero_level.size("zeroLevel")?);
    Ok(merkle::perfect_root(Simd::chosen()?, leaves.hashes("leaves")?, height, zero_level)?.into())
}

/// Siblings, from the bottom up, of leaf `index` in the tree of `perfectRoot`.
#[napi(
    catch_unwind,
    ts_args_type = "leaves: Uint8Array, height: number, zeroLevel: number, index: number",
    ts_return_type = "Uint8Array"
)]
pub fn perfect_siblings(leaves: Arg, height: Arg, zero_level: Arg, index: Arg) -> Result<Bytes> {
    let (height, zero_level) = (height.size("height")?, zero_level.size("zeroLevel")?);
    let (leaves, index) = (leaves.hashes("leaves")?, index.number("index")?);
    Ok(merkle::perfect_siblings(Simd::chosen()?, leaves, height, zero_level, index)?.as_slice().into())
}

/// Root of 2^level zero sectors, for levels 0 to 63.
#[napi(catch_unwind, ts_args_type = "level: number", ts_return_type = "Uint8Array")]
pub fn zero_hash(level: Arg) -> Result<Bytes> {
    Ok(merkle::zero_hash(level.size("level")?)?.into())
}

/// What the size of a file decides (spec log-layer §1.2, §1.3).
#[napi(object, object_from_js = false)]
pub struct FileGeometry {
    /// Sectors that hold bytes of the file.
    pub chunks: u64,
    /// Sectors with zero padding.
    pub padded: u64,
    /// Segments that hold bytes of the file.
    pub segments: u64,
    /// Segments with zero padding.
    pub segments_padded: u64,
    /// Bytes of the file in its last segment.
    pub last_segment_bytes: u32,
    /// Leaves of the last segment that holds bytes, with zero padding.
    pub last_segment_leaves: u32,
    /// Heights of the submission nodes, largest first.
    pub heights: Vec<u32>,
}

/// The geometry of a file of at least one byte.
#[napi(catch_unwind, ts_args_type = "size: bigint")]
pub fn file_geometry(size: Arg) -> Result<FileGeometry> {
    let geometry = file::Geometry::of(size.bigint("size")?)?;
    Ok(FileGeometry {
        chunks: geometry.chunks,
        padded: geometry.padded,
        segments: geometry.segments,
        segments_padded: geometry.segments_padded,
        last_segment_bytes: geometry.last_segment_bytes as u32,
        last_segment_leaves: geometry.last_segment_leaves as u32,
        heights: geometry.heights(),
    })
}

/// A submission node: the root of 2^height sectors.
#[napi(object, object_from_js = false)]
pub struct SubmissionNode {
    /// 32 bytes.
    #[napi(ts_type = "Uint8Array")]
    pub root: Bytes,
    /// log2 of its sectors.
    pub height: u32,
}

/// The data root of a file and its submission nodes, largest first.
#[napi(object, object_from_js = false)]
pub struct FileRoot {
    /// 32 bytes.
    #[napi(ts_type = "Uint8Array")]
    pub root: Bytes,
    /// The submission nodes.
    pub nodes: Vec<SubmissionNode>,
}

impl From<file::FileRoot> for FileRoot {
    fn from(file: file::FileRoot) -> Self {
        let node = |node: merkle::Subtree| SubmissionNode { root: node.root.into(), height: node.height };
        Self { root: file.root.into(), nodes: file.nodes.into_iter().map(node).collect() }
    }
}

/// Root and submission nodes of a file that is in memory.
#[napi(catch_unwind, ts_args_type = "data: Uint8Array")]
pub fn file_root(data: Arg) -> Result<FileRoot> {
    Ok(file::file_root(Simd::chosen()?, data.bytes("data")?)?.into())
}

/// Bytes of a hash.
const HASH_BYTES: usize = 32;
/// Most submission nodes of a file.
const MAX_NODES: usize = 4;

/// The same for a file of at most one segment, without making objects: it would take longer than the hashing. Writes to `out`, 416 bytes:
/// the data root, the roots of up to 4 nodes, the little-endian CRC-32C of up to 64 blocks. Returns the sectors with padding: the
/// heights of the nodes are its binary digits.
#[napi(catch_unwind, ts_args_type = "data: Uint8Array, out: Uint8Array", ts_return_type = "number")]
pub fn small_file_root(data: Arg, mut out: Arg) -> Result<u32> {
    let out = out.bytes_mut("out", &[&data])?;
    let mut checksums = [0; SEGMENT_BLOCKS];
    let file = file::small_file_root(Simd::chosen()?, data.bytes("data")?, &mut checksums)?;
    let (room, wanted) = (out.len(), (1 + MAX_NODES) * HASH_BYTES + SEGMENT_BLOCKS * 4);
    if room != wanted || file.nodes.len() > MAX_NODES {
        return Err(crate::Error(format!("out: {room} bytes, expected {wanted}")).into());
    }
    let (root, rest) = out.split_at_mut(HASH_BYTES);
    let (nodes, crcs) = rest.split_at_mut(MAX_NODES * HASH_BYTES);
    root.copy_from_slice(&file.root);
    for (place, node) in nodes.chunks_mut(HASH_BYTES).zip(&file.nodes) {
        place.copy_from_slice(&node.root);
    }
    for (place, checksum) in crcs.chunks_mut(4).zip(checksums) {
        place.copy_from_slice(&checksum.to_le_bytes());
    }
    Ok(file.nodes.iter().map(|node| 1 << node.height).sum())
}

/// The tree of a file that arrives segment by segment, in memory logarithmic in its size.
#[napi]
#[derive(Default)]
pub struct FileTree(file::FileTree);

#[napi]
impl FileTree {
    /// The tree of no segments.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the roots of the next segments, 32 bytes each. All but the file's last are roots of 1,024 leaves.
    #[napi(catch_unwind, ts_args_type = "roots: Uint8Array")]
    pub fn push(&mut self, roots: Arg) -> Result<()> {
        Ok(self.0.push(roots.hashes("roots")?)?)
    }

    /// Segments so far.
    #[napi(catch_unwind)]
    pub fn segments(&self) -> u64 {
        self.0.segments()
    }

    /// Root and submission nodes of the file of `size` bytes, given the bytes of its last segment, which must have the root
    /// that was pushed last. Changes nothing, also when it fails.
    #[napi(catch_unwind, ts_args_type = "size: bigint, lastSegment: Uint8Array")]
    pub fn finish(&self, size: Arg, last_segment: Arg) -> Result<FileRoot> {
        let (size, last_segment) = (size.bigint("size")?, last_segment.bytes("lastSegment")?);
        Ok(self.0.finish(Simd::chosen()?, size, last_segment)?.into())
    }
}

fn read_proof(lemma: &Arg, path: &Arg) -> Result<merkle::Proof> {
    Ok(merkle::Proof { lemma: lemma.hashes("lemma")?.to_vec(), path: path.steps("path")? })
}

fn refusal(checked: std::result::Result<(), proof::Refusal>) -> Option<&'static str> {
    checked.err().map(proof::Refusal::word)
}

/// Checks the proof of the padded segment root of segment `index` of a file (spec log-layer §1.5). Returns null if it is
/// good, else why it is refused; `padding` only if `checkPadding`.
#[napi(
    catch_unwind,
    ts_args_type = "dataRoot: Uint8Array, size: bigint, index: bigint, segmentRoot: Uint8Array, lemma: Uint8Array, path: Uint8Array, checkPadding: boolean",
    ts_return_type = "'leaf' | 'shape' | 'root' | 'position' | 'padding' | null"
)]
pub fn verify_file_proof(
    data_root: Arg,
    size: Arg,
    index: Arg,
    segment_root: Arg,
    lemma: Arg,
    path: Arg,
    check_padding: Arg,
) -> Result<Option<&'static str>> {
    let (root, leaf) = (data_root.hash("dataRoot")?, segment_root.hash("segmentRoot")?);
    let (size, index) = (size.bigint("size")?, index.bigint("index")?);
    let (proof, check_padding) = (read_proof(&lemma, &path)?, check_padding.flag("checkPadding")?);
    Ok(refusal(proof::check_file_proof(&root, size, index, &leaf, &proof, check_padding)?))
}

/// Checks the proof of the hash of sector `position` of the flow (spec log-layer §1.6). Returns null if it is good, else why
/// it is refused.
#[napi(
    catch_unwind,
    ts_args_type = "flowRoot: Uint8Array, flowLength: bigint, position: bigint, leaf: Uint8Array, lemma: Uint8Array, path: Uint8Array",
    ts_return_type = "'leaf' | 'shape' | 'root' | 'position' | null"
)]
pub fn verify_flow_proof(
    flow_root: Arg,
    flow_length: Arg,
    position: Arg,
    leaf: Arg,
    lemma: Arg,
    path: Arg,
) -> Result<Option<&'static str>> {
    let (root, leaf) = (flow_root.hash("flowRoot")?, leaf.hash("leaf")?);
    let (length, position) = (flow_length.bigint("flowLength")?, position.bigint("position")?);
    Ok(refusal(proof::check_flow_proof(&root, length, position, &leaf, &read_proof(&lemma, &path)?)?))
}

fn read_flow(length: &Arg, frontier: &Arg) -> Result<Frontier> {
    Ok(Frontier::new(length.bigint("length")?, frontier.hashes("frontier")?)?)
}

/// Places a submission in a flow (spec log-layer §2.1). `flow`, 2,064 bytes, is brought up to date: the first sector of the newest
/// submission, the flow's length (both 64 bits, little-endian), then the roots of the complete subtrees that make up the flow, largest
/// first, one for each binary digit of the length. The first flow has length 1 and 32 zero bytes. Nothing is changed when this fails.
#[napi(catch_unwind, ts_args_type = "flow: Uint8Array, heights: Uint8Array, roots: Uint8Array")]
pub fn flow_append(mut flow: Arg, heights: Arg, roots: Arg) -> Result<()> {
    let bytes = flow.bytes_mut("flow", &[&heights, &roots])?;
    let room = bytes.len();
    let (Some((start, rest)), 2064) = (bytes.split_first_chunk_mut::<8>(), room) else {
        return Err(crate::Error(format!("flow: {room} bytes, expected 2064")).into());
    };
    let Some((length, frontier)) = rest.split_first_chunk_mut::<8>() else { unreachable!("the length was checked") };
    let before = u64::from_le_bytes(*length);
    let (hashes, _) = frontier.as_chunks_mut::<HASH_BYTES>();
    let mut grown = Frontier::new(before, &hashes[..before.count_ones() as usize])?;
    let placement = flow::append(&mut grown, heights.bytes("heights")?, roots.hashes("roots")?)?;
    *start = placement.start.to_le_bytes();
    *length = placement.length.to_le_bytes();
    hashes[..grown.roots().len()].copy_from_slice(grown.roots());
    Ok(())
}

/// The flow root (spec log-layer §2.1).
#[napi(catch_unwind, ts_args_type = "length: bigint, frontier: Uint8Array", ts_return_type = "Uint8Array")]
pub fn flow_root(length: Arg, frontier: Arg) -> Result<Bytes> {
    Ok(flow::root(&read_flow(&length, &frontier)?)?.into())
}
