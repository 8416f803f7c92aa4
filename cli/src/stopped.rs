//! Why there is no result of a block.

use pleach::ExecuteErrorKind;
use pleach_evm::BlockError;

use crate::text::with_causes;

/// Why there is no result of a block.
pub(crate) enum Stopped {
    /// Nobody wants it any more.
    Cancelled,
    /// It cannot be executed, for this reason.
    Failed(String),
}

impl From<BlockError> for Stopped {
    fn from(error: BlockError) -> Self {
        match &error {
            BlockError::Execute { error, .. }
                if matches!(error.kind(), ExecuteErrorKind::Cancelled) =>
            {
                Stopped::Cancelled
            }
            _ => Stopped::Failed(with_causes(&error)),
        }
    }
}
