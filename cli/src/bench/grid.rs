//! Which parameters a workload is measured with: each value that was asked for with each other one, and what is usual for
//! those that nobody asked for.

use std::{collections::BTreeMap, time::Duration};

use clap::{builder::PossibleValuesParser, value_parser};
use pleach_bench::{
    gigagas::{self, Hints, Settings, Terms},
    workloads::{Balances, Kind, Param, Setting},
};
use serde_json::Value as Json;

use super::{
    subject::{Subject, What},
    usual::{Usual, UsualBlock},
    workloads::chosen,
};

/// The parameters of workloads. Lists are measured in turn, each value with each of the others.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Parameters of workloads")]
pub(super) struct Grid {
    /// How many transactions a block has. An Ethereum block has --mgas.
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

    /// How many microseconds the state takes for a read, at least: the thread sleeps as long. Of an Ethereum block, each account is
    /// read once.
    #[arg(
        long, value_name = "N,N...", value_delimiter = ',',
        value_parser = value_parser!(u32).range(0..=1_000_000),
    )]
    latency_us: Vec<u32>,

    /// ycsb, ycsb-scan: how uneven records are asked for, from 0 to below 1.
    #[arg(long, value_name = "X,X...", value_delimiter = ',', value_parser = below_one)]
    zipf: Vec<f64>,

    /// deposits: how many of a hundred payments go to one account. evm-*, those of kind hot: how many of a hundred draws are among
    /// a tenth of the people, and of the pairs.
    #[arg(
        long, value_name = "N,N...", value_delimiter = ',',
        value_parser = value_parser!(u8).range(0..=100),
    )]
    hot: Vec<u8>,

    /// Payments of all kinds, mint: whether balances are read and written (values) or changed by adds.
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

    /// tpcc-lite: how many warehouses there are. Each takes about 30 MB, twice.
    #[arg(
        long, value_name = "N,N...", value_delimiter = ',',
        value_parser = value_parser!(u64).range(1..=256),
    )]
    warehouses: Vec<u64>,

    /// evm-*: what transactions have in common. Default: each that there is of the workload.
    #[arg(
        long, value_name = "KIND,...", value_delimiter = ',',
        value_parser = PossibleValuesParser::new(gigagas::Kind::ALL.map(gigagas::Kind::name)),
    )]
    kind: Vec<String>,

    /// evm-*: how many million gas a block uses.
    #[arg(
        long, value_name = "N,N...", value_delimiter = ',',
        value_parser = value_parser!(u32).range(1..=10_000),
    )]
    mgas: Vec<u32>,

    /// evm-*: what the parallel engines are told of the block, as an earlier execution has recorded it.
    #[arg(
        long, value_name = "HINTS,...", value_delimiter = ',',
        value_parser = PossibleValuesParser::new(Hints::ALL.map(Hints::name)),
    )]
    hints: Vec<String>,

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
    pub(super) fn subjects(&self, whats: &[What], quick: bool) -> anyhow::Result<Vec<Subject>> {
        for param in Param::ALL {
            anyhow::ensure!(
                !self.asks(param) || whats.iter().any(|what| what.has(param)),
                "--{} means nothing for {}",
                param.name().replace('_', "-"),
                names(whats),
            );
        }
        for what in whats.iter().filter(|what| what.has(Param::Accounts)) {
            let fewest = what.fewest_accounts();
            anyhow::ensure!(
                self.accounts.iter().all(|accounts| *accounts >= fewest),
                "--accounts is at least {fewest} for {}",
                what.name()
            );
        }
        for kind in chosen::<gigagas::Kind>(&self.kind, &[]) {
            let has_it = |what: &What| matches!(what, What::Ethereum(workload) if workload.kinds().contains(&kind));
            anyhow::ensure!(
                whats.iter().any(has_it),
                "there are no {kind} blocks of {}",
                names(whats)
            );
        }
        let all = whats.iter().flat_map(|what| match what {
            What::Native(kind) => self.native(*kind, quick),
            What::Ethereum(workload) => self.blocks(*workload, quick),
        });
        Ok(all.collect())
    }

    fn native(&self, kind: Kind, quick: bool) -> Vec<Subject> {
        let mut all = self.of(kind, quick);
        if self.asks_nothing() {
            for further in Usual::further(kind, quick) {
                if !all.contains(&further) {
                    all.push(further);
                }
            }
        }
        all.into_iter().map(Subject::Native).collect()
    }

    fn blocks(&self, workload: gigagas::Workload, quick: bool) -> Vec<Subject> {
        let usual = UsualBlock::new(workload, quick);
        let or = |asked: &[u32], usual: u32| match asked {
            [] => vec![usual],
            asked => asked.to_vec(),
        };
        let latencies = or(&self.latency_us, 0);
        let hints = chosen(&self.hints, usual.hints);
        let terms = latencies.iter().flat_map(|micros| {
            let latency = Duration::from_micros((*micros).into());
            hints.iter().map(move |hints| Terms {
                latency,
                hints: *hints,
            })
        });
        let terms: Vec<_> = terms.collect();
        let accounts = match &self.accounts[..] {
            [] => vec![usual.accounts],
            asked => asked.to_vec(),
        };
        let mut all = Vec::new();
        let kinds = chosen(&self.kind, usual.kinds).into_iter();
        for kind in kinds.filter(|kind| workload.kinds().contains(kind)) {
            for mgas in or(&self.mgas, usual.mgas) {
                // Where nobody is drawn, there is nothing to draw from.
                let accounts = if kind.draws() {
                    &accounts[..]
                } else {
                    &accounts[..1]
                };
                let base = Settings::new(workload, kind);
                let hot = match &self.hot[..] {
                    asked @ [_, ..] if kind == gigagas::Kind::Hot => asked,
                    _ => &[base.hot],
                };
                for &accounts in accounts {
                    all.extend(hot.iter().map(|&hot| {
                        let settings = Settings {
                            gas: u64::from(mgas) * 1_000_000,
                            accounts,
                            hot,
                            seed: self.seed.unwrap_or(base.seed),
                            ..base
                        };
                        Subject::Ethereum(settings, terms.clone())
                    }));
                }
            }
        }
        if self.asks_nothing() {
            all.extend(UsualBlock::further(workload, quick));
        }
        all
    }

    fn asks_nothing(&self) -> bool {
        !Param::ALL.into_iter().any(|param| self.asks(param))
    }

    fn asks(&self, param: Param) -> bool {
        !self.asked(param).is_empty()
    }

    /// The values that were asked for, as [`params`](Setting::params) has them.
    fn asked(&self, param: Param) -> Vec<Json> {
        fn values<T: Copy + Into<Json>>(asked: &[T]) -> Vec<Json> {
            asked.iter().map(|value| (*value).into()).collect()
        }
        match param {
            Param::Txs => values(&self.txs),
            Param::Accounts => values(&self.accounts),
            Param::Work => values(&self.work),
            Param::LatencyUs => values(&self.latency_us),
            Param::Zipf => values(&self.zipf),
            Param::Hot => values(&self.hot),
            Param::Balances => self.balances.iter().map(|it| it.name().into()).collect(),
            Param::Distance => values(&self.distance),
            Param::Updates => values(&self.updates),
            Param::Warehouses => values(&self.warehouses),
            Param::Kind => self.kind.iter().map(|it| it.as_str().into()).collect(),
            Param::Mgas => values(&self.mgas),
            Param::Hints => self.hints.iter().map(|it| it.as_str().into()).collect(),
            _ => self.seed.into_iter().map(Json::from).collect(),
        }
    }

    /// Whether a block that was measured before has the values that were asked for, of those parameters that it has.
    pub(super) fn admits(&self, params: &BTreeMap<String, Json>) -> bool {
        Param::ALL.into_iter().all(|param| {
            let asked = self.asked(param);
            let value = params.get(param.name());
            asked.is_empty() || value.is_none_or(|value| asked.contains(value))
        })
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

fn names(whats: &[What]) -> String {
    let names = whats.iter().map(|what| what.name());
    names.collect::<Vec<_>>().join(", ")
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
