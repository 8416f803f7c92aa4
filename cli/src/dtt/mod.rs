//! `pleach dtt`: the tree of a block, in words, as a picture, or for programs.

mod summary;

use std::{
    fs,
    io::{self, ErrorKind, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::ValueEnum;
use pleach_dtt::export::Picture;
use pleach_evm::EvmBlock;

use crate::{
    analysis::{Analysed, analyse_all},
    input::{Parts, Source},
    interrupt::{self, CANCELLED},
    stopped::Stopped,
};

const AFTER_HELP: &str = "\
The block is executed serially, once to see what its transactions touch, and five times to see how long they take. \
Balances that nobody looks at are added to, and nonces are known from the transactions; neither makes a dependency.

Exit code: 0 if the tree was written; 1 if the block could not be executed; 2 if the usage is wrong or the input could not \
be read; 130 if it was cancelled with Ctrl-C.";

/// Shows the dependencies of a block's transactions: its Deterministic Transaction Tree.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// A block file or a chain file (*.json, *.json.gz). None: the embedded sample chain.
    #[arg(value_name = "BLOCK")]
    path: Option<PathBuf>,

    /// Which block of a chain. Default: the last one.
    #[arg(long, value_name = "N")]
    number: Option<u64>,

    /// In which form.
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Into which file. Default: to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// In which form the tree is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
enum Format {
    /// In words and numbers.
    #[default]
    Summary,
    /// A picture.
    Svg,
    /// For graphviz.
    Dot,
    /// For Markdown.
    Mermaid,
    /// The logical form, for programs.
    Json,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let cancel = interrupt::token()?;
    if let Some(path) = arguments.path.as_ref().filter(|path| path.is_dir()) {
        bail!(
            "{}: this is a folder; name one block or chain file",
            path.display()
        );
    }
    let source = arguments
        .path
        .as_ref()
        .map_or(Source::Sample, |path| Source::File(path.as_path().into()));
    let loaded = source
        .load()
        .map_err(|unreadable| anyhow::anyhow!("{}: {}", unreadable.source, unreadable.error))?;
    let name = loaded.source.to_string();
    let parts: Parts = loaded.content.into();
    let number = choose(&parts.blocks, arguments.number).context(name.clone())?;
    let mut found = None;
    let wanted = |block: &EvmBlock| block.header.number == number;
    analyse_all(parts, &cancel, wanted, |number, analysed| {
        found = Some((number, analysed));
        false
    });
    match found {
        Some((_, Ok(analysed))) => write(arguments, &analysed)?,
        Some((number, Err(Stopped::Failed(error)))) => {
            let _ = writeln!(io::stderr(), "pleach: block {number} of {name}: {error}");
            return Ok(ExitCode::from(1));
        }
        Some((_, Err(Stopped::Cancelled))) | None => return Ok(ExitCode::from(CANCELLED)),
    }
    Ok(ExitCode::SUCCESS)
}

/// The number of the block that is asked for, which is there.
fn choose(blocks: &[EvmBlock], number: Option<u64>) -> anyhow::Result<u64> {
    let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else {
        bail!("there is no block");
    };
    let (first, last) = (first.header.number, last.header.number);
    let number = number.unwrap_or(last);
    if !(first..=last).contains(&number) {
        bail!("there is no block {number}, only those from {first} to {last}");
    }
    Ok(number)
}

fn write(arguments: &Arguments, block: &Analysed) -> anyhow::Result<()> {
    let tree = block.open.tree();
    // Rounded, but nothing costs nothing.
    let costs = block.costs.iter();
    let microseconds: Vec<u64> = costs.map(|cost| ((cost + 500) / 1_000).max(1)).collect();
    let picture = || {
        Picture::new(tree)
            .costs(&microseconds)
            .unit("us")
            .title(format!("Block {}", block.number))
    };
    let text = match arguments.format {
        Format::Summary => summary::text(block),
        Format::Svg => picture().svg(),
        Format::Dot => picture().dot(),
        Format::Mermaid => picture().mermaid(),
        Format::Json => {
            let mut text = serde_json::to_string(tree).context("the tree cannot be written")?;
            text.push('\n');
            text
        }
    };
    if let Some(path) = &arguments.out {
        return fs::write(path, text)
            .with_context(|| format!("{} cannot be written", path.display()));
    }
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Who reads, for example `head`, has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("the tree cannot be written"),
    }
}
