//! Who may run what: room between stages, limits, priorities, sleeping, and closing.
//!
//! The board counts, and nothing else: events are in the queues, and controllers and handlers elsewhere. All of it is behind
//! one lock, which is taken once or twice for a batch.
//!
//! A stage may take as many events as there is room for behind it. The room is reserved when the events are taken, and given
//! back when they have joined the next queue, or wait for their turn there, or have left. So nothing that has been taken ever
//! waits for room, and the last stage that has something to do can always do it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::Waker,
    time::Duration,
};

use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait, wait_for};

mod state;

pub use state::{Claim, Crew, Flow, Lane, LaneView, Refusal};
use state::{Crewmen, State};

/// The state of a pipeline, in numbers.
#[derive(Debug)]
pub struct Board {
    state: Mutex<State>,
    /// One for each crew: that of the pool, and that of each stage.
    work: Vec<Condvar>,
    /// There may be room for another event.
    room: Condvar,
    over: Condvar,
}

/// What a worker does next.
#[derive(Debug)]
#[must_use]
pub enum Next {
    /// Handle these.
    Run(Claim),
    /// Events were cancelled while the worker had some: look for more of them.
    Sweep {
        /// Those with lower numbers.
        cancelled_before: u64,
    },
    /// A stage has work and no free hand: see whether its controller gives it more.
    Look,
    /// End.
    Over,
}

/// How long somebody waits for room.
#[derive(Clone, Copy, Debug)]
pub enum Patience {
    /// Not at all.
    None,
    /// So long.
    For(Duration),
    /// As long as it takes.
    Endless,
}

/// Calls wakers, which are somebody else's code, and may panic.
fn call(wakers: Vec<Waker>) {
    for waker in wakers {
        let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
    }
}

impl Board {
    /// An empty pipeline that takes up to so many events, and looks at full stages that often.
    #[must_use]
    pub fn new(lanes: Vec<Lane>, most: usize, look: Option<Duration>) -> Self {
        Self {
            work: (0..=lanes.len()).map(|_| Condvar::new()).collect(),
            state: Mutex::new(State::new(lanes, most, look)),
            room: Condvar::new(),
            over: Condvar::new(),
        }
    }

