//! What one engine on one workload comes to: a line of `pleach bench --json`, and all that tables and reports are made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One engine with one number of workers, on one workload with one set of parameters.
///
/// # Examples
///
/// ```
/// use pleach_bench::row::Row;
///
/// let line = r#"{"workload":"payments","params":{"accounts":1000,"work":0},"engine":"pleach-exact","workers":2,
///     "transactions":10000,"runs":5,"tps":1.1e6,"tps_spread":[1.0e6,1.2e6],"speedup":1.86,"is_noisy":false}"#;
/// let row: Row = serde_json::from_str(line)?;
/// assert_eq!(row.params["accounts"], 1000);
/// assert_eq!(row.attempts_per_tx, None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The name of the workload, as `pleach bench` takes it.
    pub workload: String,
    /// Its parameters, by the names of the options that set them: those alone that mean something for it.
    pub params: BTreeMap<String, serde_json::Value>,
    /// The name of the engine, as `--engines` takes it.
    pub engine: String,
    /// How many threads it had.
    pub workers: usize,
    /// How many transactions the block has.
    pub transactions: usize,
    /// How many runs the figures of time are medians of; those that are counted in runs of their own, from attempts to times to
    /// commit, are medians of three.
    pub runs: usize,
    /// Transactions a second.
    pub tps: f64,
    /// Transactions a second in the slowest run and in the fastest.
    pub tps_spread: [f64; 2],
    /// Millions of gas a second, of an Ethereum block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mgas_per_s: Option<f64>,
    /// How many microseconds a read of the state really took, if it was asked to take any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_us: Option<f64>,
    /// How many times as fast as the plain loop.
    pub speedup: f64,
    /// Processor time of the whole process, in seconds, for each transaction; where the system tells it.
    pub cpu_s_per_tx: Option<f64>,
    /// How many cores were busy, on average; where the system tells it.
    pub cores_busy: Option<f64>,
    /// How often each transaction was executed, on average.
    pub attempts_per_tx: Option<f64>,
    /// How often memory was asked for, for each transaction; where that is counted.
    pub allocations_per_tx: Option<f64>,
    /// The most memory, in megabytes (10^6 bytes), that the engine had at a time, beside the state; where that is counted.
    pub peak_alloc_mb: Option<f64>,
    /// The most memory, in megabytes, that the whole process had during a run: with the state and with what other engines have
    /// left to the allocator; where the system tells it.
    pub peak_rss_mb: Option<f64>,
    /// Within so many microseconds from the beginning of the block half of the transactions were final.
    pub commit_p50_us: Option<f64>,
    /// The same for 99 of 100.
    pub commit_p99_us: Option<f64>,
    /// No schedule on so many workers is so many times as fast as the plain loop, if each transaction takes what it takes there,
    /// which is measured: because of the longest chain in the block's tree, or of the number of workers.
    pub bound: Option<f64>,
    /// The speed-up, as a share of that bound.
    pub efficiency: Option<f64>,
    /// Whether others had so much of the processors meanwhile that the figures say little.
    pub is_noisy: bool,
}
