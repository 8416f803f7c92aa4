//! What a way of executing came to, and where two of them differ first.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt::{self, Debug},
};

use pleach_dtt::{Access, AccessSet};

use super::trouble::Trouble;
use crate::{error::ExecuteError, outcome::Outcome, vm::Vm};

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
        /// A key that goes with it, if there is one: the first that the transaction touches and that was left with another
        /// value, or that it touches in another way; or else the first that was left with another value by whomever.
        key: Option<KeyDifference>,
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

/// What two ways of executing a block made of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct KeyDifference {
    /// Which key.
    pub key: String,
    /// What it holds after the serial run, or how it was touched.
    pub expected: String,
    /// The same of the other.
    pub found: String,
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
                key,
            } => {
                write!(
                    f,
                    "transaction {transaction}: expected {expected}, found {found}"
                )?;
                let Some(KeyDifference {
                    key,
                    expected,
                    found,
                }) = key
                else {
                    return f.write_str("; no key differs");
                };
                write!(f, "; key {key}")?;
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

/// An outcome, and what each transaction has touched, if that was recorded.
pub(super) type Recorded<V> = (Outcome<V>, Option<Vec<AccessSet<<V as Vm>::Key>>>);

/// What one way of executing a block came to.
pub(super) struct Ran<V: Vm> {
    /// Or what the error says; or the panic, which is nobody's but the executor's.
    pub(super) result: Result<Recorded<V>, String>,
    /// Whether it is an error that was to come, or was not.
    pub(super) is_meant: bool,
    /// What was streamed, in order.
    pub(super) commits: Vec<(usize, String)>,
}

impl<V: Vm<Output: Debug>> Ran<V> {
    /// What an executor gave, with that trouble on a state that has errors `E` of its own.
    pub(super) fn new<E: Error + 'static>(
        result: Result<Recorded<V>, ExecuteError>,
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
        let places = self.commits.len().max(other.commits.len());
        match (&self.result, &other.result) {
            (Ok(expected), Ok(found)) => different_outcome::<V>(expected, found)
                .or_else(|| different_change::<V>(expected, found))
                .or_else(|| self.different_commit(other, places))
                .or_else(|| different_accesses::<V>(expected, found)),
            (expected, found) => {
                let text = |result: &Result<_, String>| match result {
                    Ok(_) => "an outcome".to_owned(),
                    Err(error) => error.clone(),
                };
                let (expected, found) = (text(expected), text(found));
                // What was streamed before the same error has to be the same too.
                if expected == found {
                    self.different_commit(other, places)
                } else {
                    Some(Difference::Error { expected, found })
                }
            }
        }
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
                let accesses = accesses.as_deref().unwrap_or_default();
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

/// The first transaction that ended otherwise, and a key that goes with it.
fn different_outcome<V: Vm<Output: Debug>>(
    (expected, mine): &Recorded<V>,
    (found, theirs): &Recorded<V>,
) -> Option<Difference> {
    let outcome = |of: &Outcome<V>, at: usize| text(of.transactions.get(at), "nothing");
    let places = expected.transactions.len().max(found.transactions.len());
    let transaction = (0..places).find(|at| outcome(expected, *at) != outcome(found, *at))?;
    let touched = |accesses: &Option<Vec<AccessSet<V::Key>>>| {
        let set = accesses.as_ref()?.get(transaction)?;
        Some(set.entries().iter().cloned().collect())
    };
    let mine: BTreeMap<V::Key, Access> = touched(mine).unwrap_or_default();
    let theirs: Option<BTreeMap<V::Key, Access>> = touched(theirs);
    let changes = different_values::<V>(expected, found);
    let is_touched = |key| {
        mine.contains_key(key) || theirs.as_ref().is_some_and(|other| other.contains_key(key))
    };
    let left = changes.iter().find(|(key, ..)| is_touched(key));
    let otherwise = || {
        let theirs = theirs.as_ref()?;
        let mut keys: Vec<&V::Key> = mine.keys().chain(theirs.keys()).collect();
        keys.sort_unstable();
        let is_other = |key: &&V::Key| mine.get(key) != theirs.get(key);
        let key = keys.into_iter().find(is_other)?;
        Some(KeyDifference {
            key: format!("{key:?}"),
            expected: text(mine.get(key), "not touched"),
            found: text(theirs.get(key), "not touched"),
        })
    };
    let values = |(key, expected, found): &(&V::Key, String, String)| KeyDifference {
        key: format!("{key:?}"),
        expected: expected.clone(),
        found: found.clone(),
    };
    let key = left.map(values).or_else(otherwise);
    Some(Difference::Outcome {
        transaction,
        expected: outcome(expected, transaction),
        found: outcome(found, transaction),
        key: key.or_else(|| changes.first().map(values)),
    })
}

/// The first key that was left with another value.
fn different_change<V: Vm>(
    (expected, mine): &Recorded<V>,
    (found, _): &Recorded<V>,
) -> Option<Difference> {
    let (key, expected, found) = different_values::<V>(expected, found).into_iter().next()?;
    Some(Difference::Change {
        transaction: last_writer(mine.as_deref().unwrap_or_default(), key),
        key: format!("{key:?}"),
        expected,
        found,
    })
}

/// What a key was left with: one value, or none if it was not changed.
type Values<'a, V> = Vec<&'a Option<<V as Vm>::Value>>;

/// All keys that were left with other values, and both.
fn different_values<'a, V: Vm>(
    expected: &'a Outcome<V>,
    found: &'a Outcome<V>,
) -> Vec<(&'a V::Key, String, String)> {
    if expected.changes == found.changes {
        return Vec::new();
    }
    // An executor that is wrong may give a key twice.
    let mut values: BTreeMap<&V::Key, [Values<'a, V>; 2]> = BTreeMap::new();
    for (side, outcome) in [expected, found].into_iter().enumerate() {
        for (key, value) in &outcome.changes {
            values.entry(key).or_default()[side].push(value);
        }
    }
    let text = |values: &[&Option<V::Value>]| match values {
        [] => "unchanged".to_owned(),
        [value] => format!("{value:?}"),
        several => format!("{several:?}"),
    };
    let odd = values
        .into_iter()
        .filter(|(_, [mine, theirs])| mine != theirs);
    odd.map(|(key, [mine, theirs])| (key, text(&mine), text(&theirs)))
        .collect()
}

/// The first transaction of which something else was recorded, if anything was.
fn different_accesses<V: Vm>(
    (_, expected): &Recorded<V>,
    (_, found): &Recorded<V>,
) -> Option<Difference> {
    let (expected, found) = (expected.as_ref()?, found.as_ref()?);
    let places = expected.len().max(found.len());
    let transaction = (0..places).find(|at| expected.get(*at) != found.get(*at))?;
    Some(Difference::Accesses {
        transaction,
        expected: text(expected.get(transaction), "nothing"),
        found: text(found.get(transaction), "nothing"),
    })
}

fn text(value: Option<&impl Debug>, otherwise: &str) -> String {
    value.map_or_else(|| otherwise.to_owned(), |value| format!("{value:?}"))
}

/// The last transaction that has changed a key.
fn last_writer<K: Ord>(accesses: &[AccessSet<K>], key: &K) -> Option<usize> {
    let changes = |set: &AccessSet<K>| set.allows_write(key) || set.allows_add(key);
    accesses.iter().rposition(changes)
}
