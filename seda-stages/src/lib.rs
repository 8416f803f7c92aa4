#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! | you want to | look at |
//! | --- | --- |
//! | write a stage | [`Stage`], [`Batch`], [`from_fn`] |
//! | put stages together | [`Pipeline::builder`], [`Builder`], [`Settings`] |
//! | hand in events | [`Pipeline`], [`Submission`], [`Ticket`], [`Refused`] |
//! | know why an event failed | [`EventError`] |
//! | have numbers set while it runs | [`QueueThreads`], [`SmallestBatch`], [`ResponseTarget`], [`Controller`], [`Admission`] |
//! | see what it does | [`Snapshot`], [`Timeline`] |
//! | test without sleeping | [`ManualClock`], [`Builder::stepped`] |

mod builder;
mod clock;
mod control;
mod core;
mod envelope;
mod error;
mod facade;
mod histogram;
mod metrics;
mod node;
mod order;
mod pipeline;
#[cfg(not(pleach_loom))]
#[expect(unreachable_pub, reason = "it is public where models look at it")]
mod protocol;
#[cfg(pleach_loom)]
#[doc(hidden)]
pub mod protocol;
mod settings;
mod stage;
mod sync;
mod ticket;
mod timeline;

pub use builder::Builder;
pub use clock::{Clock, ManualClock, SystemClock};
pub use control::{
    Admission, AdmissionSample, Controller, QueueThreads, ResponseTarget, ResponseTargetError,
    SmallestBatch, StageSample,
};
pub use error::{BoxError, BuildError, EventError, EventErrorKind, Refusal, Refused};
pub use histogram::Histogram;
pub use metrics::{Refusals, Snapshot, StageSnapshot, StageWork, Summary};
pub use pipeline::{Pipeline, Submission};
pub use settings::{Knob, Order, Restart, Settings, Threads};
pub use stage::{Batch, FnStage, Stage, from_fn};
pub use ticket::{Canceller, Ticket};
pub use timeline::{Slice, Timeline};
