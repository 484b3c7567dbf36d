//! Timings of the kernels, on one thread, for the benchmarks.

use crate::checksum::{BLOCK_BYTES, block_checksums};
use crate::error::{Error, require};
use crate::frontier::Frontier;
use crate::keccak::{SECTOR_BYTES, Simd, hash_sectors};
use crate::merkle::Subtree;
use crate::pora::{LOAD_SEALS, MineRange, Mixing, PAD_BYTES, Task, qualities, scratchpads};
use crate::seal::{self, SEAL_BYTES, SEAL_SECTORS, SealKey};
use crate::segment::{SEGMENT_BLOCKS, SEGMENT_BYTES, SEGMENT_LEAVES, hash_segment};
use std::hint::black_box;
use std::time::Instant;

/// Seconds that a kernel takes for `rounds` passes over `bytes` of memory. Kinds: `keccak-sectors`, `file-root` (with the
/// CRC-32C of every block), `blake3`, `crc32c` (per block), `seal`,
/// `unseal`, `nonces` (one for each 256 KiB of `bytes`, which are its seals).
pub fn seconds(kind: &str, simd: Simd, bytes: usize, rounds: u32) -> Result<f64, Error> {
    require!(bytes > 0 && bytes.is_multiple_of(SEGMENT_BYTES), "{bytes} bytes: a positive multiple of {SEGMENT_BYTES}");
    let data: Vec<u8> = (0..bytes).map(|index| (index.wrapping_mul(31) ^ index >> 8) as u8).collect();
    let mut hashes = vec![[0; 32]; bytes / SECTOR_BYTES];
    let mut checksums = vec![0; bytes / BLOCK_BYTES];
    let mut pass: Box<dyn FnMut() -> Result<(), Error>> = match kind {
        "keccak-sectors" => Box::new(|| {
            let (sectors, _) = data.as_chunks::<SECTOR_BYTES>();
            hash_sectors(simd, sectors, &mut hashes);
            Ok(())
        }),
        "file-root" => Box::new(|| file_root_and_checksums(simd, &data, &mut checksums)),
        "blake3" => Box::new(|| {
            black_box(blake3::hash(&data));
            Ok(())
        }),
        "crc32c" => Box::new(|| {
            block_checksums(&data, &mut checksums);
            Ok(())
        }),
        "seal" | "unseal" => {
            let (keys, is_seal) = (seal_keys(bytes), kind == "seal");
            let mut data = data.clone();
            Box::new(move || {
                let (seals, _) = data.as_chunks_mut();
                if is_seal {
                    seal::seal(simd, seals, &keys)
                } else {
                    seal::unseal(simd, seals, &keys)
                }
                Ok(())
            })
        }
        "nonces" => Box::new(|| {
            try_nonces(simd, &data);
            Ok(())
        }),
        _ => {
            let known = "keccak-sectors, file-root, blake3, crc32c, seal, unseal, nonces";
            return Err(Error(format!("unknown kind \"{kind}\"; one of {known}")));
        }
    };
    let started = Instant::now();
    for _ in 0..rounds {
        pass()?;
    }
    Ok(started.elapsed().as_secs_f64())
}

fn file_root_and_checksums(simd: Simd, data: &[u8], checksums: &mut [u32]) -> Result<(), Error> {
    let mut tree = Frontier::default();
    for (segment, checksums) in data.chunks(SEGMENT_BYTES).zip(checksums.chunks_mut(SEGMENT_BLOCKS)) {
        let root = hash_segment(simd, segment, SEGMENT_LEAVES, checksums)?;
        tree.push(Subtree { root, height: 10 })?;
    }
    black_box(tree.carry_up_root()?);
    Ok(())
}

fn seal_keys(bytes: usize) -> Vec<SealKey> {
    let key = |seal: u64| SealKey { miner_id: [1; 32], context_digest: [2; 32], start_sector: SEAL_SECTORS * seal };
    (0..(bytes / SEAL_BYTES) as u64).map(key).collect()
}

/// Full nonces with all seals there: scratchpads of eight, then the qualities of each.
fn try_nonces(simd: Simd, data: &[u8]) {
    const GROUP: usize = 8;
    let (seals, _) = data.as_chunks::<SEAL_BYTES>();
    let (loads, _) = seals.as_chunks::<LOAD_SEALS>();
    let range = MineRange { start_position: 0, mine_length: 1 << 30, shard_id: 0, shard_mask: u64::MAX };
    let task = Task { miner_id: [1; 32], subtask_digest: [2; 32], range };
    let digest = range.digest();
    let mut pads = vec![[0; PAD_BYTES]; GROUP];
    let mut recalls = [[0; 32]; GROUP];
    for (group, loads) in loads.chunks(GROUP).enumerate() {
        let seeds: Vec<_> = (0..loads.len()).map(|at| task.pad_seed(&digest, &[(group * GROUP + at) as u8; 32])).collect();
        scratchpads(simd, &seeds, &mut pads[..loads.len()], &mut recalls[..loads.len()]);
        for ((pad_seed, pad), seals) in seeds.iter().zip(&pads).zip(loads) {
            qualities(simd, Mixing { pad_seed, pad, seals }, u64::MAX, |_, quality| {
                black_box(quality);
            });
        }
    }
}
