//! The bloom filters of receipts: made while the block executes, as transactions become final, or after that.

use std::vec;

use alloy_primitives::{
    B256, Bloom, Log, keccak256,
    map::{AddressMap, B256Map},
};
use pleach::TxOutcome;
use rayon::prelude::*;

use crate::{
    receipt::Receipt,
    transaction::{Output, TransactionError},
};

/// So many logs are worth waking other threads for: that takes some tens of microseconds.
const MANY_LOGS: usize = 256;

/// So many logs at a time are one thread's: a single transaction may have left nearly all of a block's.
const SOME_LOGS: usize = 64;

/// Makes filters, and keeps what goes into them: most logs of a block are of a few contracts, and of a few kinds.
#[derive(Default)]
struct Blooms {
    addresses: AddressMap<B256>,
    topics: B256Map<B256>,
}

impl Blooms {
    /// The filter of these logs.
    fn of(&mut self, logs: &[Log]) -> Bloom {
        let mut bloom = Bloom::ZERO;
        for log in logs {
            let address = self.addresses.entry(log.address);
            bloom.m3_2048_hashed(address.or_insert_with_key(|word| keccak256(word)));
            for topic in log.topics() {
                let topic = self.topics.entry(*topic);
                bloom.m3_2048_hashed(topic.or_insert_with_key(|word| keccak256(word)));
            }
        }
        bloom
    }
}

/// Filters that are made by whoever commits, while others execute: of what has left some logs. The filter of very many is made at the
/// end, by all.
#[derive(Default)]
pub(crate) struct StreamedBlooms {
    blooms: Blooms,
    /// By step of the block.
    made: Vec<(usize, Bloom)>,
}

impl StreamedBlooms {
    /// Makes the filter of a step that has become final, if it is worth it now.
    pub(crate) fn push(&mut self, step: usize, outcome: &TxOutcome<Output, TransactionError>) {
        if let TxOutcome::Executed(Output::Executed(execution)) = outcome
            && (1..=SOME_LOGS).contains(&execution.logs.len())
        {
            self.made.push((step, self.blooms.of(&execution.logs)));
        }
    }

    /// The filters, for who goes through the steps in order.
    pub(crate) fn into_made(self) -> MadeBlooms {
        MadeBlooms(self.made.into_iter())
    }
}

/// Filters of some steps, in their order.
pub(crate) struct MadeBlooms(vec::IntoIter<(usize, Bloom)>);

impl MadeBlooms {
    /// The filter of the next step, if it was made.
    pub(crate) fn of(&mut self, step: usize) -> Option<Bloom> {
        let (next, _) = self.0.as_slice().first()?;
        if *next == step {
            self.0.next().map(|(_, bloom)| bloom)
        } else {
            None
        }
    }
}

/// Makes the filters of the receipts in these places, on all of rayon's threads if they have many logs.
pub(crate) fn fill(receipts: &mut [Receipt], places: &[usize]) {
    let pieces = places.iter().flat_map(|place| {
        let logs = receipts[*place].receipt.logs.chunks(SOME_LOGS);
        logs.map(move |logs| (*place, logs))
    });
    let pieces: Vec<(usize, &[Log])> = pieces.collect();
    let logs: usize = pieces.iter().map(|(_, logs)| logs.len()).sum();
    let of = |blooms: &mut Blooms, (place, logs): (usize, &[Log])| (place, blooms.of(logs));
    let made: Vec<(usize, Bloom)> = if logs < MANY_LOGS {
        let mut blooms = Blooms::default();
        let pieces = pieces.into_iter();
        pieces.map(|piece| of(&mut blooms, piece)).collect()
    } else {
        let pieces = pieces.into_par_iter();
        pieces.map_init(Blooms::default, of).collect()
    };
    for (place, bloom) in made {
        receipts[place].logs_bloom |= bloom;
    }
}

#[cfg(test)]
mod tests {
    use alloy_consensus::{EthereumReceipt, TxReceipt, TxType};
    use alloy_primitives::{Address, Bytes};

    use super::*;
    use crate::transaction::Execution;

    fn log(address: u8, topics: &[u8]) -> Log {
        let topics = topics.iter().map(|topic| B256::repeat_byte(*topic));
        let address = Address::repeat_byte(address);
        Log::new(address, topics.collect(), Bytes::new()).expect("there are four topics at most")
    }

    fn logs(many: usize) -> Vec<Vec<Log>> {
        vec![
            vec![log(1, &[1, 2]), log(2, &[]), log(1, &[2, 3, 1])],
            vec![],
            vec![log(2, &[2]), log(3, &[1, 4, 5, 6])],
            (0..many)
                .map(|number| log(number as u8, &[number as u8]))
                .collect(),
            vec![log(7, &[8])],
        ]
    }

    fn receipt(logs: Vec<Log>) -> EthereumReceipt {
        EthereumReceipt {
            tx_type: TxType::Eip1559,
            success: true,
            cumulative_gas_used: 21_000,
            logs,
        }
    }

    #[test]
    fn all_filters_are_those_of_the_logs_whenever_they_are_made() {
        for many in [SOME_LOGS, SOME_LOGS + 1, MANY_LOGS] {
            let mut streamed = StreamedBlooms::default();
            for (step, logs) in logs(many).into_iter().enumerate() {
                let execution = Execution {
                    success: true,
                    gas_used: 21_000,
                    block_gas_used: 21_000,
                    state_gas_used: 0,
                    logs,
                    output: Bytes::new(),
                };
                let outcome = TxOutcome::Executed(Output::Executed(execution));
                streamed.push(step, &outcome);
            }
            assert_eq!(streamed.made.len(), if many > SOME_LOGS { 3 } else { 4 });
            let mut streamed = streamed.into_made();
            let mut left = Vec::new();
            let mut receipts = Vec::new();
            for (step, logs) in logs(many).into_iter().enumerate() {
                let bloom = streamed.of(step);
                if bloom.is_none() {
                    left.push(step);
                }
                receipts.push(Receipt {
                    logs_bloom: bloom.unwrap_or_default(),
                    receipt: receipt(logs),
                });
            }
            fill(&mut receipts, &left);
            for receipt in &receipts {
                assert_eq!(receipt.logs_bloom, receipt.receipt.bloom());
            }
        }
    }
}
