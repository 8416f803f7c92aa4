//! The list of a block, by executing it one transaction at a time and looking at what each of them leaves.

use alloy_eips::eip7928::{
    AccountChanges, BalanceChange, BlockAccessIndex, CodeChange, NonceChange, SlotChanges,
    StorageChange,
};
use alloy_primitives::{
    Address, Bytes, U256,
    map::{AddressMap, HashMap},
};
use pleach::{AccessSet, Block, CancelToken, OnFailure, SerialExecutor, State};

use super::{AccessListMismatch, BlockAccessList};
use crate::{
    block::{BlockError, PreparedBlock},
    key::{Key, Part},
    receipt::BlockResult,
    state::{EvmState, StateError, StateUnder},
    value::Value,
};

impl PreparedBlock<'_> {
    /// Executes the block on `state`, and makes its access list. The block is executed twice: once as it is, and once one
    /// transaction at a time, to see what each of them leaves.
    ///
    /// An account is in the list if revm asked for it, and a slot too. Before Amsterdam there is no such list: then it is what the
    /// list would be. A contract of that time that destroys itself wipes a storage, of which a list cannot tell.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub fn access_list(
        &self,
        state: &EvmState,
        cancel: &CancelToken,
    ) -> Result<(BlockResult, BlockAccessList), BlockError> {
        let result = self.execute(&SerialExecutor::new(), state, cancel)?;
        let mut after = Layers {
            below: self.view(state),
            changed: HashMap::default(),
        };
        let mut builder = Builder::default();
        let first = self.first_signed();
        for (step, transaction) in self.steps().iter().enumerate() {
            let block = Block::new(self.vm(), &after, std::slice::from_ref(transaction))
                .number(self.block().header.number)
                .on_failure(OnFailure::Fatal)
                .cancel(cancel);
            let outcome = SerialExecutor::new().record(block);
            let (outcome, mut sets) = outcome.map_err(|error| self.locate(error))?;
            let index = BlockAccessIndex::new((step + 1 - first) as u64);
            let changes = outcome.changes.into_unordered();
            if let Some(set) = sets.pop() {
                builder.touch(&set);
            }
            builder
                .change(index, &after, &changes)
                .map_err(BlockError::State)?;
            after.changed.extend(changes);
        }
        Ok((result, builder.into_list()))
    }

    /// Executes the block on `state`, and sees whether that comes to what `list` says.
    ///
    /// # Errors
    ///
    /// [`AccessListMismatch::Differs`] says where it differs first; everything else is as in [`execute`](Self::execute).
    pub fn verify_access_list(
        &self,
        list: &BlockAccessList,
        state: &EvmState,
        cancel: &CancelToken,
    ) -> Result<BlockResult, AccessListMismatch> {
        let (result, expected) = self.access_list(state, cancel)?;
        match list.difference(&expected) {
            Some(difference) => Err(AccessListMismatch::Differs(Box::new(difference))),
            None => Ok(result),
        }
    }
}

/// A state, and what was changed since.
struct Layers<'a> {
    below: StateUnder<'a>,
    changed: HashMap<Key, Option<Value>>,
}

impl State<Key, Value> for Layers<'_> {
    type Error = StateError;

    fn get(&self, key: &Key) -> Result<Option<Value>, StateError> {
        match self.changed.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.below.get(key),
        }
    }
}

/// What is known of an account so far.
#[derive(Default)]
struct Account {
    /// What was read of its storage, or written. Those that were changed are in `slots` too.
    touched: HashMap<U256, Vec<StorageChange>>,
    balances: Vec<BalanceChange>,
    nonces: Vec<NonceChange>,
    codes: Vec<CodeChange>,
}

#[derive(Default)]
struct Builder(AddressMap<Account>);

impl Builder {
    /// All that a transaction has asked for.
    fn touch(&mut self, set: &AccessSet<Key>) {
        for (key, _) in set.entries() {
            if let Key::Account(address, part) = key {
                let account = self.account(*address);
                if let Part::Slot { slot, .. } = part {
                    account.touched.entry(*slot).or_default();
                }
            }
        }
    }

    fn account(&mut self, address: Address) -> &mut Account {
        self.0.entry(address).or_default()
    }

    /// What it has changed of that, if it is not what was `before`.
    fn change(
        &mut self,
        index: BlockAccessIndex,
        before: &Layers<'_>,
        changes: &[(Key, Option<Value>)],
    ) -> Result<(), StateError> {
        for (key, value) in changes {
            let Key::Account(address, part) = key else {
                continue;
            };
            let account = self.account(*address);
            let old = before.get(key)?;
            if *part == Part::Code && code(old.as_ref()) == code(value.as_ref()) || old == *value {
                continue;
            }
            let number = Value::into_number(value.as_ref());
            match part {
                Part::Balance => account.balances.push(BalanceChange::new(index, number)),
                Part::Nonce => {
                    let nonce = number.saturating_to();
                    account.nonces.push(NonceChange::new(index, nonce));
                }
                Part::Code => {
                    let code = Bytes::copy_from_slice(code(value.as_ref()));
                    account.codes.push(CodeChange::new(index, code));
                }
                Part::Slot { slot, .. } => {
                    let changes = account.touched.entry(*slot).or_default();
                    // A storage that was wiped and written again in one transaction counts once.
                    changes.retain(|change| change.block_access_index != index);
                    changes.push(StorageChange::new(index, number));
                }
                Part::Incarnation | Part::Orphan => {}
            }
        }
        Ok(())
    }

    fn into_list(self) -> BlockAccessList {
        let accounts = self.0.into_iter().map(|(address, account)| {
            let (mut storage_changes, mut storage_reads) = (Vec::new(), Vec::new());
            for (slot, changes) in account.touched {
                if changes.is_empty() {
                    storage_reads.push(slot);
                } else {
                    storage_changes.push(SlotChanges::new(slot, changes));
                }
            }
            AccountChanges {
                address,
                storage_changes,
                storage_reads,
                balance_changes: account.balances,
                nonce_changes: account.nonces,
                code_changes: account.codes,
            }
        });
        BlockAccessList::from_accounts(accounts.collect())
    }
}

/// The code that an account has.
fn code(value: Option<&Value>) -> &[u8] {
    match value {
        Some(Value::Code(code)) => code.bytes(),
        _ => &[],
    }
}
