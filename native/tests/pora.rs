//! Scratchpads, qualities and thresholds equal the vectors, the scalar kernel and independent crates; answers are judged as the contract does.

use crate::common::{Numbers, bytes, hash, hashes, list, number, stream, text, vectors, wide, with_every_kernel};
use blake2::{Blake2b512, Digest};
use perigee_native::blake2b::blake2b;
use perigee_native::keccak::keccak256;
use perigee_native::pora::{
    Answer, LOAD_SEALS, MineRange, Mixing, PAD_BYTES, Pad, Refusal, Task, Terms, qualities, scale, scratchpads, threshold,
    unsealed, verify,
};
use perigee_native::seal::{SEAL_BYTES, Seal, SealKey, seal};
use perigee_native::{Hash, Simd};
use serde_json::Value;
use sha3::Keccak256;

fn range_of(value: &Value) -> MineRange {
    MineRange {
        start_position: number(value, "startPosition"),
        mine_length: number(value, "mineLength"),
        shard_id: number(value, "shardId"),
        shard_mask: number(value, "shardMask"),
    }
}

fn ranges(vectors: &Value) -> Vec<MineRange> {
    let range = |entry: &Value| {
        let range = &entry["range"];
        MineRange {
            start_position: number(range, "start_position"),
            mine_length: number(range, "mine_length"),
            shard_id: number(range, "shard_id"),
            shard_mask: number(range, "shard_mask"),
        }
    };
    list(&vectors["range_digest"], "entries").iter().map(range).collect()
}

/// The task and nonce of a scratchpad entry.
fn task_of(entry: &Value, ranges: &[MineRange]) -> (Task, Hash) {
    let range = ranges[number(entry, "range_index") as usize];
    let task = Task { miner_id: hash(&entry["miner_id"]), subtask_digest: hash(&entry["subtask_digest"]), range };
    (task, hash(&entry["nonce"]))
}

fn pads_of(simd: Simd, seeds: &[[u8; 64]]) -> (Vec<Pad>, Vec<Hash>) {
    let (mut pads, mut recalls) = (vec![[0xAA; PAD_BYTES]; seeds.len()], vec![[0xAA; 32]; seeds.len()]);
    scratchpads(simd, seeds, &mut pads, &mut recalls);
    (pads, recalls)
}

#[test]
fn range_digests_equal_the_vectors() {
    let vectors = vectors("pora.json");
    for (range, entry) in ranges(&vectors).iter().zip(list(&vectors["range_digest"], "entries")) {
        assert_eq!(range.digest(), hash(&entry["digest"]));
        assert_eq!(range.shards(), u128::from(number(entry, "num_shards")));
    }
}

#[test]
fn scratchpads_equal_the_vectors() {
    let vectors = vectors("pora.json");
    let ranges = ranges(&vectors);
    let entries = list(&vectors["scratchpad"], "entries");
    let tasks: Vec<_> = entries.iter().map(|entry| task_of(entry, &ranges)).collect();
    let seeds: Vec<_> = tasks.iter().map(|(task, nonce)| task.pad_seed(&task.range.digest(), nonce)).collect();
    with_every_kernel(|simd| {
        let (pads, recalls) = pads_of(simd, &seeds);
        for (index, entry) in entries.iter().enumerate() {
            let range = tasks[index].0.range;
            assert_eq!(seeds[index][..], bytes(text(entry, "pad_seed")));
            assert_eq!(pads[index][..64], bytes(text(entry, "pad_first64")));
            assert_eq!(pads[index][PAD_BYTES - 64..], bytes(text(entry, "pad_last64")));
            assert_eq!(keccak256(&pads[index]), hash(&entry["pad_keccak256"]));
            let sections: Vec<_> = pads[index].chunks(SEAL_BYTES).map(keccak256).collect();
            assert_eq!(sections, hashes(entry, "section_keccak256"));
            assert_eq!(recalls[index], hash(&entry["recall_seed"]));
            let chunk = range.recall(&recalls[index]).unwrap();
            assert_eq!(chunk, number(entry, "chunk_offset"));
            assert_eq!(range.start_position + 1024 * chunk, number(entry, "load_position"));
            let is_out = entry["contract_rejects_out_of_bound"].as_bool().unwrap();
            assert_eq!(1024 * chunk > range.mine_length, is_out);
            let within = (1024 * chunk < range.mine_length).then_some(range.start_position + 1024 * chunk);
            assert_eq!(range.load_position(&recalls[index]), within);
        }
    });
}

