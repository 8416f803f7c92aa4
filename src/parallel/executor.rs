//! The executor: chooses a way, and goes on serially where that ends before the block does.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    attempt::Input,
    costs::Before,
    lanes::{self, Groups},
    optimistic,
    outlook::Outlook,
    plan::{Plan, announces_nothing, looks_like_chain},
    planned,
    runtime::Runtime,
    settling::End,
    split::{self, Left, Ran},
    strategy::Strategy,
    trial::{Choice, Trial},
};
use crate::{
    block::{Block, Hints},
    error::ExecuteError,
    execute::{Executor, Fold, Known, Overlay, Recorder, Recording, Rest},
    outcome::Outcome,
    state::{Changes, State},
    times::Clock,
    trace::span,
    vm::Vm,
};

/// A plan is for more transactions than that, and if there are no more than a pair, nothing is left to share when the first one has run.
/// Models have smaller blocks.
pub(super) const FEW: usize = if IS_MODEL { 0 } else { 32 };
const PAIR: usize = if IS_MODEL { 0 } else { 2 };
const IS_MODEL: bool = cfg!(any(pleach_loom, pleach_shuttle));

/// Executes the transactions of a block on several threads.
///
/// The outcome is the serial executor's, byte for byte. What it takes from a [`Runtime`] is threads; making one is free.
///
/// Where all access sets are known and scan nothing, [exactly](pleach_dtt::Trust::Exact) or by prediction (the VM's, or where it
/// announces sets, [`Block::predicted`]), the block gets a plan, which is made on all threads: transactions are taken in block order, and run as
/// soon as those before them are done whose values they look at, so that branches which share nothing run side by side. Adds and
/// checks wait for nobody: they are answered
/// by what is probably so, from the parent state and [`Vm::forecast`], and asked again when the transaction is committed. Only if
/// an answer has changed by then does it run again; nothing else is validated. A read after adds waits until they are committed.
/// If a transaction touches something that was not predicted for it, or leaves something else when it runs again, the plan ends
/// there, and the rest of the block runs optimistically. Making a plan takes time and memory in proportion to the accesses.
///
/// All other blocks run [optimistically](Strategy::Optimistic). Each transaction sees what those before it have left so far,
/// and runs again if something that it has looked at turns out different. Those that are not worth it are executed in turn, when all before
/// them are committed, while others run. If most attempts are in vain, the rest of the
/// block is executed serially.
///
/// A block of small transactions is executed in [stretches](Strategy::Split): one for each worker, who executes its transactions one
/// after another on a table of its own, and takes over half of what another has left when it is done. An add that others do not look at is
/// answered, and added to what they have left, when the tables are put together, which takes time in proportion to the keys; those
/// in a stretch that have touched what one of them has looked at and an earlier stretch has written are executed again then. A key that several
/// have touched stands in the table of each, and as long as a round lasts, what each of its transactions has changed stands there as well. The
/// caller is given what transactions came to when all stretches of a round are put together.
///
/// If somebody says which transactions depend on each other ([`Vm::affinity`], or a [tree](Block::tree)), it may be executed in
/// [lanes](Strategy::Lanes): those that do have one worker, wherever in the block they are, and one who is done takes over groups of which nobody has
/// begun. What each was told is written down, and compared when the tables are put together, which takes time in proportion to what was done with keys
/// that several workers have touched. Those that were told what is not so are executed again then, one after another.
///
/// Either way, transactions are committed in the order of the block, and streamed to the caller as they are.
///
/// If something happens that only the order of the block can settle (a fatal transaction, a panic, an error of the state; in a
/// plan also a rule that refuses a transaction that writes), what comes before it stands, and the rest is executed serially.
///
/// # Examples
///
/// ```
/// use pleach::{Block, Executor, MemoryState, ParallelExecutor, Runtime};
/// use pleach::testkit::{Declared, Program, ProgramVm, Step};
///
/// let runtime = Runtime::builder().build()?;
/// let state = MemoryState::new();
/// let programs: Vec<Program> = (0..100)
///     .map(|number| Program::new([Step::Put(number, 7)]).declaring(Declared::Exactly))
///     .collect();
/// let block = Block::new(&ProgramVm, &state, &programs);
/// let outcome = ParallelExecutor::new(&runtime).execute(block)?;
/// assert_eq!(outcome.changes.len(), 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ParallelExecutor {
    runtime: Runtime,
    strategy: Strategy,
}

