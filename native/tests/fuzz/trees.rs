//! Trees of any shape, segments of any length, files that end in any way: the root that a slow way finds, or a refusal.

use super::{fuzz, hostile, index, near};
use crate::common::Numbers;
use perigee_native::checksum::crc32c;
use perigee_native::file::{FileTree, Geometry, small_file_root};
use perigee_native::keccak::{hash_pair, keccak256};
use perigee_native::merkle::{perfect_root, perfect_siblings, tree_proof, tree_root, zero_hash};
use perigee_native::segment::hash_segment;
use perigee_native::{Hash, Simd};

/// A number that is small often enough to be right.
fn maybe(numbers: &mut Numbers, bound: u64) -> u64 {
    if numbers.below(4) == 0 { hostile(numbers) } else { numbers.below(bound) }
}

fn zero(level: usize) -> Hash {
    zero_hash(level).unwrap()
}

/// Hashes of the sectors of `data`, then of zero sectors.
fn slow_leaves(data: &[u8], count: usize) -> Vec<Hash> {
    let sector = |sector: &[u8]| keccak256(&[sector, &[0; 256][sector.len()..]].concat());
    let mut leaves: Vec<_> = data.chunks(256).map(sector).collect();
    leaves.resize(count, zero(0));
    leaves
}

#[test]
fn a_perfect_tree_of_any_shape_has_the_root_that_its_siblings_lead_to() {
    fuzz("perfect trees", |numbers| {
        let count = numbers.below(6) as usize;
        let leaves = numbers.hashes(count);
        let [height, level, at] = [5, 5, 8].map(|bound| maybe(numbers, bound));
        let (height, level) = (height as usize, level as usize);
        let root = perfect_root(Simd::SCALAR, &leaves, height, level);
        let siblings = perfect_siblings(Simd::SCALAR, &leaves, height, level, at);
        let is_tree = height.checked_add(level).is_some_and(|top| top < 64) && count as u64 <= 1 << height;
        assert_eq!((root.is_ok(), siblings.is_ok()), (is_tree, is_tree && at < 1 << height));
        let (Ok(root), Ok(siblings)) = (root, siblings) else { return };
        let mut running = leaves.get(at as usize).copied().unwrap_or_else(|| zero(level));
        for (step, sibling) in siblings.iter().enumerate() {
            running = if at >> step & 1 == 0 { hash_pair(&running, sibling) } else { hash_pair(sibling, &running) };
        }
        assert_eq!(running, root);
    });
}

#[test]
fn a_leaf_of_any_number_has_a_proof_or_is_none() {
    fuzz("proofs of leaves", |numbers| {
        let count = numbers.below(9) as usize;
        let leaves = numbers.hashes(count);
        let at = maybe(numbers, 9) as usize;
        let Ok(proof) = tree_proof(Simd::fastest(), &leaves, at) else { return assert!(at >= count) };
        let step = |running, (is_left, sibling): (&bool, &Hash)| {
            if *is_left { hash_pair(&running, sibling) } else { hash_pair(sibling, &running) }
        };
        let siblings = proof.lemma.get(1..).unwrap_or_default();
        let root = proof.path.iter().zip(siblings).fold(leaves[at], step);
        assert_eq!((Ok(root), proof.lemma.last()), (tree_root(Simd::SCALAR, &leaves), Some(&root)));
    });
}

#[test]
fn a_segment_of_any_length_is_hashed_right_or_refused() {
    let data = Numbers(1).bytes(272_000);
    fuzz("segments", |numbers| {
        let from = index(numbers, 9000);
        let length = [0, index(numbers, 600), index(numbers, 5000), 262_145][index(numbers, 4)];
        let data = &data[from..from + length];
        let sectors = length.div_ceil(256);
        let leaves = if numbers.below(2) == 0 { sectors + index(numbers, 5) } else { maybe(numbers, 1100) as usize };
        let mut checksums = [9; 4];
        let room = index(numbers, 5);
        let root = hash_segment(Simd::fastest(), data, leaves, &mut checksums[..room]);
        let blocks = length.div_ceil(4096);
        let is_segment = (1..=262_144).contains(&length) && (sectors..=1024).contains(&leaves) && blocks <= room;
        assert_eq!(root.is_ok(), is_segment);
        assert!(checksums[if is_segment { blocks } else { 0 }..].iter().all(|checksum| *checksum == 9));
        let Ok(root) = root else { return };
        assert!(data.chunks(4096).map(crc32c).eq(checksums[..blocks].iter().copied()));
        if length <= 600 && leaves <= 8 {
            assert_eq!(tree_root(Simd::SCALAR, &slow_leaves(data, leaves)), Ok(root));
        }
    });
}

#[test]
fn a_file_of_any_length_that_ends_in_any_way_has_its_root_or_is_refused() {
    let data = Numbers(2).bytes(3000);
    fuzz("ends of files", |numbers| {
        let mut last = data[..1 + index(numbers, 400)].to_vec();
        let before = index(numbers, 6);
        let mut size = before as u64 * 262_144 + last.len() as u64;
        let geometry = Geometry::of(size).unwrap();
        let simd = Simd::fastest();
        let mut checksums = [0; 64];
        let last_root = hash_segment(simd, &last, geometry.last_segment_leaves, &mut checksums).unwrap();
        let mut tree = FileTree::new();
        let roots = [numbers.hashes(before), vec![last_root]].concat();
        tree.push(&roots).unwrap();
        match numbers.below(5) {
            0 => size = near(numbers, size),
            1 => super::flip(numbers, &mut last),
            2 => last.truncate(index(numbers, 400)),
            3 => last.push(7),
            _ => {}
        }
        let changed = Geometry::of(size).is_ok_and(|geometry| {
            let is_shape = geometry.segments == roots.len() as u64 && geometry.last_segment_bytes == last.len();
            is_shape && tree_root(simd, &slow_leaves(&last, geometry.last_segment_leaves)) == Ok(last_root)
        });
        let file = tree.finish(simd, size, &last);
        assert_eq!((file.is_ok(), tree.segments()), (changed, roots.len() as u64));
        let Ok(file) = file else { return };
        let mut segments = roots;
        segments.resize(geometry.segments_padded as usize, zero(10));
        assert_eq!(tree_root(simd, &segments), Ok(file.root));
        if before == 0 {
            assert_eq!(small_file_root(simd, &last, &mut checksums), Ok(file));
        }
    });
}
