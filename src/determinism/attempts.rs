//! Attempts at one transaction, again and again, on the same answers: a VM that is deterministic does the same each time.

use std::{
    any::Any,
    fmt::{Debug, Write},
    hint::black_box,
    ops::{Bound, ControlFlow},
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use super::cause::{Impurity, named};
use crate::{
    execute::Observer,
    value::{Bounds, Delta, Value},
    view::{StateView, sealed::Sealed},
    vm::{Interrupt, Stop, Vm},
};

/// What an attempt asked for and did, in order, and what it came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Trace {
    pub(super) steps: Vec<String>,
    pub(super) end: String,
}

impl Trace {
    /// Where another attempt first did something else: what this one did there, and what the other one did.
    pub(super) fn first_difference(&self, other: &Self) -> (String, String) {
        let steps = self.steps.len().max(other.steps.len());
        for step in 0..steps {
            let (mine, theirs) = (self.steps.get(step), other.steps.get(step));
            if mine != theirs {
                let text = |step: Option<&String>| {
                    step.map_or_else(|| "nothing more".to_owned(), Clone::clone)
                };
                return (text(mine), text(theirs));
            }
        }
        (self.end.clone(), other.end.clone())
    }
}

/// What a view was asked, and what it said.
struct Answered<K, V> {
    question: String,
    answer: Answer<K, V>,
}

enum Answer<K, V> {
    Value(Option<V>),
    Bool(bool),
    Done,
    Visited(Vec<(K, V)>),
}

/// A transaction that came to an end of its own: what it was told, and what it then did.
type Past<K, V> = (usize, Vec<Answered<K, V>>, Trace);

/// What transactions of a block were told, one after another, and what came of asking them again.
pub(super) struct Attempts<K, V> {
    past: Vec<Past<K, V>>,
    pub(super) found: Option<Found>,
}

/// A transaction that did not do the same twice.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) transaction: usize,
    pub(super) impurity: Impurity,
    pub(super) expected: String,
    pub(super) instead: String,
}

impl<K: Clone + Debug + Send + Sync, V: Value> Attempts<K, V> {
    pub(super) fn new() -> Self {
        Self {
            past: Vec::new(),
            found: None,
        }
    }

    /// Asks all of them again, after a while.
    pub(super) fn later<M: Vm<Key = K, Value = V, Output: Debug>>(
        &mut self,
        vm: &M,
        transactions: &[M::Transaction],
        wait: Duration,
    ) {
        if self.found.is_some() {
            return;
        }
        thread::sleep(wait);
        for (transaction, told, expected) in &self.past {
            let again = attempt(
                vm,
                &transactions[*transaction],
                told,
                &mut M::Scratch::default(),
            );
            if again != *expected {
                let impurity = named(&[expected, &again], Impurity::Time);
                self.found = Some(found(*transaction, impurity, expected, &again));
                return;
            }
        }
    }

    /// Asks one again at once, in all ways that may make a difference.
    fn again<M: Vm<Key = K, Value = V, Output: Debug>>(
        &mut self,
        index: usize,
        vm: &M,
        transaction: &M::Transaction,
        (told, first): (Vec<Answered<K, V>>, Trace),
        used: &mut M::Scratch,
    ) {
        let fresh = || attempt(vm, transaction, &told, &mut M::Scratch::default());
        let usual = fresh();
        let mut same = vec![usual.clone()];
        same.extend((0..4).map(|_| fresh()));
        let odd = same.iter().find(|trace| **trace != usual).cloned();
        let (impurity, other) = if let Some(odd) = odd {
            // Whether it goes with time or with attempts shows when time passes between attempts.
            thread::sleep(Duration::from_millis(5));
            same.push(fresh());
            same.push(fresh());
            let traces: Vec<&Trace> = same.iter().collect();
            (named(&traces, Impurity::Repetition), odd)
        } else {
            let once_more = attempt(vm, transaction, &told, used);
            let twice = attempt(vm, transaction, &told, used);
            let moved = elsewhere(64, &fresh);
            let on_thread = || thread::scope(|scope| scope.spawn(fresh).join());
            let elsewhere = on_thread().unwrap_or_else(|panic| Trace {
                steps: Vec::new(),
                end: panicked(&*panic),
            });
            let ways = [
                (once_more, Impurity::Scratch),
                (twice, Impurity::Scratch),
                (first.clone(), Impurity::Kept),
                (moved, Impurity::Address),
                (elsewhere, Impurity::Thread),
            ];
            let mut ways = ways.into_iter();
            let Some((other, impurity)) = ways.find(|(trace, _)| *trace != usual) else {
                self.past.push((index, told, usual));
                return;
            };
            (named(&[&usual, &other], impurity), other)
        };
        self.found = Some(found(index, impurity, &usual, &other));
    }
}

