//! The parameters that a workload is measured with if nobody asks for any: a table that fits into half an hour, or a quick one
//! into two minutes.

use std::time::Duration;

use pleach_bench::{
    gigagas::{self, Hints, Settings, Terms},
    workloads::{Balances, Kind, Setting},
};

use super::subject::Subject;

/// Each value with each other one; where there is nothing, [`Setting::new`] says it.
#[derive(Default)]
pub(super) struct Usual {
    pub(super) balances: &'static [Balances],
    pub(super) txs: &'static [u32],
    pub(super) accounts: &'static [u64],
    pub(super) updates: &'static [u8],
    pub(super) zipf: &'static [f64],
    pub(super) hot: &'static [u8],
    pub(super) distance: &'static [u64],
    pub(super) warehouses: &'static [u64],
}

impl Usual {
    pub(super) fn new(kind: Kind, quick: bool) -> Self {
        const BOTH: &[Balances] = &[Balances::Values, Balances::Adds];
        if quick {
            return Self {
                balances: if matches!(kind, Kind::Mint | Kind::Deposits) {
                    BOTH
                } else {
                    &[]
                },
                accounts: match kind {
                    Kind::Payments => &[2, 100, 10_000],
                    Kind::PaymentsAptos | Kind::PaymentsDiem => &[1_000],
                    Kind::SmallBank | Kind::Ycsb | Kind::YcsbScan => &[100_000],
                    _ => &[],
                },
                distance: &[1, 16],
                warehouses: &[1],
                ..Self::default()
            };
        }
        Self {
            balances: match kind {
                Kind::PaymentsAptos | Kind::PaymentsDiem => &[],
                _ => BOTH,
            },
            txs: match kind {
                Kind::Payments | Kind::PaymentsAptos | Kind::PaymentsDiem => &[10_000, 1_000],
                _ => &[],
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

    /// What is measured beside that: how much depends on what transactions do, on how slow the state is, and on how large.
    pub(super) fn further(kind: Kind, quick: bool) -> Vec<Setting> {
        if kind != Kind::Payments {
            return Vec::new();
        }
        let base = Setting::new(kind);
        let works = if quick { &[0][..] } else { &[0, 100, 10_000] };
        let works = works.iter().map(|work| Setting {
            work: *work,
            ..base
        });
        // Few, as each waits for three reads.
        let latencies = [0, 20, 100].map(|micros| Setting {
            txs: 200,
            latency: Duration::from_micros(micros),
            ..base
        });
        let large = if quick {
            &[][..]
        } else {
            &[100_000, 1_000_000]
        };
        let large = large.iter().flat_map(|accounts| {
            [Balances::Values, Balances::Adds].map(|balances| Setting {
                accounts: *accounts,
                balances,
                ..base
            })
        });
        works.chain(latencies).chain(large).collect()
    }
}

/// The same for Ethereum blocks.
pub(super) struct UsualBlock {
    pub(super) mgas: u32,
    pub(super) accounts: u64,
    pub(super) kinds: &'static [gigagas::Kind],
    pub(super) hints: &'static [Hints],
}

impl UsualBlock {
    pub(super) fn new(workload: gigagas::Workload, quick: bool) -> Self {
        use gigagas::Kind::{Hot, Independent};
        if quick {
            return Self {
                mgas: 50,
                accounts: 10_000,
                kinds: &[Independent, Hot],
                hints: &[Hints::None],
            };
        }
        Self {
            mgas: 1_000,
            accounts: 100_000,
            kinds: workload.kinds(),
            hints: &[Hints::None, Hints::Accesses],
        }
    }

    /// What is measured beside that: a store that takes its time, and blocks that are small enough for it.
    pub(super) fn further(workload: gigagas::Workload, quick: bool) -> Option<Subject> {
        const MGAS: u64 = 10;
        if quick {
            return None;
        }
        let settings = Settings {
            gas: MGAS * 1_000_000,
            ..Settings::new(workload, gigagas::Kind::Independent)
        };
        let terms = [0, 20, 100].map(|micros| Terms {
            latency: Duration::from_micros(micros),
            ..Terms::default()
        });
        Some(Subject::Ethereum(settings, terms.to_vec()))
    }
}
