//! What is recorded of a block's transactions.

use alloy_primitives::{Address, U256};
use pleach::{Access, AccessSet, CancelToken, Trust, dtt::OpenTree};
use pleach_evm::{Key, Part, sample};

use crate::harness::{
    block::{Whole, payment, sign},
    build::ETHER,
    signer,
};

fn access(set: &AccessSet<Key>, address: Address, part: Part) -> Option<Access> {
    let key = Key::Account(address, part);
    let mut entries = set.entries().iter();
    let found = entries.find(|(other, _)| *other == key);
    found.map(|(_, access)| *access)
}

#[test]
fn payments_add_to_balances_and_wait_for_nobody() {
    let mut whole = Whole::new("osaka");
    whole.balance(signer(0), ETHER);
    whole.balance(signer(1), ETHER);
    whole.block.header.gas_limit = 1_000_000;
    for (sender, nonce) in [(0, 0), (0, 1), (1, 0)] {
        whole.push(sign(sender, payment(signer(1), nonce, 21_000)));
    }
    let prepared = whole.block.prepare(&whole.spec);
    let (result, sets) = prepared
        .expect("the signatures are fine")
        .record(&whole.state, &CancelToken::new())
        .expect("the block is valid");
    assert_eq!(result.gas_used, 63_000);
    assert_eq!(sets.len(), 3, "the protocol's own steps are left out");
    let first = &sets[0];
    // That the sender has enough is the bound of what is taken from it.
    for (account, part) in [(0, Part::Balance), (1, Part::Balance), (0, Part::Nonce)] {
        assert_eq!(access(first, signer(account), part), Some(Access::ADD));
    }
    assert_eq!(access(first, signer(1), Part::Code), Some(Access::CHECK));

    let mut open = OpenTree::new();
    for set in &sets {
        open.push(set, Trust::Predicted).expect("it is small");
    }
    assert_eq!(open.tree().branches().len(), 3);
}

#[test]
fn the_sample_chain_is_recorded_and_timed_as_it_is_executed() {
    let chain = sample::chain();
    let block = &chain.blocks[0];
    let prepared = block.prepare(&chain.spec).expect("its signatures are fine");
    let cancel = CancelToken::new();
    let plain = prepared
        .execute(&pleach::SerialExecutor::new(), &chain.genesis, &cancel)
        .expect("the block is valid");
    let (recorded, sets) = prepared
        .record(&chain.genesis, &cancel)
        .expect("the block is valid");
    let (timed, durations) = prepared
        .time(&chain.genesis, &cancel)
        .expect("the block is valid");
    for result in [recorded, timed] {
        assert_eq!(result.receipts, plain.receipts);
        assert_eq!(result.changes, plain.changes);
    }
    assert_eq!(sets.len(), block.transactions.len());
    assert_eq!(durations.len(), block.transactions.len());
    assert!(durations.iter().all(|time| !time.is_zero()));
    let slots = sets.iter().flat_map(AccessSet::writes);
    let slots = slots.filter(|key| matches!(key, Key::Account(_, Part::Slot { .. })));
    assert!(slots.count() > 0, "some transaction writes to storage");
    assert_eq!(
        Key::Account(
            Address::ZERO,
            Part::Slot {
                incarnation: 0,
                slot: U256::from(255)
            }
        )
        .to_string(),
        "slot 0xff of 0x0000000000000000000000000000000000000000"
    );
}
