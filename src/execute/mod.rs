//! The ways of executing a block.
//!
//! | file | what |
//! | --- | --- |
//! | `serial.rs` | the plain in-order loop: the specification of all others |
//! | `overlay.rs` | the state that the serial loop works on |
//! | `slots.rs` | finds what is known of a key |
//! | `scan.rs` | range scans over keys that were written since |
//! | `lookup.rs` | what a VM can ask of a view that knows every value |
//! | `observe.rs` | the serial loop, watched: what transactions touch, and how long they take |
//! | `record.rs` | writes down what transactions touch, in any executor |
//! | `fold.rs` | the ordered fold that settles each transaction, the same for every executor |

mod fold;
mod lookup;
mod observe;
mod overlay;
mod record;
mod scan;
mod serial;
mod slots;

pub use observe::Recording;
pub use serial::SerialExecutor;

pub(crate) use fold::{Attempt, Fold, Settled};
pub(crate) use lookup::{Asked, Lookup, add_known};
pub(crate) use overlay::{Before, Known, Overlay, Trouble, View, allows, number};
pub(crate) use record::{Pen, Recorder};
pub(crate) use scan::merge;
#[cfg(feature = "determinism")]
pub(crate) use serial::Observer;
pub(crate) use serial::Rest;
pub(crate) use slots::spread;

use crate::{block::Block, error::ExecuteError, outcome::Outcome, state::State, vm::Vm};

/// A way of executing blocks. All of them give the same outcome; they differ in how fast they reach it.
pub trait Executor {
    /// Executes `block`.
    ///
    /// # Errors
    ///
    /// If the state fails, the VM panics or the caller cancels, there is no outcome. What a transaction does wrong is
    /// part of the outcome instead.
    fn execute<V: Vm, S: State<V::Key, V::Value>>(
        &self,
        block: Block<'_, V, S>,
    ) -> Result<Outcome<V>, ExecuteError>;
}