impl ParallelExecutor {
    /// An executor on the threads of `runtime`.
    #[must_use]
    pub fn new(runtime: &Runtime) -> Self {
        Self {
            runtime: runtime.clone(),
            strategy: Strategy::Auto,
        }
    }

    /// How blocks are executed. Default: [`Strategy::Auto`].
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Executes `block` and records what each of its transactions has touched: the same as
    /// [`SerialExecutor::record`](crate::SerialExecutor::record) does. What comes of it is the tree that really held, see
    /// [`OpenTree`](pleach_dtt::OpenTree), and [predictions](Block::predicted) for whoever executes the block next.
    ///
    /// # Errors
    ///
    /// As [`execute`](Executor::execute).
    ///
    /// # Examples
    ///
    /// ```
    /// use pleach::testkit::{Program, ProgramVm, Step};
    /// use pleach::{Block, MemoryState, ParallelExecutor, Runtime};
    ///
    /// let executor = ParallelExecutor::new(&Runtime::builder().build()?);
    /// let state = MemoryState::default();
    /// let programs = vec![Program::new([Step::Get(1), Step::PutRegister(2)]); 100];
    /// let (_, accesses) = executor.record(Block::new(&ProgramVm, &state, &programs))?;
    /// assert!(accesses[0].reads().eq(&[1]));
    ///
    /// let again = Block::new(&ProgramVm, &state, &programs).predicted(&accesses);
    /// assert_eq!(executor.record(again)?.1, accesses);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record<V: Vm, S: State<V::Key, V::Value>>(
        &self,
        block: Block<'_, V, S>,
    ) -> Result<Recording<V>, ExecuteError> {
        let mut recorder = Recorder::new(block.transactions.len());
        let outcome = self.run(block, Some(&mut recorder))?;
        Ok((outcome, recorder.into_accesses()))
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(super) fn chosen(&self) -> Strategy {
        self.strategy
    }

    /// How a block is executed.
    fn way<V: Vm, S>(&self, block: &mut Block<'_, V, S>) -> Way<V> {
        /// A chain of so many is executed serially whoever asks for a plan. Shorter ones take no time, and are what tests have.
        const CHAIN: usize = 64;
        let workers = self.runtime.workers().get();
        let predicted = match self.strategy {
            Strategy::Serial => return Way::Serial,
            Strategy::Optimistic => return Way::Optimistic,
            Strategy::Auto | Strategy::Split | Strategy::Lanes if workers == 1 => {
                return Way::Serial;
            }
            Strategy::Auto if block.transactions.len() <= PAIR => return Way::Serial,
            Strategy::Split => return Way::Split,
            Strategy::Lanes => return Way::Lanes,
            Strategy::Auto if block.transactions.len() < FEW => return Way::Trial,
            Strategy::Auto => Some(block.hints.predicted),
            Strategy::Exact => None,
        };
        span!("plan");
        // If the VM panics here, it does so in the serial executor too, which knows what to say.
        let plan = match ahead(block, self.strategy) {
            Some(plan) => Ok(Some(Some(plan))),
            None => catch_unwind(AssertUnwindSafe(|| {
                let (vm, transactions) = (block.vm, block.transactions);
                if predicted.is_some() && announces_nothing(vm, transactions) {
                    // What is hinted at is of use if optimism is: what a transaction takes decides that, which nobody knows yet.
                    return Some(None);
                }
                (!looks_like_chain(vm, transactions))
                    .then(|| Plan::new(&self.runtime, vm, transactions, predicted).map(Box::new))
            })),
        };
        let Ok(Some(plan)) = plan else {
            return Way::Serial;
        };
        match (plan, self.strategy) {
            (Some(plan), strategy) if plan.is_chain() && plan.is_all_exact() => {
                if strategy == Strategy::Auto || block.transactions.len() >= CHAIN {
                    Way::Serial
                } else {
                    Way::Planned(plan)
                }
            }
            (Some(plan), Strategy::Auto) if plan.is_chain() => Way::Trial,
            (Some(plan), _) => Way::Planned(plan),
            (None, Strategy::Auto) => Way::Trial,
            (None, _) => Way::Serial,
        }
    }

    fn run<V: Vm, S: State<V::Key, V::Value>>(
        &self,
        mut block: Block<'_, V, S>,
        mut recorder: Option<&mut Recorder<V::Key>>,
    ) -> Result<Outcome<V>, ExecuteError> {
        let clock = block.is_timed.then(Clock::new).map(Box::new);
        span!(
            "block",
            number = block.number,
            transactions = block.transactions.len()
        );
        let way = self.way(&mut block);
        let hints = Hints { ..block.hints };
        let (fold, rest, state) = Rest::of(block, clock);
        let cancel = rest.cancel.clone();
        let mut input = Input {
            vm: rest.vm,
            state,
            transactions: fold.transactions,
            on_undeclared: rest.on_undeclared,
            cancel: cancel.as_ref(),
            hints,
            is_recording: recorder.is_some(),
            is_timed: fold.clock.is_some(),
        };
        // Most of what it holds it gets when all is nearly over, if at all; but for a serial run, or a trial, which may go
        // on to the end.
        let expected = match way {
            Way::Trial | Way::Serial => fold.transactions.len(),
            Way::Planned(_) | Way::Optimistic | Way::Split | Way::Lanes => 0,
        };
        let overlay = Overlay::new(state, expected);
        let next = match way {
            Way::Serial => Next::Serial(fold, overlay),
            Way::Planned(plan) => {
                self.by_plan(&plan, &input, fold, recorder.as_deref_mut(), overlay)
            }
            Way::Optimistic => Next::Optimistic(fold, overlay, None),
            Way::Split => {
                let what = (&rest, &input, Self::unknown(&input, 0));
                self.in_stretches(what, fold, recorder.as_deref_mut(), overlay)?
            }
            Way::Lanes => {
                let outlook = Self::unknown(&input, 0);
                let how = (&*outlook, self.runtime.workers().get());
                let groups = Groups::new(&input, 0, how, |_| true);
                let groups = groups.unwrap_or_else(|| Groups::none(fold.transactions.len()));
                let what = (&rest, &input, outlook);
                self.in_lanes(what, &groups, fold, recorder.as_deref_mut(), overlay)?
            }
            Way::Trial => self.by_trial(&rest, &input, fold, &mut recorder, overlay)?,
        };
        let (mut fold, mut overlay, outlook) = match next {
            Next::Over(fold, changes) => return Ok(fold.finish(changes)),
            Next::Serial(fold, overlay) => return rest.run(fold, overlay, &mut recorder),
            Next::Optimistic(fold, overlay, outlook) => (fold, overlay, outlook),
        };
        let next = fold.settled();
        let hinted = input.hints.predicted.get(next..).unwrap_or_default();
        let accesses = hinted.iter().map(|set| set.entries().len()).sum();
        if outlook.as_ref().is_some_and(|it| !it.affords(accesses)) {
            input.hints.predicted = &[];
        }
        let unknown = || {
            let before = self.runtime.before::<V>();
            Outlook::new(rest.vm, fold.transactions, next, &before)
        };
        let outlook = match outlook {
            Some(outlook) => Some(*outlook),
            None => (self.strategy == Strategy::Auto).then(unknown),
        };
        let alone = outlook.as_ref().map(|outlook| *outlook.shown());
        let ran = optimistic::run(
            &self.runtime,
            &input,
            fold,
            recorder.as_deref_mut(),
            overlay,
            outlook,
        );
        fold = ran.fold;
        if let Some(outlook) = &ran.outlook {
            self.runtime.learn::<V>(outlook, alone.as_ref());
        }
        let outcome = if fold.next().is_none() {
            fold.finish(Changes::from_unsorted(ran.changed))
        } else {
            overlay = Overlay::new(state, fold.transactions.len());
            for (key, value) in ran.changed {
                overlay.adopt(&key, Known::of(value));
            }
            rest.run(fold, overlay, &mut recorder)?
        };
        Ok(Outcome {
            conflicts: ran.conflicts,
            ..outcome
        })
    }

    /// What is left of a block from this transaction on, if nothing is known of it.
    // Not inlined, as others here, so that what only one way needs is not on the stack in all of them: models have little of it.
    #[inline(never)]
    fn unknown<V: Vm, S>(input: &Input<'_, V, S>, first: usize) -> Box<Outlook> {
        let before = Before::default();
        Box::new(Outlook::new(input.vm, input.transactions, first, &before))
    }

    /// Executes a block by its plan, as far as that carries.
    fn by_plan<'a, 's, V: Vm, S: State<V::Key, V::Value>>(
        &self,
        plan: &Plan<V>,
        input: &Input<'_, V, S>,
        fold: Fold<'a, V>,
        recorder: Option<&mut Recorder<V::Key>>,
        mut overlay: Overlay<'s, V::Key, V::Value, S>,
    ) -> Next<'a, 's, V, S> {
        let mut ran = planned::run(&self.runtime, plan, input, fold, recorder);
        if ran.clean == ran.fold.transactions.len() {
            ran.fold.statistics.keys = plan.keys();
            let (fold, changes) = ran.into_changes(&self.runtime, plan);
            return Next::Over(fold, changes);
        }
        let end = ran.end;
        let fold = ran.adopt(plan, &mut overlay);
        if end == Some(End::Surprise) && !input.is_cancelled() {
            Next::Optimistic(fold, overlay, None)
        } else {
            Next::Serial(fold, overlay)
        }
    }

    /// Executes a block serially until something else seems to pay.
    #[inline(never)]
    fn by_trial<'a, 's, V: Vm, S: State<V::Key, V::Value>>(
        &self,
        rest: &Rest<'_, V>,
        input: &Input<'_, V, S>,
        mut fold: Fold<'a, V>,
        recorder: &mut Option<&mut Recorder<V::Key>>,
        mut overlay: Overlay<'s, V::Key, V::Value, S>,
    ) -> Result<Next<'a, 's, V, S>, ExecuteError> {
        let before = self.runtime.before::<V>();
        let outlook = Outlook::new(rest.vm, fold.transactions, 0, &before);
        let workers = self.runtime.workers();
        let has_tree = lanes::has_tree(input);
        let mut trial = Trial::new(outlook, workers, has_tree);
        let pool = self.runtime.pool();
        loop {
            // If it is for several before any transaction has run, it is over already.
            if trial.choice() == Choice::Alone {
                let is_over = |index, keys| {
                    let is_over = trial.is_over(index, keys);
                    if !is_over && trial.becomes_promising() && !cfg!(pleach_loom) {
                        pool.rouse(pool.threads());
                    }
                    is_over
                };
                rest.some(&mut fold, &mut overlay, recorder, is_over)?;
            }
            let recorder = recorder.as_deref_mut();
            match trial.choice() {
                Choice::Alone => {
                    let outlook = trial.into_outlook();
                    self.runtime.learn::<V>(&outlook, None);
                    return Ok(Next::Serial(fold, overlay));
                }
                Choice::Beside => {
                    let outlook = Box::new(trial.into_outlook());
                    return Ok(Next::Optimistic(fold, overlay, Some(outlook)));
                }
                Choice::Split => {
                    let what = (rest, input, Box::new(trial.into_outlook()));
                    return self.in_stretches(what, fold, recorder, overlay);
                }
                Choice::Lanes => {
                    let first = fold.settled();
                    let how = (trial.outlook(), workers.get());
                    // Others are awake by the time that groups are found.
                    let enough = |dearest| {
                        let enough = trial.is_for_lanes(dearest);
                        if enough {
                            pool.rouse(pool.threads());
                        }
                        enough
                    };
                    if let Some(groups) = Groups::new(input, first, how, enough) {
                        let what = (rest, input, Box::new(trial.into_outlook()));
                        return self.in_lanes(what, &groups, fold, recorder, overlay);
                    }
                    trial.exclude_lanes();
                }
            }
        }
    }

    /// Executes a block in stretches, as far as that carries.
    #[inline(never)]
    fn in_stretches<'a, 's, V: Vm, S: State<V::Key, V::Value>>(
        &self,
        (rest, input, mut outlook): (&Rest<'_, V>, &Input<'_, V, S>, Box<Outlook>),
        fold: Fold<'a, V>,
        recorder: Option<&mut Recorder<V::Key>>,
        overlay: Overlay<'s, V::Key, V::Value, S>,
    ) -> Result<Next<'a, 's, V, S>, ExecuteError> {
        let what = (rest, input, &mut *outlook);
        let ran = split::run(&self.runtime, what, fold, recorder, overlay)?;
        Ok(self.go_on(ran, outlook))
    }

    /// Executes a block of which each transaction that is not settled has a group in lanes, as far as that carries.
    #[inline(never)]
    fn in_lanes<'a, 's, V: Vm, S: State<V::Key, V::Value>>(
        &self,
        (rest, input, mut outlook): (&Rest<'_, V>, &Input<'_, V, S>, Box<Outlook>),
        groups: &Groups,
        fold: Fold<'a, V>,
        recorder: Option<&mut Recorder<V::Key>>,
        overlay: Overlay<'s, V::Key, V::Value, S>,
    ) -> Result<Next<'a, 's, V, S>, ExecuteError> {
        let what = (rest, input, &mut *outlook);
        let ran = lanes::run(&self.runtime, what, groups, fold, recorder, overlay)?;
        Ok(self.go_on(ran, outlook))
    }

    /// What is to be done when a block was executed in stretches or lanes, as far as that carries.
    fn go_on<'a, 's, V: Vm, S: State<V::Key, V::Value>>(
        &self,
        ran: Ran<'a, 's, V, S>,
        mut outlook: Box<Outlook>,
    ) -> Next<'a, 's, V, S> {
        let (overlay, is_conflict) = match ran.left {
            Left::Nothing(changes) => {
                self.runtime.learn::<V>(&outlook, None);
                return Next::Over(ran.fold, changes);
            }
            Left::Some {
                overlay,
                is_conflict,
            } => (overlay, is_conflict),
        };
        outlook.go_on_at(ran.fold.settled());
        let is_beside = is_conflict && outlook.is_for_many(self.runtime.workers());
        if is_beside && self.strategy == Strategy::Auto {
            Next::Optimistic(ran.fold, overlay, Some(outlook))
        } else {
            self.runtime.learn::<V>(&outlook, None);
            Next::Serial(ran.fold, overlay)
        }
    }
}

