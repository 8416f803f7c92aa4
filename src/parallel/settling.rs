//! Settles the transactions of a plan in block order, as far as they have run.
//!
//! One worker at a time does so. It knows what the settled transactions have made of each key with free accesses, and asks
//! again what the next one was told of them. If something of that is no longer so, the transaction runs again on what is
//! certain now. Often it then leaves what it has left before, where others look; if not, the plan ends here.

use super::{
    attempt::{Attempted, Input, Tools, Touched},
    made::Made,
    plan::{Plan, Planned},
    view::{AllTold, Halt, PlannedView},
};
use crate::{
    execute::{Asked, Fold, Known, Recorder, Settled},
    mutant::mutant,
    protocol::{ready::Ready, versions::Change},
    state::State,
    vm::Vm,
};

/// What all workers of a plan share.
pub(super) struct Shared<'w, V: Vm, S> {
    pub(super) plan: &'w Plan<V>,
    pub(super) input: &'w Input<'w, V, S>,
    pub(super) ready: &'w Ready,
}

/// What came of a transaction.
pub(super) struct Report<V: Vm> {
    attempted: Attempted<V>,
    touched: Touched<V>,
    /// What it was told, which may no longer be so.
    told: AllTold<V::Value>,
}

/// What a worker needs to run transactions.
pub(super) struct Hands<V: Vm> {
    pub(super) tools: Tools<V>,
    pub(super) locals: Vec<Made<V::Value>>,
}

/// The settled prefix of a block. One worker at a time has it.
pub(super) struct Settling<'a, 'r, V: Vm> {
    pub(super) fold: Fold<'a, V>,
    pub(super) recorder: Option<&'r mut Recorder<V::Key>>,
    /// How many transactions have left exactly what the block keeps of them.
    pub(super) clean: usize,
    /// What they have made of each key that has free accesses, by number: `Known::No` if they have not changed it. Nothing at all
    /// if there are no such keys.
    pub(super) running: Vec<Known<V::Value>>,
    /// Why it went no further, if it stopped.
    pub(super) end: Option<End>,
}

/// Why a plan has come to its end before the block has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Something that only the order of the block can settle.
    Order,
    /// Something was not as it was predicted.
    Surprise,
}

impl<V: Vm, S: State<V::Key, V::Value>> Shared<'_, V, S> {
    /// Runs a transaction. If it is not the first time, which is on the `running` values that those before it have left, it is
    /// another surprise if it leaves something else.
    ///
    /// # Safety
    ///
    /// What its accesses see that are not free was left before. It runs for the first time once, and nobody is told of that before.
    #[inline]
    pub(super) unsafe fn attempt(
        &self,
        transaction: u32,
        running: Option<&[Known<V::Value>]>,
        Hands { tools, locals }: &mut Hands<V>,
    ) -> Report<V> {
        let Self { plan, input, .. } = self;
        // SAFETY: By the same contract.
        let view = unsafe { PlannedView::new(plan, input.state, transaction, running, locals) };
        let mut view = Asked(view);
        let subject = &input.transactions[transaction as usize];
        let (returned, touched) = tools.execute(input.vm, subject, &mut view);
        let view = &mut view.0;
        let mut attempted = match view.halt.take() {
            Some(Halt::Left) => Attempted::Left,
            Some(Halt::Trouble(trouble)) => {
                Attempted::new(Some(trouble), returned, input.on_undeclared)
            }
            None => Attempted::new(None, returned, input.on_undeclared),
        };
        let told = view.told();
        let kept = attempted.leaves_changes();
        if running.is_none() {
            // SAFETY: By the same contract.
            unsafe { view.leave(kept) };
        } else if matches!(attempted, Attempted::Done(_)) && !view.leaves_the_same(kept) {
            attempted = Attempted::Left;
        }
        Report {
            attempted,
            touched,
            told,
        }
    }
}

impl<'a, 'r, V: Vm> Settling<'a, 'r, V> {
    pub(super) fn new(
        plan: &Plan<V>,
        fold: Fold<'a, V>,
        recorder: Option<&'r mut Recorder<V::Key>>,
    ) -> Self {
        Self {
            fold,
            recorder,
            clean: 0,
            running: vec![Known::No; plan.bases.len()],
            end: None,
        }
    }

