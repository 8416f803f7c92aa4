//! Payments on every engine that there is, in turns: how long a block takes on each, beside the plain loop over a hash
//! map.
//!
//! | file | what |
//! | --- | --- |
//! | `entrant.rs` | engines with their threads: another one is added there |
//! | `prepared.rs` | a block that every engine executes, and the comparison of what comes of it |

mod entrant;
mod prepared;

use std::{fmt, num::NonZeroUsize, time::Duration};

use pleach::{CancelToken, ExecuteError};

use crate::stopwatch::{Run, median};
pub use entrant::Entrant;
use prepared::Tally;
pub use prepared::{Ended, Payments, Prepared};

/// A block of payments between so many accounts, and what each does beside reading and writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// How many payments there are.
    pub transactions: usize,
    /// At least two.
    pub accounts: u64,
    /// Of [`work`](crate::payments::work), for each payment.
    pub rounds: u32,
}

/// A way of executing a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The loop over a hash map, which it changes in place.
    PlainLoop,
    /// [`SerialExecutor`](pleach::SerialExecutor).
    Serial,
    /// [`Strategy::Exact`](pleach::Strategy::Exact), which is told beforehand what payments touch.
    Exact,
    /// [`Strategy::Optimistic`](pleach::Strategy::Optimistic), which is told nothing.
    Optimistic,
    /// [`Strategy::Auto`](pleach::Strategy::Auto), which is told nothing.
    Auto,
    /// [`BlockStm`](crate::block_stm::BlockStm), which is told nothing either.
    BlockStm,
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::PlainLoop => "plain loop",
            Self::Serial => "serial",
            Self::Exact => "exact",
            Self::Optimistic => "optimistic",
            Self::Auto => "auto",
            Self::BlockStm => "block-stm",
        })
    }
}

/// Why a case has no result.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// An engine did not execute the block.
    #[error("{entrant}: the block is not executed")]
    Execute {
        /// The engine and its workers.
        entrant: String,
        /// Why.
        source: ExecuteError,
    },
    /// An engine counts something else than the serial executor.
    #[error("{entrant}: the number of {what} is {found}, but {expected} serially")]
    Counts {
        /// The engine and its workers.
        entrant: String,
        /// What is counted.
        what: &'static str,
        /// What the serial executor gives.
        expected: usize,
        /// What this engine gives.
        found: usize,
    },
    /// As many changes as the serial executor's, but others.
    #[error("{entrant}: the changes are not those of the serial executor")]
    Changes {
        /// The engine and its workers.
        entrant: String,
    },
}

/// What a case takes on an engine.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Which engine it is.
    pub engine: Engine,
    /// How many threads it has.
    pub workers: NonZeroUsize,
    /// So many times it has executed the block.
    pub runs: usize,
    /// The median time of a block.
    pub time: Duration,
    /// How many times as fast as the plain loop that is.
    pub speedup: f64,
    /// Processor time of the whole process by time, the median of all runs, where the system tells it.
    pub cores_busy: Option<f64>,
    /// How often a transaction was executed, on average over the last run, if the engine says so.
    pub attempts: Option<f64>,
}

/// Checks each engine against the serial executor, and then has all of them execute the block in turns, so many times.
/// What comes of each run is checked too, while the clock stands. After the first check and after each turn, `done` is called.
///
/// A case that is cancelled has the results of the turns that were done; none if there was no whole turn.
///
/// # Errors
///
/// If an engine fails, or gives something else than the serial executor.
///
/// # Panics
///
/// If there are fewer than two accounts.
pub fn measure(
    case: Case,
    entrants: &[Entrant],
    repeat: usize,
    cancel: &CancelToken,
    mut done: impl FnMut(),
) -> Result<Vec<Measured>, Failure> {
    let mut prepared = Prepared::new(case, cancel);
    let Some(expected) = prepared.check(entrants)? else {
        return Ok(Vec::new());
    };
    done();
    let mut runs = vec![Vec::with_capacity(repeat); entrants.len()];
    let mut attempts = vec![None; entrants.len()];
    for _ in 0..repeat {
        let Some(turn) = turn(&mut prepared, entrants, &expected, cancel)? else {
            break;
        };
        for (index, executed) in turn.into_iter().enumerate() {
            runs[index].push(executed.run);
            attempts[index] = executed.attempts;
        }
        done();
    }
    Ok(summarise(case, entrants, &runs, &attempts))
}

