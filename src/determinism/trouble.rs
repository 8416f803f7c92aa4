//! What goes wrong while a block is executed, as data, and a state that sees to it.

use std::{
    error::Error,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    ops::{Bound, ControlFlow},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use super::schedule::mix;
use crate::{
    cancel::CancelToken,
    error::{ExecuteError, ExecuteErrorKind},
    state::{RangeSupport, State},
    sync::look_again,
};

/// Something that goes wrong while a block is executed.
///
/// What depends on who runs when may end the block or come too late: then the block comes either to what it comes to otherwise,
/// or to the error of what went wrong. All else comes to what it comes to serially.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Trouble {
    /// Whoever comes there takes long: all others go on meanwhile.
    Stall(Point),
    /// The state fails: for good, unless it does for some keys.
    Fail(Point),
    /// The state panics, and with it the VM; at a commit, the caller's function.
    Panic(Point),
    /// The block is cancelled.
    Cancel(Point),
    /// Some of the block's transactions are executed again, as a block of their own, by the same executor.
    Recurse(Point),
}

/// Where something goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Point {
    /// When the state is read for this time, counted from zero, whoever reads it.
    Read(u64),
    /// Whenever one of some keys is read: one key in sixteen, those whose hashes say so, and in each range.
    Keys(u8),
    /// When the transaction of this index is committed.
    Commit(u64),
}

/// Of so many keys one is in trouble.
const KEYS: u64 = 16;
/// What a [`Trouble::Panic`] says.
pub const PANIC: &str = "it panicked as it was to";
/// How long it takes who takes long: by looks under a schedule, and by the clock elsewhere.
const LOOKS: u32 = 40;
const LONG: Duration = Duration::from_micros(200);
/// Of so many, others are not executed within a block.
const FEW: u64 = 4;

impl Trouble {
    /// One that follows from a seed.
    pub(super) fn from_seed(seed: u64) -> Self {
        let number = mix(seed);
        // Small numbers are the more likely ones.
        let number = number % (1 << (1 + mix(number) % 7));
        let point = match mix(seed ^ 1) % 3 {
            0 => Point::Read(number),
            1 => Point::Keys((number % KEYS) as u8),
            _ => Point::Commit(number),
        };
        match mix(seed ^ 2) % 5 {
            0 => Self::Stall(point),
            1 => Self::Fail(point),
            2 => Self::Panic(point),
            3 => Self::Cancel(point),
            _ => Self::Recurse(point),
        }
    }

    fn point(self) -> Point {
        match self {
            Self::Stall(point)
            | Self::Fail(point)
            | Self::Panic(point)
            | Self::Cancel(point)
            | Self::Recurse(point) => point,
        }
    }

    /// Whether it ends the block wherever it is executed, and at the same place.
    pub(super) fn is_certain(self) -> bool {
        matches!(
            self,
            Self::Fail(Point::Keys(_)) | Self::Panic(Point::Keys(_) | Point::Commit(_))
        )
    }

    /// Whether the block may come to this error, or may not.
    pub(super) fn may_end<E: Error + 'static>(self, error: &ExecuteError) -> bool {
        !self.is_certain()
            && match (self, error.kind()) {
                (Self::Cancel(_), ExecuteErrorKind::Cancelled) => true,
                (Self::Panic(_), ExecuteErrorKind::Panicked(text)) => text == PANIC,
                (Self::Fail(_), ExecuteErrorKind::State(error)) => {
                    matches!(error.downcast_ref(), Some(StateError::<E>::Meant))
                }
                _ => false,
            }
    }
}

/// Why a [`Troubled`] state could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError<E: Error + 'static> {
    /// The state itself could not.
    #[error(transparent)]
    Own(E),
    /// It was not to.
    #[error("the state failed as it was to")]
    Meant,
}

/// What a [`Troubled`] state calls to execute a block.
type Recurse<'a> = dyn Fn() + Sync + 'a;

/// The state that a [`Check`](super::Check) executes on: that of the caller, whose answers take different times, and do not
/// always come.
pub struct Troubled<'a, S> {
    inner: &'a S,
    /// Nobody is delayed without one.
    delays: Option<u64>,
    trouble: Option<Trouble>,
    reads: AtomicU64,
    has_failed: AtomicBool,
    blocks: AtomicU64,
    cancel: CancelToken,
    recurse: Option<&'a Recurse<'a>>,
}

