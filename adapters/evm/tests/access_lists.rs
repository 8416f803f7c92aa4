//! Block-level access lists (EIP-7928): made, carried, verified, and used as hints.

use alloy_eips::eip7928::{AccountChanges, BlockAccessIndex, StorageChange};
use alloy_primitives::{Address, U256, keccak256};
use pleach::{CancelToken, ParallelExecutor, SerialExecutor, Strategy};
use pleach_evm::{
    AccessListError, AccessListMismatch, BlockAccessList, BlockResult, Difference, EvmState,
    PreparedBlock, sample,
};
use proptest::prelude::*;

use crate::{
    harness::{
        block::{Whole, payment, sign},
        build::ETHER,
        runtime, signer,
    },
    mainnet::blocks,
};

fn list(prepared: &PreparedBlock<'_>, state: &EvmState) -> (BlockResult, BlockAccessList) {
    let made = prepared.access_list(state, &CancelToken::new());
    made.expect("the block is valid")
}

/// What must be true of every list: that it is in order, comes back from its bytes, ends with what the block leaves, and is
/// verified.
fn holds(prepared: &PreparedBlock<'_>, state: &EvmState) -> (BlockResult, BlockAccessList) {
    let (result, list) = list(prepared, state);
    let bytes = list.encode();
    assert_eq!(list.hash(), keccak256(&bytes));
    let transactions = prepared.block().transactions.len();
    let carried = BlockAccessList::decode(&bytes, transactions).expect("it is in order");
    assert_eq!(carried, list);
    let verified = prepared.verify_access_list(&carried, state, &CancelToken::new());
    assert_eq!(verified.expect("it is its own").changes, result.changes);

    let mut after = state.clone();
    prepared.apply(&result, &mut after);
    for account in list.iter() {
        let left = after.account(account.address).cloned().unwrap_or_default();
        let before = state.account(account.address).cloned().unwrap_or_default();
        let balance = account.balance_post_state().unwrap_or(before.balance);
        assert_eq!(balance, left.balance, "{}", account.address);
        let nonce = account.nonce_post_state().unwrap_or(before.nonce);
        assert_eq!(nonce, left.nonce, "{}", account.address);
        for (slot, word) in account.storage_post_states() {
            let found = left.storage.get(&slot).copied().unwrap_or_default();
            // A wiped storage is not told of.
            assert!(found == word || left.code.is_none(), "{}", account.address);
        }
    }
    (result, list)
}

#[test]
fn a_payment_is_in_it_with_all_that_it_leaves() {
    let mut whole = Whole::new("osaka");
    whole.balance(signer(0), ETHER);
    whole.block.header.gas_limit = 1_000_000;
    whole.push(sign(0, payment(signer(1), 0, 21_000)));
    let prepared = whole.block.prepare(&whole.spec);
    let prepared = prepared.expect("the signatures are fine");
    let (_, list) = holds(&prepared, &whole.state);
    let account = |address: Address| {
        let found = list.iter().find(|account| account.address == address);
        found.unwrap_or_else(|| panic!("{address} is missing"))
    };
    let first = BlockAccessIndex::from_tx_index(0);
    let sender = account(signer(0));
    assert_eq!(sender.nonce_changes.len(), 1);
    assert_eq!(sender.nonce_changes[0].block_access_index, first);
    assert_eq!(sender.nonce_changes[0].new_nonce, 1);
    assert_eq!(sender.balance_changes.len(), 1);
    assert!(sender.balance_changes[0].post_balance < U256::from(ETHER));
    let receiver = account(signer(1));
    assert_eq!(receiver.balance_changes[0].block_access_index, first);
    assert!(receiver.nonce_changes.is_empty() && receiver.storage_changes.is_empty());
}

