//! Blocks that are executed twice: by Pleach, and by a plain revm loop over a cache database. Both must agree in all.

pub(crate) mod block;
pub(crate) mod build;
pub(crate) mod in_turn;
pub(crate) mod layers;
pub(crate) mod oracle;

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Mutex};

use alloy_consensus::TxEnvelope;
use alloy_primitives::{Address, Bytes, Log};
use pleach::{
    Block, Executor, OnFailure, ParallelExecutor, Reason, Runtime, SerialExecutor, Strategy,
    TxOutcome,
};
use pleach_evm::{Account, EvmState, Output, PreparedBlock, Transaction, TransactionError};

use in_turn::InTurn;
use layers::Layers;
use oracle::Oracle;
pub(crate) use pleach_evm::testkit::{
    Before, CHAIN_ID, FIRST, Scenario, block_hashes, code, key, request, signer, spec_id,
};

/// What became of a transaction: what it did, or why it is not valid.
pub(crate) type Ran = Result<Done, String>;

/// What a transaction did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Done {
    pub(crate) success: bool,
    pub(crate) gas_used: u64,
    pub(crate) logs: Vec<Log>,
    pub(crate) output: Bytes,
}

/// What both executions agree on.
#[derive(Debug)]
pub(crate) struct Agreed {
    pub(crate) transactions: Vec<Vec<Ran>>,
    pub(crate) state: BTreeMap<Address, Account>,
}

/// Executes scenarios both ways.
pub(crate) trait Agree {
    /// Executes the blocks both ways.
    ///
    /// # Errors
    ///
    /// In what they differ.
    fn agree(&self) -> Result<Agreed, String>;

    /// The same, and panics if they differ.
    fn agreed(&self) -> Agreed;
}

impl Agree for Scenario {
    fn agree(&self) -> Result<Agreed, String> {
        let spec = self.spec();
        let mut oracle = Oracle::new(self);
        let mut state = self.state();
        let layers = Layers::new(&self.state(), &spec)?;
        let mut transactions = Vec::new();
        for (index, requests) in self.blocks.iter().enumerate() {
            let block = self.block(index);
            let (signed, expected) = oracle.block(&spec, &block.header, requests);
            // Without transactions: their signatures are not real, so they cannot be recovered.
            let prepared = block.prepare(&spec).map_err(|error| error.to_string())?;
            let ran = execute(&prepared, &signed, &mut state, &layers)?;
            for (number, (expected, found)) in expected.iter().zip(&ran).enumerate() {
                if expected != found {
                    return Err(format!(
                        "block {index}, transaction {number}: expected {expected:#?}, found {found:#?}"
                    ));
                }
            }
            let (expected, found) = (oracle.accounts(), accounts(&state));
            compare(&expected, &found).map_err(|error| format!("after block {index}: {error}"))?;
            transactions.push(ran);
        }
        for (states, found) in layers.into_states()? {
            compare(&accounts(&state), &accounts(&found))
                .map_err(|error| format!("{states} states in memory: {error}"))?;
        }
        Ok(Agreed {
            transactions,
            state: accounts(&state),
        })
    }

    #[track_caller]
    fn agreed(&self) -> Agreed {
        self.agree()
            .unwrap_or_else(|difference| panic!("{}: {difference}", self.fork))
    }
}

/// So many workers, which are kept.
pub(crate) fn runtime(workers: usize) -> Runtime {
    static RUNTIMES: Mutex<BTreeMap<usize, Runtime>> = Mutex::new(BTreeMap::new());
    let mut runtimes = RUNTIMES.lock().expect("nobody panics with it");
    let runtime = runtimes.entry(workers).or_insert_with(|| {
        let workers = NonZeroUsize::new(workers).expect("there are some");
        let builder = Runtime::builder().workers(workers);
        builder.build().expect("there are threads")
    });
    runtime.clone()
}

/// Executes transactions with Pleach, serially and optimistically, skipping those that are not valid, and applies what they changed.
fn execute(
    prepared: &PreparedBlock<'_>,
    signed: &[(TxEnvelope, Address)],
    state: &mut EvmState,
    layers: &Layers,
) -> Result<Vec<Ran>, String> {
    let transactions: Vec<_> = signed
        .iter()
        .map(|(transaction, sender)| Transaction::signed(transaction, *sender))
        .collect();
    let view = prepared.view(state);
    let block = || Block::new(prepared.vm(), &view, &transactions).on_failure(OnFailure::Skip);
    let outcome = SerialExecutor::new()
        .execute(block())
        .map_err(|error| error.to_string())?;
    let expected = (format!("{:#?}", outcome.transactions), &outcome.changes);
    for workers in [2, 3] {
        // No transaction is executed in turn, or those that call nothing, or all.
        for (strategy, in_turn) in [
            (Strategy::Optimistic, None),
            (Strategy::Optimistic, Some(1)),
            (Strategy::Optimistic, Some(u32::MAX)),
            (Strategy::Split, None),
            (Strategy::Lanes, None),
        ] {
            let executor = ParallelExecutor::new(&runtime(workers)).strategy(strategy);
            let found = match in_turn {
                None => executor
                    .execute(block())
                    .map(|found| (format!("{:#?}", found.transactions), found.changes)),
                Some(up_to) => {
                    let vm = InTurn {
                        vm: prepared.vm(),
                        up_to,
                    };
                    let block = Block::new(&vm, &view, &transactions);
                    executor
                        .execute(block.on_failure(OnFailure::Skip))
                        .map(|found| (format!("{:#?}", found.transactions), found.changes))
                }
            };
            let found = found.map_err(|error| error.to_string())?;
            if (&found.0, &found.1) != (&expected.0, expected.1) {
                return Err(format!(
                    "{strategy:?} on {workers} differs, in turn {in_turn:?}: expected {expected:#?}, found {found:#?}"
                ));
            }
        }
    }
    layers.execute(prepared, &transactions, &outcome)?;
    let ran = outcome
        .transactions
        .iter()
        .map(|outcome| match outcome {
            TxOutcome::Executed(Output::Executed(execution)) => Ok(Ok(Done {
                success: execution.success,
                gas_used: execution.gas_used,
                logs: execution.logs.clone(),
                output: execution.output.clone(),
            })),
            TxOutcome::Skipped(Reason::Failed(TransactionError::Invalid(error))) => {
                Ok(Err(error.to_string()))
            }
            other => Err(format!("unexpected outcome {other:?}")),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let result = prepared
        .finish(outcome)
        .map_err(|error| error.to_string())?;
    prepared.apply(&result, state);
    Ok(ran)
}

fn accounts(state: &EvmState) -> BTreeMap<Address, Account> {
    state
        .accounts()
        .map(|(address, account)| (address, account.clone()))
        .collect()
}

/// Both directions: what is missing, what is too much, and what differs.
fn compare(
    expected: &BTreeMap<Address, Account>,
    found: &BTreeMap<Address, Account>,
) -> Result<(), String> {
    for address in expected.keys().chain(found.keys()) {
        let (expected, found) = (expected.get(address), found.get(address));
        if expected != found {
            return Err(format!(
                "account {address}: expected {expected:#?}, found {found:#?}"
            ));
        }
    }
    Ok(())
}
