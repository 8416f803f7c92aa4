//! Accounts that delegate to code (EIP-7702).

use alloy_primitives::{Address, B256, U256, keccak256};

use super::{A, B, X};
use crate::harness::{
    Agree as _, Scenario,
    build::{ETHER, call, ending, pay, run, show, wei},
    code::{End, Look, Step, Target},
    request::{Kind, Permit, Request},
    signer,
};

const FORKS: [&str; 2] = ["prague", "osaka"];

/// A transaction that does nothing but give permits.
fn permits(from: usize, permits: impl Into<Vec<Permit>>) -> Request {
    Request::new(from, X).kind(Kind::Eip7702(permits.into()))
}

/// The hash of the code of an account that delegates to `to`.
fn designator(to: Address) -> B256 {
    keccak256([&[0xef, 0x01, 0x00], to.as_slice()].concat())
}

/// `A` stores a word and shows what it has.
fn scenario(fork: &'static str) -> Scenario {
    Scenario::funded(fork).contract(
        A,
        &[run([
            Step::Store(1, 9),
            show(Look::Balance, Target::Myself),
        ])],
    )
}

#[test]
fn an_account_runs_the_code_that_it_delegates_to() {
    for fork in FORKS {
        let agreed = scenario(fork)
            .send(permits(0, [Permit::new(1, A)]))
            .send(Request::new(0, signer(1)).value(5))
            .agreed();
        let account = agreed.account(signer(1)).expect("it has ether");
        assert_eq!(account.code, Some(designator(A)), "{fork}");
        assert_eq!(account.nonce, 1);
        assert_eq!(agreed.word(signer(1), 1), wei(9));
        assert_eq!(agreed.logged(1), [wei(ETHER + 5)]);
    }
}

#[test]
fn permits_that_do_not_count() {
    let off = |nonce_off| Permit {
        nonce_off,
        ..Permit::new(1, A)
    };
    let bad = [
        off(1),
        off(-1),
        Permit {
            chain_id: 1,
            ..Permit::new(1, A)
        },
        Permit {
            broken: true,
            ..Permit::new(1, A)
        },
    ];
    for fork in FORKS {
        for permit in bad {
            let agreed = scenario(fork).send(permits(0, [permit])).agreed();
            let account = agreed.account(signer(1)).expect("it has ether");
            assert_eq!((account.code, account.nonce), (None, 0), "{fork}");
        }
        let any_chain = Permit {
            chain_id: 0,
            ..Permit::new(1, A)
        };
        let agreed = scenario(fork).send(permits(0, [any_chain])).agreed();
        let account = agreed.account(signer(1)).expect("it has ether");
        assert_eq!(account.code, Some(designator(A)), "{fork}");
    }
}

#[test]
fn a_sender_may_permit_itself_with_its_next_nonce() {
    for fork in FORKS {
        let own = |nonce_off| Permit {
            nonce_off,
            ..Permit::new(0, A)
        };
        let agreed = scenario(fork).send(permits(0, [own(0)])).agreed();
        assert_eq!(agreed.account(signer(0)).map(|own| own.nonce), Some(1));
        let agreed = scenario(fork)
            .send(permits(0, [own(1)]))
            .send(Request::new(0, signer(0)).value(5))
            .send(Request::new(0, X).value(5))
            .agreed();
        let account = agreed.account(signer(0)).expect("it has ether");
        assert_eq!(account.code, Some(designator(A)), "{fork}");
        assert_eq!(account.nonce, 4, "{fork}");
        assert_eq!(agreed.word(signer(0), 1), wei(9));
    }
}

#[test]
fn a_permit_of_an_account_that_exists_gives_gas_back() {
    for fork in FORKS {
        let gas = |scenario: Scenario, index| {
            let scenario = scenario.send(permits(0, [Permit::new(3, A)]).gas(200_000));
            scenario.agreed().done(index).gas_used
        };
        let new = gas(scenario(fork), 0);
        let old = gas(scenario(fork).balance(signer(3), 1), 0);
        assert!(new > old, "{fork}");
        // One that was paid earlier in the block exists; one that exists with nothing in it exists as well.
        let paid = Request::new(1, signer(3)).value(1);
        assert_eq!(gas(scenario(fork).send(paid), 1), old, "{fork}");
        assert_eq!(gas(scenario(fork).legacy(signer(3)), 0), old, "{fork}");
        // Touched in between, it is no longer there.
        let touched = Request::new(1, signer(3));
        assert_eq!(
            gas(scenario(fork).legacy(signer(3)).send(touched), 1),
            new,
            "{fork}"
        );
        // The coinbase exists from its first fee on.
        let earned = scenario(fork)
            .coinbase(signer(3))
            .send(Request::new(1, X).value(1));
        assert_eq!(gas(earned, 1), old, "{fork}");
    }
}

#[test]
fn a_permit_can_be_taken_back() {
    for fork in FORKS {
        let agreed = scenario(fork)
            .send(permits(0, [Permit::new(1, A)]))
            .send(Request::new(0, signer(1)))
            .send(permits(0, [Permit::new(1, Address::ZERO)]))
            .send(Request::new(0, signer(1)))
            .agreed();
        let account = agreed.account(signer(1)).expect("it has ether");
        assert_eq!((account.code, account.nonce), (None, 2), "{fork}");
        // What it stored meanwhile stays.
        assert_eq!(agreed.word(signer(1), 1), wei(9));
        assert!(!agreed.logged(1).is_empty());
        assert!(agreed.logged(3).is_empty());
    }
}

