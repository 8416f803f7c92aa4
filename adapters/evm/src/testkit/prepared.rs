//! Blocks of a scenario, ready for an executor.

use pleach::{Block, Executor, OnFailure, Over, SerialExecutor, State};

use super::Scenario;
use crate::{
    BlockError, BlockVm, EvmState, GasRule, Key, PreparedBlock, StateUnder, Transaction, Value,
};

/// A block of a [`Scenario`]: its transactions, made for the state that those before them leave, and the state before it.
#[derive(Debug)]
pub struct Prepared {
    block: PreparedBlock<'static>,
    before: EvmState,
    transactions: Vec<Transaction>,
    gas_limit: u64,
    over: Over,
    on_failure: OnFailure,
}

impl Prepared {
    /// All blocks of a scenario. Each transaction is executed, serially, to know what the next one is to be like: transactions
    /// that are not valid are skipped.
    ///
    /// # Errors
    ///
    /// If the state is not complete, or a transaction panics.
    pub fn all(scenario: &Scenario) -> Result<Vec<Self>, BlockError> {
        let spec = scenario.spec();
        let mut state = scenario.state();
        let mut all = Vec::new();
        for (index, requests) in scenario.blocks.iter().enumerate() {
            let block = scenario.block(index);
            let base_fee = block.header.base_fee_per_gas.unwrap_or_default();
            let block = block.into_prepared(&spec)?;
            let before = state.clone();
            let mut transactions = Vec::new();
            for request in requests {
                let made = request.transaction(base_fee, |address| {
                    let account = state.account(address);
                    account
                        .map_or_else(Default::default, |account| (account.balance, account.nonce))
                });
                let made = [Transaction::signed(&made, request.sender())];
                let view = block.view(&state);
                let alone = Block::new(block.vm(), &view, &made).on_failure(OnFailure::Skip);
                let outcome = SerialExecutor::new().execute(alone);
                let outcome = outcome.map_err(|error| block.locate(error))?;
                block.apply_changes(&outcome.changes, &mut state);
                transactions.extend(made);
            }
            all.push(Self {
                block,
                before,
                transactions,
                gas_limit: scenario.gas_limit,
                over: scenario.over,
                on_failure: scenario.on_failure,
            });
        }
        Ok(all)
    }

    /// The VM of the block.
    #[must_use]
    pub fn vm(&self) -> &BlockVm {
        self.block.vm()
    }

    /// Its transactions.
    #[must_use]
    pub fn transactions(&self) -> &[Transaction] {
        &self.transactions
    }

    /// The state before it.
    #[must_use]
    pub fn state(&self) -> StateUnder<'_> {
        self.block.view(&self.before)
    }

    /// The block as an executor takes it, on a state that is [`state`](Self::state) or answers as that does.
    pub fn to_pleach<'a, S: State<Key, Value>>(&'a self, state: &'a S) -> Block<'a, BlockVm, S> {
        self.configure(Block::new(self.vm(), state, &self.transactions))
    }

    /// A block of other making with the rules of this one: what becomes of it when a transaction is not valid, and when its gas
    /// is used up, is what its scenario says.
    pub fn configure<'a, S>(&self, block: Block<'a, BlockVm, S>) -> Block<'a, BlockVm, S> {
        let rule = GasRule::new(self.gas_limit, u64::MAX).over(self.over);
        block.on_failure(self.on_failure).rule(rule)
    }
}
