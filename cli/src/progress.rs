//! The progress bar, on standard error where that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What a bar looks like.
pub(crate) const BAR: &str = "{bar:32} {pos}/{len} {elapsed} {msg}";

pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar of so many steps. There is no thread that redraws it: it would take time from what is measured.
    pub(crate) fn new(hidden: bool, steps: usize) -> Self {
        let target = if hidden {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(steps as u64), target);
        let style = ProgressStyle::with_template(BAR);
        Self(match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    /// A file that counted as one step has so many blocks.
    pub(crate) fn expand(&self, blocks: usize) {
        self.0.inc_length((blocks as u64).saturating_sub(1));
    }

    /// Says what is being done.
    pub(crate) fn say(&self, message: String) {
        self.0.set_message(message);
    }

    /// Shows that time goes by.
    pub(crate) fn tick(&self) {
        self.0.tick();
    }

    /// A block, or an unreadable file, is done.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
