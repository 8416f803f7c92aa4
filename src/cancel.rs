//! A flag by which a caller stops a block from another thread.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Cancels the blocks that were given a clone of it.
///
/// Executors look at it between transactions, so a block ends soon after [`cancel`](Self::cancel), with
/// [`ExecuteErrorKind::Cancelled`](crate::ExecuteErrorKind::Cancelled) and without an outcome. A token stays
/// cancelled.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that nobody has cancelled yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels the blocks that hold a clone of this token.
    pub fn cancel(&self) {
        // ORDERING: Relaxed. The flag carries no data: a block that sees it late only stops late.
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`cancel`](Self::cancel) was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        // ORDERING: Relaxed, as in `cancel`.
        self.0.load(Ordering::Relaxed)
    }
}
