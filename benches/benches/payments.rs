//! Payments on every engine, each with one worker and with a worker for each core. `pleach bench payments` has more cases,
//! and all engines in turns.

use std::{num::NonZeroUsize, thread};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pleach::CancelToken;
use pleach_bench::engines::{Case, Entrant, Prepared};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn payments(criterion: &mut Criterion) {
    let mut workers = vec![NonZeroUsize::MIN];
    workers.extend(thread::available_parallelism());
    workers.dedup();
    let entrants = Entrant::all(&workers).expect("there are threads");
    for accounts in [1_000, 10_000] {
        let case = Case {
            transactions: 10_000,
            accounts,
            rounds: 1_000,
        };
        let mut prepared = Prepared::new(case, &CancelToken::new());
        let mut group = criterion.benchmark_group(format!("{} payments", case.transactions));
        group.sample_size(40);
        group.throughput(Throughput::Elements(case.transactions as u64));
        for entrant in &entrants {
            let id = BenchmarkId::new(entrant.to_string(), format!("{accounts} accounts"));
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    prepared
                        .run(entrant)
                        .map(drop)
                        .expect("the block is executed");
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, payments);
criterion_main!(benches);
