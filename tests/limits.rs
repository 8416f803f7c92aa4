//! Block-wide rules: what they admit, what they count, where the block ends.

use pleach::{
    Block, Executor, MemoryState, OnFailure, Outcome, Over, Reason, Rule, SerialExecutor,
    TxOutcome, Verdict, WeightLimit,
    testkit::{Program, ProgramVm, Seen, Step},
};

fn adds(count: usize) -> Program {
    Program::new(vec![Step::Add(1, 1); count])
}

/// What became of each transaction, in a letter: executed, skipped, ended before it, or fatal.
fn letters(outcome: &Outcome<ProgramVm>) -> String {
    let letter = |outcome: &TxOutcome<_, _>| match outcome {
        TxOutcome::Executed(_) => 'x',
        TxOutcome::Skipped(Reason::BlockEnded) => '.',
        TxOutcome::Skipped(_) => 's',
        TxOutcome::Fatal(_) => 'F',
        _ => '?',
    };
    outcome.transactions.iter().map(letter).collect()
}

fn execute<R: Rule<ProgramVm>>(programs: &[Program], rule: R) -> Outcome<ProgramVm> {
    let state = MemoryState::new();
    SerialExecutor::new()
        .execute(Block::new(&ProgramVm, &state, programs).rule(rule))
        .expect("rules do not fail")
}

fn weight(program: &Program) -> u64 {
    program.steps.len() as u64
}

#[test]
fn a_weight_limit_skips_ends_or_condemns() {
    let programs = [adds(3), adds(4), adds(2), adds(1)];
    for (over, expected, sum) in [
        (Over::Skip, "xsxx", 6),
        (Over::SkipRest, "xs..", 3),
        (Over::Fatal, "xF", 3),
    ] {
        let outcome = execute(&programs, WeightLimit::new(6, weight).over(over));
        assert_eq!(letters(&outcome), expected, "{over:?}");
        assert_eq!(outcome.changes.get(&1), Some(Some(&sum)), "{over:?}");
        let reason = outcome.transactions[1].reason().expect("it was refused");
        assert_eq!(
            reason.to_string(),
            "its weight of 4 is more than the 3 that the block has left"
        );
    }
}

#[test]
fn used_weight_counts_once_it_is_known() {
    fn none(_: &Program, _: &Seen) -> u64 {
        0
    }
    fn huge(_: &Program, _: &Seen) -> u64 {
        100
    }
    let programs = [adds(5), adds(6), adds(6)];
    let outcome = execute(&programs, WeightLimit::new(6, weight).used(none));
    assert_eq!(letters(&outcome), "xxx");
    let outcome = execute(&programs, WeightLimit::new(6, weight).used(huge));
    assert_eq!(
        letters(&outcome),
        "sss",
        "used more than was left after all"
    );
    assert!(outcome.changes.is_empty());
}

/// Says what the test wants, and notes what is recorded.
struct Scripted<'a> {
    settle: fn(usize) -> Verdict,
    recorded: &'a std::sync::Mutex<Vec<usize>>,
}

impl Rule<ProgramVm> for Scripted<'_> {
    fn settle(&self, index: usize, _: &Program, _: &Seen) -> Verdict {
        (self.settle)(index)
    }

    fn record(&mut self, index: usize, _: &Program, _: &Seen) {
        self.recorded.lock().expect("nobody panicked").push(index);
    }
}

#[test]
fn only_included_transactions_are_recorded_by_any_rule() {
    let recorded = [std::sync::Mutex::default(), std::sync::Mutex::default()];
    let programs = [
        adds(1),
        adds(1),
        Program::new([Step::Fail]),
        adds(1),
        adds(1),
    ];
    let state = MemoryState::new();
    let outcome = SerialExecutor::new()
        .execute(
            Block::new(&ProgramVm, &state, &programs)
                .rule(Scripted {
                    settle: |_| Verdict::Include,
                    recorded: &recorded[0],
                })
                .rule(Scripted {
                    settle: |index| match index {
                        1 => Verdict::Skip("not this one".into()),
                        3 => Verdict::IncludeLast,
                        _ => Verdict::Include,
                    },
                    recorded: &recorded[1],
                }),
        )
        .expect("rules do not fail");
    assert_eq!(letters(&outcome), "xssx.");
    for recorded in recorded {
        assert_eq!(recorded.into_inner().expect("nobody panicked"), [0, 3]);
    }
    assert_eq!(outcome.changes.get(&1), Some(Some(&2)));
    assert_eq!(
        (outcome.statistics.executed, outcome.statistics.skipped),
        (2, 3)
    );
}

#[test]
fn failures_skip_end_or_condemn() {
    let programs = [
        adds(1),
        Program::new([Step::Put(9, 9), Step::Fail]),
        adds(1),
    ];
    for (on_failure, expected) in [
        (OnFailure::Skip, "xsx"),
        (OnFailure::SkipRest, "xs."),
        (OnFailure::Fatal, "xF"),
    ] {
        let state = MemoryState::new();
        let block = Block::new(&ProgramVm, &state, &programs).on_failure(on_failure);
        let outcome = SerialExecutor::new().execute(block).expect("an outcome");
        assert_eq!(letters(&outcome), expected);
        assert_eq!(outcome.fatal().map(|(index, _)| index), expected.find('F'));
        assert_eq!(outcome.changes.get(&9), None);
        assert_eq!(
            outcome.transactions[1].reason().map(ToString::to_string),
            Some("the program failed at step 1 with 0 in the register".to_owned())
        );
    }
}
