//! What the protocol itself does in a block, before and after its transactions.

use alloy_consensus::Header;
use alloy_eips::{
    eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS, eip4895::Withdrawal,
    eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS as WITHDRAWALS,
    eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS as CONSOLIDATIONS,
};
use alloy_evm::eth::dao_fork::{DAO_HARDFORK_ACCOUNTS, DAO_HARDFORK_BENEFICIARY};
use alloy_genesis::ChainConfig;
use alloy_primitives::{Address, U256, address, b256};
use pleach_evm::{Account, BlockError, ChainSpec, EvmState};
use revm::bytecode::opcode as op;

use crate::harness::{
    block::{Whole, balance, payment, sign},
    build::{ETHER, wei},
    code::Assembler,
    signer,
};

const A: Address = Address::repeat_byte(0xa1);
const B: Address = Address::repeat_byte(0xb2);
const X: Address = Address::repeat_byte(0x99);
const GWEI: u64 = 1_000_000_000;
const SYSTEM: Address = address!("fffffffffffffffffffffffffffffffffffffffe");

fn withdrawal(address: Address, amount: u64) -> Withdrawal {
    Withdrawal {
        address,
        amount,
        ..Withdrawal::default()
    }
}

#[test]
fn withdrawals_are_paid_and_touch_even_without_an_amount() {
    for fork in ["shanghai", "cancun", "osaka"] {
        let mut whole = Whole::new(fork);
        whole.balance(A, 7);
        whole.account(B, Account::default());
        let untouched = Address::repeat_byte(0x55);
        whole.account(untouched, Account::default());
        whole.block.withdrawals = Some(vec![
            withdrawal(A, 2),
            withdrawal(X, 3),
            withdrawal(B, 0),
            withdrawal(A, 1),
            withdrawal(Address::repeat_byte(0x44), 0),
            withdrawal(A, 0),
        ]);
        let after = whole.after();
        assert_eq!(balance(&after, A), Some(wei(7 + 3 * GWEI)), "{fork}");
        assert_eq!(balance(&after, X), Some(wei(3 * GWEI)), "{fork}");
        // It existed with nothing, and was touched.
        assert_eq!(balance(&after, B), None, "{fork}");
        assert_eq!(balance(&after, untouched), Some(U256::ZERO), "{fork}");
        assert_eq!(after.len(), 3, "{fork}");
    }
}

#[test]
fn withdrawals_come_after_the_transactions() {
    let mut whole = Whole::new("osaka");
    whole.block.withdrawals = Some(vec![withdrawal(signer(0), 1_000_000_000)]);
    whole.push(sign(0, payment(X, 0, 21_000)));
    match whole.execute() {
        Err(BlockError::Invalid {
            transaction: Some(0),
            reason,
        }) => assert!(reason.to_string().contains("lack of funds"), "{reason}"),
        other => panic!("the sender has nothing yet: {other:?}"),
    }
}

#[test]
fn there_are_no_withdrawals_before_shanghai() {
    let mut whole = Whole::new("paris");
    whole.block.withdrawals = Some(vec![withdrawal(A, 2)]);
    assert!(whole.after().is_empty());
}

#[test]
fn a_withdrawal_that_does_not_fit() {
    let mut whole = Whole::new("osaka");
    let account = Account {
        balance: U256::MAX,
        ..Account::default()
    };
    whole.account(A, account);
    whole.block.withdrawals = Some(vec![withdrawal(A, 2), withdrawal(B, 1)]);
    let after = whole.after();
    assert_eq!(balance(&after, A), Some(U256::MAX));
    assert_eq!(balance(&after, B), Some(wei(GWEI)));
}

