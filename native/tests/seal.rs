//! Seals equal the vectors, the scalar kernel and the definition with an independent crate.

use crate::common::{Numbers, bytes, hash, list, number, stream, text, vectors, with_every_kernel};
use perigee_native::keccak::keccak256;
use perigee_native::seal::{SEAL_BYTES, Seal, SealKey, seal, unseal, unseal_words};
use perigee_native::{Hash, Simd};
use serde_json::Value;
use sha3::{Digest, Keccak256};

fn key_of(entry: &Value) -> SealKey {
    SealKey {
        miner_id: hash(&entry["miner_id"]),
        context_digest: hash(&entry["context_digest"]),
        start_sector: number(entry, "start_sector"),
    }
}

fn plain_of(entry: &Value) -> Seal {
    let Some(offset) = entry["plain_offset"].as_u64() else { return [0; SEAL_BYTES] };
    let stream = stream("pora-vec/plain", offset as usize + SEAL_BYTES);
    stream[offset as usize..].try_into().unwrap()
}

fn random_key(numbers: &mut Numbers) -> SealKey {
    let hashes = numbers.hashes(2);
    SealKey { miner_id: hashes[0], context_digest: hashes[1], start_sector: numbers.next() }
}

/// Spec pora-and-contracts §1.1, word by word.
fn oracle(plain: &Seal, key: &SealKey) -> Seal {
    let mut seed = [0; 96];
    seed[..32].copy_from_slice(&key.miner_id);
    seed[32..64].copy_from_slice(&key.context_digest);
    seed[88..].copy_from_slice(&key.start_sector.to_be_bytes());
    let mut mask = Keccak256::digest(seed);
    let mut sealed = *plain;
    for word in sealed.chunks_mut(32) {
        word.iter_mut().zip(&mask).for_each(|(byte, mask)| *byte ^= mask);
        mask = Keccak256::digest(&word);
    }
    sealed
}

#[test]
fn seals_equal_the_vectors() {
    let vectors = vectors("pora.json");
    let entries = list(&vectors["seal"], "entries");
    with_every_kernel(|simd| {
        let keys: Vec<_> = entries.iter().map(key_of).collect();
        let plain: Vec<_> = entries.iter().map(plain_of).collect();
        let mut sealed = plain.clone();
        seal(simd, &mut sealed, &keys);
        for (index, entry) in entries.iter().enumerate() {
            assert_eq!(keys[index].first_mask(), hash(&entry["first_mask"]));
            assert_eq!(keccak256(&plain[index]), hash(&entry["plain_keccak256"]));
            assert_eq!(sealed[index][..64], bytes(text(entry, "sealed_first64")));
            assert_eq!(sealed[index][SEAL_BYTES - 64..], bytes(text(entry, "sealed_last64")));
            assert_eq!(keccak256(&sealed[index]), hash(&entry["sealed_keccak256"]));
            if let Some(hex) = entry["sealed_hex"].as_str() {
                assert_eq!(sealed[index][..], bytes(hex));
            }
        }
        unseal(simd, &mut sealed, &keys);
        assert!(sealed == plain);
    });
}

#[test]
fn a_part_is_unsealed_as_the_vector_says() {
    let vectors = vectors("pora.json");
    let part = &vectors["seal"]["partial_unseal"];
    let entry = &list(&vectors["seal"], "entries")[number(part, "of_entry") as usize];
    let (key, plain) = (key_of(entry), plain_of(entry));
    let mut sealed = [plain];
    seal(Simd::SCALAR, &mut sealed, &[key]);
    let first = number(part, "from_sector_in_seal") as usize * 8;
    assert_eq!(sealed[0].as_chunks::<32>().0[first - 1], hash(&part["unseal_seed_32"]));
    with_every_kernel(|simd| {
        let mut words = vec![[0; 32]; number(part, "sector_count") as usize * 8];
        unseal_words(simd, &sealed[0], &key, first, &mut words);
        assert_eq!(words.as_flattened()[..64], bytes(text(part, "result_first64")));
        assert_eq!(keccak256(words.as_flattened()), hash(&part["result_keccak256"]));
        assert_eq!(words.as_flattened(), &plain[first * 32..][..words.len() * 32]);
    });
}

#[test]
fn any_number_of_seals_equals_the_definition_with_every_kernel() {
    with_every_kernel(|simd| {
        let mut numbers = Numbers(2);
        for count in (0..20).chain([63, 64]) {
            let plain = numbers.bytes(count * SEAL_BYTES);
            let (plain, _) = plain.as_chunks::<SEAL_BYTES>();
            let keys: Vec<_> = (0..count).map(|_| random_key(&mut numbers)).collect();
            let mut seals = plain.to_vec();
            seal(simd, &mut seals, &keys);
            for (index, sealed) in seals.iter().enumerate() {
                assert!(*sealed == oracle(&plain[index], &keys[index]), "seal {index} of {count}");
            }
            unseal(simd, &mut seals, &keys);
            assert!(seals == plain, "{count} seals");
        }
    });
}

#[test]
fn any_words_are_unsealed_alone_with_every_kernel() {
    let mut numbers = Numbers(3);
    let key = random_key(&mut numbers);
    let plain: Seal = numbers.bytes(SEAL_BYTES).try_into().unwrap();
    let sealed = oracle(&plain, &key);
    with_every_kernel(|simd| {
        let mut numbers = Numbers(4);
        let ends = (0..300).map(|_| (numbers.below(129) as usize, numbers.below(129) as usize));
        for (from, to) in ends.chain([(0, 0), (0, 1), (0, 128), (128, 128), (127, 128), (1, 128)]) {
            let (from, to) = (from.min(to), from.max(to));
            let mut words: Vec<Hash> = vec![[0xAA; 32]; to - from];
            unseal_words(simd, &sealed, &key, from, &mut words);
            assert_eq!(words.as_flattened(), &plain[from * 32..to * 32], "words {from} to {to}");
        }
    });
}
