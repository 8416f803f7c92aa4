//! What the analysis of payments costs, beside the plain serial loop over the same payments.
//!
//! `cargo run --release -p pleach-bench --bin trees [REPEAT]`: for blocks from 10^3 to 10^6 transactions, all in turns,
//! medians in nanoseconds a transaction.

use std::{env, hint::black_box, process::ExitCode, time::Instant};

use pleach::{AccessSet, Trust};
use pleach_bench::payments::{self, Key, Ledger, Payment};
use pleach_dtt::{Dtt, Limits, OpenTree};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NAMES: [&str; 9] = [
    "plain loop",
    "analysis",
    "parallel",
    "of sets",
    "branches",
    "encode",
    "root hash",
    "decode",
    "verify",
];

fn main() -> ExitCode {
    let repeat: usize = match env::args().nth(1).map(|text| text.parse()) {
        None => 15,
        Some(Ok(repeat @ 1..)) => repeat,
        Some(_) => {
            eprintln!("usage: trees [REPEAT]");
            return ExitCode::from(2);
        }
    };
    println!("nanoseconds a transaction, medians of {repeat}; bytes a transaction\n");
    print!("{:>9} {:>9}", "txs", "accounts");
    for name in NAMES {
        print!(" {name:>10}");
    }
    println!(" {:>8} {:>8}", "memory", "encoded");
    for (transactions, accounts) in [
        (1_000, 10_000),
        (10_000, 100_000),
        (10_000, 1_000),
        (100_000, 1_000_000),
        (1_000_000, 10_000_000),
    ] {
        let repeat = if transactions > 100_000 {
            repeat.div_ceil(4)
        } else {
            repeat
        };
        line(transactions, accounts, repeat);
    }
    ExitCode::SUCCESS
}

fn line(transactions: usize, accounts: u64, repeat: usize) {
    let block = payments::block(transactions, accounts, 7);
    let sets: Vec<AccessSet<Key>> = block
        .iter()
        .map(|payment| {
            let mut set = AccessSet::new();
            payment.accesses(&mut set);
            set
        })
        .collect();
    let tree = analyse(&block).into_tree();
    let bytes = tree.encode();
    let mut ledger = Ledger::new(accounts);
    let mut times = vec![Vec::new(); NAMES.len()];
    for _ in 0..repeat {
        let mut runs: [&mut dyn FnMut(); NAMES.len()] = [
            &mut || _ = black_box(ledger.run(&block)),
            &mut || drop(black_box(analyse(&block))),
            &mut || drop(black_box(analyse_in_parallel(&block))),
            &mut || drop(black_box(analyse_sets(&sets))),
            &mut || drop(black_box(tree.branches())),
            &mut || drop(black_box(tree.encode())),
            &mut || _ = black_box(tree.root_hash()),
            &mut || drop(black_box(Dtt::decode(&bytes, Limits::default()))),
            &mut || {
                let sets = sets.iter().map(|set| (set, Trust::Exact));
                assert_eq!(tree.verify(sets), Ok(()));
            },
        ];
        for (run, times) in runs.iter_mut().zip(&mut times) {
            let start = Instant::now();
            run();
            times.push(start.elapsed().as_nanos() as f64 / transactions as f64);
        }
    }
    print!("{transactions:>9} {accounts:>9}");
    for mut times in times {
        times.sort_by(f64::total_cmp);
        print!(" {:>10.1}", times[times.len() / 2]);
    }
    let each = |bytes: usize| bytes as f64 / transactions as f64;
    println!(
        " {:>8.1} {:>8.2}",
        each(analyse(&block).memory()),
        each(bytes.len())
    );
}

fn analyse(block: &[Payment]) -> OpenTree<Key> {
    let mut open = OpenTree::with_capacity(block.len(), 3 * block.len());
    let mut set = AccessSet::new();
    for payment in block {
        set.clear();
        payment.accesses(&mut set);
        open.push(&set, Trust::Exact).expect("it is not too large");
    }
    open
}

fn analyse_in_parallel(block: &[Payment]) -> OpenTree<Key> {
    let mut open = OpenTree::with_capacity(block.len(), 3 * block.len());
    open.par_extend(block.len(), |index, set| {
        block[index].accesses(set);
        Trust::Exact
    })
    .expect("it is not too large");
    open
}

fn analyse_sets(sets: &[AccessSet<Key>]) -> OpenTree<Key> {
    let mut open = OpenTree::with_capacity(sets.len(), 3 * sets.len());
    for set in sets {
        open.push(set, Trust::Exact).expect("it is not too large");
    }
    open
}
