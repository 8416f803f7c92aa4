//! A block that every engine executes, and the comparison of what comes of it.

use std::{collections::HashMap, convert::Infallible, num::NonZeroUsize};

use foldhash::fast::RandomState;
use pleach::{
    AccessSet, Block, CancelToken, Executor, Outcome, SerialExecutor, State, StateView, Stop,
    Trust, Vm,
};

use super::{
    Case, Engine, Failure,
    entrant::{Entrant, How},
};
use crate::{
    block_stm::{self, Access, Blocked, Program},
    payments::{self, Key, Ledger, Payment, work},
};

/// The plain loop looks so often whether it is cancelled: too seldom to cost anything.
const CHUNK: usize = 64;

/// A block, and the state that it is executed on.
pub struct Prepared {
    block: Vec<Payment>,
    rounds: u32,
    state: Accounts,
    ledger: Ledger,
    cancel: CancelToken,
}

/// What an engine leaves behind. To drop it is a part of executing a block; to look at it is none.
pub enum Ended {
    /// The loop has changed its own map, and made so many payments.
    PlainLoop(usize),
    /// What an executor gives.
    Pleach(Box<Outcome<Payments>>),
    /// What [`BlockStm`](block_stm::BlockStm) gives.
    BlockStm(block_stm::Outcome<Key, u64, bool>),
}

impl Ended {
    /// How often transactions were executed, if the engine says so.
    #[must_use]
    pub fn attempts(&self) -> Option<usize> {
        match self {
            Self::Pleach(outcome) => Some(outcome.statistics.attempts),
            Self::PlainLoop(_) | Self::BlockStm(_) => None,
        }
    }
}

impl Prepared {
    /// The block and the state of a case.
    ///
    /// # Panics
    ///
    /// If there are fewer than two accounts.
    #[must_use]
    pub fn new(case: Case, cancel: &CancelToken) -> Self {
        assert!(case.accounts > 1, "a payment is between two accounts");
        Self {
            block: payments::block(case.transactions, case.accounts, 7),
            rounds: case.rounds,
            state: Accounts(payments::balances(case.accounts).collect()),
            ledger: Ledger::new(case.accounts),
            cancel: cancel.clone(),
        }
    }

    /// Executes the block.
    ///
    /// # Errors
    ///
    /// If the engine fails, or if it is an executor of Pleach that was cancelled. Others that are cancelled end early,
    /// with something that means nothing.
    pub fn run(&mut self, entrant: &Entrant) -> Result<Ended, Failure> {
        let rounds = self.rounds;
        let vm = Payments {
            rounds,
            declares: entrant.engine == Engine::Exact,
        };
        let block = Block::new(&vm, &self.state, &self.block).cancel(&self.cancel);
        let executed = match &entrant.how {
            How::PlainLoop => {
                let mut made = 0;
                for chunk in self.block.chunks(CHUNK) {
                    if self.cancel.is_cancelled() {
                        break;
                    }
                    made += self.ledger.run_with(chunk, rounds);
                }
                return Ok(Ended::PlainLoop(made));
            }
            How::BlockStm(engine) => {
                let program = Cancellable {
                    program: block_stm::Payments { rounds },
                    cancel: &self.cancel,
                };
                let state = |key: &Key| self.state.0.get(key).copied();
                return Ok(Ended::BlockStm(engine.execute(
                    &program,
                    state,
                    &self.block,
                )));
            }
            How::Serial => SerialExecutor::new().execute(block),
            How::Parallel(executor) => executor.execute(block),
        };
        executed
            .map(|outcome| Ended::Pleach(Box::new(outcome)))
            .map_err(|source| Failure::Execute {
                entrant: entrant.to_string(),
                source,
            })
    }

    /// Whether all engines give what the serial executor gives, which is returned; nothing if that was cancelled.
    pub(super) fn check(&mut self, entrants: &[Entrant]) -> Result<Option<Tally>, Failure> {
        let serial = Entrant {
            engine: Engine::Serial,
            workers: NonZeroUsize::MIN,
            how: How::Serial,
        };
        let ended = self.run(&serial);
        if self.cancel.is_cancelled() {
            return Ok(None);
        }
        let expected = self.tally(&ended?, &[]);
        for entrant in entrants {
            let ended = self.run(entrant);
            if self.cancel.is_cancelled() {
                return Ok(None);
            }
            self.verify(&ended?, entrant, &expected)?;
        }
        Ok(Some(expected))
    }

