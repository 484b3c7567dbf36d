//! The N-API edge: reads and checks arguments, calls the plain Rust modules, makes JavaScript values of the results.
//! All functions are synchronous. Memory that a caller passes must not change during the call (it may be shared with other
//! threads; bytes that do change give a wrong hash, nothing worse).

mod args;
mod hashing;
mod host;
mod memory;
mod mining;
mod reading;
mod trees;

use crate::Simd;
use args::Arg;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

impl From<crate::Error> for napi::Error {
    fn from(error: crate::Error) -> Self {
        Self::from_reason(error.0)
    }
}

/// Reads the environment's wish for a kernel once, at load. One that cannot be had does not fail the load, since the loader
/// would hide the reason behind its own; `simd` and everything that hashes in batches throw it. Then bounds the allocator.
#[napi(module_exports)]
fn on_load(_exports: Object) -> napi::Result<()> {
    let _ = Simd::chosen();
    crate::allocator::keep_small();
    Ok(())
}

/// The kernel that hashes in this process: the one that `PERIGEE_SIMD` names, else the fastest of this CPU. Throws if that
/// name is unknown or the CPU lacks what it needs.
#[napi(catch_unwind, ts_return_type = "'scalar' | 'avx2' | 'avx512'")]
pub fn simd() -> napi::Result<&'static str> {
    Ok(Simd::chosen()?.name())
}

/// The kernels that this CPU could run, slowest first.
#[napi(catch_unwind)]
pub fn simd_available() -> Vec<&'static str> {
    Simd::names()
}

/// BLAKE3, 32 bytes: a reference for the benchmarks.
#[napi(catch_unwind, ts_args_type = "data: Uint8Array", ts_return_type = "Uint8Array")]
pub fn blake3(data: Arg) -> napi::Result<args::Bytes> {
    Ok(args::Bytes(::blake3::hash(data.bytes("data")?).as_bytes().to_vec()))
}

/// Seconds that a kernel takes, inside one thread, for `rounds` passes over `bytes` of memory (a multiple of 262,144).
/// `file-root` includes the CRC-32C of every block; of `nonces` one goes with each 262,144 bytes, which are its sealed data.
#[napi(
    catch_unwind,
    ts_args_type = "kind: 'keccak-sectors' | 'file-root' | 'blake3' | 'crc32c' | 'seal' | 'unseal' | 'nonces', simd: string, bytes: number, rounds: number"
)]
pub fn bench_kernel(kind: Arg, simd: Arg, bytes: Arg, rounds: Arg) -> napi::Result<f64> {
    let simd = Simd::named(&simd.text("simd")?)?;
    let rounds = u32::try_from(rounds.number("rounds")?).unwrap_or(u32::MAX);
    Ok(crate::bench::seconds(&kind.text("kind")?, simd, bytes.size("bytes")?, rounds)?)
}