#[test]
fn several_permits_of_one_account_in_one_transaction() {
    for fork in FORKS {
        let second = Permit {
            nonce_off: 1,
            ..Permit::new(1, B)
        };
        let agreed = scenario(fork)
            .send(permits(0, [Permit::new(1, A), Permit::new(1, B), second]))
            .agreed();
        let account = agreed.account(signer(1)).expect("it has ether");
        assert_eq!(account.code, Some(designator(B)), "{fork}");
        assert_eq!(account.nonce, 2);
    }
}

#[test]
fn delegating_to_an_account_that_delegates() {
    for fork in FORKS {
        let agreed = scenario(fork)
            .send(permits(0, [Permit::new(1, A), Permit::new(2, signer(1))]))
            .send(Request::new(0, signer(2)))
            .send(Request::new(0, signer(1)))
            .agreed();
        // A designator is no code that can run, and it is followed only once.
        assert!(!agreed.done(1).success, "{fork}");
        assert!(agreed.done(2).success, "{fork}");
    }
}

#[test]
fn delegating_to_a_precompile_is_delegating_to_nothing() {
    for fork in FORKS {
        let agreed = scenario(fork)
            .send(permits(0, [Permit::new(1, Address::with_last_byte(2))]))
            .send(Request::new(0, signer(1)).value(3))
            .agreed();
        assert!(agreed.done(1).success, "{fork}");
        assert!(agreed.done(1).output.is_empty(), "{fork}");
        assert_eq!(agreed.balance(signer(1)), wei(ETHER + 3));
    }
}

#[test]
fn a_permit_stands_even_if_the_transaction_reverts() {
    for fork in FORKS {
        let mut request = permits(0, [Permit::new(1, A)]);
        request.to = Some(B);
        let agreed = scenario(fork)
            .contract(B, &[ending([pay(X, 0)], End::Revert)])
            .send(request)
            .agreed();
        assert!(!agreed.done(0).success, "{fork}");
        let account = agreed.account(signer(1)).expect("it has ether");
        assert_eq!(account.code, Some(designator(A)), "{fork}");
    }
}

#[test]
fn a_contract_cannot_permit() {
    for fork in FORKS {
        let agreed = scenario(fork)
            .contract(signer(1), &[run([])])
            .send(permits(
                0,
                [Permit {
                    nonce_off: 0,
                    ..Permit::new(1, A)
                }],
            ))
            .agreed();
        let account = agreed.account(signer(1)).expect("it is there");
        assert_ne!(account.code, Some(designator(A)), "{fork}");
        assert_eq!(account.nonce, 1);
    }
}

#[test]
fn delegated_code_spends_the_accounts_own_money() {
    for fork in FORKS {
        let agreed = Scenario::funded(fork)
            .contract(
                A,
                &[run([
                    pay(X, 11),
                    show(Look::Balance, Target::Myself),
                    call(Target::Caller, 2, 0),
                ])],
            )
            .send(permits(0, [Permit::new(1, A)]))
            .send(Request::new(0, signer(1)).value(5))
            .agreed();
        assert_eq!(
            agreed.logged(1),
            [U256::ONE, wei(ETHER + 5 - 11), U256::ONE],
            "{fork}"
        );
        assert_eq!(agreed.balance(X), wei(11));
    }
}

#[test]
fn delegated_code_that_destroys_itself_only_gives_all_away() {
    for fork in FORKS {
        let agreed = Scenario::funded(fork)
            .contract(A, &[ending([], End::SelfDestruct(Target::At(X)))])
            .send(permits(0, [Permit::new(1, A)]))
            .send(Request::new(0, signer(1)).value(5))
            .send(Request::new(1, X))
            .agreed();
        assert_eq!(agreed.balance(X), wei(ETHER + 5), "{fork}");
        assert!(agreed.invalid(2).contains("lack of funds"), "{fork}");
        let account = agreed.account(signer(1)).expect("it delegates");
        assert_eq!(account.code, Some(designator(A)));
    }
}

#[test]
fn delegated_code_that_creates_uses_up_nonces_of_the_account() {
    for fork in FORKS {
        let create = Step::Create {
            init: B,
            value: crate::harness::code::Amount::Wei(U256::ONE),
            salt: None,
        };
        let agreed = Scenario::funded(fork)
            .contract(A, &[run([create])])
            .init(B, &ending([], End::ReturnCodeOf(X)))
            .send(permits(0, [Permit::new(1, A)]))
            .send(Request::new(0, signer(1)))
            .send(Request::new(1, X).value(1))
            .agreed();
        let account = agreed.account(signer(1)).expect("it delegates");
        assert_eq!(account.nonce, 3, "{fork}");
        assert_eq!(agreed.balance(signer(1).create(1)), U256::ONE, "{fork}");
    }
}

#[test]
fn the_code_of_a_delegating_account_as_others_see_it() {
    for fork in FORKS {
        let at = Target::At(signer(1));
        let agreed = Scenario::funded(fork)
            .contract(
                A,
                &[run([show(Look::CodeSize, at), show(Look::CodeHash, at)])],
            )
            .send(permits(0, [Permit::new(1, B)]))
            .send(Request::new(0, A))
            .agreed();
        let hash = U256::from_be_bytes(designator(B).0);
        assert_eq!(agreed.logged(1), [wei(23), hash], "{fork}");
    }
}
