//! Memory that JavaScript owns: where it lies, and copies faster than the engine's own into shared memory; and what the allocator keeps.

use super::args::Arg;
use crate::error::Error;
use napi::bindgen_prelude::{AsyncTask, Result};
use napi::{Env, Task};
use napi_derive::napi;

/// How far the array's first byte lies behind a multiple of `align`. The memory of an array never moves.
#[napi(catch_unwind, ts_args_type = "data: Uint8Array, align: number")]
pub fn misalignment(data: Arg, align: Arg) -> Result<u32> {
    let align = align.size("align")?;
    let is_power = align.is_power_of_two() && align <= 1 << 30;
    if !is_power {
        return Err(Error(format!("align: {align}, expected a power of two up to 2^30")).into());
    }
    Ok((data.bytes("data")?.as_ptr().addr() % align) as u32)
}

/// Copies the arrays one behind the other to the start of `target` and returns how many bytes that were.
#[napi(catch_unwind, ts_args_type = "target: Uint8Array, parts: readonly Uint8Array[]")]
pub fn gather(mut target: Arg, parts: Arg) -> Result<u32> {
    let parts = parts.elements("parts")?;
    let others: Vec<&Arg> = parts.iter().collect();
    let target = target.bytes_mut("target", &others)?;
    let mut filled = 0;
    for part in &parts {
        let bytes = part.bytes("parts")?;
        let room = target.len() - filled;
        copy(bytes, &mut target[filled..]).ok_or_else(|| Error(format!("target: room for {room} bytes of {}", bytes.len())))?;
        filled += bytes.len();
    }
    Ok(filled as u32)
}

fn copy(bytes: &[u8], target: &mut [u8]) -> Option<()> {
    target.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(())
}

/// Decodes base64 (standard alphabet, padded) to the start of `target`; answers how many bytes that are, or -1 when `text` is none or has more
/// bytes than there is room for. What `target` holds then is open.
#[napi(catch_unwind, ts_args_type = "text: Uint8Array, target: Uint8Array")]
pub fn decode_base64(text: Arg, mut target: Arg) -> Result<i32> {
    let target = target.bytes_mut("target", &[&text])?;
    Ok(crate::base64::decode(text.bytes("text")?, target).map_or(-1, |count| count as i32))
}

/// Gives the memory behind an array back at once, if the array spans all of it; returns whether it did. Every view of that memory is
/// empty afterwards. For pieces of a body, which the engine would collect late.
#[napi(catch_unwind, ts_args_type = "data: Uint8Array")]
pub fn free_memory(data: Arg) -> Result<bool> {
    Ok(data.detach("data")?)
}

/// Work of another thread.
pub struct TrimMemory;

impl Task for TrimMemory {
    type Output = bool;
    type JsValue = bool;

    fn compute(&mut self) -> Result<bool> {
        Ok(trim())
    }

    fn resolve(&mut self, _env: Env, output: bool) -> Result<bool> {
        Ok(output)
    }
}

/// Gives what the C allocator keeps of freed memory back to the system; the answer says whether it had any. GNU/Linux only, elsewhere nothing.
#[napi(ts_return_type = "Promise<boolean>")]
pub fn trim_memory() -> AsyncTask<TrimMemory> {
    AsyncTask::new(TrimMemory)
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim() -> bool {
    // SAFETY: the allocator takes its own locks; the number is how many bytes it may keep at the end of its heap.
    unsafe { libc::malloc_trim(0) == 1 }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() -> bool {
    false
}
