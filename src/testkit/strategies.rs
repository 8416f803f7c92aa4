//! Blocks for proptest.
//!
//! ```
//! use pleach::testkit::{assert_same, reference, strategies, ProgramVm};
//! use pleach::{Executor, SerialExecutor};
//! use proptest::prelude::*;
//!
//! proptest!(ProptestConfig::with_cases(16), |(block in strategies::block(&strategies::Profile::hot()))| {
//!     let found = SerialExecutor::new().execute(block.to_pleach(&ProgramVm));
//!     prop_assert_eq!(assert_same(&reference::execute(&block), &found), Ok(()));
//! });
//! ```

use std::ops::RangeInclusive;

use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::select,
    strategy::{Union, ValueTree},
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};

use super::{Declared, Program, Step, TestBlock};
use crate::rule::{OnFailure, OnUndeclared, Over};

/// What kind of blocks [`block`] makes.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The keys that programs touch: few keys, many conflicts.
    keys: RangeInclusive<u8>,
    /// How many of a hundred accesses go to the first key.
    hot: u32,
    transactions: RangeInclusive<usize>,
    steps: RangeInclusive<usize>,
    adds: u32,
    ranges: u32,
    failures: u32,
    panics: u32,
    declarations: bool,
}

impl Profile {
    /// Transactions that hardly ever meet: 200 keys.
    #[must_use]
    pub fn uncontended() -> Self {
        Self {
            keys: 0..=199,
            hot: 0,
            transactions: 0..=24,
            steps: 0..=8,
            adds: 4,
            ranges: 0,
            failures: 1,
            panics: 0,
            declarations: true,
        }
    }

    /// A dozen keys, and half of the accesses go to one of them.
    #[must_use]
    pub fn skewed() -> Self {
        Self {
            keys: 0..=11,
            hot: 50,
            ranges: 1,
            ..Self::uncontended()
        }
    }

    /// All transactions on one key.
    #[must_use]
    pub fn hot() -> Self {
        Self {
            keys: 0..=0,
            ..Self::uncontended()
        }
    }

    /// Little else than adds, to a few keys.
    #[must_use]
    pub fn adds() -> Self {
        Self {
            keys: 0..=3,
            adds: 40,
            ..Self::uncontended()
        }
    }

    /// Many range scans over keys that come and go.
    #[must_use]
    pub fn ranges() -> Self {
        Self {
            keys: 0..=15,
            ranges: 8,
            ..Self::uncontended()
        }
    }

    /// Many transactions that fail, some after they wrote, and some that panic.
    #[must_use]
    pub fn hostile() -> Self {
        Self {
            keys: 0..=7,
            failures: 8,
            panics: 1,
            ranges: 1,
            ..Self::uncontended()
        }
    }

    /// All of the above.
    #[must_use]
    pub fn all() -> [Self; 6] {
        [
            Self::uncontended(),
            Self::skewed(),
            Self::hot(),
            Self::adds(),
            Self::ranges(),
            Self::hostile(),
        ]
    }

    /// How many transactions a block has. Default: 0 to 24.
    #[must_use]
    pub fn transactions(mut self, transactions: RangeInclusive<usize>) -> Self {
        self.transactions = transactions;
        self
    }

    /// How many steps a transaction has. Default: 0 to 8.
    #[must_use]
    pub fn steps(mut self, steps: RangeInclusive<usize>) -> Self {
        self.steps = steps;
        self
    }
}

/// Blocks of `profile`, each with a state, options and a limit of its own.
pub fn block(profile: &Profile) -> impl Strategy<Value = TestBlock> + use<> {
    let pairs = vec((profile.keys.clone(), amount()), 0..=8);
    let transactions = vec(program(profile), profile.transactions.clone());
    let on_failure = prop_oneof![
        4 => Just(OnFailure::Skip),
        1 => Just(OnFailure::SkipRest),
        1 => Just(OnFailure::Fatal),
    ];
    let on_undeclared = prop_oneof![
        4 => Just(OnUndeclared::FailTransaction),
        1 => Just(OnUndeclared::Abort),
    ];
    let over = select(vec![Over::Skip, Over::SkipRest, Over::Fatal]);
    let limit = option::weighted(0.3, (0_u64..60, over));
    (pairs, transactions, on_failure, on_undeclared, limit).prop_map(
        |(pairs, transactions, on_failure, on_undeclared, limit)| TestBlock {
            state: pairs.into_iter().collect(),
            transactions,
            on_failure,
            on_undeclared,
            limit,
            rule_panics: None,
        },
    )
}

