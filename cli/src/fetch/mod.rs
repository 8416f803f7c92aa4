//! `pleach fetch`: captures blocks of a node into files that `pleach replay` executes.
//!
//! | file | what |
//! | --- | --- |
//! | `rpc.rs` | asks the node, and asks again |
//! | `capture.rs` | one block with all that it needs |
//! | `prestate.rs` | the state before a block, from the traces of its transactions |
//! | `store.rs` | block files on disk, tried out before they count |

mod capture;
mod prestate;
mod rpc;
mod store;

use std::{
    fs,
    io::{self, IsTerminal, Write},
    num::NonZeroUsize,
    ops::RangeInclusive,
    path::PathBuf,
    process::ExitCode,
    str::FromStr,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pleach::CancelToken;
use pleach_evm::{ChainSpec, Content};
use serde_json::json;

use self::{
    capture::{Capture, HashCache},
    prestate::number,
    rpc::Client,
};
use crate::interrupt::{self, CANCELLED};

const AFTER_HELP: &str = "\
The node must offer eth_getBlockByNumber, debug_traceBlockByNumber with the prestate tracer, eth_getCode, \
eth_getBalance, eth_getTransactionCount and eth_getStorageAt for the blocks in question.

Exit code: 0 if all blocks are there and match their headers; 1 if a block could not be captured or does not match; 2 if \
the usage is wrong or the node cannot be reached; 130 if it was cancelled with Ctrl-C. What was captured stays, and \
the next run goes on from there.";

/// Captures blocks of a node into files that `pleach replay` executes.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Where the node listens, such as `http://127.0.0.1:8545`.
    #[arg(long, value_name = "URL")]
    rpc: String,

    /// The blocks, both ends included, such as 19000000..19000009; one number is one block, and the last may be
    /// `latest`.
    #[arg(value_name = "FROM..TO")]
    blocks: Blocks,

    /// The folder for the files, one a block. It is made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// The rules that hold, such as `prague`, for chains other than mainnet. Default: what the node says, or what the
    /// headers tell.
    #[arg(long, value_name = "NAME")]
    hardfork: Option<String>,

    /// How many blocks are captured at the same time.
    #[arg(long, value_name = "N", default_value = "4")]
    concurrency: NonZeroUsize,

    /// How often a request is repeated that failed for a reason that may pass, with growing pauses.
    #[arg(long, value_name = "N", default_value_t = 5)]
    retries: u32,

    /// Captures blocks again whose files are there.
    #[arg(long)]
    force: bool,

    /// Does not execute captured blocks to compare them with their headers.
    #[arg(long)]
    no_verify: bool,

    /// No progress bar, and no line for blocks that went well.
    #[arg(long)]
    quiet: bool,
}

/// A range of blocks on the command line.
#[derive(Clone, Copy, Debug)]
struct Blocks {
    first: u64,
    /// `None` is the newest.
    last: Option<u64>,
}

impl FromStr for Blocks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = |text: &str| {
            text.parse::<u64>()
                .map_err(|_| format!("`{text}` is no block number"))
        };
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let first = parse(first)?;
        let last = match last {
            "latest" => None,
            last => Some(parse(last.trim_start_matches('='))?),
        };
        if last.is_some_and(|last| last < first) {
            return Err("the range ends before it starts".to_owned());
        }
        Ok(Self { first, last })
    }
}

/// What became of a block.
enum Fetched {
    Written {
        transactions: usize,
    },
    /// Its file was there already.
    Skipped,
    /// It was written, but does not match its header.
    Mismatched(Vec<String>),
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Some(name) = &arguments.hardfork
        && ChainSpec::with_fork(1, name).is_none()
    {
        bail!("--hardfork: {name:?} is no fork of Ethereum");
    }
    let cancel = interrupt::token()?;
    let client = Client::new(&arguments.rpc, arguments.retries, cancel.clone());
    let reach = |error: anyhow::Error| {
        error.context(format!("the node at {} gives no answer", arguments.rpc))
    };
    let chain_id = number(&client.call("eth_chainId", &json!([])).map_err(reach)?)?;
    let blocks = blocks(arguments, &client)?;
    fs::create_dir_all(&arguments.out)
        .with_context(|| format!("the folder {} cannot be made", arguments.out.display()))?;

    let hashes = HashCache::default();
    let capture = Capture {
        client: &client,
        chain_id,
        hardfork: hardfork(arguments, &client, chain_id),
        hashes: &hashes,
    };
    let failed = fetch_all(arguments, &capture, &blocks, &cancel);
    Ok(ExitCode::from(if cancel.is_cancelled() {
        CANCELLED
    } else {
        u8::from(failed > 0)
    }))
}

