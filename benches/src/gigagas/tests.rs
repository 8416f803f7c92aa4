//! What must be true of the blocks, and of their comparison.

use std::{num::NonZeroUsize, time::Duration};

use alloy_primitives::{Address, U256};
use pleach::CancelToken;
use pleach_evm::{BlockError, EvmBlock};

use super::{Hints, Kind, Prepared, Settings, Terms, Workload, generate, measure, people};
use crate::engines::{Entrant, Name, lineup};

fn small(workload: Workload, kind: Kind) -> Settings {
    Settings {
        gas: 1_500_000,
        accounts: 50,
        ..Settings::new(workload, kind)
    }
}

fn all() -> impl Iterator<Item = Settings> {
    Workload::ALL.into_iter().flat_map(|workload| {
        let kinds = workload.kinds().iter();
        kinds.map(move |kind| small(workload, *kind))
    })
}

fn entrants() -> Vec<Entrant> {
    let workers = [1, 2].map(|count| NonZeroUsize::new(count).expect("there are some"));
    lineup(&Name::ALL, &workers).expect("there are threads")
}

#[test]
fn every_engine_leaves_the_same_of_every_block() {
    let (entrants, cancel) = (entrants(), CancelToken::new());
    for settings in all() {
        let case = generate(&settings);
        let prepared = Prepared::new(&case, &cancel).expect("the block is valid");
        assert_eq!(prepared.failed(), 0, "{settings:?}");
        assert!(prepared.gas() >= settings.gas, "{settings:?}");
        assert!(prepared.gas() < settings.gas + 200_000, "{settings:?}");
        for (micros, hints) in [
            (0, Hints::None),
            (0, Hints::Tree),
            (0, Hints::Accesses),
            (1, Hints::None),
            (1, Hints::Accesses),
        ] {
            let latency = Duration::from_micros(micros);
            let terms = Terms { latency, hints };
            let block = (&settings, &prepared);
            let measured = measure(block, &terms, &entrants, 1, &cancel, || ());
            let measured = measured.unwrap_or_else(|error| panic!("{settings:?}: {error}"));
            let rows = measured.rows;
            assert_eq!(
                rows.len(),
                6,
                "plain, serial, and two with one and two workers"
            );
            assert_eq!(
                (rows[0].engine.as_str(), rows[1].engine.as_str()),
                ("plain", "serial")
            );
            assert!((rows[0].speedup - 1.0).abs() < 1e-9);
            assert_eq!(rows[0].read_us.is_some(), micros > 0);
            for row in &rows {
                assert_eq!(row.params["hints"], hints.name());
                assert!(row.mgas_per_s > Some(0.0) && row.attempts_per_tx >= Some(1.0));
                assert!(row.commit_p50_us <= row.commit_p99_us, "{row:?}");
                assert!(row.bound >= Some(1.0) && row.bound <= Some(row.workers as f64));
            }
            let sample = measured.sample.expect("there is a tree");
            assert_eq!(sample.costs.len(), rows[0].transactions);
        }
    }
}

#[test]
fn a_seed_fixes_the_block_and_its_state() {
    for settings in all() {
        let (one, other) = (generate(&settings), generate(&settings));
        assert_eq!(one.file.block.transactions, other.file.block.transactions);
        assert_eq!(one.senders, other.senders);
        let accounts = one.file.state.accounts();
        let mut same =
            accounts.map(|(address, account)| other.file.state.account(address) == Some(account));
        assert!(same.all(|same| same), "{settings:?}");
        assert_eq!(one.file.state.len(), other.file.state.len());
    }
    let settings = small(Workload::Transfers, Kind::Uniform);
    let other = Settings {
        seed: 2,
        ..settings
    };
    assert_ne!(generate(&settings).senders, generate(&other).senders);
}

#[test]
fn a_billion_gas_are_47620_transfers() {
    let settings = Settings::new(Workload::Transfers, Kind::Independent);
    assert_eq!(generate(&settings).senders.len(), 47_620);
}

