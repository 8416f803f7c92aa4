//! `pleach`: the Pleach runtime on the command line.

mod analysis;
mod bench;
mod dtt;
mod fetch;
mod fuzz;
mod input;
mod interrupt;
mod progress;
mod replay;
mod simulate;
mod stopped;
mod tables;
mod text;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use pleach_bench::allocations::Counting;

/// Freeing memory on another thread than the one that allocated it is what parallel execution does all the time. It is counted
/// for `pleach bench` alone.
#[global_allocator]
static ALLOCATOR: Counting<mimalloc::MiMalloc> = Counting(mimalloc::MiMalloc);

/// Runs blocks of transactions in parallel and gives exactly the result of running them in order.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Arguments {
    /// Without a command, the embedded sample chain is replayed.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Replay(replay::Arguments),
    Dtt(dtt::Arguments),
    Simulate(simulate::Arguments),
    Fetch(fetch::Arguments),
    Bench(Box<bench::Arguments>),
    Fuzz(fuzz::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Some(Command::Replay(arguments)) => replay::run(&arguments),
        Some(Command::Dtt(arguments)) => dtt::run(&arguments),
        Some(Command::Simulate(arguments)) => simulate::run(&arguments),
        Some(Command::Fetch(arguments)) => fetch::run(&arguments),
        Some(Command::Bench(arguments)) => bench::run(&arguments),
        Some(Command::Fuzz(arguments)) => fuzz::run(&arguments),
        None => replay::run(&replay::Arguments::default()),
    };
    result.unwrap_or_else(|error| {
        // Unlike `eprintln!`, this does not panic where nobody reads standard error.
        let _ = writeln!(io::stderr(), "pleach: {error:#}");
        ExitCode::from(2)
    })
}
