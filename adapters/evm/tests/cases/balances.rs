//! Balances that are looked at while their placeholders stand for them.

use alloy_primitives::{KECCAK256_EMPTY, U256};

use super::{A, B, CLEARING, ERAS, X};
use crate::harness::{
    Agree as _, Scenario,
    build::{ETHER, call, call_as, create, deploy, ending, pay, run, show, wei, within},
    code::{Amount, End, Look, Step, Target, Way},
    request::Request,
    signer,
};

const ONE: U256 = U256::ONE;

#[test]
fn the_balance_of_an_account_that_was_just_paid() {
    for fork in ERAS {
        let agreed = Scenario::funded(fork)
            .balance(X, 7)
            .balance(A, 100)
            .contract(
                A,
                &[run([
                    pay(X, 5),
                    show(Look::Balance, Target::At(X)),
                    show(Look::Balance, Target::Myself),
                    pay(X, 1),
                    show(Look::Balance, Target::At(X)),
                ])],
            )
            .send(Request::new(0, A).value(11))
            .agreed();
        assert_eq!(
            agreed.logged(0),
            [ONE, wei(12), wei(106), ONE, wei(13)],
            "{fork}"
        );
        assert_eq!(agreed.balance(X), wei(13));
        assert_eq!(agreed.balance(A), wei(105));
    }
}

#[test]
fn a_balance_that_earlier_transactions_paid_into_blindly() {
    for fork in ERAS {
        let agreed = Scenario::funded(fork)
            .contract(A, &[run([show(Look::Balance, Target::At(X))])])
            .send(Request::new(0, X).value(5))
            .send(Request::new(1, X).value(6))
            .send(Request::new(2, A))
            .agreed();
        assert_eq!(agreed.logged(2), [wei(11)], "{fork}");
    }
}

#[test]
fn the_senders_own_balance_without_the_gas_it_may_use() {
    for fork in ERAS {
        let keep = Step::Look {
            look: Look::Balance,
            at: Target::Caller,
            keep: true,
        };
        let agreed = Scenario::funded(fork)
            .contract(A, &[run([keep])])
            .send(Request::new(0, A).value(5).gas(100_000))
            .agreed();
        let left = wei(ETHER - 5 - 100_000 * 10);
        assert_eq!(agreed.word(A, 0x10), left, "{fork}");
    }
}

#[test]
fn the_coinbase_has_the_fees_of_earlier_transactions_only() {
    for fork in ERAS {
        let scenario = Scenario::funded(fork);
        let agreed = scenario
            .contract(A, &[run([show(Look::Balance, Target::Coinbase)])])
            .send(Request::new(0, X).value(1))
            .send(Request::new(1, A).gas(90_000))
            .send(Request::new(2, A))
            .agreed();
        let first = 21_000 * 10;
        let second = first + agreed.done(1).gas_used * 10;
        assert_eq!(agreed.logged(1), [wei(first)], "{fork}");
        assert_eq!(agreed.logged(2), [wei(second)], "{fork}");
    }
}

#[test]
fn a_call_with_all_it_has_and_with_one_wei_more() {
    for fork in ERAS {
        for (has, flag) in [(10, ONE), (9, U256::ZERO)] {
            let agreed = Scenario::funded(fork)
                .balance(A, has)
                .balance(X, 1)
                .contract(A, &[run([pay(X, 10), show(Look::Balance, Target::At(X))])])
                .send(Request::new(0, A))
                .agreed();
            let after = if flag == ONE { 11 } else { 1 };
            assert_eq!(agreed.logged(0), [flag, wei(after)], "{fork}");
        }
    }
}

#[test]
fn money_that_came_in_the_same_transaction_can_be_spent_but_no_more() {
    for fork in ERAS {
        let spend = run([pay(X, 13), pay(X, 1), show(Look::Balance, Target::Myself)]);
        let agreed = Scenario::funded(fork)
            .balance(A, 3)
            .balance(X, 1)
            .contract(A, &[spend])
            .send(Request::new(0, A).value(10))
            .agreed();
        assert_eq!(agreed.logged(0), [ONE, U256::ZERO, U256::ZERO], "{fork}");
    }
}

#[test]
fn money_of_a_reverted_call_is_back_where_it_was() {
    for fork in ERAS {
        for end in [End::Revert, End::Invalid, End::Burn] {
            let inner = ending([pay(X, 4)], end);
            // The second payment must find all ten again, and the third nothing.
            let attempt = within(50_000, call(Target::At(B), 10, 0));
            let outer = run([attempt, pay(X, 10), pay(X, 1)]);
            let agreed = Scenario::funded(fork)
                .balance(A, 10)
                .balance(X, 1)
                .contract(A, &[outer])
                .contract(B, &[inner])
                .send(Request::new(0, A))
                .agreed();
            assert_eq!(agreed.logged(0), [U256::ZERO, ONE, U256::ZERO], "{fork}");
            assert_eq!(agreed.balance(X), wei(11));
            assert_eq!(agreed.balance(B), U256::ZERO);
        }
    }
}