    /// Settles what can be settled, and gives those that have waited for it. If that ends the plan, so does all work.
    pub(super) fn advance<S: State<V::Key, V::Value>>(
        &mut self,
        shared: &Shared<'_, V, S>,
        hands: &mut Hands<V>,
        woken: &mut Vec<u32>,
    ) {
        while self.end.is_none()
            && let Some((index, transaction)) = self.fold.next()
        {
            let number = index as u32;
            let (chunk, local) = shared.plan.chunk(number);
            // SAFETY: Only who has the turn comes here.
            let Some(mut report) = (unsafe { chunk.reports.take(local as u32) }) else {
                return;
            };
            if !self.holds(shared, number, &report.told) {
                self.fold.statistics.refused += 1;
                self.fold.statistics.attempts += 1;
                // SAFETY: It has run, so what it sees was left; this is not the first time.
                report = unsafe { shared.attempt(number, Some(&self.running), hands) };
            }
            let attempt = match report.attempted {
                Attempted::Done(attempt) => attempt,
                Attempted::Left => return self.stop(shared, End::Surprise),
                Attempted::Trouble => return self.stop(shared, End::Order),
            };
            let is_admitted = self.fold.admit(index, transaction);
            let mut is_kept = false;
            let mut succeeded = true;
            if is_admitted {
                if let (Some(recorder), Some(touched)) = (&mut self.recorder, report.touched) {
                    recorder.put(index, *touched);
                }
                self.fold.statistics.attempts += 1;
                succeeded = attempt.is_ok();
                is_kept = self.fold.settle(index, transaction, attempt) == Settled::Keep;
            }
            if !is_kept && succeeded && chunk.of(local).iter().any(Planned::leaves) {
                // Others have seen what it left.
                return self.stop(shared, End::Order);
            }
            if is_kept {
                self.keep(shared, number, &report.told);
            }
            self.clean = index + 1;
            self.hand_on(shared, number, woken);
            if self.fold.has_ended() {
                return self.stop(shared, End::Order);
            }
        }
        if self.fold.next().is_none() && self.clean < self.fold.transactions.len() {
            self.stop(shared, End::Order);
        }
    }

    fn stop<S>(&mut self, shared: &Shared<'_, V, S>, end: End) {
        self.end.get_or_insert(end);
        shared.ready.stop();
    }

    /// Whether what the next transaction was told is so.
    fn holds<S>(
        &self,
        shared: &Shared<'_, V, S>,
        transaction: u32,
        told: &AllTold<V::Value>,
    ) -> bool {
        if mutant!("believe_estimates") || told.is_empty() {
            return true;
        }
        let (chunk, local) = shared.plan.chunk(transaction);
        let accesses = chunk.of(local);
        told.iter().all(|told| {
            let key = chunk.link(&accesses[told.place as usize]).number as usize;
            let value = match &self.running[key] {
                // Who asks has loaded it.
                Known::No => shared.plan.bases[key].get().map(Option::as_ref),
                known => Some(known.as_option()),
            };
            value.is_some_and(|value| told.terms.hold(value))
        })
    }

    /// Takes over what the next transaction, which is kept, has made of keys with free accesses.
    fn keep<S>(&mut self, shared: &Shared<'_, V, S>, transaction: u32, told: &AllTold<V::Value>) {
        let plan = shared.plan;
        if self.running.is_empty() {
            return;
        }
        let (chunk, local) = plan.chunk(transaction);
        let accesses = chunk.of(local);
        for (planned, value) in accesses.iter().zip(&chunk.values[chunk.range(local)]) {
            let number = chunk.link(planned).number;
            if planned.leaves() && plan.is_free_key(number) {
                // SAFETY: The transaction has left it before it left its report.
                let left = unsafe { value.get() };
                if let Some(value) = left.filter(|value| value.is_known()) {
                    self.running[number as usize] = value.clone();
                }
            }
        }
        for told in told {
            let Some(own) = told.own else {
                continue;
            };
            let key = chunk.link(&accesses[told.place as usize]).number as usize;
            let value = match &self.running[key] {
                Known::No => plan.bases[key].get().and_then(Option::as_ref),
                known => known.as_option(),
            };
            self.running[key] = Change::Add(own).apply(value);
        }
    }

    /// Leaves what there is now of keys to which the next transaction may have added, and wakes those that wait for that.
    fn hand_on<S>(&mut self, shared: &Shared<'_, V, S>, transaction: u32, woken: &mut Vec<u32>) {
        if !shared.plan.waits_for_commits() {
            return;
        }
        let (chunk, local) = shared.plan.chunk(transaction);
        for (planned, place) in chunk
            .of(local)
            .iter()
            .zip(&chunk.values[chunk.range(local)])
        {
            if chunk.is_seen(planned) && !mutant!("leave_no_sum") {
                let value = self.running[chunk.link(planned).number as usize].clone();
                // SAFETY: A transaction leaves nothing for its free accesses; it is committed once, and those who look at
                // the value wait for that.
                unsafe { place.fill(value) };
            }
        }
        shared
            .plan
            .gather(chunk.reports.settle(local as u32), woken);
    }
}