/// A block of any profile, with some dozens of transactions, that follows from a seed: for those who look for blocks in other
/// ways than proptest does.
#[must_use]
pub fn from_seed(seed: u64) -> TestBlock {
    if seed.is_multiple_of(3) {
        return TestBlock::from_seed(seed);
    }
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let profiles = Profile::all();
    let profile = profiles[(seed / 3) as usize % profiles.len()].clone();
    let tree = block(&profile.transactions(2..=48)).new_tree(&mut runner);
    let mut block = tree.map_or_else(|_| TestBlock::from_seed(seed), |tree| tree.current());
    if seed % 16 == 1 {
        block.rule_panics = Some((seed / 16) as usize % (block.transactions.len() + 1));
    }
    block
}

/// Numbers of all sizes: small ones meet, and those near the end of the range overflow.
fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0_u64..10, 2 => 0_u64..1000, 1 => u64::MAX - 5..=u64::MAX]
}

fn program(profile: &Profile) -> BoxedStrategy<Program> {
    let steps = vec(step(profile), profile.steps.clone());
    let declared = if profile.declarations {
        prop_oneof![
            6 => Just(Declared::Nothing),
            3 => Just(Declared::Exactly),
            1 => (0_usize..8).prop_map(Declared::AllBut),
            2 => (0_u8..4).prop_map(Declared::Guessed),
        ]
        .boxed()
    } else {
        Just(Declared::Nothing).boxed()
    };
    (steps, declared)
        .prop_map(|(steps, declared)| Program { steps, declared })
        .boxed()
}

fn step(profile: &Profile) -> BoxedStrategy<Step> {
    let first = *profile.keys.start();
    let key = weighted(vec![
        (profile.hot, Just(first).boxed()),
        (100 - profile.hot, profile.keys.clone().boxed()),
    ]);
    let keyed = |step: fn(u8) -> Step| key.clone().prop_map(step).boxed();
    let with_amount = |step: fn(u8, u64) -> Step| {
        let pair = (key.clone(), amount());
        pair.prop_map(move |(key, amount)| step(key, amount))
            .boxed()
    };
    let add_within = (key.clone(), amount(), amount(), amount())
        .prop_map(|(key, amount, floor, ceiling)| Step::AddWithin(key, amount, floor, ceiling));
    let scan = (key.clone(), key.clone(), 1_usize..6)
        .prop_map(|(from, to, most)| Step::Scan(from, to, most));
    weighted(vec![
        (6, keyed(Step::Get)),
        (3, with_amount(Step::Put)),
        (3, keyed(Step::PutRegister)),
        (2, keyed(Step::Delete)),
        (profile.adds, with_amount(Step::Add)),
        (profile.adds, with_amount(Step::Subtract)),
        (2, add_within.boxed()),
        (2, with_amount(Step::AtLeast)),
        (2, keyed(Step::Contains)),
        (profile.ranges, scan.boxed()),
        (profile.ranges, Just(Step::ScanAll).boxed()),
        (2, (0_usize..3).prop_map(Step::SkipIfOdd).boxed()),
        (
            profile.failures,
            (1_u64..6).prop_map(Step::FailIfMultiple).boxed(),
        ),
        (1, Just(Step::Light).boxed()),
        (profile.failures, Just(Step::Fail).boxed()),
        (profile.panics, Just(Step::Panic).boxed()),
    ])
}

/// One of the strategies, as often as its weight says; those of weight zero never.
fn weighted<T: std::fmt::Debug + 'static>(
    mut options: Vec<(u32, BoxedStrategy<T>)>,
) -> BoxedStrategy<T> {
    options.retain(|(weight, _)| *weight > 0);
    Union::new_weighted(options).boxed()
}
