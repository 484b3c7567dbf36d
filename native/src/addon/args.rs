//! Arguments as they come from JavaScript, and byte results. An argument is read by name, so that every complaint names it.

use crate::Hash;
use crate::error::{Error, require};
use napi::bindgen_prelude::{BigInt, FromNapiValue, ToNapiValue, TypeName, ValidateNapiValue};
use napi::{ValueType, sys};
use std::ptr;

/// One argument of a call. It does not outlive the call, during which the engine keeps the value alive.
pub struct Arg {
    env: sys::napi_env,
    value: sys::napi_value,
}

impl TypeName for Arg {
    fn type_name() -> &'static str {
        "unknown"
    }

    fn value_type() -> ValueType {
        ValueType::Unknown
    }
}

impl ValidateNapiValue for Arg {}

impl FromNapiValue for Arg {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Self> {
        Ok(Self { env, value })
    }
}

/// Memory of a typed array, possibly shared.
#[derive(Clone, Copy)]
struct Region {
    start: *mut u8,
    bytes: usize,
}

impl Arg {
    fn region(&self, name: &str, kind: sys::napi_typedarray_type, wanted: &str) -> Result<Region, Error> {
        let (mut actual, mut length, mut start) = (-1, 0, ptr::null_mut());
        // SAFETY: `env` and `value` are those of the running call; all pointers are to live locals or null where N-API
        // allows null. Arrays over a SharedArrayBuffer are typed arrays like all others here.
        let status = unsafe {
            sys::napi_get_typedarray_info(
                self.env,
                self.value,
                &mut actual,
                &mut length,
                &mut start,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        require!(status == sys::Status::napi_ok && actual == kind, "{name}: expected a {wanted}");
        let element = if kind == sys::TypedarrayType::uint32_array { 4 } else { 1 };
        if length == 0 {
            // Such an array may have no memory at all; any aligned pointer will do.
            return Ok(Region { start: ptr::NonNull::<u32>::dangling().as_ptr().cast(), bytes: 0 });
        }
        require!(!start.is_null(), "{name}: the array's memory is gone");
        require!(start.addr().is_multiple_of(element), "{name}: the array's memory is not aligned");
        Ok(Region { start: start.cast(), bytes: length * element })
    }

    fn byte_region(&self, name: &str) -> Result<Region, Error> {
        self.region(name, sys::TypedarrayType::uint8_array, "Uint8Array")
    }

    fn word_region(&self, name: &str) -> Result<Region, Error> {
        self.region(name, sys::TypedarrayType::uint32_array, "Uint32Array")
    }

    /// A `Uint8Array`, also a Buffer or one over a SharedArrayBuffer.
    pub fn bytes(&self, name: &str) -> Result<&[u8], Error> {
        let region = self.byte_region(name)?;
        // SAFETY: the engine's memory of this length; it stays where it is until the call returns.
        Ok(unsafe { std::slice::from_raw_parts(region.start, region.bytes) })
    }

    /// A `Uint32Array`.
    pub fn words(&self, name: &str) -> Result<&[u32], Error> {
        let region = self.word_region(name)?;
        // SAFETY: as in `bytes`; alignment was checked.
        Ok(unsafe { std::slice::from_raw_parts(region.start.cast(), region.bytes / 4) })
    }

    /// A `Uint8Array` to write to, which shares no memory with the other arguments.
    pub fn bytes_mut(&mut self, name: &str, others: &[&Self]) -> Result<&mut [u8], Error> {
        let region = self.byte_region(name)?;
        require_apart(name, region, others)?;
        // SAFETY: as in `bytes`, and no other argument of the call reaches this memory.
        Ok(unsafe { std::slice::from_raw_parts_mut(region.start, region.bytes) })
    }

    /// A `Uint32Array` to write to, which shares no memory with the other arguments.
    pub fn words_mut(&mut self, name: &str, others: &[&Self]) -> Result<&mut [u32], Error> {
        let region = self.word_region(name)?;
        require_apart(name, region, others)?;
        // SAFETY: as in `bytes_mut`; alignment was checked.
        Ok(unsafe { std::slice::from_raw_parts_mut(region.start.cast(), region.bytes / 4) })
    }

    /// A `Uint8Array` of 32 bytes.
    pub fn hash(&self, name: &str) -> Result<Hash, Error> {
        hash_of(name, self.bytes(name)?)
    }

    /// A `Uint8Array` of hashes after each other.
    pub fn hashes(&self, name: &str) -> Result<&[Hash], Error> {
        let bytes = self.bytes(name)?;
        let (hashes, rest) = bytes.as_chunks();
        require!(rest.is_empty(), "{name}: {} bytes, expected a multiple of 32", bytes.len());
        Ok(hashes)
    }

    /// A `Uint8Array` of proof steps, each 0 or 1.
    pub fn steps(&self, name: &str) -> Result<Vec<bool>, Error> {
        let step = |(index, byte): (usize, &u8)| match byte {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Error(format!("{name}[{index}]: {byte}, expected 0 or 1"))),
        };
        self.bytes(name)?.iter().enumerate().map(step).collect()
    }

    /// A whole number from 0 to 2^53 - 1.
    pub fn number(&self, name: &str) -> Result<u64, Error> {
        // SAFETY: `env` and `value` are those of the running call.
        let number = unsafe { f64::from_napi_value(self.env, self.value) }.unwrap_or(f64::NAN);
        let is_whole = number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&number);
        require!(is_whole, "{name}: expected a whole number from 0 to 2^53 - 1");
        Ok(number as u64)
    }

