//! Files: all vectors of `file-merkle.json`, with every kernel and through every entrance; and trees against naive ones.

use crate::common::{Numbers, content, hash, hashes, list, number, vectors, with_every_kernel};
use perigee_native::file::{FileRoot, FileTree, Geometry, file_root};
use perigee_native::keccak::{hash_pair, keccak256};
use perigee_native::merkle::{Proof, perfect_root, perfect_siblings, sector_leaves, tree_proof, tree_root, zero_hash};
use perigee_native::proof::{Refusal, check_file_proof};
use perigee_native::segment::{SEGMENT_BYTES, hash_segment};
use perigee_native::{Hash, Simd};
use serde_json::Value;

/// Calls `test` with every vector that has a tree, and its bytes.
fn each_file(vectors: &Value, test: impl Fn(&Value, &[u8])) {
    let files: Vec<_> = list(vectors, "vectors").iter().filter(|vector| !vector["dataRoot"].is_null()).collect();
    assert!(!files.is_empty());
    for vector in files {
        test(vector, &content(vector));
    }
}

fn expected_root(vector: &Value) -> FileRoot {
    let node =
        |node: &Value| perigee_native::merkle::Subtree { root: hash(&node["root"]), height: number(node, "height") as u32 };
    FileRoot { root: hash(&vector["dataRoot"]), nodes: list(vector, "submissionNodes").iter().map(node).collect() }
}

#[test]
fn zero_hashes_equal_the_vectors() {
    let vectors = vectors("file-merkle.json");
    for (level, expected) in hashes(&vectors, "zeroHashes").into_iter().enumerate() {
        assert_eq!(zero_hash(level), Ok(expected), "level {level}");
    }
    assert!(zero_hash(64).is_err());
}

#[test]
fn geometry_equals_the_vectors() {
    each_file(&vectors("file-merkle.json"), |vector, _| {
        let geometry = Geometry::of(number(vector, "size")).unwrap();
        assert_eq!(geometry.chunks, number(vector, "chunks"));
        assert_eq!(geometry.chunks.next_power_of_two(), number(vector, "nextPow2Chunks"));
        assert_eq!(geometry.padded, number(vector, "paddedChunks"));
        assert_eq!(geometry.padded, number(vector, "feeSectors"));
        assert_eq!(geometry.segments, number(vector, "segments"));
        assert_eq!(geometry.segments_padded, number(vector, "segmentsPadded"));
        assert_eq!(geometry.last_segment_bytes.next_multiple_of(256) as u64, number(vector, "lastSegmentUploadBytes"));
        let heights: Vec<_> = expected_root(vector).nodes.iter().map(|node| node.height).collect();
        assert_eq!(geometry.heights(), heights);
    });
}

#[test]
fn file_roots_equal_the_vectors() {
    each_file(&vectors("file-merkle.json"), |vector, data| {
        with_every_kernel(|simd| {
            let file = file_root(simd, data).unwrap();
            assert_eq!(file, expected_root(vector));
            let roots: Vec<_> = file.nodes.iter().map(|node| node.root).collect();
            assert_eq!(keccak256(roots.as_flattened()), hash(&vector["submissionDigest"]));
        });
    });
}

#[test]
fn an_empty_file_is_refused_everywhere() {
    let vectors = vectors("file-merkle.json");
    let without_tree: Vec<_> = list(&vectors, "vectors").iter().filter(|vector| vector["dataRoot"].is_null()).collect();
    assert!(without_tree.iter().all(|vector| number(vector, "size") == 0));
    assert!(Geometry::of(0).is_err());
    assert!(file_root(Simd::SCALAR, &[]).is_err());
    assert!(FileTree::new().finish(Simd::SCALAR, 0, &[]).is_err());
    assert!(hash_segment(Simd::SCALAR, &[], 1, &mut [0]).is_err());
    let proof = Proof { lemma: vec![[0; 32]], path: vec![] };
    assert!(check_file_proof(&[0; 32], 0, 0, &[0; 32], &proof, true).is_err());
}

fn segment_leaves(geometry: &Geometry, index: usize) -> usize {
    if index as u64 + 1 == geometry.segments { geometry.last_segment_leaves } else { 1024 }
}

