//! Contracts that destroy themselves, and what is at their address afterwards.

use alloy_primitives::{Address, B256, U256, keccak256};

use super::{A, B, ERAS, INIT, RUNTIME, X};
use crate::harness::{
    Agree as _, Scenario,
    build::{ETHER, call, create, create2, ending, pay, run, show, wei, within},
    code::{End, Function, Look, Step, Target, program},
    request::Request,
    signer, spec_id,
};

/// Forks with CREATE2 in which a contract is gone whenever it destroys itself.
const GONE: [&str; 5] = ["petersburg", "istanbul", "berlin", "london", "shanghai"];
/// Those in which it is gone only if it was created in the same transaction (EIP-6780).
const STAYS: [&str; 3] = ["cancun", "prague", "osaka"];

/// Init code that looks at a word, and writes another.
fn init() -> Function {
    ending(
        [Step::Load(1), Step::Store(2, 5)],
        End::ReturnCodeOf(RUNTIME),
    )
}

fn child(fork: &str) -> Address {
    A.create2(B256::ZERO, keccak256(program(&init(), spec_id(fork))))
}

/// `A` creates a child. That stores a word if told 0, shows its words if told 1, and destroys itself if told 2.
fn family(fork: &'static str) -> Scenario {
    let show = [
        Step::Load(1),
        Step::Load(2),
        show(Look::Balance, Target::Myself),
    ];
    Scenario::funded(fork)
        .balance(A, 100)
        .contract(A, &[run([create2(INIT, 1)])])
        .init(INIT, &init())
        .contract(
            RUNTIME,
            &[
                run([Step::Store(1, 7)]),
                run(show),
                ending([], End::SelfDestruct(Target::At(X))),
            ],
        )
}

#[test]
fn a_contract_that_comes_back_finds_its_storage_empty() {
    for fork in GONE {
        let child = child(fork);
        let agreed = family(fork)
            .send(Request::new(0, A))
            .send(Request::new(0, child).function(0))
            .send(Request::new(0, child).function(1))
            .send(Request::new(0, child).function(2))
            .send(Request::new(0, child).function(1))
            .send(Request::new(0, A))
            .send(Request::new(0, child).function(1))
            .agreed();
        assert_eq!(agreed.logged(2), [wei(7), wei(5), wei(1)], "{fork}");
        // Nobody was there.
        assert!(agreed.logged(4).is_empty(), "{fork}");
        assert_eq!(agreed.logged(6), [U256::ZERO, wei(5), wei(1)], "{fork}");
        assert_eq!(agreed.word(child, 1), U256::ZERO);
        assert_eq!(agreed.word(child, 2), wei(5));
        assert_eq!(agreed.balance(X), wei(1));
    }
}

#[test]
fn a_contract_that_comes_back_in_the_next_block() {
    for fork in GONE {
        let child = child(fork);
        let agreed = family(fork)
            .send(Request::new(0, A))
            .send(Request::new(0, child).function(0))
            .next_block()
            .send(Request::new(0, child).function(1))
            .send(Request::new(0, child).function(2))
            .send(Request::new(0, A))
            .send(Request::new(0, child).function(1))
            .next_block()
            .send(Request::new(0, child).function(1))
            .send(Request::new(0, child).function(2))
            .agreed();
        assert_eq!(agreed.logged(2), [wei(7), wei(5), wei(1)], "{fork}");
        assert_eq!(agreed.logged(5), [U256::ZERO, wei(5), wei(1)], "{fork}");
        assert_eq!(agreed.logged(6), [U256::ZERO, wei(5), wei(1)], "{fork}");
        assert!(agreed.account(child).is_none(), "{fork}");
    }
}

#[test]
fn a_contract_that_is_destroyed_again_and_again() {
    for fork in GONE {
        let child = child(fork);
        let mut scenario = family(fork);
        for _ in 0..3 {
            scenario = scenario
                .send(Request::new(0, A))
                .send(Request::new(0, child).function(0))
                .send(Request::new(1, child).function(2).value(4));
        }
        let agreed = scenario.send(Request::new(0, A)).agreed();
        assert_eq!(agreed.balance(X), wei(15), "{fork}");
        assert_eq!(agreed.word(child, 1), U256::ZERO, "{fork}");
        assert_eq!(agreed.word(child, 2), wei(5), "{fork}");
    }
}