    /// A whole number that can be a size in memory.
    pub fn size(&self, name: &str) -> Result<usize, Error> {
        let number = self.number(name)?;
        usize::try_from(number).map_err(|_| Error(format!("{name}: {number} is too large")))
    }

    /// A bigint from 0 to 2^64 - 1.
    pub fn bigint(&self, name: &str) -> Result<u64, Error> {
        // SAFETY: `env` and `value` are those of the running call.
        let bigint = unsafe { BigInt::from_napi_value(self.env, self.value) };
        match bigint.map(|bigint| bigint.get_u64()) {
            Ok((false, value, true)) => Ok(value),
            _ => Err(Error(format!("{name}: expected a bigint from 0 to 2^64 - 1"))),
        }
    }

    /// Detaches the memory of a `Uint8Array` that spans all of its buffer; false if it spans only a part, or may not be detached.
    pub fn detach(&self, name: &str) -> Result<bool, Error> {
        let view = self.byte_region(name)?;
        let (mut buffer, mut start, mut bytes) = (ptr::null_mut(), ptr::null_mut(), 0);
        // SAFETY: `env` and `value` are those of the running call, `value` is a typed array; all other pointers are to live locals or
        // null where N-API allows null. No slice of the memory is alive.
        let is_detached = unsafe {
            let status = sys::napi_get_typedarray_info(
                self.env,
                self.value,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                &mut buffer,
                ptr::null_mut(),
            );
            status == sys::Status::napi_ok
                && sys::napi_get_arraybuffer_info(self.env, buffer, &mut start, &mut bytes) == sys::Status::napi_ok
                && bytes == view.bytes
                && sys::napi_detach_arraybuffer(self.env, buffer) == sys::Status::napi_ok
        };
        Ok(is_detached)
    }

    /// The elements of an array.
    pub fn elements(&self, name: &str) -> Result<Vec<Self>, Error> {
        let mut count = 0;
        // SAFETY: `env` and `value` are those of the running call.
        let status = unsafe { sys::napi_get_array_length(self.env, self.value, &mut count) };
        require!(status == sys::Status::napi_ok, "{name}: expected an array");
        (0..count).map(|index| self.element(name, index)).collect()
    }

    fn element(&self, name: &str, index: u32) -> Result<Self, Error> {
        let mut value = ptr::null_mut();
        // SAFETY: as above; the engine keeps what an open call has been handed.
        let status = unsafe { sys::napi_get_element(self.env, self.value, index, &mut value) };
        require!(status == sys::Status::napi_ok, "{name}[{index}]: cannot be read");
        Ok(Self { env: self.env, value })
    }

    /// A string.
    pub fn text(&self, name: &str) -> Result<String, Error> {
        // SAFETY: `env` and `value` are those of the running call.
        let text = unsafe { String::from_napi_value(self.env, self.value) };
        text.map_err(|_| Error(format!("{name}: expected a string")))
    }

    /// A boolean.
    pub fn flag(&self, name: &str) -> Result<bool, Error> {
        // SAFETY: `env` and `value` are those of the running call.
        let flag = unsafe { bool::from_napi_value(self.env, self.value) };
        flag.map_err(|_| Error(format!("{name}: expected a boolean")))
    }
}

/// Bytes that are a hash.
pub fn hash_of(name: &str, bytes: &[u8]) -> Result<Hash, Error> {
    bytes.try_into().map_err(|_| Error(format!("{name}: {} bytes, expected a hash of 32", bytes.len())))
}

/// The writable memory overlaps none of the other arguments, which are arrays of bytes or of 32-bit words.
fn require_apart(name: &str, region: Region, others: &[&Arg]) -> Result<(), Error> {
    for other in others {
        let Ok(other) = other.byte_region("").or_else(|_| other.word_region("")) else { continue };
        let (start, other_start) = (region.start.addr(), other.start.addr());
        let is_apart = start + region.bytes <= other_start || other_start + other.bytes <= start;
        require!(is_apart || region.bytes == 0 || other.bytes == 0, "{name}: overlaps another argument");
    }
    Ok(())
}

/// Bytes that become a `Uint8Array`, by one copy into memory of the engine.
pub struct Bytes(pub Vec<u8>);

impl From<&[Hash]> for Bytes {
    fn from(hashes: &[Hash]) -> Self {
        Self(hashes.as_flattened().to_vec())
    }
}

impl From<Hash> for Bytes {
    fn from(hash: Hash) -> Self {
        Self(hash.to_vec())
    }
}

impl TypeName for Bytes {
    fn type_name() -> &'static str {
        "Uint8Array"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ToNapiValue for Bytes {
    unsafe fn to_napi_value(env: sys::napi_env, Self(bytes): Self) -> napi::Result<sys::napi_value> {
        let (mut memory, mut buffer, mut array) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: `env` is that of the running call; the copy fills exactly the memory that the engine just made (which may
        // be null for no bytes at all).
        unsafe {
            napi::check_status!(sys::napi_create_arraybuffer(env, bytes.len(), &mut memory, &mut buffer))?;
            if !bytes.is_empty() {
                ptr::copy_nonoverlapping(bytes.as_ptr(), memory.cast(), bytes.len());
            }
            let kind = sys::TypedarrayType::uint8_array;
            napi::check_status!(sys::napi_create_typedarray(env, kind, bytes.len(), buffer, 0, &mut array))?;
        }
        Ok(array)
    }
}
