//! `pleach fetch`: captures blocks of a node into files that `pleach replay` executes.
//!
//! | file | what |
//! | --- | --- |
//! | `arguments.rs` | what the user asks for |
//! | `rpc.rs`, `failure.rs` | asks the node, and asks again; what its errors mean |
//! | `capture.rs` | one block with all that it needs |
//! | `prestate.rs` | the state before a block, from the traces of its transactions |
//! | `accounts.rs`, `hashes.rs` | what traces do not show: accounts of the protocol, earlier blocks |
//! | `hardfork.rs` | which rules hold |
//! | `store.rs` | block files on disk, tried out before they count |
//! | `progress.rs` | what the user sees |

mod accounts;
mod arguments;
mod capture;
mod failure;
mod hardfork;
mod hashes;
mod prestate;
mod progress;
mod rpc;
mod store;

use std::{
    fs,
    ops::RangeInclusive,
    process::{self, ExitCode},
    sync::{
        Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use pleach::CancelToken;
use serde_json::json;

pub(crate) use self::arguments::Arguments;
use self::{
    arguments::Blocks,
    capture::Capture,
    hardfork::Rules,
    hashes::HashCache,
    prestate::number,
    progress::{Fetched, Progress},
    rpc::Client,
};
use crate::interrupt::{self, CANCELLED};

/// How long blocks that were begun may go on after Ctrl-C: answers that are on their way cannot be called back.
const GRACE: Duration = Duration::from_secs(2);

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let cancel = interrupt::token()?;
    let client = Client::new(
        &arguments.rpc,
        arguments.retries,
        arguments.timeout,
        cancel.clone(),
    );
    let client = client.context("--rpc")?;
    match prepare(arguments, &client) {
        Ok((capture, blocks)) => Ok(fetch_all(arguments, &capture, blocks, &cancel)),
        Err(_) if cancel.is_cancelled() => Ok(ExitCode::from(CANCELLED)),
        Err(error) => Err(error),
    }
}

/// Asks the node for what is the same for all blocks, and makes the folder.
fn prepare<'a>(
    arguments: &Arguments,
    client: &'a Client,
) -> anyhow::Result<(Capture<'a>, RangeInclusive<u64>)> {
    let chain_id = client
        .call("eth_chainId", json!([]))
        .with_context(|| format!("the node at {} gives no answer", client.name()))?;
    let chain_id = number(&chain_id).context("eth_chainId")?;
    let blocks = blocks(arguments.blocks, client)?;
    let capture = Capture {
        client,
        chain_id,
        rules: Rules::ask(client, chain_id, arguments.hardfork.as_deref())?,
        hashes: HashCache::default(),
    };
    fs::create_dir_all(&arguments.out)
        .with_context(|| format!("the folder {} cannot be made", arguments.out.display()))?;
    Ok((capture, blocks))
}

fn blocks(Blocks { first, last }: Blocks, client: &Client) -> anyhow::Result<RangeInclusive<u64>> {
    let last = match last {
        Some(last) => last,
        None => number(&client.call("eth_blockNumber", json!([]))?).context("eth_blockNumber")?,
    };
    if last < first {
        bail!("the newest block of the node is {last}, before {first}");
    }
    Ok(first..=last)
}

/// Fetches the blocks on several threads, and tells what becomes of each.
fn fetch_all(
    arguments: &Arguments,
    capture: &Capture<'_>,
    blocks: RangeInclusive<u64>,
    cancel: &CancelToken,
) -> ExitCode {
    let count = (blocks.end() - blocks.start()).saturating_add(1);
    let mut progress = Progress::new(count, arguments.quiet);
    let threads = count.min(arguments.concurrency.into());
    let blocks = Mutex::new(blocks);
    let next = || blocks.lock().unwrap_or_else(PoisonError::into_inner).next();
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while !cancel.is_cancelled()
                    && let Some(number) = next()
                {
                    let result = fetch(arguments, capture, number, cancel);
                    if sender.send((number, result)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut deadline = None;
        loop {
            match receiver.recv_timeout(Duration::from_millis(100)) {
                Ok((_, Err(_))) if cancel.is_cancelled() => {}
                Ok((number, result)) => progress.tell(number, result),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if cancel.is_cancelled() {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + GRACE);
                if Instant::now() > deadline {
                    let _stopped = store::stop_writing();
                    progress.finish(&arguments.out);
                    process::exit(CANCELLED.into());
                }
            }
        }
    });
    progress.finish(&arguments.out);
    ExitCode::from(if cancel.is_cancelled() {
        CANCELLED
    } else {
        u8::from(progress.failed > 0)
    })
}

/// Fetches one block, unless its file is there.
fn fetch(
    arguments: &Arguments,
    capture: &Capture<'_>,
    number: u64,
    cancel: &CancelToken,
) -> anyhow::Result<Fetched> {
    let path = store::path(&arguments.out, number);
    if !arguments.force
        && let Some(file) = store::existing(&path, number, capture.chain_id)?
    {
        let matches = || store::verify(&file, cancel).is_ok_and(|failed| failed.is_empty());
        // A file that does not match was counted as failed before: it is worth another try.
        if !arguments.verify() || matches() {
            return Ok(Fetched::Skipped);
        }
    }
    let mut file = capture.block(number)?;
    let mut bytes = store::encode(&file);
    let mut decoded = store::decode(&bytes)?;
    let mut mismatches = Vec::new();
    if arguments.verify() {
        let mut verified = store::verify(&decoded, cancel);
        if verified.as_ref().is_err_and(store::lacks_block_hash) {
            // Code that the block itself made has asked for hashes that nothing showed beforehand.
            capture.add_block_hashes(&mut file)?;
            bytes = store::encode(&file);
            decoded = store::decode(&bytes)?;
            verified = store::verify(&decoded, cancel);
        }
        if cancel.is_cancelled() {
            bail!("cancelled");
        }
        mismatches = verified.unwrap_or_else(|error| vec![format!("{error:#}")]);
    }
    store::write(&path, &bytes)?;
    if mismatches.is_empty() {
        return Ok(Fetched::Written {
            transactions: decoded.block.transactions.len(),
        });
    }
    if let (true, Some(guess)) = (capture.rules.are_guessed(), file["hardfork"].as_str()) {
        mismatches.push(format!(
            "the rules were taken to be those of {guess}; --hardfork tells others"
        ));
    }
    Ok(Fetched::Mismatched(mismatches))
}