#[test]
fn qualities_equal_the_vectors() {
    let vectors = vectors("pora.json");
    let (ranges, pads) = (ranges(&vectors), list(&vectors["scratchpad"], "entries"));
    let sealed = list(&vectors["seal"], "entries");
    with_every_kernel(|simd| {
        for entry in list(&vectors["quality"], "entries") {
            let (task, nonce) = task_of(&pads[number(entry, "scratchpad_index") as usize], &ranges);
            let pad_seed = task.pad_seed(&task.range.digest(), &nonce);
            let (pads, _) = pads_of(simd, &[pad_seed]);
            let index = number(entry, "seal_offset") as usize;
            let mut seals = vec![[0; SEAL_BYTES]; LOAD_SEALS];
            seals[index] = sealed_of(&sealed[number(entry, "seal_entry") as usize]);
            let mixing = Mixing { pad_seed: &pad_seed, pad: &pads[0], seals: seals.as_slice().try_into().unwrap() };
            let mut found = Vec::new();
            qualities(simd, mixing, 1 << index, |index, quality| found.push((index, *quality)));
            assert_eq!(found, [(index, hash(&entry["pora_output"]))]);
            assert_eq!(found[0].1, wide(entry, "quality"));
        }
    });
}

fn sealed_of(entry: &Value) -> Seal {
    let mut plain = [[0; SEAL_BYTES]];
    if let Some(offset) = entry["plain_offset"].as_u64() {
        let stream = stream("pora-vec/plain", offset as usize + SEAL_BYTES);
        plain[0].copy_from_slice(&stream[offset as usize..]);
    }
    let key = SealKey {
        miner_id: hash(&entry["miner_id"]),
        context_digest: hash(&entry["context_digest"]),
        start_sector: number(entry, "start_sector"),
    };
    seal(Simd::SCALAR, &mut plain, &[key]);
    plain[0]
}

#[test]
fn thresholds_equal_the_vectors() {
    for entry in list(&vectors("pora.json")["threshold"], "entries") {
        let (length, shards) = (number(entry, "flow_length"), u128::from(number(entry, "num_shards")));
        assert_eq!(scale(length, shards).map(|scale| scale.to_string()).as_deref(), Some(text(entry, "scale_x64")));
        assert_eq!(threshold(&wide(entry, "pora_target"), length, shards), Some(wide(entry, "threshold")));
    }
}

#[test]
fn a_flow_smaller_than_its_shards_has_no_threshold() {
    assert_eq!(threshold(&[0xFF; 32], 7, 8), None);
    assert_eq!(threshold(&[0xFF; 32], u64::MAX, 1 << 64), None);
    assert!(threshold(&[0xFF; 32], 8, 8).is_some());
    let range = MineRange { start_position: 0, mine_length: 1023, shard_id: 0, shard_mask: u64::MAX };
    assert_eq!(range.recall(&[0xFF; 32]), None);
}

