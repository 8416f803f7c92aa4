//! Who decides what becomes of an event: the stage that has it, or whoever calls it off.
//!
//! | phase | the event is | may become |
//! | --- | --- | --- |
//! | `WAITING` | before a stage | `HANDLED` by the stage, `CANCELLED` or `EXPIRED` by anybody |
//! | `HANDLED` | in the hands of a stage | `WAITING`, `STANDS` or `DECIDED` by the stage, `CALLED_OFF` by anybody |
//! | `CALLED_OFF` | the same, but to be given up when the stage is done with it | `STANDS` or `DECIDED` by the stage |
//! | `STANDS` | on its way, and what was done with it is not undone any more | `DECIDED` by a stage |
//! | `DECIDED` | answered by a stage | |
//! | `CANCELLED`, `EXPIRED` | answered by whoever called it off; the pipeline drops it when it meets it | |

use crate::sync::{AtomicU32, Ordering};

const WAITING: u32 = 0;
const HANDLED: u32 = 1;
const CALLED_OFF: u32 = 2;
const DECIDED: u32 = 3;
const CANCELLED: u32 = 4;
const EXPIRED: u32 = 5;
const STANDS: u32 = 6;

/// What an event is at.
#[derive(Debug)]
pub struct Phase(AtomicU32);

/// Why a stage does not get an event that waited for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Withdrawn {
    /// Somebody cancelled it.
    Cancelled,
    /// Its deadline has passed.
    Expired,
}

/// What calling an event off came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum CallOff {
    /// The caller has decided, and answers.
    Mine,
    /// A stage has it, and will know when it is done with it.
    Noted,
    /// It was decided before.
    TooLate,
}

impl Phase {
    /// An event that waits for the first stage.
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicU32::new(WAITING))
    }

    /// One step, if the event is where it is taken to be.
    fn step(&self, from: u32, to: u32) -> Result<(), u32> {
        // ORDERING: Relaxed. The phase says only who may answer. The event itself passes through the locks of the queues, and
        // the answer through its own.
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        self.0
            .compare_exchange(from, to, success, failure)
            .map(|_| ())
    }

    /// A stage takes it.
    pub fn begin(&self) -> Result<(), Withdrawn> {
        match self.step(WAITING, HANDLED) {
            Ok(()) | Err(STANDS) => Ok(()),
            Err(EXPIRED) => Err(Withdrawn::Expired),
            Err(_) => Err(Withdrawn::Cancelled),
        }
    }

    /// A stage passes it on. False if somebody has called it off: then the stage decides.
    #[must_use]
    pub fn pass_on(&self) -> bool {
        if cfg!(mutant = "pass_on_anything") {
            // ORDERING: Relaxed, as in `step`.
            self.0.store(WAITING, Ordering::Relaxed);
            return true;
        }
        matches!(self.step(HANDLED, WAITING), Ok(()) | Err(STANDS))
    }

    /// The stage that has it has done what is not undone any more: nobody calls it off from now on, and whoever has done so
    /// is too late.
    pub fn stand(&self) {
        if cfg!(mutant = "stand_unless_called_off") {
            let _ = self.step(HANDLED, STANDS);
            return;
        }
        // ORDERING: Relaxed, as in `step`. It is a swap, so that it comes after whatever was noted, or that finds it done.
        self.0.swap(STANDS, Ordering::Relaxed);
    }

    /// Whether nobody calls it off any more, and it is still on its way.
    #[must_use]
    pub fn stands(&self) -> bool {
        // ORDERING: Relaxed, as in `step`. The stage that said so has passed it on through the lock of a queue.
        self.0.load(Ordering::Relaxed) == STANDS
    }

    /// The stage that has it decides, and answers.
    pub fn decide(&self) {
        // ORDERING: Relaxed, as in `step`. Nobody else leaves the phases that it may be in.
        self.0.store(DECIDED, Ordering::Relaxed);
    }

    /// Somebody calls it off: at once if it waits, else when the stage that has it is done with it.
    pub fn call_off(&self, why: Withdrawn) -> CallOff {
        let to = match why {
            Withdrawn::Cancelled => CANCELLED,
            Withdrawn::Expired => EXPIRED,
        };
        loop {
            match self.step(WAITING, to) {
                Ok(()) => return CallOff::Mine,
                // What a stage has got in time may be late when it leaves it: the next stage looks.
                Err(HANDLED) if why == Withdrawn::Cancelled => {
                    if cfg!(mutant = "call_off_handled") {
                        return CallOff::Mine;
                    }
                    if self.step(HANDLED, CALLED_OFF).is_ok() {
                        return CallOff::Noted;
                    }
                }
                Err(HANDLED | CALLED_OFF) => return CallOff::Noted,
                Err(_) => return CallOff::TooLate,
            }
        }
    }

    /// Whether somebody has called it off while a stage has it.
    #[must_use]
    pub fn is_called_off(&self) -> bool {
        // ORDERING: Relaxed, as in `step`. Who sees it late only stops late.
        self.0.load(Ordering::Relaxed) == CALLED_OFF
    }
}
