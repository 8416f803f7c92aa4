//! Every engine on every workload, and engines that are wrong, which are found out.

use std::{num::NonZeroUsize, time::Duration};

use pleach::CancelToken;

use super::{
    Engine, Entrant, Fault, Job, Left, Name, Prepared, expected::Expected, lineup, measure,
    measure::Lane,
};
use crate::{
    race::{Racer, rounds},
    workloads::{Access, Balances, Key, Kind, Map, Output, Setting, Visitor, Workload},
};

fn workers(counts: &[usize]) -> Vec<NonZeroUsize> {
    let counts = counts.iter().map(|count| NonZeroUsize::new(*count));
    counts.map(|count| count.expect("there are some")).collect()
}

/// Every workload, with much and with little that conflicts.
fn settings() -> Vec<Setting> {
    let kinds = Kind::ALL.into_iter().flat_map(|kind| {
        let small = Setting {
            txs: 300,
            accounts: 500,
            work: 20,
            warehouses: 1,
            ..Setting::new(kind)
        };
        let hot = Setting {
            accounts: kind.fewest_accounts(),
            balances: Balances::Adds,
            zipf: 0.0,
            hot: 90,
            distance: 5,
            updates: 10,
            warehouses: 2,
            seed: 1,
            ..small
        };
        [small, hot]
    });
    kinds.collect()
}

#[test]
fn every_engine_agrees_on_every_workload() {
    let entrants = lineup(&Name::ALL, &workers(&[1, 2, 4])).expect("there are threads");
    for setting in settings() {
        let mut steps = 0;
        let rows = measure(&setting, &entrants, 2, &CancelToken::new(), || steps += 1);
        let measured = rows.unwrap_or_else(|failure| panic!("{setting:?}: {failure}"));
        let rows = measured.rows;
        let sample = measured.sample.expect("there is a tree");
        assert_eq!((sample.tree.len(), sample.costs.len()), (300, 300));
        assert_eq!((rows.len(), steps), (2 + 5 * 3, rounds(2)));
        for row in rows {
            assert!(row.tps_spread[0] <= row.tps && row.tps <= row.tps_spread[1]);
            assert!(row.attempts_per_tx >= Some(1.0), "{row:?}");
            assert!(row.commit_p50_us <= row.commit_p99_us, "{row:?}");
            assert!(row.bound >= Some(1.0) && row.bound <= Some(row.workers as f64));
        }
    }
}

#[test]
fn slow_states_change_nothing() {
    let entrants = lineup(&Name::ALL, &workers(&[2])).expect("there are threads");
    for kind in [Kind::Payments, Kind::SmallBank, Kind::YcsbScan] {
        let setting = Setting {
            txs: 30,
            accounts: 20,
            latency: Duration::from_micros(1),
            ..Setting::new(kind)
        };
        let rows = measure(&setting, &entrants, 1, &CancelToken::new(), || ());
        assert_eq!(rows.expect("they agree").rows.len(), 7);
    }
}

#[test]
fn on_a_slow_state_the_loop_waits_in_each_run() {
    let entrants = lineup(&[Name::Serial], &[]).expect("there are threads");
    let setting = Setting {
        txs: 20,
        accounts: 1_000,
        latency: Duration::from_millis(1),
        ..Setting::new(Kind::Payments)
    };
    let rows = measure(&setting, &entrants, 2, &CancelToken::new(), || ());
    for row in rows.expect("they agree").rows {
        // Hardly an account of a thousand takes part twice: 60 keys, each read once.
        assert!(row.tps_spread[1] < 500.0, "{row:?}");
        assert!(row.read_us >= Some(1_000.0), "{row:?}");
    }
}

#[test]
fn blocks_of_hardly_anything_are_measured_too() {
    let entrants = lineup(&Name::ALL, &workers(&[1, 3])).expect("there are threads");
    for txs in [1, 2, 17, 257] {
        let setting = Setting {
            txs,
            accounts: 2,
            work: 0,
            ..Setting::new(Kind::Payments)
        };
        let rows = measure(&setting, &entrants, 1, &CancelToken::new(), || ());
        assert_eq!(rows.expect("they agree").rows.len(), 12, "{txs}");
    }
}

#[test]
fn whole_turns_that_were_done_stay() {
    let entrants = lineup(&Name::ALL, &workers(&[1, 2])).expect("there are threads");
    let (cancel, mut steps) = (CancelToken::new(), 0);
    let setting = Setting {
        txs: 100,
        ..Setting::new(Kind::Payments)
    };
    let mut step = || {
        steps += 1;
        if steps == rounds(2) {
            cancel.cancel();
        }
    };
    let rows = measure(&setting, &entrants, 100, &cancel, &mut step);
    let rows = rows.expect("they agree").rows;
    assert!(rows.len() == 12 && rows.iter().all(|row| row.runs == 2));
    let none = measure(&setting, &entrants, 100, &cancel, || ());
    assert!(none.expect("nothing is wrong").rows.is_empty());
}

#[test]
fn figures_are_of_the_runs() {
    let entrants = lineup(&[Name::PleachExact], &workers(&[2])).expect("there are threads");
    let setting = Setting {
        txs: 400,
        distance: 1,
        ..Setting::new(Kind::Chain)
    };
    let rows = measure(&setting, &entrants, 3, &CancelToken::new(), || ());
    let rows = rows.expect("they agree").rows;
    let names: Vec<_> = rows.iter().map(|row| row.engine.as_str()).collect();
    assert_eq!(names, ["plain", "pleach-exact"], "the loop is always there");
    assert!((rows[0].speedup - 1.0).abs() < 1e-9);
    let ratio = rows[1].tps / rows[0].tps;
    assert!((ratio / rows[1].speedup - 1.0).abs() < 1e-9);
    let bound = rows[1].bound.expect("there is a tree");
    assert!((bound - 1.0).abs() < 1e-9, "a chain is a chain: {bound}");
    assert_eq!(rows[1].attempts_per_tx, Some(1.0));
    assert_eq!(rows[1].params["distance"], 1);
    assert!(!rows[1].params.contains_key("accounts"));
}

