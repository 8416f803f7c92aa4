//! Contracts that are created where something already is, or where something was.

use alloy_consensus::TxLegacy;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use pleach_evm::{Account, BlockResult, EvmState};

use super::{A, ERAS, INIT, RUNTIME, X};
use crate::harness::{
    Agree as _, Before, Scenario,
    block::{Whole, payment, sign},
    build::{ETHER, call, create, create2, deploy, ending, pay, run, show, wei, within},
    code::{End, Function, Look, Step, Target, program},
    request::{Request, Value},
    signer, spec_id,
};

const ONE: U256 = U256::ONE;

/// Forks with CREATE2.
const FORKS: [&str; 5] = ["petersburg", "istanbul", "berlin", "cancun", "osaka"];

/// Where `A` creates a contract of this init code with CREATE2.
fn address(fork: &str, init: &Function) -> Address {
    A.create2(B256::ZERO, keccak256(program(init, spec_id(fork))))
}

fn number(address: Address) -> U256 {
    U256::from_be_slice(address.as_slice())
}

/// Something in the way, by what it has.
fn occupied(balance: u64, nonce: u64, code: &'static [u8], word: u64) -> Before {
    Before {
        balance: U256::from(balance),
        nonce,
        code: Bytes::from_static(code),
        storage: [(1, word)]
            .into_iter()
            .filter(|(_, word)| *word > 0)
            .collect(),
    }
}

#[test]
fn a_nonce_or_a_code_is_in_the_way_and_a_balance_is_not() {
    for fork in FORKS {
        let init = ending([Step::Load(1)], End::ReturnCodeOf(RUNTIME));
        let there = address(fork, &init);
        for (before, created) in [
            (occupied(5, 0, b"", 0), true),
            (occupied(5, 1, b"", 0), false),
            (occupied(0, 1, b"", 0), false),
            (occupied(0, 0, b"\0", 0), false),
            (occupied(5, 1, b"\0", 2), false),
        ] {
            let has = before.balance;
            let agreed = Scenario::funded(fork)
                .account(there, before)
                .balance(A, 10)
                .contract(A, &[run([create2(INIT, 3)])])
                .init(INIT, &init)
                .contract(RUNTIME, &[run([])])
                .send(Request::new(0, A))
                .agreed();
            if created {
                assert_eq!(agreed.logged(0), [U256::ZERO, number(there)], "{fork}");
                assert_eq!(agreed.balance(there), has + wei(3));
            } else {
                assert_eq!(agreed.logged(0), [U256::ZERO], "{fork}");
                assert_eq!(agreed.balance(there), has);
            }
        }
    }
}

/// A block that creates an empty contract where there is nothing but a storage. A payment of nothing may touch that first.
fn onto_storage(fork: &str, balance: u64, touched: bool) -> (BlockResult, EvmState) {
    let created = signer(0).create(0);
    let mut whole = Whole::new(fork);
    whole.balance(signer(0), ETHER);
    whole.balance(signer(1), ETHER);
    let storage = [(ONE, U256::from(7))].into_iter().collect();
    let account = Account {
        balance: U256::from(balance),
        storage,
        ..Account::default()
    };
    whole.account(created, account);
    if touched {
        let touch = TxLegacy {
            value: U256::ZERO,
            ..payment(created, 0, 21_000)
        };
        whole.push(sign(1, touch));
    }
    let create = TxLegacy {
        to: TxKind::Create,
        ..payment(created, 0, 100_000)
    };
    whole.push(sign(0, create));
    let result = whole.execute().expect("the block is valid");
    (result, whole.after())
}

#[test]
fn a_storage_alone_is_in_the_way_too() {
    let created = signer(0).create(0);
    for fork in ERAS {
        for (balance, touched) in [(0, false), (5, false), (5, true)] {
            let (result, after) = onto_storage(fork, balance, touched);
            let receipt = result.receipts.last().expect("there are some");
            assert!(!receipt.receipt.success, "{fork}");
            assert_eq!(
                result.executions.last().map(|it| it.gas_used),
                Some(100_000)
            );
            let account = after.account(created).expect("it is still there");
            assert_eq!((account.nonce, account.storage.len()), (0, 1), "{fork}");
            assert_eq!(account.balance, U256::from(balance), "{fork}");
        }
        // It was empty when it was touched, and is gone with its storage.
        let clearing = fork != "frontier" && fork != "tangerine";
        let (result, after) = onto_storage(fork, 0, true);
        let receipt = result.receipts.last().expect("there are some");
        assert_eq!(receipt.receipt.success, clearing, "{fork}");
        let account = after.account(created).expect("it is there");
        assert_eq!(account.storage.is_empty(), clearing, "{fork}");
    }
}

