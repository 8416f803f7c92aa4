//! Scenarios by hand, and what came of them.

use alloy_primitives::{Address, U256};
use pleach_evm::Account;

use super::{
    Agreed, Done,
    code::{Amount, End, Function, Look, Step, Target, Way},
};

pub(crate) use pleach_evm::testkit::ETHER;

impl Agreed {
    /// What a transaction did; they are counted over all blocks.
    #[track_caller]
    pub(crate) fn done(&self, index: usize) -> &Done {
        let ran = self.transactions.iter().flatten().nth(index);
        ran.expect("there is such a transaction")
            .as_ref()
            .expect("the transaction is valid")
    }

    /// Why a transaction is not valid.
    #[track_caller]
    pub(crate) fn invalid(&self, index: usize) -> &str {
        let ran = self.transactions.iter().flatten().nth(index);
        ran.expect("there is such a transaction")
            .as_ref()
            .expect_err("the transaction is not valid")
    }

    /// The words that a transaction logged.
    #[track_caller]
    pub(crate) fn logged(&self, index: usize) -> Vec<U256> {
        let logs = self.done(index).logs.iter();
        logs.map(|log| U256::from_be_slice(&log.data.data))
            .collect()
    }

    /// The account after the last block, if it exists.
    pub(crate) fn account(&self, address: Address) -> Option<&Account> {
        self.state.get(&address)
    }

    pub(crate) fn balance(&self, address: Address) -> U256 {
        self.account(address)
            .map_or(U256::ZERO, |account| account.balance)
    }

    /// A word of storage after the last block.
    pub(crate) fn word(&self, address: Address, slot: u64) -> U256 {
        let account = self.account(address);
        account
            .and_then(|account| account.storage.get(&U256::from(slot)).copied())
            .unwrap_or_default()
    }
}

/// A function that does these things.
pub(crate) fn run(steps: impl Into<Vec<Step>>) -> Function {
    ending(steps, End::Stop)
}

pub(crate) fn ending(steps: impl Into<Vec<Step>>, end: End) -> Function {
    Function {
        steps: steps.into(),
        end,
    }
}

/// Init code that does nothing but return the code of this account.
pub(crate) fn deploy(runtime: Address) -> Function {
    ending([], End::ReturnCodeOf(runtime))
}

/// Calls the first function of an account with this much ether, and logs whether that went well.
pub(crate) fn pay(to: Address, wei: u64) -> Step {
    call(Target::At(to), wei, 0)
}

pub(crate) fn call(to: Target, wei: u64, function: u8) -> Step {
    call_as(Way::Call, to, Amount::Wei(U256::from(wei)), function)
}

pub(crate) fn call_as(way: Way, to: Target, value: Amount, function: u8) -> Step {
    Step::Call {
        way,
        to,
        value,
        gas: None,
        function,
    }
}

/// A call that gets this much gas.
pub(crate) fn within(limit: u64, mut step: Step) -> Step {
    if let Step::Call { gas, .. } = &mut step {
        *gas = Some(limit);
    }
    step
}

/// Looks at something, and logs it.
pub(crate) fn show(look: Look, at: Target) -> Step {
    Step::Look {
        look,
        at,
        keep: false,
    }
}

/// Creates a contract, and logs its address.
pub(crate) fn create(init: Address, wei: u64) -> Step {
    Step::Create {
        init,
        value: Amount::Wei(U256::from(wei)),
        salt: None,
    }
}

/// Creates a contract at an address that does not depend on how often that is done.
pub(crate) fn create2(init: Address, wei: u64) -> Step {
    Step::Create {
        init,
        value: Amount::Wei(U256::from(wei)),
        salt: Some(0),
    }
}

/// A short name for a number.
pub(crate) fn wei(number: u64) -> U256 {
    U256::from(number)
}
