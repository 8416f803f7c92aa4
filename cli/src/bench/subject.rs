//! Workloads by name, native ones and Ethereum blocks, and how each is measured.

use std::{collections::BTreeMap, str::FromStr};

use pleach::CancelToken;
use pleach_bench::{
    engines::{self, Entrant, Name},
    gigagas::{self, Prepared, Settings, Terms},
    race::{Failure, Measured},
    workloads::{Kind, Param, Setting},
};
use serde_json::Value;

/// A workload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    Native(Kind),
    Ethereum(gigagas::Workload),
}

impl What {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let native = Kind::ALL.into_iter().map(Self::Native);
        native.chain(gigagas::Workload::ALL.into_iter().map(Self::Ethereum))
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Native(kind) => kind.name(),
            Self::Ethereum(workload) => workload.name(),
        }
    }

    /// Whether this parameter means something for it.
    pub(super) fn has(self, param: Param) -> bool {
        match self {
            Self::Native(kind) => kind.has(param),
            Self::Ethereum(workload) => workload.has(param),
        }
    }

    /// Whether this engine can execute it.
    pub(super) const fn takes(self, engine: Name) -> bool {
        match self {
            Self::Native(_) => true,
            Self::Ethereum(_) => engine.executes_blocks(),
        }
    }

    /// The fewest accounts that it can do with.
    pub(super) const fn fewest_accounts(self) -> u64 {
        match self {
            Self::Native(kind) => kind.fewest_accounts(),
            Self::Ethereum(_) => 2,
        }
    }
}

impl FromStr for What {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let native = name.parse().map(Self::Native);
        native.or_else(|_| name.parse().map(Self::Ethereum))
    }
}

/// What is measured.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Subject {
    Native(Setting),
    /// A block, which is made once, on each of these terms.
    Ethereum(Settings, Vec<Terms>),
}

/// How it is measured.
#[derive(Clone, Copy)]
pub(super) struct Means<'a> {
    pub(super) entrants: &'a [Entrant],
    pub(super) repeat: usize,
    pub(super) cancel: &'a CancelToken,
}

impl Subject {
    /// How many results there will be.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Native(_) => 1,
            Self::Ethereum(_, terms) => terms.len(),
        }
    }

    pub(super) fn workload(&self) -> &'static str {
        match self {
            Self::Native(setting) => setting.kind.name(),
            Self::Ethereum(settings, _) => settings.workload.name(),
        }
    }

    /// Measures it. `begin` is told the parameters of each block before its first run, `step` is called after each round, and `end`
    /// gets what was measured, and says whether that is enough.
    pub(super) fn measure(
        &self,
        means: Means<'_>,
        begin: &mut dyn FnMut(&BTreeMap<String, Value>),
        step: &mut dyn FnMut(),
        end: &mut dyn FnMut(Measured) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let Means {
            entrants,
            repeat,
            cancel,
        } = means;
        match self {
            Self::Native(setting) => {
                begin(&setting.params());
                end(engines::measure(setting, entrants, repeat, cancel, step)?)?;
            }
            Self::Ethereum(settings, all) => {
                let Some(first) = all.first() else {
                    return Ok(());
                };
                // Making it takes a while.
                begin(&settings.params(first));
                let case = gigagas::generate(settings);
                let prepared = match Prepared::new(&case, cancel) {
                    Err(Failure::Prepare(_)) if cancel.is_cancelled() => return Ok(()),
                    prepared => prepared?,
                };
                let block = (settings, &prepared);
                for terms in all {
                    begin(&settings.params(terms));
                    let measured =
                        gigagas::measure(block, terms, entrants, repeat, cancel, &mut *step)?;
                    if !end(measured)? || cancel.is_cancelled() {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}
