//! Makes blocks small.

use super::{Declared, Step, TestBlock};
use crate::{
    rule::{OnFailure, OnUndeclared},
    state::MemoryState,
};

/// The smallest block that is found from this one by leaving things out and making them simpler, for which `shows` still says
/// yes; it asks at most `most` times.
///
/// Transactions go first, half of them at once, then steps, declarations, options and numbers, until nothing more can go.
///
/// # Examples
///
/// ```
/// use pleach::testkit::{Step, TestBlock, shrink};
///
/// let block = TestBlock::from_seed(1);
/// let adds = |block: &TestBlock| {
///     let steps = block.transactions.iter().flat_map(|program| &program.steps);
///     steps.filter(|step| matches!(step, Step::Add(..))).count() >= 2
/// };
/// let small = shrink(&block, 10_000, adds);
/// let steps: usize = small.transactions.iter().map(|program| program.steps.len()).sum();
/// assert_eq!(steps, 2);
/// ```
pub fn shrink(block: &TestBlock, most: usize, shows: impl FnMut(&TestBlock) -> bool) -> TestBlock {
    let mut blocks = Blocks(Shrinking::new(block.clone(), most, shows));
    while blocks.pass() {}
    blocks.0.into_best()
}

/// Makes something smaller, change by change, as long as it still shows what it is to show.
#[derive(Debug)]
pub struct Shrinking<T, F> {
    best: T,
    left: usize,
    shows: F,
}

impl<T: Clone + PartialEq, F: FnMut(&T) -> bool> Shrinking<T, F> {
    /// Begins with this. It will be asked whether it `shows` anything at most `most` times.
    pub fn new(whole: T, most: usize, shows: F) -> Self {
        Self {
            best: whole,
            left: most,
            shows,
        }
    }

    /// The smallest so far.
    pub fn best(&self) -> &T {
        &self.best
    }

    /// The smallest.
    pub fn into_best(self) -> T {
        self.best
    }

    /// Keeps what was changed, if anything was, and if it still shows what it is to show. Changes have to go one way: whoever tries
    /// all of them as long as any is kept comes to an end.
    pub fn keep(&mut self, change: impl FnOnce(&mut T)) -> bool {
        let mut changed = self.best.clone();
        change(&mut changed);
        if self.left == 0 || changed == self.best {
            return false;
        }
        self.left -= 1;
        let shows = (self.shows)(&changed);
        if shows {
            self.best = changed;
        }
        shows
    }

    /// Leaves out what a list can do without: half of it at once at first, and single elements in the end. Whether any were.
    pub fn leave_out<E>(&mut self, list: impl Fn(&mut T) -> &mut Vec<E>) -> bool {
        let mut helped = false;
        let mut left = list(&mut self.best).len();
        let mut length = left.div_ceil(2);
        while length > 0 {
            let mut from = 0;
            while from < left {
                let to = left.min(from + length);
                if self.keep(|whole| drop(list(whole).drain(from..to))) {
                    helped = true;
                    left = list(&mut self.best).len();
                } else {
                    from += length;
                }
            }
            length /= 2;
        }
        helped
    }
}

struct Blocks<F>(Shrinking<TestBlock, F>);

impl<F: FnMut(&TestBlock) -> bool> Blocks<F> {
    fn best(&self) -> &TestBlock {
        self.0.best()
    }

    fn keep(&mut self, change: impl FnOnce(&mut TestBlock)) -> bool {
        self.0.keep(change)
    }

    /// Tries everything once; whether anything helped.
    fn pass(&mut self) -> bool {
        let mut helped = self.0.leave_out(|block| &mut block.transactions);
        for index in 0..self.best().transactions.len() {
            helped |= self.program(index);
        }
        helped |= self.keep(|block| block.state = MemoryState::new());
        let keys: Vec<u8> = self.best().state.iter().map(|(key, _)| *key).collect();
        for key in keys {
            helped |= self.keep(|block| {
                block.state.remove(&key);
            });
        }
        helped |= self.keep(|block| block.limit = None);
        helped |= self.keep(|block| block.rule_panics = None);
        helped |= self.keep(|block| block.on_failure = OnFailure::default());
        helped | self.keep(|block| block.on_undeclared = OnUndeclared::default())
    }

    fn program(&mut self, index: usize) -> bool {
        let mut helped = self.keep(|block| block.transactions[index].declared = Declared::Nothing);
        helped |= self.keep(|block| block.transactions[index].steps.clear());
        let mut step = 0;
        while step < self.best().transactions[index].steps.len() {
            if self.keep(|block| {
                block.transactions[index].steps.remove(step);
            }) {
                helped = true;
                continue;
            }
            if let Some(simpler) = simpler(&self.best().transactions[index].steps[step]) {
                helped |= self.keep(|block| block.transactions[index].steps[step] = simpler);
            }
            step += 1;
        }
        helped
    }
}

fn simpler(step: &Step) -> Option<Step> {
    Some(match *step {
        Step::Put(key, _) => Step::Put(key, 1),
        Step::Add(key, _) => Step::Add(key, 1),
        Step::Subtract(key, _) => Step::Subtract(key, 1),
        Step::AtLeast(key, _) => Step::AtLeast(key, 1),
        Step::AddWithin(key, amount, ..) => Step::Add(key, amount),
        Step::Scan(..) => Step::ScanAll,
        Step::FailIfMultiple(_) => Step::Fail,
        _ => return None,
    })
}
