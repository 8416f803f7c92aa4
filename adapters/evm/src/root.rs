//! The root of the state trie.

use alloy_primitives::{B256, KECCAK256_EMPTY, U256, keccak256, map::HashMap};
use alloy_rlp::encode_fixed_size;
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, TrieAccount};
use rayon::prelude::*;

use crate::state::{Account, EvmState};

impl EvmState {
    /// The root of the Merkle Patricia trie over all accounts. Computed anew each time: O(accounts + storage) hashes,
    /// on all of rayon's threads.
    #[must_use]
    pub fn root(&self) -> B256 {
        let mut leaves: Vec<(B256, Vec<u8>)> = self
            .accounts
            .par_iter()
            .map(|(address, account)| (keccak256(address), alloy_rlp::encode(leaf(account))))
            .collect();
        leaves.par_sort_unstable_by_key(|(hash, _)| *hash);
        root(&leaves)
    }
}

fn leaf(account: &Account) -> TrieAccount {
    TrieAccount {
        nonce: account.nonce,
        balance: account.balance,
        storage_root: storage_root(&account.storage),
        code_hash: account.code.unwrap_or(KECCAK256_EMPTY),
    }
}

fn storage_root(storage: &HashMap<U256, U256>) -> B256 {
    let mut leaves: Vec<_> = storage
        .iter()
        .map(|(slot, word)| (keccak256(slot.to_be_bytes::<32>()), encode_fixed_size(word)))
        .collect();
    leaves.sort_unstable_by_key(|(hash, _)| *hash);
    root(&leaves)
}

/// The root of a trie with these leaves, in the order of their hashes.
fn root<L: AsRef<[u8]>>(leaves: &[(B256, L)]) -> B256 {
    if leaves.is_empty() {
        return EMPTY_ROOT_HASH;
    }
    let mut builder = HashBuilder::default();
    for (hash, leaf) in leaves {
        builder.add_leaf(Nibbles::unpack(hash), leaf.as_ref());
    }
    builder.root()
}
