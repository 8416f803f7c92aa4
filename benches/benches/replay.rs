//! Ethereum blocks, serially: a plain revm loop beside Pleach's serial executor.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use pleach::{Executor, SerialExecutor};
use pleach_bench::{
    blocks::{Case, mainnet, sample_chain},
    plain::Plain,
};

/// Blocks of different times and kinds; `compare` measures all of them.
const BLOCKS: [u64; 5] = [46_147, 5_891_667, 13_217_637, 15_537_393, 19_933_612];

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn replay(criterion: &mut Criterion) {
    let mut cases = mainnet();
    cases.retain(|case| BLOCKS.contains(&case.file.block.header.number));
    for case in &cases {
        block(criterion, "mainnet", case);
    }
    if let Some(case) = sample_chain().get(3) {
        block(criterion, "sample", case);
    }
}

fn block(criterion: &mut Criterion, kind: &str, case: &Case) {
    let header = &case.file.block.header;
    let plain = Plain::new(case);
    let prepared = case
        .file
        .block
        .prepare(&case.file.spec)
        .expect("the block is signed");
    let view = prepared.view(&case.file.state);
    let mut group = criterion.benchmark_group(format!("{kind} {}", header.number));
    group.throughput(Throughput::Elements(header.gas_used));
    group.bench_function("plain revm", |bencher| {
        bencher.iter_batched_ref(
            || plain.database(),
            |database| plain.run(database),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("serial", |bencher| {
        bencher.iter(|| SerialExecutor::new().execute(prepared.to_pleach(&view)));
    });
    group.finish();
}

criterion_group!(benches, replay);
criterion_main!(benches);
