//! Transactions that are not valid, each for one reason, and those that just are.

use alloy_primitives::{Bytes, U256};

use super::{A, ERAS, X};
use crate::harness::{
    Agree as _, Before, Scenario,
    build::{ETHER, run, wei},
    code::Step,
    request::{Kind, Permit, Request, Value},
    signer,
};

/// Checks that the transaction is not valid for this reason, and leaves nothing behind.
#[track_caller]
fn refused(scenario: &Scenario, reason: &str) {
    let agreed = scenario.agreed();
    let found = agreed.invalid(0);
    assert!(found.contains(reason), "{}: {found}", scenario.fork);
    let accounts = agreed.state.iter();
    let before = scenario.accounts.iter();
    let balances: Vec<_> = accounts
        .map(|(address, account)| (*address, account.balance, account.nonce))
        .collect();
    let expected: Vec<_> = before
        .map(|(address, account)| (*address, account.balance, account.nonce))
        .collect();
    assert_eq!(balances, expected, "{}", scenario.fork);
}

#[test]
fn exactly_enough_money_and_one_wei_less() {
    for fork in ERAS {
        // To an account, to a contract, and to create one.
        for to in [Some(X), Some(A), None] {
            let request = Request::new(3, to).gas(60_000).value(7);
            let most = 60_000 * 10 + 7;
            let scenario = Scenario::new(fork).contract(A, &[run([])]).send(request);
            let enough = scenario.clone().balance(signer(3), most).agreed();
            let gas = enough.done(0).gas_used * 10;
            assert_eq!(enough.balance(signer(3)), wei(most - 7 - gas), "{fork}");
            refused(&scenario.balance(signer(3), most - 1), "lack of funds");
        }
    }
}

#[test]
fn money_that_came_earlier_in_the_block() {
    for fork in ERAS {
        let most = 21_000 * 10 + 7;
        let pay = |wei| Request::new(0, signer(3)).gas(21_000).value(wei);
        let spend = Request::new(3, X).gas(21_000).value(7);
        let agreed = Scenario::funded(fork)
            .send(pay(most - 1))
            .send(spend.clone())
            .send(pay(1))
            .send(spend)
            .agreed();
        assert!(agreed.invalid(1).contains("lack of funds"), "{fork}");
        assert!(agreed.done(3).success, "{fork}");
        assert_eq!(agreed.balance(signer(3)), U256::ZERO, "{fork}");
    }
}

#[test]
fn the_most_it_may_cost_must_be_there_and_not_what_it_does_cost() {
    for fork in ["london", "cancun", "osaka"] {
        let request = Request::new(3, X)
            .gas(50_000)
            .kind(Kind::Eip1559(Vec::new()));
        // The base fee is 90, and it would pay 100 if it had to.
        let scenario = Scenario::new(fork).base_fee(90).send(request);
        let enough = scenario.clone().balance(signer(3), 50_000 * 100).agreed();
        let cost = 21_000 * 91;
        assert_eq!(
            enough.balance(signer(3)),
            wei(50_000 * 100 - cost),
            "{fork}"
        );
        refused(
            &scenario.balance(signer(3), 50_000 * 100 - 1),
            "lack of funds",
        );
    }
}

#[test]
fn nonces_that_are_off() {
    for fork in ERAS {
        for (off, reason) in [(1, "too high"), (-1, "too low")] {
            let mut request = Request::new(3, X);
            request.nonce_off = off;
            let before = Before {
                balance: wei(ETHER),
                nonce: 5,
                ..Before::default()
            };
            let scenario = Scenario::new(fork).account(signer(3), before);
            refused(&scenario.send(request), reason);
        }
    }
}

#[test]
fn the_last_nonces_there_are() {
    for fork in ERAS {
        let before = |nonce| Before {
            balance: wei(ETHER),
            nonce,
            ..Before::default()
        };
        for to in [Some(X), Some(A), None] {
            let scenario = Scenario::new(fork).contract(A, &[run([])]);
            let agreed = scenario
                .clone()
                .account(signer(3), before(u64::MAX - 1))
                .send(Request::new(3, to))
                .agreed();
            assert!(agreed.done(0).success, "{fork}");
            let scenario = scenario
                .account(signer(3), before(u64::MAX))
                .send(Request::new(3, to));
            refused(&scenario, "nonce overflow");
        }
    }
}

#[test]
fn a_contract_at_the_end_of_its_nonces_creates_nothing() {
    for fork in ERAS {
        let create = Step::Create {
            init: X,
            value: crate::harness::code::Amount::Wei(U256::ONE),
            salt: None,
        };
        let mut scenario = Scenario::funded(fork)
            .balance(A, 10)
            .contract(A, &[run([create])])
            .send(Request::new(0, A));
        scenario.accounts.entry(A).or_default().nonce = u64::MAX;
        let agreed = scenario.agreed();
        assert_eq!(agreed.logged(0), [U256::ZERO], "{fork}");
        assert_eq!(agreed.balance(A), wei(10), "{fork}");
    }
}

