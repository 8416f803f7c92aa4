//! Transactions as small programs, and the VM that runs them.

use std::ops::{Bound, ControlFlow};

use pleach_dtt::{AccessSet, Trust};

use crate::{
    value::{Bounds, Delta},
    view::StateView,
    vm::{Stop, Vm},
};

/// A transaction: steps, one after another, on a small register.
///
/// What a step sees goes into the register and into the output, so a transaction that saw anything else gives something
/// else.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub struct Program {
    /// What it does.
    pub steps: Vec<Step>,
    /// What it says beforehand of the keys that it will touch.
    pub declared: Declared,
}

impl Program {
    /// A program of these steps that declares nothing.
    #[must_use]
    pub fn new(steps: impl Into<Vec<Step>>) -> Self {
        Self {
            steps: steps.into(),
            declared: Declared::Nothing,
        }
    }

    /// The same program with another declaration.
    #[must_use]
    pub fn declaring(mut self, declared: Declared) -> Self {
        self.declared = declared;
        self
    }
}

/// What a program says beforehand of the keys that it will touch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Declared {
    /// Nothing: [`Trust::Unknown`].
    #[default]
    Nothing,
    /// All that any of its steps may touch: [`Trust::Exact`], and true.
    Exactly,
    /// The same, but without what the step of this index touches: [`Trust::Exact`], and a lie if that step is reached.
    AllBut(usize),
    /// The accesses of its steps, each key shifted by this, and a forecast of its adds: [`Trust::Predicted`], and wrong unless
    /// it is zero.
    Guessed(u8),
}

/// One step of a [`Program`]. Keys are small, so that transactions meet.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Step {
    /// Reads a key into the register.
    Get(u8),
    /// Writes a constant.
    Put(u8, u64),
    /// Writes what the register holds: a value that depends on all that was seen.
    PutRegister(u8),
    /// Removes a key.
    Delete(u8),
    /// Adds a constant.
    Add(u8, u64),
    /// Subtracts a constant.
    Subtract(u8, u64),
    /// Adds a constant if the sum lies between the bounds.
    AddWithin(u8, u64, u64, u64),
    /// Asks whether a key holds at least this.
    AtLeast(u8, u64),
    /// Asks whether a key holds anything.
    Contains(u8),
    /// Scans the keys from the first to the second, both included, and breaks after so many.
    Scan(u8, u8, usize),
    /// Scans all keys.
    ScanAll,
    /// Skips so many of the next steps if the register is odd: what is touched then depends on what was seen.
    SkipIfOdd(usize),
    /// Fails if the register is a multiple of this.
    FailIfMultiple(u64),
    /// Fails.
    Fail,
    /// Panics with the text `a program panicked`.
    Panic,
    /// Nothing; but the program says that it is [next to no work](Vm::weight), so that optimism executes it in turn.
    Light,
}

/// A program that failed by its own fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the program failed at step {step} with {register} in the register")]
pub struct ProgramError {
    /// The step that failed.
    pub step: usize,
    /// What the register held.
    pub register: u64,
}

/// What a program saw, in order: every answer of its view.
pub type Seen = Vec<u64>;

/// Runs [`Program`]s over keys of `u8` and values of `u64`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ProgramVm;

/// Stands for an absent value in [`Seen`].
const ABSENT: u64 = u64::MAX;

/// The register and the record of a program under way.
#[derive(Default)]
pub(super) struct Machine {
    pub(super) register: u64,
    pub(super) seen: Seen,
}

impl Machine {
    pub(super) fn see(&mut self, answer: u64) {
        self.seen.push(answer);
        // Any mixing will do that keeps different histories apart and numbers of all sizes coming.
        self.register = (self.register ^ answer)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(23)
            >> 8;
    }

    pub(super) fn see_value(&mut self, value: Option<u64>) {
        self.see(value.unwrap_or(ABSENT));
    }
}

impl Vm for ProgramVm {
    type Transaction = Program;
    type Key = u8;
    type Value = u64;
    type Output = Seen;
    type Error = ProgramError;
    type Scratch = ();

    fn accesses(&self, program: &Program, set: &mut AccessSet<u8>) -> Trust {
        let (hidden, shift, trust) = match program.declared {
            Declared::Nothing => return Trust::Unknown,
            Declared::Exactly => (None, 0, Trust::Exact),
            Declared::AllBut(step) => (Some(step), 0, Trust::Exact),
            Declared::Guessed(shift) => (None, shift, Trust::Predicted),
        };
        for (index, step) in program.steps.iter().enumerate() {
            if Some(index) != hidden {
                declare(step, shift, set);
            }
        }
        trust
    }