#[test]
fn the_sample_chain_has_lists_that_hold_and_hints_that_do_no_harm() {
    let chain = sample::chain();
    let mut state = chain.genesis;
    let executor = ParallelExecutor::new(&runtime(3)).strategy(Strategy::Optimistic);
    let mut other = BlockAccessList::default();
    let mut changes = 0;
    for block in &chain.blocks {
        let prepared = block.prepare(&chain.spec).expect("it is signed");
        let (result, list) = holds(&prepared, &state);
        changes += list
            .iter()
            .map(|account| account.storage_changes.len())
            .sum::<usize>();
        // That of the block before fits no more.
        for list in [&list, &other] {
            unharmed(&prepared, &state, &executor, list, &result);
        }
        prepared.apply(&result, &mut state);
        state.insert_block_hash(block.header.number, block.hash);
        other = list;
    }
    assert!(changes > 0, "something was stored");
}

#[test]
fn mainnet_blocks_have_lists_that_hold_and_hints_that_do_no_harm() {
    let executor = ParallelExecutor::new(&runtime(2)).strategy(Strategy::Optimistic);
    let mut other = BlockAccessList::default();
    for (_, file) in blocks() {
        let prepared = file.block.prepare(&file.spec).expect("it is signed");
        let (result, list) = holds(&prepared, &file.state);
        for list in [&list, &other] {
            unharmed(&prepared, &file.state, &executor, list, &result);
        }
        other = list;
    }
}

/// A list that is used as a hint changes nothing of what comes of a block.
fn unharmed(
    prepared: &PreparedBlock<'_>,
    state: &EvmState,
    executor: &ParallelExecutor,
    list: &BlockAccessList,
    expected: &BlockResult,
) {
    let predicted = prepared.predict(list);
    let tree = prepared.tree(&predicted).expect("it is small");
    let found = prepared.execute_hinted(executor, state, &tree, &CancelToken::new());
    let found = found.expect("the block is valid");
    assert_eq!(found.receipts, expected.receipts);
    assert_eq!(found.changes, expected.changes);
}

