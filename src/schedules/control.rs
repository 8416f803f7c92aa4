//! Who may run: one thread at a time, and who is next follows from a seed.

use std::{
    backtrace::Backtrace,
    cell::{Cell, RefCell},
    sync::Arc,
    time::Duration,
};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{Choice, Stuck, hang};

/// After so many steps it is taken for granted that there is no end.
const ENDLESS: u64 = 20_000_000;
/// Within so many steps priorities change.
const SPAN: u64 = 6_000;

thread_local! {
    static IS_CONTROLLED: Cell<bool> = const { Cell::new(false) };
    static MINE: RefCell<Option<(Arc<Control>, usize)>> = const { RefCell::new(None) };
}

/// The threads of one run.
#[derive(Debug)]
pub(crate) struct Control {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    choice: Choice,
    random: u64,
    /// One of so many steps passes the right to run on, in a walk.
    seldom: u64,
    /// The steps at which the one who runs gets the lowest priority.
    changes: Vec<u64>,
    lowest: i64,
    steps: u64,
    /// How often somebody has looked at the clock.
    looks: u64,
    current: usize,
    threads: Vec<Thread>,
    stuck: Vec<Stuck>,
    is_stuck: bool,
}

#[derive(Debug)]
struct Thread {
    status: Status,
    priority: i64,
    turn: Arc<Condvar>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Status {
    Ready,
    /// Until somebody wakes those who wait for this.
    Waiting(Event),
    Ended,
}

/// What a thread can wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Event {
    /// A notification by the condition variable at this place.
    Notified(usize),
    /// The end of a thread.
    End(usize),
}

impl State {
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 11
    }

    fn add(&mut self) -> usize {
        let priority = i64::from(self.random() as u16);
        self.threads.push(Thread {
            status: Status::Ready,
            priority,
            turn: Arc::new(Condvar::new()),
        });
        self.threads.len() - 1
    }

    /// Who runs next, of those who can; not `but`, if anybody else can.
    fn next(&mut self, but: Option<usize>) -> Option<usize> {
        let threads = self.threads.iter().enumerate();
        let ready = threads.filter(|(_, thread)| thread.status == Status::Ready);
        let mut ready: Vec<usize> = ready.map(|(number, _)| number).collect();
        if ready.len() > 1 {
            ready.retain(|number| Some(*number) != but);
        }
        match self.choice {
            Choice::Walk if ready.is_empty() => None,
            Choice::Walk => Some(ready[(self.random() % ready.len() as u64) as usize]),
            Choice::Pct => ready
                .into_iter()
                .max_by_key(|number| (self.threads[*number].priority, *number)),
        }
    }

    fn sink(&mut self, number: usize) {
        self.lowest -= 1;
        self.threads[number].priority = self.lowest;
    }
}

/// The run that this thread belongs to, and its number there.
pub(super) fn mine() -> Option<(Arc<Control>, usize)> {
    if !IS_CONTROLLED.get() {
        return None;
    }
    MINE.with_borrow(Clone::clone)
}

/// A step of a protocol: somebody else may go on.
#[inline]
pub(super) fn step() {
    if IS_CONTROLLED.get() {
        controlled_step();
    }
}

#[cold]
fn controlled_step() {
    if let Some((control, me)) = mine() {
        let mut state = control.state.lock();
        let stays = match state.choice {
            Choice::Walk => {
                let seldom = state.seldom;
                !state.random().is_multiple_of(seldom)
            }
            Choice::Pct => {
                let step = state.steps;
                if state.changes.contains(&step) {
                    state.sink(me);
                }
                false
            }
        };
        if stays {
            state.steps += 1;
        } else {
            control.pass(state, me, None);
        }
    }
}

impl Control {
    /// Begins a run, with this thread alone.
    pub(super) fn begin(choice: Choice, seed: u64) -> Arc<Self> {
        assert!(mine().is_none(), "a schedule within a schedule");
        let mut state = State {
            choice,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            seldom: 2,
            changes: Vec::new(),
            lowest: 0,
            steps: 0,
            looks: 0,
            current: 0,
            threads: Vec::new(),
            stuck: Vec::new(),
            is_stuck: false,
        };
        for _ in 0..8 {
            state.random();
        }
        // Passing on takes most of the time.
        state.seldom = 2 << (state.random() % 7);
        // Half of them early on: many runs are short.
        let span = [SPAN / 10, SPAN][(state.random() % 2) as usize];
        state.changes = (0..=state.random() % 5)
            .map(|_| state.random() % span)
            .collect();
        state.add();
        let control = Arc::new(Self {
            state: Mutex::new(state),
        });
        control.enter(0);
        control
    }

    fn enter(self: &Arc<Self>, number: usize) {
        MINE.set(Some((Arc::clone(self), number)));
        IS_CONTROLLED.set(true);
    }

