//! Executes a transaction again that was told what is not so, on what there really is.

use std::time::Instant;

use pleach_dtt::AccessSet;

use super::attempt::{Attempted, Input, Tools, Touched, declare};
use crate::{
    execute::{Asked, Attempt, Known, Overlay},
    state::State,
    times::Spent,
    vm::Vm,
};

/// What has come of it.
pub(super) struct Again<V: Vm> {
    pub(super) came: (Attempt<V>, Touched<V>),
    /// The keys that it has touched, what is known of them now, and whether it has changed them.
    pub(super) left: Vec<(V::Key, Known<V::Value>, bool)>,
}

/// Executes the transaction with this index on a state in which keys have the same hashes as in `main`, and adds what was spent. `None` if something
/// comes that only the order of the block can settle.
pub(super) fn again<V: Vm, S: State<V::Key, V::Value>>(
    input: &Input<'_, V, S>,
    main: &Overlay<'_, V::Key, V::Value, S>,
    (actual, index): (&impl State<V::Key, V::Value>, usize),
    tools: &mut Tools<V>,
    spent: &mut Spent,
) -> Option<Again<V>> {
    let transaction = &input.transactions[index];
    let mut declared = AccessSet::new();
    let exact = declare(input, transaction, &mut declared)?;
    let mut table = main.beside(actual, 1);
    let mut view = Asked(table.view(exact.then_some(&mut declared)));
    let before = input.is_timed.then(Instant::now);
    let (returned, touched) = tools.execute(input.vm, transaction, &mut view);
    if let Some(before) = before {
        spent.executing += before.elapsed();
    }
    let attempted = Attempted::<V>::new(table.take_trouble(), returned, input.on_undeclared);
    let Attempted::Done(attempt) = attempted else {
        return None;
    };
    if attempt.is_ok() {
        table.commit();
    } else {
        table.discard();
    }
    spent.state_reads += table.take_state_reads();
    Some(Again {
        came: (attempt, touched),
        left: table.into_kept().collect(),
    })
}
