//! The determinism checker: it believes deterministic VMs, and names what others depend on.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use pleach::{
    MemoryState, State, StateView, Stop, Strategy, Vm, assert_deterministic,
    determinism::{
        Blame, Check, Difference, Divergence, Failure, Hints, Impurity, Kind, PANIC, Point,
        Schedule, Trouble,
    },
    testkit::{Program, ProgramError, ProgramVm, Seen, Step, TestBlock, shrink, strategies},
};

/// What it writes depends on more than it should.
#[derive(Debug)]
enum Odd {
    /// The time of day.
    Clock,
    /// Where a box lies.
    Address,
    /// A map with random hashes.
    Order,
    /// The thread.
    Thread,
    /// The number of calls so far.
    Calls(AtomicU64),
    /// What is in the scratch.
    Scratch,
}

#[derive(Debug, thiserror::Error)]
#[error("it never fails")]
struct Never;

impl Vm for Odd {
    type Transaction = u8;
    type Key = u8;
    type Value = u64;
    type Output = u64;
    type Error = Never;
    type Scratch = u64;

    fn execute<S: StateView<u8, u64>>(
        &self,
        key: &u8,
        state: &mut S,
        scratch: &mut u64,
    ) -> Result<u64, Stop<Never>> {
        let before = state.get(key)?.unwrap_or(0);
        let odd = match self {
            Odd::Clock => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                since.expect("it is later").as_micros() as u64
            }
            Odd::Address => &raw const *Box::new(before) as u64,
            Odd::Order => {
                let map: HashMap<u8, u64> = (0..20).map(|number| (number, before)).collect();
                for (number, value) in map {
                    state.put(&number, value)?;
                }
                0
            }
            Odd::Thread => {
                let id = format!("{:?}", thread::current().id());
                id.bytes().map(u64::from).sum()
            }
            Odd::Calls(calls) => calls.fetch_add(1, Ordering::Relaxed),
            Odd::Scratch => {
                *scratch += 1;
                *scratch
            }
        };
        state.put(key, odd)?;
        Ok(before)
    }
}

fn diverged(failure: Failure) -> Divergence {
    match failure {
        Failure::Diverged(divergence) => *divergence,
        other => panic!("{other}"),
    }
}

fn named(vm: &Odd) -> Impurity {
    let state = MemoryState::new();
    let transactions: Vec<u8> = (0..40).map(|number| number % 7).collect();
    let checked = Check::new(vm, &state).workers([2]).run(&transactions);
    let divergence = diverged(checked.expect_err("it is odd"));
    match divergence.blame {
        Blame::Vm(impurity) => impurity,
        other => panic!("{other:?}: {divergence}"),
    }
}

#[test]
fn a_clock_is_named() {
    assert_eq!(named(&Odd::Clock), Impurity::Time);
}

#[test]
fn addresses_are_named() {
    assert_eq!(named(&Odd::Address), Impurity::Address);
}

#[test]
fn the_order_of_a_hash_map_is_named() {
    assert_eq!(named(&Odd::Order), Impurity::Order);
}

#[test]
fn threads_are_named() {
    assert_eq!(named(&Odd::Thread), Impurity::Thread);
}

#[test]
fn what_a_vm_keeps_is_named() {
    assert_eq!(named(&Odd::Calls(AtomicU64::new(5))), Impurity::Kept);
}

#[test]
fn what_is_left_in_the_scratch_is_named() {
    assert_eq!(named(&Odd::Scratch), Impurity::Scratch);
}

#[test]
fn the_difference_names_transaction_and_values() {
    let state = MemoryState::new();
    let checked = Check::new(&Odd::Scratch, &state).run(&[3, 3]);
    let Difference::Attempt {
        transaction,
        expected,
        found,
    } = diverged(checked.expect_err("it is odd")).difference
    else {
        panic!("nothing was asked again");
    };
    assert_eq!(transaction, 0);
    assert_eq!(expected, "put 3 1");
    assert!(found.starts_with("put 3 "), "{found}");
}

#[test]
fn blocks_of_programs_are_deterministic() {
    let mut fingerprints = Vec::new();
    for seed in (0..8).chain([0]) {
        let block = TestBlock::from_seed(seed);
        let check = Check::new(&ProgramVm, &block.state).schedules(3).seed(seed);
        let check = check
            .workers([1, 2, 3])
            .block(|other| other.on_failure(block.on_failure));
        let report = check.run(&block.transactions).expect("nothing is odd");
        assert_eq!(report.schedules, 45);
        fingerprints.push(report.fingerprint);
    }
    assert_eq!(fingerprints.first(), fingerprints.last());
    assert_ne!(fingerprints[0], fingerprints[1]);
}

#[test]
fn blocks_that_end_with_an_error_are_compared_too() {
    super::silence_panics("a program panicked");
    let mut programs = vec![Program::new([Step::Get(1), Step::PutRegister(1)]); 40];
    programs[20] = Program::new([Step::Panic]);
    let state = MemoryState::new();
    assert_deterministic!(&ProgramVm, &state, &programs, workers([2, 3]), schedules(2));
}

#[test]
fn trouble_comes_to_the_serial_outcome_or_to_its_own_error() {
    for text in ["a program panicked", "a rule panicked", PANIC] {
        super::silence_panics(text);
    }
    for seed in 0..16 {
        let block = strategies::from_seed(seed);
        let check = Check::new(&ProgramVm, &block.state).workers([2, 3]);
        let check = check.schedules(2).seed(seed).troubles(true);
        assert!(check.plan().any(|schedule| schedule.trouble.is_some()));
        let check = check.ask_again(false).block(|other| block.configure(other));
        let checked = check.run(&block.transactions);
        checked.unwrap_or_else(|failure| panic!("block {seed}: {failure}"));
    }
}

