//! The C library's allocator. By itself glibc gives each thread an arena of its own, up to eight for each processor, and each of them keeps a
//! few MiB that it has used once.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod os {
    /// Arenas that may be made from now on; those there are stay.
    const ARENAS: i32 = 2;
    /// Larger pieces come from the system, and go back to it at once.
    const MAPPED_BYTES: i32 = 768 * 1024;
    /// Free memory at the end of an arena beyond this goes back.
    const KEPT_BYTES: i32 = 1024 * 1024;

    pub fn keep_small() {
        // SAFETY: plain numbers; a value that the library refuses changes nothing.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, ARENAS);
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod os {
    pub fn keep_small() {}
}

/// Bounds what the allocator keeps. The bound on arenas works only before the first nine of them are made, so before the libuv pool begins.
pub use os::keep_small;
