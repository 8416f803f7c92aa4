//! A seed fixes all of a workload, on every machine; and workloads are what they are said to be.

use pleach::AccessSet;
use pleach_bench::workloads::{
    Balances, Key, Kind, Map, Output, Setting, Table, Visitor, Workload,
};

fn small(kind: Kind) -> Setting {
    Setting {
        txs: 200,
        accounts: 300,
        work: 0,
        warehouses: 1,
        ..Setting::new(kind)
    }
}

/// FNV-1a of all that can be seen of a workload: the state, what transactions touch and give, and what they leave.
struct Digest;

impl Visitor for Digest {
    type Result = u64;

    fn visit<W: Workload + Clone + 'static>(self, workload: &W) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |text: String| {
            for byte in text.bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        let mut map = W::Table::default();
        workload.begin(&mut |key, value| {
            add(format!("{key:?}{value:?}"));
            map.set(key, value);
        });
        for transaction in workload.block() {
            let mut set = AccessSet::new();
            workload.accesses(&transaction, &mut set);
            add(format!("{:?}", set.entries()));
            let output = workload.execute_in_place(&transaction, &mut map);
            add(format!("{output:?}"));
        }
        let mut left: Vec<_> = map.pairs().collect();
        left.sort_unstable_by_key(|(key, _)| *key);
        add(format!("{left:?}"));
        hash
    }
}

#[test]
fn seeds_fix_every_byte() {
    let digests = Kind::ALL.map(|kind| (kind.name(), small(kind).visit(Digest)));
    let expected = DIGESTS;
    assert_eq!(digests, expected);
}

#[test]
fn other_seeds_are_other_blocks() {
    for kind in Kind::ALL {
        let setting = small(kind);
        let other = Setting { seed: 8, ..setting };
        let same = setting.visit(Digest) == other.visit(Digest);
        assert_eq!(same, matches!(kind, Kind::Mint | Kind::Chain), "{kind}");
    }
}

/// The sum of all numbers before and after, and the outputs: for workloads whose values are numbers.
struct Sums;

impl Visitor for Sums {
    type Result = (u64, u64, Vec<Output>);

    fn visit<W: Workload + Clone + 'static>(self, workload: &W) -> Self::Result {
        let sum = |map: &W::Table| {
            let numbers = map
                .pairs()
                .map(|(_, value)| format!("{value:?}").parse::<u64>());
            numbers.map(|number| number.expect("it is a number")).sum()
        };
        let mut map = W::Table::default();
        workload.begin(&mut |key: Key, value| map.set(key, value));
        let before = sum(&map);
        let block = workload.block();
        let outputs = block
            .iter()
            .map(|transaction| workload.execute_in_place(transaction, &mut map));
        let outputs = outputs.collect();
        (before, sum(&map), outputs)
    }
}

#[test]
fn money_is_neither_made_nor_lost() {
    let kinds = [Kind::Payments, Kind::Deposits, Kind::Withdrawals];
    for (kind, balances) in kinds
        .into_iter()
        .flat_map(|kind| [Balances::Values, Balances::Adds].map(|balances| (kind, balances)))
    {
        let setting = Setting {
            balances,
            ..small(kind)
        };
        let (before, after, outputs) = setting.visit(Sums);
        let made = outputs.iter().flatten().count() as u64;
        // What is more than before is sequence numbers.
        assert_eq!((after - before, made), (200, 200), "{kind}");
    }
}

#[test]
fn a_mint_counts() {
    let (_, _, outputs) = small(Kind::Mint).visit(Sums);
    let expected: Vec<Output> = (0..200).map(Some).collect();
    assert_eq!(outputs, expected);
}

#[test]
fn links_of_a_chain_follow_those_before() {
    for distance in [1, 3, 16] {
        let setting = Setting {
            distance,
            ..small(Kind::Chain)
        };
        let (_, _, outputs) = setting.visit(Sums);
        for (index, output) in outputs.into_iter().enumerate() {
            let index = index as u64;
            assert_eq!(output, Some(index % distance + index / distance));
        }
    }
}

#[test]
fn shares_of_deposits_are_as_asked_for() {
    for hot in [0, 50, 100] {
        let setting = Setting {
            hot,
            txs: 4_000,
            ..small(Kind::Deposits)
        };
        let most = setting.visit(Hottest);
        let expected = 40 * u64::from(hot);
        assert!(most.abs_diff(expected) < 150, "{hot}: {most}");
    }
}

/// How often the key is touched that most transactions touch, beside those of one account in three hundred by chance.
struct Hottest;

impl Visitor for Hottest {
    type Result = u64;

    fn visit<W: Workload + Clone + 'static>(self, workload: &W) -> u64 {
        let mut counts: Map<u64> = Map::default();
        for transaction in workload.block() {
            let mut set = AccessSet::new();
            workload.accesses(&transaction, &mut set);
            for (key, _) in set.entries() {
                *counts.entry(*key).or_default() += 1;
            }
        }
        counts.into_values().max().unwrap_or_default()
    }
}

const DIGESTS: [(&str, u64); 11] = [
    ("payments", 0xc50f_5c5a_a360_4b45),
    ("payments-aptos", 0xe16e_7015_8f28_707d),
    ("payments-diem", 0xcd99_66ea_9cf3_7e9e),
    ("mint", 0x2952_36c8_aaed_09de),
    ("deposits", 0xf7dc_4bc2_dbcc_8d3e),
    ("withdrawals", 0x727b_5345_56eb_7bd9),
    ("chain", 0x7bf2_0b5e_49ed_1415),
    ("smallbank", 0x0dd2_cdfe_590c_c2c5),
    ("ycsb", 0x5d47_4b5c_42a2_fb5b),
    ("ycsb-scan", 0x4eb0_c8f3_ea8d_24d3),
    ("tpcc-lite", 0xaa22_9c26_c793_060a),
];
