//! How fast is a VM, and does running its blocks in parallel pay? An exchange whose swaps walk along the price curve, on few pools
//! and on many, serially and on all cores. Runs alternate, every outcome is compared with the serial one, and what is
//! printed is medians. Put your VM in its place.
//!
//! `cargo run --release --example measure_tps [SWAPS [RUNS]]`

use std::{error::Error, thread, time::Instant};

use pleach::{
    Block, Executor, MemoryState, Outcome, ParallelExecutor, Runtime, SerialExecutor, StateView,
    Stop, Strategy, Vm,
};

/// Which pool, who, and how much is paid in.
type Swap = (u32, u32, u64);

/// What a pool holds of either token, and what a trader has got out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Key {
    Reserve(u32, bool),
    Bought(u32),
}

#[derive(Debug, thiserror::Error)]
#[error("there is no such pool")]
struct NoPool;

struct Exchange;

impl Vm for Exchange {
    type Transaction = Swap;
    type Key = Key;
    type Value = u64;
    type Output = u64;
    type Error = NoPool;
    type Scratch = ();

    fn execute<S: StateView<Key, u64>>(
        &self,
        &(pool, trader, paid): &Swap,
        state: &mut S,
        (): &mut (),
    ) -> Result<u64, Stop<NoPool>> {
        let (sold, bought) = (Key::Reserve(pool, false), Key::Reserve(pool, true));
        let mut x = state.get(&sold)?.ok_or(Stop::Failed(NoPool))?;
        let mut y = state.get(&bought)?.ok_or(Stop::Failed(NoPool))?;
        let before = y;
        for _ in 0..paid {
            y = (u128::from(x) * u128::from(y) / u128::from(x + 1)) as u64;
            x += 1;
        }
        state.put(&sold, x)?;
        state.put(&bought, y)?;
        let got = before - y;
        let already = state.get(&Key::Bought(trader))?.unwrap_or(0);
        state.put(&Key::Bought(trader), already + got)?;
        Ok(got)
    }
}

/// Swaps that only look random, of 400 to 999 steps each.
fn block(swaps: u32, pools: u32) -> Vec<Swap> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |bound: u32| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 32) as u32 % bound
    };
    (0..swaps)
        .map(|trader| (below(pools), trader, u64::from(400 + below(600))))
        .collect()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// All that an outcome says, but for how it came about.
fn same(one: &Outcome<Exchange>, other: &Outcome<Exchange>) -> bool {
    one.changes == other.changes && one.outputs().eq(other.outputs())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let swaps = arguments
        .next()
        .map_or(Ok(2_000), |number| number.parse())?;
    let runs = arguments.next().map_or(Ok(5), |number| number.parse())?;
    let (swaps, runs): (u32, usize) = (swaps, Ord::max(runs, 1));

    let cores = thread::available_parallelism()?;
    let runtime = Runtime::builder().workers(cores).build()?;
    let parallel = |strategy| ParallelExecutor::new(&runtime).strategy(strategy);
    // `Auto` is what a node would use; `Optimistic` does not give up where parallelism does not pay.
    let executors = [
        ("serial".to_owned(), parallel(Strategy::Serial)),
        (
            format!("optimistic, {cores} workers"),
            parallel(Strategy::Optimistic),
        ),
        (format!("auto, {cores} workers"), parallel(Strategy::Auto)),
    ];

    println!("{swaps} swaps a block, medians of {runs} alternating runs\n");
    println!(
        "{:>6}  {:<24}{:>12}{:>10}{:>10}",
        "pools", "", "swaps/s", "speed-up", "attempts"
    );
    for pools in [1, 8, 64, 1_024] {
        let block = block(swaps, pools);
        let reserves = (0..pools).flat_map(|pool| [(pool, false), (pool, true)]);
        let state: MemoryState<Key, u64> = reserves
            .map(|(pool, side)| (Key::Reserve(pool, side), 1_000_000_000))
            .collect();
        let expected = SerialExecutor::new().execute(Block::new(&Exchange, &state, &block))?;
        let mut seconds = [const { Vec::new() }; 3];
        let mut attempts = [0; 3];
        for _ in 0..runs {
            for (index, (name, executor)) in executors.iter().enumerate() {
                let begun = Instant::now();
                let outcome = executor.execute(Block::new(&Exchange, &state, &block))?;
                seconds[index].push(begun.elapsed().as_secs_f64());
                attempts[index] += outcome.statistics.attempts;
                assert!(same(&outcome, &expected), "{name} came to something else");
            }
        }
        let seconds = seconds.map(median);
        for (index, (name, _)) in executors.iter().enumerate() {
            println!(
                "{:>6}  {name:<24}{:>12.0}{:>10.2}{:>10.2}",
                if index == 0 {
                    pools.to_string()
                } else {
                    String::new()
                },
                f64::from(swaps) / seconds[index],
                seconds[0] / seconds[index],
                attempts[index] as f64 / (runs as f64 * f64::from(swaps)),
            );
        }
    }
    println!("\nSpeed-up is over the serial executor, attempts are for each swap.");
    Ok(())
}
