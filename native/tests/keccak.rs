//! Every Keccak kernel gives the same bytes as the scalar one and as an independent crate.

use crate::common::{Numbers, with_every_kernel};
use perigee_native::keccak::{hash_blocks, hash_hashes, hash_pair, hash_pairs, hash_sector, hash_sectors, keccak256};
use perigee_native::{Hash, Simd};
use sha3::{Digest, Keccak256};

fn oracle(data: &[u8]) -> Hash {
    Keccak256::digest(data).into()
}

#[test]
fn messages_of_any_length_equal_the_crate() {
    let mut numbers = Numbers(1);
    let lengths = (0..=600).chain((0..200).map(|_| numbers.below(100_000) as usize)).collect::<Vec<_>>();
    for length in lengths {
        let data = numbers.bytes(length);
        assert_eq!(keccak256(&data), oracle(&data), "length {length}");
    }
}

#[test]
fn the_empty_message_has_the_known_hash() {
    let hash = keccak256(b"");
    assert_eq!(hash[..4], [0xC5, 0xD2, 0x46, 0x01]);
}

#[test]
fn sectors_equal_the_crate_with_every_kernel() {
    with_every_kernel(|simd| {
        let mut numbers = Numbers(2);
        for count in (0..40).chain([64, 100, 1023, 1024]) {
            let data = numbers.bytes(count * 256);
            let (sectors, _) = data.as_chunks::<256>();
            let mut hashes = vec![[0xAA; 32]; count];
            hash_sectors(simd, sectors, &mut hashes);
            for (index, sector) in sectors.iter().enumerate() {
                assert_eq!(hashes[index], oracle(sector), "sector {index} of {count}");
                assert_eq!(hashes[index], hash_sector(sector), "sector {index} of {count}");
            }
        }
    });
}

#[test]
fn pairs_equal_the_crate_with_every_kernel() {
    with_every_kernel(|simd| {
        let mut numbers = Numbers(3);
        for count in (0..40).chain([64, 100, 511, 512]) {
            let data = numbers.bytes(count * 64);
            let (pairs, _) = data.as_chunks::<64>();
            let mut hashes = vec![[0xAA; 32]; count];
            hash_pairs(simd, pairs, &mut hashes);
            for (index, pair) in pairs.iter().enumerate() {
                assert_eq!(hashes[index], oracle(pair), "pair {index} of {count}");
                let (left, right) = (pair[..32].try_into().unwrap(), pair[32..].try_into().unwrap());
                assert_eq!(hashes[index], hash_pair(&left, &right), "pair {index} of {count}");
            }
        }
    });
}

#[test]
fn hashes_equal_the_crate_with_every_kernel() {
    with_every_kernel(|simd| {
        let mut numbers = Numbers(7);
        for count in (0..40).chain([127, 128]) {
            let hashes = numbers.hashes(count);
            let mut out = vec![[0xAA; 32]; count];
            hash_hashes(simd, &hashes, &mut out);
            for (index, hash) in hashes.iter().enumerate() {
                assert_eq!(out[index], oracle(hash), "hash {index} of {count}");
            }
        }
    });
}

#[test]
fn sectors_at_any_address_give_the_same_hashes() {
    with_every_kernel(|simd| {
        let data = Numbers(4).bytes(16 * 256 + 64);
        for offset in 0..64 {
            let (sectors, _) = data[offset..offset + 16 * 256].as_chunks::<256>();
            let mut hashes = [[0; 32]; 16];
            hash_sectors(simd, sectors, &mut hashes);
            assert!(sectors.iter().zip(hashes).all(|(sector, hash)| oracle(sector) == hash), "offset {offset}");
        }
    });
}

#[test]
fn each_bit_of_a_sector_reaches_its_own_hash_only() {
    with_every_kernel(|simd| {
        let mut data = Numbers(5).bytes(9 * 256);
        let hash = |data: &[u8]| {
            let mut hashes = [[0; 32]; 9];
            hash_sectors(simd, data.as_chunks().0, &mut hashes);
            hashes
        };
        let before = hash(&data);
        for byte in 0..data.len() {
            data[byte] ^= 1 << (byte % 8);
            let after = hash(&data);
            data[byte] ^= 1 << (byte % 8);
            for sector in 0..9 {
                assert_eq!(before[sector] != after[sector], sector == byte / 256, "byte {byte}, sector {sector}");
            }
        }
    });
}

#[test]
fn blocks_give_their_sector_hashes_and_checksums() {
    with_every_kernel(|simd| {
        let mut numbers = Numbers(6);
        for count in (0..12).chain([16, 63, 64]) {
            let data = numbers.bytes(count * 4096);
            let mut hashes = vec![[0xAA; 32]; count * 16];
            let mut checksums = vec![0xAAAA_AAAA; count];
            hash_blocks(simd, data.as_chunks().0, &mut hashes, &mut checksums);
            for (index, block) in data.chunks(4096).enumerate() {
                assert_eq!(checksums[index], crate::common::slow_crc32c(block), "block {index} of {count}");
            }
            for (index, sector) in data.chunks(256).enumerate() {
                assert_eq!(hashes[index], oracle(sector), "sector {index} of {count} blocks");
            }
        }
    });
}

#[test]
fn kernels_are_found_by_name_only_where_they_run() {
    for name in Simd::names() {
        let fastest = Simd::available().into_iter().rfind(|simd| simd.name() == name);
        assert_eq!(Simd::named(name).ok(), fastest);
    }
    let error = Simd::named("mmx").unwrap_err().to_string();
    assert!(error.contains("\"mmx\"") && error.contains("scalar"), "{error}");
    assert_eq!(Simd::fastest(), *Simd::available().last().unwrap());
}