#[test]
fn rewards_of_blocks_and_uncles() {
    let uncle = |beneficiary, number| Header {
        beneficiary,
        number,
        ..Header::default()
    };
    for (fork, ether) in [
        ("frontier", 5),
        ("homestead", 5),
        ("spuriousdragon", 5),
        ("byzantium", 3),
        ("constantinople", 2),
        ("petersburg", 2),
        ("london", 2),
    ] {
        let reward = U256::from(ether) * wei(ETHER);
        let mut whole = Whole::new(fork);
        let coinbase = whole.block.header.beneficiary;
        assert_eq!(balance(&whole.after(), coinbase), Some(reward), "{fork}");

        whole.block.ommers = vec![uncle(A, 999), uncle(B, 994)];
        let after = whole.after();
        let with_uncles = reward + reward / wei(32) * wei(2);
        assert_eq!(balance(&after, coinbase), Some(with_uncles), "{fork}");
        assert_eq!(balance(&after, A), Some(reward / wei(8) * wei(7)));
        assert_eq!(balance(&after, B), Some(reward / wei(8) * wei(2)));
        assert_eq!(after.len(), 3, "{fork}");

        // One account may earn all of it.
        whole.block.ommers = vec![uncle(coinbase, 999), uncle(coinbase, 998)];
        let all = with_uncles + reward / wei(8) * wei(13);
        assert_eq!(balance(&whole.after(), coinbase), Some(all), "{fork}");
    }
    for fork in ["paris", "shanghai", "osaka"] {
        let mut whole = Whole::new(fork);
        whole.block.ommers = vec![uncle(A, 999)];
        assert!(whole.after().is_empty(), "{fork}");
    }
}

#[test]
fn uncles_that_cannot_be_earn_nothing_and_do_no_harm() {
    let mut whole = Whole::new("london");
    whole.block.ommers = [0, 1, 991, 992, 1_001, u64::MAX]
        .map(|number| Header {
            beneficiary: A,
            number,
            ..Header::default()
        })
        .into();
    let earned = balance(&whole.after(), A).unwrap_or_default();
    assert_eq!(earned, U256::ZERO);
}

#[test]
fn rewards_come_after_the_transactions() {
    let mut whole = Whole::new("homestead");
    whole.balance(signer(0), ETHER);
    whole.push(sign(0, {
        let mut transaction = payment(X, 0, 21_000);
        transaction.chain_id = None;
        transaction
    }));
    let after = whole.after();
    let coinbase = whole.block.header.beneficiary;
    let expected = wei(5 * (ETHER / 10)) * wei(10) + wei(210_000);
    assert_eq!(balance(&after, coinbase), Some(expected));
}

/// A chain whose DAO fork is at block 1,000.
fn dao(support: bool, eip158_block: Option<u64>) -> ChainSpec {
    ChainSpec::from_config(&ChainConfig {
        chain_id: 1_337,
        homestead_block: Some(0),
        dao_fork_block: Some(1_000),
        dao_fork_support: support,
        eip150_block: eip158_block,
        eip158_block,
        ..ChainConfig::default()
    })
}

#[test]
fn the_dao_fork_moves_what_its_accounts_have() {
    let [first, second, .., last] = DAO_HARDFORK_ACCOUNTS;
    let run = |spec, number: u64| -> EvmState {
        let mut whole = Whole::of_spec(spec);
        whole.block.header.number = number;
        whole.balance(first, 5);
        whole.balance(last, 7);
        whole.balance(DAO_HARDFORK_BENEFICIARY, 1);
        whole.after()
    };
    let after = run(dao(true, None), 1_000);
    assert_eq!(balance(&after, DAO_HARDFORK_BENEFICIARY), Some(wei(13)));
    // Until EIP-161 what is touched exists, even if nothing is left or never was there.
    for account in [first, second, last] {
        assert_eq!(balance(&after, account), Some(U256::ZERO));
    }
    let after = run(dao(true, Some(0)), 1_000);
    assert_eq!(balance(&after, DAO_HARDFORK_BENEFICIARY), Some(wei(13)));
    for account in [first, second, last] {
        assert_eq!(balance(&after, account), None);
    }
    for (spec, number) in [
        (dao(true, None), 999),
        (dao(true, None), 1_001),
        (dao(false, None), 1_000),
    ] {
        let after = run(spec, number);
        assert_eq!(balance(&after, DAO_HARDFORK_BENEFICIARY), Some(wei(1)));
        assert_eq!(balance(&after, first), Some(wei(5)));
        assert_eq!(balance(&after, second), None);
    }
}