/// What it takes to execute a block once.
struct Executed {
    run: Run,
    /// How often transactions were executed, if the engine says so.
    attempts: Option<usize>,
}

/// Has each engine execute the block once. Nothing if it was cancelled.
fn turn(
    prepared: &mut Prepared,
    entrants: &[Entrant],
    expected: &Tally,
    cancel: &CancelToken,
) -> Result<Option<Vec<Executed>>, Failure> {
    let mut turn = Vec::with_capacity(entrants.len());
    for entrant in entrants {
        let (ended, executing) = Run::time(|| prepared.run(entrant));
        // A run that was cancelled has not done all of its work.
        if cancel.is_cancelled() {
            return Ok(None);
        }
        let ended = ended?;
        let attempts = ended.attempts();
        prepared.verify(&ended, entrant, expected)?;
        let ((), dropping) = Run::time(|| drop(ended));
        turn.push(Executed {
            run: executing.and(dropping),
            attempts,
        });
    }
    Ok(Some(turn))
}

fn summarise(
    case: Case,
    entrants: &[Entrant],
    runs: &[Vec<Run>],
    attempts: &[Option<usize>],
) -> Vec<Measured> {
    let seconds = |runs: &[Run]| median(runs.iter().map(|run| run.wall.as_secs_f64()));
    let plain = entrants
        .iter()
        .position(|entrant| entrant.engine == Engine::PlainLoop)
        .and_then(|index| seconds(&runs[index]));
    let lines = entrants.iter().zip(runs).zip(attempts);
    let lines = lines.filter_map(|((entrant, runs), attempts)| {
        let time = seconds(runs)?;
        Some(Measured {
            engine: entrant.engine,
            workers: entrant.workers,
            runs: runs.len(),
            time: Duration::from_secs_f64(time),
            speedup: plain? / time,
            cores_busy: median(runs.iter().filter_map(Run::cores_busy)),
            attempts: attempts.map(|attempts| attempts as f64 / case.transactions as f64),
        })
    });
    lines.collect()
}

