//! What a node does with a block of payments, and how blocks are written.

use std::{sync::Arc, time::Instant};

use parking_lot::Mutex;
use pleach::{
    Analysis, Block, CancelToken, ExecuteError, Executor, ParallelExecutor, State,
    pipeline::{Executed, Node},
};

use crate::{
    engines::Native,
    payments::{Key, Numbers, Payment, payment, work},
    workloads::Payments,
};

/// Blocks come as bytes: which block it follows, which one it is, and pairs of accounts.
pub(super) struct PaymentsNode {
    pub(super) vm: Native<Payments>,
    pub(super) rounds: u32,
    /// When each block became final, the first one first.
    pub(super) finished: Arc<Mutex<Vec<Instant>>>,
}

/// A block of payments.
pub(super) struct PaymentsBlock {
    parent: u64,
    id: u64,
    pub(super) payments: Vec<Payment>,
    /// What they touch, and the plan that comes of it.
    analysis: Option<Analysis<Native<Payments>>>,
}

/// Why a block is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// It ends somewhere else.
    #[error("{0} bytes are no block")]
    Length(usize),
    /// It was not executed.
    #[error("it is not executed")]
    Execute(#[from] ExecuteError),
}

/// The place of a block, its parent before it.
const HEADER: usize = 2;

/// Writes a block of payments between accounts that are drawn uniformly.
pub(super) fn write(transactions: usize, accounts: u32, seed: u64) -> Vec<u8> {
    let mut numbers = Numbers::new(seed);
    let bound = u64::from(accounts);
    let payments = (0..transactions).map(|_| {
        let from = numbers.below(bound);
        let to = (from + 1 + numbers.below(bound - 1)) % bound;
        from << 32 | to
    });
    let words = [0; HEADER].into_iter().chain(payments);
    words.flat_map(u64::to_le_bytes).collect()
}

/// Says which block it is.
pub(super) fn put_place(block: &mut [u8], id: u64) {
    for (bytes, word) in block.chunks_exact_mut(8).zip([id - 1, id]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
}

/// What can be looked at without the state takes as long as a payment does.
pub(super) fn check(payment: &Payment, rounds: u32) {
    work(u64::from(payment.sender[0]), rounds);
}

impl Node for PaymentsNode {
    type Key = Key;
    type Value = u64;
    type Input = Vec<u8>;
    type Block = PaymentsBlock;
    type Id = u64;
    /// How many payments were made.
    type Output = usize;
    type Error = NodeError;

    fn decode(&self, bytes: Vec<u8>) -> Result<PaymentsBlock, NodeError> {
        let (words, []) = bytes.as_chunks() else {
            return Err(NodeError::Length(bytes.len()));
        };
        let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
        let (Some(parent), Some(id)) = (words.next(), words.next()) else {
            return Err(NodeError::Length(bytes.len()));
        };
        let payments = words.map(|pair| payment(pair >> 32, pair & u64::from(u32::MAX)));
        Ok(PaymentsBlock {
            parent,
            id,
            payments: payments.collect(),
            analysis: None,
        })
    }

    fn check(&self, block: &mut PaymentsBlock) -> Result<(), NodeError> {
        for payment in &block.payments {
            check(payment, self.rounds);
        }
        Ok(())
    }

    fn parent(&self, block: &PaymentsBlock) -> u64 {
        block.parent
    }

    fn id(&self, block: &PaymentsBlock) -> u64 {
        block.id
    }

    fn keys(&self, block: &PaymentsBlock) -> Vec<Key> {
        block
            .analysis
            .as_ref()
            .map(Analysis::keys)
            .unwrap_or_default()
    }

    fn analyse(&self, block: &mut PaymentsBlock, executor: &ParallelExecutor) {
        block.analysis = Some(executor.analyse(&self.vm, &block.payments, &[]));
    }

    fn execute<S: State<Key, u64>>(
        &self,
        block: &mut PaymentsBlock,
        state: &S,
        executor: &ParallelExecutor,
        cancel: &CancelToken,
    ) -> Result<Executed<Self>, NodeError> {
        let mut payments = Block::new(&self.vm, state, &block.payments).cancel(cancel);
        if let Some(analysis) = block.analysis.take() {
            payments = payments.analysed(analysis);
        }
        let outcome = executor.execute(payments)?;
        let made = outcome.transactions.iter();
        let made = made.filter(|outcome| matches!(outcome.output(), Some(Some(_))));
        Ok((made.count(), outcome.changes))
    }

    fn committed(&self, _: u64, _: &usize) {
        self.finished.lock().push(Instant::now());
    }
}
