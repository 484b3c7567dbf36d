//! Measures every kernel on one core: `cargo run --release --no-default-features --example kernels`.
//! Figures are the best of several runs, since anything else on the machine only makes them worse.

use perigee_native::{Simd, bench, keccak};
use sha3::{Digest, Keccak256};
use std::hint::black_box;
use std::time::Instant;

/// Fits the second-level cache.
const CACHED_BYTES: usize = 2 << 20;
const LARGE_BYTES: usize = 1 << 30;
/// Short and many, so that some are undisturbed.
const CACHED_RUNS: usize = 100;
const LARGE_RUNS: usize = 5;

fn best(runs: usize, mut run: impl FnMut() -> f64) -> f64 {
    (0..runs).map(|_| run()).fold(f64::INFINITY, f64::min)
}

/// Gigabytes per second of a kind of [`bench::seconds`], in cache.
fn cached_rate(kind: &str, simd: Simd) -> f64 {
    const ROUNDS: u32 = 8;
    let seconds = best(CACHED_RUNS, || bench::seconds(kind, simd, CACHED_BYTES, ROUNDS).unwrap_or(f64::NAN));
    CACHED_BYTES as f64 * f64::from(ROUNDS) / seconds / 1e9
}

/// The same for memory far larger than the caches.
fn large_rate(kind: &str, simd: Simd) -> f64 {
    let seconds = best(LARGE_RUNS, || bench::seconds(kind, simd, LARGE_BYTES, 1).unwrap_or(f64::NAN));
    LARGE_BYTES as f64 / seconds / 1e9
}

/// Gigabytes per second of another hash, one sector after the other.
fn sector_rate(hash: impl Fn(&[u8]) -> [u8; 32]) -> f64 {
    const ROUNDS: usize = 4;
    let data: Vec<u8> = (0..CACHED_BYTES).map(|index| index as u8).collect();
    let seconds = best(CACHED_RUNS, || {
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
    let scalar = cached_rate("keccak-sectors", Simd::SCALAR);
    println!("sectors in cache, crate sha3: {crate_rate:.3} GB/s");
    for simd in Simd::available() {
        let (name, rate) = (format!("{simd:?}"), cached_rate("keccak-sectors", simd));
        println!("sectors in cache, {name}: {rate:.3} GB/s, {:.2} x scalar, {:.2} x sha3", rate / scalar, rate / crate_rate);
    }
    for simd in Simd::available() {
        println!("file root with checksums in cache, {}: {:.3} GB/s", simd.name(), cached_rate("file-root", simd));
    }
    for kind in ["seal", "unseal", "nonces"] {
        let scalar = cached_rate(kind, Simd::SCALAR);
        for simd in Simd::available() {
            let (name, rate) = (format!("{simd:?}"), cached_rate(kind, simd));
            let nonces = rate * 1e9 / CACHED_BYTES as f64;
            println!("{kind} in cache, {name}: {rate:.3} GB/s, {:.2} x scalar, {nonces:.0} flow segments/s", rate / scalar);
        }
    }
    for kind in ["crc32c", "blake3"] {
        println!("{kind} in cache: {:.3} GB/s", cached_rate(kind, Simd::SCALAR));
    }
    if std::env::args().any(|argument| argument == "--large") {
        for simd in Simd::available() {
            println!("file root with checksums of 1 GiB, {}: {:.3} GB/s", simd.name(), large_rate("file-root", simd));
        }
        for kind in ["crc32c", "blake3"] {
            println!("{kind} of 1 GiB: {:.3} GB/s", large_rate(kind, Simd::SCALAR));
        }
    }
}
