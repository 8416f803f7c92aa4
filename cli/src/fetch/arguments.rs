//! What the user asks for.

use std::{path::PathBuf, str::FromStr, time::Duration};

use pleach_evm::ChainSpec;

const AFTER_HELP: &str = "\
The node must offer eth_getBlockByNumber, debug_traceBlockByNumber with the prestate tracer, eth_getCode, eth_getBalance, \
eth_getTransactionCount and eth_getStorageAt for the blocks in question and the ones before them.

Exit code: 0 if all blocks are there and match their headers; 1 if a block could not be captured or does not match; 2 if \
the usage is wrong or the node cannot be reached; 130 if it was cancelled with Ctrl-C. What was captured stays, and the \
next run goes on from there.";

/// Captures blocks of a node into files that `pleach replay` executes.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(crate) struct Arguments {
    /// Where the node listens, such as `http://127.0.0.1:8545`.
    #[arg(long, value_name = "URL")]
    pub(super) rpc: String,

    /// The blocks, both ends included, such as 19000000..19000009; one number is one block, and the last may be
    /// `latest`.
    #[arg(value_name = "FROM..TO")]
    pub(super) blocks: Blocks,

    /// The folder for the files, one a block. It is made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,

    /// The rules that hold, such as `prague`, for chains other than mainnet. Default: what the node says, or what the
    /// headers tell.
    #[arg(long, value_name = "NAME", value_parser = parse_hardfork)]
    pub(super) hardfork: Option<String>,

    /// How many blocks are captured at the same time.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) concurrency: u16,

    /// How often a request is repeated that failed for a reason that may pass, with growing pauses.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(super) retries: u32,

    /// How long the node may take for one answer.
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = parse_seconds)]
    pub(super) timeout: Duration,

    /// Captures blocks again whose files are there.
    #[arg(long)]
    pub(super) force: bool,

    /// Executes each block and compares it with its header. This is the default.
    #[arg(long, overrides_with = "no_verify")]
    verify: bool,

    /// Does not execute blocks to compare them with their headers.
    #[arg(long)]
    no_verify: bool,

    /// No progress bar, and no line for blocks that went well.
    #[arg(long)]
    pub(super) quiet: bool,
}

impl Arguments {
    /// Whether blocks are executed before they count.
    pub(super) fn verify(&self) -> bool {
        self.verify || !self.no_verify
    }
}

fn parse_hardfork(name: &str) -> Result<String, String> {
    if ChainSpec::with_fork(1, name).is_none() {
        return Err(format!("{name:?} is no fork of Ethereum"));
    }
    Ok(name.to_owned())
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("it is a whole number from 1 to 86400".to_owned()),
    }
}

/// A range of blocks on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Blocks {
    pub(super) first: u64,
    /// `None` is the newest.
    pub(super) last: Option<u64>,
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
            last => Some(parse(last.strip_prefix('=').unwrap_or(last))?),
        };
        if last.is_some_and(|last| last < first) {
            return Err("the range ends before it starts".to_owned());
        }
        Ok(Self { first, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let range = |first, last| Ok(Blocks { first, last });
        assert_eq!("7".parse(), range(7, Some(7)));
        assert_eq!("7..9".parse(), range(7, Some(9)));
        assert_eq!("7..=9".parse(), range(7, Some(9)));
        assert_eq!("7..latest".parse(), range(7, None));
        for wrong in [
            "", "..", "7..", "..9", "latest", "9..7", "-1", "0x7", "7...9",
        ] {
            assert!(wrong.parse::<Blocks>().is_err(), "{wrong}");
        }
    }
}
