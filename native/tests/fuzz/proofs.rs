//! Proofs: exactly those are taken that a slow reading of the specification takes.

use super::{edit_proof, flip, fuzz, hostile, index, near};
use crate::common::Numbers;
use perigee_native::file::Geometry;
use perigee_native::keccak::hash_pair;
use perigee_native::merkle::{Proof, perfect_root, perfect_siblings, tree_proof, tree_root, zero_hash};
use perigee_native::proof::{Refusal, check_file_proof, check_flow_proof};
use perigee_native::{Hash, Simd};

/// What a proof claims: the leaf at `index` of what has `size` (a file's bytes, a flow's sectors) and this root.
#[derive(Clone)]
struct Claim {
    root: Hash,
    size: u64,
    index: u64,
    leaf: Hash,
    proof: Proof,
}

/// Up to three changes.
fn edit(numbers: &mut Numbers, claim: &mut Claim) {
    for _ in 0..numbers.below(4) {
        match numbers.below(8) {
            0 => claim.size = near(numbers, claim.size),
            1 => claim.index = near(numbers, claim.index),
            2 => flip(numbers, &mut claim.leaf),
            3 => flip(numbers, &mut claim.root),
            // A proof of an inner node, or from one.
            4 if !claim.proof.lemma.is_empty() => {
                let hash = claim.proof.lemma[index(numbers, claim.proof.lemma.len())];
                *(if numbers.below(2) == 0 { &mut claim.leaf } else { &mut claim.root }) = hash;
            }
            _ => edit_proof(numbers, &mut claim.proof),
        }
    }
}

/// Whether the lemma leads from the leaf to the root along the path.
fn leads(Claim { root, leaf, proof: Proof { lemma, path }, .. }: &Claim) -> bool {
    let step = |running, (is_left, sibling): (&bool, &Hash)| {
        if *is_left { hash_pair(&running, sibling) } else { hash_pair(sibling, &running) }
    };
    lemma.len() == path.len() + 2
        && lemma[0] == *leaf
        && lemma[lemma.len() - 1] == *root
        && path.iter().zip(&lemma[1..]).fold(*leaf, step) == *root
}

/// Root of a carry-up tree of zero segments.
fn zero_tree(segments: u64) -> Hash {
    let left = 1 << segments.ilog2();
    let zero = zero_hash(segments.ilog2() as usize + 10).unwrap();
    if left == segments { zero } else { hash_pair(&zero, &zero_tree(segments - left)) }
}

/// Whether a file proof is right: the path that its segment has in a tree of this shape, and zeros behind the end.
fn is_right(claim: &Claim, geometry: &Geometry, check_padding: bool) -> bool {
    let Claim { root, index, leaf, proof: Proof { lemma, path }, .. } = claim;
    if geometry.segments_padded == 1 {
        return *index == 0 && path.is_empty() && *lemma == [*leaf] && leaf == root;
    }
    let mut siblings = Vec::new();
    let (mut first, mut count) = (0, geometry.segments_padded);
    while count > 1 {
        let half = count.next_power_of_two() / 2;
        let is_left = *index < first + half;
        siblings.push(if is_left { (true, first + half, count - half) } else { (false, first, half) });
        (first, count) = if is_left { (first, half) } else { (first + half, count - half) };
    }
    siblings.reverse();
    let is_zero = |(step, (_, first, count)): (usize, &(bool, u64, u64))| {
        *first < geometry.segments || lemma[step + 1] == zero_tree(*count)
    };
    *index < geometry.segments_padded
        && path.iter().eq(siblings.iter().map(|(is_left, ..)| is_left))
        && leads(claim)
        && (!check_padding || siblings.iter().enumerate().all(is_zero))
        && (!check_padding || *index < geometry.segments || *leaf == zero_tree(1))
}

