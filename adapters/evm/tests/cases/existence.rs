//! Accounts that exist with zero everything, before and after EIP-161.

use alloy_primitives::{Address, U256};

use super::{A, B, CLEARING, X};
use crate::harness::{
    Agree as _, Before, Scenario,
    build::{call, call_as, ending, pay, run, show, wei, within},
    code::{Amount, End, Look, Step, Target, Way},
    request::Request,
    signer,
};

/// Forks in which whatever was touched exists.
const OLD: [&str; 3] = ["frontier", "homestead", "tangerine"];

const ONE: U256 = U256::ONE;

#[test]
fn an_empty_account_that_nobody_touches_stays() {
    for fork in OLD.into_iter().chain(CLEARING) {
        let agreed = Scenario::funded(fork)
            .legacy(X)
            .contract(
                A,
                &[run([
                    show(Look::Balance, Target::At(X)),
                    show(Look::CodeSize, Target::At(X)),
                    show(Look::CodeHash, Target::At(X)),
                ])],
            )
            .send(Request::new(0, A))
            .send(Request::new(0, B).value(1))
            .agreed();
        assert!(agreed.account(X).is_some(), "{fork}");
        assert!(agreed.logged(0).iter().all(U256::is_zero), "{fork}");
    }
}

#[test]
fn an_empty_account_that_is_paid_nothing() {
    for fork in OLD.into_iter().chain(CLEARING) {
        for touch in [Request::new(0, X), Request::new(0, A), Request::new(0, B)] {
            let agreed = Scenario::funded(fork)
                .legacy(X)
                .contract(A, &[run([pay(X, 0)])])
                .contract(B, &[ending([], End::SelfDestruct(Target::At(X)))])
                .send(touch.clone())
                .agreed();
            let stays = OLD.contains(&fork);
            assert_eq!(agreed.account(X).is_some(), stays, "{fork}: {touch:?}");
        }
    }
}

#[test]
fn an_account_that_is_paid_nothing_comes_to_exist_until_eip_161() {
    for fork in OLD.into_iter().chain(CLEARING) {
        for touch in [Request::new(0, X), Request::new(0, A), Request::new(0, B)] {
            let agreed = Scenario::funded(fork)
                .contract(A, &[run([pay(X, 0)])])
                .contract(B, &[ending([], End::SelfDestruct(Target::At(X)))])
                .send(touch.clone())
                .agreed();
            let comes = OLD.contains(&fork);
            assert_eq!(agreed.account(X).is_some(), comes, "{fork}: {touch:?}");
        }
    }
}

#[test]
fn looking_at_an_account_does_not_touch_it() {
    for fork in OLD.into_iter().chain(CLEARING) {
        let look = |at| [show(Look::Balance, at), show(Look::CodeSize, at)];
        let agreed = Scenario::funded(fork)
            .contract(A, &[run(look(Target::At(X)))])
            .send(Request::new(0, A))
            .agreed();
        assert!(agreed.account(X).is_none(), "{fork}");
    }
}

#[test]
fn a_touch_that_is_reverted_is_none() {
    for fork in OLD.into_iter().chain(CLEARING) {
        for end in [End::Revert, End::Invalid, End::Burn] {
            for legacy in [false, true] {
                let mut scenario = Scenario::funded(fork).balance(A, 10).contract(
                    A,
                    &[
                        run([within(150_000, call(Target::Myself, 0, 1))]),
                        ending([pay(X, 0), pay(X, 1)], end),
                    ],
                );
                if legacy {
                    scenario = scenario.legacy(X);
                }
                let agreed = scenario.send(Request::new(0, A)).agreed();
                assert_eq!(agreed.account(X).is_some(), legacy, "{fork}");
            }
        }
    }
}

#[test]
fn revm_does_not_forget_that_the_third_precompile_was_touched() {
    // It was touched by a call that ran out of gas in block 2,675,119, and cleared all the same.
    let ripemd = Address::with_last_byte(3);
    for fork in CLEARING {
        let agreed = Scenario::funded(fork)
            .legacy(ripemd)
            .contract(
                A,
                &[
                    run([within(100_000, call(Target::Myself, 0, 1))]),
                    ending([pay(ripemd, 0)], End::Invalid),
                ],
            )
            .send(Request::new(0, A))
            .agreed();
        assert!(agreed.account(ripemd).is_none(), "{fork}");
    }
}

#[test]
fn a_coinbase_that_earns_nothing_is_touched() {
    for fork in OLD.into_iter().chain(CLEARING) {
        for request in [Request::new(0, B), Request::new(0, A)] {
            for legacy in [false, true] {
                let mut scenario = Scenario::funded(fork).coinbase(X).contract(A, &[run([])]);
                if legacy {
                    scenario = scenario.legacy(X);
                }
                let agreed = scenario.send(request.clone().price(0)).agreed();
                let exists = OLD.contains(&fork);
                assert_eq!(agreed.account(X).is_some(), exists, "{fork}");
            }
        }
    }
}

