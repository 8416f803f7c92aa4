//! Executes a lane: transactions of the block, on a table of their own.

use std::{
    ops::{Bound, ControlFlow},
    time::Instant,
};

use pleach_dtt::AccessSet;

use super::{deal::Deal, log::Log};
use crate::{
    error::AccessKind,
    execute::{Asked, Attempt, Lookup, Overlay, View, add_known},
    parallel::{
        attempt::{Attempted, Input, Tools, Touched, declare},
        costs::Costs,
        outlook::Outlook,
        split::base::Base,
        watch::Watch,
    },
    protocol::versions::Question,
    state::State,
    times::Spent,
    value::{Amount, Bounds, Delta, Value},
    vm::{Interrupt, Vm},
};

/// What a transaction came to: nothing if something came that only the order of the block can settle.
pub(super) type Came<V> = Option<(Attempt<V>, Touched<V>)>;

/// A lane that was executed.
pub(super) struct Lane<'b, V: Vm, B> {
    /// What they have left, and the hashes of the keys of that.
    pub(super) table: Overlay<'b, V::Key, V::Value, B>,
    pub(super) hashes: Vec<u32>,
    /// What they were told.
    pub(super) log: Log<V::Value>,
    /// What they took.
    pub(super) costs: Costs,
}

/// A lane, what its transactions came to, and what was spent on it.
type Ran<'b, 'm, 's, V, S> = (Lane<'b, V, Base<'m, 's, V, S>>, Vec<Came<V>>, Spent);

/// Executes what is dealt to a worker, until there is no more. The transactions that are dealt begin with the `first` one of the block.
pub(super) fn execute<'b, 'm, 's, V: Vm, S: State<V::Key, V::Value>>(
    input: &Input<'_, V, S>,
    base: &'b Base<'m, 's, V, S>,
    (deal, first, worker): (&Deal<'_>, usize, usize),
    outlook: &Outlook,
) -> Ran<'b, 'm, 's, V, S> {
    let begun = Instant::now();
    let mut spent = Spent::default();
    let count = deal.left(worker);
    let mut lane = Lane {
        table: base.table(count),
        hashes: Vec::new(),
        log: Log::new(count),
        costs: Costs::default(),
    };
    let mut came = Vec::with_capacity(count);
    let mut watch = Watch::new(outlook);
    let mut tools = Tools::new(input);
    let mut declared = AccessSet::new();
    let mut batch = Vec::new();
    loop {
        deal.take(worker, &mut batch);
        if batch.is_empty() || input.is_cancelled() {
            break;
        }
        for (number, at) in batch.iter().enumerate() {
            let index = first + *at as usize;
            let transaction = &input.transactions[index];
            let Lane { table, log, .. } = &mut lane;
            log.begin(*at);
            let result = declare(input, transaction, &mut declared).and_then(|exact| {
                let mut view = Asked(LoggedView::<V, _> {
                    view: table.view(exact.then_some(&mut declared)),
                    log,
                });
                let before = input.is_timed.then(Instant::now);
                let (returned, touched) = tools.execute(input.vm, transaction, &mut view);
                if let Some(before) = before {
                    spent.executing += before.elapsed();
                }
                let trouble = table.take_trouble();
                match Attempted::<V>::new(trouble, returned, input.on_undeclared) {
                    Attempted::Done(attempt) => Some((attempt, touched)),
                    Attempted::Left | Attempted::Trouble => None,
                }
            });
            if matches!(result, Some((Ok(_), _))) {
                table.commit_with(|slot, before| log.change(slot, before));
            } else {
                table.discard();
            }
            log.end();
            came.push(result);
            let next = batch.get(number + 1).map(|next| first + *next as usize);
            watch.count(index, next, lane.table.keys());
        }
    }
    spent.state_reads = lane.table.take_state_reads();
    spent.all = begun.elapsed();
    lane.hashes = lane.table.hashes();
    lane.costs = watch.costs;
    (lane, came, spent)
}

/// What a transaction of a lane sees, which is written down.
struct LoggedView<'o, 'a, V: Vm, B> {
    view: View<'o, 'a, V::Key, V::Value, B>,
    log: &'o mut Log<V::Value>,
}

impl<V: Vm, B: State<V::Key, V::Value>> LoggedView<'_, '_, V, B> {
    /// Writes down the answer to a question, unless the transaction has only asked of what it has put itself.
    #[inline]
    fn tell<A: Amount>(&mut self, slot: usize, question: Question<A>, answer: bool)
    where
        V::Value: Value<Amount = A>,
    {
        if !self.view.has_put(slot) {
            let has_added = self.view.has_changed(slot);
            let value = self.view.value(slot);
            self.log.ask(slot, value, (question, answer), has_added);
        }
    }
}

impl<V: Vm, B: State<V::Key, V::Value>> Lookup<V::Key, V::Value> for LoggedView<'_, '_, V, B> {
    /// The number of the slot.
    type Place = usize;

    #[inline]
    fn find(&mut self, access: AccessKind, key: &V::Key) -> Result<usize, Interrupt> {
        let slot = self.view.find(access, key)?;
        if access == AccessKind::Read && !self.view.has_put(slot) {
            self.log.look(slot);
        }
        Ok(slot)
    }

    #[inline]
    fn value(&self, slot: usize) -> Option<&V::Value> {
        self.view.value(slot)
    }

    #[inline]
    fn set(&mut self, key: &V::Key, value: Option<V::Value>) -> Result<(), Interrupt> {
        self.view.set(key, value)
    }

    #[inline]
    fn set_sum(&mut self, slot: usize, sum: Option<V::Value>) {
        self.view.set_sum(slot, sum);
    }

    #[inline]
    fn ask(&mut self, slot: usize, question: Question<<V::Value as Value>::Amount>) -> bool {
        let answer = question.ask(self.view.value(slot));
        self.tell(slot, question, answer);
        answer
    }

    #[inline]
    fn add(
        &mut self,
        slot: usize,
        delta: Delta<<V::Value as Value>::Amount>,
        bounds: Bounds<<V::Value as Value>::Amount>,
    ) -> bool {
        let question = Question::Add(delta, bounds);
        let answer = question.ask(self.view.value(slot));
        self.tell(slot, question, answer);
        answer && add_known(self, slot, delta, bounds)
    }

    fn scan(
        &mut self,
        from: Bound<&V::Key>,
        to: Bound<&V::Key>,
        visit: &mut dyn FnMut(&V::Key, &V::Value) -> ControlFlow<()>,
    ) -> Result<(), Interrupt> {
        // What the lane begins with has no order, so that this comes to nothing.
        self.view.scan(from, to, visit)
    }
}
