//! Calls to the host: the lock of a data directory, hints about the page cache.

use super::args::Arg;
use crate::error::Error;
use crate::lock;
use napi::bindgen_prelude::Result;
use napi_derive::napi;
use std::path::Path;

/// The lock of a data directory, held until released or until the process ends.
#[napi]
pub struct DataLock(Option<lock::DataLock>);

#[napi]
impl DataLock {
    /// Takes the lock without waiting and writes the process id into the file. If someone else holds it, the message of the
    /// error is `held:` and what the file says.
    #[napi(factory, catch_unwind, ts_args_type = "path: string")]
    pub fn acquire(path: Arg) -> Result<Self> {
        let path = path.text("path")?;
        match lock::DataLock::acquire(Path::new(&path)) {
            Ok(held) => Ok(Self(Some(held))),
            Err(error @ lock::LockError::Held(_)) => Err(Error(error.to_string()).into()),
            Err(error) => Err(Error(format!("{path}: {error}")).into()),
        }
    }

    /// Releases the lock; nothing if it was released before.
    #[napi(catch_unwind)]
    pub fn release(&mut self) {
        self.0 = None;
    }
}

pub(super) fn descriptor(fd: &Arg) -> std::result::Result<i32, Error> {
    let number = fd.number("fd")?;
    i32::try_from(number).map_err(|_| Error(format!("fd: {number} is not a file descriptor")))
}

/// Drops the clean pages of a file from the page cache. Linux only, elsewhere nothing.
#[napi(catch_unwind, ts_args_type = "fd: number")]
pub fn drop_cache(fd: Arg) -> Result<()> {
    Ok(os::drop_cache(descriptor(&fd)?)?)
}

#[cfg(target_os = "linux")]
mod os {
    use crate::Error;

    pub fn drop_cache(fd: i32) -> Result<(), Error> {
        // SAFETY: a system call on plain numbers; a bad descriptor is an error of the system.
        let code = unsafe { libc::posix_fadvise(fd, 0, 0, libc::POSIX_FADV_DONTNEED) };
        if code == 0 { Ok(()) } else { Err(failure("posix_fadvise", std::io::Error::from_raw_os_error(code))) }
    }

    fn failure(call: &str, error: std::io::Error) -> Error {
        Error(format!("{call}: {error}"))
    }
}

#[cfg(not(target_os = "linux"))]
mod os {
    use crate::Error;

    pub fn drop_cache(_fd: i32) -> Result<(), Error> {
        Ok(())
    }
}
