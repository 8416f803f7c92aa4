//! Batches have `tracing` spans. In a binary of its own: that a span is wanted is remembered for the whole process, and other
//! tests meet the same place without wanting it.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use seda_stages::{Pipeline, Settings, from_fn};
use tracing_subscriber::{Layer, layer::Context, prelude::*};

#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Spans {
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        _: &tracing::span::Id,
        _: Context<'_, S>,
    ) {
        self.0.lock().unwrap().push(attributes.values().to_string());
    }
}

#[test]
fn batches_have_spans() {
    let pipeline = Pipeline::builder()
        .stage(
            "a",
            Settings::new().batch(2),
            from_fn(Ok::<u32, Infallible>),
        )
        .stage(
            "b",
            Settings::new().batch(4),
            from_fn(Ok::<u32, Infallible>),
        )
        .stepped()
        .build()
        .unwrap();
    for event in 0..4 {
        drop(pipeline.submit(event).unwrap());
    }
    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    tracing::subscriber::with_default(subscriber, || while pipeline.step() {});
    let expected = [("a", 2), ("b", 2), ("a", 2), ("b", 2)];
    let expected = expected.map(|(name, events)| format!("{{name: {name:?}, events: {events}}}"));
    assert_eq!(*spans.0.lock().unwrap(), expected);
}
