//! Runs transactions, and runs those again that were deceived.

use super::{
    Kept, Shared,
    commit::{Commit, Step},
    hands::{Executed, Hands},
    mark,
    predict::Predicting,
    view::Halt,
};
use crate::{
    mutant::mutant,
    parallel::attempt::Attempted,
    protocol::{
        lifecycle::{Finished, Until},
        ready::{Job, Working},
        turn::Turn,
        versions::Reader,
    },
    state::State,
    sync::{Moment, Ordering, invariant, look_again},
    times::Spent,
    vm::Vm,
};

pub(super) struct Worker<'a, 'b, 'r, V: Vm, S> {
    shared: &'a Shared<'a, V, S>,
    commit: &'a Turn<Commit<'b, 'r, V>>,
    hands: Hands<'a, V>,
    predicting: Predicting<V::Key>,
    /// How often it had to look again at what somebody else had in hand, for the transaction at hand.
    looks: u32,
    /// What became ready by what this worker did.
    offers: Vec<u32>,
    /// How much this worker has done since it last committed.
    uncommitted: usize,
    /// Whether anything was done since, as far as this worker can tell.
    may_commit: bool,
}

/// How much is done before it is committed, if nobody has time for that: by keys that were touched, so that small
/// transactions are committed several at a time.
const MUCH: usize = if cfg!(pleach_loom) { 0 } else { 32 };

/// How many keys a transaction probably has that is executed in turn.
const IN_TURN: usize = 4;

/// So many transactions may be executed that are not committed: what is to be kept of them stays bounded, and so does the
/// way through the versions of a key that all of them change.
const AHEAD: u32 = 1024;

/// What becomes of a transaction that a worker has begun.
enum Next {
    /// The worker has it no more.
    Left,
    /// It makes another attempt.
    Attempt(u32),
}

impl<'a, 'b, 'r, V: Vm, S: State<V::Key, V::Value>> Worker<'a, 'b, 'r, V, S> {
    pub(super) fn new(
        shared: &'a Shared<'a, V, S>,
        commit: &'a Turn<Commit<'b, 'r, V>>,
        number: usize,
    ) -> Self {
        Self {
            shared,
            commit,
            hands: Hands::new(number, shared),
            predicting: Predicting::new(number),
            looks: 0,
            offers: Vec::new(),
            uncommitted: 0,
            // Others may have.
            may_commit: true,
        }
    }

    pub(super) fn work(mut self, mut working: Working) -> Spent {
        let ready = &self.shared.ready;
        loop {
            let job = if let Some(transaction) = self.mine(&working) {
                Job::Transaction(transaction)
            } else if let Some(job) = ready.poll(&working) {
                job
            } else if self.may_commit {
                // Whoever sleeps leaves nothing undone, whoever has done it.
                self.advance(&working);
                continue;
            } else if let Some((still, job)) = ready.next(working) {
                working = still;
                job
            } else {
                return self.hands.spent;
            };
            self.handle(&working, job);
        }
    }

    fn handle(&mut self, working: &Working, job: Job) {
        let transaction = match job {
            Job::Task(task) => self.shared.first + task as u32,
            Job::Transaction(transaction) => transaction,
        };
        self.run(working, transaction);
    }

    /// The lowest of the transactions that became ready by what this worker did, which holds up the others: these are for
    /// anybody.
    fn mine(&mut self, working: &Working) -> Option<u32> {
        self.offers.sort_unstable();
        let mine = *self.offers.first()?;
        // With the mutant, somebody else is told of it as well.
        let others = usize::from(!mutant!("begin_anything"));
        self.shared.ready.offer(working, &self.offers[others..]);
        self.offers.clear();
        Some(mine)
    }

    /// Runs a transaction, until an attempt stands or has to wait.
    fn run(&mut self, working: &Working, transaction: u32) {
        let shared = self.shared;
        if !shared.look_ahead(transaction, &mut self.predicting) {
            return;
        }
        let Some((mut attempt, mut kept)) = shared.lifecycle.begin(transaction) else {
            if shared.lifecycle.is_reserved(transaction) {
                self.has_done(working, IN_TURN);
            }
            return;
        };
        self.looks = 0;
        loop {
            if shared.input.is_cancelled() {
                shared.ready.stop();
            }
            // What this worker has made ready itself is of no use either.
            if shared.ready.is_stopped() {
                return;
            }
            // ORDERING: Relaxed. If it is more by now, the wait finds out.
            let settled = shared.settled.load(Ordering::Relaxed);
            let next = if transaction - settled.min(transaction) > AHEAD {
                let on = transaction - AHEAD;
                self.wait(working, transaction, &mut kept, (on, Until::Settled))
            } else if let Some(on) = kept.parent.take() {
                self.wait(working, transaction, &mut kept, (on, Until::Done))
            } else if let Some(on) = self.latest_guess(transaction, &kept) {
                self.wait(working, transaction, &mut kept, (on, Until::Done))
            } else {
                self.attempt(working, transaction, attempt, &mut kept)
            };
            match next {
                Next::Left => return,
                Next::Attempt(number) => attempt = number,
            }
        }
    }

