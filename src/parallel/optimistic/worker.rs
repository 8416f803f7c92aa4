//! Runs transactions, and runs those again that were deceived.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    Kept, Shared,
    commit::{Commit, Step},
    locals::{Local, Locals, Place},
    view::{Checks, Halt, OptimisticView},
};
use crate::{
    parallel::attempt::Attempted,
    protocol::{
        keys::Spare,
        lifecycle::{Finished, Until},
        ready::{Job, Working},
        turn::Turn,
        versions::Reader,
    },
    state::State,
    sync::{Ordering, lock},
    vm::Vm,
};

pub(super) struct Worker<'a, 'b, V: Vm, S> {
    shared: &'a Shared<'a, V, S>,
    commit: &'a Turn<Commit<'b, V>>,
    number: usize,
    scratch: V::Scratch,
    locals: Locals<'a, V::Key, V::Value>,
    checks: Checks<V::Value>,
    spare: Spare,
    /// Keys that are about to have their first versions.
    first: Vec<u32>,
    deceived: Vec<Reader>,
    /// What became ready by what this worker did.
    offers: Vec<u32>,
}

/// What becomes of a transaction that a worker has begun.
enum Next {
    /// The worker has it no more.
    Left,
    /// It makes another attempt.
    Attempt(u32),
}

impl<'a, 'b, V: Vm, S: State<V::Key, V::Value>> Worker<'a, 'b, V, S> {
    pub(super) fn new(
        shared: &'a Shared<'a, V, S>,
        commit: &'a Turn<Commit<'b, V>>,
        number: usize,
    ) -> Self {
        Self {
            shared,
            commit,
            number,
            scratch: V::Scratch::default(),
            locals: Locals::new(),
            checks: Vec::new(),
            spare: Spare::default(),
            first: Vec::new(),
            deceived: Vec::new(),
            offers: Vec::new(),
        }
    }

    pub(super) fn work(&mut self, mut working: Working) {
        while let Some((still, job)) = self.shared.ready.next(working) {
            working = still;
            let mut transaction = match job {
                Job::Task(task) => task as u32,
                Job::Transaction(transaction) => transaction,
            };
            loop {
                self.run(transaction);
                if self.offers.is_empty() {
                    break;
                }
                // The lowest holds up the others.
                self.offers.sort_unstable();
                transaction = self.offers[0];
                self.shared.ready.offer(&working, &self.offers[1..]);
                self.offers.clear();
            }
        }
    }

    /// Runs a transaction, until an attempt stands or has to wait.
    fn run(&mut self, transaction: u32) {
        let shared = self.shared;
        let Some((mut attempt, mut kept)) = shared.lifecycle.begin(transaction) else {
            return;
        };
        loop {
            if shared.input.is_cancelled() {
                shared.ready.stop();
                return;
            }
            let next = match self.latest_guess(transaction, &kept) {
                Some(on) => self.wait(transaction, &mut kept, on, Until::Done),
                None => self.attempt(transaction, attempt, &mut kept),
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
            let versions = lock(&self.shared.keys.at(*number).cell().0);
            versions.pending(transaction)
        };
        kept.looked.iter().filter_map(pending).max()
    }

    fn wait(&mut self, transaction: u32, kept: &mut Kept<V>, on: u32, until: Until) -> Next {
        let lifecycle = &self.shared.lifecycle;
        if lifecycle.wait(transaction, std::mem::take(kept), on, until) {
            return Next::Left;
        }
        self.begin(transaction, kept)
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

    fn attempt(&mut self, transaction: u32, attempt: u32, kept: &mut Kept<V>) -> Next {
        let shared = self.shared;
        let input = shared.input;
        self.locals.clear();
        self.checks.clear();
        let declared = shared.declared.get(transaction as usize);
        let mut view = OptimisticView {
            shared,
            reader: Reader {
                transaction,
                attempt,
            },
            locals: &mut self.locals,
            checks: &mut self.checks,
            declared: declared.and_then(Option::as_ref),
            halt: None,
        };
        let subject = &input.transactions[transaction as usize];
        let scratch = &mut self.scratch;
        let returned = catch_unwind(AssertUnwindSafe(|| {
            input.vm.execute(subject, &mut view, scratch)
        }));
        let halt = view.halt.take();
        if returned.is_err() {
            // A panic may have left anything there.
            self.scratch = V::Scratch::default();
        }
        let trouble = match halt {
            Some(Halt::Pending(on, until)) => {
                self.guess(transaction, kept);
                return self.wait(transaction, kept, on, until);
            }
            None if shared.lifecycle.is_deceived(transaction, attempt) => {
                return self.again(transaction, kept);
            }
            Some(Halt::Deceived) => return self.again(transaction, kept),
            Some(Halt::Trouble(trouble)) => Some(trouble),
            None => None,
        };
        let attempted = Attempted::new(trouble, returned, input.on_undeclared);
        let reader = Reader {
            transaction,
            attempt,
        };
        self.publish(reader, kept, attempted.leaves_changes());
        kept.attempted = Some(attempted);
        match shared.lifecycle.finish(transaction, std::mem::take(kept)) {
            Finished::Done(woken) => {
                self.offers.extend(woken);
                self.advance();
                Next::Left
            }
            Finished::Again(attempt, last) => {
                *kept = last;
                self.mark(transaction, kept);
                Next::Attempt(attempt)
            }
        }
    }

    /// Ends an attempt that is known to be deceived.
    fn again(&mut self, transaction: u32, kept: &mut Kept<V>) -> Next {
        self.guess(transaction, kept);
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
                debug_assert!(false, "nobody deceived it");
                self.offers.extend(woken);
                Next::Left
            }
        }
    }

