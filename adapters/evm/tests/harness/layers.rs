//! The same blocks on states by height: some of what came before is in the store, the rest in memory above it.

use pleach::{Block, Changes, Executor, OnFailure, Outcome, SerialExecutor, Store, VersionedState};
use pleach_evm::{
    BlockVm, ChainSpec, EvmState, EvmStore, Key, Part, PreparedBlock, StateError, Transaction,
    Value,
};

use super::FIRST;

type State = VersionedState<Key, Value, EvmStore>;

/// Whether changes come to the same state. That an account has ceased to be an empty one from before EIP-161, because it was paid
/// a fee, is in the state as soon as it is applied, but with heights above it only when somebody looks at the account.
fn is_same(expected: &Changes<Key, Value>, found: &Changes<Key, Value>) -> bool {
    let of_found = found.iter().filter(|(key, value)| {
        let is_unmarked = value.is_none() && matches!(key, Key::Account(_, Part::Code));
        !is_unmarked || expected.get(key).is_some()
    });
    expected.iter().eq(of_found)
}

/// States that differ in how many heights stay in memory.
pub(crate) struct Layers(Vec<(u64, State)>);

impl Layers {
    pub(crate) fn new(state: &EvmState, spec: &ChainSpec) -> Result<Self, String> {
        let open = |kept: u64| {
            let store = EvmStore::new(state.clone(), FIRST - 1, spec);
            Ok((kept, VersionedState::open(store)?))
        };
        let states: Result<_, StateError> = [0, 1, u64::MAX].into_iter().map(open).collect();
        states.map(Self).map_err(|error| error.to_string())
    }

    /// Executes a block on each, which must come to what is expected.
    pub(crate) fn execute(
        &self,
        prepared: &PreparedBlock<'_>,
        transactions: &[Transaction],
        expected: &Outcome<BlockVm>,
    ) -> Result<(), String> {
        for (kept, state) in &self.0 {
            let snapshot = state.latest();
            let block = Block::new(prepared.vm(), &snapshot, transactions);
            let found = SerialExecutor::new().execute(block.on_failure(OnFailure::Skip));
            let found = found.map_err(|error| error.to_string())?;
            let lists = [expected, &found].map(|outcome| format!("{:#?}", outcome.transactions));
            if lists[0] != lists[1] || !is_same(&expected.changes, &found.changes) {
                return Err(format!(
                    "{kept} states in memory: expected {expected:#?}, found {found:#?}"
                ));
            }
            let changes: Changes<_, _> = found.changes.into_iter().collect();
            let height = state.commit(changes).saturating_sub(*kept);
            if height > state.first_height() {
                state.prune(height).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    /// What they come to, each with how many heights it had in memory.
    pub(crate) fn into_states(self) -> Result<Vec<(u64, EvmState)>, String> {
        let held = |(kept, state): (u64, State)| {
            let latest = state.height();
            state.prune(latest).map_err(|error| error.to_string())?;
            if state.store().height() != latest {
                return Err(format!("the store is behind {latest}"));
            }
            Ok((kept, state.store().with_state(EvmState::clone)))
        };
        self.0.into_iter().map(held).collect()
    }
}
