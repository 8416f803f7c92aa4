//! Random scenarios: a handful of accounts and contracts that keep getting in each other's way.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use pleach::{OnFailure, Over};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::select,
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use revm::primitives::hardfork::SpecId;

use super::{
    Before, Scenario,
    code::{End, Function, Step, Target, contract, program},
    parts::{self, function, init, request},
    request::{Kind, Permit, Request},
    signer, spec_id,
};

/// Contracts that are there from the start.
pub(super) const CONTRACTS: usize = 3;
/// Accounts whose code is init code.
pub(super) const INITS: usize = 2;
/// Accounts whose code is what init code returns.
pub(super) const RUNTIMES: usize = 2;
/// Functions of a contract.
pub(super) const FUNCTIONS: usize = 3;
/// Addresses at which contracts may come to be.
pub(super) const EXPECTED: usize = 11;

pub(super) fn contract_at(number: usize) -> Address {
    named(0xc0, number)
}

pub(super) fn init_at(number: usize) -> Address {
    named(0x11, number)
}

pub(super) fn runtime_at(number: usize) -> Address {
    named(0x22, number)
}

/// Accounts that exist with zero everything.
pub(super) fn legacy_at(number: usize) -> Address {
    named(0xe0, number)
}

/// Accounts that do not exist.
pub(super) fn absent_at(number: usize) -> Address {
    named(0xab, number)
}

/// Stands for an address that is known only when all code is.
pub(super) fn expected_at(number: usize) -> Address {
    named(0xfd, number)
}

/// An account that does nothing but earn fees.
pub(super) const MINER: Address = Address::repeat_byte(0xcb);

fn named(kind: u8, number: usize) -> Address {
    let mut address = Address::repeat_byte(kind);
    address.0[19] = number as u8;
    address
}

/// What scenarios are to be about.
#[derive(Clone, Debug)]
pub struct Theme {
    /// Names of forks, of [`FORKS`](super::FORKS).
    pub forks: &'static [&'static str],
    /// Balances and values near the ends of the range.
    pub extreme: bool,
    /// Transactions of a block.
    pub transactions: usize,
    /// How often a transaction is a payment to anybody, in relation to calls of contracts.
    pub payments: u32,
    /// How often a transaction has authorisations, in relation to all else.
    pub delegations: u32,
}

impl Theme {
    /// Something of everything, under any rules.
    pub const ANY: Self = Self {
        forks: &super::FORKS,
        extreme: false,
        transactions: 8,
        payments: 2,
        delegations: 2,
    };
}

/// A scenario that follows from a seed, of one of several themes: for those who look for scenarios in other ways than proptest
/// does. One in four has little gas for a block, and in some of them that ends it, or a transaction that is not valid does.
///
/// # Panics
///
/// Never: nothing is filtered.
#[must_use]
pub fn from_seed(seed: u64) -> Scenario {
    let theme = match seed % 5 {
        0 | 1 => Theme {
            transactions: 16,
            ..Theme::ANY
        },
        2 => Theme {
            payments: 40,
            // Enough for a plan.
            transactions: 72,
            ..Theme::ANY
        },
        3 => Theme {
            forks: &["prague", "osaka"],
            delegations: 20,
            ..Theme::ANY
        },
        _ => Theme {
            extreme: true,
            ..Theme::ANY
        },
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let tree = scenario(&theme).new_tree(&mut runner);
    let mut scenario = tree.expect("nothing is filtered").current();
    if seed % 4 == 1 {
        // A few transactions' worth.
        scenario.gas_limit = 1_000_000 + seed / 4 % 8 * 200_000;
        scenario.over = [Over::SkipRest, Over::Skip, Over::Fatal][(seed / 32 % 3) as usize];
    }
    scenario.on_failure = match seed / 6 % 16 {
        0 => OnFailure::SkipRest,
        1 => OnFailure::Fatal,
        _ => OnFailure::Skip,
    };
    scenario
}

/// A random scenario.
#[expect(
    clippy::too_many_lines,
    reason = "one list of what a scenario is made of"
)]
pub fn scenario(theme: &Theme) -> impl Strategy<Value = Scenario> + use<> {
    let extreme = theme.extreme;
    let coinbase = prop_oneof![
        4 => Just(MINER),
        1 => Just(signer(0)),
        1 => (0..CONTRACTS).prop_map(contract_at),
        1 => (0..2usize).prop_map(legacy_at),
        1 => (0..EXPECTED).prop_map(expected_at),
        1 => Just(absent_at(0)),
    ];
    let contracts = vec(
        (
            vec(function(extreme), FUNCTIONS),
            parts::balance(extreme),
            vec(0..3u64, 3),
        ),
        CONTRACTS,
    );
    let created = (
        vec(init(extreme), INITS),
        vec(vec(function(extreme), FUNCTIONS), RUNTIMES),
    );
    let occupied = option::weighted(0.3, (0..EXPECTED, parts::occupant(extreme)));
    let funds = vec(parts::funds(extreme), 4);
    let blocks = vec(vec(request(theme), 1..=theme.transactions), 1..=2);
    (
        select(theme.forks),
        coinbase,
        prop_oneof![Just(0u64), Just(7)],
        contracts,
        created,
        (
            occupied,
            parts::balance(extreme),
            option::weighted(0.2, 0..4usize),
        ),
        funds,
        blocks,
    )
        .prop_map(
            |(
                fork,
                coinbase,
                base_fee,
                contracts,
                created,
                (occupied, miner, frozen),
                funds,
                blocks,
            )| {
                let spec = spec_id(fork);
                let mut scenario = Scenario::new(fork);
                scenario.base_fee = base_fee;
                let accounts = &mut scenario.accounts;
                let (inits, runtimes) = created;
                let inits: Vec<_> = inits.iter().map(|init| program(init, spec)).collect();
                for (number, code) in inits.iter().enumerate() {
                    accounts.insert(init_at(number), with_code(code.clone()));
                }
                for (number, functions) in runtimes.iter().enumerate() {
                    accounts.insert(runtime_at(number), with_code(contract(functions, spec)));
                }
                let expected = expected(&inits);
                for (number, (mut functions, balance, words)) in contracts.into_iter().enumerate() {
                    for function in &mut functions {
                        resolve_function(function, &expected);
                    }
                    let before = Before {
                        balance,
                        nonce: 1,
                        code: contract(&functions, spec),
                        storage: (0..).zip(words).filter(|(_, word)| *word > 0).collect(),
                    };
                    accounts.insert(contract_at(number), before);
                }
                for (number, balance) in funds.into_iter().enumerate() {
                    let before = Before {
                        balance,
                        ..Before::default()
                    };
                    if !balance.is_zero() {
                        accounts.insert(signer(number), before);
                    }
                }
                if !miner.is_zero() {
                    let before = Before {
                        balance: miner,
                        ..Before::default()
                    };
                    accounts.insert(MINER, before);
                }
                for number in 0..2 {
                    accounts.insert(legacy_at(number), Before::default());
                }
                if let Some(number) = frozen {
                    // At the end of its nonces, or a contract that somebody has the key of.
                    let account = accounts.entry(signer(number)).or_default();
                    match number {
                        0 => account.nonce = u64::MAX,
                        1 => account.nonce = u64::MAX - 1,
                        _ => account.code = Bytes::from_static(&[0]),
                    }
                }
                if let Some((number, before)) = occupied {
                    accounts.entry(expected[number]).or_insert(before);
                }
                scenario.coinbase = resolve(coinbase, &expected);
                scenario.blocks = blocks;
                for request in scenario.blocks.iter_mut().flatten() {
                    resolve_request(request, &expected, &inits, spec);
                }
                scenario
            },
        )
}

