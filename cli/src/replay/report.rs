//! What both forms of the result have in common.

use std::io;

use super::outcome::{BlockOutcome, Totals};
use crate::input::Unreadable;

/// A form of the result.
pub(super) trait Report {
    /// Before all else.
    fn begin(&mut self) -> io::Result<()>;

    /// A block is done.
    fn block(&mut self, block: BlockOutcome) -> io::Result<()>;

    /// An input gives no blocks.
    fn unreadable(&mut self, input: Unreadable) -> io::Result<()>;

    /// All is done, or cancelled.
    fn end(&mut self, totals: &Totals) -> io::Result<()>;
}
