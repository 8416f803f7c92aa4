//! Payments on every engine, each with one worker and with a worker for each core. `pleach bench` has more workloads, and all
//! engines in turns.

use std::{num::NonZeroUsize, thread, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pleach::CancelToken;
use pleach_bench::{
    engines::{Name, Prepared, lineup},
    workloads::{Balances, Payments, Shape},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn payments(criterion: &mut Criterion) {
    let mut workers = vec![NonZeroUsize::MIN];
    workers.extend(thread::available_parallelism());
    workers.dedup();
    let entrants = lineup(&Name::ALL, &workers).expect("there are threads");
    for accounts in [1_000, 10_000] {
        let payments = Payments {
            transactions: 10_000,
            accounts,
            shape: Shape::Uniform,
            balances: Balances::Values,
            rounds: 1_000,
            seed: 7,
        };
        let cancel = CancelToken::new();
        let prepared = Prepared::new(&payments, Duration::ZERO, &cancel);
        let mut group = criterion.benchmark_group("10000 payments");
        group.sample_size(40);
        group.throughput(Throughput::Elements(payments.transactions as u64));
        for entrant in &entrants {
            let id = BenchmarkId::new(entrant.to_string(), format!("{accounts} accounts"));
            let (mut engine, job) = (entrant.engine(), prepared.job());
            engine.again(&job, &[]);
            group.bench_function(id, |bencher| {
                bencher.iter(|| engine.run(&job).map(drop).expect("the block is executed"));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, payments);
criterion_main!(benches);
