//! What a worker has at hand to execute transactions, beside others or in turn.

use super::{
    Shared,
    in_turn::InTurnView,
    locals::Locals,
    mark,
    view::{Halt, OptimisticView},
};
use crate::{
    execute::Asked,
    parallel::attempt::{Attempted, Returned, Tools, Touched},
    protocol::{keys::Spare, versions::Reader},
    state::State,
    sync::{Moment, Ordering, invariant},
    times::Spent,
    vm::Vm,
};

/// How many nanoseconds a key costs more than when one thread executes all: beside others, and in turn. Measured on payments and on
/// Ethereum, roughly.
const EACH_KEY: u32 = 130;
const EACH_KEY_IN_TURN: u32 = 40;

/// See the module.
pub(super) struct Hands<'a, V: Vm> {
    /// The number of the worker.
    number: usize,
    tools: Tools<V>,
    /// What the transaction at hand has touched.
    pub(super) locals: Locals<'a, V::Key, V::Value>,
    spare: Spare,
    /// Keys that are about to have their first versions.
    first: Vec<u32>,
    /// Who has seen what is no longer so.
    pub(super) deceived: Vec<Reader>,
    pub(super) spent: Spent,
}

/// What came of executing a transaction.
pub(super) struct Executed<V: Vm> {
    pub(super) returned: Returned<V>,
    pub(super) touched: Touched<V>,
    pub(super) halt: Option<Halt>,
    /// How many nanoseconds one thread alone would have needed, if that is measured.
    pub(super) cost: Option<u32>,
}

impl<'a, V: Vm> Hands<'a, V> {
    pub(super) fn new<S>(number: usize, shared: &Shared<'_, V, S>) -> Self {
        Self {
            number,
            tools: Tools::new(shared.input),
            locals: Locals::new(),
            spare: Spare::default(),
            first: Vec::new(),
            deceived: Vec::new(),
            spent: Spent::default(),
        }
    }

    /// Executes a transaction once, beside others or `IN_TURN`. What differs is known where it is compiled, so each is part of its only
    /// caller.
    #[inline]
    pub(super) fn execute<S: State<V::Key, V::Value>, const IN_TURN: bool>(
        &mut self,
        shared: &'a Shared<'a, V, S>,
        reader: Reader,
        is_bold: bool,
    ) -> Executed<V> {
        let input = shared.input;
        self.locals.clear();
        let mut view = OptimisticView {
            shared,
            reader,
            locals: &mut self.locals,
            spare: &mut self.spare,
            declared: shared.foresight.declared(reader.transaction),
            is_bold,
            state_reads: &mut self.spent.state_reads,
            halt: None,
        };
        let subject = &input.transactions[reader.transaction as usize];
        let begun = shared.is_timed.then(Moment::now);
        let tools = &mut self.tools;
        let ((returned, touched), halt) = if IN_TURN {
            let mut view = Asked(InTurnView(view));
            let came = tools.execute(input.vm, subject, &mut view);
            (came, view.0.0.halt.take())
        } else {
            let came = tools.execute(input.vm, subject, &mut view);
            (came, view.halt.take())
        };
        let cost = begun.map(|begun| {
            let took = begun.elapsed();
            self.spent.executing += took;
            let each_key = if IN_TURN { EACH_KEY_IN_TURN } else { EACH_KEY };
            let nanos = u32::try_from(took.as_nanos()).unwrap_or(u32::MAX);
            nanos.saturating_sub(each_key * self.locals.len() as u32)
        });
        Executed {
            returned,
            touched,
            halt,
            cost,
        }
    }

    /// Counts what one thread alone would have needed.
    pub(super) fn count<S>(&self, shared: &Shared<'_, V, S>, cost: u64) {
        // ORDERING: Relaxed. It is an estimate.
        shared.costs[self.number].fetch_add(cost, Ordering::Relaxed);
    }

    /// Executes a transaction in turn: all before it are committed, so nothing of what it is told can change. Nobody sees what it does
    /// before that is [left](Self::leave).
    pub(super) fn execute_in_turn<S: State<V::Key, V::Value>>(
        &mut self,
        shared: &'a Shared<'a, V, S>,
        transaction: u32,
    ) -> (Attempted<V>, Touched<V>, u32) {
        let reader = Reader {
            transaction,
            attempt: 0,
        };
        let Executed {
            returned,
            touched,
            halt,
            cost,
        } = self.execute::<S, true>(shared, reader, false);
        let on_undeclared = shared.input.on_undeclared;
        let attempted = match halt {
            None => Attempted::new(None, returned, on_undeclared),
            Some(Halt::Trouble(trouble)) => Attempted::new(Some(trouble), returned, on_undeclared),
            Some(Halt::Deceived | Halt::Pending(..)) => {
                invariant!(false, "what is certain is there, and stays so");
                Attempted::Trouble
            }
        };
        if let Some(cost) = cost {
            self.count(shared, cost.into());
        }
        (attempted, touched, cost.unwrap_or_default())
    }

    /// Leaves what the transaction at hand has done in turn for those after it, if it is `kept`, and takes back what was `foreseen` of it.
    pub(super) fn leave<S>(
        &mut self,
        shared: &Shared<'_, V, S>,
        transaction: u32,
        foreseen: &[u32],
        is_kept: bool,
    ) {
        let mut found = 0;
        if is_kept {
            self.tell(shared);
            for local in self.locals.iter_mut() {
                let value = local.made.take_pending();
                if !value.is_known() {
                    continue;
                }
                mark::left(local.entry);
                let mut versions = local.entry.cell().lock();
                versions.known_to_scans();
                let is_foreseen = versions.leave(transaction, value, &mut self.deceived);
                found += usize::from(is_foreseen);
            }
        }
        // All of it has come, as a rule: these are all versions that the transaction has.
        if found == foreseen.len() {
            return;
        }
        for number in foreseen {
            let mut versions = shared.keys.at(*number).cell().lock();
            versions.publish(transaction, None, &mut self.deceived);
        }
    }

    /// Tells scans of the keys that may get their first versions now.
    #[inline]
    pub(super) fn tell<S>(&mut self, shared: &Shared<'_, V, S>) {
        let written = self.locals.iter().filter(|local| local.made.is_written());
        // What is held is of keys that they know.
        let first = written.filter(|local| !local.is_known && local.held().is_none());
        self.first.extend(first.map(|local| local.number));
        if !self.first.is_empty() {
            let key = |number| shared.keys.key(number);
            let note = |number, reader| shared.keys.at(number).cell().lock().note(reader);
            shared.scans.tell(self.number, &self.first, key, note);
            self.first.clear();
        }
    }
}
