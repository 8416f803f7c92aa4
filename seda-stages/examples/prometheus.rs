//! A pipeline under overload, as Prometheus would see it.
//!
//! ```sh
//! cargo run --release -p seda-stages --features metrics --example prometheus
//! ```
//!
//! It prints what an exporter would serve under `/metrics`. With the exporter's HTTP listener instead of `install_recorder`, a
//! Prometheus server can fetch it.

use std::{convert::Infallible, error::Error, time::Duration};

use metrics_exporter_prometheus::PrometheusBuilder;
use seda_stages::{Pipeline, ResponseTarget, Settings, from_fn};

fn main() -> Result<(), Box<dyn Error>> {
    // Before the pipeline is built: that is when its metrics are registered.
    let exporter = PrometheusBuilder::new().install_recorder()?;

    let slow = from_fn(|number: u32| {
        std::thread::sleep(Duration::from_micros(200));
        Ok::<_, Infallible>(number)
    });
    let picky = from_fn(|number: u32| match number % 100 {
        0 => Err("every hundredth fails"),
        _ => Ok(number),
    });
    let pipeline = Pipeline::builder()
        .stage("picky", Settings::new(), picky)
        .stage("slow", Settings::new().own_threads().concurrency(4), slow)
        .admission(ResponseTarget::new(Duration::from_millis(5))?.at_least(4))
        .name("example")
        .build()?;

    // More than it can do: the admission controller refuses what would take too long.
    for number in 0..20_000 {
        if pipeline.try_submit(number).is_err() {
            std::thread::sleep(Duration::from_micros(20));
        }
    }
    let summary = pipeline.drain();
    print!("{}", exporter.render());
    println!("# {summary:?}");
    Ok(())
}
