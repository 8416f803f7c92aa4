//! What `pleach bench` has measured, as one page that needs nothing else: no network, no script.
//!
//! | file | what |
//! | --- | --- |
//! | `page.rs`, `page.css` | the page around the charts, and its tables |
//! | `figures.rs` | which charts there are, and what is simulated |
//! | `plot.rs` | a chart of curves |
//! | `lanes.rs` | timelines and times to commit |
//! | `sample.rs` | a block seen from near: its tree, costs and attempts |
//! | `text.rs` | what is safe to write |

mod figures;
mod lanes;
mod page;
mod plot;
mod sample;
mod text;

pub use sample::{Attempt, Sample, SampleError, Timeline};

use crate::row::Row;

/// The parameters that make transactions meet more or less often.
pub const CONTENTION: [&str; 7] = [
    "accounts",
    "hot",
    "zipf",
    "distance",
    "updates",
    "warehouses",
    "kind",
];

/// All that goes into the page. The same always gives the same text.
///
/// # Examples
///
/// ```
/// use pleach_bench::{report::Report, row::Row};
///
/// let line = r#"{"workload":"payments","params":{"accounts":1000},"engine":"plain","workers":1,"transactions":10000,
///     "runs":5,"tps":1.1e6,"tps_spread":[1.0e6,1.2e6],"speedup":1.0,"is_noisy":false}"#;
/// let rows = [serde_json::from_str::<Row>(line)?];
/// let page = Report::new(&rows).command("pleach bench payments").html();
/// assert!(page.starts_with("<!doctype html>") && page.contains("pleach bench payments"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Report<'a> {
    rows: &'a [Row],
    samples: &'a [Sample],
    pictured: Option<(&'a Sample, &'a [Timeline])>,
    facts: &'a [(String, String)],
    command: &'a str,
}

impl<'a> Report<'a> {
    /// A page of these rows. Rows of one block, which have the same workload and parameters, are shown together.
    pub fn new(rows: &'a [Row]) -> Self {
        Self {
            rows,
            samples: &[],
            pictured: None,
            facts: &[],
            command: "",
        }
    }

    /// Blocks of which more workers are simulated than were measured.
    pub fn samples(mut self, samples: &'a [Sample]) -> Self {
        self.samples = samples;
        self
    }

    /// A small block of which the tree is shown, and what workers did when they executed it.
    pub fn pictured(mut self, sample: &'a Sample, timelines: &'a [Timeline]) -> Self {
        self.pictured = Some((sample, timelines));
        self
    }

    /// What else there is to say of the measurement, such as the machine, and what it is called.
    pub fn facts(mut self, facts: &'a [(String, String)]) -> Self {
        self.facts = facts;
        self
    }

    /// What measures it again.
    pub fn command(mut self, command: &'a str) -> Self {
        self.command = command;
        self
    }

    /// The page.
    #[must_use]
    pub fn html(&self) -> String {
        page::write(self)
    }
}

#[cfg(test)]
mod tests;
