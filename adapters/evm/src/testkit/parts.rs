//! The parts that random scenarios are made of.

use alloy_primitives::{Address, Bytes, U256};
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::generate::{
    CONTRACTS, EXPECTED, FUNCTIONS, INITS, MINER, RUNTIMES, Theme, absent_at, contract_at,
    expected_at, init_at, legacy_at, runtime_at,
};
use crate::testkit::{
    Before, CHAIN_ID, HASHES_BACK,
    code::{Amount, End, Function, Look, Step, Target, Way},
    request::{Kind, Permit, Request, Value},
    signer,
};

const ETHER: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// Small numbers of wei: accounts have them, and programs send them.
const SMALL: [u64; 5] = [0, 1, 5, 100, 1_000];

/// Numbers at which placeholders, or 256 bits, come to an end.
pub(super) fn edges() -> [U256; 8] {
    let half = U256::ONE << 255;
    let large = U256::ONE << 128;
    [
        large - U256::ONE,
        large,
        half - U256::from(5),
        half,
        half + large,
        U256::MAX - U256::from(100),
        U256::MAX - U256::from(5),
        U256::MAX,
    ]
}

fn small() -> impl Strategy<Value = U256> {
    select(&SMALL[..]).prop_map(U256::from)
}

fn wei(extreme: bool) -> BoxedStrategy<U256> {
    if extreme {
        prop_oneof![1 => small(), 1 => select(edges().to_vec())].boxed()
    } else {
        prop_oneof![12 => small(), 1 => select(edges().to_vec())].boxed()
    }
}

/// What a contract has before the first block.
pub(super) fn balance(extreme: bool) -> BoxedStrategy<U256> {
    if extreme {
        wei(true)
    } else {
        prop_oneof![small(), Just(ETHER)].boxed()
    }
}

/// What a sender has before the first block.
pub(super) fn funds(extreme: bool) -> BoxedStrategy<U256> {
    let usual =
        prop_oneof![6 => Just(ETHER), 1 => Just(U256::ZERO), 1 => Just(U256::from(210_000))];
    if extreme {
        prop_oneof![1 => usual, 2 => select(edges().to_vec())].boxed()
    } else {
        usual.boxed()
    }
}

/// What may stand where a contract is to be created.
pub(super) fn occupant(extreme: bool) -> impl Strategy<Value = Before> {
    let code = option::weighted(0.2, Just(Bytes::from_static(&[0])));
    (
        balance(extreme),
        option::weighted(0.2, Just(1)),
        code,
        vec(0..3u64, 3),
    )
        .prop_map(|(balance, nonce, code, words)| {
            // A storage alone is in the way too (EIP-7610), which the plain loop does not know.
            let words = if nonce.is_some() || code.is_some() {
                words
            } else {
                Vec::new()
            };
            Before {
                balance,
                nonce: nonce.unwrap_or_default(),
                code: code.unwrap_or_default(),
                storage: (0..).zip(words).filter(|(_, word)| *word > 0).collect(),
            }
        })
}

/// Anybody. The third precompile is special: revm never forgets that it was touched.
fn anybody() -> impl Strategy<Value = Address> {
    let precompile = select(&[1u8, 2, 3, 4, 9][..]);
    prop_oneof![
        4 => (0..CONTRACTS).prop_map(contract_at),
        4 => (0..EXPECTED).prop_map(expected_at),
        2 => (0..4usize).prop_map(signer),
        2 => (0..2usize).prop_map(legacy_at),
        2 => (0..2usize).prop_map(absent_at),
        1 => precompile.prop_map(Address::with_last_byte),
        1 => Just(MINER),
        1 => (0..RUNTIMES).prop_map(runtime_at),
    ]
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        8 => anybody().prop_map(Target::At),
        2 => Just(Target::Myself),
        1 => Just(Target::Caller),
        1 => Just(Target::Coinbase),
        3 => Just(Target::Last),
    ]
}

fn amount(extreme: bool) -> impl Strategy<Value = Amount> {
    prop_oneof![
        6 => wei(extreme).prop_map(Amount::Wei),
        1 => (0..2u8).prop_map(Amount::AllAnd),
        1 => Just(Amount::Received),
    ]
}

