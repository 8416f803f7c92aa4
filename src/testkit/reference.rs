//! The meaning of a block, once more: a model too simple to be wrong, and too slow for anything but tests.
//!
//! It shares nothing with the executors. Each transaction works on a copy of the whole state, and the copy is kept or
//! thrown away. What is read is looked up in a map, and every rule stands here a second time, in its plainest form.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{Declared, Program, ProgramError, ProgramVm, Seen, Step, TestBlock, program::Machine};
use crate::{
    error::{AccessKind, ExecuteError, ExecuteErrorKind, Undeclared},
    outcome::{Outcome, Reason, Statistics, TxOutcome},
    rule::{LimitExceeded, OnFailure, OnUndeclared, Over},
    state::Changes,
};

type State = BTreeMap<u8, u64>;
type Result<T> = std::result::Result<T, ExecuteError>;

/// How a program ended.
enum End {
    Output(Seen),
    Failed(ProgramError),
    Undeclared(Undeclared),
}

/// Executes `block` by the book.
///
/// # Errors
///
/// As an executor does: if a program panics, or if an undeclared access is to abort the block.
pub fn execute(block: &TestBlock) -> Result<Outcome<ProgramVm>> {
    let mut state: State = block
        .state
        .iter()
        .map(|(key, value)| (*key, *value))
        .collect();
    let mut written = BTreeSet::new();
    let mut outcomes = Vec::new();
    let mut ended = false;
    let mut remaining = block.limit.map(|(limit, _)| limit);

    for (index, program) in block.transactions.iter().enumerate() {
        if ended {
            outcomes.push(TxOutcome::Skipped(Reason::BlockEnded));
            continue;
        }
        let over = |wanted: u64, remaining: Option<u64>| remaining.filter(|left| wanted > *left);
        if let Some(left) = over(program.steps.len() as u64, remaining) {
            let outcome = refused(block, program.steps.len() as u64, left, &mut ended);
            let fatal = matches!(outcome, TxOutcome::Fatal(_));
            outcomes.push(outcome);
            if fatal {
                break;
            }
            continue;
        }

        let mut copy = state.clone();
        let mut wrote = Vec::new();
        let end = catch_unwind(AssertUnwindSafe(|| run(program, &mut copy, &mut wrote)));
        let fail = |kind| ExecuteError::new(0, Some(index), kind);
        let reason = match end {
            Err(_) => {
                return Err(fail(ExecuteErrorKind::Panicked(
                    "a program panicked".to_owned(),
                )));
            }
            Ok(End::Undeclared(undeclared)) if block.on_undeclared == OnUndeclared::Abort => {
                return Err(fail(ExecuteErrorKind::Undeclared(undeclared)));
            }
            Ok(End::Undeclared(undeclared)) => Reason::Undeclared(undeclared),
            Ok(End::Failed(error)) => Reason::Failed(error),
            Ok(End::Output(seen)) => {
                let used = seen.len() as u64;
                if let Some(left) = over(used, remaining) {
                    let outcome = refused(block, used, left, &mut ended);
                    let fatal = matches!(outcome, TxOutcome::Fatal(_));
                    outcomes.push(outcome);
                    if fatal {
                        break;
                    }
                    continue;
                }
                remaining = remaining.map(|left| left - used);
                state = copy;
                written.extend(wrote);
                outcomes.push(TxOutcome::Executed(seen));
                continue;
            }
        };
        match block.on_failure {
            OnFailure::Skip => outcomes.push(TxOutcome::Skipped(reason)),
            OnFailure::SkipRest => {
                ended = true;
                outcomes.push(TxOutcome::Skipped(reason));
            }
            OnFailure::Fatal => {
                outcomes.push(TxOutcome::Fatal(reason));
                break;
            }
        }
    }
    let changes = written
        .into_iter()
        .map(|key| (key, state.get(&key).copied()));
    Ok(Outcome {
        transactions: outcomes,
        changes: Changes::from_unsorted(changes.collect()),
        statistics: Statistics::default(),
        conflicts: Vec::new(),
        times: None,
    })
}

fn refused(
    block: &TestBlock,
    wanted: u64,
    remaining: u64,
    ended: &mut bool,
) -> TxOutcome<Seen, ProgramError> {
    let reason = Reason::Refused(Box::new(LimitExceeded { wanted, remaining }));
    match block.limit {
        Some((_, Over::Fatal)) => TxOutcome::Fatal(reason),
        Some((_, Over::SkipRest)) => {
            *ended = true;
            TxOutcome::Skipped(reason)
        }
        _ => TxOutcome::Skipped(reason),
    }
}

