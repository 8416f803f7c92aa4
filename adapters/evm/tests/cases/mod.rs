//! The nastiest single cases, each by hand: what a plain revm loop says, and what must come out of it.

mod balances;
mod constantinople;
mod creation;
mod delegation;
mod destruction;
mod existence;
mod overflow;
mod validity;

use alloy_primitives::Address;

/// A contract.
const A: Address = Address::repeat_byte(0xa1);
/// Another contract.
const B: Address = Address::repeat_byte(0xb2);
/// An account that does not exist unless a test says so.
const X: Address = Address::repeat_byte(0x99);
/// Accounts with init code, and with the code that it returns.
const INIT: Address = Address::repeat_byte(0x11);
const RUNTIME: Address = Address::repeat_byte(0x22);

/// Forks in which different rules for balances and accounts hold.
const ERAS: [&str; 8] = [
    "frontier",
    "tangerine",
    "spuriousdragon",
    "istanbul",
    "berlin",
    "shanghai",
    "cancun",
    "osaka",
];
/// Those of them in which an empty account does not exist.
const CLEARING: [&str; 6] = [
    "spuriousdragon",
    "istanbul",
    "berlin",
    "shanghai",
    "cancun",
    "osaka",
];