#[test]
fn a_file_proof_is_taken_if_and_only_if_it_is_right() {
    let simd = Simd::fastest();
    // Half of them of a liar, who has data behind the end of the file.
    let files = [1, 300, 262_144, 262_145, 1 << 20, (5 << 18) + 1, (33 << 18) + 9, (100 << 18) - 1].map(|size| {
        [true, false].map(|is_honest| {
            let geometry = Geometry::of(size).unwrap();
            let mut leaves = Numbers(size).hashes(geometry.segments_padded as usize);
            if is_honest {
                leaves[geometry.segments as usize..].fill(zero_hash(10).unwrap());
            }
            (size, is_honest, tree_root(simd, &leaves).unwrap(), leaves)
        })
    });
    let files = files.as_flattened();
    fuzz("file proofs", |numbers| {
        let (size, is_honest, root, leaves) = &files[index(numbers, files.len())];
        let at = index(numbers, leaves.len());
        let proof = tree_proof(simd, leaves, at).unwrap();
        let right = Claim { root: *root, size: *size, index: at as u64, leaf: leaves[at], proof };
        let check_padding = numbers.below(2) == 0;
        let check =
            |claim: &Claim| check_file_proof(&claim.root, claim.size, claim.index, &claim.leaf, &claim.proof, check_padding);
        if numbers.below(8) == 0 && (*is_honest || !check_padding) {
            assert_eq!(check(&right), Ok(Ok(())));
        }
        let mut claim = right;
        edit(numbers, &mut claim);
        let Ok(verdict) = check(&claim) else { return assert_eq!(claim.size, 0) };
        let geometry = Geometry::of(claim.size).unwrap();
        assert_eq!(verdict.is_ok(), is_right(&claim, &geometry, check_padding), "{verdict:?}");
        if claim.proof.path.len() > 64 {
            assert_eq!(verdict, Err(Refusal::Shape), "nobody hashes that far");
        }
        if verdict.is_ok() && claim.root == *root && geometry.segments_padded == leaves.len() as u64 {
            assert_eq!(claim.leaf, leaves[claim.index as usize]);
        }
    });
}

#[test]
fn a_flow_proof_is_taken_if_and_only_if_it_is_right() {
    let simd = Simd::fastest();
    let flows = [1, 2, 3, 8, 21, 64, 65].map(|length: usize| {
        let leaves = Numbers(length as u64).hashes(length);
        let height = length.next_power_of_two().ilog2() as usize;
        (height, perfect_root(simd, &leaves, height, 0).unwrap(), leaves)
    });
    fuzz("flow proofs", |numbers| {
        let (height, root, leaves) = &flows[index(numbers, flows.len())];
        let at = index(numbers, leaves.len());
        let siblings = perfect_siblings(simd, leaves, *height, 0, at as u64).unwrap();
        let lemma = [&[leaves[at]], siblings.as_slice(), &[*root]].concat();
        let path = (0..*height).map(|step| at >> step & 1 == 0).collect();
        let proof = Proof { lemma, path };
        let mut claim = Claim { root: *root, size: leaves.len() as u64, index: at as u64, leaf: leaves[at], proof };
        let check = |claim: &Claim| check_flow_proof(&claim.root, claim.size, claim.index, &claim.leaf, &claim.proof);
        if numbers.below(8) == 0 {
            assert_eq!(check(&claim), Ok(Ok(())));
        }
        edit(numbers, &mut claim);
        let Ok(verdict) = check(&claim) else { return assert!(claim.size == 0 || claim.size > 1 << 63) };
        let depth = claim.size.next_power_of_two().ilog2();
        let path = (0..depth).map(|step| claim.index >> step & 1 == 0);
        let is_right = claim.index < claim.size && claim.proof.path.iter().copied().eq(path) && leads(&claim);
        assert_eq!(verdict.is_ok(), is_right, "{verdict:?}");
        if verdict.is_ok() && claim.root == *root && depth as usize == *height && claim.index < leaves.len() as u64 {
            assert_eq!(claim.leaf, leaves[claim.index as usize]);
        }
    });
}

#[test]
fn any_size_has_the_geometry_of_the_specification_or_none() {
    fuzz("geometry", |numbers| {
        let size = hostile(numbers);
        let Ok(geometry) = Geometry::of(size) else { return assert_eq!(size, 0) };
        let wide = u128::from(size);
        let chunks = wide.div_ceil(256);
        let unit = (chunks.next_power_of_two() / 16).max(1);
        let padded = if chunks.is_power_of_two() { chunks } else { chunks.next_multiple_of(unit) };
        assert_eq!((u128::from(geometry.chunks), u128::from(geometry.padded)), (chunks, padded));
        assert_eq!(u128::from(geometry.segments), wide.div_ceil(262_144));
        assert_eq!(u128::from(geometry.segments_padded), padded.div_ceil(1024));
        assert_eq!((wide - 1) / 262_144 * 262_144 + geometry.last_segment_bytes as u128, wide);
        assert!((geometry.last_segment_bytes.div_ceil(256)..=1024).contains(&geometry.last_segment_leaves));
        let heights = geometry.heights();
        assert!(heights.is_sorted_by(|one, other| one > other));
        assert_eq!(heights.iter().map(|height| 1 << height).sum::<u128>(), padded);
    });
}