    /// Changes something, then wakes those whom it concerns.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = lock(&self.state);
        let result = change(&mut state);
        let callers = self.wake(&mut state);
        drop(state);
        call(callers);
        result
    }

    /// Wakes one sleeper of each crew that has something to do, and one who waits for room. Whoever is woken does the same
    /// before it goes on. The wakers are to be called without the lock.
    fn wake(&self, state: &mut State) -> Vec<Waker> {
        if state.is_over() {
            // Told once: nobody begins to wait after that.
            if !std::mem::replace(&mut state.is_told, true) {
                if !cfg!(mutant = "silent_last") {
                    for condvar in &self.work {
                        condvar.notify_all();
                    }
                }
                self.over.notify_all();
            }
        } else {
            for crew in 0..self.work.len() {
                let Crewmen { asleep, called } = state.crews[crew];
                if asleep > called && state.choose(Crew::from_index(crew)).is_some() {
                    state.crews[crew].called += 1;
                    self.work[crew].notify_one();
                }
            }
            self.call_watch(state);
        }
        if state.may_enter().is_ok() || state.is_closed {
            if state.waiting > 0 && !cfg!(mutant = "silent_room") {
                if state.is_closed {
                    self.room.notify_all();
                } else {
                    self.room.notify_one();
                }
            }
            let callers = std::mem::take(&mut state.callers);
            return callers.into_iter().map(|(_, waker)| waker).collect();
        }
        Vec::new()
    }

    /// If a stage is starved, somebody should sleep with an eye on it. Where all work, one will come by.
    fn call_watch(&self, state: &mut State) {
        if state.look.is_none() || !state.needs_watch() {
            return;
        }
        let is_coming = state.crews.iter().any(|crew| crew.called > 0);
        let sleeper = state.crews.iter().position(|crew| crew.asleep > 0);
        if let (false, Some(crew)) = (is_coming, sleeper) {
            state.crews[crew].called += 1;
            self.work[crew].notify_one();
        }
    }

    /// Accepts an event, if there is room for it or will be in time. `put` gets its number and adds it to the first queue,
    /// in the same step, so that numbers and places agree.
    pub fn enter(&self, patience: Patience, put: impl FnOnce(u64)) -> Result<u64, Refusal> {
        let mut state = lock(&self.state);
        loop {
            match state.may_enter() {
                Ok(()) => break,
                Err(Refusal::Closed) => return Err(Refusal::Closed),
                Err(refusal) => {
                    let is_late;
                    state.waiting += 1;
                    (state, is_late) = match patience {
                        Patience::None => (state, true),
                        Patience::For(time) => wait_for(&self.room, state, time),
                        Patience::Endless => (wait(&self.room, state), false),
                    };
                    state.waiting -= 1;
                    if is_late && state.may_enter().is_err() {
                        return Err(refusal);
                    }
                }
            }
        }
        Ok(self.accept(state, put))
    }

    fn accept(&self, mut state: MutexGuard<'_, State>, put: impl FnOnce(u64)) -> u64 {
        // What it does may panic, and then nothing has entered.
        let number = state.entered;
        put(number);
        state.enter();
        let callers = self.wake(&mut state);
        drop(state);
        call(callers);
        number
    }

    /// As [`enter`](Self::enter) without patience, but if there is no room, the waker is called when there may be. `caller`
    /// is who asks, if it has asked before; whoever gives up has to be [forgotten](Self::forget).
    pub fn enter_or_call(
        &self,
        caller: &mut Option<u64>,
        waker: &Waker,
        put: impl FnOnce(u64),
    ) -> Result<u64, Refusal> {
        let mut state = lock(&self.state);
        match state.may_enter() {
            Ok(()) => Ok(self.accept(state, put)),
            Err(Refusal::Closed) => Err(Refusal::Closed),
            Err(refusal) => {
                let number = *caller.get_or_insert(state.next_caller);
                state.next_caller = state.next_caller.max(number + 1);
                let known = state.callers.iter_mut().find(|known| known.0 == number);
                match known {
                    Some((_, known)) => known.clone_from(waker),
                    None => state.callers.push((number, waker.clone())),
                }
                Err(refusal)
            }
        }
    }

    /// Does not call this one any more.
    pub fn forget(&self, caller: u64) {
        lock(&self.state).callers.retain(|known| known.0 != caller);
    }

    /// Counts a refusal.
    pub fn count_refused(&self, refusal: Refusal) {
        lock(&self.state).refused[refusal as usize] += 1;
    }

    /// What a worker of this crew does next, now that it has finished what it had. Sleeps until there is something.
    pub fn next(&self, crew: Crew, finished: Option<(Claim, &mut Flow)>) -> Next {
        let mut state = lock(&self.state);
        let mut sweeps = false;
        if let Some((claim, flow)) = finished {
            sweeps = state.finish(claim, flow);
        }
        loop {
            if sweeps {
                // Then others wake up here, too.
                let cancelled_before = state.cancelled_before;
                let callers = self.wake(&mut state);
                drop(state);
                call(callers);
                return Next::Sweep { cancelled_before };
            }
            let next = state.claim(crew);
            let callers = self.wake(&mut state);
            if next.is_some() || !callers.is_empty() || state.is_over() {
                let is_over = state.is_over();
                drop(state);
                call(callers);
                match next {
                    Some(claim) => return Next::Run(claim),
                    None if is_over => return Next::Over,
                    None => state = lock(&self.state),
                }
                continue;
            }
            let condvar = &self.work[crew.index()];
            state.crews[crew.index()].asleep += 1;
            let mut is_late = false;
            match state.look.filter(|_| state.needs_watch()) {
                Some(time) => {
                    state.is_watched = true;
                    (state, is_late) = wait_for(condvar, state, time);
                    state.is_watched = false;
                }
                None => state = wait(condvar, state),
            }
            let crewmen = &mut state.crews[crew.index()];
            crewmen.asleep -= 1;
            crewmen.called = crewmen.called.saturating_sub(1);
            if is_late {
                return Next::Look;
            }
        }
    }

    /// Takes a batch, if there is one at once.
    #[must_use]
    pub fn try_claim(&self, crew: Crew) -> Option<Claim> {
        self.change(|state| state.claim(crew))
    }

    /// Ends a claim, for who does not go on working. If events have been cancelled since it was made, gives back the first
    /// number that is not: there may be more to be told.
    #[must_use]
    pub fn finish(&self, claim: Claim, flow: &mut Flow) -> Option<u64> {
        self.change(|state| state.finish(claim, flow).then_some(state.cancelled_before))
    }

    /// Enters what has become of claimed events while their handler still counts as running.
    pub fn settle(&self, claim: &mut Claim, flow: &mut Flow) {
        self.change(|state| state.settle(claim, flow));
    }

    /// Cancels all events that have been accepted up to now, and gives back the first number that is not. Those that wait
    /// are to be told; who has some in its hands is told to look for more when it asks what to do next.
    pub fn cancel_all(&self) -> u64 {
        self.change(|state| {
            state.cancelled_before = state.entered;
            state.entered
        })
    }

    /// Sets what the controllers of a stage say: how many handlers at a time, how many events a batch.
    pub fn set_limits(&self, stage: usize, limit: usize, batch: usize) {
        let set = |state: &mut State| {
            state.lanes[stage].limit = limit.max(1);
            state.lanes[stage].batch = batch.max(1);
        };
        if cfg!(mutant = "silent_limit") {
            set(&mut lock(&self.state));
        } else {
            self.change(set);
        }
    }

    /// The most events that were inside since this was last asked.
    pub fn take_peak(&self) -> usize {
        std::mem::take(&mut lock(&self.state).peak)
    }

    /// Sets how many events may be in the pipeline.
    pub fn set_window(&self, window: usize) {
        let set = |state: &mut State| state.window = window.max(1);
        if cfg!(mutant = "silent_window") {
            set(&mut lock(&self.state));
        } else {
            self.change(set);
        }
    }

    /// How many events may be in the pipeline.
    #[must_use]
    pub fn window(&self) -> usize {
        lock(&self.state).window
    }

    /// Accepts no more events. When the last one has left, workers are told to end.
    pub fn close(&self) {
        self.change(|state| state.is_closed = true);
    }

    /// Waits until it is closed and nothing is left.
    pub fn wait_until_over(&self) {
        let mut state = lock(&self.state);
        while !state.is_over() {
            state = wait(&self.over, state);
        }
    }

    /// Whether it is closed and nothing is left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        lock(&self.state).is_over()
    }

    /// Looks at the numbers.
    pub fn look<R>(&self, look: impl FnOnce(&LaneView<'_>) -> R) -> R {
        look(&LaneView(&lock(&self.state)))
    }
}
