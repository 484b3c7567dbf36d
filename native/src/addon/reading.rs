//! Reads that compare what they read, on a thread of the host's pool.

use super::args::Arg;
use super::hashing::require_whole;
use super::host::descriptor;
use crate::error::Error;
use napi::bindgen_prelude::{AsyncTask, Result, Uint8Array};
use napi::{Env, Task};
use napi_derive::napi;

/// Work of another thread.
pub struct ReadRight {
    fd: i32,
    position: u64,
    into: Uint8Array,
    expected: Vec<u32>,
}

impl Task for ReadRight {
    type Output = bool;
    type JsValue = bool;

    fn compute(&mut self) -> Result<bool> {
        // SAFETY: the caller leaves the array alone until the answer is there, and the reference keeps it alive.
        let into = unsafe { self.into.as_mut() };
        Ok(os::read_right(self.fd, self.position, into, &self.expected))
    }

    fn resolve(&mut self, _env: Env, output: bool) -> Result<bool> {
        Ok(output)
    }
}

/// Fills `into` from a byte position of an open file and compares each 4,096-byte block of it with its CRC-32C; `expectedLe`: little-endian, 4
/// bytes for each block. False when anything is wrong, an error of the disk included; `into` then holds anything. The descriptor must stay open
/// and the array untouched until then.
#[napi(
    ts_args_type = "fd: number, position: number, into: Uint8Array, expectedLe: Uint8Array",
    ts_return_type = "Promise<boolean>"
)]
pub fn read_right(fd: Arg, position: Arg, into: Uint8Array, expected_le: Arg) -> Result<AsyncTask<ReadRight>> {
    let position = position.number("position")?;
    // Memory that is gone looks empty too, and "all of nothing is right" would be taken for an answer.
    if into.is_empty() {
        return Err(Error("into: the array is empty, or its memory is gone".into()).into());
    }
    let (expected, rest) = expected_le.bytes("expectedLe")?.as_chunks();
    require_whole(rest.len(), "expectedLe")?;
    let expected = expected.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    Ok(AsyncTask::new(ReadRight { fd: descriptor(&fd)?, position, into, expected }))
}

#[cfg(unix)]
mod os {
    use crate::checked_read;
    use std::fs::File;
    use std::mem::ManuallyDrop;
    use std::os::fd::FromRawFd;

    pub fn read_right(fd: i32, position: u64, into: &mut [u8], expected: &[u32]) -> bool {
        // SAFETY: the caller keeps the descriptor open; it is not closed here.
        let file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
        checked_read::read_right(&file, position, into, expected)
    }
}

/// Not known how on this system: whoever asks reads in another way.
#[cfg(not(unix))]
mod os {
    pub fn read_right(_: i32, _: u64, _: &mut [u8], _: &[u32]) -> bool {
        false
    }
}
