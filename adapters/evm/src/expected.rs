//! What a block touches in any case, or says that it will.

use alloy_primitives::{TxKind, U256, map::HashSet};

use crate::{block::PreparedBlock, key::Key, transaction::Kind};

impl PreparedBlock<'_> {
    /// The keys that the block will probably read, each once, as far as it says so itself: to read them before it is executed. O(length
    /// of the block).
    ///
    /// Of each transaction these are the balance, the nonce and the code of the sender, the balance and the code of the recipient, and
    /// what its access list names (EIP-2930), whose slots are taken for those of storages that were never wiped; of the block, the balance of the
    /// beneficiary. What contracts do beside that nobody knows beforehand. See [`predict`](Self::predict) for blocks that come with a list.
    #[must_use]
    pub fn expected_keys(&self) -> Vec<Key> {
        let mut keys: HashSet<Key> = HashSet::default();
        keys.insert(Key::balance(self.block.header.beneficiary));
        for step in self.steps() {
            let Kind::Signed(signed) = &step.0 else {
                continue;
            };
            let env = &signed.env;
            let sender = [Key::nonce, Key::balance, Key::code].map(|key| key(env.caller));
            keys.extend(sender);
            if let TxKind::Call(to) = env.kind {
                keys.extend([Key::balance(to), Key::code(to)]);
            }
            for item in env.access_list.iter() {
                keys.extend([Key::balance(item.address), Key::code(item.address)]);
                if !item.storage_keys.is_empty() {
                    keys.insert(Key::incarnation(item.address));
                }
                let slots = item.storage_keys.iter();
                keys.extend(
                    slots.map(|slot| Key::slot(item.address, 0, U256::from_be_bytes(slot.0))),
                );
            }
        }
        keys.into_iter().collect()
    }
}
