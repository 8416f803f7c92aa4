//! Ethereum blocks of a billion gas, on a plain revm loop and on Pleach, in turns.
//!
//! | file | what |
//! | --- | --- |
//! | `generate.rs` | makes a block, and the state before it |
//! | `contracts.rs` | the contracts that it calls, which come from the sample chain |
//! | `people.rs` | who does something in it, and with whom |
//! | `slow.rs` | a store that takes its time for each read |
//! | `hints.rs` | what engines are told beforehand |
//! | `prepared.rs` | a block that is ready, executed once, and the comparison of what comes of it |
//! | `measure.rs` | a block on every engine: see [`race`](crate::race) |

mod contracts;
mod generate;
mod hints;
mod measure;
mod people;
mod prepared;
mod slow;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use serde_json::Value as Json;

pub use generate::generate;
pub use hints::Hints;
pub use measure::measure;
pub use prepared::Prepared;

use crate::workloads::Param;

/// What the transactions of a block do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// They pay ether.
    Transfers,
    /// They pay with a token of `OpenZeppelin`.
    Erc20,
    /// They swap tokens on Uniswap V2, through a router.
    Swaps,
    /// Six of ten pay ether, two pay with one of three tokens, and two swap on one of two pairs.
    Hybrid,
}

impl Workload {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Transfers, Self::Erc20, Self::Swaps, Self::Hybrid];

    /// The kinds of blocks that there are of it.
    #[must_use]
    pub const fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Transfers | Self::Erc20 | Self::Swaps => {
                &[Kind::Independent, Kind::Uniform, Kind::Hot, Kind::Chained]
            }
            Self::Hybrid => &[Kind::Independent, Kind::Uniform, Kind::Hot],
        }
    }

    /// How it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transfers => "evm-transfers",
            Self::Erc20 => "evm-erc20",
            Self::Swaps => "evm-swaps",
            Self::Hybrid => "evm-hybrid",
        }
    }

    /// Whether this parameter means something for it.
    #[must_use]
    pub const fn has(self, param: Param) -> bool {
        matches!(
            param,
            Param::Kind
                | Param::Mgas
                | Param::Accounts
                | Param::Hot
                | Param::LatencyUs
                | Param::Hints
                | Param::Seed
        )
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|it| it.name() == name);
        found.ok_or_else(|| format!("there is no workload `{name}`"))
    }
}

/// What transactions have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nobody takes part twice, and each token and each pair is used once; in the hybrid block people alone are like that.
    Independent,
    /// People are drawn uniformly. There is one token, or 100 pairs, which are drawn uniformly too.
    Uniform,
    /// So many of a hundred draws are among a tenth of the people, and so with pairs: see [`Settings::hot`].
    Hot,
    /// Each transaction needs what the one before leaves: it passes on the ether or the tokens that it has just got, or swaps
    /// on the one pair that there is.
    Chained,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Independent, Self::Uniform, Self::Hot, Self::Chained];

    /// How it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Independent => "independent",
            Self::Uniform => "uniform",
            Self::Hot => "hot",
            Self::Chained => "chained",
        }
    }

    /// Whether people are drawn, of whom some may have no part.
    #[must_use]
    pub const fn draws(self) -> bool {
        matches!(self, Self::Uniform | Self::Hot)
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
        found.ok_or_else(|| format!("there are no `{name}` blocks"))
    }
}

/// What fixes a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What its transactions do.
    pub workload: Workload,
    /// What they have in common.
    pub kind: Kind,
    /// How much gas they use: the last one brings it to that or past it.
    pub gas: u64,
    /// How many people there are where they are drawn. At least two.
    pub accounts: u64,
    /// How many of a hundred draws are among a tenth of the people, and so with pairs, in blocks that are [`Kind::Hot`].
    pub hot: u8,
    /// Where random numbers begin.
    pub seed: u64,
}

impl Settings {
    /// A block of a billion gas, with 100,000 accounts, of which a tenth is drawn three times of ten where some are hot.
    #[must_use]
    pub const fn new(workload: Workload, kind: Kind) -> Self {
        Self {
            workload,
            kind,
            gas: 1_000_000_000,
            accounts: 100_000,
            hot: 30,
            seed: 1,
        }
    }

    /// The parameters that mean something, by the options that set them.
    #[must_use]
    pub fn params(&self, terms: &Terms) -> BTreeMap<String, Json> {
        const MGAS: u64 = 1_000_000;
        let all = [
            (Param::Kind, self.kind.name().into()),
            (Param::Mgas, (self.gas / MGAS).into()),
            (Param::Accounts, self.accounts.into()),
            (Param::Hot, self.hot.into()),
            (Param::Seed, self.seed.into()),
            (Param::LatencyUs, (terms.latency.as_micros() as u64).into()),
            (Param::Hints, terms.hints.name().into()),
        ];
        let all = all.into_iter().filter(|(param, _)| match param {
            // Where nobody is drawn, there is nothing to draw from.
            Param::Accounts => self.kind.draws(),
            Param::Hot => self.kind == Kind::Hot,
            _ => true,
        });
        all.map(|(param, value)| (param.name().to_owned(), value))
            .collect()
    }
}

/// On what terms a block is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long the store takes for each account, once, and for each word of storage.
    pub latency: Duration,
    /// What the parallel engines are told.
    pub hints: Hints,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            hints: Hints::None,
        }
    }
}
