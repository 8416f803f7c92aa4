//! The collaborative scheduler: two counters that say what is to be executed and validated next, in the order of the
//! block, and that go back when something must be done again.

use std::{
    mem,
    sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
};

use crossbeam_utils::CachePadded;
use parking_lot::Mutex;

use super::{Blocked, Version};

// ORDERING: the paper assumes that all accesses to its shared variables have one order that all threads agree on, and
// argues with it: so each access here is sequentially consistent.
const PAPER: Ordering = Ordering::SeqCst;

/// What a worker does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Execute(Version),
    Validate(Version),
}

/// Where an incarnation is.
///
/// | from | to | by |
/// | --- | --- | --- |
/// | ready | executing | `try_incarnate` |
/// | executing | executed | `finish_execution` |
/// | executing | aborting | `add_dependency`: it waits for another transaction |
/// | executed | aborting | `try_validation_abort`: it read what is not there any more |
/// | aborting | ready, next incarnation | `set_ready_status` |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    ReadyToExecute,
    Executing,
    Executed,
    Aborting,
}

/// A status and the incarnation that it is of, in one word: the paper's pair under a mutex.
#[derive(Debug)]
struct StatusWord(AtomicU32);

impl StatusWord {
    fn load(&self) -> (u32, Status) {
        let word = self.0.load(PAPER);
        let status = match word & 3 {
            0 => Status::ReadyToExecute,
            1 => Status::Executing,
            2 => Status::Executed,
            _ => Status::Aborting,
        };
        (word >> 2, status)
    }

    /// Only who holds the incarnation may use this: it executes it, aborted it, or resumes it.
    fn store(&self, incarnation: u32, status: Status) {
        self.0.store(Self::word(incarnation, status), PAPER);
    }

    /// Goes from one status to another, if it is there.
    fn change(&self, incarnation: u32, from: Status, to: Status) -> bool {
        let from = Self::word(incarnation, from);
        let to = Self::word(incarnation, to);
        let changed = self.0.compare_exchange(from, to, PAPER, PAPER);
        changed.is_ok()
    }

    fn word(incarnation: u32, status: Status) -> u32 {
        incarnation << 2 | status as u32
    }
}

/// What the scheduler knows of a transaction, on a cache line of its own: another worker has the next one.
#[derive(Debug)]
#[repr(align(64))]
struct Transaction {
    status: StatusWord,
    /// Who waits for its next execution.
    dependents: Mutex<Vec<u32>>,
}

/// The state that all workers share.
#[derive(Debug)]
pub(super) struct Scheduler {
    execution_idx: CachePadded<AtomicUsize>,
    validation_idx: CachePadded<AtomicUsize>,
    /// How often one of the two was set back.
    decrease_cnt: CachePadded<AtomicUsize>,
    num_active_tasks: CachePadded<AtomicUsize>,
    done_marker: CachePadded<AtomicBool>,
    transactions: Box<[Transaction]>,
}

impl Scheduler {
    /// Nothing of so many transactions is done yet.
    pub(super) fn new(transactions: usize) -> Self {
        let transaction = || Transaction {
            status: StatusWord(AtomicU32::new(0)),
            dependents: Mutex::default(),
        };
        Self {
            execution_idx: CachePadded::default(),
            validation_idx: CachePadded::default(),
            decrease_cnt: CachePadded::default(),
            num_active_tasks: CachePadded::default(),
            done_marker: CachePadded::default(),
            transactions: (0..transactions).map(|_| transaction()).collect(),
        }
    }

    /// Whether all is executed and validated.
    pub(super) fn done(&self) -> bool {
        self.done_marker.load(PAPER)
    }

    /// Ends the block although it is not done: all workers leave.
    pub(super) fn give_up(&self) {
        self.done_marker.store(true, PAPER);
    }

    /// The next task, with a preference for the lowest transaction. There may be none and yet some later.
    pub(super) fn next_task(&self) -> Option<Task> {
        if self.validation_idx.load(PAPER) < self.execution_idx.load(PAPER) {
            self.next_version_to_validate().map(Task::Validate)
        } else {
            self.next_version_to_execute().map(Task::Execute)
        }
    }

    /// Notes that a transaction, which is executing, cannot go on before another is executed. Or it says no: that is
    /// done meanwhile, and the transaction can be executed at once.
    #[must_use]
    pub(super) fn add_dependency(&self, transaction: u32, blocked: Blocked) -> bool {
        let blocking = self.transaction(blocked.0);
        let mut dependents = blocking.dependents.lock();
        // Who executes it says so first, and takes the dependents then: under their lock either this sees it, or that
        // takes this one too.
        if blocking.status.load().1 == Status::Executed {
            return false;
        }
        let status = &self.transaction(transaction).status;
        let (incarnation, was) = status.load();
        debug_assert_eq!(was, Status::Executing);
        status.store(incarnation, Status::Aborting);
        dependents.push(transaction);
        drop(dependents);
        self.num_active_tasks.fetch_sub(1, PAPER);
        true
    }

