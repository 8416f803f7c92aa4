//! What is fuzzed: blocks of programs, and Ethereum blocks.

use clap::ValueEnum;
use pleach::{
    MemoryState,
    determinism::{Check, Divergence, Failure, Schedule},
    testkit::{self, ProgramVm, TestBlock, strategies},
};
use pleach_evm::testkit::{self as evm, Prepared, Scenario};
use serde::{Deserialize, Serialize};

/// What blocks consist of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum VmName {
    /// Small programs that use all that a VM can.
    Programs,
    /// Ethereum transactions: payments, and contracts that get in each other's way.
    Evm,
}

impl VmName {
    pub(crate) fn name(self) -> &'static str {
        match self {
            VmName::Programs => "programs",
            VmName::Evm => "evm",
        }
    }
}

/// A block, or a few of a chain, with the state that they start from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Subject {
    Programs(TestBlock),
    Evm(Scenario),
}

impl Subject {
    pub(crate) fn from_seed(vm: VmName, seed: u64) -> Self {
        match vm {
            VmName::Programs => Self::Programs(strategies::from_seed(seed)),
            VmName::Evm => Self::Evm(evm::from_seed(seed)),
        }
    }

    pub(crate) fn vm(&self) -> VmName {
        match self {
            Self::Programs(_) => VmName::Programs,
            Self::Evm(_) => VmName::Evm,
        }
    }

    /// What comes to something else under one of the schedules than serially, if anything does. `begins` is told of each, and
    /// says whether to go on.
    pub(crate) fn under(
        &self,
        schedules: &[Schedule],
        begins: &mut dyn FnMut(Schedule) -> bool,
    ) -> anyhow::Result<Option<Divergence>> {
        match self {
            Self::Programs(block) => {
                let check = Check::new(&ProgramVm, &block.state)
                    .ask_again(false)
                    .block(move |pleach| block.configure(pleach));
                let schedules = schedules.iter().copied();
                let schedules = schedules.take_while(|schedule| begins(*schedule));
                found(check.run_under(&block.transactions, schedules).err())
            }
            Self::Evm(scenario) => {
                for block in Prepared::all(scenario)? {
                    let view = block.state();
                    let check = Check::new(block.vm(), &view)
                        .ask_again(false)
                        .block(|pleach| block.configure(pleach));
                    let schedules = schedules.iter().copied();
                    let schedules = schedules.take_while(|schedule| begins(*schedule));
                    let failure = check.run_under(block.transactions(), schedules);
                    if let Some(divergence) = found(failure.err())? {
                        return Ok(Some(divergence));
                    }
                }
                Ok(None)
            }
        }
    }

    /// Under which schedules to look at a block: one of each strategy. Other blocks show more than other schedules do.
    pub(crate) fn plan(workers: usize, seed: u64) -> Vec<Schedule> {
        let state = MemoryState::new();
        let check = Check::new(&ProgramVm, &state).workers([workers]);
        let check = check.schedules(1).seed(seed).troubles(true);
        check.plan().collect()
    }

    /// The smallest one for which `shows` still says yes.
    pub(crate) fn shrunk(&self, most: usize, mut shows: impl FnMut(&Self) -> bool) -> Self {
        match self {
            Self::Programs(block) => Self::Programs(testkit::shrink(block, most, |block| {
                shows(&Self::Programs(block.clone()))
            })),
            Self::Evm(scenario) => Self::Evm(evm::shrink(scenario, most, |scenario| {
                shows(&Self::Evm(scenario.clone()))
            })),
        }
    }
}

fn found(failure: Option<Failure>) -> anyhow::Result<Option<Divergence>> {
    match failure {
        None => Ok(None),
        Some(Failure::Diverged(divergence)) => Ok(Some(*divergence)),
        Some(other) => Err(other.into()),
    }
}
