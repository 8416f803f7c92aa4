//! Staged event-driven pipelines, after Welsh's SEDA.
//!
//! This crate will carry events through stages, each an event handler with a bounded queue and
//! controllers for concurrency, batch size and admission, over one shared work-conserving pool.
//! Overload shows as back-pressure or as a typed refusal, never as growth, and every accepted event
//! is accounted for at shutdown.
//!
//! It knows nothing of blocks or transactions, and is meant to be useful alone. Nothing is in it yet.