#[test]
fn segment_roots_and_the_streamed_tree_equal_the_vectors() {
    each_file(&vectors("file-merkle.json"), |vector, data| {
        let expected = hashes(vector, "segmentRoots");
        let geometry = Geometry::of(data.len() as u64).unwrap();
        assert_eq!(expected.len() as u64, geometry.segments_padded);
        with_every_kernel(|simd| {
            let mut tree = FileTree::new();
            for (index, segment) in data.chunks(SEGMENT_BYTES).enumerate() {
                let mut checksums = [0; 64];
                let root = hash_segment(simd, segment, segment_leaves(&geometry, index), &mut checksums).unwrap();
                assert_eq!(root, expected[index], "segment {index}");
                let blocks: Vec<_> = segment.chunks(4096).map(crate::common::slow_crc32c).collect();
                assert_eq!(checksums[..blocks.len()], blocks);
                tree.push(&[root]).unwrap();
            }
            assert_eq!(tree.segments(), geometry.segments);
            let last = data.chunks(SEGMENT_BYTES).next_back().unwrap();
            assert_eq!(tree.finish(simd, data.len() as u64, last).unwrap(), expected_root(vector));
            // Pushed in one go, and asked twice.
            let mut tree = FileTree::new();
            tree.push(&[]).unwrap();
            tree.push(&expected[..geometry.segments as usize]).unwrap();
            tree.finish(simd, data.len() as u64, last).unwrap();
            assert_eq!(tree.finish(simd, data.len() as u64, last).unwrap(), expected_root(vector));
        });
        for padding in &expected[geometry.segments as usize..] {
            assert_eq!(*padding, zero_hash(10).unwrap());
        }
        assert_eq!(tree_root(Simd::fastest(), &expected).unwrap(), hash(&vector["dataRoot"]));
    });
}

#[test]
fn a_streamed_tree_refuses_what_does_not_fit() {
    let simd = Simd::fastest();
    let data = Numbers(8).bytes(SEGMENT_BYTES + 300);
    let (first, last) = data.split_at(SEGMENT_BYTES);
    let size = data.len() as u64;
    let geometry = Geometry::of(size).unwrap();
    let roots = [(first, 1024), (last, geometry.last_segment_leaves)]
        .map(|(segment, leaves)| hash_segment(simd, segment, leaves, &mut [0; 64]).unwrap());
    let mut tree = FileTree::new();
    tree.push(&roots[..1]).unwrap();
    assert!(tree.finish(simd, size, last).is_err(), "a segment is missing");
    tree.push(&roots[1..]).unwrap();
    assert!(tree.finish(simd, 0, last).is_err(), "no size");
    assert!(tree.finish(simd, size - 1, last).is_err(), "another size");
    assert!(tree.finish(simd, size, &last[1..]).is_err(), "too few bytes");
    let mut wrong = last.to_vec();
    wrong[7] ^= 1;
    assert!(tree.finish(simd, size, &wrong).is_err(), "other bytes");
    assert_eq!(tree.finish(simd, size, last), file_root(simd, &data), "still usable");
}

#[test]
fn proofs_equal_the_vectors_and_every_change_is_refused() {
    each_file(&vectors("file-merkle.json"), |vector, data| {
        let (root, size) = (hash(&vector["dataRoot"]), data.len() as u64);
        let roots = hashes(vector, "segmentRoots");
        for expected in list(vector, "proofs") {
            let index = number(expected, "segmentIndex");
            let steps = expected["path"].as_array().unwrap();
            let path = steps.iter().map(|step| step.as_bool().unwrap()).collect();
            let proof = Proof { lemma: hashes(expected, "lemma"), path };
            let leaf = roots[index as usize];
            with_every_kernel(|simd| assert_eq!(tree_proof(simd, &roots, index as usize).unwrap(), proof));
            let check = |index, leaf: &Hash, proof: &Proof| check_file_proof(&root, size, index, leaf, proof, true).unwrap();
            assert_eq!(check(index, &leaf, &proof), Ok(()));
            refuse_changes(index, &leaf, &proof, check);
        }
    });
}

