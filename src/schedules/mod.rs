//! Threads that run one at a time, in an order that follows from a seed: feature `schedules`.
//!
//! While [`run`] calls a function, the calling thread, and all threads of runtimes that are made in it, pass on the right to run at
//! every step of every protocol: before each atomic access, each lock, and whenever one would sleep. Who gets it next follows
//! from the seed, so the same call comes to the same run again, also in another process. Memory is as strong as can be there:
//! weak orderings are for loom.
//!
//! The function must end the runtimes that it makes, and whatever it calls must not hold a lock of its own while it uses
//! a view. Elsewhere, threads run as they like; they look once at every such step whether they are to be scheduled.
//!
//! If nobody can go on, or so much has happened that it looks endless, all threads say where they are and the process
//! ends: see [`on_hang`].

mod control;
pub(crate) mod sync;

use std::{
    backtrace::Backtrace,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{OnceLock, PoisonError, RwLock},
};

pub(crate) use control::Control;

/// How it is decided who goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Choice {
    /// Anybody, at random: every second time, or more seldom, by the seed.
    Walk,
    /// Who has the highest priority. Priorities are random, and change a few times: bugs that need few changes are found
    /// sooner (PCT: Burckhardt et al., ASPLOS 2010).
    Pct,
}

/// Where a thread was when nothing went on any more.
#[derive(Debug)]
#[non_exhaustive]
pub struct Stuck {
    /// The number of the thread: 0 is the caller's.
    pub thread: usize,
    /// Whether it sleeps until somebody wakes it.
    pub is_asleep: bool,
    /// The calls that it is in.
    pub stack: Backtrace,
}

type OnHang = Box<dyn Fn(&[Stuck]) + Send + Sync>;

static ON_HANG: OnceLock<RwLock<OnHang>> = OnceLock::new();

fn hook() -> &'static RwLock<OnHang> {
    ON_HANG.get_or_init(|| {
        RwLock::new(Box::new(|stuck| {
            for Stuck {
                thread,
                is_asleep,
                stack,
            } in stuck
            {
                let state = if *is_asleep { "asleep" } else { "awake" };
                eprintln!("nothing goes on; thread {thread}, {state}:\n{stack}");
            }
        }))
    })
}

/// Sets what is called when nothing goes on any more. Afterwards the process is aborted: threads that wait for each other
/// cannot be ended. By default their stacks are printed.
pub fn on_hang(call: impl Fn(&[Stuck]) + Send + Sync + 'static) {
    *hook().write().unwrap_or_else(PoisonError::into_inner) = Box::new(call);
}

/// Calls the hook, and ends the process.
fn hang(stuck: &[Stuck]) -> ! {
    hook().read().unwrap_or_else(PoisonError::into_inner)(stuck);
    std::process::abort()
}

/// Calls a function under the schedule of a seed.
///
/// # Panics
///
/// If the function does, or if it is called by a function that it calls itself.
pub fn run<T>(choice: Choice, seed: u64, call: impl FnOnce() -> T) -> T {
    let control = Control::begin(choice, seed);
    let result = catch_unwind(AssertUnwindSafe(call));
    control.end();
    result.unwrap_or_else(|panic| resume_unwind(panic))
}
