//! What a transaction changed, from revm's journal to Pleach's view.

use alloy_primitives::{Address, KECCAK256_EMPTY, U256};
use pleach::Delta;
use revm::state::Account;

use crate::{
    database::{Before, Loaded, PLACEHOLDER_BALANCE, ViewDatabase, ViewError},
    journal::LazyJournal,
    key::Key,
    value::{Code, Value, Wei},
};

/// Whether the changes are in the view.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Settled {
    /// They are.
    Done,
    /// None is: an account that nobody looked at got more than fits into 256 bits.
    Overflowed,
}

/// Changes of balances that nobody looked at.
pub(crate) type Adds = Vec<(Address, Delta<Wei>)>;

/// Writes what the transaction changed. `beneficiary` gets the fees that were not settled through its account.
pub(crate) fn settle(
    journal: &mut LazyJournal<'_>,
    beneficiary: Address,
) -> Result<Settled, ViewError> {
    if journal.overflowed {
        return Ok(Settled::Overflowed);
    }
    let LazyJournal {
        inner,
        database,
        adds,
        fees,
        ..
    } = journal;
    let state = &inner.state;

    // Adds first: they alone can be refused, and can be taken back.
    for index in 0..database.loaded.len() {
        let Loaded {
            address,
            balance: None,
            peak,
            ..
        } = database.loaded[index]
        else {
            continue;
        };
        let Some(account) = state.get(&address) else {
            continue;
        };
        let balance = account.info.balance;
        // A transfer that the recipient's balance has no room for takes from the sender without a journal entry: if that is
        // reverted, revm leaves the sender changed but untouched, and so drops the change.
        if balance != PLACEHOLDER_BALANCE && account.is_touched() {
            adds.push((address, change(balance)));
        }
        // An add sees what it comes to; what was more in between must have fitted as well.
        let most = peak - PLACEHOLDER_BALANCE;
        if peak > balance.max(PLACEHOLDER_BALANCE)
            && database.at_least(&Key::balance(address), U256::MAX - most + U256::ONE)?
        {
            return Ok(Settled::Overflowed);
        }
    }
    if !fees.is_zero() {
        adds.push((beneficiary, Delta::Plus(Wei(*fees))));
    }
    for (count, (address, delta)) in adds.iter().enumerate() {
        if !database.add(&Key::balance(*address), *delta)? {
            for (address, delta) in &adds[..count] {
                database.add(&Key::balance(*address), inverse(*delta))?;
            }
            return Ok(Settled::Overflowed);
        }
    }

    // In the order of loading, which is the same on every run; that of the journal's map is not.
    for index in 0..database.loaded.len() {
        let address = database.loaded[index].address;
        if let Some(account) = state.get(&address).filter(|account| account.is_touched()) {
            settle_account(database, index, account)?;
        }
    }
    Ok(Settled::Done)
}

fn change(balance: U256) -> Delta<Wei> {
    if balance > PLACEHOLDER_BALANCE {
        Delta::Plus(Wei(balance - PLACEHOLDER_BALANCE))
    } else {
        Delta::Minus(Wei(PLACEHOLDER_BALANCE - balance))
    }
}

fn inverse(delta: Delta<Wei>) -> Delta<Wei> {
    match delta {
        Delta::Plus(amount) => Delta::Minus(amount),
        Delta::Minus(amount) => Delta::Plus(amount),
    }
}

fn settle_account(
    database: &mut ViewDatabase<'_>,
    index: usize,
    account: &Account,
) -> Result<(), ViewError> {
    let loaded = &database.loaded[index];
    let (address, balance, nonce) = (loaded.address, loaded.balance, loaded.nonce);
    let is_nonce_asked = loaded.is_nonce_asked;
    let before = loaded.before.clone();
    if account.is_selfdestructed() {
        put_number(database, Key::balance(address), balance, U256::ZERO)?;
        // Only contracts that were created or called self-destruct: nobody may have looked at their nonce.
        database.put(&Key::nonce(address), None)?;
        database.put(&Key::code(address), None)?;
        return wipe(database, index);
    }

    let info = &account.info;
    if balance.is_some() {
        put_number(database, Key::balance(address), balance, info.balance)?;
    }
    if let Some(nonce) = nonce.filter(|_| is_nonce_asked) {
        if info.nonce > nonce {
            // It cannot be refused: nonces end before the numbers do.
            database.bump_nonce(address, info.nonce - nonce)?;
        }
    } else if let Some(nonce) = nonce {
        let before = Some(U256::from(nonce));
        put_number(
            database,
            Key::nonce(address),
            before,
            U256::from(info.nonce),
        )?;
    }
    settle_code(database, address, &before, account)?;

    if account.is_created() || is_cleared(database, address, &before)? {
        wipe(database, index)?;
    }
    let mut changed = account
        .storage
        .iter()
        .filter(|(_, slot)| slot.is_changed())
        .peekable();
    if changed.peek().is_some() {
        let incarnation = database.incarnation(index)? + u32::from(account.is_created());
        for (slot, word) in changed {
            let key = Key::slot(address, incarnation, *slot);
            database.put(&key, Value::from_number(word.present_value))?;
        }
    }
    Ok(())
}

/// Whether a touched account was left from before EIP-161, and is gone now: with its storage, if it had one.
fn is_cleared(
    database: &mut ViewDatabase<'_>,
    address: Address,
    before: &Before,
) -> Result<bool, ViewError> {
    Ok(database.clearing
        && matches!(before, Before::Existing)
        && !database.is_marked(address)?
        && !database.at_least(&Key::balance(address), U256::ONE)?
        && !database.has_nonce(address)?)
}

/// The code and the life-cycle of a touched account that was not destroyed.
fn settle_code(
    database: &mut ViewDatabase<'_>,
    address: Address,
    before: &Before,
    account: &Account,
) -> Result<(), ViewError> {
    let hash = account.info.code_hash;
    let after = if hash != KECCAK256_EMPTY && !hash.is_zero() {
        if matches!(before, Before::Code(before) if *before == hash) {
            return Ok(());
        }
        let bytecode = account.info.code.clone().unwrap_or_default();
        Some(Value::Code(Code { bytecode, hash }))
    } else if database.clearing {
        // Touched, the account exists by its balance and nonce, or no longer.
        if matches!(before, Before::Unmarked) {
            return Ok(());
        }
        None
    } else {
        if matches!(before, Before::Existing) {
            return Ok(());
        }
        Some(Value::Existing)
    };
    database.put(&Key::code(address), after)
}

/// Moves the account to a new incarnation, with an empty storage.
fn wipe(database: &mut ViewDatabase<'_>, index: usize) -> Result<(), ViewError> {
    let next = U256::from(database.incarnation(index)? + 1);
    let key = Key::incarnation(database.loaded[index].address);
    database.put(&key, Value::from_number(next))
}

fn put_number(
    database: &mut ViewDatabase<'_>,
    key: Key,
    before: Option<U256>,
    after: U256,
) -> Result<(), ViewError> {
    if before == Some(after) {
        return Ok(());
    }
    database.put(&key, Value::from_number(after))
}
