//! Settles transactions in block order.

use std::time::Duration;

use super::{Attempted, Kept, Shared, hands::Hands, mark};
use crate::{
    execute::{Fold, Recorder, Settled},
    mutant::mutant,
    parallel::outlook::{Estimate, Outlook},
    protocol::{lifecycle::Taken, versions::Change},
    state::State,
    sync::{Moment, Ordering},
    vm::Vm,
};

/// How many transactions are committed before it is asked whether attempts are in vain.
const ROUND: u32 = 32;

/// How long it is watched at least how much faster than one thread this is: some times what it takes until another one is
/// awake.
const WATCH: Duration = Duration::from_micros(150);

/// Nothing is known yet, so there is some hope.
const HOPE: f64 = 1.1;

/// What was before so long counts as much as what is new. Neither a system that has something else to do for a moment nor a worker
/// that begins with cold caches changes much.
const MEMORY: Duration = Duration::from_micros(800);

/// Below this it is not worth going on.
const TOO_SLOW: f64 = 0.95;

/// For what takes no more than so many seconds it is not worth giving up: one thread would need a table of all that was changed.
const LITTLE: f64 = 30e-6;

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
    /// Whether most of those of the last round were in vain.
    was_bad: bool,
    /// What is left, and since when it is watched what one thread would have needed, if it is.
    watched: Option<(Outlook, Moment)>,

    /// What one thread would have needed until then, in nanoseconds.
    cost: u64,
    /// How many times as fast as one thread this is, as far as it was watched.
    speed: f64,
    /// How much faster than expected that is. One to begin with: what is expected was measured elsewhere, on many blocks.
    luck: f64,
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
        outlook: Option<Outlook>,
    ) -> Self {
        let settled = fold.next().map_or(0, |(index, _)| index as u32);
        Self {
            settled,
            round: settled,
            watched: outlook.map(|mut outlook| {
                outlook.begin();
                (outlook, Moment::now())
            }),
            cost: 0,
            speed: HOPE,
            luck: 1.0,
            fold,
            recorder,
            workers: workers as u32,
            attempts: 0,
            was_bad: false,
            is_over: false,
        }
    }

    pub(super) fn settled(&self) -> u32 {
        self.settled
    }

    /// Whether there is nothing more to commit here: all is committed, or there was a reason to stop.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// What was committed, and what it took, if that was watched.
    pub(super) fn into_parts(self) -> (Fold<'a, V>, Option<Outlook>) {
        (self.fold, self.watched.map(|(outlook, _)| outlook))
    }

    /// Commits the next transaction, and executes it first if it is to be executed in turn. Names those who have seen what a rule undid, or
    /// not seen what was held until now or is left in turn, and those who waited for it.
    pub(super) fn step<'s, S: State<V::Key, V::Value>>(
        &mut self,
        shared: &'s Shared<'s, V, S>,
        hands: &mut Hands<'s, V>,
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
            if mutant!("end_when_seen") && self.fold.has_ended() {
                return self.stop(shared);
            }
            return Step::Wait;
        };
        let Taken {
            mut kept,
            woken: mut ready,
            is_reserved,
        } = taken;
        if is_reserved {
            // Whoever commits may execute many, one after another.
            if shared.input.is_cancelled() || shared.ready.is_stopped() {
                return self.stop(shared);
            }
            return self.in_turn(shared, hands, (number, transaction, kept), woken);
        }
        woken.append(&mut ready);
        let holds = kept.told.iter().all(|(key, terms)| {
            let entry = shared.keys.at(*key);
            match mark::parents(entry) {
                // No transaction that is committed has a version.
                Some(is_there) if terms.ask_only_that(is_there) => true,
                _ => entry.cell().lock().holds(number, terms),
            }
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
        // With the mutant, what is done by then counts: how much that is depends on who ran how fast.
        let is_late = mutant!("end_when_seen") && self.fold.has_ended();
        let is_admitted = is_late || self.fold.admit(index, transaction);
        if let (true, Some(recorder), Some(touched)) =
            (is_admitted, &mut self.recorder, kept.touched.take())
        {
            recorder.put(index, *touched);
        }
        let is_kept = is_admitted && self.fold.settle(index, transaction, attempt) == Settled::Keep;
        if is_kept {
            for (key, delta) in &kept.held {
                let mut versions = shared.keys.at(*key).cell().lock();
                let named = hands.deceived.len();
                versions.publish(number, Some(Change::Add(*delta)), &mut hands.deceived);
                if mutant!("silent_held") {
                    hands.deceived.truncate(named);
                }
            }
        } else {
            for key in &kept.written {
                let mut versions = shared.keys.at(*key).cell().lock();
                versions.publish(number, None, &mut hands.deceived);
            }
        }
        let keys = kept.told.len() + kept.looked.len();
        self.settle(shared);
        self.goes_on(shared, index, (kept.runs, kept.cost, keys))
    }

    /// Executes the next transaction, which nobody else does, and commits it.
    fn in_turn<'s, S: State<V::Key, V::Value>>(
        &mut self,
        shared: &'s Shared<'s, V, S>,
        hands: &mut Hands<'s, V>,
        (number, transaction, kept): (u32, &'a V::Transaction, Kept<V>),
        woken: &mut Vec<u32>,
    ) -> Step<V> {
        let index = number as usize;
        let (mut is_kept, mut cost, mut keys) = (false, 0, 0);
        // If it goes no further, nothing was said of the transaction, and the serial executor asks again.
        if self.fold.admit(index, transaction) {
            let (attempted, touched, took) = hands.execute_in_turn(shared, number);
            let Attempted::Done(attempt) = attempted else {
                return self.stop(shared);
            };
            self.fold.statistics.attempts += 1;
            if let (Some(recorder), Some(touched)) = (&mut self.recorder, touched) {
                recorder.put(index, *touched);
            }
            is_kept = self.fold.settle(index, transaction, attempt) == Settled::Keep;
            (cost, keys) = (took, hands.locals.len());
        }
        hands.leave(shared, number, &kept.written, is_kept);
        self.settle(shared);
        woken.append(&mut shared.lifecycle.settle_reserved(number));
        self.goes_on(shared, index, (1, cost, keys))
    }

    /// Says that one more is committed.
    fn settle<S>(&mut self, shared: &Shared<'_, V, S>) {
        self.settled += 1;
        // ORDERING: Release: who sees the number sees the versions of those before it.
        shared.settled.store(self.settled, Ordering::Release);
    }

    /// What comes after a transaction that is committed, of which so many attempts were made; one thread would have needed so long for it,
    /// and it has so many keys.
    fn goes_on<S>(
        &mut self,
        shared: &Shared<'_, V, S>,
        index: usize,
        (attempts, cost, keys): (u32, u32, usize),
    ) -> Step<V> {
        self.attempts += attempts;
        if let Some((outlook, _)) = &mut self.watched
            && let Some(class) = outlook.class(index)
        {
            outlook.ran(class, 1, f64::from(cost) * 1e-9, keys);
            outlook.done(class);
        }
        // The serial executor skips what is left without executing it.
        let has_ended = self.fold.has_ended() && !mutant!("end_when_seen");
        if has_ended || (self.settled - self.round == ROUND && !self.pays(shared)) {
            return self.stop(shared);
        }
        Step::Go
    }

    /// Whether several workers are still faster than one would be. Begins the next round.
    fn pays<S>(&mut self, shared: &Shared<'_, V, S>) -> bool {
        let attempts = std::mem::take(&mut self.attempts);
        self.round = self.settled;
        let is_bad = attempts * 5 > ROUND * self.workers * 4;
        // One bad round is not enough to give up.
        let was_bad = std::mem::replace(&mut self.was_bad, is_bad);
        self.workers == 1 || (!(is_bad && was_bad) && self.is_faster(shared))
    }

    /// Whether one thread would be slower, as far as that is watched.
    fn is_faster<S>(&mut self, shared: &Shared<'_, V, S>) -> bool {
        let Some((outlook, begun)) = &mut self.watched else {
            return true;
        };
        let took = begun.elapsed();
        if took < WATCH {
            return true;
        }
        *begun = Moment::now();
        let workers = self.workers as usize;
        let (past, coming) = (outlook.past(workers), outlook.coming(workers));
        outlook.begin();
        // ORDERING: Relaxed, a hint.
        shared
            .in_turn
            .store(outlook.in_turn(workers), Ordering::Relaxed);
        // ORDERING: Relaxed. They are estimates.
        let costs = shared.costs.iter().map(|cost| cost.load(Ordering::Relaxed));
        let cost = costs.fold(0, u64::wrapping_add);
        let since = cost.wrapping_sub(std::mem::replace(&mut self.cost, cost));
        // An attempt that is made again may take less than before.
        let speed = since.cast_signed().max(0) as f64 / took.as_nanos() as f64;
        let weight = took.as_secs_f64() / (took + MEMORY).as_secs_f64();
        self.speed += weight * (speed - self.speed);
        // What is left may be of another kind than what is done.
        let past = past.map_or(0.0, Estimate::speed);
        let Some(coming) = coming.filter(|_| past > 0.0) else {
            return self.speed > TOO_SLOW;
        };
        self.luck += weight * (speed / past - self.luck);
        coming.alone.max(coming.together) < LITTLE || self.luck * coming.speed() > TOO_SLOW
    }

    fn stop<S>(&mut self, shared: &Shared<'_, V, S>) -> Step<V> {
        self.is_over = true;
        shared.ready.stop();
        Step::Wait
    }
}
