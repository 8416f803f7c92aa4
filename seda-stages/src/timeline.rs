//! A run as a picture: which worker handled which batch, and when.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    io::{self, Write},
};

use crate::sync::{Arc, Mutex, lock};

/// One batch on one worker. Times are in nanoseconds since the start of the pipeline's clock.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Slice {
    /// The stage's place in the pipeline.
    pub stage: usize,
    /// The worker, counted from zero.
    pub worker: usize,
    /// When it began.
    pub begin: u64,
    /// When it ended.
    pub end: u64,
    /// How many events it had.
    pub events: usize,
    /// How many were left in the queue when it began.
    pub left: usize,
}

/// The last batches of a pipeline that was built with a [`timeline`](crate::Builder::timeline).
///
/// ```
/// use seda_stages::{Pipeline, Settings, from_fn};
///
/// let pipeline = Pipeline::builder()
///     .stage("double", Settings::new(), from_fn(|number: u32| Ok::<_, std::io::Error>(2 * number)))
///     .timeline(1_000)
///     .build()?;
/// assert_eq!(pipeline.submit(4)?.wait()?, 8);
/// pipeline.drain();
/// let timeline = pipeline.timeline().expect("it was asked for");
/// assert_eq!(timeline.slices()[0].events, 1);
/// let mut trace = Vec::new();
/// timeline.write_chrome_trace(&mut trace)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Timeline {
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) slices: Vec<Slice>,
    pub(crate) forgotten: u64,
}

impl Timeline {
    /// The batches, in the order in which they ended.
    #[must_use]
    pub fn slices(&self) -> &[Slice] {
        &self.slices
    }

    /// How many earlier batches were forgotten, because there was no room for them.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Writes it in the Chrome trace format, which <https://ui.perfetto.dev> and `chrome://tracing` open: a row for each
    /// worker, and a curve for the length of each queue.
    pub fn write_chrome_trace(&self, mut out: impl Write) -> io::Result<()> {
        out.write_all(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n")?;
        let workers = self.slices.iter().map(|slice| slice.worker).max();
        for worker in 0..=workers.unwrap_or(0) {
            let thread = thread(worker);
            writeln!(
                out,
                r#"{{"ph":"M","pid":1,"tid":{thread},"name":"thread_name","args":{{"name":"worker {worker}"}}}},"#
            )?;
        }
        for slice in &self.slices {
            let name = json_string(&self.names[slice.stage]);
            let queue = json_string(&format!("queue of {}", self.names[slice.stage]));
            let Slice { events, left, .. } = slice;
            let thread = thread(slice.worker);
            let (begin, length) = (
                microseconds(slice.begin),
                microseconds(slice.end.saturating_sub(slice.begin)),
            );
            writeln!(
                out,
                r#"{{"ph":"X","pid":1,"tid":{thread},"ts":{begin},"dur":{length},"name":{name},"cat":"stage","args":{{"events":{events}}}}},"#
            )?;
            writeln!(
                out,
                r#"{{"ph":"C","pid":1,"ts":{begin},"name":{queue},"args":{{"events":{left}}}}},"#
            )?;
        }
        out.write_all(br#"{"ph":"M","pid":1,"name":"process_name","args":{"name":"pipeline"}}"#)?;
        out.write_all(b"\n]}\n")?;
        out.flush()
    }
}

/// The number of a worker's thread. Perfetto shows nothing of thread 0, which is no program's, and takes the one that has the number
/// of the process for its main thread.
fn thread(worker: usize) -> usize {
    worker + 2
}

/// With three digits behind the point, and exact.
fn microseconds(nanoseconds: u64) -> String {
    format!("{}.{:03}", nanoseconds / 1000, nanoseconds % 1000)
}

fn json_string(text: &str) -> String {
    let mut json = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => json.extend(['\\', char]),
            control if control < ' ' => {
                let written = write!(json, "\\u{:04x}", u32::from(control));
                written.expect("strings take everything");
            }
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

/// Keeps the last batches.
#[derive(Debug)]
pub(crate) struct Recorder {
    most: usize,
    state: Mutex<(VecDeque<Slice>, u64)>,
}

impl Recorder {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            state: Mutex::new((VecDeque::new(), 0)),
        }
    }

    pub(crate) fn record(&self, slice: Slice) {
        let (slices, forgotten) = &mut *lock(&self.state);
        if slices.len() == self.most {
            slices.pop_front();
            *forgotten += 1;
        }
        slices.push_back(slice);
    }

    pub(crate) fn to_timeline(&self, names: Vec<Arc<str>>) -> Timeline {
        let (slices, forgotten) = &*lock(&self.state);
        Timeline {
            names,
            slices: slices.iter().cloned().collect(),
            forgotten: *forgotten,
        }
    }
}