    fn forecast(&self, program: &Program, add: &mut dyn FnMut(u8, Delta<u64>)) {
        let Declared::Guessed(shift) = program.declared else {
            return;
        };
        for step in &program.steps {
            match *step {
                Step::Add(key, amount) | Step::AddWithin(key, amount, ..) => {
                    add(key.wrapping_add(shift), Delta::Plus(amount));
                }
                Step::Subtract(key, amount) => {
                    add(key.wrapping_add(shift), Delta::Minus(amount));
                }
                _ => {}
            }
        }
    }

    fn affinity(&self, program: &Program, name: &mut dyn FnMut(u8)) {
        for step in &program.steps {
            if let Step::Get(key) | Step::PutRegister(key) = *step {
                name(key);
            }
        }
    }

    fn weight(&self, program: &Program) -> u32 {
        u32::from(!program.steps.contains(&Step::Light))
    }

    fn execute<S: StateView<u8, u64>>(
        &self,
        program: &Program,
        state: &mut S,
        (): &mut (),
    ) -> Result<Seen, Stop<ProgramError>> {
        let mut machine = Machine::default();
        let mut next = 0;
        while let Some(step) = program.steps.get(next) {
            let fail = |machine: &Machine| {
                let register = machine.register;
                Err(Stop::Failed(ProgramError {
                    step: next,
                    register,
                }))
            };
            let mut skipped = 0;
            match *step {
                Step::Get(key) => machine.see_value(state.get(&key)?),
                Step::Put(key, value) => state.put(&key, value)?,
                Step::PutRegister(key) => state.put(&key, machine.register)?,
                Step::Delete(key) => state.delete(&key)?,
                Step::Add(key, amount) => {
                    machine.see(state.add(&key, Delta::Plus(amount))?.into());
                }
                Step::Subtract(key, amount) => {
                    machine.see(state.add(&key, Delta::Minus(amount))?.into());
                }
                Step::AddWithin(key, amount, floor, ceiling) => {
                    let bounds = Bounds { floor, ceiling };
                    let added = state.add_within(&key, Delta::Plus(amount), bounds)?;
                    machine.see(added.into());
                }
                Step::AtLeast(key, amount) => machine.see(state.at_least(&key, amount)?.into()),
                Step::Contains(key) => machine.see(state.contains(&key)?.into()),
                Step::Scan(from, to, most) => {
                    scan(
                        state,
                        Bound::Included(&from),
                        Bound::Included(&to),
                        most,
                        &mut machine,
                    )?;
                }
                Step::ScanAll => {
                    scan(
                        state,
                        Bound::Unbounded,
                        Bound::Unbounded,
                        usize::MAX,
                        &mut machine,
                    )?;
                }
                Step::SkipIfOdd(count) => {
                    if machine.register % 2 == 1 {
                        skipped = count;
                    }
                }
                Step::FailIfMultiple(of) => {
                    if machine.register.is_multiple_of(of.max(1)) {
                        return fail(&machine);
                    }
                }
                Step::Fail => return fail(&machine),
                Step::Panic => panic!("a program panicked"),
                Step::Light => {}
            }
            next = next.saturating_add(skipped).saturating_add(1);
        }
        Ok(machine.seen)
    }
}

fn scan<S: StateView<u8, u64>>(
    state: &mut S,
    from: Bound<&u8>,
    to: Bound<&u8>,
    most: usize,
    machine: &mut Machine,
) -> Result<(), Stop<ProgramError>> {
    let mut count = 0;
    state.range(from, to, &mut |key, value| {
        machine.see(u64::from(*key));
        machine.see(*value);
        count += 1;
        if count < most {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    Ok(())
}

fn declare(step: &Step, shift: u8, set: &mut AccessSet<u8>) {
    let at = |key: u8| key.wrapping_add(shift);
    match *step {
        Step::Get(key) => {
            set.read(at(key));
        }
        Step::AtLeast(key, _) | Step::Contains(key) => {
            set.check(at(key));
        }
        Step::Put(key, _) | Step::PutRegister(key) | Step::Delete(key) => {
            set.write(at(key));
        }
        Step::Add(key, _) | Step::Subtract(key, _) | Step::AddWithin(key, ..) => {
            set.add(at(key));
        }
        Step::Scan(from, to, _) => {
            set.range(Bound::Included(at(from)), Bound::Included(at(to)));
        }
        Step::ScanAll => {
            set.range(Bound::Unbounded, Bound::Unbounded);
        }
        Step::SkipIfOdd(_) | Step::FailIfMultiple(_) | Step::Fail | Step::Panic | Step::Light => {}
    }
}
