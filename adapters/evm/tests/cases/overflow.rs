//! Balances near 2^256, where a placeholder cannot tell what revm would do: then the transaction is executed again,
//! without placeholders. Development chains do start with such balances.

use alloy_primitives::{Address, U256};

use super::{A, B, CLEARING, ERAS, INIT, X};
use crate::harness::{
    Agree as _, Scenario,
    build::{call, call_as, create, deploy, ending, pay, run, show, wei},
    code::{Amount, End, Look, Target, Way},
    request::{Kind, Permit, Request, Value},
    signer,
};

const MAX: U256 = U256::MAX;
const ONE: U256 = U256::ONE;

#[test]
fn fees_that_the_coinbase_cannot_hold_are_dropped() {
    for fork in ERAS {
        for has in [MAX, MAX - wei(209_999), MAX - wei(210_000)] {
            let scenario = Scenario::funded(fork);
            let coinbase = scenario.coinbase;
            let agreed = scenario
                .balance(coinbase, has)
                .contract(A, &[run([])])
                .send(Request::new(0, X).value(1))
                .send(Request::new(1, A))
                .agreed();
            assert!(agreed.done(1).success);
            let first = has.checked_add(wei(210_000)).unwrap_or(has);
            assert!(agreed.balance(coinbase) >= first, "{fork}");
        }
    }
}

#[test]
fn a_plain_transfer_to_an_account_that_cannot_hold_it() {
    for fork in ERAS {
        for (has, fits) in [(MAX - wei(5), true), (MAX - wei(4), false)] {
            // With no tip: before London the sender's balance stays as it was then.
            for tip in [0, 10] {
                let agreed = Scenario::funded(fork)
                    .balance(X, has)
                    .send(Request::new(0, X).value(5).price(tip))
                    .send(Request::new(0, B).value(1).price(tip))
                    .agreed();
                assert_eq!(agreed.done(0).success, fits, "{fork}");
                assert_eq!(agreed.balance(X), if fits { MAX } else { has });
            }
        }
    }
}

#[test]
fn a_plain_transfer_of_which_only_the_fee_does_not_fit() {
    for fork in CLEARING {
        let scenario = Scenario::funded(fork);
        let coinbase = scenario.coinbase;
        let agreed = scenario
            .balance(coinbase, MAX)
            .send(Request::new(0, X).value(5))
            .agreed();
        assert!(agreed.done(0).success, "{fork}");
        // The recipient was paid before the fee was refused, and once only.
        assert_eq!(agreed.balance(X), wei(5));
        assert_eq!(agreed.balance(coinbase), MAX);
    }
}

#[test]
fn a_contract_at_the_limit_that_reverts_what_it_gets() {
    for fork in ERAS {
        let agreed = Scenario::funded(fork)
            .balance(A, MAX)
            .contract(A, &[ending([], End::Invalid)])
            .send(Request::new(0, A).value(1))
            .agreed();
        assert!(!agreed.done(0).success, "{fork}");
    }
}

#[test]
fn a_contract_at_the_limit_that_passes_on_what_it_gets() {
    for fork in ERAS {
        // It would have room again before the transaction is over.
        let agreed = Scenario::funded(fork)
            .balance(A, MAX - wei(2))
            .balance(B, 10)
            .contract(A, &[run([pay(X, 7)])])
            .contract(B, &[run([pay(A, 3)])])
            .send(Request::new(0, B))
            .agreed();
        assert_eq!(agreed.logged(0), [U256::ZERO], "{fork}");
        assert_eq!(agreed.balance(X), U256::ZERO);
    }
}

#[test]
fn a_refund_of_gas_that_the_sender_cannot_hold() {
    for fork in ERAS {
        let agreed = Scenario::funded(fork)
            .balance(signer(0), MAX)
            .balance(A, 10_000_000)
            .contract(A, &[run([call(Target::Caller, 9_000_000, 0)])])
            .send(Request::new(0, A).gas(1_000_000))
            .agreed();
        assert_eq!(agreed.logged(0), [ONE], "{fork}");
        // It got the nine million out of ten, and nothing of the gas that was left.
        assert_eq!(agreed.balance(signer(0)), MAX - wei(1_000_000), "{fork}");
    }
}

