//! What is left of a block, and how much faster several workers would probably be at that than one.

use std::num::NonZeroUsize;

use super::costs::{self, AGAIN, Before, CLASSES, Costs, MENDED};
use crate::vm::Vm;

/// What it costs to run a transaction optimistically beside others, and for each of its keys, in seconds. Measured on payments
/// and on blocks of Ethereum: between half and twice as much.
const EACH: f64 = 0.3e-6;
const EACH_KEY: f64 = 0.2e-6;

/// The same to run it in turn.
const EACH_IN_TURN: f64 = 0.1e-6;
const EACH_KEY_IN_TURN: f64 = 0.06e-6;

/// What it costs to look at one access that somebody has noted, in seconds, and what part of the work that may be: without hints few
/// attempts are in vain, and no hint saves more than one of a transaction's. Measured on Ethereum, roughly.
const EACH_HINT: f64 = 0.1e-6;
const HINTS: f64 = 0.05;

/// What it costs to run a transaction in a stretch, beside what it costs alone, and for each of its keys: what all workers share, and what
/// one of them does for the others. Measured on Ethereum, roughly.
const EACH_IN_STRETCH: f64 = 0.05e-6;
const EACH_KEY_IN_STRETCH: f64 = 0.07e-6;
const EACH_SETTLED: f64 = 0.05e-6;

/// What it costs to run a transaction in a lane, beside what it costs alone, and for each of its keys: to deal it, to compare what it was told, and to
/// settle it. Measured on Ethereum, roughly.
const EACH_IN_LANE: f64 = 0.25e-6;
const EACH_KEY_IN_LANE: f64 = 0.04e-6;

/// How many seconds the helpers have to win for all at least: some times what it takes to wake them.
pub(super) const WORTH: f64 = 60e-6;

/// What it takes to begin with stretches and to put them together, in seconds. Measured on Ethereum, roughly.
const AROUND: f64 = 60e-6;

/// The same for lanes. Of these more is done by one worker while others wait.
const AROUND_LANES: f64 = 120e-6;

/// How many times as long as it seems transactions take that are executed beside others, compared with stretches: what waits, and what is
/// in vain. Measured on Ethereum, roughly.
const OPTIMISM: f64 = 1.15;

/// The same for stretches, compared with lanes.
const STRETCHES: f64 = 1.25;

/// What one worker does in so many seconds is all split at once if most of it is probably right: to look first costs more than it saves.
pub(super) const SMALL: f64 = 16e-3;

/// If transactions could be executed beside others as well, of which more are right, those of such a block have to take less than so many
/// seconds each; or it takes one worker so many seconds that to look first how many are right costs next to nothing.
const DEAR: f64 = 6e-6;
const VERY_LARGE: f64 = 40e-3;

/// Some of what is done together is in vain, or waits.
const LOSS: f64 = 1.05;
const LOSS_IN_LANES: f64 = 1.1;

/// Transactions of one class.
#[derive(Clone, Copy, Default)]
struct Class {
    /// How many have not run, and how many have since [`Outlook::begin`].
    left: usize,
    done: usize,
    /// Where the last of them is, and how many of each class come after that.
    last: usize,
    after: [u32; CLASSES],
}

/// See the module.
pub(super) struct Outlook {
    classes: [Class; CLASSES],
    /// What those took that have run, and what was known before.
    costs: Costs,
    before: Before,
    /// What part of the transactions behind the first stretch was executed again, if that is known.
    again: Option<f64>,
    /// What part of what all take was spent on executing those of lanes again, if there are any by a tree.
    mended: Option<f64>,
    /// The class of each transaction, so that the VM is not asked again.
    of: Vec<u8>,
    /// The number of the first of them.
    first: usize,
}

/// What one worker would take for something, and what several would.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    pub(super) alone: f64,
    pub(super) together: f64,
    /// How long those who are done wait for the last, on average, all of them counted as one that works.
    pub(super) end: f64,
}

impl Estimate {
    /// How many times as fast several are.
    pub(super) fn speed(self) -> f64 {
        if self.together > 0.0 {
            self.alone / self.together
        } else {
            1.0
        }
    }
}

/// Whether a transaction is of one of so many classes, the lightest ones, or weighs nothing at all. Panics if the VM does.
pub(super) fn is_in_turn<V: Vm>(vm: &V, transaction: &V::Transaction, classes: usize) -> bool {
    let weight = vm.weight(transaction);
    weight == 0 || costs::class_of(weight) < classes
}