#[test]
fn gas_that_does_not_even_pay_for_the_transaction_itself() {
    for fork in ERAS {
        let scenario = Scenario::funded(fork);
        let agreed = scenario
            .clone()
            .send(Request::new(0, X).gas(21_000).value(1))
            .agreed();
        assert_eq!(agreed.done(0).gas_used, 21_000, "{fork}");
        refused(
            &scenario.send(Request::new(0, X).gas(20_999).value(1)),
            "exceeds the gas limit",
        );
    }
}

#[test]
fn input_costs_and_from_prague_on_has_a_floor() {
    for (fork, expected) in [
        ("homestead", 21_000 + 100 * 68),
        ("istanbul", 21_000 + 100 * 16),
        ("prague", 21_000 + 100 * 40),
    ] {
        let mut request = Request::new(0, X).value(1);
        request.data = Bytes::from_static(&[1; 100]);
        let scenario = Scenario::funded(fork);
        let agreed = scenario.clone().send(request.clone()).agreed();
        assert_eq!(agreed.done(0).gas_used, expected, "{fork}");
        refused(&scenario.send(request.gas(expected - 1)), "");
    }
}

#[test]
fn an_access_list_costs_even_if_nothing_uses_it() {
    for fork in ["berlin", "london", "osaka"] {
        let list = vec![(X, vec![1, 2]), (A, vec![])];
        let request = Request::new(0, X).value(1).kind(Kind::Eip2930(list));
        let agreed = Scenario::funded(fork).send(request).agreed();
        let expected = 21_000 + 2 * 2_400 + 2 * 1_900;
        assert_eq!(agreed.done(0).gas_used, expected, "{fork}");
    }
}

#[test]
fn a_sender_with_code() {
    for fork in ERAS {
        let before = Before {
            balance: wei(ETHER),
            code: Bytes::from_static(&[0]),
            ..Before::default()
        };
        let scenario = Scenario::new(fork).account(signer(3), before);
        refused(&scenario.send(Request::new(3, X).value(1)), "code");
    }
}

#[test]
fn a_price_below_the_base_fee() {
    for fork in ["london", "cancun", "osaka"] {
        let scenario = Scenario::funded(fork).base_fee(50);
        for kind in [Kind::Legacy, Kind::Eip1559(Vec::new())] {
            let request = Request::new(0, X).value(1).price(-1).kind(kind);
            refused(&scenario.clone().send(request), "basefee");
        }
    }
}

#[test]
fn types_of_transactions_that_are_not_there_yet() {
    let permits = vec![Permit::new(1, A)];
    for (fork, kind, reason) in [
        ("istanbul", Kind::Eip2930(Vec::new()), "Eip2930"),
        ("berlin", Kind::Eip1559(Vec::new()), "Eip1559"),
        ("shanghai", Kind::Blobs(1), "Eip4844"),
        ("cancun", Kind::Eip7702(permits), "Eip7702"),
        ("prague", Kind::Eip7702(Vec::new()), "empty"),
        ("cancun", Kind::Blobs(0), "empty"),
        ("cancun", Kind::Blobs(7), "too many"),
        ("osaka", Kind::Blobs(7), "too many"),
    ] {
        let request = Request::new(0, X).value(1).kind(kind);
        refused(&Scenario::funded(fork).send(request), reason);
    }
}

#[test]
fn blobs_are_paid_and_nobody_gets_it() {
    for fork in ["cancun", "prague", "osaka"] {
        let request = Request::new(3, X).gas(21_000).kind(Kind::Blobs(2));
        // It offers ten for each unit of blob gas, and pays one.
        let most = 21_000 * 10 + 2 * 131_072 * 10;
        let scenario = Scenario::new(fork).send(request);
        let enough = scenario.clone().balance(signer(3), most).agreed();
        let cost = 21_000 + 2 * 131_072;
        assert_eq!(enough.balance(signer(3)), wei(most - cost), "{fork}");
        refused(&scenario.balance(signer(3), most - 1), "lack of funds");
    }
}

#[test]
fn more_gas_than_a_transaction_may_have() {
    let cap = 1 << 24;
    let request = Request::new(0, X).value(1).price(1).gas(cap + 1);
    assert!(
        Scenario::funded("prague")
            .send(request.clone())
            .agreed()
            .done(0)
            .success
    );
    refused(&Scenario::funded("osaka").send(request), "cap");
}

#[test]
fn many_transactions_of_one_sender() {
    for fork in ERAS {
        let mut scenario = Scenario::funded(fork).contract(A, &[run([Step::Store(1, 1)])]);
        for number in 0..40 {
            let to = if number % 3 == 0 { A } else { X };
            scenario = scenario.send(Request::new(0, to).value(number));
        }
        let agreed = scenario
            .send(Request::new(0, X).value(Value::RestAnd(0)).gas(21_000))
            .agreed();
        let sender = agreed.account(signer(0)).expect("it has a nonce");
        assert_eq!((sender.nonce, sender.balance), (41, U256::ZERO), "{fork}");
    }
}
