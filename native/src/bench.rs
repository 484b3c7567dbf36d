//! Timings of the kernels, on one thread, for the benchmarks.

use crate::checksum::{BLOCK_BYTES, block_checksums};
use crate::error::{Error, require};
use crate::frontier::Frontier;
use crate::keccak::{SECTOR_BYTES, Simd, hash_sectors};
use crate::merkle::Subtree;
use crate::segment::{SEGMENT_BLOCKS, SEGMENT_BYTES, SEGMENT_LEAVES, hash_segment};
use std::hint::black_box;
use std::time::Instant;

/// Seconds that a kernel takes for `rounds` passes over `bytes` of memory. Kinds: `keccak-sectors`, `file-root` (with the
/// CRC-32C of every block), `blake3`, `crc32c` (per block).
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
        _ => return Err(Error(format!("unknown kind \"{kind}\"; one of keccak-sectors, file-root, blake3, crc32c"))),
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