    /// Ends an execution. Its validation may be the worker's next task.
    #[must_use]
    pub(super) fn finish_execution(
        &self,
        version: Version,
        wrote_new_location: bool,
    ) -> Option<Task> {
        let transaction = self.transaction(version.transaction);
        debug_assert_eq!(
            transaction.status.load(),
            (version.incarnation, Status::Executing)
        );
        transaction
            .status
            .store(version.incarnation, Status::Executed);
        let dependents = mem::take(&mut *transaction.dependents.lock());
        self.resume_dependencies(&dependents);
        if self.validation_idx.load(PAPER) > version.transaction as usize {
            if !wrote_new_location {
                return Some(Task::Validate(version));
            }
            // Higher transactions may have read the location without this write.
            self.decrease(&self.validation_idx, version.transaction);
        }
        self.num_active_tasks.fetch_sub(1, PAPER);
        None
    }

    /// Whether this is the validation that aborts the version: just one can.
    #[must_use]
    pub(super) fn try_validation_abort(&self, version: Version) -> bool {
        let status = &self.transaction(version.transaction).status;
        status.change(version.incarnation, Status::Executed, Status::Aborting)
    }

    /// Ends a validation. If the transaction was aborted, its next execution may be the worker's next task.
    #[must_use]
    pub(super) fn finish_validation(&self, transaction: u32, aborted: bool) -> Option<Task> {
        if aborted {
            self.set_ready_status(transaction);
            self.decrease(&self.validation_idx, transaction + 1);
            if self.execution_idx.load(PAPER) > transaction as usize {
                return self.try_incarnate(transaction as usize).map(Task::Execute);
            }
        }
        self.num_active_tasks.fetch_sub(1, PAPER);
        None
    }

    /// Begins the next incarnation of a transaction. If it cannot, then the task is over.
    fn try_incarnate(&self, transaction: usize) -> Option<Version> {
        if let Some(Transaction { status, .. }) = self.transactions.get(transaction) {
            loop {
                let (incarnation, at) = status.load();
                if at != Status::ReadyToExecute {
                    break;
                }
                if status.change(incarnation, at, Status::Executing) {
                    return Some(Version {
                        transaction: transaction as u32,
                        incarnation,
                    });
                }
            }
        }
        self.num_active_tasks.fetch_sub(1, PAPER);
        None
    }

    fn next_version_to_execute(&self) -> Option<Version> {
        if self.execution_idx.load(PAPER) >= self.transactions.len() {
            self.check_done();
            return None;
        }
        self.num_active_tasks.fetch_add(1, PAPER);
        let next = self.execution_idx.fetch_add(1, PAPER);
        self.try_incarnate(next)
    }

    fn next_version_to_validate(&self) -> Option<Version> {
        if self.validation_idx.load(PAPER) >= self.transactions.len() {
            self.check_done();
            return None;
        }
        self.num_active_tasks.fetch_add(1, PAPER);
        let next = self.validation_idx.fetch_add(1, PAPER);
        if let Some(Transaction { status, .. }) = self.transactions.get(next) {
            let (incarnation, at) = status.load();
            if at == Status::Executed {
                return Some(Version {
                    transaction: next as u32,
                    incarnation,
                });
            }
        }
        self.num_active_tasks.fetch_sub(1, PAPER);
        None
    }

    /// Lets those that waited be executed again.
    fn resume_dependencies(&self, dependents: &[u32]) {
        for dependent in dependents {
            self.set_ready_status(*dependent);
        }
        if let Some(lowest) = dependents.iter().min() {
            self.decrease(&self.execution_idx, *lowest);
        }
    }

    fn set_ready_status(&self, transaction: u32) {
        let status = &self.transaction(transaction).status;
        let (incarnation, was) = status.load();
        debug_assert_eq!(was, Status::Aborting);
        status.store(incarnation + 1, Status::ReadyToExecute);
    }

    /// Sets a counter back, and then counts that.
    fn decrease(&self, counter: &AtomicUsize, target: u32) {
        counter.fetch_min(target as usize, PAPER);
        self.decrease_cnt.fetch_add(1, PAPER);
    }

