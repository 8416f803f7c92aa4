//! The ordered fold over a block's transactions: what becomes of each, and where the block ends.
//!
//! Executors differ in how they come by a transaction's result. Once they have it, and all before it are settled, it
//! passes through here, one transaction after another.

use crate::{
    block::OnCommit,
    outcome::{Outcome, Reason, Statistics, TxOutcome},
    rule::{OnFailure, Rule, Verdict},
    state::Changes,
    times::{Clock, Spent},
    vm::Vm,
};

/// What an attempt at a transaction came to, if the runtime has nothing to object.
pub(crate) type Attempt<V> = Result<<V as Vm>::Output, Reason<<V as Vm>::Error>>;

/// Whether the changes of a transaction become part of the block's.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Settled {
    /// They do.
    Keep,
    /// They vanish.
    Discard,
}

/// The settled prefix of a block.
pub(crate) struct Fold<'a, V: Vm> {
    pub(crate) transactions: &'a [V::Transaction],
    rules: Vec<Box<dyn Rule<V> + 'a>>,
    on_failure: OnFailure,
    on_commit: Option<OnCommit<'a, V>>,
    outcomes: Vec<TxOutcome<V::Output, V::Error>>,
    ended: bool,
    pub(crate) statistics: Statistics,
    /// If the block is measured.
    pub(crate) clock: Option<Box<Clock>>,
}

impl<'a, V: Vm> Fold<'a, V> {
    pub(crate) fn new(
        transactions: &'a [V::Transaction],
        rules: Vec<Box<dyn Rule<V> + 'a>>,
        on_failure: OnFailure,
        on_commit: Option<OnCommit<'a, V>>,
        clock: Option<Box<Clock>>,
    ) -> Self {
        Self {
            transactions,
            rules,
            on_failure,
            on_commit,
            outcomes: Vec::with_capacity(transactions.len()),
            ended: false,
            statistics: Statistics::default(),
            clock,
        }
    }

    /// The transaction that is settled next, or `None` if there is none or a fatal one ended the block.
    pub(crate) fn next(&self) -> Option<(usize, &'a V::Transaction)> {
        if matches!(self.outcomes.last(), Some(TxOutcome::Fatal(_))) {
            return None;
        }
        let index = self.outcomes.len();
        Some((index, self.transactions.get(index)?))
    }

    /// How many transactions are settled.
    pub(crate) fn settled(&self) -> usize {
        self.outcomes.len()
    }

    /// Whether this transaction, which is settled, was executed, and its changes are part of the block's.
    pub(crate) fn is_kept(&self, index: usize) -> bool {
        matches!(self.outcomes.get(index), Some(TxOutcome::Executed(_)))
    }

    /// Whether a transaction ended the block, so that none after it is executed.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Asks whether the next transaction may be executed. If not, it is settled by that.
    #[must_use]
    pub(crate) fn admit(&mut self, index: usize, transaction: &V::Transaction) -> bool {
        if self.ended {
            self.push(TxOutcome::Skipped(Reason::BlockEnded));
            return false;
        }
        let refusal = self
            .rules
            .iter()
            .find_map(|rule| Self::refusal(rule.admit(index, transaction)));
        match refusal {
            None => true,
            Some(Refusal { outcome, ends }) => {
                self.ended |= ends;
                self.push(outcome);
                false
            }
        }
    }

    /// Settles the next transaction, which was admitted, by what its attempt came to.
    pub(crate) fn settle(
        &mut self,
        index: usize,
        transaction: &V::Transaction,
        attempt: Attempt<V>,
    ) -> Settled {
        let output = match attempt {
            Ok(output) => output,
            Err(reason) => {
                let outcome = match self.on_failure {
                    OnFailure::Skip => TxOutcome::Skipped(reason),
                    OnFailure::SkipRest => {
                        self.ended = true;
                        TxOutcome::Skipped(reason)
                    }
                    OnFailure::Fatal => TxOutcome::Fatal(reason),
                };
                self.push(outcome);
                return Settled::Discard;
            }
        };
        let mut last = false;
        for rule in &self.rules {
            let verdict = rule.settle(index, transaction, &output);
            last |= matches!(verdict, Verdict::IncludeLast);
            if let Some(Refusal { outcome, ends }) = Self::refusal(verdict) {
                self.ended |= ends;
                self.push(outcome);
                return Settled::Discard;
            }
        }
        for rule in &mut self.rules {
            rule.record(index, transaction, &output);
        }
        self.ended |= last;
        self.push(TxOutcome::Executed(output));
        Settled::Keep
    }

    /// Counts what was spent on transactions.
    pub(crate) fn spent(&mut self, spent: Spent) {
        self.statistics.deceived += spent.deceived;
        self.statistics.waited += spent.waited;
        self.statistics.state_reads += spent.state_reads;
        if let Some(clock) = &mut self.clock {
            clock.spent(spent);
        }
    }

    /// The outcome of the block, once its changes are known.
    pub(crate) fn finish(self, changes: Changes<V::Key, V::Value>) -> Outcome<V> {
        Outcome {
            transactions: self.outcomes,
            changes,
            statistics: self.statistics,
            conflicts: Vec::new(),
            times: self.clock.map(|clock| clock.stop()),
        }
    }

    fn refusal(verdict: Verdict) -> Option<Refusal<V>> {
        let (outcome, ends) = match verdict {
            Verdict::Include | Verdict::IncludeLast => return None,
            Verdict::Skip(error) => (TxOutcome::Skipped(Reason::Refused(error)), false),
            Verdict::SkipRest(error) => (TxOutcome::Skipped(Reason::Refused(error)), true),
            Verdict::Fatal(error) => (TxOutcome::Fatal(Reason::Refused(error)), true),
        };
        Some(Refusal { outcome, ends })
    }

    fn push(&mut self, outcome: TxOutcome<V::Output, V::Error>) {
        match &outcome {
            TxOutcome::Executed(_) => self.statistics.executed += 1,
            TxOutcome::Skipped(_) => self.statistics.skipped += 1,
            TxOutcome::Fatal(_) => {}
        }
        if let Some(clock) = &mut self.clock {
            clock.commit();
        }
        if let Some(on_commit) = &mut self.on_commit {
            on_commit(self.outcomes.len(), &outcome);
        }
        self.outcomes.push(outcome);
    }
}

struct Refusal<V: Vm> {
    outcome: TxOutcome<V::Output, V::Error>,
    ends: bool,
}