/// Says whether it could read, instead of passing an interrupt on.
struct Shy;

impl Vm for Shy {
    type Transaction = u8;
    type Key = u8;
    type Value = u64;
    type Output = bool;
    type Error = Never;
    type Scratch = ();

    fn execute<S: StateView<u8, u64>>(
        &self,
        key: &u8,
        state: &mut S,
        (): &mut (),
    ) -> Result<bool, Stop<Never>> {
        Ok(state.get(key).is_ok())
    }
}

fn under(trouble: Trouble) -> Result<(), Failure> {
    let state = MemoryState::new();
    let schedule = Schedule {
        workers: 2,
        strategy: Strategy::Optimistic,
        hints: Hints::Tree,
        kind: Kind::Threads,
        seed: 1,
        is_recorded: true,
        trouble: Some(trouble),
    };
    let transactions: Vec<u8> = (0..40).collect();
    Check::new(&Shy, &state).replay(&transactions, schedule)
}

#[test]
fn interrupts_that_a_vm_hides_count_in_trouble_too() {
    super::silence_panics(PANIC);
    for point in [Point::Read(7), Point::Keys(3), Point::Commit(11)] {
        for trouble in [
            Trouble::Stall(point),
            Trouble::Fail(point),
            Trouble::Panic(point),
            Trouble::Cancel(point),
            Trouble::Recurse(point),
        ] {
            under(trouble).unwrap_or_else(|failure| panic!("{trouble:?}: {failure}"));
        }
    }
}

/// Knows how often it was called, which shows when a block is executed within a block.
struct Counts(AtomicU64);

impl Vm for Counts {
    type Transaction = u8;
    type Key = u8;
    type Value = u64;
    type Output = u64;
    type Error = Never;
    type Scratch = ();

    fn execute<S: StateView<u8, u64>>(
        &self,
        key: &u8,
        state: &mut S,
        (): &mut (),
    ) -> Result<u64, Stop<Never>> {
        state.get(key)?;
        // Beyond what two serial runs come to.
        Ok(self.0.fetch_add(1, Ordering::Relaxed).saturating_sub(100))
    }
}

#[test]
fn what_a_block_within_a_block_comes_to_is_compared() {
    let (vm, state) = (Counts(AtomicU64::new(0)), MemoryState::new());
    let schedule = Schedule {
        workers: 1,
        strategy: Strategy::Serial,
        hints: Hints::None,
        kind: Kind::Threads,
        seed: 1,
        is_recorded: true,
        trouble: Some(Trouble::Recurse(Point::Keys(0))),
    };
    let transactions: Vec<u8> = (0..40).collect();
    let check = Check::new(&vm, &state).ask_again(false);
    let divergence = diverged(
        check
            .replay(&transactions, schedule)
            .expect_err("it counts"),
    );
    let text = divergence.to_string();
    assert!(text.contains("a block within the block"), "{text}");
}

/// Answers a few times, and then something else.
struct Turns(AtomicU64);

impl State<u8, u64> for Turns {
    type Error = Infallible;

    fn get(&self, _: &u8) -> Result<Option<u64>, Infallible> {
        Ok(Some(u64::from(self.0.fetch_add(1, Ordering::Relaxed) < 2)))
    }
}

#[test]
fn a_state_that_changes_its_mind_is_told_from_an_executor_that_is_wrong() {
    let state = Turns(AtomicU64::new(0));
    let check = Check::new(&ProgramVm, &state).ask_again(false);
    let reads = [Program::new([Step::Get(1)])];
    let divergence = diverged(check.run(&reads).expect_err("it changes"));
    assert_eq!(divergence.blame, Blame::VmOrState, "{divergence}");
}

/// Programs, of which those that read key 7 write down the time.
struct Clocked;

impl Vm for Clocked {
    type Transaction = Program;
    type Key = u8;
    type Value = u64;
    type Output = Seen;
    type Error = ProgramError;
    type Scratch = ();

    fn execute<S: StateView<u8, u64>>(
        &self,
        program: &Program,
        state: &mut S,
        (): &mut (),
    ) -> Result<Seen, Stop<ProgramError>> {
        let seen = ProgramVm.execute(program, state, &mut ())?;
        if program.steps.contains(&Step::Get(7)) {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            state.put(&9, since.expect("it is later").as_micros() as u64)?;
        }
        Ok(seen)
    }
}

#[test]
fn what_diverges_is_made_small() {
    for text in ["a program panicked", "a rule panicked"] {
        super::silence_panics(text);
    }
    let mut block = TestBlock::from_seed(3);
    let middle = block.transactions.len() / 2;
    let steps = [Step::Put(5, 1), Step::Get(7), Step::Add(6, 2)];
    block.transactions.insert(middle, Program::new(steps));
    let mut asked = 0;
    let small = shrink(&block, 2_000, |block| {
        asked += 1;
        let check = Check::new(&Clocked, &block.state).workers([2]).schedules(1);
        let checked = check.run(&block.transactions);
        checked.is_err_and(|failure| diverged(failure).blame == Blame::Vm(Impurity::Time))
    });
    assert!(middle > 2 && asked > 2, "{middle}, {asked}");
    assert_eq!(small.transactions, [Program::new([Step::Get(7)])]);
    assert!(small.state.is_empty());
}
