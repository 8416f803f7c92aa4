//! Spans for `tracing`: what a subscriber is told of a block.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

use pleach::{
    Executor, ParallelExecutor, Runtime, Strategy,
    testkit::{Declared, Program, ProgramVm, Step, TestBlock},
};
use tracing::{
    Metadata, Subscriber,
    span::{Attributes, Id, Record},
};

/// Notes the names of spans.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<Vec<&'static str>>>);

impl Subscriber for Names {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "pleach"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut names = self.0.lock().expect("nobody panics");
        names.push(span.metadata().name());
        Id::from_u64(names.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &tracing::Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn spans(strategy: Strategy, declared: Declared) -> Vec<&'static str> {
    let block = TestBlock {
        transactions: vec![Program::new([Step::Get(1)]).declaring(declared); 40],
        ..TestBlock::default()
    };
    // A subscriber of this thread sees what this thread does: with one worker, that is all.
    let runtime = Runtime::builder().workers(NonZeroUsize::MIN).build();
    let executor = ParallelExecutor::new(&runtime.expect("there is a thread")).strategy(strategy);
    let names = Names::default();
    tracing::subscriber::with_default(names.clone(), || {
        let outcome = executor.execute(block.to_pleach(&ProgramVm));
        outcome.expect("nothing fails");
    });
    let names = names.0.lock().expect("nobody panics");
    names.clone()
}

#[test]
fn every_phase_of_a_block_has_one() {
    let nothing = Declared::Nothing;
    assert_eq!(spans(Strategy::Serial, nothing), ["block", "serial"]);
    assert_eq!(
        spans(Strategy::Exact, Declared::Exactly),
        ["block", "plan", "work"]
    );
    assert_eq!(
        spans(Strategy::Optimistic, nothing),
        ["block", "work", "collect"]
    );
}