#[test]
fn the_dao_fork_comes_before_the_transactions() {
    let mut whole = Whole::of_spec(dao(true, None));
    whole.balance(DAO_HARDFORK_ACCOUNTS[0], 5);
    whole.balance(signer(0), ETHER);
    // Shows what the beneficiary has when it is called.
    let mut code = Assembler::default();
    code.op(op::ADDRESS).op(op::BALANCE).push(0).op(op::SSTORE);
    whole.code(DAO_HARDFORK_BENEFICIARY, &code.bytes());
    whole.push(sign(0, {
        let mut transaction = payment(DAO_HARDFORK_BENEFICIARY, 0, 100_000);
        transaction.chain_id = None;
        transaction
    }));
    assert_eq!(word(&whole.after(), DAO_HARDFORK_BENEFICIARY, 0), wei(6));
}

fn word(state: &EvmState, address: Address, slot: u64) -> U256 {
    let account = state.account(address).expect("the account exists");
    let word = account.storage.get(&U256::from(slot));
    word.copied().unwrap_or_default()
}

/// Code that stores what it is told, by whom, and with how much gas at the most.
fn recorder() -> Vec<u8> {
    let mut code = Assembler::default();
    code.push(0).op(op::CALLDATALOAD).push(0).op(op::SSTORE);
    code.op(op::CALLER).push(1).op(op::SSTORE);
    code.bytes().to_vec()
}

#[test]
fn the_beacon_root_and_the_parents_hash_are_announced() {
    for (fork, beacon, history) in [
        ("shanghai", false, false),
        ("cancun", true, false),
        ("prague", true, true),
        ("osaka", true, true),
    ] {
        let mut whole = Whole::new(fork);
        whole.code(BEACON_ROOTS_ADDRESS, &recorder());
        whole.code(HISTORY_STORAGE_ADDRESS, &recorder());
        let after = whole.after();
        let expected = |told: bool, byte: u8| {
            let word = U256::from_be_bytes([byte; 32]);
            let caller = U256::from_be_slice(SYSTEM.as_slice());
            if told {
                (word, caller)
            } else {
                Default::default()
            }
        };
        let found = |address| (word(&after, address, 0), word(&after, address, 1));
        assert_eq!(
            found(BEACON_ROOTS_ADDRESS),
            expected(beacon, 0x88),
            "{fork}"
        );
        assert_eq!(
            found(HISTORY_STORAGE_ADDRESS),
            expected(history, 0x77),
            "{fork}"
        );
        // The caller is nobody.
        assert_eq!(after.len(), 2, "{fork}");

        whole.block.header.number = 0;
        let after = whole.after();
        assert_eq!(word(&after, BEACON_ROOTS_ADDRESS, 0), U256::ZERO, "{fork}");
        assert_eq!(
            word(&after, HISTORY_STORAGE_ADDRESS, 0),
            U256::ZERO,
            "{fork}"
        );
    }
}

#[test]
fn announcements_may_fail_and_without_a_contract_they_do_nothing() {
    let mut whole = Whole::new("osaka");
    assert!(whole.after().is_empty());
    whole.code(BEACON_ROOTS_ADDRESS, &[op::INVALID]);
    whole.code(HISTORY_STORAGE_ADDRESS, &[op::PUSH0, op::PUSH0, op::REVERT]);
    assert_eq!(whole.after().len(), 2);
}

/// Code that returns these bytes.
fn returning(bytes: &[u8]) -> Vec<u8> {
    let mut code = Assembler::default();
    for (at, byte) in bytes.iter().enumerate() {
        code.push(*byte).push(at).op(op::MSTORE8);
    }
    code.push(bytes.len()).push(0).op(op::RETURN);
    code.bytes().to_vec()
}

fn requests(whole: &Whole) -> Vec<Vec<u8>> {
    let result = whole.execute().expect("the block is valid");
    result.requests.iter().map(|bytes| bytes.to_vec()).collect()
}

