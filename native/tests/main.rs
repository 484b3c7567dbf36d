//! All tests of this crate in one binary, since linking is most of what they cost.

mod base64;
mod blake2b;
#[cfg(unix)]
mod checked_read;
mod checksum;
mod common;
mod file;
mod flow;
mod fuzz;
mod keccak;
mod lock;
mod pora;
mod seal;
