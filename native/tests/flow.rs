//! The flow: all sequences of `flow-tree.json`, with restarts and reverts; sector proofs; bounds.

use crate::common::{Numbers, hash, list, number, text, vectors};
use perigee_native::flow::{append, place, root};
use perigee_native::frontier::Frontier;
use perigee_native::keccak::{hash_pair, keccak256};
use perigee_native::merkle::{Proof, perfect_root, perfect_siblings, zero_hash};
use perigee_native::proof::{Refusal, check_flow_proof};
use perigee_native::{Hash, Simd};
use serde_json::Value;

fn new_flow() -> Frontier {
    Frontier::new(1, &[[0; 32]]).unwrap()
}

/// Plays one step and compares everything that it states.
fn play(flow: &mut Frontier, name: &str, step: &Value) {
    if step["event"] == "initial" {
        assert_eq!(flow.length(), number(step, "length"));
        assert_eq!(root(flow).unwrap(), hash(&step["root"]));
        return;
    }
    let seq = number(step, "seq");
    let nodes = list(step, "nodes");
    let heights: Vec<_> = nodes.iter().map(|node| number(node, "height") as u8).collect();
    let roots: Vec<_> = nodes.iter().map(|node| hash(&node["root"])).collect();
    for (index, root) in roots.iter().enumerate() {
        assert_eq!(*root, keccak256(format!("{name}/{seq}/{index}").as_bytes()));
    }
    let before = flow.length();
    assert_eq!(before, number(step, "lengthBefore"));
    let placement = append(flow, &heights, &roots).unwrap();
    assert_eq!(placement.start, number(step, "startEntryIndex"));
    assert_eq!(placement.start - before, number(step, "paddingEntries"));
    assert_eq!(placement.length, number(step, "lengthAfter"));
    assert_eq!(flow.length(), placement.length);
    assert_eq!(root(flow).unwrap(), hash(&step["flowRoot"]), "{name}, seq {seq}");
}

fn each_sequence(test: impl Fn(&str, &[Value])) {
    let vectors = vectors("flow-tree.json");
    for sequence in list(&vectors, "sequences") {
        test(text(sequence, "name"), list(sequence, "steps"));
    }
}

#[test]
fn sequences_equal_the_vectors() {
    each_sequence(|name, steps| {
        let mut flow = new_flow();
        steps.iter().for_each(|step| play(&mut flow, name, step));
    });
}

#[test]
fn sequences_with_a_restart_between_all_steps_equal_the_vectors() {
    each_sequence(|name, steps| {
        let (mut length, mut roots) = (1, vec![[0; 32]]);
        for step in steps {
            let mut flow = Frontier::new(length, &roots).unwrap();
            play(&mut flow, name, step);
            (length, roots) = (flow.length(), flow.roots().to_vec());
        }
    });
}

#[test]
fn sequences_with_a_revert_to_each_earlier_step_equal_the_vectors() {
    each_sequence(|name, steps| {
        let mut flow = new_flow();
        let mut history = Vec::new();
        for step in steps {
            play(&mut flow, name, step);
            history.push(flow.clone());
        }
        for (kept, mut flow) in history.into_iter().enumerate() {
            steps[kept + 1..].iter().for_each(|step| play(&mut flow, name, step));
        }
    });
}

/// All leaves of a small flow, as a naive model: what lies where.
fn naive_flow_root(leaves: &[Hash]) -> Hash {
    let height = leaves.len().next_power_of_two().ilog2() as usize;
    perfect_root(Simd::SCALAR, leaves, height, 0).unwrap()
}

#[test]
fn random_submissions_equal_a_flow_of_single_leaves() {
    let mut numbers = Numbers(1);
    for _ in 0..20 {
        let (mut flow, mut leaves) = (new_flow(), vec![[0; 32]]);
        for _ in 0..6 {
            let mut heights: Vec<u8> = (0..=10).filter(|_| numbers.below(4) == 0).collect();
            heights.reverse();
            if heights.is_empty() {
                heights.push(numbers.below(11) as u8);
            }
            let own = numbers.hashes(heights.iter().map(|height| 1 << height).sum());
            let mut rest = own.as_slice();
            let roots: Vec<_> = heights
                .iter()
                .map(|height| {
                    let (subtree, behind) = rest.split_at(1 << height);
                    rest = behind;
                    perfect_root(Simd::SCALAR, subtree, usize::from(*height), 0).unwrap()
                })
                .collect();
            let placement = append(&mut flow, &heights, &roots).unwrap();
            leaves.resize(placement.start as usize, zero_hash(0).unwrap());
            leaves.extend_from_slice(&own);
            assert_eq!(flow.length() as usize, leaves.len());
            assert_eq!(root(&flow).unwrap(), naive_flow_root(&leaves));
        }
        check_sector_proofs(&flow, &leaves, &mut numbers);
    }
}

