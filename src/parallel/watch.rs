//! Measures what transactions take while a worker executes them one after another.

use std::time::Duration;

use super::{costs::Costs, outlook::Outlook};
use crate::sync::Moment;

/// Measures what transactions take, of which those of one class that follow each other are measured together, but not more than so many.
pub(super) struct Watch<'r> {
    outlook: &'r Outlook,
    pub(super) costs: Costs,
    begun: Moment,
    /// When it was measured last, and how many keys had been touched by then.
    last: Duration,
    keys: usize,
    /// How many have run since.
    since: usize,
}

const TOGETHER: usize = 16;

impl<'r> Watch<'r> {
    pub(super) fn new(outlook: &'r Outlook) -> Self {
        Self {
            outlook,
            costs: Costs::default(),
            begun: Moment::now(),
            last: Duration::ZERO,
            keys: 0,
            since: 0,
        }
    }

    /// One more has run, and the `next` one is next, if that is known; all so far have touched so many keys.
    pub(super) fn count(&mut self, index: usize, next: Option<usize>, keys: usize) {
        self.since += 1;
        let class = self.outlook.class(index);
        let next = next.and_then(|next| self.outlook.class(next));
        if self.since < TOGETHER && next == class {
            return;
        }
        let now = self.begun.elapsed();
        if let Some(class) = class {
            let took = now.saturating_sub(self.last);
            let new = keys - self.keys;
            self.costs.ran(class, self.since, took.as_secs_f64(), new);
        }
        *self = Self {
            last: now,
            keys,
            since: 0,
            ..*self
        };
    }
}
