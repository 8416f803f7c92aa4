//! Which parameters a workload is measured with: each value that was asked for with each other one, and what is usual for
//! those that nobody asked for.

use std::time::Duration;

use clap::value_parser;
use pleach_bench::workloads::{Balances, Kind, Param, Setting};

/// The parameters of workloads. Lists are measured in turn, each value with each of the others.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Parameters of workloads")]
pub(super) struct Grid {
    /// How many transactions a block has.
    #[arg(
        long, alias = "transactions", value_name = "N,N...", value_delimiter = ',',
        value_parser = value_parser!(u32).range(1..=1_000_000),
    )]
    txs: Vec<u32>,

    /// How many accounts, customers or records there are. The fewer, the more transactions depend on each other.
    #[arg(
        long, value_name = "N,N...", value_delimiter = ',',
        value_parser = value_parser!(u64).range(2..=10_000_000),
    )]
    accounts: Vec<u64>,

    /// How much each transaction does beside reading and writing: 1,000 rounds take one to two microseconds.
    #[arg(
        long, alias = "rounds", value_name = "N,N...", value_delimiter = ',',
        value_parser = value_parser!(u32).range(0..=1_000_000),
    )]
    work: Vec<u32>,

    /// How many microseconds the state takes for a read, at least: the thread sleeps as long.
    #[arg(
        long, value_name = "N,N...", value_delimiter = ',',
        value_parser = value_parser!(u32).range(0..=100_000),
    )]
    latency_us: Vec<u32>,

    /// ycsb, ycsb-scan: how uneven records are asked for, from 0 to below 1.
    #[arg(long, value_name = "X,X...", value_delimiter = ',', value_parser = below_one)]
    zipf: Vec<f64>,

    /// deposits: how many of a hundred payments go to one account.
    #[arg(
        long, value_name = "N,N...", value_delimiter = ',',
        value_parser = value_parser!(u8).range(0..=100),
    )]
    hot: Vec<u8>,

    /// payments, mint, deposits, withdrawals: whether balances are read and written (values) or changed by adds.
    #[arg(long, value_name = "KIND,KIND", value_delimiter = ',')]
    balances: Vec<Balances>,

    /// chain: how far before it the transaction is whose write each one reads.
    #[arg(
        long, value_name = "N,N...", value_delimiter = ',',
        value_parser = value_parser!(u64).range(1..=1_000_000),
    )]
    distance: Vec<u64>,

    /// ycsb: how many of the ten records of a transaction are changed.
    #[arg(
        long, value_name = "N,N...", value_delimiter = ',',
        value_parser = value_parser!(u8).range(0..=10),
    )]
    updates: Vec<u8>,

    /// tpcc: how many warehouses there are. Each takes about 30 MB, twice.
    #[arg(
        long, value_name = "N,N...", value_delimiter = ',',
        value_parser = value_parser!(u64).range(1..=256),
    )]
    warehouses: Vec<u64>,

    /// What fixes all that is drawn.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

fn below_one(text: &str) -> Result<f64, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "it is a number from 0 to below 1")?;
    if (0.0..1.0).contains(&number) {
        Ok(number)
    } else {
        Err(format!("{text} is not from 0 to below 1"))
    }
}

impl Grid {
    /// All that is to be measured.
    pub(super) fn settings(&self, kinds: &[Kind], quick: bool) -> anyhow::Result<Vec<Setting>> {
        for param in Param::ALL {
            anyhow::ensure!(
                !self.asks(param) || kinds.iter().any(|kind| kind.has(param)),
                "--{} means nothing for {}",
                param.name().replace('_', "-"),
                kinds
                    .iter()
                    .map(|kind| kind.name())
                    .collect::<Vec<_>>()
                    .join(", "),
            );
        }
        let all = kinds.iter().flat_map(|kind| self.of(*kind, quick));
        let all: Vec<_> = all.collect();
        for Setting { kind, accounts, .. } in &all {
            let fewest = kind.fewest_accounts();
            anyhow::ensure!(
                *accounts >= fewest,
                "--accounts is at least {fewest} for {kind}"
            );
        }
        Ok(all)
    }

    fn asks(&self, param: Param) -> bool {
        match param {
            Param::Txs => !self.txs.is_empty(),
            Param::Accounts => !self.accounts.is_empty(),
            Param::Work => !self.work.is_empty(),
            Param::LatencyUs => !self.latency_us.is_empty(),
            Param::Zipf => !self.zipf.is_empty(),
            Param::Hot => !self.hot.is_empty(),
            Param::Balances => !self.balances.is_empty(),
            Param::Distance => !self.distance.is_empty(),
            Param::Updates => !self.updates.is_empty(),
            Param::Warehouses => !self.warehouses.is_empty(),
            _ => self.seed.is_some(),
        }
    }