/// What is to be done with a block, of which some transactions may be settled.
enum Next<'a, 's, V: Vm, S> {
    /// All are, and they have changed this.
    Over(Fold<'a, V>, Changes<V::Key, V::Value>),
    /// The others are executed serially, on what those have left.
    Serial(Fold<'a, V>, Overlay<'s, V::Key, V::Value, S>),
    /// They are executed optimistically, on what those have left, as long as that pays, if the outlook says what one worker would take.
    Optimistic(
        Fold<'a, V>,
        Overlay<'s, V::Key, V::Value, S>,
        Option<Box<Outlook>>,
    ),
}

/// The plan that was made for the block before, if it is one for this strategy.
fn ahead<V: Vm, S>(block: &mut Block<'_, V, S>, strategy: Strategy) -> Option<Box<Plan<V>>> {
    let plan = block.analysis.take()?.into_plan()?;
    let is_for_this = plan.transactions() == block.transactions.len();
    (is_for_this && (strategy == Strategy::Auto || plan.is_all_exact())).then_some(plan)
}

/// How a block is executed.
enum Way<V: Vm> {
    Serial,
    Planned(Box<Plan<V>>),
    Optimistic,
    Split,
    Lanes,
    /// Serially at first, and by several if that seems to pay.
    Trial,
}

impl Executor for ParallelExecutor {
    fn execute<V: Vm, S: State<V::Key, V::Value>>(
        &self,
        block: Block<'_, V, S>,
    ) -> Result<Outcome<V>, ExecuteError> {
        self.run(block, None)
    }
}
