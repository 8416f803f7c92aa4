//! Makes scenarios small.

use alloy_primitives::{Bytes, U256};
use pleach::testkit::Shrinking;

use super::{
    Scenario,
    request::{Kind, Request, Value},
};

/// The smallest scenario that is found from this one by leaving things out and making them simpler, for which `shows` still says
/// yes; it asks at most `most` times.
///
/// Blocks and transactions go first, then what transactions have, then accounts and what they have. Whoever sends a transaction
/// does so with the nonce that it has then, so that those that stay are as valid as they were.
///
/// # Examples
///
/// ```
/// use pleach_evm::testkit::{from_seed, shrink};
///
/// let small = shrink(&from_seed(1), 10_000, |scenario| {
///     scenario.blocks.iter().flatten().any(|request| request.from == 0)
/// });
/// assert_eq!(small.blocks.iter().flatten().count(), 1);
/// assert!(small.accounts.is_empty());
/// ```
pub fn shrink(scenario: &Scenario, most: usize, shows: impl FnMut(&Scenario) -> bool) -> Scenario {
    let mut scenarios = Scenarios(Shrinking::new(scenario.clone(), most, shows));
    while scenarios.pass() {}
    scenarios.0.into_best()
}

struct Scenarios<F>(Shrinking<Scenario, F>);

impl<F: FnMut(&Scenario) -> bool> Scenarios<F> {
    fn best(&self) -> &Scenario {
        self.0.best()
    }

    fn keep(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        self.0.keep(change)
    }

    /// Tries everything once; whether anything helped. All changes go one way, so this comes to an end.
    fn pass(&mut self) -> bool {
        let mut helped = false;
        let mut block = 0;
        while block < self.best().blocks.len() {
            if self.keep(|scenario| drop(scenario.blocks.remove(block))) {
                helped = true;
                continue;
            }
            helped |= self.0.leave_out(|scenario| &mut scenario.blocks[block]);
            for request in 0..self.best().blocks[block].len() {
                helped |= self.request(block, request);
            }
            block += 1;
        }
        let addresses: Vec<_> = self.best().accounts.keys().copied().collect();
        for address in addresses {
            if self.keep(|scenario| drop(scenario.accounts.remove(&address))) {
                helped = true;
                continue;
            }
            let mut of = |change: fn(&mut super::Before)| {
                self.keep(|scenario| {
                    scenario.accounts.entry(address).and_modify(change);
                })
            };
            helped |= of(|before| before.storage.clear());
            helped |= of(|before| before.code = Bytes::new());
            helped |= of(|before| before.balance = U256::ZERO);
            helped |= of(|before| before.nonce = 0);
        }
        let new = Scenario::new(self.best().fork);
        helped |= self.keep(|scenario| scenario.coinbase = new.coinbase);
        helped |= self.keep(|scenario| scenario.gas_limit = new.gas_limit);
        helped |= self.keep(|scenario| scenario.over = new.over);
        helped |= self.keep(|scenario| scenario.on_failure = new.on_failure);
        helped | self.keep(|scenario| scenario.base_fee = 0)
    }

    /// Makes a transaction simpler.
    fn request(&mut self, block: usize, number: usize) -> bool {
        let mut of = |change: fn(&mut Request)| {
            self.keep(|scenario| change(&mut scenario.blocks[block][number]))
        };
        of(|request| request.kind = Kind::Legacy)
            | of(|request| request.value = Value::Wei(U256::ZERO))
            | of(|request| request.nonce_off = 0)
            | of(|request| request.tip = 0)
            | of(|request| {
                if request.to.is_some() {
                    request.data = Bytes::new();
                }
            })
    }
}
