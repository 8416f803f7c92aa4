//! Small contracts: what they do, as a list of steps, and its bytecode.

#![expect(missing_docs, reason = "the variants are named as opcodes are")]

use alloy_primitives::{Address, Bytes, U256, ruint::UintTryFrom};
use revm::{bytecode::opcode as op, primitives::hardfork::SpecId};

/// Bytecode under construction.
#[derive(Clone, Debug, Default)]
pub struct Assembler(Vec<u8>);

impl Assembler {
    pub fn op(&mut self, opcode: u8) -> &mut Self {
        self.0.push(opcode);
        self
    }

    pub fn push<N>(&mut self, number: N) -> &mut Self
    where
        U256: UintTryFrom<N>,
    {
        let number = U256::from(number);
        let bytes = number.to_be_bytes_trimmed_vec();
        let bytes = if bytes.is_empty() { vec![0] } else { bytes };
        self.0.push(op::PUSH1 + (bytes.len() - 1) as u8);
        self.0.extend(bytes);
        self
    }

    pub fn push_address(&mut self, address: Address) -> &mut Self {
        self.0.push(op::PUSH20);
        self.0.extend(address.as_slice());
        self
    }

    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.0.clone().into()
    }
}

/// An account that a contract names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    At(Address),
    Myself,
    Caller,
    Coinbase,
    /// What this frame created last; the zero address if nothing.
    Last,
}

/// An amount of ether that a contract names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Amount {
    Wei(U256),
    /// All that it has, as BALANCE shows it, and this much more.
    AllAnd(u8),
    /// What it was called with.
    Received,
}

/// How a contract calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    Call,
    CallCode,
    Delegate,
    Static,
}

/// What a contract looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    Balance,
    CodeSize,
    CodeHash,
    CodeCopy,
}

/// One step of a contract. What it learns it logs, or, if `keep`, stores.
#[derive(Clone, Debug)]
pub enum Step {
    Call {
        way: Way,
        to: Target,
        value: Amount,
        /// `None` for all that is left.
        gas: Option<u64>,
        function: u8,
    },
    Look {
        look: Look,
        at: Target,
        keep: bool,
    },
    SelfBalance {
        keep: bool,
    },
    /// Creates a contract with the code of an account as its init code.
    Create {
        init: Address,
        value: Amount,
        salt: Option<u8>,
    },
    Load(u8),
    Store(u8, u8),
    LoadTransient(u8),
    StoreTransient(u8, u8),
    BlockHash(u16),
}

/// How a function ends.
#[derive(Clone, Copy, Debug)]
pub enum End {
    Stop,
    Revert,
    Invalid,
    /// Loops until its gas is gone.
    Burn,
    SelfDestruct(Target),
    /// Returns the code of an account: what init code does.
    ReturnCodeOf(Address),
}

/// A function of a contract.
#[derive(Clone, Debug)]
pub struct Function {
    pub steps: Vec<Step>,
    pub end: End,
}

/// Where [`Target::Last`] lies in memory. The word before it is scratch space, and codes lie after it.
const LAST: u64 = 0x20;
const CODES: u64 = 0x40;
/// The first slot for what a contract learns; the slots below it are for programs.
const KEPT: u64 = 0x10;

/// The length of an entry of the table of functions.
const ENTRY: usize = 13;

/// A contract that runs the function whose number is the first byte of its input, or else the first one.
#[must_use]
pub fn contract(functions: &[Function], spec: SpecId) -> Bytes {
    let bodies: Vec<_> = functions
        .iter()
        .map(|function| program(function, spec))
        .collect();
    let mut offset = functions.len() * ENTRY;
    let mut code = Assembler::default();
    for (number, body) in bodies.iter().enumerate() {
        code.push(0).op(op::CALLDATALOAD).push(0).op(op::BYTE);
        code.push(number).op(op::EQ).op(op::PUSH2);
        code.0.extend((offset as u16).to_be_bytes());
        code.op(op::JUMPI);
        offset += 1 + body.len();
    }
    for body in &bodies {
        code.op(op::JUMPDEST);
        code.0.extend(body);
    }
    code.bytes()
}

/// Code that is a single function, as init code is.
#[must_use]
pub fn program(function: &Function, spec: SpecId) -> Bytes {
    let mut code = Assembler::default();
    for step in &function.steps {
        code.step(step, spec);
    }
    match function.end {
        End::Stop => code.op(op::STOP),
        End::Revert if spec.is_enabled_in(SpecId::BYZANTIUM) => {
            code.push(0x40).push(0).op(op::REVERT)
        }
        End::Revert | End::Invalid => code.op(op::INVALID),
        // Memory that nobody can pay.
        End::Burn => code.push(1).push(1u64 << 40).op(op::MSTORE),
        End::SelfDestruct(target) => code.target(target).op(op::SELFDESTRUCT),
        End::ReturnCodeOf(address) => {
            code.copy_code(address);
            code.push_address(address).op(op::EXTCODESIZE);
            code.push(CODES).op(op::RETURN)
        }
    };
    code.bytes()
}