fn refuse_changes(index: u64, leaf: &Hash, proof: &Proof, check: impl Fn(u64, &Hash, &Proof) -> Result<(), Refusal>) {
    for item in 0..proof.lemma.len() {
        for bit in 0..256 {
            let mut changed = proof.clone();
            changed.lemma[item][bit / 8] ^= 1 << (bit % 8);
            assert!(check(index, leaf, &changed).is_err(), "bit {bit} of lemma {item}");
        }
        let mut shorter = proof.clone();
        shorter.lemma.remove(item);
        assert_eq!(check(index, leaf, &shorter), Err(Refusal::Shape), "without lemma {item}");
    }
    for step in 0..proof.path.len() {
        let mut changed = proof.clone();
        changed.path[step] ^= true;
        assert!(check(index, leaf, &changed).is_err(), "step {step}");
    }
    let mut longer = proof.clone();
    longer.path.push(true);
    assert!(check(index, leaf, &longer).is_err(), "one step more");
    let mut other_leaf = *leaf;
    other_leaf[31] ^= 1;
    assert_eq!(check(index, &other_leaf, proof), Err(Refusal::Leaf));
    for other in (0..64).map(|bit| index ^ 1 << bit) {
        assert_eq!(check(other, leaf, proof), Err(Refusal::Position), "index {other}");
    }
}

#[test]
fn padding_that_is_not_zero_is_refused_only_when_asked() {
    // 17 segments hold bytes, an eighteenth is padding.
    let size = 16 * SEGMENT_BYTES as u64 + 256;
    let mut roots = Numbers(9).hashes(18);
    roots[17] = [1; 32];
    let root = tree_root(Simd::SCALAR, &roots).unwrap();
    let proof = tree_proof(Simd::SCALAR, &roots, 16).unwrap();
    let check = |check_padding| check_file_proof(&root, size, 16, &roots[16], &proof, check_padding).unwrap();
    assert_eq!(check(false), Ok(()));
    assert_eq!(check(true), Err(Refusal::Padding));
    // A proof that does not show the padding passes.
    let first = tree_proof(Simd::SCALAR, &roots, 0).unwrap();
    assert_eq!(check_file_proof(&root, size, 0, &roots[0], &first, true).unwrap(), Ok(()));
}

#[test]
fn proofs_of_every_leaf_of_small_trees_hold() {
    for count in 2..40_usize {
        let leaves = Numbers(count as u64).hashes(count);
        // A size whose padded segments are exactly `count`, if there is one.
        let size = (count * SEGMENT_BYTES) as u64;
        if Geometry::of(size).unwrap().segments_padded != count as u64 {
            continue;
        }
        let root = tree_root(Simd::fastest(), &leaves).unwrap();
        for (index, leaf) in leaves.iter().enumerate() {
            let proof = tree_proof(Simd::fastest(), &leaves, index).unwrap();
            assert_eq!(check_file_proof(&root, size, index as u64, leaf, &proof, true).unwrap(), Ok(()), "{index} of {count}");
        }
    }
}

/// The definition of spec log-layer §1.4, by recursion.
fn naive_root(leaves: &[Hash]) -> Hash {
    if let [leaf] = leaves {
        return *leaf;
    }
    let half = leaves.len().next_power_of_two() / 2;
    hash_pair(&naive_root(&leaves[..half]), &naive_root(&leaves[half..]))
}

#[test]
fn carry_up_roots_equal_the_definition() {
    with_every_kernel(|simd| {
        for count in (1..80).chain([127, 128, 129, 1000, 1023, 1024, 1025]) {
            let leaves = Numbers(count as u64).hashes(count);
            assert_eq!(tree_root(simd, &leaves).unwrap(), naive_root(&leaves), "{count} leaves");
        }
        assert!(tree_root(simd, &[]).is_err());
    });
}

