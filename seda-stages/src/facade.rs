//! What stages tell to the `metrics` facade and to `tracing`. Without these features, nothing.

#[cfg(feature = "metrics")]
mod reports {
    use metrics::{
        Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge,
        describe_histogram, gauge, histogram,
    };

    /// The metrics of one stage, found once.
    pub(crate) struct Reports {
        handled: Counter,
        failed: Counter,
        withdrawn: Counter,
        panics: Counter,
        waiting: Histogram,
        service: Histogram,
        batch: Histogram,
        queue: Gauge,
        concurrency: Gauge,
    }

    impl Reports {
        pub(crate) fn new(pipeline: &str, stage: &str) -> Self {
            let labels = [
                ("pipeline", pipeline.to_owned()),
                ("stage", stage.to_owned()),
            ];
            let queue = gauge!("stage_queue_length", &labels);
            // So that it is there from the beginning. Others of the same name may count in it.
            queue.increment(0.0);
            Self {
                handled: counter!("stage_events_handled_total", &labels),
                failed: counter!("stage_events_failed_total", &labels),
                withdrawn: counter!("stage_events_withdrawn_total", &labels),
                panics: counter!("stage_panics_total", &labels),
                waiting: histogram!("stage_waiting_seconds", &labels),
                service: histogram!("stage_service_seconds", &labels),
                batch: histogram!("stage_batch_events", &labels),
                queue,
                concurrency: gauge!("stage_concurrency", &labels),
            }
        }

        pub(crate) fn waited(&self, nanoseconds: u64) {
            self.waiting.record(nanoseconds as f64 * 1e-9);
        }

        /// Events have come to where a handler can take them.
        pub(crate) fn queued(&self, events: usize) {
            self.queue.increment(events as f64);
        }

        /// A handler has taken events.
        pub(crate) fn taken(&self, events: usize) {
            self.queue.decrement(events as f64);
        }

        pub(crate) fn batch(&self, batch: &super::BatchReport) {
            self.handled.increment(batch.handled);
            self.failed.increment(batch.failed);
            self.withdrawn.increment(batch.withdrawn);
            self.panics.increment(batch.panics);
            if batch.events > 0 {
                let each = batch.busy as f64 * 1e-9 / batch.events as f64;
                self.service.record_many(each, batch.events as usize);
                self.batch.record(batch.events as f64);
            }
        }

        pub(crate) fn handlers(&self, handlers: usize) {
            self.concurrency.set(handlers as f64);
        }
    }

    /// The metrics of the pipeline as a whole.
    pub(crate) struct PipelineReports {
        accepted: Counter,
        refused: Counter,
        response: Histogram,
    }

    impl PipelineReports {
        pub(crate) fn new(pipeline: &str) -> Self {
            describe();
            let labels = [("pipeline", pipeline.to_owned())];
            Self {
                accepted: counter!("pipeline_events_accepted_total", &labels),
                refused: counter!("pipeline_events_refused_total", &labels),
                response: histogram!("pipeline_response_seconds", &labels),
            }
        }

        pub(crate) fn accepted(&self) {
            self.accepted.increment(1);
        }

        pub(crate) fn refused(&self) {
            self.refused.increment(1);
        }

        pub(crate) fn response(&self, nanoseconds: u64) {
            self.response.record(nanoseconds as f64 * 1e-9);
        }
    }

    /// Tells exporters what each number is.
    fn describe() {
        for (name, what) in [
            (
                "stage_events_handled_total",
                "Events that a stage has handled.",
            ),
            (
                "stage_events_failed_total",
                "Events that a stage has failed.",
            ),
            (
                "stage_events_withdrawn_total",
                "Events that were cancelled or had expired when a stage met them.",
            ),
            ("stage_panics_total", "Panics of the handlers of a stage."),
            ("pipeline_events_accepted_total", "Events that were let in."),
            ("pipeline_events_refused_total", "Events that were refused."),
        ] {
            describe_counter!(name, Unit::Count, what);
        }
        for (name, unit, what) in [
            (
                "stage_waiting_seconds",
                Unit::Seconds,
                "How long events have waited before a stage.",
            ),
            (
                "stage_service_seconds",
                Unit::Seconds,
                "How long a stage took for each event.",
            ),
            ("stage_batch_events", Unit::Count, "Events a batch."),
            (
                "pipeline_response_seconds",
                Unit::Seconds,
                "From when an event was let in to its result.",
            ),
        ] {
            describe_histogram!(name, unit, what);
        }
        for (name, what) in [
            ("stage_queue_length", "Events that wait before a stage."),
            ("stage_concurrency", "Handlers that may run at a time."),
        ] {
            describe_gauge!(name, Unit::Count, what);
        }
    }
}

#[cfg(not(feature = "metrics"))]
#[expect(clippy::unused_self, reason = "these stand in for those that report")]
mod reports {
    pub(crate) struct Reports;

    impl Reports {
        pub(crate) fn new(_: &str, _: &str) -> Self {
            Self
        }

        pub(crate) fn waited(&self, _: u64) {}

        pub(crate) fn queued(&self, _: usize) {}

        pub(crate) fn taken(&self, _: usize) {}

        pub(crate) fn batch(&self, _: &super::BatchReport) {}

        pub(crate) fn handlers(&self, _: usize) {}
    }

    pub(crate) struct PipelineReports;

    impl PipelineReports {
        pub(crate) fn new(_: &str) -> Self {
            Self
        }

        pub(crate) fn accepted(&self) {}

        pub(crate) fn refused(&self) {}

        pub(crate) fn response(&self, _: u64) {}
    }
}

pub(crate) use reports::{PipelineReports, Reports};

/// What a stage did with one batch. Times in nanoseconds.
#[derive(Clone, Copy, Default)]
pub(crate) struct BatchReport {
    /// Events that a handler got.
    pub(crate) events: u64,
    pub(crate) handled: u64,
    pub(crate) failed: u64,
    pub(crate) withdrawn: u64,
    pub(crate) panics: u64,
    pub(crate) busy: u64,
}

/// Runs the handling of a batch in a span of its own.
#[cfg(feature = "tracing")]
pub(crate) fn in_span<R>(stage: &str, events: usize, run: impl FnOnce() -> R) -> R {
    tracing::debug_span!("stage", name = stage, events).in_scope(run)
}

/// Runs the handling of a batch.
#[cfg(not(feature = "tracing"))]
pub(crate) fn in_span<R>(_: &str, _: usize, run: impl FnOnce() -> R) -> R {
    run()
}
