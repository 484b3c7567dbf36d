//! Measures every kernel on one core: `cargo run --release --no-default-features --example kernels`.
//! Figures are the best of several runs, since anything else on the machine only makes them worse.

use perigee_native::{Simd, bench, keccak};
use sha3::{Digest, Keccak256};
use std::hint::black_box;
use std::time::Instant;

/// Fits the second-level cache.
const CACHED_BYTES: usize = 256 << 10;
const LARGE_BYTES: usize = 1 << 30;
const RUNS: usize = 7;

fn best(mut run: impl FnMut() -> f64) -> f64 {
    (0..RUNS).map(|_| run()).fold(f64::INFINITY, f64::min)
}

/// Gigabytes per second of a kind of [`bench::seconds`].
fn rate(kind: &str, simd: Simd, bytes: usize, rounds: u32) -> f64 {
    let seconds = best(|| bench::seconds(kind, simd, bytes, rounds).unwrap_or(f64::NAN));
    bytes as f64 * f64::from(rounds) / seconds / 1e9
}

/// Gigabytes per second of another hash, one sector after the other.
fn sector_rate(hash: impl Fn(&[u8]) -> [u8; 32]) -> f64 {
    const ROUNDS: usize = 100;
    let data: Vec<u8> = (0..CACHED_BYTES).map(|index| index as u8).collect();
    let seconds = best(|| {
        let started = Instant::now();
        for _ in 0..ROUNDS {
            for sector in data.chunks(keccak::SECTOR_BYTES) {
                black_box(hash(black_box(sector)));
            }
        }
        started.elapsed().as_secs_f64()
    });
    (CACHED_BYTES * ROUNDS) as f64 / seconds / 1e9
}

fn main() {
    let crate_rate = sector_rate(|sector| Keccak256::digest(sector).into());
    let scalar = rate("keccak-sectors", Simd::SCALAR, CACHED_BYTES, 100);
    println!("sectors in cache, crate sha3: {crate_rate:.3} GB/s");
    for simd in Simd::available() {
        let rate = rate("keccak-sectors", simd, CACHED_BYTES, 400);
        println!("sectors in cache, {}: {rate:.3} GB/s, {:.2} x scalar, {:.2} x sha3", simd.name(), rate / scalar, rate / crate_rate);
    }
    for simd in Simd::available() {
        println!("file root with checksums in cache, {}: {:.3} GB/s", simd.name(), rate("file-root", simd, CACHED_BYTES, 400));
    }
    for kind in ["crc32c", "blake3"] {
        println!("{kind}, in cache: {:.3} GB/s", rate(kind, Simd::SCALAR, CACHED_BYTES, 2000));
    }
    if std::env::args().any(|argument| argument == "--large") {
        for simd in Simd::available() {
            println!("file root with checksums of 1 GiB, {}: {:.3} GB/s", simd.name(), rate("file-root", simd, LARGE_BYTES, 1));
        }
        println!("crc32c of 1 GiB: {:.3} GB/s", rate("crc32c", Simd::SCALAR, LARGE_BYTES, 1));
        println!("blake3 of 1 GiB: {:.3} GB/s", rate("blake3", Simd::SCALAR, LARGE_BYTES, 1));
    }
}
