//! Settles transactions in block order.

use std::time::Duration;

use super::{Attempted, Kept, Shared};
use crate::{
    execute::{Fold, Recorder, Settled},
    protocol::{lifecycle::Taken, versions::Reader},
    state::State,
    sync::{Moment, Ordering},
    vm::Vm,
};

/// How many transactions are committed before it is asked whether attempts are in vain.
const ROUND: u32 = 32;

/// How long it is watched at a time how much faster than one thread this is: some times what it takes until another one is
/// awake.
const WATCH: Duration = Duration::from_micros(150);

/// Nothing is known yet, so there is some hope.
const HOPE: f64 = 1.1;

/// By how much the last time changes what is thought of all. A system that has something else to do for a moment does not
/// change much.
const WEIGHT: f64 = 0.3;

/// Below this it is not worth going on.
const TOO_SLOW: f64 = 0.95;

/// The committed prefix of a block. One worker at a time has it.
pub(super) struct Commit<'a, 'r, V: Vm> {
    fold: Fold<'a, V>,
    recorder: Option<&'r mut Recorder<V::Key>>,
    workers: u32,
    settled: u32,
    /// How many were when this round began.
    round: u32,
    /// Attempts at the transactions of this round.
    attempts: u32,
    /// Since when it is watched what one thread would have needed, if it is.
    watched: Option<Moment>,
    /// What one thread would have needed since then, in nanoseconds.
    cost: u64,
    /// How many times as fast as one thread this is, as far as it was watched.
    speed: f64,
    is_over: bool,
}

/// What came of trying to commit the next transaction.
pub(super) enum Step<V: Vm> {
    /// It is committed.
    Go,
    /// It cannot be yet, or nothing more is to be committed.
    Wait,
    /// It was told something that is not so: it has to be executed again.
    Refused(u32, Kept<V>),
}

impl<'a, 'r, V: Vm> Commit<'a, 'r, V> {
    pub(super) fn new(
        fold: Fold<'a, V>,
        recorder: Option<&'r mut Recorder<V::Key>>,
        workers: usize,
        must_pay: bool,
    ) -> Self {
        let settled = fold.next().map_or(0, |(index, _)| index as u32);
        Self {
            settled,
            round: settled,
            watched: must_pay.then(Moment::now),
            cost: 0,
            speed: HOPE,
            fold,
            recorder,
            workers: workers as u32,
            attempts: 0,
            is_over: false,
        }
    }

    pub(super) fn settled(&self) -> u32 {
        self.settled
    }

    pub(super) fn into_fold(self) -> Fold<'a, V> {
        self.fold
    }

    /// Commits the next transaction. Names those who have seen what a rule undid, and those who waited for it.
    pub(super) fn step<S: State<V::Key, V::Value>>(
        &mut self,
        shared: &Shared<'_, V, S>,
        deceived: &mut Vec<Reader>,
        woken: &mut Vec<u32>,
    ) -> Step<V> {
        if self.is_over {
            return Step::Wait;
        }
        let Some((index, transaction)) = self.fold.next() else {
            return self.stop(shared);
        };
        let number = index as u32;
        let Some(taken) = shared.lifecycle.take(number) else {
            return Step::Wait;
        };
        let Taken {
            mut kept,
            woken: mut ready,
        } = taken;
        woken.append(&mut ready);
        let holds = kept.told.iter().all(|(key, terms)| {
            let mut versions = shared.keys.at(*key).cell().lock();
            versions.holds(number, terms)
        });
        if !holds {
            self.fold.statistics.refused += 1;
            shared.lifecycle.refuse(number);
            return Step::Refused(number, kept);
        }
        let Some(Attempted::Done(attempt)) = kept.attempted.take() else {
            return self.stop(shared);
        };
        self.fold.statistics.attempts += kept.runs as usize;
        let is_admitted = self.fold.admit(index, transaction);
        if let (true, Some(recorder), Some(touched)) =
            (is_admitted, &mut self.recorder, kept.touched.take())
        {
            recorder.put(index, *touched);
        }
        let is_kept = is_admitted && self.fold.settle(index, transaction, attempt) == Settled::Keep;
        if !is_kept {
            for key in &kept.written {
                let mut versions = shared.keys.at(*key).cell().lock();
                versions.publish(number, None, deceived);
            }
        }
        self.settled += 1;
        // ORDERING: Release: who sees the number sees the versions of those before it.
        shared.settled.store(self.settled, Ordering::Release);
        self.attempts += kept.runs;
        self.cost += u64::from(kept.cost);
        // The serial executor skips what is left without executing it.
        if self.fold.has_ended() || (self.settled - self.round == ROUND && !self.pays()) {
            return self.stop(shared);
        }
        Step::Go
    }

    /// Whether several workers are still faster than one would be. Begins the next round.
    fn pays(&mut self) -> bool {
        let attempts = std::mem::take(&mut self.attempts);
        self.round = self.settled;
        self.workers == 1 || (attempts * 5 <= ROUND * self.workers * 4 && self.is_faster())
    }

    /// Whether one thread would be slower, as far as that is watched.
    fn is_faster(&mut self) -> bool {
        let Some(took) = self.watched.map(|begun| begun.elapsed()) else {
            return true;
        };
        if took < WATCH {
            return true;
        }
        self.watched = Some(Moment::now());
        let cost = std::mem::take(&mut self.cost);
        self.speed += WEIGHT * (cost as f64 / took.as_nanos() as f64 - self.speed);
        self.speed > TOO_SLOW
    }

    fn stop<S>(&mut self, shared: &Shared<'_, V, S>) -> Step<V> {
        self.is_over = true;
        shared.ready.stop();
        Step::Wait
    }
}
