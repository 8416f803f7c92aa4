//! Whether a block is worth more than one thread, by how its transactions go serially.
//!
//! Nobody knows what a transaction costs before one has run. So a block of which not everything is known beforehand begins
//! serially, for so short a time that little is lost if it should have begun otherwise; small blocks are over by then. As long
//! as one thread seems to be as good for what is left, it goes on like that, and is asked again.

use std::{num::NonZeroUsize, time::Duration};

use super::outlook::{Outlook, WORTH};
use crate::{sync::Moment, vm::Vm};

/// How long transactions are watched between two decisions: some times what it takes until another thread is awake.
const WATCH: Duration = Duration::from_micros(40);

/// About how often one looks at the clock.
const LOOK: Duration = Duration::from_micros(3);

/// So few transactions, which nothing was in the caches for, say little of the others, unless they have taken so long.
const SOME: usize = 4;
const LONG: Duration = Duration::from_micros(120);

/// When to guess whether they are going to be needed, once, and how many times as much they have to win then: if so they are woken, and
/// awake when that is decided.
const GUESS: Duration = Duration::from_micros(10);
const PROMISING: f64 = 2.0;

/// The first transactions of a block, while they run.
pub(super) struct Trial {
    outlook: Outlook,
    begun: Moment,
    /// When one looked at the clock last, and after how many transactions, which had touched how many keys.
    last: Duration,
    done: usize,
    keys: usize,
    /// How many have run since, all of this class.
    since: usize,
    class: usize,
    /// After how many to look again.
    next: usize,
    /// When to decide again.
    until: Duration,
    workers: NonZeroUsize,
    has_guessed: bool,
    is_promising: bool,
    choice: Choice,
}

/// How what is left is probably executed fastest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Choice {
    /// By one worker.
    Alone,
    /// By several, one transaction beside others.
    Beside,
    /// By several, in stretches.
    Split,
}

impl Trial {
    /// Watches a block that so many workers could execute.
    pub(super) fn new<V: Vm>(
        vm: &V,
        transactions: &[V::Transaction],
        workers: NonZeroUsize,
    ) -> Self {
        Self {
            outlook: Outlook::new(vm, transactions, 0),
            begun: Moment::now(),
            last: Duration::ZERO,
            done: 0,
            keys: 0,
            since: 0,
            class: 0,
            next: 1,
            until: WATCH,
            workers,
            has_guessed: false,
            is_promising: false,
            choice: Choice::Alone,
        }
    }

    /// Counts the next transaction that was executed, and says whether what is left is probably executed faster by several workers. All
    /// so far have touched so many `keys`.
    pub(super) fn is_over(&mut self, index: usize, keys: usize) -> bool {
        let Some(class) = self.outlook.class(index) else {
            return false;
        };
        // What a rule has left out before it is done as well.
        for done in self.done..=index {
            if let Some(class) = self.outlook.class(done) {
                self.outlook.done(class);
            }
        }
        self.done = index + 1;
        self.since += 1;
        self.class = class;
        let goes_on = self.outlook.class(self.done) == Some(class);
        if self.since < self.next && goes_on {
            return false;
        }
        let now = self.begun.elapsed();
        self.look(now, keys)
    }

    /// Whether it looks as if several workers were going to be needed: says so once.
    pub(super) fn becomes_promising(&mut self) -> bool {
        std::mem::take(&mut self.is_promising)
    }

    /// What was found out.
    pub(super) fn into_outlook(self) -> (Outlook, Choice) {
        (self.outlook, self.choice)
    }

    fn look(&mut self, now: Duration, keys: usize) -> bool {
        let took = now.saturating_sub(self.last);
        let since = std::mem::take(&mut self.since);
        let new = keys.saturating_sub(self.keys);
        self.outlook.ran(self.class, since, took.as_secs_f64(), new);
        (self.last, self.keys) = (now, keys);
        let each = took.as_nanos() / since.max(1) as u128;
        self.next = 1 + (LOOK.as_nanos() / each.max(1)).min(64) as usize;
        if now < self.until || (self.done < SOME && now < LONG) {
            if now > GUESS
                && !self.has_guessed
                && let Some(gain) = self.outlook.gain(self.workers)
            {
                self.has_guessed = true;
                self.is_promising = gain > PROMISING * WORTH;
            }
            return false;
        }
        self.until = now + WATCH;
        self.choice = if self.outlook.is_for_stretches(self.workers) {
            Choice::Split
        } else if self.outlook.is_for_many(self.workers) {
            Choice::Beside
        } else {
            Choice::Alone
        };
        self.choice != Choice::Alone
    }
}