impl Assembler {
    fn step(&mut self, step: &Step, spec: SpecId) {
        match *step {
            Step::Call {
                way,
                to,
                value,
                gas,
                function,
            } => {
                let way = match way {
                    Way::Static if !spec.is_enabled_in(SpecId::BYZANTIUM) => Way::Call,
                    Way::Delegate if !spec.is_enabled_in(SpecId::HOMESTEAD) => Way::CallCode,
                    way => way,
                };
                self.call(way, to, value, gas, function, spec);
            }
            Step::Look { look, at, keep } => self.look(look, at, keep, spec),
            Step::SelfBalance { keep } => {
                if spec.is_enabled_in(SpecId::ISTANBUL) {
                    self.op(op::SELFBALANCE).learn(keep, 9);
                }
            }
            Step::Create { init, value, salt } => self.create(init, value, salt, spec),
            Step::Load(slot) => self.push(slot).op(op::SLOAD).learn(false, 0),
            Step::Store(slot, word) => {
                self.push(word).push(slot).op(op::SSTORE);
            }
            Step::LoadTransient(slot) => {
                if spec.is_enabled_in(SpecId::CANCUN) {
                    self.push(slot).op(op::TLOAD).learn(false, 0);
                }
            }
            Step::StoreTransient(slot, word) => {
                if spec.is_enabled_in(SpecId::CANCUN) {
                    self.push(word).push(slot).op(op::TSTORE);
                }
            }
            Step::BlockHash(back) => {
                self.push(back).op(op::NUMBER).op(op::SUB);
                self.op(op::BLOCKHASH).learn(false, 0);
            }
        }
    }

    /// Logs or stores the word on top of the stack.
    fn learn(&mut self, keep: bool, slot: u64) {
        if keep {
            self.push(KEPT + slot).op(op::SSTORE);
        } else {
            self.push(0).op(op::MSTORE);
            self.push(0x20).push(0).op(op::LOG0);
        }
    }

    fn target(&mut self, target: Target) -> &mut Self {
        match target {
            Target::At(address) => self.push_address(address),
            Target::Myself => self.op(op::ADDRESS),
            Target::Caller => self.op(op::CALLER),
            Target::Coinbase => self.op(op::COINBASE),
            Target::Last => self.push(LAST).op(op::MLOAD),
        }
    }

    fn amount(&mut self, amount: Amount) -> &mut Self {
        match amount {
            Amount::Wei(wei) => self.push(wei),
            Amount::AllAnd(more) => self.push(more).op(op::ADDRESS).op(op::BALANCE).op(op::ADD),
            Amount::Received => self.op(op::CALLVALUE),
        }
    }

    fn call(
        &mut self,
        way: Way,
        to: Target,
        value: Amount,
        gas: Option<u64>,
        function: u8,
        spec: SpecId,
    ) {
        self.push(function).push(0).op(op::MSTORE8);
        // Output: one word, over the input.
        self.push(0x20).push(0).push(1).push(0);
        if matches!(way, Way::Call | Way::CallCode) {
            self.amount(value);
        }
        self.target(to);
        match gas {
            Some(gas) => self.push(gas),
            None if spec.is_enabled_in(SpecId::TANGERINE) => self.op(op::GAS),
            // Until then a call for more than there is was out of gas. This much the call costs, and what follows it.
            None => self.push(50_000).op(op::GAS).op(op::SUB),
        };
        self.op(match way {
            Way::Call => op::CALL,
            Way::CallCode => op::CALLCODE,
            Way::Delegate => op::DELEGATECALL,
            Way::Static => op::STATICCALL,
        });
        self.learn(false, 0);
    }

    fn look(&mut self, look: Look, at: Target, keep: bool, spec: SpecId) {
        match look {
            Look::Balance => self.target(at).op(op::BALANCE).learn(keep, 0),
            Look::CodeSize => self.target(at).op(op::EXTCODESIZE).learn(keep, 1),
            Look::CodeHash if spec.is_enabled_in(SpecId::PETERSBURG) => {
                self.target(at).op(op::EXTCODEHASH).learn(keep, 2);
            }
            Look::CodeHash => {}
            Look::CodeCopy => {
                self.push(0x20).push(0).push(0);
                self.target(at).op(op::EXTCODECOPY);
                self.push(0).op(op::MLOAD).learn(keep, 3);
            }
        }
    }

    fn create(&mut self, init: Address, value: Amount, salt: Option<u8>, spec: SpecId) {
        self.copy_code(init);
        let salt = salt.filter(|_| spec.is_enabled_in(SpecId::PETERSBURG));
        if let Some(salt) = salt {
            self.push(salt);
        }
        self.push_address(init).op(op::EXTCODESIZE).push(CODES);
        self.amount(value);
        self.op(if salt.is_some() {
            op::CREATE2
        } else {
            op::CREATE
        });
        self.op(op::DUP1).push(LAST).op(op::MSTORE).learn(false, 0);
    }

    fn copy_code(&mut self, address: Address) {
        self.push_address(address).op(op::EXTCODESIZE);
        self.push(0).push(CODES);
        self.push_address(address).op(op::EXTCODECOPY);
    }
}