    /// The latest transaction before this one that will write something that it will look at, as far as is known.
    fn latest_guess(&self, transaction: u32, kept: &Kept<V>) -> Option<u32> {
        let pending = |number: &u32| {
            let versions = self.shared.keys.at(*number).cell().lock();
            versions.pending(transaction)
        };
        kept.looked.iter().filter_map(pending).max()
    }

    fn wait(
        &mut self,
        working: &Working,
        transaction: u32,
        kept: &mut Kept<V>,
        (on, until): (u32, Until),
    ) -> Next {
        let lifecycle = &self.shared.lifecycle;
        self.hands.spent.waited += 1;
        if mutant!("steal_while_waiting") {
            // Keeps it, and works at something else meanwhile: at what waits for this one, perhaps.
            while !lifecycle.is_over(on, until) && !self.shared.ready.is_stopped() {
                match self.shared.ready.poll(working) {
                    Some(job) => self.handle(working, job),
                    None => look_again(&mut self.looks),
                }
            }
        }
        if lifecycle.wait(transaction, std::mem::take(kept), on, until) {
            return Next::Left;
        }
        // Whoever commits that one may have it in hand still: until it is through, another attempt sees what this one saw.
        if !mutant!("retry_at_once") {
            look_again(&mut self.looks);
            while self.is_in_hand(on, until) {
                look_again(&mut self.looks);
            }
        }
        self.begin(transaction, kept)
    }

    /// Whether a transaction that is to be waited for is being committed, and not through yet. It may still be refused.
    fn is_in_hand(&self, on: u32, until: Until) -> bool {
        let shared = self.shared;
        // ORDERING: Relaxed. The next attempt looks again.
        until == Until::Settled
            && shared.settled.load(Ordering::Relaxed) <= on
            && shared.lifecycle.is_over(on, until)
            && !shared.ready.is_stopped()
    }

    fn begin(&self, transaction: u32, kept: &mut Kept<V>) -> Next {
        match self.shared.lifecycle.begin(transaction) {
            Some((attempt, last)) => {
                *kept = last;
                Next::Attempt(attempt)
            }
            None => Next::Left,
        }
    }

    fn attempt(
        &mut self,
        working: &Working,
        transaction: u32,
        attempt: u32,
        kept: &mut Kept<V>,
    ) -> Next {
        let shared = self.shared;
        kept.runs += 1;
        kept.attempted = None;
        let reader = Reader {
            transaction,
            attempt,
        };
        let Executed {
            returned,
            touched,
            halt,
            cost,
        } = self
            .hands
            .execute::<S, false>(shared, reader, !kept.was_wrong);
        if let Some(cost) = cost {
            // Instead of what the last attempt took, which was in vain.
            let more = u64::from(cost).wrapping_sub(u64::from(kept.cost));
            kept.cost = cost;
            self.hands.count(shared, more);
        }
        kept.touched = touched;
        let trouble = match halt {
            Some(Halt::Pending(on, until)) => {
                self.guess(transaction, kept);
                return self.wait(working, transaction, kept, (on, until));
            }
            None if shared.lifecycle.is_deceived(transaction) => {
                return self.again(transaction, kept);
            }
            Some(Halt::Deceived) => return self.again(transaction, kept),
            Some(Halt::Trouble(trouble)) => Some(trouble),
            None => None,
        };
        let attempted = Attempted::new(trouble, returned, shared.input.on_undeclared);
        self.publish(transaction, kept, attempted.leaves_changes());
        kept.attempted = Some(attempted);
        match shared.lifecycle.finish(transaction, std::mem::take(kept)) {
            Finished::Done(woken) => {
                self.offers.extend(woken);
                self.has_done(working, 1 + self.hands.locals.len());
                Next::Left
            }
            Finished::Again(attempt, last) => {
                self.hands.spent.deceived += 1;
                *kept = last;
                self.mark(transaction, kept);
                Next::Attempt(attempt)
            }
        }
    }

    /// Notes that there is more to commit, of about so many keys, and does so if it is much.
    fn has_done(&mut self, working: &Working, keys: usize) {
        self.may_commit = true;
        self.uncommitted += keys;
        if self.uncommitted > MUCH || self.shared.ready.is_wanted() {
            self.advance(working);
        }
    }

    /// Ends an attempt that is known to be deceived.
    fn again(&mut self, transaction: u32, kept: &mut Kept<V>) -> Next {
        self.guess(transaction, kept);
        self.hands.spent.deceived += 1;
        kept.was_wrong = true;
        match self
            .shared
            .lifecycle
            .finish(transaction, std::mem::take(kept))
        {
            Finished::Again(attempt, last) => {
                *kept = last;
                Next::Attempt(attempt)
            }
            Finished::Done(woken) => {
                // A view says so only after the lifecycle does; with nothing attempted, the commit ends here.
                invariant!(false, "nobody deceived it");
                self.offers.extend(woken);
                Next::Left
            }
        }
    }