fn found(transaction: usize, impurity: Impurity, expected: &Trace, other: &Trace) -> Found {
    let (expected, instead) = expected.first_difference(other);
    Found {
        transaction,
        impurity,
        expected,
        instead,
    }
}

/// Calls a function where the stack and the heap are not where they were.
#[inline(never)]
fn elsewhere<T>(depth: usize, call: &dyn Fn() -> T) -> T {
    let frame = black_box([depth as u8; 333]);
    // Of all small sizes, so that the allocator has to give other places.
    let blocks: Vec<Vec<u8>> = (1..64).map(|size| vec![frame[0]; size * 8]).collect();
    let result = if depth == 0 {
        call()
    } else {
        elsewhere(depth - 1, call)
    };
    black_box((&frame, &blocks));
    result
}

/// What a panic said.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panic: {}", text.unwrap_or_default())
}

/// One attempt on the same answers.
fn attempt<M: Vm<Output: Debug>>(
    vm: &M,
    transaction: &M::Transaction,
    told: &[Answered<M::Key, M::Value>],
    scratch: &mut M::Scratch,
) -> Trace {
    let mut view = Told {
        told,
        steps: Vec::new(),
    };
    let result = catch_unwind(AssertUnwindSafe(|| {
        vm.execute(transaction, &mut view, scratch)
    }));
    Trace {
        steps: view.steps,
        end: match result {
            Ok(result) => end(&result),
            Err(panic) => panicked(&*panic),
        },
    }
}

fn end<O: Debug, E: Debug>(result: &Result<O, Stop<E>>) -> String {
    match result {
        Ok(output) => format!("output {output:?}"),
        Err(Stop::Failed(error)) => format!("failure {error:?}"),
        Err(Stop::Interrupted(_)) => "interrupt".to_owned(),
    }
}

impl<M: Vm<Output: Debug>> Observer<M> for Attempts<M::Key, M::Value> {
    fn execute<S: StateView<M::Key, M::Value>>(
        &mut self,
        index: usize,
        vm: &M,
        transaction: &M::Transaction,
        view: &mut S,
        scratch: &mut M::Scratch,
    ) -> Result<M::Output, Stop<M::Error>> {
        if self.found.is_some() {
            return vm.execute(transaction, view, scratch);
        }
        let mut telling = Telling {
            view: &mut *view,
            told: Vec::new(),
        };
        let result = vm.execute(transaction, &mut telling, scratch);
        if !matches!(result, Err(Stop::Interrupted(_))) {
            let told = telling.told;
            let trace = Trace {
                steps: told.iter().map(|told| told.question.clone()).collect(),
                end: end(&result),
            };
            self.again(index, vm, transaction, (told, trace), scratch);
        }
        result
    }
}

/// A view that writes down what it is asked and what it says.
struct Telling<'a, K, V> {
    view: &'a mut dyn StateView<K, V>,
    told: Vec<Answered<K, V>>,
}

impl<K: Debug, V: Value> Telling<'_, K, V> {
    fn note(&mut self, question: String, answer: Answer<K, V>) {
        self.told.push(Answered { question, answer });
    }
}

impl<K, V> Sealed for Telling<'_, K, V> {}

impl<K: Clone + Debug, V: Value> StateView<K, V> for Telling<'_, K, V> {
    fn get(&mut self, key: &K) -> Result<Option<V>, Interrupt> {
        let value = self.view.get(key)?;
        self.note(text::get(key), Answer::Value(value.clone()));
        Ok(value)
    }

    fn contains(&mut self, key: &K) -> Result<bool, Interrupt> {
        let answer = self.view.contains(key)?;
        self.note(text::contains(key), Answer::Bool(answer));
        Ok(answer)
    }

    fn at_least(&mut self, key: &K, amount: V::Amount) -> Result<bool, Interrupt> {
        let answer = self.view.at_least(key, amount)?;
        self.note(text::at_least(key, amount), Answer::Bool(answer));
        Ok(answer)
    }

    fn put(&mut self, key: &K, value: V) -> Result<(), Interrupt> {
        self.note(text::put(key, &value), Answer::Done);
        self.view.put(key, value)
    }

    fn delete(&mut self, key: &K) -> Result<(), Interrupt> {
        self.note(text::delete(key), Answer::Done);
        self.view.delete(key)
    }

    fn add_within(
        &mut self,
        key: &K,
        delta: Delta<V::Amount>,
        bounds: Bounds<V::Amount>,
    ) -> Result<bool, Interrupt> {
        let answer = self.view.add_within(key, delta, bounds)?;
        self.note(text::add(key, &delta, &bounds), Answer::Bool(answer));
        Ok(answer)
    }

    fn range(
        &mut self,
        from: Bound<&K>,
        to: Bound<&K>,
        visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
    ) -> Result<(), Interrupt> {
        let mut visited = Vec::new();
        self.view.range(from, to, &mut |key, value| {
            visited.push((key.clone(), value.clone()));
            visit(key, value)
        })?;
        self.note(text::range(from, to), Answer::Visited(visited));
        Ok(())
    }
}