/// What one transaction of a class takes, and how many keys it has, by what is known of the nearest class.
fn guess(known: &[(usize, (f64, f64))], class: usize) -> Option<(f64, f64)> {
    let nearest = known.iter().min_by_key(|(other, _)| other.abs_diff(class));
    let (other, (took, keys)) = nearest?;
    // Twice the weight is twice the work; but weights are guesses, so if only lighter ones have run, half of that.
    let half = if class > *other { 0.5 } else { 1.0 };
    let one = took * half * f64::from(1_u32 << class) / f64::from(1_u32 << *other);
    Some((one, *keys))
}

impl Outlook {
    /// On these transactions from the `first` on, none of which has run.
    pub(super) fn new<V: Vm>(
        vm: &V,
        transactions: &[V::Transaction],
        first: usize,
        before: &Before,
    ) -> Self {
        let of = transactions[first..].iter();
        let of = of.map(|transaction| costs::class(vm, transaction) as u8);
        Self {
            before: *before,
            ..Self::of(of.collect(), first)
        }
    }

    /// On transactions of these classes.
    fn of(of: Vec<u8>, first: usize) -> Self {
        let mut classes = [Class::default(); CLASSES];
        let mut after = [0; CLASSES];
        for (at, number) in of.iter().enumerate().rev() {
            let number = usize::from(*number);
            let class = &mut classes[number];
            if class.left == 0 {
                (class.last, class.after) = (at, after);
            }
            class.left += 1;
            after[number] += 1;
        }
        Self {
            classes,
            costs: Costs::default(),
            before: Before::default(),
            again: None,
            mended: None,
            of,
            first,
        }
    }

    /// The class of a transaction of those that it is on.
    #[inline]
    pub(super) fn class(&self, index: usize) -> Option<usize> {
        let class = self.of.get(index.checked_sub(self.first)?)?;
        Some(usize::from(*class))
    }

    /// What each transaction probably takes, in some unit.
    pub(super) fn costs(&self) -> impl Fn(usize) -> f64 {
        let each = self.each();
        move |index| self.class(index).map_or(1.0, |class| each[class])
    }

    /// What one transaction of each class probably takes; by its weight alone if nothing is known.
    fn each(&self) -> [f64; CLASSES] {
        let known = self.known();
        std::array::from_fn(|class| {
            guess(&known, class).map_or_else(|| f64::from(1_u32 << class), |(one, _)| one)
        })
    }

    /// The classes of which some have run, or had before, with what one takes and how many keys it has.
    fn known(&self) -> Vec<(usize, (f64, f64))> {
        let typical = |class| self.costs.typical(class, &self.before);
        let known = (0..CLASSES).filter_map(|class| Some((class, typical(class)?)));
        known.collect()
    }

    /// What is left begins with this transaction.
    pub(super) fn go_on_at(&mut self, index: usize) {
        for class in &mut self.classes {
            class.left = 0;
        }
        for class in self.of.iter().skip(index.saturating_sub(self.first)) {
            self.classes[usize::from(*class)].left += 1;
        }
    }

    /// How many transactions are left of classes of which nothing is known.
    pub(super) fn unknown(&self) -> usize {
        let classes = self.classes.iter().enumerate();
        let unknown =
            classes.filter(|(class, _)| self.costs.typical(*class, &self.before).is_none());
        unknown.map(|(_, class)| class.left).sum()
    }

    /// How many transactions are left.
    pub(super) fn left(&self) -> usize {
        self.classes.iter().map(|class| class.left).sum()
    }

    /// From here on those that are done are [past](Self::past).
    pub(super) fn begin(&mut self) {
        for class in &mut self.classes {
            class.done = 0;
        }
    }

    /// One of a class is done.
    pub(super) fn done(&mut self, class: usize) {
        let class = &mut self.classes[class];
        class.left = class.left.saturating_sub(1);
        class.done += 1;
    }

    /// See [`Costs::ran`].
    pub(super) fn ran(&mut self, class: usize, count: usize, took: f64, keys: usize) {
        self.costs.ran(class, count, took, keys);
    }

    /// What transactions took before the block does not count.
    pub(super) fn forget_costs(&mut self) {
        self.before.forget_costs();
    }

    /// Such a part of the transactions behind the first stretch was executed again, or would be.
    pub(super) fn show_again(&mut self, part: f64) {
        self.again = Some(part.min(1.0));
    }

