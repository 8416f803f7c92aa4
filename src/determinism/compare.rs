//! What a way of executing came to, and where two of them differ first.

use std::{
    error::Error,
    fmt::{self, Debug},
};

use pleach_dtt::AccessSet;

use super::trouble::Trouble;
use crate::{error::ExecuteError, execute::Recording, vm::Vm};

/// Where two ways of executing a block differ first.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Difference {
    /// One ended with an error, or both with another one.
    Error {
        /// What the serial executor gave.
        expected: String,
        /// What the other gave.
        found: String,
    },
    /// A transaction ended otherwise, or gave another output.
    Outcome {
        /// Which one.
        transaction: usize,
        /// How it ended serially.
        expected: String,
        /// How it ended otherwise.
        found: String,
    },
    /// A key was left with another value.
    Change {
        /// The last transaction that wrote it serially, if any did.
        transaction: Option<usize>,
        /// Which key.
        key: String,
        /// What it holds after the serial run; `unchanged` if nothing changed it.
        expected: String,
        /// What it holds after the other.
        found: String,
    },
    /// Transactions were streamed in another order, or with other outcomes.
    Commit {
        /// At which place.
        place: usize,
        /// What came there serially.
        expected: String,
        /// What came there otherwise.
        found: String,
    },
    /// It was written down that a transaction touches something else.
    Accesses {
        /// Which one.
        transaction: usize,
        /// What it touched serially.
        expected: String,
        /// What it touched otherwise.
        found: String,
    },
    /// A transaction that was asked again, on the same answers, did something else.
    Attempt {
        /// Which one.
        transaction: usize,
        /// What it did first.
        expected: String,
        /// What it did there later.
        found: String,
    },
}

impl Difference {
    /// The transaction that it shows at, where there is one.
    #[must_use]
    pub fn transaction(&self) -> Option<usize> {
        match self {
            Difference::Error { .. } => None,
            Difference::Change { transaction, .. } => *transaction,
            Difference::Outcome { transaction, .. }
            | Difference::Accesses { transaction, .. }
            | Difference::Attempt { transaction, .. } => Some(*transaction),
            Difference::Commit { place, .. } => Some(*place),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (expected, found) = match self {
            Difference::Error { expected, found } => {
                f.write_str("the end")?;
                (expected, found)
            }
            Difference::Outcome {
                transaction,
                expected,
                found,
            } => {
                write!(f, "transaction {transaction}")?;
                (expected, found)
            }
            Difference::Change {
                transaction,
                key,
                expected,
                found,
            } => {
                write!(f, "key {key}")?;
                if let Some(transaction) = transaction {
                    write!(f, ", last written by transaction {transaction}")?;
                }
                (expected, found)
            }
            Difference::Commit {
                place,
                expected,
                found,
            } => {
                write!(f, "commit {place}")?;
                (expected, found)
            }
            Difference::Accesses {
                transaction,
                expected,
                found,
            } => {
                write!(f, "what transaction {transaction} touches")?;
                (expected, found)
            }
            Difference::Attempt {
                transaction,
                expected,
                found,
            } => {
                write!(f, "transaction {transaction}, asked again")?;
                (expected, found)
            }
        };
        write!(f, ": expected {expected}, found {found}")
    }
}

/// What one way of executing a block came to.
pub(super) struct Ran<V: Vm> {
    /// Or what the error says; or the panic, which is nobody's but the executor's.
    pub(super) result: Result<Recording<V>, String>,
    /// Whether it is an error that was to come, or was not.
    pub(super) is_meant: bool,
    /// What was streamed, in order.
    pub(super) commits: Vec<(usize, String)>,
}

impl<V: Vm<Output: Debug>> Ran<V> {
    /// What an executor gave, with that trouble on a state that has errors `E` of its own.
    pub(super) fn new<E: Error + 'static>(
        result: Result<Recording<V>, ExecuteError>,
        trouble: Option<Trouble>,
    ) -> Self {
        let error = result.as_ref().err();
        let may_end = |(trouble, error): (Trouble, _)| trouble.may_end::<E>(error);
        Self {
            is_meant: trouble.zip(error).is_some_and(may_end),
            result: result.map_err(|error| format!("{error:?}")),
            commits: Vec::new(),
        }
    }

