//! Names of workloads, and their parameters.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use serde_json::Value as Json;

use super::{
    Balances, Chain, Mint, Mix, Payments, Scans, Shape, SmallBank, Tpcc, WidePayments, Width,
    Workload, Ycsb,
};

/// Which workload.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// [`Payments`] between anybody.
    Payments,
    /// [`WidePayments`] as wide as those of Aptos.
    PaymentsAptos,
    /// [`WidePayments`] as wide as those of Diem.
    PaymentsDiem,
    /// [`Mint`].
    Mint,
    /// [`Payments`], many of them to one account.
    Deposits,
    /// [`Payments`], all of them from one account.
    Withdrawals,
    /// [`Chain`].
    Chain,
    /// [`SmallBank`].
    SmallBank,
    /// [`Ycsb`].
    Ycsb,
    /// [`Scans`].
    YcsbScan,
    /// [`Tpcc`].
    Tpcc,
}

/// What can be set, by the option that does it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Param {
    /// How many transactions a block has.
    Txs,
    /// How many accounts, customers or records there are.
    Accounts,
    /// How much each transaction does beside reading and writing.
    Work,
    /// How long the state takes for a read.
    LatencyUs,
    /// How uneven records are asked for.
    Zipf,
    /// How many of a hundred payments go to one account.
    Hot,
    /// Whether balances are values or adds.
    Balances,
    /// How far apart the links of a chain are.
    Distance,
    /// How many of ten records are changed.
    Updates,
    /// How many warehouses there are.
    Warehouses,
    /// What the transactions of an Ethereum block have in common.
    Kind,
    /// How many million gas an Ethereum block uses.
    Mgas,
    /// What engines are told of an Ethereum block.
    Hints,
    /// What fixes all that is drawn.
    Seed,
}

impl Param {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Txs,
        Self::Accounts,
        Self::Work,
        Self::LatencyUs,
        Self::Zipf,
        Self::Hot,
        Self::Balances,
        Self::Distance,
        Self::Updates,
        Self::Warehouses,
        Self::Kind,
        Self::Mgas,
        Self::Hints,
        Self::Seed,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Txs => "txs",
            Self::Accounts => "accounts",
            Self::Work => "work",
            Self::LatencyUs => "latency_us",
            Self::Zipf => "zipf",
            Self::Hot => "hot",
            Self::Balances => "balances",
            Self::Distance => "distance",
            Self::Updates => "updates",
            Self::Warehouses => "warehouses",
            Self::Kind => "kind",
            Self::Mgas => "mgas",
            Self::Hints => "hints",
            Self::Seed => "seed",
        }
    }
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Payments,
        Self::PaymentsAptos,
        Self::PaymentsDiem,
        Self::Mint,
        Self::Deposits,
        Self::Withdrawals,
        Self::Chain,
        Self::SmallBank,
        Self::Ycsb,
        Self::YcsbScan,
        Self::Tpcc,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Payments => "payments",
            Self::PaymentsAptos => "payments-aptos",
            Self::PaymentsDiem => "payments-diem",
            Self::Mint => "mint",
            Self::Deposits => "deposits",
            Self::Withdrawals => "withdrawals",
            Self::Chain => "chain",
            Self::SmallBank => "smallbank",
            Self::Ycsb => "ycsb",
            Self::YcsbScan => "ycsb-scan",
            Self::Tpcc => "tpcc-lite",
        }
    }

    /// Whether this parameter means something for it.
    #[must_use]
    pub fn has(self, param: Param) -> bool {
        match param {
            Param::Txs | Param::Work | Param::LatencyUs => true,
            Param::Seed => !matches!(self, Self::Mint | Self::Chain),
            Param::Accounts => !matches!(self, Self::Mint | Self::Chain | Self::Tpcc),
            Param::Zipf => matches!(self, Self::Ycsb | Self::YcsbScan),
            Param::Hot => self == Self::Deposits,
            Param::Balances => matches!(
                self,
                Self::Payments
                    | Self::PaymentsAptos
                    | Self::PaymentsDiem
                    | Self::Mint
                    | Self::Deposits
                    | Self::Withdrawals
            ),
            Param::Distance => self == Self::Chain,
            Param::Updates => self == Self::Ycsb,
            Param::Warehouses => self == Self::Tpcc,
            Param::Kind | Param::Mgas | Param::Hints => false,
        }
    }

    /// The fewest accounts, customers or records that it can do with.
    #[must_use]
    pub const fn fewest_accounts(self) -> u64 {
        match self {
            Self::Ycsb => 10,
            _ => 2,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| format!("there is no workload `{name}`"))
    }
}

