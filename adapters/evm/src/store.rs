//! Ethereum's accounts as what lies below the blocks that a [`VersionedState`](pleach::VersionedState) keeps.

use alloy_hardforks::EthereumHardforks;
use parking_lot::RwLock;
use pleach::{State, Store, Writes};

use crate::{
    key::Key,
    spec::ChainSpec,
    state::{EvmState, StateError, StateUnder},
    value::Value,
};

/// An [`EvmState`] as a [`Store`], in memory. Heights are block numbers.
///
/// Blocks before EIP-161 and after it do not mean the same by an account that is empty, so a store serves either those before
/// it (Spurious Dragon, block 2,675,000 of mainnet) or those from there on. Where a chain comes to it, the state goes into a
/// new store.
///
/// # Examples
///
/// ```
/// use pleach::VersionedState;
/// use pleach_evm::{EvmStore, sample};
///
/// let chain = sample::chain();
/// let state = VersionedState::open(EvmStore::new(chain.genesis, 0, &chain.spec))?;
/// assert_eq!(state.height(), 0);
/// # Ok::<(), pleach_evm::StateError>(())
/// ```
#[derive(Debug)]
pub struct EvmStore {
    /// Whether empty accounts do not exist.
    clearing: bool,
    held: RwLock<(u64, EvmState)>,
}

impl EvmStore {
    /// A store that holds what the block with this number has left.
    #[must_use]
    pub fn new(state: EvmState, number: u64, spec: &ChainSpec) -> Self {
        Self {
            clearing: is_clearing_after(number, spec),
            held: RwLock::new((number, state)),
        }
    }

    /// Looks at what it holds. It takes no new heights meanwhile.
    pub fn with_state<T>(&self, look: impl FnOnce(&EvmState) -> T) -> T {
        look(&self.held.read().1)
    }
}

/// Whether empty accounts do not exist for the block after this one.
pub(crate) fn is_clearing_after(number: u64, spec: &ChainSpec) -> bool {
    spec.is_spurious_dragon_active_at_block(number.saturating_add(1))
}

impl State<Key, Value> for EvmStore {
    type Error = StateError;

    fn get(&self, key: &Key) -> Result<Option<Value>, StateError> {
        let (_, state) = &*self.held.read();
        let clearing = self.clearing;
        StateUnder { state, clearing }.get(key)
    }
}

impl Store<Key, Value> for EvmStore {
    fn height(&self) -> u64 {
        self.held.read().0
    }

    fn advance(&self, height: u64, mut changes: Writes<Key, Value>) -> Result<(), StateError> {
        changes.sort_unstable_by_key(|(key, _)| *key);
        let (at, state) = &mut *self.held.write();
        state.apply_sorted(&changes, self.clearing);
        *at = height;
        Ok(())
    }
}
