//! The analysis of payments beside the plain serial loop over them, and what is done with the tree.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pleach::{AccessSet, Trust};
use pleach_bench::payments::{self, Key, Ledger};
use pleach_dtt::{Dtt, Limits, OpenTree};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn tree(criterion: &mut Criterion) {
    for (transactions, accounts) in [(10_000, 100_000), (10_000, 1_000), (100_000, 1_000_000)] {
        let block = payments::block(transactions, accounts, 7);
        let mut ledger = Ledger::new(accounts);
        let mut group = criterion.benchmark_group(format!("{transactions} payments"));
        group.sample_size(40);
        group.throughput(Throughput::Elements(transactions as u64));
        let id = |name| BenchmarkId::new(name, format!("{accounts} accounts"));

        group.bench_function(id("plain loop"), |bencher| {
            bencher.iter(|| ledger.run(&block));
        });
        group.bench_function(id("analysis"), |bencher| {
            bencher.iter(|| {
                let mut open = OpenTree::with_capacity(block.len(), 3 * block.len());
                let mut set = AccessSet::new();
                for payment in &block {
                    set.clear();
                    payment.accesses(&mut set);
                    open.push(&set, Trust::Exact).expect("it is not too large");
                }
                open
            });
        });

        let sets: Vec<AccessSet<Key>> = block
            .iter()
            .map(|payment| {
                let mut set = AccessSet::new();
                payment.accesses(&mut set);
                set
            })
            .collect();
        let mut open = OpenTree::new();
        for set in &sets {
            open.push(set, Trust::Exact).expect("it is not too large");
        }
        let tree = open.into_tree();
        let bytes = tree.encode();
        group.bench_function(id("encode"), |bencher| bencher.iter(|| tree.encode()));
        group.bench_function(id("decode and verify"), |bencher| {
            bencher.iter(|| {
                let tree = Dtt::decode(&bytes, Limits::default()).expect("it is a tree");
                let sets = sets.iter().map(|set| (set, Trust::Exact));
                tree.verify(sets).expect("it is what they give");
            });
        });
        group.finish();
    }
}

criterion_group!(benches, tree);
criterion_main!(benches);