    /// Gives numbers to the keys that nobody had touched before.
    fn enter(&mut self) {
        let keys = &self.shared.keys;
        for local in self.locals.iter_mut() {
            if let Place::New(key) = &local.place {
                let (number, entry) = keys.enter(local.hash, key, &mut self.spare);
                local.place = Place::Entered(number, keys.key(number), entry.cell());
            }
        }
    }

    /// Makes what a given up attempt has looked at and written so far known, so that others wait for it.
    fn guess(&mut self, transaction: u32, kept: &mut Kept<V>) {
        self.enter();
        kept.looked.clear();
        for local in self.locals.iter() {
            let Some((number, cell)) = local.entered() else {
                continue;
            };
            if local.looks {
                kept.looked.push(number);
            }
            if local.is_written() {
                lock(&cell.0).guess(transaction, !local.put);
                kept.written.push(number);
            }
        }
        kept.written.sort_unstable();
        kept.written.dedup();
        self.mark(transaction, kept);
    }

    /// Marks the versions that a transaction has as guesses.
    fn mark(&self, transaction: u32, kept: &Kept<V>) {
        for number in &kept.written {
            lock(&self.shared.keys.at(*number).cell().0).guess(transaction, false);
        }
    }

    /// Leaves the changes of an attempt for others, and takes back what the one before left and this one does not. Confirms
    /// what it has seen of keys that nobody had touched before.
    fn publish(&mut self, reader: Reader, kept: &mut Kept<V>, leaves_changes: bool) {
        let shared = self.shared;
        let transaction = reader.transaction;
        self.enter();
        if leaves_changes {
            self.tell();
        }
        let mut is_confirmed = true;
        let mut before = std::mem::take(&mut kept.written);
        kept.looked.clear();
        for local in self.locals.iter_mut() {
            let Place::Entered(number, _, cell) = local.place else {
                continue;
            };
            if local.looks {
                kept.looked.push(number);
            }
            let change = if leaves_changes { local.change() } else { None };
            let parent = match &local.found {
                found if local.is_new && found.is_known() => Some(found.as_option()),
                _ => None,
            };
            if change.is_none() && parent.is_none() {
                continue;
            }
            let mut versions = lock(&cell.0);
            if let Some(parent) = parent {
                is_confirmed &= versions.confirm(reader, parent, local.looks);
            }
            if change.is_some() {
                versions.known_to_scans();
                // ORDERING: Acquire, so that what is forgotten by this is there already.
                versions.tidy(|| shared.settled.load(Ordering::Acquire));
                versions.publish(transaction, change, &mut self.deceived);
                kept.written.push(number);
                before.retain(|other| *other != number);
            }
        }
        for number in before {
            let mut versions = lock(&shared.keys.at(number).cell().0);
            versions.publish(transaction, None, &mut self.deceived);
        }
        kept.checks.clear();
        for (place, check) in &self.checks {
            if let Some((number, _)) = self.locals.get(*place).entered() {
                kept.checks.push((number, *check));
            }
        }
        if !is_confirmed {
            self.deceived.push(reader);
        }
        self.recall();
    }

    /// Tells scans of the keys that may get their first versions now.
    fn tell(&mut self) {
        let shared = self.shared;
        let written = self.locals.iter().filter(|local| local.is_written());
        let first = written.filter(|local| !local.is_known);
        let first = first.filter_map(Local::entered).map(|(number, _)| number);
        self.first.extend(first);
        if !self.first.is_empty() {
            let key = |number| shared.keys.key(number);
            let note = |number, reader| lock(&shared.keys.at(number).cell().0).note(reader);
            shared.scans.tell(self.number, &self.first, key, note);
            self.first.clear();
        }
    }

    /// Has those attempts made again that were deceived.
    fn recall(&mut self) {
        let shared = self.shared;
        while let Some(Reader {
            transaction,
            attempt,
        }) = self.deceived.pop()
        {
            if let Some(kept) = shared.lifecycle.deceive(transaction, attempt) {
                self.mark(transaction, &kept);
                shared.lifecycle.release(transaction, kept);
                self.offers.push(transaction);
            }
        }
    }

    /// Commits what can be committed.
    fn advance(&mut self) {
        let shared = self.shared;
        let commit = self.commit;
        commit.take(|commit| {
            loop {
                let step = commit.step(shared, &mut self.deceived, &mut self.offers);
                match step {
                    Step::Wait => break,
                    // Before the next one is looked at: it may be among them.
                    Step::Go => self.recall(),
                    Step::Refused(transaction, kept) => {
                        self.mark(transaction, &kept);
                        shared.lifecycle.release(transaction, kept);
                        self.offers.push(transaction);
                        break;
                    }
                }
            }
        });
    }
}
