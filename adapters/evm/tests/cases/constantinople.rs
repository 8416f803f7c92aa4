//! Constantinople without Petersburg: net gas metering (EIP-1283), which revm does not know.

use alloy_consensus::TxLegacy;
use alloy_primitives::U256;
use pleach_evm::{Account, BlockResult};
use revm::bytecode::opcode as op;

use super::A;
use crate::harness::{
    block::{Whole, payment, sign},
    build::ETHER,
    signer,
};

/// A block with a call to this code, which finds a one in its first slot if there `was` one.
fn call(fork: &str, code: &[u8], was: u64) -> BlockResult {
    let mut whole = Whole::new(fork);
    whole.balance(signer(0), ETHER);
    whole.code(A, code);
    let account = whole.state.account(A).expect("it was just added").clone();
    let storage = [(U256::ZERO, U256::from(was))].into_iter().collect();
    whole.account(A, Account { storage, ..account });
    let call = TxLegacy {
        value: U256::ZERO,
        ..payment(A, 0, 1_000_000)
    };
    whole.push(sign(0, call));
    whole.execute().expect("the block is valid")
}

/// Code that puts these words into its first slot, one after another.
fn stores(words: &[u8]) -> Vec<u8> {
    let store = |word: &u8| [op::PUSH1, *word, op::PUSH1, 0, op::SSTORE];
    words.iter().flat_map(store).collect()
}

#[test]
fn the_examples_of_eip_1283() {
    // What was there, what is put there, the gas that it takes, and the refund.
    let examples: [(u64, &[u8], u64, u64); 17] = [
        (0, &[0, 0], 412, 0),
        (0, &[0, 1], 20_212, 0),
        (0, &[1, 0], 20_212, 19_800),
        (0, &[1, 2], 20_212, 0),
        (0, &[1, 1], 20_212, 0),
        (1, &[0, 0], 5_212, 15_000),
        (1, &[0, 1], 5_212, 4_800),
        (1, &[0, 2], 5_212, 0),
        (1, &[2, 0], 5_212, 15_000),
        (1, &[2, 3], 5_212, 0),
        (1, &[2, 1], 5_212, 4_800),
        (1, &[2, 2], 5_212, 0),
        (1, &[1, 0], 5_212, 15_000),
        (1, &[1, 2], 5_212, 0),
        (1, &[1, 1], 412, 0),
        (0, &[1, 0, 1], 40_218, 19_800),
        (1, &[0, 1, 0], 10_218, 19_800),
    ];
    for (was, words, used, refund) in examples {
        let all = 21_000 + used;
        let gas = call("constantinople", &stores(words), was).gas_used;
        assert_eq!(gas, all - refund.min(all / 2), "{was} {words:?}");
    }
    // Petersburg took it back.
    let gas = call("petersburg", &stores(&[1, 2]), 1).gas_used;
    assert_eq!(gas, 21_000 + 10_012);
}

#[test]
fn its_other_instructions_are_there() {
    let shift = [
        op::PUSH1,
        1,
        op::PUSH1,
        4,
        op::SHL,
        op::PUSH1,
        0,
        op::SSTORE,
    ];
    for (fork, expected) in [
        ("byzantium", false),
        ("constantinople", true),
        ("petersburg", true),
    ] {
        let result = call(fork, &shift, 0);
        assert_eq!(result.receipts[0].receipt.success, expected, "{fork}");
    }
}

#[test]
fn the_stipend_of_a_call_is_enough_for_an_sstore_that_changes_nothing() {
    // Calls itself with one wei and without gas of its own, to put there what is there already.
    let code = [
        &[op::CALLVALUE, op::PUSH1, 22, op::JUMPI][..],
        &[op::PUSH1, 0, op::PUSH1, 0, op::PUSH1, 0, op::PUSH1, 0],
        &[op::PUSH1, 1, op::ADDRESS, op::PUSH1, 0, op::CALL],
        &[op::PUSH1, 1, op::SSTORE, op::STOP],
        &[op::JUMPDEST, op::PUSH1, 1, op::PUSH1, 0, op::SSTORE],
    ]
    .concat();
    assert_eq!(code[22], op::JUMPDEST);
    for (fork, expected) in [("constantinople", true), ("petersburg", false)] {
        let mut whole = Whole::new(fork);
        whole.balance(signer(0), ETHER);
        whole.code(A, &code);
        let account = whole.state.account(A).expect("it was just added").clone();
        let one = U256::ONE;
        let storage = [(U256::ZERO, one)].into_iter().collect();
        whole.account(
            A,
            Account {
                storage,
                balance: one,
                ..account
            },
        );
        let call = TxLegacy {
            value: U256::ZERO,
            ..payment(A, 0, 1_000_000)
        };
        whole.push(sign(0, call));
        let after = whole.after();
        let account = after.account(A).expect("it is still there");
        let succeeded = account.storage.contains_key(&one);
        assert_eq!(succeeded, expected, "{fork}");
    }
}