/// How many transactions there are in a billion gas.
#[test]
fn transactions_take_so_much_gas() {
    for (workload, transactions) in [
        (Workload::Transfers, 47_620..=47_620),
        // Two words of storage that are cold, and stay above zero: 2 * (2,100 + 2,900), beside 21,000 and what is said and logged.
        (Workload::Erc20, 29_000..=29_300),
        (Workload::Swaps, 6_400..=10_100),
    ] {
        for kind in Kind::ALL {
            let case = generate(&Settings {
                gas: 50_000_000,
                ..Settings::new(workload, kind)
            });
            let gas = case.file.block.header.gas_used / case.senders.len() as u64;
            let many = 1_000_000_000_u64.div_ceil(gas);
            assert!(transactions.contains(&many), "{workload} {kind}: {many}");
        }
    }
}

#[test]
fn so_many_are_hot_as_was_asked_for() {
    let share = |hot| {
        let case = generate(&Settings {
            gas: 20_000_000,
            accounts: 10_000,
            hot,
            ..Settings::new(Workload::Transfers, Kind::Hot)
        });
        let hot: std::collections::HashSet<_> = (0..1_000)
            .map(|person| people::address(people::What::Person, person))
            .collect();
        let senders = case.senders.iter();
        let among = senders.filter(|sender| hot.contains(*sender)).count();
        100 * among / case.senders.len()
    };
    assert_eq!(share(0), 0);
    assert!((25..35).contains(&share(30)));
    assert!((85..95).contains(&share(90)));
}

#[test]
fn chained_transactions_need_the_one_before() {
    for workload in [Workload::Transfers, Workload::Erc20, Workload::Swaps] {
        let case = generate(&small(workload, Kind::Chained));
        let (state, cancel) = (&case.file.state, CancelToken::new());
        let prepare = |block: &EvmBlock, senders: &[Address]| {
            let prepared = block.prepare_with_senders(&case.file.spec, senders);
            let (_, accesses) = prepared
                .expect("there are senders")
                .record(state, &cancel)?;
            Ok::<_, BlockError>(accesses)
        };
        let block = &case.file.block;
        let accesses = prepare(block, &case.senders).expect("the block is valid");
        if workload == Workload::Transfers {
            // Who can pay is a question, which does not order transactions. Without the one before the answer is no.
            let mut without = block.clone();
            without.transactions.remove(3);
            let mut senders = case.senders.clone();
            senders.remove(3);
            let failure = prepare(&without, &senders).expect_err("there is no money");
            assert!(
                failure
                    .to_string()
                    .starts_with("transaction 3 is not valid")
            );
            continue;
        }
        let reads_last = accesses.windows(2).all(|pair| {
            let mut written = pair[0].writes();
            written.any(|key| pair[1].reads().any(|read| read == key))
        });
        assert!(reads_last, "{workload}");
    }
}

#[test]
fn nobody_takes_part_twice_in_independent_blocks() {
    for workload in [Workload::Transfers, Workload::Erc20, Workload::Swaps] {
        let case = generate(&small(workload, Kind::Independent));
        let mut senders = case.senders.clone();
        senders.sort_unstable();
        senders.dedup();
        assert_eq!(senders.len(), case.senders.len());
    }
}

#[test]
fn another_outcome_is_noticed() {
    let (entrants, cancel) = (entrants(), CancelToken::new());
    let settings = small(Workload::Erc20, Kind::Uniform);
    let case = generate(&settings);
    let mut other = generate(&settings);
    let sender = other.senders[0];
    let mut account = other
        .file
        .state
        .account(sender)
        .expect("it is there")
        .clone();
    account.balance += U256::ONE;
    other.file.state.insert_account(sender, account);
    let mut prepared = Prepared::new(&case, &cancel).expect("the block is valid");
    let elsewhere = Prepared::new(&other, &cancel).expect("the block is valid");
    prepared.expect_of(elsewhere);
    for entrant in entrants.chunks(1) {
        let block = (&settings, &prepared);
        let result = measure(block, &Terms::default(), entrant, 1, &cancel, || ());
        if !entrant[0].name().executes_blocks() {
            assert!(result.expect("nobody is there").rows.is_empty());
            continue;
        }
        let failure = result.expect_err("it is noticed").to_string();
        let expected = "another outcome than that of the plain loop: there are other changes";
        assert_eq!(failure, format!("{}: {expected}", entrant[0]));
    }
}