#[test]
fn an_address_that_was_paid_earlier_in_the_block_keeps_the_money() {
    for fork in FORKS {
        let init = ending(
            [show(Look::Balance, Target::Myself)],
            End::ReturnCodeOf(RUNTIME),
        );
        let there = address(fork, &init);
        let agreed = Scenario::funded(fork)
            .balance(A, 10)
            .contract(
                A,
                &[run([create2(INIT, 3), show(Look::Balance, Target::Last)])],
            )
            .init(INIT, &init)
            .contract(RUNTIME, &[run([])])
            .send(Request::new(1, there).value(5))
            .send(Request::new(0, A))
            .agreed();
        assert_eq!(agreed.logged(1), [wei(8), number(there), wei(8)], "{fork}");
    }
}

#[test]
fn a_creation_that_fails_leaves_the_address_free() {
    for fork in FORKS {
        for end in [End::Revert, End::Invalid, End::Burn] {
            // The same code fails unless it is given something.
            let agreed = Scenario::funded(fork)
                .balance(A, 10)
                .contract(A, &[run([create(INIT, 2), create(X, 3)])])
                .init(INIT, &ending([Step::Store(1, 1)], end))
                .init(
                    X,
                    &ending(
                        [Step::Load(1), Step::Store(2, 2)],
                        End::ReturnCodeOf(RUNTIME),
                    ),
                )
                .contract(RUNTIME, &[run([])])
                .send(Request::new(0, A).gas(10_000_000))
                .agreed();
            let second = A.create(2);
            assert_eq!(
                agreed.logged(0),
                [U256::ZERO, U256::ZERO, number(second)],
                "{fork}"
            );
            assert!(agreed.account(A.create(1)).is_none(), "{fork}");
            assert_eq!(agreed.balance(A), wei(7));
            assert_eq!(agreed.word(second, 2), wei(2));
        }
    }
}

#[test]
fn a_creation_that_is_reverted_further_up() {
    for fork in ERAS {
        let agreed = Scenario::funded(fork)
            .balance(A, 10)
            .contract(
                A,
                &[
                    run([
                        within(300_000, call(Target::Myself, 0, 1)),
                        show(Look::Balance, Target::At(A.create(1))),
                        show(Look::CodeSize, Target::At(A.create(1))),
                        create(INIT, 1),
                        show(Look::Balance, Target::Last),
                    ]),
                    ending([create(INIT, 4)], End::Invalid),
                ],
            )
            .init(INIT, &deploy(RUNTIME))
            .contract(RUNTIME, &[run([])])
            .send(Request::new(0, A))
            .agreed();
        let created = number(A.create(1));
        assert_eq!(
            agreed.logged(0),
            [U256::ZERO, U256::ZERO, U256::ZERO, created, ONE],
            "{fork}"
        );
        assert_eq!(agreed.balance(A), wei(9));
    }
}

#[test]
fn a_transaction_that_creates_with_all_the_money_and_with_one_wei_more() {
    for fork in ERAS {
        let init = program(&run([show(Look::Balance, Target::Myself)]), spec_id(fork));
        let create = |more| {
            let mut request = Request::new(0, None).value(Value::RestAnd(more));
            request.data = init.clone();
            request
        };
        let agreed = Scenario::funded(fork)
            .send(create(1))
            .send(create(0))
            .agreed();
        assert!(agreed.invalid(0).contains("lack of funds"), "{fork}");
        let created = signer(0).create(0);
        assert_eq!(agreed.logged(1), [agreed.balance(created)], "{fork}");
        let nonce = agreed.account(created).map(|account| account.nonce);
        let clearing = fork != "frontier" && fork != "tangerine";
        assert_eq!(nonce, Some(u64::from(clearing)), "{fork}");
    }
}

#[test]
fn a_transaction_that_creates_where_something_is() {
    for fork in ERAS {
        let created = signer(0).create(0);
        let agreed = Scenario::funded(fork)
            .account(created, occupied(5, 1, b"", 0))
            .send(Request::new(0, None).value(3))
            .send(Request::new(0, X).value(1))
            .agreed();
        let done = agreed.done(0);
        assert_eq!((done.success, done.gas_used), (false, 1_000_000), "{fork}");
        assert_eq!(agreed.balance(created), wei(5));
    }
}

#[test]
fn contracts_that_create_contracts_while_they_are_created() {
    for fork in ERAS {
        let outer = ending(
            [
                create(X, 2),
                show(Look::Balance, Target::Myself),
                call(Target::Last, 1, 0),
            ],
            End::ReturnCodeOf(RUNTIME),
        );
        let agreed = Scenario::funded(fork)
            .balance(A, 10)
            .contract(A, &[run([create(INIT, 5)])])
            .init(INIT, &outer)
            .init(X, &ending([pay(A, 1)], End::ReturnCodeOf(RUNTIME)))
            .contract(RUNTIME, &[run([show(Look::Balance, Target::Myself)])])
            .send(Request::new(0, A).gas(5_000_000))
            .agreed();
        assert!(agreed.done(0).success, "{fork}");
        let outer = A.create(1);
        let nonce = u64::from(fork != "frontier" && fork != "tangerine");
        assert_eq!(agreed.balance(outer), wei(2), "{fork}");
        assert_eq!(agreed.balance(outer.create(nonce)), wei(2), "{fork}");
    }
}