#[test]
fn files_of_any_size_equal_the_definition() {
    let mut numbers = Numbers(11);
    let sizes = [1, 255, 256, 257, 3_840, 261_888, 262_143, 262_144, 262_145, 1_310_721];
    let random = [0; 6].map(|_| 1 + numbers.below(3_000_000));
    for size in sizes.into_iter().chain(random) {
        let data = numbers.bytes(size as usize);
        let geometry = Geometry::of(size).unwrap();
        let mut leaves = vec![zero_hash(0).unwrap(); geometry.padded as usize];
        sector_leaves(Simd::SCALAR, &data, &mut leaves[..geometry.chunks as usize]);
        let expected = naive_root(&leaves);
        with_every_kernel(|simd| {
            let file = file_root(simd, &data).unwrap();
            assert_eq!(file.root, expected, "{size} bytes");
            let mut start = 0;
            for node in &file.nodes {
                let end = start + (1 << node.height);
                assert_eq!(node.root, naive_root(&leaves[start..end]), "{size} bytes, height {}", node.height);
                start = end;
            }
            assert_eq!(start, leaves.len());
        });
    }
}

#[test]
fn perfect_trees_equal_the_filled_up_ones_and_their_siblings_lead_to_the_root() {
    with_every_kernel(|simd| {
        for (height, zero_level) in [(0, 0), (1, 3), (4, 0), (5, 10)] {
            for count in 0..=1_usize << height {
                let leaves = Numbers(count as u64).hashes(count);
                let mut all = leaves.clone();
                all.resize(1 << height, zero_hash(zero_level).unwrap());
                let root = perfect_root(simd, &leaves, height, zero_level).unwrap();
                assert_eq!(root, naive_root(&all));
                for (index, leaf) in all.iter().enumerate() {
                    let siblings = perfect_siblings(simd, &leaves, height, zero_level, index as u64).unwrap();
                    assert_eq!(siblings.len(), height);
                    let climb = |running: Hash, (step, sibling): (usize, &Hash)| {
                        if index >> step & 1 == 0 { hash_pair(&running, sibling) } else { hash_pair(sibling, &running) }
                    };
                    assert_eq!(siblings.iter().enumerate().fold(*leaf, climb), root);
                }
            }
        }
    });
}

#[test]
fn perfect_trees_have_bounds() {
    let (simd, leaves) = (Simd::SCALAR, [[1; 32]; 3]);
    assert!(perfect_root(simd, &leaves, 1, 0).is_err(), "too many leaves");
    assert!(perfect_root(simd, &leaves, 54, 10).is_err(), "too high");
    assert!(perfect_root(simd, &leaves, usize::MAX, 1).is_err(), "far too high");
    assert!(perfect_root(simd, &leaves, 53, 10).is_ok());
    assert_eq!(perfect_root(simd, &[], 53, 10), zero_hash(63));
    assert!(perfect_siblings(simd, &leaves, 2, 0, 4).is_err(), "no such leaf");
    let far = perfect_siblings(simd, &leaves, 63, 0, (1 << 63) - 1).unwrap();
    assert_eq!(far[0], zero_hash(0).unwrap());
    assert!(tree_proof(simd, &leaves, 3).is_err(), "no such leaf");
}

#[test]
fn geometry_of_huge_sizes_does_not_overflow() {
    for size in [u64::MAX, u64::MAX - 255, 1 << 63, (1 << 63) + 1] {
        let geometry = Geometry::of(size).unwrap();
        assert!(geometry.padded >= geometry.chunks && geometry.padded <= geometry.chunks.next_power_of_two());
        assert_eq!(geometry.heights().iter().map(|height| 1_u64 << height).sum::<u64>(), geometry.padded);
        assert!(geometry.heights().len() <= 4);
    }
}

#[test]
fn segments_are_checked_before_they_are_hashed() {
    let (simd, data) = (Simd::fastest(), [1; 600]);
    assert!(hash_segment(simd, &data, 2, &mut [0]).is_err(), "fewer leaves than sectors");
    assert!(hash_segment(simd, &data, 1025, &mut [0]).is_err(), "more leaves than a segment has");
    assert!(hash_segment(simd, &data, 3, &mut []).is_err(), "no room for the checksums");
    assert!(hash_segment(simd, &vec![0; SEGMENT_BYTES + 1], 1024, &mut [0; 65]).is_err(), "too long");
    for leaves in 3..=1024 {
        let mut all = vec![zero_hash(0).unwrap(); leaves];
        sector_leaves(simd, &data, &mut all[..3]);
        assert_eq!(hash_segment(simd, &data, leaves, &mut [0]).unwrap(), naive_root(&all), "{leaves} leaves");
    }
}
