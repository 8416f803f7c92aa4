//! A block of programs with its options, and the comparison of what came of it.

use std::fmt::{Debug, Write};

use crate::{
    block::Block,
    error::ExecuteError,
    outcome::{Outcome, TxOutcome},
    rule::{OnFailure, OnUndeclared, Over, Rule, Verdict, WeightLimit},
    state::MemoryState,
    testkit::program::{Declared, Program, ProgramVm, Seen, Step},
};

/// A block of [`Program`]s: all that decides its outcome, in one value that can be printed and shrunk.
#[derive(Clone, PartialEq, Debug, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TestBlock {
    /// The state that it starts from.
    #[cfg_attr(feature = "serde", serde(with = "pairs"))]
    #[cfg_attr(feature = "arbitrary", arbitrary(with = state))]
    pub state: MemoryState<u8, u64>,
    /// Its transactions.
    pub transactions: Vec<Program>,
    /// What becomes of it when a transaction fails.
    pub on_failure: OnFailure,
    /// What becomes of a transaction that touches what it did not declare.
    pub on_undeclared: OnUndeclared,
    /// A limit: the steps of a transaction are reserved, what it saw is used.
    pub limit: Option<(u64, Over)>,
    /// A rule that panics when the transaction of this index is to be settled.
    #[cfg_attr(feature = "serde", serde(default))]
    pub rule_panics: Option<usize>,
}

/// See [`TestBlock::rule_panics`].
struct Panics(usize);

impl Rule<ProgramVm> for Panics {
    fn settle(&self, index: usize, _: &Program, _: &Seen) -> Verdict {
        assert!(index != self.0, "a rule panicked");
        Verdict::Include
    }
}

/// A state as a list of its keys and values.
#[cfg(feature = "serde")]
mod pairs {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::state::MemoryState;

    pub(super) fn serialize<S: Serializer>(
        state: &MemoryState<u8, u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(state)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<MemoryState<u8, u64>, D::Error> {
        let pairs: Vec<(u8, u64)> = Vec::deserialize(deserializer)?;
        Ok(pairs.into_iter().collect())
    }
}

/// Any state.
#[cfg(feature = "arbitrary")]
fn state(bytes: &mut arbitrary::Unstructured<'_>) -> arbitrary::Result<MemoryState<u8, u64>> {
    bytes.arbitrary_iter::<(u8, u64)>()?.collect()
}

impl TestBlock {
    /// A block that follows from a seed: some thirty transactions over a few keys, one in eight of which fails; if the seed is odd, one in
    /// four is executed in turn. Where no library
    /// can shrink a case, a seed says it all.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut number = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut below = |bound: u64| {
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
            (number >> 11) % bound
        };
        let keys = 1 + below(24);
        // Range scans are for optimists.
        let scans = below(2) == 0;
        let declared = match below(4) {
            0 | 2 if !scans => Declared::Exactly,
            0 | 1 => Declared::Guessed(u8::from(below(4) == 0)),
            _ => Declared::Nothing,
        };
        // Some blocks do hardly anything but add.
        let gets = if below(3) == 0 { 1 } else { 4 };
        let transactions = (0..16 + below(48)).map(|index| {
            let mut steps: Vec<Step> = (0..=below(4))
                .map(|_| {
                    let key = below(keys) as u8;
                    match below(16) {
                        step if step < gets => Step::Get(key),
                        0..7 => Step::Add(key, below(9)),
                        7..10 => Step::Subtract(key, below(9)),
                        10 => Step::AtLeast(key, below(9)),
                        11 => Step::Contains(key),
                        12 => Step::Delete(key),
                        13 if scans => Step::Scan(key, key.saturating_add(5), 3),
                        14 if gets == 1 => Step::Add(key, below(3)),
                        _ => Step::PutRegister(key),
                    }
                })
                .collect();
            if below(8) == 0 {
                steps.push(Step::Fail);
            }
            if seed % 2 == 1 && index % 4 == 3 {
                steps.push(Step::Light);
            }
            Program::new(steps).declaring(declared)
        });
        Self {
            transactions: transactions.collect(),
            ..Self::default()
        }
    }

    /// What a transaction reserves of [`limit`](Self::limit).
    #[must_use]
    pub fn reserved(program: &Program) -> u64 {
        program.steps.len() as u64
    }

    /// What a transaction used of [`limit`](Self::limit).
    #[must_use]
    pub fn used(_: &Program, seen: &Seen) -> u64 {
        seen.len() as u64
    }

    /// The block as an executor takes it.
    pub fn to_pleach<'a>(
        &'a self,
        vm: &'a ProgramVm,
    ) -> Block<'a, ProgramVm, MemoryState<u8, u64>> {
        self.configure(Block::new(vm, &self.state, &self.transactions))
    }

    /// A block of other making with the options of this one.
    pub fn configure<'a, S>(&self, block: Block<'a, ProgramVm, S>) -> Block<'a, ProgramVm, S> {
        let block = block
            .on_failure(self.on_failure)
            .on_undeclared(self.on_undeclared);
        let block = match self.rule_panics {
            None => block,
            Some(index) => block.rule(Panics(index)),
        };
        match self.limit {
            None => block,
            Some((limit, over)) => block.rule(
                WeightLimit::new(limit, Self::reserved)
                    .used(Self::used)
                    .over(over),
            ),
        }
    }
}

/// Compares two results of one block: outputs, reasons, changes and errors, not statistics.
///
/// # Errors
///
/// If they differ: where they do first, and how.
pub fn assert_same(
    expected: &Result<Outcome<ProgramVm>, ExecuteError>,
    found: &Result<Outcome<ProgramVm>, ExecuteError>,
) -> Result<(), String> {
    match (expected, found) {
        (Ok(expected), Ok(found)) => same_outcome(expected, found),
        (Err(expected), Err(found)) => {
            same("error", &format!("{expected:?}"), &format!("{found:?}"))
        }
        (Ok(_), Err(found)) => Err(format!("expected an outcome, found the error {found}")),
        (Err(expected), Ok(_)) => Err(format!("expected the error {expected}, found an outcome")),
    }
}

fn same_outcome(expected: &Outcome<ProgramVm>, found: &Outcome<ProgramVm>) -> Result<(), String> {
    let text = |outcome: Option<&TxOutcome<_, _>>| {
        outcome.map_or_else(|| "nothing".to_owned(), |outcome| format!("{outcome:?}"))
    };
    for index in 0..expected.transactions.len().max(found.transactions.len()) {
        let expected = text(expected.transactions.get(index));
        let found = text(found.transactions.get(index));
        same(&format!("transaction {index}"), &expected, &found)?;
    }
    if expected.changes != found.changes {
        let mut message = String::from("the changes differ:");
        for key in 0..=u8::MAX {
            let (expected, found) = (expected.changes.get(&key), found.changes.get(&key));
            if expected != found {
                let _ = write!(
                    message,
                    " key {key}: expected {expected:?}, found {found:?};"
                );
            }
        }
        return Err(message);
    }
    Ok(())
}

fn same<T: PartialEq + Debug>(what: &str, expected: &T, found: &T) -> Result<(), String> {
    if expected == found {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, found {found:?}"))
    }
}
