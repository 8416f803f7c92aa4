//! What a list says of each transaction: whom it paid, and what it wrote.

use alloy_eips::eip7928::BlockAccessIndex;
use alloy_primitives::TxKind;
use pleach::{Access, AccessSet};

use super::BlockAccessList;
use crate::{block::PreparedBlock, key::Key, transaction::Kind};

impl PreparedBlock<'_> {
    /// What each signed transaction probably touches, by a list that came with the block: what it changes, as far as the list
    /// says so, beside the sender's nonce and the code that it calls. For [`tree`](Self::tree), as a recording is.
    ///
    /// A list does not say who reads what, so a transaction that reads a slot and leaves it as it was is not known to. Slots
    /// are taken for those of storages that were never wiped. The list is not believed: a wrong one costs time, never
    /// the result. What it says of others than the transactions of this block is left out.
    #[must_use]
    pub fn predict(&self, list: &BlockAccessList) -> Vec<AccessSet<Key>> {
        let mut sets: Vec<_> = self.recovered.iter().map(|_| AccessSet::new()).collect();
        let first = self.first_signed();
        for (set, step) in sets.iter_mut().zip(&self.steps()[first..]) {
            if let Kind::Signed(signed) = &step.0 {
                set.add(Key::nonce(signed.env.caller));
                set.add(Key::balance(signed.env.caller));
                if let TxKind::Call(to) = signed.env.kind {
                    set.read(Key::code(to));
                }
            }
        }
        let mut say = |index: BlockAccessIndex, key, access| {
            let transaction = index.get().checked_sub(1).map(|index| index as usize);
            if let Some(set) = transaction.and_then(|transaction| sets.get_mut(transaction)) {
                set.access(key, access);
            }
        };
        for account in list.iter() {
            let address = account.address;
            for slot in &account.storage_changes {
                let key = Key::slot(address, 0, slot.slot);
                for change in &slot.changes {
                    say(change.block_access_index, key, Access::UPDATE);
                }
            }
            for change in &account.balance_changes {
                say(
                    change.block_access_index,
                    Key::balance(address),
                    Access::ADD,
                );
            }
            for change in &account.nonce_changes {
                let index = change.block_access_index;
                let sender = index.get().checked_sub(1);
                let sender = sender.and_then(|index| self.recovered.get(index as usize));
                // Who creates a contract looks at its nonce.
                if sender != Some(&address) {
                    say(index, Key::nonce(address), Access::UPDATE);
                }
            }
            for change in &account.code_changes {
                say(change.block_access_index, Key::code(address), Access::WRITE);
            }
        }
        sets
    }
}
