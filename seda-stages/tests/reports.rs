//! What a pipeline tells of itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use seda_stages::{ManualClock, Pipeline, Settings, from_fn};
use serde_json::Value;

use crate::tools::{same, slow};

/// A pipeline whose second stage takes a millisecond an event, after ten events.
fn measured() -> Pipeline<u32, u32> {
    let clock = ManualClock::new();
    let pipeline = Pipeline::builder()
        .stage(
            "quick \"one\"",
            Settings::new().batch(10),
            from_fn(same::<u32>),
        )
        .stage(
            "slow",
            Settings::new().batch(2),
            slow(&clock, Duration::from_millis(1)),
        )
        .clock(clock)
        .timeline(4)
        .name("measured")
        .stepped()
        .build()
        .unwrap();
    for event in 0..10 {
        drop(pipeline.submit(event).unwrap());
    }
    while pipeline.step() {}
    pipeline
}

#[test]
fn a_snapshot_has_the_numbers() {
    let snapshot = measured().snapshot();
    assert_eq!(
        (snapshot.accepted, snapshot.completed, snapshot.inside),
        (10, 10, 0)
    );
    let [quick, slow] = &snapshot.stages[..] else {
        panic!("there are two");
    };
    assert_eq!((&*slow.name, slow.work.handled), ("slow", 10));
    assert_eq!(
        (quick.work.batches.count(), slow.work.batches.count()),
        (1, 5)
    );
    // The last two wait for eight milliseconds, and each pair takes two.
    let near = |time: Duration, expected: u64| {
        let expected = Duration::from_millis(expected);
        assert!(
            time >= expected && time <= expected.mul_f64(1.07),
            "{time:?}"
        );
    };
    near(slow.work.waiting.quantile_time(1.0), 8);
    near(slow.work.service.quantile_time(0.5), 1);
    near(snapshot.response.quantile_time(0.9), 10);
    assert_eq!(quick.work.service.largest(), 0);
}

#[test]
fn a_timeline_is_a_trace_that_viewers_read() {
    let pipeline = measured();
    let timeline = pipeline.timeline().unwrap();
    assert_eq!((timeline.slices().len(), timeline.forgotten()), (4, 2));
    let mut written = Vec::new();
    timeline.write_chrome_trace(&mut written).unwrap();
    let trace: Value = serde_json::from_slice(&written).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let slices: Vec<_> = events.iter().filter(|event| event["ph"] == "X").collect();
    assert_eq!(slices.len(), 4);
    assert!(slices.iter().all(|slice| slice["name"] == "slow"));
    assert_eq!(
        (&slices[0]["ts"], &slices[0]["dur"]),
        (&2000.0.into(), &2000.0.into())
    );
    assert_eq!(slices[0]["args"]["events"], 2);
    let queue: Vec<_> = events.iter().filter(|event| event["ph"] == "C").collect();
    let lengths: Vec<_> = queue
        .iter()
        .map(|event| event["args"]["events"].as_u64())
        .collect();
    assert_eq!(lengths, [Some(6), Some(4), Some(2), Some(0)]);
    let names = events.iter().filter(|event| event["name"] == "thread_name");
    assert_eq!(names.count(), 1);
}

/// Holds a trace against the trace event format, and gives back how many batches it shows.
fn check_trace(written: &[u8]) -> usize {
    let trace: Value = serde_json::from_slice(written).unwrap();
    assert!(matches!(
        trace["displayTimeUnit"].as_str(),
        Some("ms" | "ns")
    ));
    let number = |event: &Value, field: &str| {
        let number = event[field].as_f64();
        number
            .filter(|number| *number >= 0.0)
            .unwrap_or_else(|| panic!("{field} of {event}"))
    };
    let mut rows = BTreeMap::<u64, Vec<(f64, f64)>>::new();
    let mut named = BTreeSet::new();
    for event in trace["traceEvents"].as_array().unwrap() {
        assert_eq!(event["pid"].as_u64(), Some(1), "{event}");
        let name = event["name"].as_str().unwrap();
        match event["ph"].as_str().unwrap() {
            "X" => {
                let begin = number(event, "ts");
                let row = rows.entry(event["tid"].as_u64().unwrap()).or_default();
                row.push((begin, begin + number(event, "dur")));
            }
            "C" => {
                number(event, "ts");
                let curves = event["args"].as_object().unwrap();
                assert!(curves.values().all(Value::is_u64), "{event}");
            }
            "M" => {
                assert!(event["args"]["name"].is_string(), "{event}");
                match name {
                    "thread_name" => assert!(named.insert(event["tid"].as_u64().unwrap())),
                    "process_name" => {}
                    _ => panic!("{event}"),
                }
            }
            _ => panic!("{event}"),
        }
    }
    for (row, batches) in &mut rows {
        assert!(named.contains(row), "row {row} has no name");
        // Perfetto hides thread 0, and calls the one with the number of its process the main thread.
        assert!(*row > 1, "row {row}");
        batches.sort_by(|a, b| a.partial_cmp(b).unwrap());
        // A worker has one batch at a time. Times have three digits behind the point.
        let overlap = |pair: &[(f64, f64)]| pair[0].1 > pair[1].0 + 1e-3;
        assert!(!batches.windows(2).any(overlap), "row {row}: {batches:?}");
    }
    rows.values().map(Vec::len).sum()
}

