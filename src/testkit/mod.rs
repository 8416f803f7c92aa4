//! What it takes to test an executor, a state or a VM: feature `testkit`.
//!
//! | module | what |
//! | --- | --- |
//! | [`ProgramVm`] | a VM whose transactions are small programs that use all of [`StateView`](crate::StateView) |
//! | [`reference`](mod@reference) | the meaning of a block, once more, as a model too simple to be wrong |
//! | [`strategies`] | blocks for proptest, from uncontended to one hot key |
//! | [`shrink`] | makes a block that shows something as small as it can be; [`Shrinking`] does so with anything |
//! | [`faults`] | states that fail, and VMs that misbehave |
//! | [`histories`] | what a [`Store`](crate::Store) must do, for stores of your own (feature `versioned`) |
//!
//! An executor is right if it gives the reference's outcome for every block of the strategies:
//!
//! ```
//! use pleach::testkit::{assert_same, reference, Program, ProgramVm, Step, TestBlock};
//! use pleach::{Executor, SerialExecutor};
//!
//! let block = TestBlock {
//!     transactions: vec![Program::new([Step::Put(1, 7)]), Program::new([Step::Add(1, 3)])],
//!     ..TestBlock::default()
//! };
//! let found = SerialExecutor::new().execute(block.to_pleach(&ProgramVm));
//! assert_same(&reference::execute(&block), &found).unwrap();
//! ```

pub mod faults;
#[cfg(feature = "versioned")]
pub mod histories;
mod program;
pub mod reference;
mod shrink;
pub mod strategies;
mod test_block;

pub use program::{Declared, Program, ProgramError, ProgramVm, Seen, Step};
pub use shrink::{Shrinking, shrink};
pub use test_block::{TestBlock, assert_same};
