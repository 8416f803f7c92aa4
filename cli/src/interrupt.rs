//! Ctrl-C, the same for every command: the first one cancels, the second one ends the program at once.

use std::process;

use anyhow::Context;
use pleach::CancelToken;

/// The exit code of a command that was cancelled: as a shell reports it.
pub(crate) const CANCELLED: u8 = 130;

/// A token that Ctrl-C cancels.
pub(crate) fn token() -> anyhow::Result<CancelToken> {
    let token = CancelToken::new();
    let on_signal = token.clone();
    ctrlc::set_handler(move || {
        // Who asks twice does not want to wait.
        if on_signal.is_cancelled() {
            process::exit(CANCELLED.into());
        }
        on_signal.cancel();
    })
    .context("Ctrl-C cannot be caught")?;
    Ok(token)
}