#[test]
fn requests_are_collected_in_the_order_of_their_types() {
    for fork in ["prague", "osaka"] {
        let mut whole = Whole::new(fork);
        whole.code(CONSOLIDATIONS, &returning(&[8, 9]));
        whole.code(WITHDRAWALS, &returning(&[7]));
        assert_eq!(requests(&whole), [vec![1, 7], vec![2, 8, 9]], "{fork}");
        // Nothing to request is no request.
        whole.code(WITHDRAWALS, &returning(&[]));
        assert_eq!(requests(&whole), [vec![2, 8, 9]], "{fork}");
    }
    let mut whole = Whole::new("cancun");
    whole.code(CONSOLIDATIONS, &returning(&[8, 9]));
    assert!(requests(&whole).is_empty());
}

#[test]
fn requests_see_what_the_transactions_did() {
    let mut whole = Whole::new("osaka");
    whole.balance(signer(0), ETHER);
    // Whoever calls it with ether leaves a word; the protocol, which never does, gets it.
    let mut code = Assembler::default();
    code.op(op::ADDRESS).op(op::BALANCE).push(0).op(op::MSTORE);
    code.push(0x20).push(0).op(op::RETURN);
    whole.code(WITHDRAWALS, &code.bytes());
    whole.push(sign(0, payment(WITHDRAWALS, 0, 100_000)));
    let mut expected = vec![1];
    expected.extend(U256::ONE.to_be_bytes::<32>());
    assert_eq!(requests(&whole), [expected]);
}

#[test]
fn without_the_contracts_only_mainnet_blocks_are_invalid() {
    assert!(requests(&Whole::on_chain(1_337, "osaka")).is_empty());
    for missing in [WITHDRAWALS, CONSOLIDATIONS] {
        let mut whole = Whole::on_chain(1, "osaka");
        for contract in [WITHDRAWALS, CONSOLIDATIONS] {
            if contract != missing {
                whole.code(contract, &returning(&[1]));
            }
        }
        fails(&whole, missing, "there is no contract");
    }
    // The mainnet of before Prague has none.
    Whole::on_chain(1, "cancun").after();
}

#[track_caller]
fn fails(whole: &Whole, contract: Address, message: &str) {
    match whole.execute() {
        Err(
            error @ BlockError::Invalid {
                transaction: None, ..
            },
        ) => assert_eq!(
            error.to_string(),
            format!(
                "the protocol's own step failed: the system call to {contract} failed: {message}"
            )
        ),
        other => panic!("the block is not invalid: {other:?}"),
    }
}

#[test]
fn contracts_that_collect_requests_must_not_fail() {
    let revert = [op::PUSH1, 2, op::PUSH0, op::REVERT];
    for contract in [WITHDRAWALS, CONSOLIDATIONS] {
        let mut whole = Whole::new("osaka");
        whole.code(contract, &revert);
        fails(&whole, contract, "it reverted with 0x0000");
        whole.code(contract, &[op::INVALID]);
        fails(&whole, contract, "it halted: InvalidFEOpcode");
    }
}

#[test]
fn deposits_that_cannot_be_read() {
    let config = ChainConfig {
        chain_id: 1_337,
        homestead_block: Some(0),
        eip150_block: Some(0),
        eip158_block: Some(0),
        byzantium_block: Some(0),
        constantinople_block: Some(0),
        petersburg_block: Some(0),
        istanbul_block: Some(0),
        berlin_block: Some(0),
        london_block: Some(0),
        terminal_total_difficulty: Some(U256::ZERO),
        shanghai_time: Some(0),
        cancun_time: Some(0),
        prague_time: Some(0),
        deposit_contract_address: Some(A),
        ..ChainConfig::default()
    };
    let mut whole = Whole::of_spec(ChainSpec::from_config(&config));
    whole.balance(signer(0), ETHER);
    // A log with the topic of a deposit, and nothing in it.
    let topic = b256!("649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5");
    let mut code = Assembler::default();
    code.push(U256::from_be_bytes(topic.0));
    code.push(0).push(0).op(op::LOG1);
    whole.code(A, &code.bytes());
    whole.push(sign(0, payment(A, 0, 100_000)));
    match whole.execute() {
        Err(BlockError::Deposits(_)) => {}
        other => panic!("the deposit is empty: {other:?}"),
    }
    // Anybody else may log what they like.
    whole.code(B, &code.bytes());
    whole.block.transactions = vec![sign(0, payment(B, 0, 100_000))];
    assert!(requests(&whole).is_empty());
}