/// A workload with all its parameters.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Setting {
    /// Which one.
    pub kind: Kind,
    /// How many transactions a block has.
    pub txs: usize,
    /// How many accounts, customers or records there are: at least [`Kind::fewest_accounts`].
    pub accounts: u64,
    /// Of [`work`](crate::payments::work), for each transaction.
    pub work: u32,
    /// How long the state takes for a read, at least.
    pub latency: Duration,
    /// From 0, where all records are alike, to below 1.
    pub zipf: f64,
    /// So many of a hundred payments go to one account.
    pub hot: u8,
    /// How balances are changed.
    pub balances: Balances,
    /// How far apart the links of a chain are: at least 1.
    pub distance: u64,
    /// How many of the ten records of a transaction are changed: up to 10.
    pub updates: u8,
    /// How many warehouses there are: at least one.
    pub warehouses: u64,
    /// What fixes all that is drawn.
    pub seed: u64,
}

/// Somebody who can do something with any workload.
pub trait Visitor {
    /// What comes of it.
    type Result;

    /// Does it.
    fn visit<W: Workload + Clone + 'static>(self, workload: &W) -> Self::Result;
}

impl Setting {
    /// What a workload has if nobody says otherwise.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            txs: 10_000,
            accounts: match kind {
                Kind::SmallBank | Kind::Ycsb | Kind::YcsbScan => 1_000_000,
                _ => 10_000,
            },
            work: match kind {
                Kind::SmallBank | Kind::Ycsb | Kind::YcsbScan | Kind::Tpcc => 0,
                _ => 1_000,
            },
            latency: Duration::ZERO,
            zipf: 0.9,
            hot: 50,
            balances: Balances::Values,
            distance: 1,
            updates: 2,
            warehouses: 8,
            seed: 7,
        }
    }

    /// The parameters that mean something, by their names.
    #[must_use]
    pub fn params(&self) -> BTreeMap<String, Json> {
        let has = Param::ALL.into_iter().filter(|param| self.kind.has(*param));
        let value = |param| match param {
            Param::Txs => Json::from(self.txs),
            Param::Accounts => Json::from(self.accounts),
            Param::Work => Json::from(self.work),
            Param::LatencyUs => Json::from(self.latency.as_micros() as u64),
            Param::Zipf => Json::from(self.zipf),
            Param::Hot => Json::from(self.hot),
            Param::Balances => Json::from(self.balances.name()),
            Param::Distance => Json::from(self.distance),
            Param::Updates => Json::from(self.updates),
            Param::Warehouses => Json::from(self.warehouses),
            Param::Seed => Json::from(self.seed),
            Param::Kind | Param::Mgas | Param::Hints => Json::Null,
        };
        has.map(|param| (param.name().to_owned(), value(param)))
            .collect()
    }

    /// Shows the workload to somebody.
    pub fn visit<V: Visitor>(&self, visitor: V) -> V::Result {
        let Self {
            kind,
            txs: transactions,
            accounts,
            work: rounds,
            zipf: theta,
            hot,
            balances,
            distance,
            updates,
            warehouses,
            seed,
            latency: _,
        } = *self;
        let payments = |shape| Payments {
            transactions,
            accounts,
            shape,
            balances,
            rounds,
            seed,
        };
        let wide = |width| WidePayments {
            transactions,
            accounts,
            width,
            balances,
            rounds,
            seed,
        };
        match kind {
            Kind::Payments => visitor.visit(&payments(Shape::Uniform)),
            Kind::Deposits => visitor.visit(&payments(Shape::Deposits(hot))),
            Kind::Withdrawals => visitor.visit(&payments(Shape::Withdrawals)),
            Kind::PaymentsAptos => visitor.visit(&wide(Width::Aptos)),
            Kind::PaymentsDiem => visitor.visit(&wide(Width::Diem)),
            Kind::Mint => visitor.visit(&Mint {
                transactions,
                balances,
                rounds,
            }),
            Kind::Chain => visitor.visit(&Chain {
                transactions,
                distance,
                rounds,
            }),
            Kind::SmallBank => visitor.visit(&SmallBank {
                transactions,
                customers: accounts,
                rounds,
                seed,
            }),
            Kind::Ycsb => visitor.visit(&Ycsb {
                transactions,
                records: accounts,
                mix: Mix(updates),
                theta,
                rounds,
                seed,
            }),
            Kind::YcsbScan => visitor.visit(&Scans {
                transactions,
                records: accounts,
                theta,
                rounds,
                seed,
            }),
            Kind::Tpcc => visitor.visit(&Tpcc {
                transactions,
                warehouses,
                rounds,
                seed,
            }),
        }
    }
}
