//! Is it deterministic? Executes a block in many ways and compares: feature `determinism`.
//!
//! [`Check`] executes a block serially, asks its VM for each transaction again and again on the same answers, and executes the
//! block in parallel: with each number of workers and each strategy, under many schedules, with no hints, right ones and wrong
//! ones, with [trouble](Trouble) if that is [asked for](Check::troubles). All must come to the same, in outputs, reasons, changes and errors, in what is streamed and in what it is found that
//! transactions touch. If not, the [`Divergence`] says which transaction and which key, both values, and under which
//! [`Schedule`]; and whether the VM is to [blame](Blame) or the executor.
//!
//! ```
//! use pleach::determinism::Check;
//! use pleach::testkit::{Program, ProgramVm, Step};
//! use pleach::MemoryState;
//!
//! let state = MemoryState::new();
//! let programs = vec![Program::new([Step::Get(1), Step::PutRegister(1)]); 40];
//! let report = Check::new(&ProgramVm, &state).workers([2]).schedules(2).run(&programs)?;
//! assert_eq!(report.transactions, 40);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What a check in one process cannot see is what only differs between processes: seeds made at the start, the place of the
//! program in memory, the machine. [`Report::fingerprint`] is there to be compared between them.

mod attempts;
#[cfg(all(test, feature = "testkit"))]
mod broken;
mod cause;
mod check;
mod compare;
mod hints;
mod schedule;
mod trouble;

pub use cause::Impurity;
pub use check::{Blame, Check, Divergence, Failure, Report};
pub use compare::{Difference, KeyDifference};
pub use hints::Hints;
pub use schedule::{Kind, Schedule};
pub use trouble::{PANIC, Point, StateError, Trouble, Troubled};

/// Fails the test if the block does not come to the same in all ways.
///
/// Takes what [`Check::new`] and [`Check::run`] take, and settings in between: `assert_deterministic!(&vm, &state,
/// &transactions)`, `assert_deterministic!(&vm, &state, &transactions, workers([2, 4]), schedules(50))`.
///
/// # Examples
///
/// ```
/// use pleach::testkit::{Program, ProgramVm, Step};
/// use pleach::{MemoryState, assert_deterministic};
///
/// let state = MemoryState::new();
/// let programs = vec![Program::new([Step::Add(1, 7)]); 10];
/// assert_deterministic!(&ProgramVm, &state, &programs, workers([2]), schedules(1));
/// ```
#[macro_export]
macro_rules! assert_deterministic {
    ($vm:expr, $state:expr, $transactions:expr $(, $setting:ident($($value:expr),*))* $(,)?) => {
        if let Err(failure) = $crate::determinism::Check::new($vm, $state)
            $(.$setting($($value),*))*
            .run($transactions)
        {
            panic!("not deterministic: {failure}");
        }
    };
}
