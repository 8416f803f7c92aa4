//! The block is split into stretches of transactions that follow each other, one for each worker, and what they leave is put together.
//!
//! | file | what |
//! | --- | --- |
//! | `round.rs` | has stretches executed side by side, and puts together what they leave |
//! | `shares.rs` | which worker executes which transactions |
//! | `stretch.rs` | executes a stretch, on a table of its own |
//! | `note.rs` | what a stretch was told of a key, and for which values it would be told the same |
//! | `base.rs` | the state that a stretch begins with |
//! | `merge.rs` | puts tables together |
//! | `log.rs` | what transactions of a stretch have touched and changed |
//! | `repair.rs` | executes those again that were told what is not so |
//! | `settle.rs` | settles transactions in block order |
//!
//! A stretch is executed as the serial executor does it, but for the first one on a state that may turn out to be another one. So
//! it costs hardly more than serial execution, however small transactions are, where [optimism](super::optimistic) must have each of them
//! pay for its own. In return a stretch knows nothing of what others write while it runs. Adds come to their sum when all is put together; but
//! if somebody in a stretch has looked at what an earlier one has written, all in this stretch that have touched that are executed again then,
//! by one thread, and so are those that have touched what these leave otherwise. It is for transactions that take little each, and of which not
//! too many wait for each other.
//!
//! Of a block a few go first, so that little is lost where that does not hold, unless it is small and blocks before it have shown that it
//! does. If these look at what they change, they may have been
//! right only because they are few: pairs of transactions that could meet are as many as the square of these. So twice as many go each time
//! then, until some are executed again, which says how many of the others will be. If they look at nothing that they change, nobody writes
//! down any more what the others touch, and a stretch that was told what is not so is in vain, with all behind it.

pub(super) mod base;
mod log;
pub(super) mod merge;
pub(super) mod note;
mod repair;
mod round;
pub(super) mod settle;
mod shares;
mod stretch;

use super::{
    attempt::Input,
    outlook::{Outlook, SMALL},
    runtime::Runtime,
};
use crate::{
    error::ExecuteError,
    execute::{Fold, Known, Overlay, Recorder, Rest},
    mutant::mutant,
    state::{Changes, State},
    value::Value,
    vm::Vm,
};
use round::{Done, Round};
use shares::Shares;

/// So many transactions for each worker go first, or less: a share of the block.
const FIRST: usize = 256;
const SHARE: usize = 32;

/// If one in so many transactions changes a key that it has looked at, it is not believed that all the others are right because a few were.
const RISKY: usize = 16;

/// If more than one in so many of the transactions to come would probably be executed again, stretches are no way to execute them.
const MANY: usize = 4;

/// So many transactions are too few to look first, if nobody knows what they take.
const TINY: usize = 64;

/// What has come of a block, or of the part of it that could be split.
pub(super) struct Ran<'a, 's, V: Vm, S> {
    pub(super) fold: Fold<'a, V>,
    pub(super) left: Left<'s, V, S>,
}

/// What is left to be done.
pub(super) enum Left<'s, V: Vm, S> {
    /// Nothing. The block has made these changes.
    Nothing(Changes<V::Key, V::Value>),
    /// The transactions that are not settled, on this.
    Some {
        overlay: Overlay<'s, V::Key, V::Value, S>,
        /// Whether that is so because a stretch was told what was not so, or scans a range, or too many of lanes were told what was not so, and not
        /// because of something that only the order of the block can settle.
        is_conflict: bool,
    },
}

impl<'a, 's, V: Vm, S> Ran<'a, 's, V, S> {
    /// What is left is to be done otherwise, see [`Left::Some`].
    pub(super) fn left(
        fold: Fold<'a, V>,
        overlay: Overlay<'s, V::Key, V::Value, S>,
        is_conflict: bool,
    ) -> Self {
        Self {
            fold,
            left: Left::Some {
                overlay,
                is_conflict,
            },
        }
    }
}

type Amount<V> = <<V as Vm>::Value as Value>::Amount;

/// Changes in no particular order.
pub(super) type Changed<V> = Vec<(<V as Vm>::Key, Option<<V as Vm>::Value>)>;

/// Executes the transactions that are not settled, as far as splitting them carries. `main` has what those before have left.
pub(super) fn run<'a, 's, V: Vm, S: State<V::Key, V::Value>>(
    runtime: &Runtime,
    (rest, input, outlook): (&Rest<'_, V>, &Input<'_, V, S>, &mut Outlook),
    mut fold: Fold<'a, V>,
    mut recorder: Option<&mut Recorder<V::Key>>,
    mut main: Overlay<'s, V::Key, V::Value, S>,
) -> Result<Ran<'a, 's, V, S>, ExecuteError> {
    let all = fold.transactions.len();
    // If most of it is probably right, or it is over soon, all go at once.
    let is_small = match outlook.alone() {
        Some(alone) => alone < SMALL && outlook.is_probably_right(MANY),
        None => all - fold.settled() <= TINY,
    };
    // How many go next, unless it is all of them.
    let mut size = None;
    let mut is_risky = true;
    let is_conflict = loop {
        let begin = fold.settled();
        if fold.next().is_none() || fold.has_ended() || input.is_cancelled() {
            break false;
        }
        let left = all - begin;
        let workers = runtime.workers().get().min(left);
        let few = || (left / SHARE).clamp(workers, FIRST * workers);
        let next = *size.get_or_insert_with(few);
        let is_part = is_risky && !is_small && left > 2 * next;
        let end = if is_part { begin + next } else { all };
        let round = Round {
            runtime,
            input,
            shares: Shares::new(begin..end, workers, outlook.costs()),
            outlook,
            workers,
            is_last: end == all,
            is_risky,
        };
        let Done {
            changed,
            met,
            is_settled,
            is_right,
            risks,
            again,
            merged,
            costs,
        } = round.run(&main, &mut fold, &mut recorder);
        outlook.add(&costs);
        let (round, left) = (end - begin, all - end);
        // Whoever is wrong is one of a pair that meets, so that in more of them a larger part is.
        let growth = if is_part { left.div_ceil(round) } else { 1 };
        let behind = round as f64 * (1.0 - 1.0 / workers as f64);
        if !input.is_cancelled() {
            // What was not all right was all in vain, or might as well have been.
            let is_whole = is_right && is_settled && fold.settled() == end;
            let part = (again * growth) as f64 / behind.max(1.0);
            outlook.show_again(if is_whole { part } else { 1.0 });
        }
        if !is_settled && !mutant!("keep_what_is_not_settled") {
            rest.replay(&fold, &mut main, begin)?;
            break false;
        }
        if fold.settled() == all {
            fold.statistics.keys = main.keys() + merged.keys;
            let changed = changed.into_iter();
            let changed = changed.chain([merged.rest(main), merged.changed]);
            return Ok(Ran {
                fold,
                left: Left::Nothing(Changes::from_parts(changed.collect())),
            });
        }
        for (key, value) in changed.into_iter().flatten().chain(merged.changed) {
            main.adopt(&key, Known::of(value));
        }
        for key in met.into_iter().chain(merged.met) {
            main.meet(&key);
        }
        if !is_right || fold.settled() < end {
            break !is_right;
        }
        if again * growth * MANY > round {
            break true;
        }
        is_risky = again > 0 || risks * RISKY > round;
        size = Some(if again > 0 { left } else { 2 * next });
    };
    Ok(Ran::left(fold, main, is_conflict))
}