#[test]
fn a_self_call_with_more_than_it_has_fails() {
    for fork in ERAS {
        let me = Target::Myself;
        let agreed = Scenario::funded(fork)
            .balance(A, 5)
            .contract(A, &[run([call(me, 5, 1), call(me, 6, 1)]), run([])])
            .send(Request::new(0, A))
            .agreed();
        assert_eq!(agreed.logged(0), [ONE, U256::ZERO], "{fork}");
    }
}

#[test]
fn callcode_with_value_needs_the_money_and_moves_none() {
    for fork in ERAS {
        let code = |wei_| call_as(Way::CallCode, Target::At(B), Amount::Wei(wei(wei_)), 0);
        let agreed = Scenario::funded(fork)
            .balance(A, 5)
            .contract(A, &[run([code(5), code(6)])])
            .contract(B, &[run([show(Look::Balance, Target::Myself)])])
            .send(Request::new(0, A))
            .agreed();
        assert_eq!(agreed.logged(0), [wei(5), ONE, U256::ZERO], "{fork}");
    }
}

#[test]
fn self_balance_after_a_blind_payment() {
    let look = run([Step::SelfBalance { keep: false }]);
    for fork in ["istanbul", "berlin", "cancun", "osaka"] {
        let agreed = Scenario::funded(fork)
            .balance(A, 3)
            .contract(A, std::slice::from_ref(&look))
            .send(Request::new(0, A).value(4))
            .send(Request::new(0, A).value(5))
            .agreed();
        assert_eq!(agreed.logged(0), [wei(7)], "{fork}");
        assert_eq!(agreed.logged(1), [wei(12)], "{fork}");
    }
}

#[test]
fn a_new_account_costs_more_to_pay_until_somebody_paid_it() {
    for fork in CLEARING {
        let agreed = Scenario::funded(fork)
            .balance(A, 10)
            .contract(A, &[run([pay(X, 1)])])
            .send(Request::new(0, A))
            .send(Request::new(0, A))
            .agreed();
        let difference = agreed.done(0).gas_used - agreed.done(1).gas_used;
        assert_eq!(difference, 25_000, "{fork}");
    }
}

#[test]
fn an_account_is_not_empty_once_a_plain_transfer_paid_it() {
    for fork in CLEARING {
        let scenario = Scenario::funded(fork)
            .balance(A, 10)
            .contract(A, &[run([pay(X, 1)])]);
        let new = scenario.clone().send(Request::new(0, A)).agreed();
        let old = scenario
            .send(Request::new(1, X).value(1))
            .send(Request::new(0, A))
            .agreed();
        let difference = new.done(0).gas_used - old.done(1).gas_used;
        assert_eq!(difference, 25_000, "{fork}");
    }
}

#[test]
fn the_code_hash_of_an_account_that_comes_and_goes_within_a_transaction() {
    let empty = U256::from_be_bytes(KECCAK256_EMPTY.0);
    for fork in ["petersburg", "berlin", "cancun", "osaka"] {
        let hash = || show(Look::CodeHash, Target::At(X));
        let agreed = Scenario::funded(fork)
            .balance(A, 10)
            .contract(
                A,
                &[
                    // A failing call first: what it pays is taken back.
                    run([
                        hash(),
                        call(Target::Myself, 0, 1),
                        hash(),
                        pay(X, 1),
                        hash(),
                    ]),
                    ending([pay(X, 1)], End::Revert),
                ],
            )
            .send(Request::new(0, A))
            .agreed();
        assert_eq!(
            agreed.logged(0),
            [U256::ZERO, U256::ZERO, U256::ZERO, ONE, empty],
            "{fork}"
        );
    }
}

#[test]
fn an_account_with_a_nonce_alone_is_not_empty() {
    // It is sent from by somebody who has nothing left.
    for fork in ["petersburg", "berlin", "osaka"] {
        let agreed = Scenario::funded(fork)
            .balance(signer(3), 21_000 * 10 + 5)
            .contract(A, &[run([show(Look::CodeHash, Target::At(signer(3)))])])
            .send(Request::new(3, X).gas(21_000).value(5))
            .send(Request::new(0, A))
            .agreed();
        assert_eq!(agreed.balance(signer(3)), U256::ZERO);
        let empty = U256::from_be_bytes(KECCAK256_EMPTY.0);
        assert_eq!(agreed.logged(1), [empty], "{fork}");
    }
}

#[test]
fn an_endowment_of_one_wei_too_much_creates_nothing() {
    for fork in ERAS {
        let steps = [create(super::INIT, 6), create(super::INIT, 5)];
        let agreed = Scenario::funded(fork)
            .balance(A, 5)
            .contract(A, &[run(steps)])
            .init(super::INIT, &deploy(super::RUNTIME))
            .send(Request::new(0, A))
            .agreed();
        // The one that failed did not use up a nonce.
        let created = A.create(1);
        let address = U256::from_be_slice(created.as_slice());
        assert_eq!(agreed.logged(0), [U256::ZERO, address], "{fork}");
        assert_eq!(agreed.balance(created), wei(5));
        assert_eq!(agreed.account(A).map(|account| account.nonce), Some(2));
    }
}