    /// Such a part of what all take was spent on executing transactions of lanes again, or all was in vain.
    pub(super) fn show_mended(&mut self, part: f64) {
        self.mended = Some(part.min(1.0));
    }

    /// What the block has shown of stretches, and of lanes, if it was executed in these.
    pub(super) fn again(&self) -> (Option<f64>, Option<f64>) {
        (self.again, self.mended)
    }

    /// Whether blocks before this one have shown that not more than one in so `many` transactions behind the first stretch is executed
    /// again.
    pub(super) fn is_probably_right(&self, many: usize) -> bool {
        let again = self.before.again;
        again.is_some_and(|again| again * many as f64 <= 1.0)
    }

    /// Others of the block took this.
    pub(super) fn add(&mut self, costs: &Costs) {
        self.costs.add(costs);
    }

    /// What those of the block took that have run.
    pub(super) fn shown(&self) -> &Costs {
        &self.costs
    }

    /// What is left, for so many workers. `None` if nothing is known of it.
    pub(super) fn coming(&self, workers: usize) -> Option<Estimate> {
        Some(self.best(workers, true, |class| class.left)?.0)
    }

    /// How many seconds so many workers would probably win if they executed transactions beside others, if anything is known of that.
    pub(super) fn gain(&self, workers: NonZeroUsize) -> Option<f64> {
        let Estimate {
            alone,
            together,
            end,
        } = self.coming(workers.get())?;
        (self.left() > 1).then_some(alone - together - end)
    }

    /// Whether that is worth it.
    pub(super) fn is_for_many(&self, workers: NonZeroUsize) -> bool {
        self.gain(workers).is_some_and(|gain| gain > WORTH)
    }

    /// What one worker would probably take for what is left, in seconds.
    pub(super) fn alone(&self) -> Option<f64> {
        Some(self.coming(1)?.alone)
    }

    /// The same for what is left of those classes of which at least so many are.
    pub(super) fn usual(&self, least: usize) -> f64 {
        let each = self.each();
        let left = self.classes.iter().map(|class| class.left).zip(each);
        let usual = left.filter(|(left, _)| *left >= least);
        usual.map(|(left, one)| left as f64 * one).sum()
    }

    /// How many seconds so many workers would probably take for what is left in stretches, if they take that beside others.
    fn in_stretches(&self, workers: NonZeroUsize, beside: Estimate) -> f64 {
        let known = self.known();
        let (mut all, mut left) = (0.0, 0.0);
        for (number, class) in self.classes.iter().enumerate() {
            let (one, keys) = guess(&known, number).unwrap_or_default();
            let count = class.left as f64;
            all += count * (one + EACH_IN_STRETCH + EACH_KEY_IN_STRETCH * keys);
            left += count;
        }
        let workers = workers.get() as f64;
        let again = self.before.again.unwrap_or(AGAIN);
        // Where some of very many go first, they show how much it is, so only what is out of the ordinary counts.
        let again = if beside.alone < SMALL {
            again
        } else {
            (again - AGAIN).max(0.0)
        };
        let again = beside.alone * again * (1.0 - 1.0 / workers);
        all / workers * LOSS + left * EACH_SETTLED + again + AROUND
    }

    /// Whether so many workers probably execute what is left in stretches in the shortest time, but for lanes.
    pub(super) fn is_for_stretches(&self, workers: NonZeroUsize) -> bool {
        let Some(beside) = self.coming(workers.get()) else {
            return false;
        };
        let stretches = self.in_stretches(workers, beside);
        if self.is_for_many(workers) {
            let is_cheap = beside.alone < SMALL && beside.alone < DEAR * self.left() as f64;
            (is_cheap && stretches < beside.together * OPTIMISM)
                || (beside.alone > VERY_LARGE && stretches < beside.together)
        } else {
            beside.alone - stretches > WORTH
        }
    }

    /// How many seconds so many workers would probably take for what is left in lanes by a tree, if the dearest group takes such a part of all.
    /// `None` if nothing is known.
    pub(super) fn in_lanes(&self, workers: usize, dearest: f64) -> Option<f64> {
        let alone = self.alone()?;
        let known = self.known();
        let left = self.classes.iter().enumerate();
        let each: f64 = left
            .map(|(number, class)| {
                let (_, keys) = guess(&known, number).unwrap_or_default();
                class.left as f64 * (EACH_IN_LANE + EACH_KEY_IN_LANE * keys)
            })
            .sum();
        let mended = self.before.mended.unwrap_or(MENDED);
        let shared = (alone / workers as f64 * LOSS_IN_LANES).max(alone * dearest);
        Some(shared + each + alone * mended + AROUND_LANES)
    }

