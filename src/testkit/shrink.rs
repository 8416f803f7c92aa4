//! Makes blocks small.

use super::{Declared, Program, Step, TestBlock};
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
    let mut shrinking = Shrinking {
        best: block.clone(),
        left: most,
        shows,
    };
    while shrinking.pass() {}
    shrinking.best
}

struct Shrinking<F> {
    best: TestBlock,
    left: usize,
    shows: F,
}

impl<F: FnMut(&TestBlock) -> bool> Shrinking<F> {
    /// Keeps what was changed if it still shows what it is to show.
    fn keep(&mut self, change: impl FnOnce(&mut TestBlock)) -> bool {
        let mut changed = self.best.clone();
        change(&mut changed);
        if self.left == 0 || size(&changed) >= size(&self.best) {
            return false;
        }
        self.left -= 1;
        let shows = (self.shows)(&changed);
        if shows {
            self.best = changed;
        }
        shows
    }

    /// Tries everything once; whether anything helped.
    fn pass(&mut self) -> bool {
        let mut helped = self.transactions();
        for index in 0..self.best.transactions.len() {
            helped |= self.program(index);
        }
        helped |= self.keep(|block| block.state = MemoryState::new());
        let keys: Vec<u8> = self.best.state.iter().map(|(key, _)| *key).collect();
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

    /// Leaves transactions out.
    fn transactions(&mut self) -> bool {
        let mut helped = false;
        let mut length = self.best.transactions.len().div_ceil(2);
        while length > 0 {
            let mut from = 0;
            while from < self.best.transactions.len() {
                let to = self.best.transactions.len().min(from + length);
                if self.keep(|block| {
                    block.transactions.drain(from..to);
                }) {
                    helped = true;
                } else {
                    from += length;
                }
            }
            length /= 2;
        }
        helped
    }

    fn program(&mut self, index: usize) -> bool {
        let mut helped = self.keep(|block| block.transactions[index].declared = Declared::Nothing);
        helped |= self.keep(|block| block.transactions[index].steps.clear());
        let mut step = 0;
        while step < self.best.transactions[index].steps.len() {
            if self.keep(|block| {
                block.transactions[index].steps.remove(step);
            }) {
                helped = true;
                continue;
            }
            if let Some(simpler) = simpler(&self.best.transactions[index].steps[step]) {
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

/// What is to become less with every change.
fn size(block: &TestBlock) -> u64 {
    let number = |number: u64| u64::from(number > 1);
    let step = |step: &Step| match *step {
        Step::Put(_, amount)
        | Step::Add(_, amount)
        | Step::Subtract(_, amount)
        | Step::AtLeast(_, amount) => 8 + number(amount),
        Step::AddWithin(..) | Step::Scan(..) => 11,
        Step::FailIfMultiple(_) => 9,
        _ => 8,
    };
    let program = |program: &Program| {
        let declared = u64::from(program.declared != Declared::Nothing);
        16 + declared + program.steps.iter().map(step).sum::<u64>()
    };
    let programs: u64 = block.transactions.iter().map(program).sum();
    let options = u64::from(block.limit.is_some())
        + u64::from(block.rule_panics.is_some())
        + u64::from(block.on_failure != OnFailure::default())
        + u64::from(block.on_undeclared != OnUndeclared::default());
    programs + options + block.state.len() as u64
}
