//! The lock of a data directory: an advisory lock on a file, held until it is released or the process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

/// Why a lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Someone holds it; the text of the file, which names the process.
    Held(String),
    /// The file could not be opened, locked or written.
    Io(std::io::Error),
}

impl std::fmt::Display for LockError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Held(process) => write!(formatter, "held:{process}"),
            Self::Io(error) => write!(formatter, "{error}"),
        }
    }
}

impl std::error::Error for LockError {}

impl From<std::io::Error> for LockError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// A lock that is held. Dropping it releases it.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

/// Most bytes read of a lock file that someone else wrote.
const MAX_TEXT_BYTES: u64 = 64;

impl DataLock {
    /// Takes the lock without waiting; creates the file (mode 0600) if it is missing and writes this process's id into it.
    pub fn acquire(path: &Path) -> Result<Self, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = Vec::new();
                file.take(MAX_TEXT_BYTES).read_to_end(&mut text)?;
                return Err(LockError::Held(String::from_utf8_lossy(&text).trim().to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        match write_process_id(&mut file) {
            // The lock holds without the text, for which a full disk may have no room.
            Err(error) if error.kind() != std::io::ErrorKind::StorageFull => Err(error.into()),
            _ => Ok(Self { _file: file }),
        }
    }
}

/// Overwrites what is there before it cuts the rest off: that needs no room.
fn write_process_id(file: &mut File) -> std::io::Result<()> {
    let text = format!("{}\n", std::process::id());
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}
