//! The result for people: a table, and in words what does not fit into it.

use std::{
    collections::BTreeMap,
    io::{self, StdoutLock, Write},
};

use pleach_evm::CheckResult;

use super::{
    Arguments, Strategy, Switch,
    outcome::{BlockOutcome, Executed, Fate, Totals, mgas_per_second},
    report::Report,
    table,
};
use crate::{
    input::Unreadable,
    tables,
    text::{self, counted, decimal, excerpts, milliseconds, thousands, wrap},
};

pub(super) struct ForPeople<'a> {
    arguments: &'a Arguments,
    width: u16,
    blocks: Vec<BlockOutcome>,
    unreadable: Vec<Unreadable>,
    out: StdoutLock<'static>,
}

impl<'a> ForPeople<'a> {
    pub(super) fn new(arguments: &'a Arguments) -> Self {
        Self {
            arguments,
            width: tables::screen(),
            blocks: Vec::new(),
            unreadable: Vec::new(),
            out: io::stdout().lock(),
        }
    }

    /// Writes a paragraph.
    fn say(&mut self, text: &str) -> io::Result<()> {
        let lines = wrap(text, self.width.into());
        lines
            .iter()
            .try_for_each(|line| writeln!(self.out, "{line}"))
    }
}

impl Report for ForPeople<'_> {
    fn begin(&mut self) -> io::Result<()> {
        if self.arguments.quiet {
            return Ok(());
        }
        self.say(&introduction(self.arguments))?;
        writeln!(self.out)
    }

    fn block(&mut self, block: BlockOutcome) -> io::Result<()> {
        self.blocks.push(block);
        Ok(())
    }

    fn unreadable(&mut self, input: Unreadable) -> io::Result<()> {
        self.unreadable.push(input);
        Ok(())
    }

    fn end(&mut self, totals: &Totals) -> io::Result<()> {
        if !self.arguments.quiet && totals.blocks > 0 {
            let compares = self.arguments.plan().compares();
            for line in table::lines(&self.blocks, totals, compares, self.width) {
                writeln!(self.out, "{line}")?;
            }
            writeln!(self.out)?;
            self.legend(compares)?;
            writeln!(self.out)?;
            if let Some(measured) = &totals.staged {
                for line in table::stages(&measured.stages, self.width) {
                    writeln!(self.out, "{line}")?;
                }
                writeln!(self.out)?;
            }
        }
        self.failures()?;
        self.out.flush()?;
        for input in &self.unreadable {
            // This is no result: it must be seen where the result goes into a file, too.
            let _ = writeln!(io::stderr(), "pleach: {}: {}", input.source, input.error);
        }
        self.say(&closing(totals, &self.blocks))?;
        if !self.arguments.quiet
            && self.arguments.plan().compares()
            && let Some(speed) = speed(totals)
        {
            self.say(&speed)?;
        }
        if let Some(flow) = flow(totals) {
            self.say(&flow)?;
        }
        self.out.flush()
    }
}

