//! Ten million events through four stages, all accounted for, and what one costs.
//!
//! ```sh
//! cargo run --release -p seda-stages --example ten_million
//! cargo run --release -p seda-stages --example ten_million -- 1000000 16   # events, events a batch
//! ```

use std::{
    convert::Infallible,
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use seda_stages::{Pipeline, Settings, from_fn};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let events: u64 = arguments
        .next()
        .map_or(Ok(10_000_000), |text| text.parse())?;
    let batch: usize = arguments.next().map_or(Ok(64), |text| text.parse())?;

    let sum = Arc::new(AtomicU64::new(0));
    let add = {
        let (sum, mut last) = (Arc::clone(&sum), None);
        from_fn(move |number: u64| {
            assert!(last.replace(number) < Some(number), "in order");
            // ORDERING: Relaxed. It is read when the pipeline is over.
            sum.fetch_add(number, Ordering::Relaxed);
            Ok::<_, Infallible>(number)
        })
    };
    let settings = || Settings::new().queue(4096).batch(batch);
    let pipeline = Pipeline::builder()
        .stage("any", settings(), from_fn(Ok::<u64, Infallible>))
        .stage(
            "restored",
            settings().order_restored(),
            from_fn(Ok::<u64, Infallible>),
        )
        .stage("again", settings(), from_fn(Ok::<u64, Infallible>))
        .stage("strict", settings().in_order(), add)
        .build()?;

    let begin = Instant::now();
    for number in 0..events {
        // Nobody waits for these, so their tickets are not kept.
        drop(pipeline.submit(number)?);
    }
    let summary = pipeline.drain();
    let time = begin.elapsed();

    assert_eq!((summary.accepted, summary.completed), (events, events));
    // ORDERING: Relaxed. All threads have ended.
    let sum = sum.load(Ordering::Relaxed);
    assert_eq!(
        sum,
        events * (events - 1) / 2,
        "none is lost, none comes twice"
    );
    println!(
        "{events} events in {:.2} s: none lost, none twice, in order",
        time.as_secs_f64()
    );
    let each = time.as_nanos() as f64 / events as f64;
    println!("{each:.0} ns an event, {:.0} ns a stage", each / 4.0);
    for stage in pipeline.snapshot().stages {
        let work = stage.work;
        println!(
            "{:>8}: {:>5.1} events a batch, waiting p50 {:?} p99 {:?}",
            stage.name,
            work.batches.mean(),
            work.waiting.quantile_time(0.5),
            work.waiting.quantile_time(0.99),
        );
    }
    Ok(())
}