/// The plain loop, but for one thing.
struct Broken<W: Workload> {
    engine: Box<dyn Engine<W>>,
    how: How,
}

#[derive(Clone, Copy, Debug)]
enum How {
    /// One transaction's output is another.
    Output,
    /// One value is another.
    Value,
    /// A key that was changed is not said to be.
    Missing,
    /// A key is changed that was not to be.
    Further,
    /// The last transaction is not executed.
    Short,
    /// The first run is right, later ones are not.
    Later(usize),
}

struct Wrong<V> {
    outputs: Vec<Output>,
    changes: Vec<(Key, Option<V>)>,
}

impl<V: Clone> Left<V> for Wrong<V> {
    fn outputs(&self) -> Vec<Output> {
        self.outputs.clone()
    }

    fn changes(&self, _: &[Key]) -> Vec<(Key, Option<V>)> {
        self.changes.clone()
    }
}

impl<W: Workload + 'static> Engine<W> for Broken<W> {
    fn run<'a>(&'a mut self, job: &'a Job<'_, W>) -> Result<Box<dyn Left<W::Value> + 'a>, Fault> {
        let left = self.engine.run(job)?;
        let (mut outputs, mut changes) = (left.outputs(), left.changes(&[]));
        match &mut self.how {
            How::Output | How::Later(0) => outputs[7] = Some(u64::MAX),
            How::Value => changes[3].1 = changes[4].1.clone(),
            How::Missing => _ = changes.pop(),
            How::Further => changes.push(([9; 32], changes[0].1.clone())),
            How::Short => _ = outputs.pop(),
            How::Later(left) => *left -= 1,
        }
        Ok(Box::new(Wrong { outputs, changes }))
    }
}

struct Catch(How);

impl Visitor for Catch {
    type Result = (Option<String>, Option<String>);

    fn visit<W: Workload + Clone + 'static>(self, workload: &W) -> Self::Result {
        let cancel = CancelToken::new();
        let prepared = Prepared::new(workload, Duration::ZERO, &cancel);
        let expected = Expected::new(&prepared.job()).expect("nobody cancels");
        let serial = &lineup(&[Name::Serial], &[]).expect("there are no threads")[1];
        let broken = Broken {
            engine: serial.engine::<W>(),
            how: self.0,
        };
        let mut racer = Lane::new(serial, Box::new(broken), &prepared, &expected);
        let counted = racer.count().map(drop);
        let timed = racer.time().map(drop);
        [counted, timed]
            .map(|result| result.err().map(|failure| failure.to_string()))
            .into()
    }
}

#[test]
fn a_broken_engine_is_caught_in_every_run() {
    let setting = Setting {
        txs: 50,
        accounts: 40,
        ..Setting::new(Kind::SmallBank)
    };
    for (how, says) in [
        (How::Output, "transaction 7 gave Some(18446744073709551615)"),
        (How::Value, "a key holds Some(Cents("),
        (How::Missing, "keys were changed, not"),
        (How::Further, "keys were changed, not"),
        (How::Short, "49 transactions were executed, not 50"),
    ] {
        let (counted, timed) = setting.visit(Catch(how));
        for failure in [counted, timed] {
            let failure = failure.unwrap_or_else(|| panic!("{how:?} is not noticed"));
            assert!(failure.starts_with("serial: another outcome"), "{failure}");
            assert!(failure.contains(says), "{how:?}: {failure}");
        }
    }
    let (counted, timed) = setting.visit(Catch(How::Later(1)));
    assert_eq!(counted, None);
    assert!(timed.is_some_and(|failure| failure.contains("transaction 7 gave")));
}

/// Asks the state for a key that it has not announced.
#[derive(Clone, Copy, Debug)]
struct Undeclared;

impl Workload for Undeclared {
    type Transaction = u64;
    type Value = u64;
    type Table = Map<u64>;

    fn begin(&self, _: &mut dyn FnMut(Key, u64)) {}

    fn block(&self) -> Vec<u64> {
        vec![1]
    }

    fn rounds(&self) -> u32 {
        0
    }

    fn accesses(&self, _: &u64, _: &mut pleach::AccessSet<Key>) {}

    fn execute<A: Access<u64>>(&self, _: &u64, state: &mut A) -> Result<Output, A::Stop> {
        state.get(&[1; 32])?;
        Ok(Some(1))
    }
}

#[test]
fn who_announces_too_little_is_no_match_for_the_loop() {
    let cancel = CancelToken::new();
    let prepared = Prepared::new(&Undeclared, Duration::ZERO, &cancel);
    let expected = Expected::new(&prepared.job()).expect("nobody cancels");
    let entrants = lineup(&[Name::PleachExact], &workers(&[1])).expect("there are threads");
    let lane = |entrant| Lane::new(entrant, Entrant::engine(entrant), &prepared, &expected);
    let failure = lane(&entrants[1]).time().expect_err("it is refused");
    assert!(
        failure
            .to_string()
            .contains("transaction 0 gave None, not Some(1)")
    );
    let bohm = &lineup(&[Name::Bohm], &workers(&[2])).expect("there are threads")[1];
    let run = std::panic::AssertUnwindSafe(|| lane(bohm).time().map(drop));
    assert!(std::panic::catch_unwind(run).is_err());
}