impl<'a, S> Troubled<'a, S> {
    pub(super) fn new(inner: &'a S, delays: Option<u64>) -> Self {
        Self {
            inner,
            delays,
            trouble: None,
            reads: AtomicU64::new(0),
            has_failed: AtomicBool::new(false),
            blocks: AtomicU64::new(0),
            cancel: CancelToken::new(),
            recurse: None,
        }
    }

    /// The same with trouble. What is called `recurse` executes a block.
    pub(super) fn with(self, trouble: Trouble, recurse: &'a Recurse<'a>) -> Self {
        Self {
            trouble: Some(trouble),
            recurse: Some(recurse),
            ..self
        }
    }

    /// The token that it cancels, if it ever does.
    pub(super) fn cancel(&self) -> Option<&CancelToken> {
        matches!(self.trouble, Some(Trouble::Cancel(_))).then_some(&self.cancel)
    }

    /// A transaction is committed.
    pub(super) fn commits(&self, index: usize) {
        if let Some(trouble) = self.trouble
            && trouble.point() == Point::Commit(index as u64)
        {
            self.act(trouble);
        }
    }

    /// A key is read, or a range.
    fn reads<E: Error + 'static>(&self, key: Option<&impl Hash>) -> Result<(), StateError<E>> {
        // ORDERING: Relaxed. It only tells reads apart.
        let read = self.reads.fetch_add(1, Ordering::Relaxed);
        self.delay(read);
        let Some(trouble) = self.trouble else {
            return Ok(());
        };
        let is_there = match trouble.point() {
            Point::Read(number) => number == read,
            Point::Keys(class) => key.is_none_or(|key| {
                let mut hasher = DefaultHasher::new();
                key.hash(&mut hasher);
                hasher.finish() % KEYS == u64::from(class)
            }),
            Point::Commit(_) => false,
        };
        if is_there {
            self.act(trouble);
        }
        let fails = match trouble {
            Trouble::Fail(Point::Keys(_)) => is_there,
            // ORDERING: Relaxed. Who misses it reads once more.
            Trouble::Fail(_) => self.has_failed.load(Ordering::Relaxed),
            _ => false,
        };
        if fails {
            Err(StateError::Meant)
        } else {
            Ok(())
        }
    }

    fn act(&self, trouble: Trouble) {
        match trouble {
            // Where the system schedules, to give way again and again takes as long as others like.
            Trouble::Stall(_) if self.delays.is_some() => thread::sleep(LONG),
            Trouble::Stall(_) => {
                let mut looks = 0;
                for _ in 0..LOOKS {
                    look_again(&mut looks);
                }
            }
            // ORDERING: Relaxed, as above.
            Trouble::Fail(_) => self.has_failed.store(true, Ordering::Relaxed),
            Trouble::Panic(_) => panic!("{PANIC}"),
            Trouble::Cancel(_) => self.cancel.cancel(),
            Trouble::Recurse(_) => {
                // ORDERING: Relaxed. It is a limit.
                if self.blocks.fetch_add(1, Ordering::Relaxed) < FEW
                    && let Some(recurse) = self.recurse
                {
                    recurse();
                }
            }
        }
    }

    fn delay(&self, read: u64) {
        let Some(seed) = self.delays else {
            return;
        };
        let number = mix(seed ^ mix(read));
        match number % 16 {
            0..2 => thread::yield_now(),
            2..5 => {
                for _ in 0..(number >> 8) % 4096 {
                    std::hint::spin_loop();
                }
            }
            _ => {}
        }
    }
}

impl<S> fmt::Debug for Troubled<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Troubled")
            .field("delays", &self.delays)
            .field("trouble", &self.trouble)
            .finish_non_exhaustive()
    }
}

impl<K: Hash, V, S: State<K, V>> State<K, V> for Troubled<'_, S> {
    type Error = StateError<S::Error>;

    fn get(&self, key: &K) -> Result<Option<V>, Self::Error> {
        self.reads(Some(key))?;
        self.inner.get(key).map_err(StateError::Own)
    }

    fn range(
        &self,
        from: Bound<&K>,
        to: Bound<&K>,
        visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
    ) -> Result<RangeSupport, Self::Error> {
        self.reads(None::<&K>)?;
        self.inner.range(from, to, visit).map_err(StateError::Own)
    }
}
