//! The VM of a block of which some transactions weigh nothing, so that optimism executes them in turn.

use pleach::{Delta, StateView, Stop, Vm};
use pleach_evm::{BlockVm, Key, Output, Transaction, TransactionError, Value, Wei};

/// See the module.
pub(crate) struct InTurn<'a> {
    pub(crate) vm: &'a BlockVm,
    /// Those that weigh no more than this weigh nothing.
    pub(crate) up_to: u32,
}

impl Vm for InTurn<'_> {
    type Transaction = Transaction;
    type Key = Key;
    type Value = Value;
    type Output = Output;
    type Error = TransactionError;
    type Scratch = <BlockVm as Vm>::Scratch;

    fn forecast(&self, transaction: &Transaction, add: &mut dyn FnMut(Key, Delta<Wei>)) {
        self.vm.forecast(transaction, add);
    }

    fn weight(&self, transaction: &Transaction) -> u32 {
        match self.vm.weight(transaction) {
            weight if weight <= self.up_to => 0,
            weight => weight,
        }
    }

    fn execute<S: StateView<Key, Value>>(
        &self,
        transaction: &Transaction,
        state: &mut S,
        scratch: &mut Self::Scratch,
    ) -> Result<Output, Stop<TransactionError>> {
        self.vm.execute(transaction, state, scratch)
    }
}
