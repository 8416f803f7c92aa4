//! States that fail and VMs that misbehave: what an executor must survive.

use std::{
    convert::Infallible,
    ops::{Bound, ControlFlow},
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{
    cancel::CancelToken,
    state::{RangeSupport, State},
    view::StateView,
    vm::{Interrupt, Stop, Vm},
};

/// A state that answers so many reads and fails from then on. With every count in turn, every prefix of a block's reads
/// is a test case.
#[derive(Debug)]
pub struct FailsAfter<S> {
    inner: S,
    left: AtomicUsize,
}

impl<S> FailsAfter<S> {
    /// `inner`, for `reads` reads.
    pub fn new(inner: S, reads: usize) -> Self {
        Self {
            inner,
            left: AtomicUsize::new(reads),
        }
    }

    fn count(&self) -> Result<(), Unavailable> {
        // ORDERING: Relaxed. Only the number counts; which of two concurrent reads comes first does not.
        let left = |left: usize| left.checked_sub(1);
        match self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left)
        {
            Ok(_) => Ok(()),
            Err(_) => Err(Unavailable),
        }
    }
}

/// What a [`FailsAfter`] says when it fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the disk is gone")]
pub struct Unavailable;

impl<K, V, S: State<K, V, Error = Infallible>> State<K, V> for FailsAfter<S> {
    type Error = Unavailable;

    fn get(&self, key: &K) -> Result<Option<V>, Unavailable> {
        self.count()?;
        let Ok(value) = self.inner.get(key);
        Ok(value)
    }

    fn range(
        &self,
        from: Bound<&K>,
        to: Bound<&K>,
        visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
    ) -> Result<RangeSupport, Unavailable> {
        self.count()?;
        let Ok(support) = self.inner.range(from, to, visit);
        Ok(support)
    }
}

/// A state without an order of keys, and without keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unordered;

impl<K, V> State<K, V> for Unordered {
    type Error = Infallible;

    fn get(&self, _: &K) -> Result<Option<V>, Infallible> {
        Ok(None)
    }
}

/// A state that cancels its own block when it is read.
#[derive(Debug)]
pub struct Cancels(pub CancelToken);

impl<K, V> State<K, V> for Cancels {
    type Error = Infallible;

    fn get(&self, _: &K) -> Result<Option<V>, Infallible> {
        self.0.cancel();
        Ok(None)
    }
}

/// What a VM does with the [`Interrupt`] that a view gives it, instead of passing it on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Misuse {
    /// It says that all is well.
    Ignore,
    /// It says that the transaction failed.
    Fail,
    /// It panics.
    Panic,
    /// It keeps it, says that all is well, and returns it for the next transaction.
    Keep,
}

/// A VM that reads the key that the transaction names and misuses the interrupt that it may get.
#[derive(Clone, Copy, Debug)]
pub struct Misuser(pub Misuse);

/// The failure of a [`Misuser`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not my fault")]
pub struct NotMyFault;

impl Vm for Misuser {
    type Transaction = u8;
    type Key = u8;
    type Value = u64;
    type Output = Option<u64>;
    type Error = NotMyFault;
    type Scratch = Option<Interrupt>;

    fn execute<S: StateView<u8, u64>>(
        &self,
        key: &u8,
        state: &mut S,
        kept: &mut Option<Interrupt>,
    ) -> Result<Option<u64>, Stop<NotMyFault>> {
        if let Some(interrupt) = kept.take() {
            return Err(Stop::Interrupted(interrupt));
        }
        match (state.get(key), self.0) {
            (Ok(value), _) => Ok(value),
            (Err(_), Misuse::Ignore) => Ok(None),
            (Err(_), Misuse::Fail) => Err(Stop::Failed(NotMyFault)),
            (Err(_), Misuse::Panic) => panic!("an interrupt was unwrapped"),
            (Err(interrupt), Misuse::Keep) => {
                *kept = Some(interrupt);
                Ok(None)
            }
        }
    }
}