fn blocks(arguments: &Arguments, client: &Client) -> anyhow::Result<RangeInclusive<u64>> {
    let Blocks { first, last } = arguments.blocks;
    let last = match last {
        Some(last) => last,
        None => number(&client.call("eth_blockNumber", &json!([]))?)?,
    };
    if last < first {
        bail!("the newest block of the node is {last}, before {first}");
    }
    Ok(first..=last)
}

/// The rules to note in the files: asked for, or as Anvil says. Headers tell where nobody does.
fn hardfork(arguments: &Arguments, client: &Client, chain_id: u64) -> Option<String> {
    if chain_id == 1 || arguments.hardfork.is_some() {
        return arguments.hardfork.clone();
    }
    let node = client.call("anvil_nodeInfo", &json!([])).ok()?;
    let name = node["hardFork"].as_str()?;
    ChainSpec::with_fork(chain_id, name).map(|_| name.to_lowercase())
}

/// Fetches the blocks on several threads, and tells what becomes of each. Returns how many failed.
fn fetch_all(
    arguments: &Arguments,
    capture: &Capture<'_>,
    blocks: &RangeInclusive<u64>,
    cancel: &CancelToken,
) -> usize {
    let count = (blocks.end() - blocks.start()).saturating_add(1);
    let bar = bar(count, arguments.quiet);
    let next = AtomicU64::new(*blocks.start());
    let (sender, receiver) = mpsc::channel();
    let (mut failed, mut written, mut skipped) = (0, 0, 0);
    thread::scope(|scope| {
        for _ in 0..arguments
            .concurrency
            .get()
            .min(usize::try_from(count).unwrap_or(usize::MAX))
        {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while !cancel.is_cancelled() {
                    // ORDERING: Relaxed. Each thread only needs a number that no other gets.
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number > *blocks.end() {
                        break;
                    }
                    let result = fetch(arguments, capture, number, cancel);
                    if sender.send((number, result)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (number, result) in receiver {
            let line = match result {
                Ok(Fetched::Written { transactions }) => {
                    written += 1;
                    (!arguments.quiet)
                        .then(|| format!("block {number}: {transactions} transactions"))
                }
                Ok(Fetched::Skipped) => {
                    skipped += 1;
                    None
                }
                Ok(Fetched::Mismatched(checks)) => {
                    failed += 1;
                    Some(format!(
                        "FAILED: block {number} was written but does not match its header\n  {}",
                        checks.join("\n  ")
                    ))
                }
                Err(_) if cancel.is_cancelled() => None,
                Err(error) => {
                    failed += 1;
                    Some(format!("FAILED: block {number}: {error:#}"))
                }
            };
            if let Some(line) = line {
                bar.suspend(|| say(&line));
            }
            bar.inc(1);
        }
    });
    bar.finish_and_clear();
    say(&format!(
        "{written} blocks captured into {}, {skipped} were there already, {failed} failed",
        arguments.out.display()
    ));
    failed
}

/// Writes a line to stderr. If nobody listens there, the files and the exit code still tell.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Fetches one block, unless its file is there.
fn fetch(
    arguments: &Arguments,
    capture: &Capture<'_>,
    number: u64,
    cancel: &CancelToken,
) -> anyhow::Result<Fetched> {
    let path = store::path(&arguments.out, number);
    if !arguments.force && path.exists() && Content::read(&path).is_ok() {
        return Ok(Fetched::Skipped);
    }
    let mut file = capture.block(number, false)?;
    let mut decoded = store::decode(&file)?;
    let mut mismatches = Ok(Vec::new());
    if !arguments.no_verify {
        mismatches = store::verify(&decoded, cancel);
        if mismatches.is_err() && !cancel.is_cancelled() {
            // Code that the block itself made may have asked for hashes that nothing showed beforehand.
            file = capture.block(number, true)?;
            decoded = store::decode(&file)?;
            mismatches = store::verify(&decoded, cancel);
        }
    }
    store::write(&path, &file)?;
    let mismatches = mismatches.unwrap_or_else(|error| vec![format!("{error:#}")]);
    Ok(if mismatches.is_empty() {
        Fetched::Written {
            transactions: decoded.block.transactions.len(),
        }
    } else {
        Fetched::Mismatched(mismatches)
    })
}

fn bar(count: u64, quiet: bool) -> ProgressBar {
    if quiet || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} blocks, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(count), ProgressDrawTarget::stderr()).with_style(style)
}
