//! Whether a block is worth more than one thread, by how its transactions go serially.
//!
//! Nobody knows what a transaction costs before one has run. So a block of which not everything is known beforehand begins
//! serially, for so short a time that little is lost if it should have begun otherwise; small blocks are over by then. As long
//! as one thread seems to be as good for what is left, it goes on like that, and is asked again. If blocks before it have
//! [shown](super::costs::Experience) what such transactions take, and several are better by that, there is no need to begin so; still less
//! if a tree came with the block, by which it can be executed in lanes.

use std::{num::NonZeroUsize, time::Duration};

use super::outlook::{Outlook, WORTH};
use crate::sync::Moment;

/// How long transactions are watched between two decisions: some times what it takes until another thread is awake.
const WATCH: Duration = Duration::from_micros(40);

/// About how often one looks at the clock.
const LOOK: Duration = Duration::from_micros(3);

/// So few transactions, which nothing was in the caches for, say little of the others, unless they have taken so long.
const SOME: usize = 4;
const LONG: Duration = Duration::from_micros(120);

/// What transactions of other blocks took counts if not one in `MOST` of this block is of a kind that nothing is known of, and if those kinds of
/// which it has at least a handful take one worker so many seconds by that: blocks are less alike than their transactions, and a few alike
/// at all. To see first what a smaller block is like costs little.
const HANDFUL: usize = 16;
const MOST: usize = 16;
const LARGE: f64 = 800e-6;

/// The same for lanes by a tree, which says what depends on what.
const HANDFUL_BY_TREE: usize = 4;
const LARGE_BY_TREE: f64 = 400e-6;

/// How many seconds lanes have to win then for all.
const WINS: f64 = 2.0 * WORTH;

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
    /// `None` until it was guessed whether they are going to be needed. Then whether it looked so, and nobody has been told.
    promises: Option<bool>,
    choice: Choice,
    /// Whether it is large by what blocks before it have shown.
    is_large: bool,
    /// Whether it could be executed in lanes.
    lanes: bool,
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
    /// By several, in lanes, unless too many transactions depend on each other.
    Lanes,
}

impl Choice {
    /// By what is known.
    fn of(outlook: &Outlook, workers: NonZeroUsize, lanes: bool) -> Self {
        if lanes && outlook.is_for_lanes(workers, 0.0) {
            Choice::Lanes
        } else if outlook.is_for_stretches(workers) {
            Choice::Split
        } else if outlook.is_for_many(workers) {
            Choice::Beside
        } else {
            Choice::Alone
        }
    }
}

impl Trial {
    /// Watches a block that so many workers could execute, none of which has run. If several are needed by what blocks
    /// [before](Outlook::new) it have shown, it is over already. It could be executed in `lanes` if a tree came with it.
    pub(super) fn new(mut outlook: Outlook, workers: NonZeroUsize, lanes: bool) -> Self {
        let is_known = outlook.unknown() * MOST < outlook.left();
        let is_large = is_known && outlook.usual(HANDFUL) > LARGE;
        let is_large_by_tree = is_known && lanes && outlook.usual(HANDFUL_BY_TREE) > LARGE_BY_TREE;
        let choice = if is_large {
            Choice::of(&outlook, workers, lanes)
        } else if is_large_by_tree && wins_in_lanes(&outlook, workers, 0.0) {
            Choice::Lanes
        } else {
            Choice::Alone
        };
        if choice == Choice::Alone {
            outlook.forget_costs();
        }
        Self {
            choice,
            is_large,
            outlook,
            begun: Moment::now(),
            last: Duration::ZERO,
            done: 0,
            keys: 0,
            since: 0,
            class: 0,
            next: 1,
            until: WATCH,
            workers,
            promises: None,
            lanes,
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
        self.promises.as_mut().is_some_and(std::mem::take)
    }

    /// What was found out so far.
    pub(super) fn outlook(&self) -> &Outlook {
        &self.outlook
    }

    pub(super) fn choice(&self) -> Choice {
        self.choice
    }

    /// Whether what is left is for lanes if the dearest group takes such a part of all.
    pub(super) fn is_for_lanes(&self, dearest: f64) -> bool {
        if self.is_large || self.done > 0 {
            self.outlook.is_for_lanes(self.workers, dearest)
        } else {
            wins_in_lanes(&self.outlook, self.workers, dearest)
        }
    }

    /// The block is not for lanes.
    pub(super) fn exclude_lanes(&mut self) {
        self.lanes = false;
        self.choice = if self.is_large || self.done > 0 {
            Choice::of(&self.outlook, self.workers, false)
        } else {
            Choice::Alone
        };
        if self.choice == Choice::Alone {
            self.outlook.forget_costs();
        }
        // To find that out took time, but no transaction's.
        if self.done == 0 {
            self.begun = Moment::now();
        } else {
            self.last = self.begun.elapsed();
            self.until = self.last + WATCH;
        }
    }

    /// What was found out.
    pub(super) fn into_outlook(self) -> Outlook {
        self.outlook
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
                && self.promises.is_none()
                && let Some(gain) = self.outlook.gain(self.workers)
            {
                self.promises = Some(gain > PROMISING * WORTH);
            }
            return false;
        }
        self.until = now + WATCH;
        self.choice = Choice::of(&self.outlook, self.workers, self.lanes);
        self.choice != Choice::Alone
    }
}

