//! What becomes of the blocks, told while it happens.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What became of a block.
pub(super) enum Fetched {
    Written {
        transactions: usize,
    },
    /// Its file was there already.
    Skipped,
    /// It was written, but does not match its header.
    Mismatched(Vec<String>),
}

/// A bar on a terminal, lines elsewhere, and counts.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    written: usize,
    skipped: usize,
    pub(super) failed: usize,
}

impl Progress {
    pub(super) fn new(count: u64, quiet: bool) -> Self {
        let on_terminal = !quiet && io::stderr().is_terminal();
        Self {
            bar: on_terminal.then(|| bar(count)),
            quiet,
            written: 0,
            skipped: 0,
            failed: 0,
        }
    }

    /// Tells what became of a block.
    pub(super) fn tell(&mut self, number: u64, result: anyhow::Result<Fetched>) {
        match result {
            Ok(Fetched::Written { transactions }) => {
                self.written += 1;
                self.good(|| format!("block {number}: {transactions} transactions"));
            }
            Ok(Fetched::Skipped) => {
                self.skipped += 1;
                self.good(|| format!("block {number}: there already"));
            }
            Ok(Fetched::Mismatched(checks)) => {
                self.failed += 1;
                self.say(&format!(
                    "FAILED: block {number} was written but does not match its header\n  {}",
                    checks.join("\n  ")
                ));
            }
            Err(error) => {
                self.failed += 1;
                self.say(&format!("FAILED: block {number}: {error:#}"));
            }
        }
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// Ends with the counts.
    pub(super) fn finish(&self, folder: &std::path::Path) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.say(&format!(
            "{} blocks captured into {}, {} were there already, {} failed",
            self.written,
            folder.display(),
            self.skipped,
            self.failed
        ));
    }

    /// A line for a block that went well: the bar shows it, where there is one.
    fn good(&self, line: impl FnOnce() -> String) {
        if !self.quiet && self.bar.is_none() {
            self.say(&line());
        }
    }

    /// Writes a line to stderr. If nobody listens there, the files and the exit code still tell.
    fn say(&self, line: &str) {
        let say = || {
            let _ = writeln!(io::stderr(), "{line}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }
}

fn bar(count: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} blocks, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(count), ProgressDrawTarget::stderr()).with_style(style)
}