/// Runs a program on `state`, which is thrown away unless it ends with an output.
fn run(program: &Program, state: &mut State, wrote: &mut Vec<u8>) -> End {
    let mut machine = Machine::default();
    let mut put = Vec::new();
    let mut next = 0;
    while next < program.steps.len() {
        let step = &program.steps[next];
        if let Some(undeclared) = undeclared(program, step, &put) {
            return End::Undeclared(undeclared);
        }
        if let Step::Put(key, _) | Step::PutRegister(key) | Step::Delete(key) = step {
            put.push(*key);
        }
        let failed = ProgramError {
            step: next,
            register: machine.register,
        };
        match *step {
            Step::Get(key) => machine.see_value(state.get(&key).copied()),
            Step::Put(key, value) => {
                wrote.push(key);
                state.insert(key, value);
            }
            Step::PutRegister(key) => {
                wrote.push(key);
                state.insert(key, machine.register);
            }
            Step::Delete(key) => {
                wrote.push(key);
                state.remove(&key);
            }
            Step::Add(key, amount) => {
                let sum = state.get(&key).unwrap_or(&0).checked_add(amount);
                machine.see(set(state, wrote, key, sum));
            }
            Step::Subtract(key, amount) => {
                let rest = state.get(&key).unwrap_or(&0).checked_sub(amount);
                machine.see(set(state, wrote, key, rest));
            }
            Step::AddWithin(key, amount, floor, ceiling) => {
                let sum = state.get(&key).unwrap_or(&0).checked_add(amount);
                let sum = sum.filter(|sum| floor <= *sum && *sum <= ceiling);
                machine.see(set(state, wrote, key, sum));
            }
            Step::AtLeast(key, amount) => {
                machine.see(u64::from(*state.get(&key).unwrap_or(&0) >= amount));
            }
            Step::Contains(key) => machine.see(u64::from(state.contains_key(&key))),
            Step::Scan(from, to, most) => {
                let keys = state.iter().filter(|(key, _)| from <= **key && **key <= to);
                for (key, value) in keys.take(most.max(1)) {
                    machine.see(u64::from(*key));
                    machine.see(*value);
                }
            }
            Step::ScanAll => {
                for (key, value) in &*state {
                    machine.see(u64::from(*key));
                    machine.see(*value);
                }
            }
            Step::SkipIfOdd(count) => {
                if machine.register % 2 == 1 {
                    next = next.saturating_add(count);
                }
            }
            Step::FailIfMultiple(of) => {
                if machine.register % of.max(1) == 0 {
                    return End::Failed(failed);
                }
            }
            Step::Fail => return End::Failed(failed),
            Step::Panic => panic!("a program panicked"),
            Step::Light => {}
        }
        next = next.saturating_add(1);
    }
    End::Output(machine.seen)
}

fn set(state: &mut State, wrote: &mut Vec<u8>, key: u8, sum: Option<u64>) -> u64 {
    match sum {
        Some(sum) => {
            wrote.push(key);
            state.insert(key, sum);
            1
        }
        None => 0,
    }
}

/// The access of `step`, if `program` says to have declared all and did not declare that. It may do anything with keys
/// that it has `put`.
fn undeclared(program: &Program, step: &Step, put: &[u8]) -> Option<Undeclared> {
    let hidden = match program.declared {
        Declared::AllBut(hidden) => hidden,
        Declared::Exactly => usize::MAX,
        Declared::Nothing | Declared::Guessed(_) => return None,
    };
    let declared: Vec<&Step> = program
        .steps
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != hidden)
        .map(|(_, step)| step)
        .collect();
    let range = |from: u8, to: u8| {
        declared.iter().any(|step| match step {
            Step::Scan(first, last, _) => *first <= from && to <= *last,
            Step::ScanAll => true,
            _ => false,
        })
    };
    let read = |key: u8| {
        range(key, key)
            || declared
                .iter()
                .any(|step| matches!(step, Step::Get(k) if *k == key))
    };
    let check = |key: u8| {
        read(key)
            || declared
                .iter()
                .any(|step| matches!(step, Step::AtLeast(k, _) | Step::Contains(k) if *k == key))
    };
    let write = |key: u8| {
        declared.iter().any(
            |step| matches!(step, Step::Put(k, _) | Step::PutRegister(k) | Step::Delete(k) if *k == key),
        )
    };
    let add = |key: u8| {
        (read(key) && write(key))
            || declared.iter().any(|step| {
                matches!(step, Step::Add(k, _) | Step::Subtract(k, _) | Step::AddWithin(k, ..) if *k == key)
            })
    };
    let (access, allowed, key) = match *step {
        Step::Get(key)
        | Step::AtLeast(key, _)
        | Step::Contains(key)
        | Step::Add(key, _)
        | Step::Subtract(key, _)
        | Step::AddWithin(key, ..)
            if put.contains(&key) =>
        {
            return None;
        }
        Step::Get(key) => (AccessKind::Read, read(key), format!("{key:?}")),
        Step::AtLeast(key, _) | Step::Contains(key) => {
            (AccessKind::Check, check(key), format!("{key:?}"))
        }
        Step::Put(key, _) | Step::PutRegister(key) | Step::Delete(key) => {
            (AccessKind::Write, write(key), format!("{key:?}"))
        }
        Step::Add(key, _) | Step::Subtract(key, _) | Step::AddWithin(key, ..) => {
            (AccessKind::Add, add(key), format!("{key:?}"))
        }
        Step::Scan(from, to, _) => (
            AccessKind::Range,
            range(from, to),
            format!("Included({from})..Included({to})"),
        ),
        Step::ScanAll => (
            AccessKind::Range,
            declared.contains(&&Step::ScanAll),
            "Unbounded..Unbounded".to_owned(),
        ),
        _ => return None,
    };
    (!allowed).then_some(Undeclared { access, key })
}
