//! `pleach replay`.

use std::process::ExitCode;

/// Arguments of `pleach replay`.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {}

/// Runs the command.
pub(crate) fn run(_: &Arguments) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