/// A view that says the same again.
struct Told<'a, K, V> {
    told: &'a [Answered<K, V>],
    steps: Vec<String>,
}

impl<'a, K, V> Told<'a, K, V> {
    /// What was said the last time, here or, if the transaction does things in another order, elsewhere.
    fn answer(&mut self, question: String) -> Option<&'a Answer<K, V>> {
        let here = self.told.get(self.steps.len());
        let here = here.filter(|told| told.question == question);
        let told = here.or_else(|| self.told.iter().find(|told| told.question == question));
        self.steps.push(question);
        told.map(|told| &told.answer)
    }

    fn bool(&mut self, question: String) -> Result<bool, Interrupt> {
        match self.answer(question) {
            Some(Answer::Bool(answer)) => Ok(*answer),
            _ => Err(Interrupt::new()),
        }
    }
}

impl<K, V> Sealed for Told<'_, K, V> {}

impl<K: Debug, V: Value> StateView<K, V> for Told<'_, K, V> {
    fn get(&mut self, key: &K) -> Result<Option<V>, Interrupt> {
        match self.answer(text::get(key)) {
            Some(Answer::Value(value)) => Ok(value.clone()),
            _ => Err(Interrupt::new()),
        }
    }

    fn contains(&mut self, key: &K) -> Result<bool, Interrupt> {
        self.bool(text::contains(key))
    }

    fn at_least(&mut self, key: &K, amount: V::Amount) -> Result<bool, Interrupt> {
        self.bool(text::at_least(key, amount))
    }

    fn put(&mut self, key: &K, value: V) -> Result<(), Interrupt> {
        self.answer(text::put(key, &value));
        Ok(())
    }

    fn delete(&mut self, key: &K) -> Result<(), Interrupt> {
        self.answer(text::delete(key));
        Ok(())
    }

    fn add_within(
        &mut self,
        key: &K,
        delta: Delta<V::Amount>,
        bounds: Bounds<V::Amount>,
    ) -> Result<bool, Interrupt> {
        self.bool(text::add(key, &delta, &bounds))
    }

    fn range(
        &mut self,
        from: Bound<&K>,
        to: Bound<&K>,
        visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
    ) -> Result<(), Interrupt> {
        let Some(Answer::Visited(pairs)) = self.answer(text::range(from, to)) else {
            return Err(Interrupt::new());
        };
        for (seen, (key, value)) in pairs.iter().enumerate() {
            if visit(key, value).is_break() {
                if seen + 1 < pairs.len() {
                    let step = self.steps.last_mut();
                    let _ = step.map(|step| write!(step, ", left after {}", seen + 1));
                }
                break;
            }
        }
        Ok(())
    }
}

/// Questions as texts.
mod text {
    use super::{Bound, Bounds, Debug, Delta};

    pub(super) fn get(key: &impl Debug) -> String {
        format!("get {key:?}")
    }

    pub(super) fn contains(key: &impl Debug) -> String {
        format!("contains {key:?}")
    }

    pub(super) fn at_least(key: &impl Debug, amount: impl Debug) -> String {
        format!("at least {key:?} {amount:?}")
    }

    pub(super) fn put(key: &impl Debug, value: &impl Debug) -> String {
        format!("put {key:?} {value:?}")
    }

    pub(super) fn delete(key: &impl Debug) -> String {
        format!("delete {key:?}")
    }

    pub(super) fn add<A: Debug>(key: &impl Debug, delta: &Delta<A>, bounds: &Bounds<A>) -> String {
        format!("add {key:?} {delta:?} {bounds:?}")
    }

    pub(super) fn range<K: Debug>(from: Bound<&K>, to: Bound<&K>) -> String {
        format!("range {from:?}..{to:?}")
    }
}
