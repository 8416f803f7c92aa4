//! From a block to its tree and its costs: what `pleach dtt` and `pleach simulate` look at.

use std::time::Duration;

use pleach::{AccessSet, CancelToken, SerialExecutor, Trust, dtt::OpenTree};
use pleach_evm::{EvmBlock, EvmState, Key, PreparedBlock};

use crate::{input::Parts, stopped::Stopped};

/// How often a block is executed to find out what its transactions cost: the least time counts, as all else is noise.
const TIMED_RUNS: usize = 5;

/// A block, taken apart.
pub(crate) struct Analysed {
    pub(crate) number: u64,
    pub(crate) fork: &'static str,
    pub(crate) gas_used: u64,
    pub(crate) open: OpenTree<Key>,
    /// What each transaction costs, in nanoseconds.
    pub(crate) costs: Vec<u64>,
}

/// Analyses the blocks of a file for which `wanted` says so, in their order, and gives each to `sink`, which says whether
/// to go on. Other blocks of a chain are just executed.
pub(crate) fn analyse_all(
    parts: Parts,
    cancel: &CancelToken,
    wanted: impl Fn(&EvmBlock) -> bool,
    mut sink: impl FnMut(u64, Result<Analysed, Stopped>) -> bool,
) {
    let Parts {
        spec,
        mut state,
        blocks,
        whole,
    } = parts;
    for block in &blocks {
        let number = block.header.number;
        let prepared = match block.prepare(&spec) {
            Ok(prepared) => prepared,
            Err(error) => {
                sink(number, Err(error.into()));
                return;
            }
        };
        if wanted(block) {
            let analysed = analyse(&prepared, &state, cancel);
            let failed = analysed.is_err();
            let analysed = analysed.map(|mut analysed| {
                analysed.fork = spec.fork_name(number, block.header.timestamp);
                analysed
            });
            if !sink(number, analysed) || failed {
                return;
            }
        }
        if whole {
            match prepared.execute(&SerialExecutor::new(), &state, cancel) {
                Ok(result) => prepared.apply(&result, &mut state),
                Err(error) => {
                    sink(number, Err(error.into()));
                    return;
                }
            }
            state.insert_block_hash(number, block.hash);
        }
    }
}

fn analyse(
    prepared: &PreparedBlock<'_>,
    state: &EvmState,
    cancel: &CancelToken,
) -> Result<Analysed, Stopped> {
    let (result, sets) = prepared.record(state, cancel)?;
    let mut times = vec![Duration::MAX; sets.len()];
    for _ in 0..TIMED_RUNS {
        let (_, run) = prepared.time(state, cancel)?;
        for (least, time) in times.iter_mut().zip(run) {
            *least = time.min(*least);
        }
    }
    Ok(Analysed {
        number: prepared.block().header.number,
        fork: "",
        gas_used: result.gas_used,
        open: tree(&sets)?,
        costs: times.iter().map(|time| nanoseconds(*time)).collect(),
    })
}

fn tree(sets: &[AccessSet<Key>]) -> Result<OpenTree<Key>, Stopped> {
    let mut open = OpenTree::new();
    for set in sets {
        open.push(set, Trust::Predicted)
            .map_err(|error| Stopped::Failed(error.to_string()))?;
    }
    Ok(open)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
