//! How much memory a piece of code takes at once: an allocator that counts, for each thread on its own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Bytes that this thread has taken and not given back, and the most there were.
    static TAKEN: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

/// The system's allocator, counted.
pub struct Measured;

fn count(bytes: isize) {
    // A thread that ends frees memory when its counter is gone.
    let _ = TAKEN.try_with(|counter| {
        let (taken, most) = counter.get();
        counter.set((taken + bytes, most.max(taken + bytes)));
    });
}

// SAFETY: everything is handed on to the system's allocator as it is. Layouts are at most `isize::MAX` bytes; counting does not allocate.
unsafe impl GlobalAlloc for Measured {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Most bytes that `run` has taken at once.
pub fn most_bytes(run: impl FnOnce()) -> usize {
    TAKEN.set((0, 0));
    run();
    TAKEN.get().1.unsigned_abs()
}

#[test]
fn a_vector_is_counted_while_it_lives_and_not_afterwards() {
    assert_eq!(most_bytes(|| drop(std::hint::black_box(vec![1_u8; 5000]))), 5000);
    assert_eq!(most_bytes(|| (0..9).for_each(|_| drop(std::hint::black_box(vec![0_u8; 700])))), 700);
}