#[test]
fn a_destroyed_contract_that_is_paid_later_is_an_account_without_code() {
    for fork in GONE {
        let child = child(fork);
        let agreed = family(fork)
            .send(Request::new(0, A))
            .send(Request::new(0, child).function(0))
            .send(Request::new(0, child).function(2))
            .send(Request::new(0, child).value(3))
            .agreed();
        let account = agreed.account(child).expect("it was paid");
        assert_eq!(account.balance, wei(3), "{fork}");
        assert_eq!((account.nonce, account.code), (0, None), "{fork}");
        assert!(account.storage.is_empty(), "{fork}");
    }
}

#[test]
fn since_cancun_an_old_contract_stays_and_loses_its_money_only() {
    for fork in STAYS {
        let child = child(fork);
        let agreed = family(fork)
            .send(Request::new(0, A))
            .send(Request::new(0, child).function(0))
            .send(Request::new(0, child).function(2))
            .send(Request::new(0, child).function(1))
            .agreed();
        assert_eq!(agreed.logged(3), [wei(7), wei(5), U256::ZERO], "{fork}");
        assert_eq!(agreed.balance(X), wei(1), "{fork}");
    }
}

#[test]
fn a_contract_that_goes_in_the_transaction_that_created_it() {
    for fork in ERAS {
        // It is called again before it is gone, and paid once more, which is lost.
        let agreed = Scenario::funded(fork)
            .balance(A, 100)
            .contract(
                A,
                &[run([
                    create(INIT, 10),
                    call(Target::Last, 5, 0),
                    show(Look::Balance, Target::Last),
                    show(Look::CodeSize, Target::Last),
                    call(Target::Last, 6, 1),
                    show(Look::Balance, Target::Last),
                ])],
            )
            .init(
                INIT,
                &ending([Step::Store(1, 1)], End::ReturnCodeOf(RUNTIME)),
            )
            .contract(
                RUNTIME,
                &[
                    ending([], End::SelfDestruct(Target::At(X))),
                    run([Step::Load(1)]),
                ],
            )
            .send(Request::new(0, A).gas(5_000_000))
            .agreed();
        let logged = agreed.logged(0);
        assert_eq!(logged[2], U256::ZERO, "{fork}");
        assert!(
            !logged[3].is_zero(),
            "its code is there till the end: {fork}"
        );
        assert_eq!(logged[6], wei(6), "{fork}");
        assert!(agreed.account(A.create(1)).is_none(), "{fork}");
        assert_eq!(agreed.balance(X), wei(15), "{fork}");
        assert_eq!(agreed.balance(A), wei(79), "{fork}");
    }
}

#[test]
fn a_contract_that_leaves_its_money_to_itself() {
    for fork in ERAS {
        let destroy = ending([], End::SelfDestruct(Target::Myself));
        let agreed = Scenario::funded(fork)
            .balance(A, 100)
            .contract(A, &[run([create(INIT, 10)])])
            .init(INIT, &destroy)
            .balance(B, 50)
            .contract(B, std::slice::from_ref(&destroy))
            .send(Request::new(0, A))
            .send(Request::new(0, B))
            .send(Request::new(0, B).value(3))
            .agreed();
        // Born and gone at once: burnt under all rules.
        assert!(agreed.account(A.create(1)).is_none(), "{fork}");
        assert_eq!(agreed.balance(A), wei(90), "{fork}");
        let stays = STAYS.contains(&fork);
        // The last payment finds no code where the contract is gone.
        let left = if stays { 53 } else { 3 };
        assert_eq!(agreed.balance(B), wei(left), "{fork}");
    }
}

