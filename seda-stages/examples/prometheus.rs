//! A pipeline under overload, as Prometheus would see it.
//!
//! ```sh
//! cargo run --release -p seda-stages --features metrics --example prometheus                     # prints it in the end
//! cargo run --release -p seda-stages --features metrics --example prometheus -- 127.0.0.1:9898   # serves it, until it is ended
//! ```
//!
//! A node would take the HTTP listener of the exporter, with which it needs an asynchronous runtime; this one does without.

use std::{
    convert::Infallible,
    error::Error,
    io::{self, BufRead, BufReader, Write},
    net::TcpListener,
    thread,
    time::Duration,
};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use seda_stages::{Pipeline, ResponseTarget, Settings, from_fn};

/// Answers whoever asks, whatever they ask for, one after the other.
fn serve(listener: &TcpListener, exporter: &PrometheusHandle) -> io::Result<()> {
    for connection in listener.incoming() {
        let connection = connection?;
        connection.set_read_timeout(Some(Duration::from_secs(1)))?;
        let request = BufReader::new(&connection).lines().map_while(Result::ok);
        // It ends with an empty line.
        request.take_while(|line| !line.is_empty()).for_each(drop);
        let metrics = exporter.render();
        let length = metrics.len();
        // Who asked may have gone.
        let _ = write!(
            &connection,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{metrics}"
        );
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    // Before the pipeline is built: that is when its metrics are registered.
    let exporter = PrometheusBuilder::new().install_recorder()?;

    let slow = from_fn(|number: u32| {
        thread::sleep(Duration::from_micros(200));
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

    let events = match std::env::args().nth(1) {
        None => 20_000,
        Some(address) => {
            let (listener, exporter) = (TcpListener::bind(address)?, exporter.clone());
            println!("http://{}/metrics", listener.local_addr()?);
            thread::spawn(move || serve(&listener, &exporter));
            u32::MAX
        }
    };

    // More than it can do: the admission controller refuses what would take too long.
    for number in 0..events {
        if pipeline.try_submit(number).is_err() {
            thread::sleep(Duration::from_micros(20));
        }
    }
    let summary = pipeline.drain();
    print!("{}", exporter.render());
    println!("# {summary:?}");
    Ok(())
}
