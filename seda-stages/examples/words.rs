//! A small pipeline: lines are split on all cores, counted in order, and written by a stage that may block.
//!
//! ```sh
//! cargo run --release -p seda-stages --example words [FILE]     # this file, if none is given
//! ```
//!
//! It also writes `words-trace.json` to the folder for temporary files: open it at <https://ui.perfetto.dev>.

use std::{collections::BTreeMap, convert::Infallible, error::Error, fs::File, io, time::Duration};

use seda_stages::{Pipeline, QueueThreads, Refusal, Settings, SmallestBatch, Stage, from_fn};

/// One line of text, and its place.
struct Line {
    number: usize,
    text: String,
}

/// Keeps the count of all words so far. It is in order, so every run comes to the same.
#[derive(Default)]
struct Count(BTreeMap<String, usize>);

impl Stage for Count {
    type In = (usize, Vec<String>);
    type Out = (usize, usize, usize);
    type Error = Infallible;

    fn handle(&mut self, (number, words): Self::In) -> Result<Self::Out, Infallible> {
        let all = words.len();
        for word in words {
            *self.0.entry(word).or_default() += 1;
        }
        Ok((number, all, self.0.len()))
    }
}

fn split(Line { number, text }: Line) -> Result<(usize, Vec<String>), String> {
    if text.contains('\0') {
        return Err(format!("line {number} is not text"));
    }
    let words = text.to_lowercase();
    let words = words.split(|char: char| !char.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    Ok((number, words.map(str::to_owned).collect()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let text = match std::env::args().nth(1) {
        Some(path) => std::fs::read_to_string(path)?,
        None => include_str!("words.rs").to_owned(),
    };

    // A disk that takes its time.
    let write = from_fn(|counted: (usize, usize, usize)| {
        std::thread::sleep(Duration::from_micros(100));
        Ok::<_, io::Error>(counted)
    });
    let pipeline = Pipeline::builder()
        .stage(
            "split",
            Settings::new().queue(64).batch(SmallestBatch::up_to(16)),
            from_fn(split),
        )
        .stage(
            "count",
            Settings::new().queue(64).in_order(),
            Count::default,
        )
        .stage(
            "write",
            Settings::new()
                .own_threads()
                .concurrency(QueueThreads::new(1, 4))
                .order_restored(),
            write,
        )
        .timeline(100_000)
        .name("words")
        .build()?;

    let mut tickets = Vec::new();
    for (number, text) in text.lines().enumerate() {
        let line = Line {
            number,
            text: text.to_owned(),
        };
        // Refused events come back: a server would say "busy" here. This program has time.
        let ticket = match pipeline.try_submit(line) {
            Ok(ticket) => ticket,
            Err(refused) if refused.reason == Refusal::Full => pipeline.submit(refused.event)?,
            Err(refused) => return Err(refused.into()),
        };
        tickets.push(ticket);
    }
    let mut last = (0, 0, 0);
    for ticket in tickets {
        match ticket.wait() {
            Ok(counted) => last = counted,
            Err(error) => println!("{error}"),
        }
    }
    let summary = pipeline.drain();
    println!("{} lines, {} different words", summary.completed, last.2);
    for stage in pipeline.snapshot().stages {
        println!(
            "{:>6}: waited {:>9.1?} (p99 {:>9.1?}), served in {:>9.1?}, {:.1} events a batch",
            stage.name,
            stage.work.waiting.quantile_time(0.5),
            stage.work.waiting.quantile_time(0.99),
            stage.work.service.quantile_time(0.5),
            stage.work.batches.mean(),
        );
    }
    let path = std::env::temp_dir().join("words-trace.json");
    let timeline = pipeline.timeline().expect("it was asked for");
    timeline.write_chrome_trace(io::BufWriter::new(File::create(&path)?))?;
    println!("{} batches in {}", timeline.slices().len(), path.display());
    Ok(())
}
