//! Threads that are kept from block to block.
//!
//! A job is a function that every worker calls; the caller is one of them. Others join while it lasts, and none is waited
//! for that has not begun: a small block is over before a sleeping thread is awake, and owes it nothing.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::{
    mutant::mutant,
    sync::{Arc, AtomicUsize, Builder, Condvar, JoinHandle, Mutex, Ordering, lock, wait},
};

/// How often a thread looks out for a job, awake, when it was told to expect one: about as long as it takes to wake up. And how
/// often when it has just finished one. In models, sleeping at once is the harder case.
const EXPECTING: usize = if cfg!(any(feature = "schedules", pleach_loom, pleach_shuttle)) {
    0
} else {
    4096
};
const FINISHED: usize = if cfg!(any(feature = "schedules", pleach_loom, pleach_shuttle)) {
    0
} else {
    512
};

/// Threads that wait for jobs.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Threads wait here for a job.
    wanted: Condvar,
    /// The caller waits here for those who have begun.
    finished: Condvar,
    /// How many jobs there were: a hint.
    jobs: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    job: Option<Job>,
    /// How many threads may still begin.
    places: usize,
    /// How many have begun and not finished.
    running: usize,
    /// How many threads should look out for a job that is about to come.
    expecting: usize,
    panicked: bool,
    closing: bool,
}

/// A job, as threads see it that live longer than it.
#[derive(Clone, Copy)]
struct Job(*const (dyn Fn() + Sync));

// SAFETY: It is a reference to something `Sync`, see `Pool::run` for how long it lives.
unsafe impl Send for Job {}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

impl Job {
    /// The job without the lifetime that says how long it may be called.
    #[expect(
        clippy::transmute_ptr_to_ptr,
        reason = "a cast may not change a lifetime"
    )]
    fn erased(job: &(dyn Fn() + Sync)) -> Self {
        type Pointer<'a> = *const (dyn Fn() + Sync + 'a);
        // SAFETY: Only the lifetime changes, of which a raw pointer promises nothing.
        Self(unsafe { std::mem::transmute::<Pointer<'_>, Pointer<'static>>(job) })
    }
}

impl Pool {
    /// So many threads, all asleep. Each calls `begin` first, with its number.
    ///
    /// # Errors
    ///
    /// If the system gives no more threads. Those that it gave have ended then.
    pub fn new(
        threads: usize,
        begin: impl Fn(usize) + Clone + Send + 'static,
    ) -> std::io::Result<Self> {
        let mut pool = Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State::default()),
                wanted: Condvar::new(),
                finished: Condvar::new(),
                jobs: AtomicUsize::new(0),
            }),
            threads: Vec::with_capacity(threads),
        };
        for number in 0..threads {
            let shared = Arc::clone(&pool.shared);
            let begin = begin.clone();
            let thread = Builder::new()
                .name(format!("pleach-{number}"))
                .spawn(move || {
                    begin(number);
                    shared.work();
                })?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// How many threads there are, beside the caller's.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// Wakes up to so many threads, as a job is about to come: by then they are awake. If none comes, they sleep on.
    pub fn rouse(&self, threads: usize) {
        let threads = threads.min(self.threads.len());
        if threads == 0 {
            return;
        }
        let mut state = lock(&self.shared.state);
        if state.job.is_some() {
            return;
        }
        state.expecting = threads;
        drop(state);
        for _ in 0..threads {
            self.shared.wanted.notify_one();
        }
    }

    /// Calls `job` on this thread, and at the same time on up to `helpers` threads of the pool. Returns when all calls that
    /// have begun are over. If another job has the pool, nobody helps.
    ///
    /// # Panics
    ///
    /// If `job` panics, on whichever thread, after all calls are over.
    pub fn run(&self, helpers: usize, job: &(dyn Fn() + Sync)) {
        let helpers = helpers.min(self.threads.len());
        let mut state = lock(&self.shared.state);
        if helpers == 0 || state.job.is_some() {
            drop(state);
            return job();
        }
        // It stays there only until the end of this function, which returns, or unwinds, only after all threads that have
        // taken it are done with it.
        state.job = Some(Job::erased(job));
        state.places = helpers;
        state.expecting = 0;
        // ORDERING: Relaxed, a hint. The job is looked for under the lock.
        self.shared.jobs.fetch_add(1, Ordering::Relaxed);
        drop(state);
        for _ in 0..helpers {
            self.shared.wanted.notify_one();
        }

        let mine = catch_unwind(AssertUnwindSafe(job));

        let mut state = lock(&self.shared.state);
        // Who has not begun need not.
        state.places = 0;
        while state.running > 0 && !mutant!("no_wait_for_helpers") {
            state = wait(&self.shared.finished, state);
        }
        state.job = None;
        let panicked = std::mem::take(&mut state.panicked);
        drop(state);
        if let Err(panic) = mine {
            resume_unwind(panic);
        }
        assert!(!panicked, "a worker panicked");
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        lock(&self.shared.state).closing = true;
        self.shared.wanted.notify_all();
        for thread in self.threads.drain(..) {
            // Its panics were caught.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// The life of a thread.
    fn work(&self) {
        let mut state = lock(&self.state);
        let mut looks = 0;
        loop {
            if state.closing {
                return;
            }
            let Some(Job(job)) = state.job.filter(|_| state.places > 0) else {
                if state.expecting > 0 {
                    state.expecting -= 1;
                    looks = EXPECTING;
                }
                if looks > 0 {
                    // ORDERING: Relaxed, a hint.
                    let before = self.jobs.load(Ordering::Relaxed);
                    drop(state);
                    self.look_out(before, std::mem::take(&mut looks));
                    state = lock(&self.state);
                } else {
                    state = wait(&self.wanted, state);
                }
                continue;
            };
            state.places -= 1;
            state.running += 1;
            drop(state);
            // SAFETY: `Pool::run` does not return while this thread is counted as running, so the job lives.
            let result = catch_unwind(AssertUnwindSafe(|| unsafe { (*job)() }));
            state = lock(&self.state);
            state.panicked |= result.is_err();
            state.running -= 1;
            if state.running == 0 {
                self.finished.notify_one();
            }
            looks = FINISHED;
        }
    }

    /// Waits a moment, awake, for a job beyond so many.
    fn look_out(&self, before: usize, looks: usize) {
        for _ in 0..looks {
            // ORDERING: Relaxed, a hint. Whoever misses a job finds it under the lock.
            if self.jobs.load(Ordering::Relaxed) != before {
                return;
            }
            std::hint::spin_loop();
        }
    }
}
