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
        if is_cancelled(&error) {
            Stopped::Cancelled
        } else {
            Stopped::Failed(with_causes(&error))
        }
    }
}

/// Whether nobody wants the block any more.
pub(crate) fn is_cancelled(error: &BlockError) -> bool {
    matches!(
        error,
        BlockError::Execute { error, .. } if matches!(error.kind(), ExecuteErrorKind::Cancelled)
    )
}