#[test]
fn a_payment_that_does_not_fit_is_reverted() {
    for fork in ["prague", "osaka"] {
        // An authority's balance is read, so it is known at once that it has no room.
        let permit = Permit::new(1, B);
        let agreed = Scenario::funded(fork)
            .balance(signer(1), MAX - wei(100))
            .balance(A, 5_000)
            .contract(A, &[ending([pay(signer(1), 1_000)], End::Revert)])
            .send(Request::new(0, A).kind(Kind::Eip7702(vec![permit])))
            .agreed();
        assert!(!agreed.done(0).success, "{fork}");
        assert_eq!(agreed.balance(A), wei(5_000), "{fork}");
    }
}

#[test]
fn a_destroyed_contract_leaves_more_than_its_heir_can_hold() {
    for fork in ERAS {
        for left in [wei(5), U256::ONE << 200] {
            Scenario::funded(fork)
                .balance(A, left)
                .balance(X, MAX - wei(4))
                .contract(A, &[ending([], End::SelfDestruct(Target::At(X)))])
                .send(Request::new(0, A))
                .send(Request::new(0, X).value(1))
                .agreed();
        }
    }
}

#[test]
fn an_endowment_for_an_address_that_cannot_hold_it() {
    for fork in CLEARING {
        let created = A.create(1);
        let agreed = Scenario::funded(fork)
            .balance(A, 10)
            .balance(created, MAX - wei(4))
            .contract(A, &[run([create(INIT, 5)])])
            .init(INIT, &deploy(Address::ZERO))
            .send(Request::new(0, A))
            .agreed();
        assert_eq!(agreed.logged(0), [U256::ZERO], "{fork}");
        assert_eq!(agreed.balance(created), MAX - wei(4));
    }
}

#[test]
fn amounts_on_both_sides_of_what_placeholders_hold() {
    let large = ONE << 128;
    for fork in ERAS {
        for value in [large - ONE, large, large + ONE, ONE << 255, MAX] {
            for has in [value - ONE, value, value.saturating_add(wei(1_000))] {
                let send = call_as(Way::Call, Target::At(X), Amount::Wei(value), 0);
                let agreed = Scenario::funded(fork)
                    .balance(A, has)
                    .contract(A, &[run([send, show(Look::Balance, Target::At(X))])])
                    .send(Request::new(0, A))
                    .agreed();
                let moves = has >= value;
                let there = if moves { value } else { U256::ZERO };
                assert_eq!(agreed.logged(0), [U256::from(moves), there], "{fork}");
            }
        }
    }
}

#[test]
fn a_transfer_of_all_there_is() {
    for fork in ERAS {
        let agreed = Scenario::funded(fork)
            .balance(signer(0), MAX - ONE)
            .send(Request::new(0, X).gas(21_000).value(Value::RestAnd(1)))
            .send(Request::new(0, X).gas(21_000).value(Value::RestAnd(0)))
            .send(Request::new(1, X).value(1))
            .agreed();
        assert!(agreed.invalid(0).contains("lack of funds"), "{fork}");
        assert_eq!(agreed.balance(X), MAX - wei(21_000 * 10));
    }
}

#[test]
fn an_attempt_that_was_taken_back_leaves_an_empty_account_as_it_was() {
    // The first attempt pays X and is undone, the second fails before that: nothing touched X.
    for fork in CLEARING {
        let agreed = Scenario::funded(fork)
            .legacy(X)
            .balance(A, 10)
            .balance(B, MAX)
            .contract(
                A,
                &[
                    run([pay(B, 1), call(Target::Myself, 0, 1)]),
                    ending([pay(X, 1)], End::Invalid),
                ],
            )
            .send(Request::new(0, A))
            .agreed();
        assert!(agreed.account(X).is_some(), "{fork}");
    }
}