#[test]
fn a_trace_of_many_threads_keeps_to_the_format() {
    let pipeline = Pipeline::builder()
        .stage(
            "first",
            Settings::new().queue(4).batch(3),
            from_fn(same::<u32>),
        )
        .stage(
            "own",
            Settings::new().own_threads().concurrency(2),
            from_fn(same::<u32>),
        )
        .stage("last", Settings::new().in_order(), from_fn(same::<u32>))
        .workers(3)
        .timeline(10_000)
        .build()
        .unwrap();
    for event in 0..500 {
        drop(pipeline.submit(event).unwrap());
    }
    pipeline.drain();
    let timeline = pipeline.timeline().unwrap();
    let mut written = Vec::new();
    timeline.write_chrome_trace(&mut written).unwrap();
    assert_eq!(check_trace(&written), timeline.slices().len());
    assert!(timeline.slices().len() >= 1_000);
}

#[test]
fn names_are_escaped() {
    let pipeline = Pipeline::builder()
        .stage("a \"b\"\n\\c", Settings::new(), from_fn(same::<u32>))
        .timeline(10)
        .stepped()
        .build()
        .unwrap();
    drop(pipeline.submit(1).unwrap());
    assert!(pipeline.step());
    let mut written = Vec::new();
    let timeline = pipeline.timeline().unwrap();
    timeline.write_chrome_trace(&mut written).unwrap();
    let trace: Value = serde_json::from_slice(&written).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    assert!(events.iter().any(|event| event["name"] == "a \"b\"\n\\c"));
}

/// A queue is as long as it is when somebody looks: after events have come, and while a handler has some.
#[cfg(feature = "metrics")]
#[test]
fn an_exporter_sees_queues_grow_and_shrink() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let seen = handle.clone();
    let has = |text: &str, stage: &str, length: usize| {
        let line =
            format!("stage_queue_length{{pipeline=\"queues\",stage=\"{stage}\"}} {length}\n");
        assert!(text.contains(&line), "{line} in\n{text}");
    };
    metrics::with_local_recorder(&recorder, || {
        let look = from_fn(move |event: u32| {
            has(&seen.render(), "look", 1);
            crate::tools::Sure::Ok(event)
        });
        let pipeline = Pipeline::builder()
            .stage("look", Settings::new().batch(2), look)
            .stage("last", Settings::new(), from_fn(same::<u32>))
            .name("queues")
            .stepped()
            .build()
            .unwrap();
        has(&handle.render(), "look", 0);
        let tickets = [1, 2, 3].map(|event| pipeline.submit(event).unwrap());
        has(&handle.render(), "look", 3);
        assert!(pipeline.step());
        has(&handle.render(), "look", 1);
        has(&handle.render(), "last", 2);
        tickets[2].cancel();
        assert_eq!(pipeline.drain().completed, 2);
        has(&handle.render(), "look", 0);
        has(&handle.render(), "last", 0);
    });
}

#[cfg(feature = "metrics")]
#[test]
fn an_exporter_sees_the_same_numbers() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || drop(measured()));
    let text = handle.render();
    let has = |line: &str| assert!(text.contains(line), "{line} in\n{text}");
    has("stage_events_handled_total{pipeline=\"measured\",stage=\"slow\"} 10");
    has("# HELP stage_waiting_seconds How long events have waited before a stage.");
    has("stage_batch_events_count{pipeline=\"measured\",stage=\"slow\"} 5");
    has("stage_waiting_seconds_count{pipeline=\"measured\",stage=\"slow\"} 10");
    has("stage_queue_length{pipeline=\"measured\",stage=\"slow\"} 0");
    has("stage_concurrency{pipeline=\"measured\",stage=\"slow\"} 1");
    has("pipeline_events_accepted_total{pipeline=\"measured\"} 10");
    has("pipeline_response_seconds_count{pipeline=\"measured\"} 10");
}