#[test]
fn a_zero_tip_leaves_the_coinbase_nothing() {
    for fork in ["london", "cancun", "osaka"] {
        for legacy in [false, true] {
            let mut scenario = Scenario::funded(fork).coinbase(X).base_fee(7);
            if legacy {
                scenario = scenario.legacy(X);
            }
            let agreed = scenario.send(Request::new(0, B).value(1).price(0)).agreed();
            assert!(agreed.account(X).is_none(), "{fork}");
        }
    }
}

#[test]
fn an_empty_account_that_is_paid_something_is_an_account_like_any() {
    for fork in OLD.into_iter().chain(CLEARING) {
        let agreed = Scenario::funded(fork)
            .legacy(X)
            .legacy(B)
            .balance(A, 10)
            .contract(A, &[run([pay(X, 2)])])
            .send(Request::new(0, B).value(3))
            .send(Request::new(0, A))
            .agreed();
        assert_eq!(agreed.balance(X), wei(2), "{fork}");
        assert_eq!(agreed.balance(B), wei(3), "{fork}");
    }
}

#[test]
fn an_empty_coinbase_that_earned_something_before_it_was_touched() {
    // The fee is added without looking, so the account still looks like one that was left from before.
    for fork in CLEARING {
        let agreed = Scenario::funded(fork)
            .legacy(X)
            .coinbase(X)
            .contract(A, &[run([pay(X, 0), show(Look::Balance, Target::At(X))])])
            .send(Request::new(0, B).value(1))
            .send(Request::new(1, X))
            .send(Request::new(0, A))
            .agreed();
        assert_eq!(agreed.logged(2), [ONE, wei(420_000)], "{fork}");
        assert!(agreed.balance(X) > wei(420_000), "{fork}");
    }
}

#[test]
fn who_pays_nothing_has_not_changed() {
    // The coinbase looks empty to some states and not to others, so the interpreter is asked on some only.
    for fork in CLEARING {
        let agreed = Scenario::funded(fork)
            .legacy(X)
            .coinbase(X)
            .send(Request::new(0, B).value(1))
            .next_block()
            .send(Request::new(0, B).price(0))
            .agreed();
        assert_eq!(agreed.balance(X), wei(210_000), "{fork}");
    }
}

#[test]
fn an_empty_account_goes_with_its_storage() {
    for fork in CLEARING {
        let before = Before {
            storage: [(1, 1)].into(),
            ..Before::default()
        };
        let gone = Scenario::funded(fork)
            .account(X, before.clone())
            .send(Request::new(0, X))
            .send(Request::new(0, X).value(1))
            .agreed();
        assert_eq!(gone.word(X, 1), U256::ZERO, "{fork}");
        // Paid at once, it never was an empty account that somebody touched.
        let kept = Scenario::funded(fork)
            .account(X, before)
            .send(Request::new(0, X).value(1))
            .send(Request::new(0, X))
            .agreed();
        assert_eq!(kept.word(X, 1), ONE, "{fork}");
    }
}

#[test]
fn an_empty_account_that_sends_for_free() {
    for fork in OLD.into_iter().chain(CLEARING) {
        let agreed = Scenario::new(fork)
            .legacy(signer(0))
            .send(Request::new(0, X).price(0))
            .send(Request::new(1, X).price(0))
            .agreed();
        for number in [0, 1] {
            let account = agreed.account(signer(number)).expect("it has a nonce");
            assert_eq!(account.nonce, 1, "{fork}");
        }
    }
}

#[test]
fn until_eip_161_a_call_to_an_account_that_exists_is_cheap() {
    for fork in OLD {
        let scenario = Scenario::funded(fork)
            .balance(A, 10)
            .contract(A, &[run([pay(X, 0)])]);
        let agreed = scenario
            .send(Request::new(0, A))
            .send(Request::new(0, A))
            .agreed();
        let difference = agreed.done(0).gas_used - agreed.done(1).gas_used;
        assert_eq!(difference, 25_000, "{fork}");
    }
}

#[test]
fn a_static_call_touches_too() {
    for fork in ["byzantium", "istanbul", "berlin", "osaka"] {
        let step = call_as(Way::Static, Target::At(X), Amount::Wei(U256::ZERO), 0);
        let agreed = Scenario::funded(fork)
            .legacy(X)
            .contract(A, &[run([step])])
            .send(Request::new(0, A))
            .agreed();
        assert!(agreed.account(X).is_none(), "{fork}");
    }
}

#[test]
fn what_a_static_call_may_not_do() {
    for fork in ["byzantium", "istanbul", "cancun", "osaka"] {
        let view = |function| {
            let step = call_as(
                Way::Static,
                Target::Myself,
                Amount::Wei(U256::ZERO),
                function,
            );
            within(50_000, step)
        };
        let agreed = Scenario::funded(fork)
            .balance(A, 10)
            .contract(
                A,
                &[
                    run([view(1), view(2), view(3)]),
                    run([pay(X, 1)]),
                    run([Step::Store(1, 1)]),
                    ending([], End::SelfDestruct(Target::At(X))),
                ],
            )
            .send(Request::new(0, A))
            .agreed();
        assert_eq!(agreed.logged(0), [U256::ZERO; 3], "{fork}");
        assert_eq!(agreed.balance(A), wei(10), "{fork}");
    }
}
