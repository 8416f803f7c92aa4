//! Why a transaction does not do the same twice.

use std::fmt;

use super::attempts::Trace;

/// What a VM depends on beside the transaction and the state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Impurity {
    /// On the time of day, or on how long something takes.
    Time,
    /// On how often it was called before: it keeps something in itself, or in a static, between attempts.
    Kept,
    /// On what an earlier attempt has left in [`Vm::Scratch`](crate::Vm::Scratch).
    Scratch,
    /// On the order of a hash map with random hashes: the same things happen in another order.
    Order,
    /// On where something lies in memory.
    Address,
    /// On the thread that executes it: its number, its name, or what it keeps for itself.
    Thread,
    /// On something that changes with every attempt, in no way that could be told: random numbers, say.
    Repetition,
}

impl fmt::Display for Impurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Impurity::Time => "the time",
            Impurity::Kept => "what the VM keeps between attempts",
            Impurity::Scratch => "what earlier attempts leave in the scratch",
            Impurity::Order => "the order of a hash map",
            Impurity::Address => "where something lies in memory",
            Impurity::Thread => "the thread that executes it",
            Impurity::Repetition => "something that changes with every attempt",
        })
    }
}

/// The cause as far as the traces of some attempts tell, the last two of which came some milliseconds after the others; or
/// else `otherwise`.
pub(super) fn named(traces: &[&Trace], otherwise: Impurity) -> Impurity {
    let words: Vec<Vec<String>> = traces.iter().map(|trace| items(trace)).collect();
    if words.windows(2).all(|pair| pair[0] == pair[1]) {
        return Impurity::Order;
    }
    if traces.len() < 4 {
        return otherwise;
    }
    // The first number that is not always the same tells how it goes on.
    let numbers: Vec<Vec<i128>> = traces.iter().map(|trace| numbers(trace)).collect();
    let shortest = numbers.iter().map(Vec::len).min().unwrap_or(0);
    let Some(place) = (0..shortest).find(|at| numbers.iter().any(|of| of[*at] != numbers[0][*at]))
    else {
        // Something else changes: if all but the first attempts do the same, it remembers those.
        let last = traces.len() - 1;
        return if traces[last] == traces[last - 1] {
            Impurity::Kept
        } else {
            otherwise
        };
    };
    if numbers.iter().all(|of| is_address(of[place])) {
        return Impurity::Address;
    }
    let pairs = numbers.windows(2);
    let steps: Vec<i128> = pairs.map(|pair| pair[1][place] - pair[0][place]).collect();
    if steps.windows(2).all(|pair| pair[0] == pair[1]) {
        return Impurity::Kept;
    }
    // The attempts before the pause and after it follow each other at once.
    let pause = steps[steps.len() - 2];
    let quick = steps[..steps.len() - 2].iter();
    if steps.iter().all(|step| *step >= 0) && quick.clone().all(|step| *step * 4 < pause) {
        return Impurity::Time;
    }
    let last = traces.len() - 1;
    if traces[last] == traces[last - 1] && traces[last] == traces[last - 2] {
        return Impurity::Kept;
    }
    otherwise
}

/// Whether a number looks like a place in the memory of this process: near where something lies just now.
fn is_address(number: i128) -> bool {
    let boxed = Box::new(0_u8);
    let places = [&raw const *boxed as i128, &raw const boxed as i128];
    places.iter().any(|place| (place - number).abs() < 1 << 32)
}

/// All words of a trace, sorted.
fn items(trace: &Trace) -> Vec<String> {
    let asked = trace.steps.iter().cloned();
    let words = trace.end.split(|letter: char| !letter.is_alphanumeric());
    let mut items: Vec<String> = asked.chain(words.map(str::to_owned)).collect();
    items.sort_unstable();
    items
}

/// All numbers of a trace, in order.
fn numbers(trace: &Trace) -> Vec<i128> {
    let texts = trace.steps.iter().chain([&trace.end]);
    let words = texts.flat_map(|text| text.split(|letter: char| !letter.is_ascii_digit()));
    words.filter_map(|word| word.parse().ok()).collect()
}
