//! Compares the serial executor with the plain loop on every block, alternating, and prints the ratio of the medians.
//!
//! `cargo run --release -p pleach-bench --bin compare [REPEATS]`

use std::time::{Duration, Instant};

use pleach::{Executor, SerialExecutor};
use pleach_bench::{
    blocks::{Case, mainnet, sample_chain},
    plain::Plain,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let repeats = std::env::args()
        .nth(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(21);
    println!("medians of {repeats} alternating runs");
    for (name, cases) in [("mainnet", mainnet()), ("sample", sample_chain())] {
        compare(name, &cases, repeats);
    }
}

fn compare(name: &str, cases: &[Case], repeats: usize) {
    let (mut plain_sum, mut serial_sum, mut logarithms, mut large) =
        (Duration::ZERO, Duration::ZERO, 0.0, 0);
    for case in cases {
        let (plain, serial) = measure(case, repeats);
        let ratio = serial.as_secs_f64() / plain.as_secs_f64();
        let header = &case.file.block.header;
        println!(
            "{:>10} {:>5} tx {:>10} gas  plain {:>9.3} ms  serial {:>9.3} ms  {ratio:.3}",
            header.number,
            case.senders.len(),
            header.gas_used,
            plain.as_secs_f64() * 1e3,
            serial.as_secs_f64() * 1e3,
        );
        plain_sum += plain;
        serial_sum += serial;
        if header.gas_used > 4_000_000 {
            logarithms += ratio.ln();
            large += 1;
        }
    }
    if large > 0 {
        println!(
            "{name}: serial / plain: {:.3} of the sums, {:.3} as a geometric mean over the {large} blocks of more than 4 Mgas",
            serial_sum.as_secs_f64() / plain_sum.as_secs_f64(),
            (logarithms / f64::from(large)).exp(),
        );
    }
}

/// The median times of the plain loop and of the serial executor.
fn measure(case: &Case, repeats: usize) -> (Duration, Duration) {
    let plain = Plain::new(case);
    let prepared = case
        .file
        .block
        .prepare(&case.file.spec)
        .expect("the block is signed");
    let view = prepared.view(&case.file.state);
    let (mut plain_times, mut serial_times) = (Vec::new(), Vec::new());
    for _ in 0..repeats {
        let mut database = plain.database();
        let start = Instant::now();
        let gas = plain.run(&mut database);
        plain_times.push(start.elapsed());

        let start = Instant::now();
        let outcome = SerialExecutor::new()
            .execute(prepared.to_pleach(&view))
            .expect("the block is valid");
        serial_times.push(start.elapsed());
        let result = prepared.finish(outcome).expect("the block is valid");
        assert_eq!(gas, result.gas_used, "both execute the same");
    }
    (median(&mut plain_times), median(&mut serial_times))
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
