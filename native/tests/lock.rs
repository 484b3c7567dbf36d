//! The lock of a data directory.

use perigee_native::lock::{DataLock, LockError};

#[test]
fn a_lock_is_held_by_one_at_a_time_and_names_its_process() {
    let path = std::env::temp_dir().join(format!("perigee-lock-test-{}", std::process::id()));
    let held = DataLock::acquire(&path).expect("a free lock");
    let pid = std::process::id().to_string();
    assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), pid);
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions()) & 0o777, 0o600);
    let error = DataLock::acquire(&path).expect_err("a held lock");
    assert!(matches!(&error, LockError::Held(process) if *process == pid), "{error}");
    assert_eq!(error.to_string(), format!("held:{pid}"));
    drop(held);
    // A longer text of an earlier holder leaves nothing behind.
    std::fs::write(&path, "12345678901234567890\n").unwrap();
    let again = DataLock::acquire(&path).expect("a released lock");
    assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), pid);
    drop(again);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_lock_in_a_missing_directory_is_an_error_of_the_system() {
    let error = DataLock::acquire(std::path::Path::new("/nonexistent/directory/LOCK")).expect_err("no directory");
    assert!(matches!(error, LockError::Io(_)), "{error}");
}
