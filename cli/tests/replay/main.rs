//! `pleach replay` as a user runs it.

mod bad_input;
mod hints;
mod output;
mod pipeline;
mod stopped;
mod support;