/// Changes one thing in a list, as `choice` says. Nothing if there is nothing of that kind.
fn mutate(list: &BlockAccessList, kind: u8, choice: usize) -> Option<BlockAccessList> {
    let mut accounts = list.to_vec();
    let pick = |count: usize| (count > 0).then(|| choice % count);
    let with = |accounts: &[AccountChanges], has: &dyn Fn(&AccountChanges) -> bool| {
        let places = accounts.iter().enumerate();
        let places: Vec<_> = places
            .filter(|(_, account)| has(account))
            .map(|(place, _)| place)
            .collect();
        pick(places.len()).map(|place| places[place])
    };
    match kind {
        0 => {
            accounts.remove(pick(accounts.len())?);
        }
        1 => {
            let place = with(&accounts, &|account| !account.balance_changes.is_empty())?;
            accounts[place].balance_changes[0].post_balance ^= U256::ONE;
        }
        2 => {
            let place = with(&accounts, &|account| !account.nonce_changes.is_empty())?;
            accounts[place].nonce_changes.pop();
        }
        3 => {
            let place = with(&accounts, &|account| !account.storage_changes.is_empty())?;
            let changes = &mut accounts[place].storage_changes[0].changes;
            changes[0].new_value ^= U256::ONE;
        }
        4 => {
            let place = with(&accounts, &|account| !account.storage_reads.is_empty())?;
            accounts[place].storage_reads.pop();
        }
        5 => {
            let place = with(&accounts, &|account| !account.code_changes.is_empty())?;
            accounts[place].code_changes[0].new_code = vec![choice as u8].into();
        }
        6 => {
            let place = with(&accounts, &|account| !account.storage_changes.is_empty())?;
            let slot = accounts[place].storage_changes.remove(0).slot;
            accounts[place].storage_reads.push(slot);
            accounts[place].storage_reads.sort_unstable();
        }
        7 => {
            let place = with(&accounts, &|account| !account.storage_changes.is_empty())?;
            let changes = &mut accounts[place].storage_changes[0].changes;
            let end = changes.last()?.block_access_index.get();
            changes.push(StorageChange::new(
                BlockAccessIndex::new(end + 1),
                U256::from(7),
            ));
        }
        _ => {
            let address = Address::from_word(keccak256([choice as u8]));
            accounts.push(AccountChanges::new(address));
            accounts.sort_unstable_by_key(|account| account.address);
        }
    }
    let bytes = alloy_rlp::encode(&accounts);
    Some(BlockAccessList::decode(&bytes, usize::MAX).expect("it is in order"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn another_list_is_refused_and_does_no_harm_as_a_hint(kind in 0_u8..9, choice: usize) {
        let chain = sample::chain();
        let prepared = chain.blocks[0].prepare(&chain.spec).expect("it is signed");
        let (result, own) = list(&prepared, &chain.genesis);
        let Some(other) = mutate(&own, kind, choice) else {
            return Ok(());
        };
        let refused = prepared.verify_access_list(&other, &chain.genesis, &CancelToken::new());
        let Err(AccessListMismatch::Differs(difference)) = refused else {
            panic!("mutation {kind} of {choice} is not noticed");
        };
        let is_right = matches!(
            (kind, *difference),
            (0, Difference::MissingAccount(_))
                | (8, Difference::SurplusAccount(_))
                | (4, Difference::MissingRead { .. })
                | (1 | 2 | 3 | 5 | 6 | 7, Difference::Change { .. })
        );
        prop_assert!(is_right, "mutation {kind}: {difference}");
        let executor = ParallelExecutor::new(&runtime(2)).strategy(Strategy::Optimistic);
        unharmed(&prepared, &chain.genesis, &executor, &other, &result);
    }

    #[test]
    fn any_bytes_are_a_list_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(list) = BlockAccessList::decode(&bytes, 3) {
            prop_assert_eq!(list.encode(), bytes);
        }
    }

    #[test]
    fn a_list_with_other_bytes_is_another_or_an_error(place: usize, byte: u8) {
        let chain = sample::chain();
        let prepared = chain.blocks[0].prepare(&chain.spec).expect("it is signed");
        let (_, own) = list(&prepared, &chain.genesis);
        let mut bytes = own.encode();
        let place = place % bytes.len();
        prop_assume!(bytes[place] != byte);
        bytes[place] = byte;
        if let Ok(other) = BlockAccessList::decode(&bytes, 21) {
            prop_assert!(other.difference(&own).is_some());
            prop_assert_ne!(other.hash(), own.hash());
        }
    }
}

#[test]
fn bad_bytes_are_told_apart() {
    let chain = sample::chain();
    let prepared = chain.blocks[0].prepare(&chain.spec).expect("it is signed");
    let (_, own) = list(&prepared, &chain.genesis);
    let bytes = own.encode();
    let says = |bytes: &[u8], transactions| {
        BlockAccessList::decode(bytes, transactions)
            .expect_err("it is no list")
            .to_string()
    };
    assert!(says(&bytes[..bytes.len() - 1], 21).starts_with("is no block access list in RLP"));
    assert!(says(&[&bytes[..], &[0]].concat(), 21).starts_with("is no block access list in RLP"));
    // A list that claims to be larger than there are bytes takes no memory.
    assert!(
        says(&[0xfb, 0xff, 0xff, 0xff, 0xff], 21).starts_with("is no block access list in RLP")
    );
    assert!(says(&bytes, 2).contains("exceeds the block maximum 3"));
    let mut accounts = own.to_vec();
    accounts.reverse();
    let reversed = BlockAccessList::decode(&alloy_rlp::encode(&accounts), 21);
    assert!(
        matches!(reversed, Err(AccessListError::Structure(_))),
        "{reversed:?}"
    );
    let serial = prepared.execute(&SerialExecutor::new(), &chain.genesis, &CancelToken::new());
    assert!(own.items() * 2_000 < serial.expect("the block is valid").gas_used);
}