    /// Whether a run that was not cancelled ended as expected. To be called after every run: the plain loop has changed its
    /// map, and gets back the balances of the beginning, without which it would execute another block the next time.
    pub(super) fn verify(
        &mut self,
        ended: &Ended,
        entrant: &Entrant,
        expected: &Tally,
    ) -> Result<(), Failure> {
        self.tally(ended, &expected.changes)
            .compare(expected, entrant)?;
        if matches!(ended, Ended::PlainLoop(_)) {
            for (key, _) in &expected.changes {
                let beginning = self.state.0.get(key).copied();
                self.ledger.set(*key, beginning);
            }
        }
        Ok(())
    }

    pub(super) fn tally(&self, ended: &Ended, expected: &[(Key, Option<u64>)]) -> Tally {
        let (made, mut changes): (_, Vec<_>) = match ended {
            // It keeps no list of changes. Whether those are there that should be is all that can be seen.
            Ended::PlainLoop(made) => {
                let keys = expected.iter().map(|(key, _)| key);
                (
                    *made,
                    keys.map(|key| (*key, self.ledger.get(key))).collect(),
                )
            }
            Ended::Pleach(outcome) => (
                outcome
                    .outputs()
                    .filter(|made| *made == Some(&true))
                    .count(),
                outcome.changes.iter().copied().collect(),
            ),
            Ended::BlockStm(outcome) => {
                let changes = outcome.changes.iter();
                (
                    outcome.outputs.iter().filter(|made| **made).count(),
                    changes.map(|(key, value)| (*key, Some(*value))).collect(),
                )
            }
        };
        changes.sort_unstable();
        Tally { made, changes }
    }
}

/// What came of a block, as far as it is the same for all engines.
pub(super) struct Tally {
    pub(super) made: usize,
    /// By key.
    pub(super) changes: Vec<(Key, Option<u64>)>,
}

impl Tally {
    pub(super) fn compare(&self, expected: &Self, entrant: &Entrant) -> Result<(), Failure> {
        let counts = [
            ("payments made", self.made, expected.made),
            ("changes", self.changes.len(), expected.changes.len()),
        ];
        for (what, found, expected) in counts {
            if found != expected {
                return Err(Failure::Counts {
                    entrant: entrant.to_string(),
                    what,
                    expected,
                    found,
                });
            }
        }
        if self.changes != expected.changes {
            return Err(Failure::Changes {
                entrant: entrant.to_string(),
            });
        }
        Ok(())
    }
}

/// Executes payments, each with so many rounds of work.
#[derive(Clone, Copy, Debug)]
pub struct Payments {
    /// Of [`work`].
    pub rounds: u32,
    /// Whether it says beforehand what payments touch.
    pub declares: bool,
}

impl Vm for Payments {
    type Transaction = Payment;
    type Key = Key;
    type Value = u64;
    type Output = bool;
    type Error = Infallible;
    type Scratch = ();

    fn accesses(&self, payment: &Payment, set: &mut AccessSet<Key>) -> Trust {
        if !self.declares {
            return Trust::Unknown;
        }
        payment.accesses(set);
        Trust::Exact
    }

    fn execute<S: StateView<Key, u64>>(
        &self,
        payment: &Payment,
        state: &mut S,
        (): &mut (),
    ) -> Result<bool, Stop<Infallible>> {
        let balance = state.get(&payment.sender)?.unwrap_or_default();
        let sequence = state.get(&payment.sequence)?.unwrap_or_default();
        let receiver = state.get(&payment.receiver)?.unwrap_or_default();
        work(balance, self.rounds);
        let Some(left) = balance.checked_sub(1) else {
            return Ok(false);
        };
        state.put(&payment.sender, left)?;
        state.put(&payment.sequence, sequence + 1)?;
        state.put(&payment.receiver, receiver + 1)?;
        Ok(true)
    }
}

/// The same for Block-STM, which cannot be cancelled by itself. The executors of Pleach look at the token as often.
struct Cancellable<'a> {
    program: block_stm::Payments,
    cancel: &'a CancelToken,
}

impl Program for Cancellable<'_> {
    type Transaction = Payment;
    type Key = Key;
    type Value = u64;
    type Output = bool;

    fn execute<A: Access<Key, u64>>(
        &self,
        payment: &Payment,
        state: &mut A,
    ) -> Result<bool, Blocked> {
        if self.cancel.is_cancelled() {
            return Ok(false);
        }
        self.program.execute(payment, state)
    }
}

/// A state that is as fast as the plain loop's.
struct Accounts(HashMap<Key, u64, RandomState>);

impl State<Key, u64> for Accounts {
    type Error = Infallible;

    fn get(&self, key: &Key) -> Result<Option<u64>, Infallible> {
        Ok(self.0.get(key).copied())
    }
}
