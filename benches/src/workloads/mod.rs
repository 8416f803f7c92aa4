//! What is executed: blocks, the state that they begin on, and what their transactions mean, written once for all engines.
//!
//! | file | what |
//! | --- | --- |
//! | `access.rs` | how transactions read and write, and the state of the plain loop |
//! | `payments.rs` | payments of three keys, after the Block-STM paper; deposits to and withdrawals from one account |
//! | `wide.rs` | payments that read more than they need, as those of Diem and Aptos do |
//! | `hot.rs` | a mint's counter; chains of transactions |
//! | `smallbank.rs` | `SmallBank` |
//! | `ycsb.rs`, `scan.rs` | YCSB: reads and updates; scans and inserts |
//! | `tpcc.rs` | new orders and payments after TPC-C |
//! | `zipf.rs` | keys of which some are asked for more often |
//! | `setting.rs` | their names and parameters |
//!
//! A seed fixes everything. Another workload is another [`Workload`], and a name in `setting.rs`.

mod access;
mod hot;
mod payments;
mod scan;
mod setting;
mod smallbank;
mod tpcc;
mod wide;
mod ycsb;
mod zipf;

use pleach::{AccessSet, Value};

pub use access::{Access, Map, Ordered, Table};
pub(crate) use access::{InPlace, ends};
pub use hot::{Chain, Mint};
pub use payments::{Balances, Payments, Shape};
pub use scan::Scans;
pub use setting::{Kind, Param, Setting, Visitor};
pub use smallbank::SmallBank;
pub use tpcc::Tpcc;
pub use wide::{WidePayments, Width};
pub use ycsb::{Mix, Ycsb};

use crate::payments::key;

/// Keys have 32 bytes.
pub type Key = crate::payments::Key;

/// What a transaction gives; nothing if it failed, and then it has changed nothing.
pub type Output = Option<u64>;

/// Blocks of one kind.
pub trait Workload: Sync {
    /// What a block is made of.
    type Transaction: Send + Sync;
    /// What the state holds.
    type Value: Value + 'static;
    /// What the plain loop has the state in: [`Map`], or [`Ordered`] if there are scans.
    type Table: Table<Self::Value> + 'static;

    /// Puts what is there in the beginning.
    fn begin(&self, put: &mut dyn FnMut(Key, Self::Value));

    /// A block: always the same.
    fn block(&self) -> Vec<Self::Transaction>;

    /// How much each transaction does beside reading and writing: so many rounds of [`work`](crate::payments::work).
    fn rounds(&self) -> u32;

    /// All that a transaction will touch.
    fn accesses(&self, transaction: &Self::Transaction, set: &mut AccessSet<Key>);

    /// Executes a transaction.
    ///
    /// # Errors
    ///
    /// What the state says, which is to be passed on at once.
    fn execute<A: Access<Self::Value>>(
        &self,
        transaction: &Self::Transaction,
        state: &mut A,
    ) -> Result<Output, A::Stop>;

    /// The same in place: to be written by those who can do it with fewer look-ups.
    fn execute_in_place(&self, transaction: &Self::Transaction, state: &mut Self::Table) -> Output {
        let Ok(output) = self.execute(transaction, &mut InPlace(state));
        output
    }
}