    /// One that came to no result.
    pub(super) fn failed(text: String) -> Self {
        Self {
            result: Err(text),
            is_meant: false,
            commits: Vec::new(),
        }
    }

    /// Where another way first comes to something else.
    pub(super) fn difference(&self, other: &Self) -> Option<Difference> {
        if other.is_meant {
            // Until then it came to the same.
            return self.different_commit(other, other.commits.len());
        }
        let (expected, found) = match (&self.result, &other.result) {
            (Ok(expected), Ok(found)) => (expected, found),
            (expected, found) => {
                let text = |result: &Result<_, String>| match result {
                    Ok(_) => "an outcome".to_owned(),
                    Err(error) => error.clone(),
                };
                let (expected, found) = (text(expected), text(found));
                return (expected != found).then_some(Difference::Error { expected, found });
            }
        };
        let (expected, mine) = expected;
        let (found, theirs) = found;
        let lengths = (expected.transactions.len(), found.transactions.len());
        for transaction in 0..lengths.0.max(lengths.1) {
            let expected = text(expected.transactions.get(transaction), "nothing");
            let found = text(found.transactions.get(transaction), "nothing");
            if expected != found {
                return Some(Difference::Outcome {
                    transaction,
                    expected,
                    found,
                });
            }
        }
        if expected.changes != found.changes {
            let keys = expected.changes.iter().chain(found.changes.iter());
            let mut keys: Vec<&V::Key> = keys.map(|(key, _)| key).collect();
            keys.sort_unstable();
            let (expected, found) = (&expected.changes, &found.changes);
            let key = keys
                .into_iter()
                .find(|key| expected.get(key) != found.get(key))?;
            return Some(Difference::Change {
                transaction: last_writer(mine, key),
                key: format!("{key:?}"),
                expected: text(expected.get(key).as_ref(), "unchanged"),
                found: text(found.get(key).as_ref(), "unchanged"),
            });
        }
        let places = self.commits.len().max(other.commits.len());
        if let Some(difference) = self.different_commit(other, places) {
            return Some(difference);
        }
        let transaction = (0..mine.len()).find(|at| mine.get(*at) != theirs.get(*at))?;
        Some(Difference::Accesses {
            transaction,
            expected: text(mine.get(transaction), "nothing"),
            found: text(theirs.get(transaction), "nothing"),
        })
    }

    /// The first of so many commits that is not the same.
    fn different_commit(&self, other: &Self, places: usize) -> Option<Difference> {
        let place = (0..places).find(|at| self.commits.get(*at) != other.commits.get(*at))?;
        Some(Difference::Commit {
            place,
            expected: text(self.commits.get(place), "nothing"),
            found: text(other.commits.get(place), "nothing"),
        })
    }

    /// A number that follows from all that it came to.
    pub(super) fn fingerprint(&self) -> u64 {
        let text = match &self.result {
            Ok((outcome, accesses)) => {
                format!(
                    "{:?} {:?} {accesses:?}",
                    outcome.transactions, outcome.changes
                )
            }
            Err(error) => error.clone(),
        };
        // FNV-1a.
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
    }
}

fn text(value: Option<&impl Debug>, otherwise: &str) -> String {
    value.map_or_else(|| otherwise.to_owned(), |value| format!("{value:?}"))
}

/// The last transaction that has changed a key.
fn last_writer<K: Ord>(accesses: &[AccessSet<K>], key: &K) -> Option<usize> {
    let changes = |set: &AccessSet<K>| set.allows_write(key) || set.allows_add(key);
    accesses.iter().rposition(changes)
}
