//! Perigee's native half: hashing, Merkle trees, the flow, checksums and a few host calls. Every algorithm is plain Rust
//! in a module of its own; `addon` (feature of the same name) exports them through N-API and does nothing else.

#[cfg(feature = "addon")]
mod addon;
#[cfg(feature = "addon")]
mod allocator;
pub mod base64;
pub mod bench;
pub mod blake2b;
#[cfg(unix)]
pub mod checked_read;
pub mod checksum;
mod error;
pub mod file;
pub mod flow;
pub mod frontier;
pub mod keccak;
pub mod lock;
pub mod merkle;
pub mod pora;
pub mod proof;
pub mod seal;
pub mod segment;

pub use error::Error;
pub use keccak::{Hash, Simd};