/// Spec pora-and-contracts §2.5 with independent crates.
fn oracle(seed: &[u8; 64], seals: &[Seal; LOAD_SEALS], index: usize) -> (Vec<u8>, Hash, Hash) {
    let mut state = *seed;
    let mut pad = Vec::new();
    for _ in 0..256 {
        let low = Keccak256::digest(state);
        state[..32].copy_from_slice(&low);
        let high = Keccak256::digest(state);
        state[32..].copy_from_slice(&high);
        pad.extend(state);
    }
    let mut hasher = Blake2b512::new();
    hasher.update([0; 31]);
    hasher.update([index as u8]);
    hasher.update(seed);
    hasher.update([0; 32]);
    let quarter = &pad[index % 4 * SEAL_BYTES..][..SEAL_BYTES];
    hasher.update(seals[index].iter().zip(quarter).map(|(byte, mask)| byte ^ mask).collect::<Vec<_>>());
    let quality = hasher.finalize()[..32].try_into().unwrap();
    (pad, Keccak256::digest(state).into(), quality)
}

#[test]
fn nonces_equal_the_definition_with_every_kernel() {
    with_every_kernel(|simd| {
        let mut numbers = Numbers(1);
        for count in [0, 1, 3, 4, 5, 8, 9, 17] {
            let seeds: Vec<[u8; 64]> = (0..count).map(|_| numbers.bytes(64).try_into().unwrap()).collect();
            let (pads, recalls) = pads_of(simd, &seeds);
            let data = numbers.bytes(LOAD_SEALS * SEAL_BYTES);
            let seals = data.as_chunks().0.as_chunks().0[0];
            for (at, pad_seed) in seeds.iter().enumerate() {
                let available = numbers.next() & numbers.next() | 1 << (at % 64);
                let mut seen = 0_u64;
                let mixing = Mixing { pad_seed, pad: &pads[at], seals: &seals };
                qualities(simd, mixing, available, |index, quality| {
                    assert_eq!(seen >> index, 0, "each seal once, in order");
                    seen |= 1 << index;
                    let (pad, recall, expected) = oracle(pad_seed, &seals, index);
                    assert!(pads[at][..] == pad && recalls[at] == recall);
                    assert_eq!(*quality, expected, "seal {index}, nonce {at} of {count}");
                });
                assert_eq!(seen, available);
            }
        }
    });
}

fn answer_of(vector: &Value) -> Answer {
    let sealed: Vec<u8> = hashes(vector, "sealedData").concat();
    Answer {
        context_digest: hash(&vector["contextDigest"]),
        nonce: hash(&vector["nonce"]),
        miner_id: hash(&vector["minerId"]),
        range: range_of(&vector["range"]),
        recall_position: number(vector, "recallPosition"),
        seal_offset: number(vector, "sealOffset"),
        sealed_context_digest: hash(&vector["sealedContextDigest"]),
        sealed_data: Box::new(sealed.try_into().unwrap()),
        merkle_proof: hashes(vector, "merkleProof"),
    }
}

/// The terms under which the answer of the vectors is right.
fn terms_of(vector: &Value) -> Terms {
    Terms {
        context_digest: hash(&vector["context_digest"]),
        flow_root: hash(&vector["flow_root"]),
        flow_length: 16_384,
        subtask_digest: hash(&vector["subtask_digest"]),
        pora_target: [0xFF; 32],
        max_shards: 1,
        sealed_range: (0, 16_384),
        is_full: false,
    }
}

#[test]
fn the_answer_of_the_vectors_is_right() {
    let vectors = vectors("pora.json");
    let vector = &vectors["answer"];
    let (answer, terms) = (answer_of(&vector["answer"]), terms_of(vector));
    with_every_kernel(|simd| {
        assert_eq!(keccak256(&unsealed(simd, &answer)[..]), hash(&vector["plain_keccak256"]));
        assert_eq!(verify(simd, &answer, &terms), Ok(hash(&vector["pora_output"])));
    });
}