fn sector_proof(leaves: &[Hash], position: u64, root: Hash) -> Proof {
    let height = leaves.len().next_power_of_two().ilog2() as usize;
    let siblings = perfect_siblings(Simd::SCALAR, leaves, height, 0, position).unwrap();
    let lemma = [&[leaves[position as usize]], siblings.as_slice(), &[root]].concat();
    Proof { lemma, path: (0..height).map(|step| position >> step & 1 == 0).collect() }
}

fn check_sector_proofs(flow: &Frontier, leaves: &[Hash], numbers: &mut Numbers) {
    let (flow_root, length) = (root(flow).unwrap(), flow.length());
    for position in [0, 1, length - 1, numbers.below(length)] {
        let (leaf, proof) = (leaves[position as usize], sector_proof(leaves, position, flow_root));
        let check = |position, leaf: &Hash, proof: &Proof| check_flow_proof(&flow_root, length, position, leaf, proof).unwrap();
        assert_eq!(check(position, &leaf, &proof), Ok(()));
        assert_eq!(check(position ^ 1, &leaf, &proof), Err(Refusal::Position));
        assert_eq!(check(position, &[7; 32], &proof), Err(Refusal::Leaf));
        for item in 0..proof.lemma.len() {
            let mut changed = proof.clone();
            changed.lemma[item][item] ^= 0x80;
            assert!(check(position, &leaf, &changed).is_err(), "lemma {item}");
        }
        for step in 0..proof.path.len() {
            let mut changed = proof.clone();
            changed.path[step] ^= true;
            assert!(check(position, &leaf, &changed).is_err(), "step {step}");
            changed.path.remove(step);
            assert_eq!(check(position, &leaf, &changed), Err(Refusal::Shape));
        }
        let of_other_length = check_flow_proof(&flow_root, length.next_power_of_two() + 1, position, &leaf, &proof);
        assert_eq!(of_other_length.unwrap(), Err(Refusal::Shape));
    }
}

#[test]
fn the_sector_of_a_flow_of_one_has_a_proof_of_two_roots() {
    let zero = [0; 32];
    let proof = Proof { lemma: vec![zero, zero], path: vec![] };
    assert_eq!(check_flow_proof(&zero, 1, 0, &zero, &proof).unwrap(), Ok(()));
    assert_eq!(check_flow_proof(&zero, 1, 1, &zero, &proof).unwrap(), Err(Refusal::Position));
    assert!(check_flow_proof(&zero, 0, 0, &zero, &proof).is_err());
}

#[test]
fn a_sector_behind_the_end_of_the_flow_has_no_proof() {
    let leaves = Numbers(5).hashes(3);
    let flow_root = naive_flow_root(&leaves);
    let right = hash_pair(&leaves[2], &zero_hash(0).unwrap());
    let lemma = vec![zero_hash(0).unwrap(), leaves[2], hash_pair(&leaves[0], &leaves[1]), flow_root];
    assert_eq!(hash_pair(&lemma[2], &right), flow_root);
    let proof = Proof { lemma, path: vec![false, false] };
    assert_eq!(check_flow_proof(&flow_root, 3, 3, &proof.lemma[0], &proof).unwrap(), Err(Refusal::Position));
}

#[test]
fn impossible_submissions_are_refused_and_change_nothing() {
    let root = [[1; 32]; 2];
    let mut flow = new_flow();
    assert!(append(&mut flow, &[], &[]).is_err(), "no subtree");
    assert!(append(&mut flow, &[64], &root[..1]).is_err(), "too high");
    assert!(append(&mut flow, &[3, 3], &root).is_err(), "equal heights");
    assert!(append(&mut flow, &[3, 4], &root).is_err(), "rising heights");
    assert!(append(&mut flow, &[4, 3], &root[..1]).is_err(), "a root is missing");
    assert!(append(&mut flow, &[63], &root[..1]).is_err(), "no room");
    assert_eq!(flow, new_flow());
    assert!(append(&mut Frontier::default(), &[1], &root[..1]).is_err(), "a flow without its sector 0");
    assert!(place(u64::MAX, &[10]).is_err());
    assert!(place((1 << 63) - 5, &[3]).is_err());
    assert!(place(1 << 62, &[62]).is_ok_and(|placement| placement.length == 1 << 63));
    append(&mut flow, &[62], &root[..1]).unwrap();
    assert_eq!(flow.length(), 1 << 63);
    assert!(perigee_native::flow::root(&flow).is_ok());
    assert!(append(&mut flow, &[0], &root[..1]).is_err(), "the flow is full");
}

#[test]
fn a_frontier_needs_one_root_for_each_digit_of_its_length() {
    assert!(Frontier::new(3, &[[0; 32]]).is_err());
    assert!(Frontier::new(0, &[[0; 32]]).is_err());
    assert!(Frontier::new((1 << 63) + 1, &[[0; 32]; 2]).is_err());
    assert!(Frontier::new(5, &[[0; 32]; 2]).is_ok());
    assert!(root(&Frontier::default()).is_err());
}