/// Whether to begin in lanes is better than to see first what the block is like: that takes more of a small one than to choose well is worth.
fn wins_in_lanes(outlook: &Outlook, workers: NonZeroUsize, dearest: f64) -> bool {
    let lanes = outlook.in_lanes(workers.get(), dearest);
    let times = outlook.alone().zip(lanes);
    times.is_some_and(|(alone, lanes)| {
        alone - lanes > WINS && (alone <= LARGE || outlook.is_for_lanes(workers, dearest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        parallel::costs::{Costs, Experience},
        testkit::{Program, ProgramVm, Step},
    };

    /// What a block of so many transactions begins with, after one in which each took so many seconds.
    fn begun(transactions: usize, each: f64, lanes: bool) -> Trial {
        let experience = Experience::default();
        let mut costs = Costs::default();
        (0..3).for_each(|_| costs.ran(0, 1, each, 4));
        experience.learn("vm", (&costs, &costs), (None, None));
        let programs = vec![Program::new([Step::Get(1)]); transactions];
        let outlook = Outlook::new(&ProgramVm, &programs, 0, &experience.of("vm"));
        Trial::new(
            outlook,
            NonZeroUsize::new(2).expect("two is not zero"),
            lanes,
        )
    }

    #[test]
    fn large_blocks_need_no_trial_after_others() {
        for (transactions, each, choice) in [
            (2_000, 1e-6, Choice::Split),
            (200, 30e-6, Choice::Beside),
            // What it is like itself is seen soon enough.
            (20, 30e-6, Choice::Alone),
            (10, 300e-6, Choice::Alone),
        ] {
            let trial = begun(transactions, each, false);
            assert_eq!(trial.choice, choice, "{transactions} {each}");
            let is_known = trial.outlook.alone().is_some();
            assert_eq!(is_known, choice != Choice::Alone);
        }
    }

    #[test]
    fn smaller_ones_need_none_if_they_have_a_tree_that_is_good_for_lanes() {
        for (transactions, each, otherwise) in [
            (15, 50e-6, Choice::Alone),
            (10, 300e-6, Choice::Alone),
            (200, 30e-6, Choice::Beside),
        ] {
            let mut trial = begun(transactions, each, true);
            assert_eq!(trial.choice, Choice::Lanes, "{transactions}");
            assert!(trial.is_for_lanes(0.2) && !trial.is_for_lanes(0.97));
            trial.exclude_lanes();
            assert_eq!(trial.choice, otherwise, "{transactions}");
        }
        // What it would win is lost by beginning.
        assert_eq!(begun(200, 1e-6, true).choice, Choice::Alone);
    }
}