fn with_code(code: Bytes) -> Before {
    Before {
        nonce: 1,
        code,
        ..Before::default()
    }
}

/// Where contracts will be, as far as that is known beforehand.
fn expected(inits: &[Bytes]) -> [Address; EXPECTED] {
    let mut expected = [Address::ZERO; EXPECTED];
    for (number, address) in expected.iter_mut().enumerate() {
        *address = match number {
            0..8 => {
                let creator = contract_at(number & 1);
                let salt = B256::from(U256::from(number >> 1 & 1));
                creator.create2(salt, keccak256(&inits[number >> 2]))
            }
            8 => contract_at(0).create(1),
            9 => signer(0).create(0),
            _ => signer(1).create(1),
        };
    }
    expected
}

fn resolve(address: Address, expected: &[Address; EXPECTED]) -> Address {
    (0..EXPECTED)
        .find(|number| address == expected_at(*number))
        .map_or(address, |number| expected[number])
}

fn resolve_target(target: &mut Target, expected: &[Address; EXPECTED]) {
    if let Target::At(address) = target {
        *address = resolve(*address, expected);
    }
}

fn resolve_function(function: &mut Function, expected: &[Address; EXPECTED]) {
    for step in &mut function.steps {
        match step {
            Step::Call { to: target, .. } | Step::Look { at: target, .. } => {
                resolve_target(target, expected);
            }
            _ => {}
        }
    }
    if let End::SelfDestruct(target) = &mut function.end {
        resolve_target(target, expected);
    }
}

fn resolve_request(
    request: &mut Request,
    expected: &[Address; EXPECTED],
    inits: &[Bytes],
    spec: SpecId,
) {
    match &mut request.to {
        Some(to) => *to = resolve(*to, expected),
        None => request
            .data
            .clone_from(&inits[usize::from(request.data[0]) % INITS]),
    }
    match &mut request.kind {
        Kind::Eip2930(list) | Kind::Eip1559(list) => {
            for (address, _) in list {
                *address = resolve(*address, expected);
            }
        }
        Kind::Legacy | Kind::Blobs(_) => {}
        Kind::Eip7702(permits) => {
            for permit in permits {
                let Permit { to, .. } = permit;
                *to = resolve(*to, expected);
            }
        }
    }
    let since = match request.kind {
        Kind::Legacy => SpecId::FRONTIER,
        Kind::Eip2930(_) => SpecId::BERLIN,
        Kind::Eip1559(_) => SpecId::LONDON,
        Kind::Blobs(_) => SpecId::CANCUN,
        Kind::Eip7702(_) => SpecId::PRAGUE,
    };
    if !spec.is_enabled_in(since) {
        request.kind = Kind::Legacy;
    }
}
