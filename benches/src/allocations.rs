//! How often memory is asked for, and how much there is at a time.

use std::{
    alloc::{GlobalAlloc, Layout},
    sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
};

/// An allocator that counts while somebody wants to know. Otherwise that costs a load and a branch.
///
/// # Examples
///
/// ```
/// use std::alloc::System;
///
/// use pleach_bench::allocations::{self, Counting};
///
/// #[global_allocator]
/// static ALLOCATOR: Counting<System> = Counting(System);
///
/// let (_, counted) = allocations::count(|| drop(vec![0_u8; 1 << 20]));
/// let counted = counted.expect("the allocator counts");
/// assert!(counted.allocations >= 1 && counted.peak >= 1 << 20);
/// ```
#[derive(Debug)]
pub struct Counting<A>(pub A);

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// How often memory was asked for, or moved to where there is more of it.
    pub allocations: u64,
    /// How many bytes more than in the beginning there were at a time, at most.
    pub peak: u64,
}

static IS_COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);

/// Counts while something runs, on all threads. Nothing if the program has another allocator. Only one at a time can count.
pub fn count<T>(run: impl FnOnce() -> T) -> (T, Option<Counted>) {
    // ORDERING: threads that run something meet the one that asked for it, before and afterwards; others may be missed.
    ALLOCATIONS.store(0, Ordering::Relaxed);
    BYTES.store(0, Ordering::Relaxed);
    PEAK.store(0, Ordering::Relaxed);
    IS_COUNTING.store(true, Ordering::Relaxed);
    drop(std::hint::black_box(Box::new(0_u8)));
    let counts = ALLOCATIONS.load(Ordering::Relaxed) > 0;
    let result = run();
    IS_COUNTING.store(false, Ordering::Relaxed);
    // ORDERING: Relaxed, as above.
    let counted = Counted {
        allocations: ALLOCATIONS.load(Ordering::Relaxed).saturating_sub(1),
        peak: PEAK.load(Ordering::Relaxed).max(0).cast_unsigned(),
    };
    (result, counts.then_some(counted))
}

/// There are so many bytes more, or fewer.
#[inline]
fn note(allocations: u64, bytes: i64) {
    // ORDERING: numbers that say nothing about other memory.
    if IS_COUNTING.load(Ordering::Relaxed) {
        ALLOCATIONS.fetch_add(allocations, Ordering::Relaxed);
        let now = BYTES.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if bytes > 0 {
            PEAK.fetch_max(now, Ordering::Relaxed);
        }
    }
}

fn size(layout: Layout) -> i64 {
    layout.size().cast_signed() as i64
}

// SAFETY: all is left to the allocator inside; what is done beside that neither allocates nor panics.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counting<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, size(layout));
        // SAFETY: as the caller promises.
        unsafe { self.0.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(1, size(layout));
        // SAFETY: as the caller promises.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        note(1, new.cast_signed() as i64 - size(layout));
        // SAFETY: as the caller promises.
        unsafe { self.0.realloc(pointer, layout, new) }
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(0, -size(layout));
        // SAFETY: as the caller promises.
        unsafe { self.0.dealloc(pointer, layout) }
    }
}