    /// Makes what a given up attempt has looked at and written so far known, so that others wait for it.
    fn guess(&mut self, transaction: u32, kept: &mut Kept<V>) {
        kept.looked.clear();
        for local in self.hands.locals.iter() {
            if local.looks {
                kept.looked.push(local.number);
            }
            if local.made.is_written() && local.held().is_none() {
                mark::versioned(local.entry);
                let mut versions = local.entry.cell().lock();
                versions.guess(transaction, !local.made.put);
                kept.written.push(local.number);
            }
        }
        kept.written.sort_unstable();
        kept.written.dedup();
        self.mark(transaction, kept);
    }

    /// Marks the versions that a transaction has as guesses.
    fn mark(&self, transaction: u32, kept: &Kept<V>) {
        for number in &kept.written {
            self.shared
                .keys
                .at(*number)
                .cell()
                .lock()
                .guess(transaction, false);
        }
    }

    /// Leaves the changes of an attempt for others, and takes back what the one before left and this one does not.
    fn publish(&mut self, transaction: u32, kept: &mut Kept<V>, leaves_changes: bool) {
        let shared = self.shared;
        if leaves_changes {
            self.hands.tell(shared);
        }
        let before = std::mem::take(&mut kept.written);
        kept.looked.clear();
        kept.held.clear();
        let mut told = 0;
        for local in self.hands.locals.iter_mut() {
            told += usize::from(local.made.terms.is_some());
            if local.looks {
                kept.looked.push(local.number);
            }
            // What is there already, foreseen for example, takes its own place.
            let is_bold = local.made.bold().is_some() && !before.contains(&local.number);
            if is_bold
                && leaves_changes
                && let Some(delta) = local.held()
            {
                kept.held.push((local.number, delta));
                continue;
            }
            let change = if leaves_changes {
                local.made.change()
            } else {
                None
            };
            if change.is_none() {
                continue;
            }
            mark::versioned(local.entry);
            let mut versions = local.entry.cell().lock();
            versions.known_to_scans();
            // ORDERING: Acquire, so that what is forgotten by this is there already.
            versions.tidy(|| shared.settled.load(Ordering::Acquire));
            versions.publish(transaction, change, &mut self.hands.deceived);
            kept.written.push(local.number);
            if is_bold && versions.is_collecting() {
                mark::collecting(local.entry);
            }
        }
        if !before.is_empty() {
            kept.written.sort_unstable();
        }
        for number in before {
            if kept.written.binary_search(&number).is_err() {
                let mut versions = shared.keys.at(number).cell().lock();
                // ORDERING: Acquire, as above.
                versions.tidy(|| shared.settled.load(Ordering::Acquire));
                versions.publish(transaction, None, &mut self.hands.deceived);
            }
        }
        kept.told.clear();
        if told > 0 {
            kept.told.reserve_exact(told);
            let told = self.hands.locals.iter_mut().filter_map(|local| {
                let terms = local.made.terms.take()?;
                Some((local.number, terms))
            });
            kept.told.extend(told);
        }
        self.recall();
    }

    /// Has those attempts made again that were deceived.
    fn recall(&mut self) {
        let shared = self.shared;
        while let Some(Reader {
            transaction,
            attempt,
        }) = self.hands.deceived.pop()
        {
            if let Some(kept) = shared.lifecycle.deceive(transaction, attempt) {
                self.hands.spent.deceived += 1;
                self.mark(transaction, &kept);
                shared.lifecycle.release(transaction, kept);
                self.offers.push(transaction);
            }
        }
    }

    /// Commits what can be committed.
    fn advance(&mut self, working: &Working) {
        let (shared, commit) = (self.shared, self.commit);
        let begun = shared.is_timed.then(Moment::now);
        let executing = self.hands.spent.executing;
        self.uncommitted = 0;
        self.may_commit = false;
        commit.take(|commit| {
            loop {
                let step = commit.step(shared, &mut self.hands, &mut self.offers);
                match step {
                    Step::Wait => break,
                    // Before the next one is looked at: it may be among them.
                    Step::Go => {
                        self.recall();
                        // The caller's function for what is committed may take long.
                        if !self.offers.is_empty() && shared.ready.is_wanted() {
                            shared.ready.offer(working, &self.offers);
                            self.offers.clear();
                        }
                    }
                    Step::Refused(transaction, mut kept) => {
                        kept.was_wrong = true;
                        self.mark(transaction, &kept);
                        shared.lifecycle.release(transaction, kept);
                        self.offers.push(transaction);
                        break;
                    }
                }
            }
        });
        if let Some(begun) = begun {
            // What was executed in turn is no part of it.
            let executed = self.hands.spent.executing.saturating_sub(executing);
            self.hands.spent.committing += begun.elapsed().saturating_sub(executed);
        }
    }
}
