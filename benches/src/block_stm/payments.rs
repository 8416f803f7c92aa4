//! Payments, with the same reads, work and writes as on the other engines.

use super::{Access, Blocked, Program};
use crate::payments::{Key, Payment, work};

/// Executes payments.
#[derive(Clone, Copy, Debug)]
pub struct Payments {
    /// So many rounds of work for each.
    pub rounds: u32,
}

impl Program for Payments {
    type Transaction = Payment;
    type Key = Key;
    type Value = u64;
    type Output = bool;

    fn execute<A: Access<Key, u64>>(
        &self,
        payment: &Payment,
        state: &mut A,
    ) -> Result<bool, Blocked> {
        let balance = state.read(&payment.sender)?.unwrap_or_default();
        let sequence = state.read(&payment.sequence)?.unwrap_or_default();
        let receiver = state.read(&payment.receiver)?.unwrap_or_default();
        work(balance, self.rounds);
        let Some(left) = balance.checked_sub(1) else {
            return Ok(false);
        };
        state.write(payment.sender, left);
        state.write(payment.sequence, sequence + 1);
        state.write(payment.receiver, receiver + 1);
        Ok(true)
    }
}