#[test]
fn the_quality_may_equal_the_threshold_but_not_exceed_it() {
    let vectors = vectors("pora.json");
    let vector = &vectors["answer"];
    let (answer, mut terms) = (answer_of(&vector["answer"]), terms_of(vector));
    // The output's upper 24 bytes, below which the threshold has zeros: a target one step above reaches it, the same does not.
    let mut target = [0; 32];
    target[8..].copy_from_slice(&hash(&vector["pora_output"])[..24]);

    let mut shifted = [0; 32];
    shifted[..24].copy_from_slice(&target[8..]);
    // scale is 2^64 here, so that threshold = target >> 64 << 64.
    terms.pora_target = shifted;
    assert_eq!(verify(Simd::SCALAR, &answer, &terms), Err(Refusal("Do not reach target quality")));
    for byte in shifted[..24].iter_mut().rev() {
        let (next, wraps) = byte.overflowing_add(1);
        *byte = next;
        if !wraps {
            break;
        }
    }
    terms.pora_target = shifted;
    assert!(verify(Simd::SCALAR, &answer, &terms).is_ok());
}

#[test]
fn each_wrong_answer_is_refused_in_the_words_of_the_contract() {
    type Change = fn(&mut Answer, &mut Terms);
    let vectors = vectors("pora.json");
    let vector = &vectors["answer"];
    let changes: [(&str, Change); 18] = [
        ("Inconsistent mining digest", |answer, _| answer.context_digest[0] ^= 1),
        ("Empty digest can not mine", |answer, terms| {
            (answer.context_digest, terms.context_digest) = (keccak256(b""), keccak256(b""));
        }),
        ("Epoch has enough submissions", |_, terms| terms.is_full = true),
        ("Start position is not aligned", |answer, _| answer.range.start_position = 1024),
        ("Mining range overflow", |answer, _| answer.range.mine_length += 1024),
        ("Mining range overflow", |answer, _| answer.range.start_position = 1 << 25),
        ("Mining range too short", |answer, _| answer.range.mine_length -= 1024),
        ("Masked bits should be zero", |answer, _| answer.range.shard_id = 1),
        ("Mining range too long", |answer, terms| {
            terms.flow_length = 1 << 36;
            answer.range.mine_length = (1 << 35) + 1024;
        }),
        ("Invalid sealed context digest", |_, terms| terms.sealed_range = (0, 0)),
        ("Invalid sealed context digest", |answer, terms| terms.sealed_range.0 = answer.recall_position + 16),
        ("Invalid sealed context digest", |answer, terms| terms.sealed_range.1 = answer.recall_position + 15),
        ("Exceeding the allowed number of shards", |answer, _| answer.range.shard_mask -= 1),
        ("Inconsistent merkle root", |answer, _| answer.sealed_data[4095] ^= 1),
        ("Inconsistent merkle root", |answer, _| answer.miner_id[31] ^= 1),
        ("Inconsistent merkle root", |answer, _| answer.merkle_proof.truncate(9)),
        ("Incorrect recall position", |answer, _| answer.seal_offset += 1),
        ("Do not reach target quality", |_, terms| terms.pora_target = [0; 32]),
    ];
    for (words, change) in changes {
        let (mut answer, mut terms) = (answer_of(&vector["answer"]), terms_of(vector));
        change(&mut answer, &mut terms);
        assert_eq!(verify(Simd::fastest(), &answer, &terms), Err(Refusal(words)));
    }
}

#[test]
fn another_nonce_leads_elsewhere() {
    let vectors = vectors("pora.json");
    let vector = &vectors["answer"];
    let (mut answer, terms) = (answer_of(&vector["answer"]), terms_of(vector));
    answer.nonce[0] ^= 1;
    assert_eq!(verify(Simd::SCALAR, &answer, &terms), Err(Refusal("Incorrect recall position")));
}

#[test]
fn the_digests_of_the_vectors_are_those_of_the_formulas() {
    let vectors = vectors("pora.json");
    let context = &vectors["context"]["inputs"];
    let mut message = [hash(&context["block_digest"]), hash(&context["flow_root"]), [0; 32]].concat();
    message[88..].copy_from_slice(&number(context, "flow_length").to_be_bytes());
    assert_eq!(keccak256(&message), hash(&vectors["context"]["context_digest"]));
    assert_eq!(blake2b(b"")[..], bytes(text(&vectors["constants"], "blake2b512_empty")));
}