    /// Whether so many workers are probably the fastest in lanes, as above.
    pub(super) fn is_for_lanes(&self, workers: NonZeroUsize, dearest: f64) -> bool {
        let lanes = self.in_lanes(workers.get(), dearest);
        let Some((lanes, beside)) = lanes.zip(self.coming(workers.get())) else {
            return false;
        };
        let otherwise = if self.is_for_stretches(workers) {
            self.in_stretches(workers, beside) * STRETCHES
        } else if self.is_for_many(workers) {
            (beside.together + beside.end) * OPTIMISM
        } else {
            beside.alone - WORTH
        };
        lanes < otherwise
    }

    /// How many classes, the lightest ones, are better executed in turn by one of so many workers: when all before is committed. To execute
    /// them beside others would cost more than it gains.
    pub(super) fn in_turn(&self, workers: usize) -> usize {
        self.best(workers, true, |class| class.left)
            .map_or(0, |(_, in_turn)| in_turn)
    }

    /// Whether to look at so many accesses that somebody has noted of what is left costs next to nothing.
    pub(super) fn affords(&self, accesses: usize) -> bool {
        self.coming(1)
            .is_none_or(|left| accesses as f64 * EACH_HINT < left.alone * HINTS)
    }

    /// What was done, for so many workers.
    pub(super) fn past(&self, workers: usize) -> Option<Estimate> {
        Some(self.best(workers, false, |class| class.done)?.0)
    }

    /// What so many workers take for something at best, and what of it one of them executes in turn then. If it `is_ahead` it counts where
    /// in the block it is.
    fn best(
        &self,
        workers: usize,
        is_ahead: bool,
        of: impl Fn(&Class) -> usize,
    ) -> Option<(Estimate, usize)> {
        let known = self.known();
        let all: usize = self.classes.iter().map(&of).sum();
        let workers = workers.min(all).max(1) as f64;
        let mut alone = [0.0; CLASSES];
        let (mut beside, mut in_turn) = (alone, alone);
        let mut each = alone;
        let mut cheap = 0;
        let counts = self.classes.iter().map(&of).enumerate();
        for (class, count) in counts.filter(|(_, count)| *count > 0) {
            let (one, keys) = guess(&known, class)?;
            let count = count as f64;
            each[class] = one;
            alone[class] = count * one;
            beside[class] = count * (one + EACH + EACH_KEY * keys);
            in_turn[class] = count * (one + EACH_IN_TURN + EACH_KEY_IN_TURN * keys);
            // Of those that take longer one had better execute several at a time.
            if one < EACH + EACH_KEY * keys {
                cheap = cheap.max(class + 1);
            }
        }
        // The last one has run for half of its time when there is nothing else left to do.
        let longest = each.iter().copied().fold(0.0, f64::max);
        let end = longest / 2.0 * (1.0 - 1.0 / workers);
        let together = |classes: usize| {
            // What is to be executed in turn after the last of the others has nobody to run beside: there one thread goes on, without the
            // cost.
            let others = self.classes[classes..].iter();
            let others = others.filter(|class| is_ahead && class.left > 0);
            let last = others.max_by_key(|class| class.last);
            let (mut turns, mut rest) = (0.0, 0.0);
            for (class, it) in self.classes[..classes].iter().enumerate() {
                let all = of(it).max(1);
                let after = last.map_or(0, |last| all.min(last.after[class] as usize));
                let share = after as f64 / all as f64;
                rest += alone[class] * share;
                turns += in_turn[class] * (1.0 - share);
            }
            let beside: f64 = beside[classes..].iter().sum();
            let shared = (turns + beside) / workers * LOSS;
            // No transaction is for two.
            let longest = each[classes..].iter().copied().fold(0.0, f64::max);
            shared.max(turns).max(longest - end) + rest
        };
        let lightest = (0..=cheap).map(|classes| (classes, together(classes)));
        let (classes, together) = lightest.min_by(|(_, a), (_, b)| a.total_cmp(b))?;
        let alone = alone.iter().sum();
        let estimate = Estimate {
            alone,
            together,
            end,
        };
        Some((estimate, classes))
    }
}

#[cfg(test)]
mod tests;