#[test]
fn a_destruction_that_is_reverted() {
    for fork in ERAS {
        for end in [End::Revert, End::Invalid, End::Burn] {
            let attempt = |to, function| within(100_000, call(to, 2, function));
            let agreed = Scenario::funded(fork)
                .balance(A, 10)
                .balance(B, 20)
                .contract(
                    A,
                    &[
                        run([
                            attempt(Target::Myself, 1),
                            show(Look::Balance, Target::At(B)),
                            show(Look::Balance, Target::At(X)),
                        ]),
                        ending([attempt(Target::At(B), 0)], end),
                    ],
                )
                .contract(B, &[ending([], End::SelfDestruct(Target::At(X)))])
                .send(Request::new(0, A).gas(400_000))
                .send(Request::new(0, B))
                .agreed();
            assert_eq!(
                agreed.logged(0),
                [U256::ZERO, wei(20), U256::ZERO],
                "{fork}"
            );
            assert_eq!(agreed.balance(X), wei(20), "{fork}");
        }
    }
}

#[test]
fn an_heir_that_is_new_costs_more_if_there_is_something_to_inherit() {
    for fork in ["spuriousdragon", "istanbul", "berlin", "cancun", "osaka"] {
        let gas = |has: u64, heir: u64| {
            let agreed = Scenario::funded(fork)
                .balance(A, has)
                .balance(X, heir)
                .contract(A, &[ending([], End::SelfDestruct(Target::At(X)))])
                .send(Request::new(0, A).gas(200_000))
                .agreed();
            agreed.done(0).gas_used
        };
        // Half of the gas may come back before London; a difference it stays.
        assert!(gas(1, 0) > gas(1, 1), "{fork}");
        assert_eq!(gas(0, 0), gas(0, 1), "{fork}");
    }
}

#[test]
fn an_heir_that_a_blind_payment_brought_into_being_is_not_new() {
    for fork in ["spuriousdragon", "istanbul", "berlin", "cancun", "osaka"] {
        let scenario = Scenario::funded(fork)
            .balance(A, 1)
            .contract(A, &[ending([], End::SelfDestruct(Target::At(X)))]);
        let new = scenario.clone().send(Request::new(0, A)).agreed();
        let paid = scenario
            .clone()
            .send(Request::new(1, X).value(1))
            .send(Request::new(0, A))
            .agreed();
        assert!(new.done(0).gas_used > paid.done(1).gas_used, "{fork}");
        // So is the coinbase, once it earned something.
        let earned = scenario
            .clone()
            .coinbase(X)
            .send(Request::new(1, B).value(1))
            .send(Request::new(0, A))
            .agreed();
        assert!(new.done(0).gas_used > earned.done(1).gas_used, "{fork}");
    }
}

#[test]
fn a_coinbase_that_destroys_itself_loses_its_fee() {
    for fork in ERAS {
        let agreed = Scenario::funded(fork)
            .balance(A, 10)
            .coinbase(A)
            .contract(A, &[ending([], End::SelfDestruct(Target::At(X)))])
            .send(Request::new(0, A))
            .send(Request::new(1, X).value(1))
            .agreed();
        assert_eq!(agreed.balance(X), wei(11), "{fork}");
        let first = agreed.done(0).gas_used * 10;
        let second = 210_000;
        let expected = if STAYS.contains(&fork) {
            first + second
        } else {
            second
        };
        assert_eq!(agreed.balance(A), wei(expected), "{fork}");
    }
}

#[test]
fn the_coinbase_inherits() {
    for fork in ERAS {
        let scenario = Scenario::funded(fork);
        let coinbase = scenario.coinbase;
        let agreed = scenario
            .balance(A, 7)
            .contract(
                A,
                &[ending([pay(B, 2)], End::SelfDestruct(Target::Coinbase))],
            )
            .send(Request::new(0, A))
            .agreed();
        let fee = agreed.done(0).gas_used * 10;
        assert_eq!(agreed.balance(coinbase), wei(5 + fee), "{fork}");
    }
}

#[test]
fn the_sender_inherits_what_it_sent() {
    for fork in ERAS {
        let agreed = Scenario::funded(fork)
            .contract(A, &[ending([], End::SelfDestruct(Target::Caller))])
            .send(Request::new(0, A).value(1_000))
            .agreed();
        let fee = agreed.done(0).gas_used * 10;
        let left = wei(ETHER - fee);
        assert_eq!(agreed.balance(signer(0)), left, "{fork}");
    }
}