    fn of(&self, kind: Kind, quick: bool) -> Vec<Setting> {
        let usual = Usual::new(kind, quick);
        let mut base = Setting::new(kind);
        base.seed = self.seed.unwrap_or(base.seed);
        let mut all = vec![base];
        let mut expand = Expand {
            kind,
            all: &mut all,
        };
        expand.by(
            Param::Balances,
            &self.balances,
            usual.balances,
            |it, value| it.balances = value,
        );
        expand.by(Param::Txs, &self.txs, usual.txs, |it, value| {
            it.txs = value as usize;
        });
        expand.by(Param::Work, &self.work, &[], |it, value| it.work = value);
        expand.by(Param::LatencyUs, &self.latency_us, &[], |it, value| {
            it.latency = Duration::from_micros(value.into());
        });
        expand.by(
            Param::Accounts,
            &self.accounts,
            usual.accounts,
            |it, value| {
                it.accounts = value;
            },
        );
        expand.by(Param::Updates, &self.updates, usual.updates, |it, value| {
            it.updates = value;
        });
        expand.by(Param::Zipf, &self.zipf, usual.zipf, |it, value| {
            it.zipf = value;
        });
        expand.by(Param::Hot, &self.hot, usual.hot, |it, value| it.hot = value);
        expand.by(
            Param::Distance,
            &self.distance,
            usual.distance,
            |it, value| {
                it.distance = value;
            },
        );
        expand.by(
            Param::Warehouses,
            &self.warehouses,
            usual.warehouses,
            |it, value| {
                it.warehouses = value;
            },
        );
        all
    }
}

struct Expand<'a> {
    kind: Kind,
    all: &'a mut Vec<Setting>,
}

impl Expand<'_> {
    /// Each setting with each value; as it is if there is none, or if it means nothing.
    fn by<T: Copy>(
        &mut self,
        param: Param,
        asked: &[T],
        usual: &[T],
        set: impl Fn(&mut Setting, T),
    ) {
        let values = if asked.is_empty() { usual } else { asked };
        if values.is_empty() || !self.kind.has(param) {
            return;
        }
        let all = self.all.iter().flat_map(|setting| {
            values.iter().map(|value| {
                let mut setting = *setting;
                set(&mut setting, *value);
                setting
            })
        });
        *self.all = all.collect();
    }
}

/// What is measured if nobody asks for anything; where there is nothing, [`Setting::new`] says it.
#[derive(Default)]
struct Usual {
    balances: &'static [Balances],
    txs: &'static [u32],
    accounts: &'static [u64],
    updates: &'static [u8],
    zipf: &'static [f64],
    hot: &'static [u8],
    distance: &'static [u64],
    warehouses: &'static [u64],
}

impl Usual {
    fn new(kind: Kind, quick: bool) -> Self {
        const BOTH: &[Balances] = &[Balances::Values, Balances::Adds];
        if quick {
            return Self {
                balances: if matches!(kind, Kind::Mint | Kind::Deposits) {
                    BOTH
                } else {
                    &[]
                },
                accounts: match kind {
                    Kind::Payments => &[100, 10_000],
                    Kind::PaymentsAptos | Kind::PaymentsDiem => &[1_000],
                    Kind::SmallBank | Kind::Ycsb | Kind::YcsbScan => &[100_000],
                    _ => &[],
                },
                distance: &[1, 16],
                ..Self::default()
            };
        }
        Self {
            balances: BOTH,
            txs: if kind == Kind::Payments {
                &[1_000, 10_000]
            } else {
                &[]
            },
            accounts: match kind {
                Kind::Payments | Kind::PaymentsAptos | Kind::PaymentsDiem => {
                    &[2, 10, 100, 1_000, 10_000]
                }
                Kind::Ycsb | Kind::YcsbScan => &[100_000, 1_000_000],
                _ => &[],
            },
            updates: &[2, 5],
            zipf: if kind == Kind::Ycsb {
                &[0.0, 0.6, 0.9, 0.99]
            } else {
                &[]
            },
            hot: &[10, 50, 90],
            distance: &[1, 2, 4, 16],
            warehouses: &[1, 8, 64],
        }
    }
}