impl ForPeople<'_> {
    /// What the columns mean, and what could not be checked.
    fn legend(&mut self, compares: bool) -> io::Result<()> {
        self.explain(
            "checks",
            "how many of the things that a header says of its block (gas used, logs, receipts, state, ...) hold, of \
             those that can be checked",
        )?;
        if self.arguments.pipeline == Switch::On {
            self.explain(
                "run ms",
                "time of execution alone, while files are read, senders recovered and other blocks checked beside it",
            )?;
        } else {
            self.explain(
                "serial ms",
                "time of execution alone, one transaction after another: no reading of files, no recovery of senders, \
                 no checks",
            )?;
        }
        if compares {
            let repeat = self.arguments.plan().repeat;
            let medians = match repeat {
                1 => String::new(),
                repeat => format!("; both are medians of {repeat}"),
            };
            let strategy = self.arguments.strategy.name();
            let text = format!("the same by the strategy {strategy}{medians}");
            self.explain("run ms", &text)?;
            self.explain("speed-up", "how many times faster that is")?;
            self.explain(
                "ran",
                "what it came to: serial where more than one thread would not have paid, split for stretches, lanes where those that depend on each other had one thread",
            )?;
            self.explain(
                "attempts",
                "how often a transaction was executed that way, on average",
            )?;
        }
        self.explain("Mgas/s", "million gas in a second of that time")?;

        let mut unchecked: BTreeMap<_, usize> = BTreeMap::new();
        let executed = self.blocks.iter().filter_map(BlockOutcome::executed);
        for check in executed.flat_map(|it| &it.checks) {
            if let CheckResult::Impossible(reason) = check.result {
                *unchecked.entry((check.name, reason)).or_default() += 1;
            }
        }
        let mut title = "unchecked";
        for ((name, reason), blocks) in unchecked {
            let text = format!("{name} of {}: {reason}", counted(blocks, "block"));
            self.explain(title, &text)?;
            title = "";
        }
        Ok(())
    }

    /// Writes what something means, beside its name.
    fn explain(&mut self, name: &str, meaning: &str) -> io::Result<()> {
        const INDENT: usize = 11;
        let lines = text::explain(name, meaning, INDENT, self.width.into());
        lines
            .iter()
            .try_for_each(|line| writeln!(self.out, "{line}"))
    }

    /// What is wrong with the blocks that failed.
    fn failures(&mut self) -> io::Result<()> {
        let (width, out) = (usize::from(self.width), &mut self.out);
        for (index, block) in self.blocks.iter().enumerate() {
            if block.passed() != Some(false) {
                continue;
            }
            writeln!(out, "FAILED: block {} of {}", block.number, block.source)?;
            if let Fate::Failed(error) = &block.fate {
                for line in wrap(error, width.saturating_sub(2)) {
                    writeln!(out, "  {line}")?;
                }
            }
            for mismatch in block.executed().into_iter().flat_map(Executed::mismatches) {
                let (expected, found) = excerpts(mismatch.expected, mismatch.found);
                writeln!(out, "  check failed: {}", mismatch.check)?;
                writeln!(out, "    expected {expected}")?;
                writeln!(out, "    found    {found}")?;
            }
            let after = self.blocks[index + 1..].iter();
            let not_run = after.take_while(|block| block.passed().is_none()).count();
            if not_run > 0 {
                let blocks = counted(not_run, "block");
                writeln!(out, "  not run: {blocks} after it in the chain")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

/// What is going to be done.
fn introduction(arguments: &Arguments) -> String {
    let plan = arguments.plan();
    let what = match arguments.paths.as_slice() {
        [] => "the embedded sample chain".to_owned(),
        [path] => path.display().to_string(),
        paths => counted(paths.len(), "path"),
    };
    let runs = match plan.repeat {
        1 => String::new(),
        repeat => format!(", {repeat} times each"),
    };
    let threads = counted(plan.workers.get().into(), "thread");
    let beside = match arguments.pipeline {
        Switch::On => "several blocks in flight",
        Switch::Off => "and serially beside that",
    };
    let how = match plan.strategy {
        Strategy::Serial if arguments.pipeline == Switch::On => {
            format!("one transaction after another, {beside}")
        }
        Strategy::Serial => "one transaction after another".to_owned(),
        Strategy::Auto => format!("on {threads} where that pays, {beside}"),
        Strategy::Optimistic => format!("optimistically on {threads}, {beside}"),
        Strategy::Split => format!("in stretches on {threads}, {beside}"),
        Strategy::Lanes => format!("in lanes on {threads}, {beside}"),
    };
    format!("Replaying {what}: {how}{runs}, each block checked against its own header.")
}

/// What it comes to, in plain words.
fn closing(totals: &Totals, blocks: &[BlockOutcome]) -> String {
    let all = counted(totals.blocks, "block");
    let mut sentences = Vec::new();
    if totals.cancelled {
        sentences.push(format!("Cancelled after {all}."));
    }
    sentences.push(match (totals.blocks, totals.failed) {
        (0, _) => "No block was run.".to_owned(),
        (1, 0) => format!("The block matches its header{}.", how_far(blocks)),
        (_, 0) => format!("All {all} match their headers{}.", how_far(blocks)),
        (_, failed) => format!("{} of {all} failed.", thousands(failed as u64)),
    });
    if totals.not_run > 0 {
        let blocks = counted(totals.not_run, "block");
        sentences.push(format!("{blocks} after that could not be run."));
    }
    if totals.unreadable > 0 {
        let inputs = counted(totals.unreadable, "input");
        sentences.push(format!("{inputs} could not be read."));
    }
    sentences.join(" ")
}

/// How fast blocks went through a pipeline.
fn flow(totals: &Totals) -> Option<String> {
    let measured = totals.staged.as_ref().filter(|_| totals.blocks > 0)?;
    let blocks = counted(totals.blocks, "block");
    let seconds = measured.took.as_secs_f64();
    let speed = decimal(totals.blocks_per_second(), 1);
    let gas = decimal(mgas_per_second(totals.gas, measured.took), 0);
    let at = |share| {
        let response = measured.response.as_ref();
        let time = response.map(|times| milliseconds(times.quantile_time(share)));
        decimal(time, 1)
    };
    Some(format!(
        "{blocks} in {seconds:.2} s: {speed} blocks/s, {gas} Mgas/s. From when it was read, a block took {} ms (p50) or {} ms \
         (p99).",
        at(0.5),
        at(0.99)
    ))
}

/// How much faster the chosen strategy was.
fn speed(totals: &Totals) -> Option<String> {
    let (mean, least) = (totals.geomean_speedup()?, totals.min_speedup()?);
    let large = match totals.large_speedup() {
        Some((large, blocks)) => {
            let blocks = counted(blocks, "block");
            format!(", {large:.2} over {blocks} of more than 4 million gas")
        }
        None => String::new(),
    };
    Some(format!(
        "Speed-up: {mean:.2}, the geometric mean{large}; {least:.2} at worst."
    ))
}

/// How much it means that all of these blocks passed.
fn how_far(blocks: &[BlockOutcome]) -> &'static str {
    let mut executed = blocks.iter().filter_map(BlockOutcome::executed);
    if executed.all(Executed::has_state_root) {
        ", state roots included"
    } else {
        " in all that can be checked"
    }
}
