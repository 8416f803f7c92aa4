//! The allocator, and that it keeps memory from one block to the next.

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// Freeing memory on another thread than the one that allocated it is what parallel execution does all the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay`: after how many milliseconds free memory is given back to the system. The bindings do not name it.
const PURGE_DELAY: mi_option_t = 15;

/// As jemalloc does it. The default is ten milliseconds, about as long as a block takes: then each block would get all its
/// memory page by page from the system again.
const MILLISECONDS: i64 = 10_000;

/// To be called before there are other threads.
pub(crate) fn keep_from_block_to_block() {
    // SAFETY: It sets a number, and is meant to be called at any time.
    unsafe { mi_option_set(PURGE_DELAY, MILLISECONDS) };
}

#[cfg(test)]
mod tests {
    use libmimalloc_sys::mi_option_get;

    use super::*;

    fn purge_delay() -> i64 {
        // SAFETY: It reads a number.
        unsafe { mi_option_get(PURGE_DELAY) }
    }

    #[test]
    fn the_option_is_the_one_that_is_meant() {
        // Nothing else is ten by default.
        assert_eq!(purge_delay(), 10);
        keep_from_block_to_block();
        assert_eq!(purge_delay(), MILLISECONDS);
    }
}