/// How many times as fast one engine is as another on as many workers: the geometric mean over all cases and numbers of
/// workers in which both were measured, and how many those are.
#[must_use]
pub fn compare(results: &[Vec<Measured>], one: Engine, other: Engine) -> Option<(f64, usize)> {
    let ratios = results.iter().flat_map(|measured| {
        let of = move |engine| measured.iter().filter(move |line| line.engine == engine);
        of(one).filter_map(move |one| {
            let mut others = of(other);
            let other = others.find(|other| other.workers == one.workers)?;
            Some(one.speedup / other.speedup)
        })
    });
    let (mut sum, mut count) = (0.0, 0);
    for ratio in ratios {
        sum += f64::ln(ratio);
        count += 1;
    }
    (count > 0).then(|| ((sum / count as f64).exp(), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entrants() -> Vec<Entrant> {
        let workers = [1, 2].map(|count| NonZeroUsize::new(count).expect("there are some"));
        Entrant::all(&workers).expect("there are threads")
    }

    const CASE: Case = Case {
        transactions: 50,
        accounts: 5,
        rounds: 3,
    };

    #[test]
    fn every_engine_is_measured_as_often() {
        let mut steps = 0;
        let measured = measure(CASE, &entrants(), 3, &CancelToken::new(), || steps += 1);
        let measured = measured.expect("they agree");
        assert_eq!((measured.len(), steps), (10, 4));
        assert!(measured.iter().all(|line| line.runs == 3));
        assert_eq!(measured[0].engine, Engine::PlainLoop);
        assert!((measured[0].speedup - 1.0).abs() < 1e-9);
    }

    #[test]
    fn blocks_that_leave_things_as_they_were_agree_too() {
        for (transactions, accounts) in [(1, 2), (2, 2), (9, 2), (40, 3), (300, 1_000)] {
            let case = Case {
                transactions,
                accounts,
                rounds: 0,
            };
            measure(case, &entrants(), 1, &CancelToken::new(), || ()).expect("they agree");
        }
    }

    #[test]
    fn whole_turns_that_were_done_stay() {
        let (cancel, mut steps) = (CancelToken::new(), 0);
        let measured = measure(CASE, &entrants(), 100, &cancel, || {
            steps += 1;
            if steps == 3 {
                cancel.cancel();
            }
        });
        let measured = measured.expect("they agree");
        assert!(measured.len() == 10 && measured.iter().all(|line| line.runs == 2));
        let none = measure(CASE, &entrants(), 100, &cancel, || ());
        assert!(none.expect("nothing is wrong").is_empty());
    }

    #[test]
    fn engines_are_compared_on_as_many_workers() {
        let line = |engine, workers, speedup| Measured {
            engine,
            workers: NonZeroUsize::new(workers).expect("there are some"),
            runs: 1,
            time: Duration::ZERO,
            speedup,
            cores_busy: None,
            attempts: None,
        };
        let results = [
            vec![
                line(Engine::Exact, 1, 1.0),
                line(Engine::Exact, 2, 4.0),
                line(Engine::BlockStm, 2, 1.0),
            ],
            vec![line(Engine::Exact, 2, 2.0), line(Engine::BlockStm, 2, 2.0)],
        ];
        let (mean, cells) = compare(&results, Engine::Exact, Engine::BlockStm).expect("some");
        assert!((mean - 2.0).abs() < 1e-9 && cells == 2);
        assert_eq!(compare(&results, Engine::Auto, Engine::BlockStm), None);
    }

    #[test]
    fn other_outcomes_are_noticed() {
        let entrants = entrants();
        let mut prepared = Prepared::new(CASE, &CancelToken::new());
        let mut tally = || {
            let ended = prepared.run(&entrants[1]).expect("it is executed");
            prepared.tally(&ended, &[])
        };
        let expected = tally();
        let says = |tally: &Tally| {
            let result = tally.compare(&expected, &entrants[3]);
            result.expect_err("it is another").to_string()
        };
        let mut other = tally();
        assert!(other.compare(&expected, &entrants[3]).is_ok());
        other.made -= 1;
        assert_eq!(
            says(&other),
            "exact, 2 workers: the number of payments made is 49, but 50 serially"
        );
        let mut other = tally();
        other.changes[0].1 = Some(0);
        assert!(says(&other).contains("the changes are not those"));
        other.changes.pop();
        assert!(says(&other).contains("the number of changes is"));
        // A map that was changed before holds other balances.
        _ = prepared.run(&entrants[0]).expect("it is executed");
        let failure = prepared.check(&entrants).map(drop);
        let failure = failure.expect_err("it is noticed");
        assert!(failure.to_string().starts_with("plain loop: "), "{failure}");
    }

    #[test]
    fn every_turn_is_checked() {
        let (entrants, cancel) = (entrants(), CancelToken::new());
        let mut prepared = Prepared::new(CASE, &cancel);
        let expected = prepared.check(&entrants).expect("they agree");
        let mut expected = expected.expect("nobody cancels");
        for _ in 0..3 {
            let turn = turn(&mut prepared, &entrants, &expected, &cancel);
            assert_eq!(turn.expect("they agree").map(|turn| turn.len()), Some(10));
        }
        expected.changes[0].1 = Some(0);
        for (index, entrant) in entrants.iter().enumerate() {
            let one = &entrants[index..=index];
            let failure = turn(&mut prepared, one, &expected, &cancel).map(drop);
            let failure = failure.expect_err("it is noticed").to_string();
            assert!(failure.starts_with(&entrant.to_string()), "{failure}");
        }
    }
}