    /// Ends the run, for the thread that has begun it.
    ///
    /// # Panics
    ///
    /// If threads are left.
    pub(super) fn end(&self) {
        IS_CONTROLLED.set(false);
        MINE.set(None);
        let state = self.state.lock();
        let others = &state.threads[1..];
        assert!(
            others.iter().all(|thread| thread.status == Status::Ended),
            "a runtime that was made under a schedule has to end there"
        );
    }

    /// How many steps there were, where a look at the clock counts for fifty.
    pub(super) fn time(&self) -> u64 {
        let mut state = self.state.lock();
        state.looks += 1;
        state.steps + 50 * state.looks
    }

    /// A number for a new thread.
    pub(super) fn add(&self) -> usize {
        self.state.lock().add()
    }

    /// What a new thread does: it waits for its turn, and says when it is over.
    pub(super) fn live(self: &Arc<Self>, number: usize, call: impl FnOnce()) {
        self.enter(number);
        self.await_turn(self.state.lock(), number);
        // Threads of a pool catch the panics of what they run.
        call();
        IS_CONTROLLED.set(false);
        MINE.set(None);
        let mut state = self.state.lock();
        state.threads[number].status = Status::Ended;
        for thread in &mut state.threads {
            if thread.status == Status::Waiting(Event::End(number)) {
                thread.status = Status::Ready;
            }
        }
        if let Some(next) = state.next(None) {
            state.current = next;
            state.threads[next].turn.notify_one();
        }
    }

    /// Waits for the end of another thread.
    pub(super) fn await_end(&self, me: usize, other: usize) {
        let mut state = self.state.lock();
        if state.threads[other].status != Status::Ended {
            state.threads[me].status = Status::Waiting(Event::End(other));
            self.pass(state, me, None);
        }
    }

    /// Waits until it is notified.
    pub(super) fn sleep(&self, me: usize, event: Event) {
        let mut state = self.state.lock();
        state.threads[me].status = Status::Waiting(event);
        self.pass(state, me, None);
    }

    /// Wakes one of those who sleep for this, or all.
    pub(super) fn wake(&self, event: Event, all: bool) {
        let mut state = self.state.lock();
        let threads = state.threads.iter().enumerate();
        let asleep = threads.filter(|(_, thread)| thread.status == Status::Waiting(event));
        let mut asleep: Vec<usize> = asleep.map(|(number, _)| number).collect();
        if !all && !asleep.is_empty() {
            let chosen = (state.random() % asleep.len() as u64) as usize;
            asleep = vec![asleep[chosen]];
        }
        for number in asleep {
            state.threads[number].status = Status::Ready;
        }
    }

    /// Lets others run: this thread waits for one of them, and does not know which.
    pub(super) fn yield_to_others(&self, me: usize) {
        let mut state = self.state.lock();
        state.sink(me);
        self.pass(state, me, Some(me));
    }

    /// Passes the right to run on, and waits until it comes back.
    fn pass<'a>(&'a self, mut state: MutexGuard<'a, State>, me: usize, but: Option<usize>) {
        state.steps += 1;
        match state.next(but) {
            Some(_) if state.steps > ENDLESS => self.report(state, me),
            Some(next) if next == me => {}
            Some(next) => {
                state.current = next;
                state.threads[next].turn.notify_one();
                self.await_turn(state, me);
            }
            None => self.report(state, me),
        }
    }

    fn await_turn<'a>(&'a self, mut state: MutexGuard<'a, State>, me: usize) {
        let turn = Arc::clone(&state.threads[me].turn);
        while state.current != me {
            turn.wait(&mut state);
            if state.is_stuck {
                let is_asleep = state.threads[me].status != Status::Ready;
                drop(state);
                let stack = Backtrace::force_capture();
                state = self.state.lock();
                state.stuck.push(Stuck {
                    thread: me,
                    is_asleep,
                    stack,
                });
                // The process ends soon.
                while state.is_stuck {
                    turn.wait(&mut state);
                }
            }
        }
    }

    /// Nobody can go on: all say where they are.
    fn report<'a>(&'a self, mut state: MutexGuard<'a, State>, me: usize) -> ! {
        state.is_stuck = true;
        let is_asleep = state.threads[me].status != Status::Ready;
        for thread in &state.threads {
            thread.turn.notify_one();
        }
        drop(state);
        let mine = Stuck {
            thread: me,
            is_asleep,
            stack: Backtrace::force_capture(),
        };
        // One after another captures its stack, which takes some time.
        for _ in 0..100 {
            std::thread::sleep(Duration::from_millis(50));
            let state = self.state.lock();
            let ended = state
                .threads
                .iter()
                .filter(|thread| thread.status == Status::Ended);
            if state.stuck.len() + 1 + ended.count() >= state.threads.len() {
                break;
            }
        }
        let mut stuck = std::mem::take(&mut self.state.lock().stuck);
        stuck.push(mine);
        stuck.sort_by_key(|stuck| stuck.thread);
        hang(&stuck)
    }
}