fn step(extreme: bool) -> impl Strategy<Value = Step> {
    let ways = [
        Way::Call,
        Way::Call,
        Way::CallCode,
        Way::Delegate,
        Way::Static,
    ];
    let gas = prop_oneof![
        3 => Just(None),
        1 => select(&[0u64, 3_000, 30_000, 100_000][..]).prop_map(Some),
    ];
    let call = (
        select(ways.to_vec()),
        target(),
        amount(extreme),
        gas,
        0..FUNCTIONS as u8,
    )
        .prop_map(|(way, to, value, gas, function)| Step::Call {
            way,
            to,
            value,
            gas,
            function,
        });
    let looks = [
        Look::Balance,
        Look::Balance,
        Look::CodeSize,
        Look::CodeHash,
        Look::CodeCopy,
    ];
    let look = (select(looks.to_vec()), target(), any::<bool>());
    let create = (0..INITS, amount(extreme), option::weighted(0.7, 0..2u8));
    prop_oneof![
        6 => call,
        3 => look.prop_map(|(look, at, keep)| Step::Look { look, at, keep }),
        1 => any::<bool>().prop_map(|keep| Step::SelfBalance { keep }),
        3 => create.prop_map(|(init, value, salt)| Step::Create {
            init: init_at(init),
            value,
            salt,
        }),
        2 => (0..3u8).prop_map(Step::Load),
        2 => (0..3u8, 0..3u8).prop_map(|(slot, word)| Step::Store(slot, word)),
        1 => (0..2u8).prop_map(Step::LoadTransient),
        1 => (0..2u8, 0..2u8).prop_map(|(slot, word)| Step::StoreTransient(slot, word)),
        1 => select(&HASHES_BACK[..]).prop_map(Step::BlockHash),
    ]
}

/// A function of a contract.
pub(super) fn function(extreme: bool) -> impl Strategy<Value = Function> {
    let end = prop_oneof![
        10 => Just(End::Stop),
        1 => Just(End::Revert),
        1 => Just(End::Invalid),
        1 => Just(End::Burn),
        3 => target().prop_map(End::SelfDestruct),
    ];
    (vec(step(extreme), 0..5), end).prop_map(|(steps, end)| Function { steps, end })
}

/// What happens when a contract is created.
pub(super) fn init(extreme: bool) -> impl Strategy<Value = Function> {
    let end = prop_oneof![
        10 => (0..RUNTIMES).prop_map(|number| End::ReturnCodeOf(runtime_at(number))),
        1 => Just(End::Stop),
        1 => Just(End::Revert),
        1 => Just(End::Burn),
        2 => target().prop_map(End::SelfDestruct),
    ];
    (vec(step(extreme), 0..3), end).prop_map(|(steps, end)| Function { steps, end })
}

/// A transaction.
pub(super) fn request(theme: &Theme) -> impl Strategy<Value = Request> + use<> {
    let to = prop_oneof![
        6 => (0..CONTRACTS).prop_map(|number| Some(contract_at(number))),
        2 => (0..EXPECTED).prop_map(|number| Some(expected_at(number))),
        theme.payments => anybody().prop_map(Some),
        1 => Just(None),
    ];
    let value = prop_oneof![
        8 => wei(theme.extreme).prop_map(Value::Wei),
        1 => (-1..2i8).prop_map(Value::RestAnd),
    ];
    let gas = prop_oneof![
        8 => Just(1_000_000u64),
        4 => select(&[20_999u64, 21_000, 25_000, 53_000, 60_000, 200_000][..]),
    ];
    let above_base = prop_oneof![8 => Just(10i64), 4 => Just(0), 1 => Just(-1)];
    let nonce_off = prop_oneof![16 => Just(0i8), 1 => Just(1), 1 => Just(-1)];
    (
        // Many of one sender in a row.
        prop_oneof![3 => Just(0), 2 => 0..4usize],
        to,
        value,
        0..FUNCTIONS as u8,
        gas,
        nonce_off,
        (above_base, prop_oneof![Just(0u64), Just(3)]),
        kind(theme.delegations),
    )
        .prop_map(
            |(from, to, value, function, gas, nonce_off, (above_base, tip), kind)| Request {
                from,
                to,
                value,
                data: vec![function].into(),
                gas,
                nonce_off,
                above_base,
                tip,
                kind,
            },
        )
}

fn kind(delegations: u32) -> impl Strategy<Value = Kind> {
    let list = vec((anybody(), vec(0..4u64, 0..3)), 0..3).boxed();
    prop_oneof![
        4 => Just(Kind::Legacy),
        2 => list.clone().prop_map(Kind::Eip2930),
        3 => list.prop_map(Kind::Eip1559),
        1 => (0..3u8).prop_map(Kind::Blobs),
        delegations => vec(permit(), 0..4).prop_map(Kind::Eip7702),
    ]
}

fn permit() -> impl Strategy<Value = Permit> {
    let to = prop_oneof![4 => anybody(), 1 => Just(Address::ZERO)];
    // One more than it has is right for whoever sends the transaction itself.
    let nonce_off = prop_oneof![4 => Just(0i8), 2 => Just(1), 1 => Just(-1)];
    let chain_id = prop_oneof![6 => Just(CHAIN_ID), 2 => Just(0), 1 => Just(1)];
    (
        0..4usize,
        to,
        nonce_off,
        chain_id,
        prop::bool::weighted(0.1),
    )
        .prop_map(|(from, to, nonce_off, chain_id, broken)| Permit {
            from,
            to,
            nonce_off,
            chain_id,
            broken,
        })
}
