//! The limits of an Ethereum block.

use pleach::{LimitExceeded, Over, Rule, Verdict};

use crate::{
    transaction::{Output, Transaction},
    vm::BlockVm,
};

/// The gas limit of a block, and that of its blobs.
///
/// A transaction enters if all the gas that it may use is left; then what it used is counted.
#[derive(Clone, Debug)]
pub struct GasRule {
    gas: u64,
    blob_gas: u64,
    tx_gas_cap: u64,
    over: Over,
}

/// Which limit a transaction exceeds.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("its {what} limit of {} is more than the {} that the block has left", .exceeded.wanted, .exceeded.remaining)]
pub struct GasExceeded {
    what: &'static str,
    /// What the transaction wanted, and what was left.
    pub exceeded: LimitExceeded,
}

impl GasRule {
    /// The rule of a block with this gas limit, and with this limit for the gas of its blobs.
    #[must_use]
    pub fn new(gas_limit: u64, blob_gas_limit: u64) -> Self {
        Self {
            gas: gas_limit,
            blob_gas: blob_gas_limit,
            tx_gas_cap: u64::MAX,
            over: Over::Fatal,
        }
    }

    /// The most gas of one transaction that counts against the block's limit (EIP-7825 as of Amsterdam). Default: all.
    #[must_use]
    pub fn tx_gas_cap(mut self, cap: u64) -> Self {
        self.tx_gas_cap = cap;
        self
    }

    /// What becomes of a transaction that exceeds a limit. Default: [`Over::Fatal`], as a validator needs it.
    #[must_use]
    pub fn over(mut self, over: Over) -> Self {
        self.over = over;
        self
    }

    fn check(&self, what: &'static str, wanted: u64, remaining: u64) -> Verdict {
        if wanted <= remaining {
            return Verdict::Include;
        }
        let exceeded = LimitExceeded { wanted, remaining };
        let error = Box::new(GasExceeded { what, exceeded });
        match self.over {
            Over::Skip => Verdict::Skip(error),
            Over::SkipRest => Verdict::SkipRest(error),
            Over::Fatal => Verdict::Fatal(error),
        }
    }
}

impl Rule<BlockVm> for GasRule {
    fn admit(&self, _: usize, transaction: &Transaction) -> Verdict {
        let gas = transaction.gas_limit().min(self.tx_gas_cap);
        match self.check("gas", gas, self.gas) {
            Verdict::Include => self.check("blob gas", transaction.blob_gas(), self.blob_gas),
            refused => refused,
        }
    }

    fn record(&mut self, _: usize, transaction: &Transaction, output: &Output) {
        if let Some(execution) = output.execution() {
            self.gas = self.gas.saturating_sub(execution.block_gas_used);
            self.blob_gas = self.blob_gas.saturating_sub(transaction.blob_gas());
        }
    }
}
