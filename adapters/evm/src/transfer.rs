//! Plain transfers of ether, without the interpreter.
//!
//! Most transactions of many blocks just move ether to an account without code. Their gas is known beforehand, and all
//! that they change is two balances, a nonce and the fee: four adds; before EIP-161 also that accounts exist from then on. Everything
//! that is not as simple as that, and every transaction that is not valid, is left to revm; so its answers are revm's.

use alloy_primitives::{Address, Bytes, U256};
use pleach::Delta;
use revm::{
    context::{
        Block, Cfg, Context, Transaction, TransactionType,
        result::{ExecutionResult, Output, ResultGas, SuccessReason},
    },
    handler::Handler,
    primitives::{TxKind, hardfork::SpecId},
};

use crate::{
    database::ViewDatabase,
    engine::Engine,
    handler::{EvmError, LazyHandler},
    key::Key,
    value::{Value, Wei},
};

/// Executes the transaction if it is a valid plain transfer. If not, nothing was changed, though adds that come to zero may be left.
pub(crate) fn transfer<'a>(
    handler: &LazyHandler<'a>,
    engine: &mut Engine<'a>,
) -> Result<Option<ExecutionResult>, EvmError> {
    let (tx, spec) = (engine.0.ctx.tx, engine.0.ctx.cfg.spec);
    let TxKind::Call(to) = tx.kind() else {
        return Ok(None);
    };
    let simple_type = matches!(
        tx.tx_type().into(),
        TransactionType::Legacy | TransactionType::Eip2930 | TransactionType::Eip1559
    );
    // From Amsterdam on transfers log.
    let is_silent = !spec.is_enabled_in(SpecId::AMSTERDAM);
    if !simple_type || !is_silent || to == tx.caller || engine.0.precompiles.contains(&to) {
        return Ok(None);
    }
    // A recipient with code is the common reason why not: look for it before anything else.
    let Some(created) = Created::by_paying(&mut engine.0.ctx.journaled_state.database, to)? else {
        return Ok(None);
    };

    handler.validate_env(engine)?;
    let gas = handler.validate_initial_tx_gas(engine)?;
    let gas_used = gas.initial_total_gas().max(gas.floor_gas());

    let Context {
        block,
        cfg,
        journaled_state,
        ..
    } = &mut engine.0.ctx;
    let base_fee = u128::from(block.basefee());
    let price = tx.effective_gas_price(base_fee);
    let tip = if cfg.spec().is_enabled_in(SpecId::LONDON) {
        price.saturating_sub(base_fee)
    } else {
        price
    };
    let transfer = Transfer {
        from: tx.caller(),
        to,
        value: tx.value(),
        nonce: tx.nonce(),
        most: match tx.max_balance_spending() {
            Ok(most) => most,
            Err(_) => return Ok(None),
        },
        cost: tx.value() + U256::from(price) * U256::from(gas_used),
        beneficiary: block.beneficiary(),
        fee: U256::from(tip) * U256::from(gas_used),
        created,
    };
    if !transfer.settle(&mut journaled_state.database)? {
        return Ok(None);
    }
    Ok(Some(ExecutionResult::Success {
        reason: SuccessReason::Stop,
        gas: ResultGas::default()
            .with_total_gas_spent(gas_used)
            .with_floor_gas(gas.floor_gas()),
        logs: Vec::new(),
        output: Output::Call(Bytes::new()),
    }))
}

/// The accounts that exist from then on, and do not exist for other reasons: the recipient and the beneficiary. Before EIP-161
/// whatever is touched exists; later what has a balance does, of which nothing is to be said.
#[derive(Default)]
struct Created([Option<Address>; 2]);

impl Created {
    /// What paying `to` creates. `None` if it has code, or is left from before EIP-161.
    fn by_paying(database: &mut ViewDatabase<'_>, to: Address) -> Result<Option<Self>, EvmError> {
        if database.clearing {
            return Ok((!database.is_marked(to)?).then(Self::default));
        }
        Ok(match database.life(to)? {
            Some(Value::Code(_)) => None,
            Some(_) => Some(Self::default()),
            None => Some(Self([Some(to), None])),
        })
    }

    fn settle(self, database: &mut ViewDatabase<'_>) -> Result<(), EvmError> {
        for address in self.0.into_iter().flatten() {
            database.put(&Key::code(address), Some(Value::Existing))?;
        }
        Ok(())
    }
}

/// What a transfer comes to.
struct Transfer {
    from: Address,
    to: Address,
    value: U256,
    nonce: u64,
    /// What the sender must have.
    most: U256,
    /// What the sender pays: the value and the gas.
    cost: U256,
    beneficiary: Address,
    fee: U256,
    created: Created,
}

impl Transfer {
    /// Whether sender and beneficiary are as most are. Notes if the transfer creates the beneficiary.
    fn is_simple(&mut self, database: &mut ViewDatabase<'_>) -> Result<bool, EvmError> {
        if database.clearing {
            // Paid nothing, the beneficiary is touched all the same.
            let is_special = database.is_marked(self.from)?
                || (self.fee.is_zero() && database.is_marked(self.beneficiary)?);
            return Ok(!is_special);
        }
        let pays = matches!(database.life(self.from)?, Some(Value::Existing));
        if pays && self.beneficiary != self.to && database.life(self.beneficiary)?.is_none() {
            self.created.0[1] = Some(self.beneficiary);
        }
        Ok(pays)
    }

    /// Makes the changes, or, if revm has to look at the transfer, none but adds that come to zero.
    fn settle(mut self, database: &mut ViewDatabase<'_>) -> Result<bool, EvmError> {
        if !self.is_simple(database)?
            || self.nonce == u64::MAX
            || !database.use_nonce(self.from, self.nonce)?
        {
            return Ok(false);
        }
        if !database.pay(self.from, self.most, self.cost)? {
            self.give_back(database, None)?;
            return Ok(false);
        }
        let receipts = [(self.to, self.value), (self.beneficiary, self.fee)];
        for (count, (account, amount)) in receipts.iter().enumerate() {
            if !amount.is_zero()
                && !database.add(&Key::balance(*account), Delta::Plus(Wei(*amount)))?
            {
                self.give_back(database, Some(&receipts[..count]))?;
                return Ok(false);
            }
        }
        self.created.settle(database)?;
        Ok(true)
    }

    /// Takes back that the nonce was used, and, if there are `receipts`, that they were paid.
    fn give_back(
        &self,
        database: &mut ViewDatabase<'_>,
        receipts: Option<&[(Address, U256)]>,
    ) -> Result<(), EvmError> {
        if let Some(receipts) = receipts {
            for (account, amount) in receipts.iter().filter(|(_, amount)| !amount.is_zero()) {
                database.add(&Key::balance(*account), Delta::Minus(Wei(*amount)))?;
            }
            if !self.cost.is_zero() {
                database.add(&Key::balance(self.from), Delta::Plus(Wei(self.cost)))?;
            }
        }
        let one = Delta::Minus(Wei(U256::ONE));
        database.add(&Key::nonce(self.from), one)?;
        Ok(())
    }
}