    /// Sets the marker if nothing is left. It looks at one after another, so an active task may end unseen and leave more
    /// to be done behind the counter that was looked at first: but then it has set that back, which is counted.
    fn check_done(&self) {
        let observed = self.decrease_cnt.load(PAPER);
        let execution = self.execution_idx.load(PAPER);
        let validation = self.validation_idx.load(PAPER);
        if execution.min(validation) >= self.transactions.len()
            && self.num_active_tasks.load(PAPER) == 0
            && observed == self.decrease_cnt.load(PAPER)
        {
            self.done_marker.store(true, PAPER);
        }
    }

    fn transaction(&self, transaction: u32) -> &Transaction {
        &self.transactions[transaction as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(transaction: u32, incarnation: u32) -> Version {
        Version {
            transaction,
            incarnation,
        }
    }

    fn execute(transaction: u32, incarnation: u32) -> Task {
        Task::Execute(version(transaction, incarnation))
    }

    fn validate(transaction: u32, incarnation: u32) -> Task {
        Task::Validate(version(transaction, incarnation))
    }

    #[test]
    fn an_empty_block_is_done_at_the_first_look() {
        let scheduler = Scheduler::new(0);
        assert_eq!(scheduler.next_task(), None);
        assert!(scheduler.done());
    }

    #[test]
    fn one_worker_executes_and_validates_in_turns() {
        let scheduler = Scheduler::new(2);
        for transaction in 0..2 {
            assert_eq!(scheduler.next_task(), Some(execute(transaction, 0)));
            assert_eq!(
                scheduler.finish_execution(version(transaction, 0), true),
                None
            );
            assert_eq!(scheduler.next_task(), Some(validate(transaction, 0)));
            assert_eq!(scheduler.finish_validation(transaction, false), None);
        }
        assert_eq!(scheduler.next_task(), None);
        assert!(scheduler.done());
    }

    #[test]
    fn a_block_is_not_done_while_a_task_is_active() {
        let scheduler = Scheduler::new(1);
        assert_eq!(scheduler.next_task(), Some(execute(0, 0)));
        // The counters run past the end while the only transaction is executing.
        while let (None, false) = (scheduler.next_task(), scheduler.done()) {
            if scheduler.validation_idx.load(PAPER) > 0 {
                break;
            }
        }
        for _ in 0..10 {
            assert_eq!(scheduler.next_task(), None);
            assert!(!scheduler.done());
        }
        // Its validation was passed over, so it is given to who executed it.
        assert_eq!(
            scheduler.finish_execution(version(0, 0), false),
            Some(validate(0, 0))
        );
        assert_eq!(scheduler.next_task(), None);
        assert!(!scheduler.done());
        assert_eq!(scheduler.finish_validation(0, false), None);
        assert_eq!(scheduler.next_task(), None);
        assert!(scheduler.done());
    }

    #[test]
    fn a_dependent_is_executed_again_after_who_it_waits_for() {
        let scheduler = Scheduler::new(2);
        assert_eq!(scheduler.next_task(), Some(execute(0, 0)));
        // Nothing is executed yet that could be validated.
        assert_eq!(scheduler.next_task(), None);
        assert_eq!(scheduler.next_task(), Some(execute(1, 0)));
        assert!(scheduler.add_dependency(1, Blocked(0)));
        assert_eq!(scheduler.next_task(), None);
        assert_eq!(
            scheduler.finish_execution(version(0, 0), false),
            Some(validate(0, 0))
        );
        assert_eq!(scheduler.finish_validation(0, false), None);
        assert_eq!(scheduler.num_active_tasks.load(PAPER), 0);
        assert_eq!(scheduler.next_task(), Some(execute(1, 1)));
        assert!(
            !scheduler.add_dependency(1, Blocked(0)),
            "it is executed already"
        );
    }

    #[test]
    fn one_validation_aborts_and_the_next_incarnation_follows_at_once() {
        let scheduler = Scheduler::new(1);
        assert_eq!(scheduler.next_task(), Some(execute(0, 0)));
        assert_eq!(scheduler.finish_execution(version(0, 0), true), None);
        assert_eq!(scheduler.next_task(), Some(validate(0, 0)));
        assert!(scheduler.try_validation_abort(version(0, 0)));
        assert!(!scheduler.try_validation_abort(version(0, 0)));
        assert_eq!(scheduler.finish_validation(0, true), Some(execute(0, 1)));
        assert_eq!(
            scheduler.finish_execution(version(0, 1), false),
            Some(validate(0, 1))
        );
        assert!(!scheduler.try_validation_abort(version(0, 0)));
        assert_eq!(scheduler.finish_validation(0, false), None);
        assert_eq!(scheduler.next_task(), None);
        assert!(scheduler.done());
    }
}
