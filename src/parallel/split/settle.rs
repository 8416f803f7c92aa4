//! Settles transactions that were executed in stretches or lanes, in block order.

use crate::{
    execute::{Attempt, Fold, Recorder, Settled},
    parallel::attempt::Touched,
    vm::Vm,
};

/// Settles transactions by what they came to. Says whether all of them are settled now, and what the block keeps of them is what they
/// left: a rule may think otherwise, and so may who cancels.
pub(in crate::parallel) fn settle<V: Vm>(
    fold: &mut Fold<'_, V>,
    recorder: &mut Option<&mut Recorder<V::Key>>,
    results: impl Iterator<Item = (Attempt<V>, Touched<V>)>,
    is_cancelled: impl Fn() -> bool,
) -> bool {
    for (attempt, touched) in results {
        if fold.has_ended() || is_cancelled() {
            return false;
        }
        let Some((index, transaction)) = fold.next() else {
            return false;
        };
        if !fold.admit(index, transaction) {
            return false;
        }
        if let (Some(recorder), Some(touched)) = (&mut *recorder, touched) {
            recorder.put(index, *touched);
        }
        fold.statistics.attempts += 1;
        let succeeded = attempt.is_ok();
        let is_kept = fold.settle(index, transaction, attempt) == Settled::Keep;
        if is_kept != succeeded {
            return false;
        }
    }
    true
}
