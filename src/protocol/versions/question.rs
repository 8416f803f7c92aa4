//! What transactions make of values, and what they ask of them without looking.

use crate::{
    execute::{Known, number},
    value::{Amount, Bounds, Delta, Value},
};

/// What a transaction made of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change<V: Value> {
    /// It has this value, or none.
    Put(Option<V>),
    /// It has this much more, or less.
    Add(Delta<V::Amount>),
}

/// Something asked of a value, to which many values may have the same answer.
#[derive(Clone, Copy, Debug)]
pub enum Question<A> {
    /// Whether there is a value.
    Contains,
    /// Whether the number is at least this.
    AtLeast(A),
    /// Whether this can be added to it, so that it lies within the bounds then.
    Add(Delta<A>, Bounds<A>),
}

/// A question, and the answer that an attempt went on with.
#[derive(Clone, Copy, Debug)]
pub struct Check<A> {
    /// What the transaction had added to the key by itself before it asked.
    pub own: Option<Delta<A>>,
    /// What it asked.
    pub question: Question<A>,
    /// What it was told.
    pub answer: bool,
}

impl<V: Value> Change<V> {
    /// What it makes of a value: nothing is known of that if it cannot be added to.
    pub(crate) fn apply(&self, value: Option<&V>) -> Known<V> {
        match self {
            Change::Put(put) => Known::of(put.clone()),
            Change::Add(delta) => match number(value).and_then(|number| delta.apply(number)) {
                Some(sum) => Known::of(V::from_amount(sum)),
                None => Known::No,
            },
        }
    }
}

impl<A: Amount> Question<A> {
    /// The answer for a value.
    pub(crate) fn ask<V: Value<Amount = A>>(&self, value: Option<&V>) -> bool {
        match self {
            Question::Contains => value.is_some(),
            Question::AtLeast(amount) => number(value).is_some_and(|number| number >= *amount),
            Question::Add(delta, bounds) => number(value)
                .and_then(|number| delta.apply(number))
                .is_some_and(|sum| bounds.contains(sum)),
        }
    }
}

impl<A: Amount> Check<A> {
    /// Whether the answer is the same for this value.
    pub(crate) fn holds<V: Value<Amount = A>>(&self, value: Option<&V>) -> bool {
        match self.own {
            None => self.question.ask(value) == self.answer,
            Some(own) => {
                let own = Change::<V>::Add(own).apply(value);
                own.is_known() && self.question.ask(own.as_option()) == self.answer
            }
        }
    }
}

/// One change that comes to the same as both, if their sum is a number.
pub(crate) fn together<A: Amount>(first: Option<Delta<A>>, second: Delta<A>) -> Delta<A> {
    let signed = |positive: A, negative: A| match positive.checked_sub(negative) {
        Some(rest) => Delta::Plus(rest),
        None => Delta::Minus(negative.checked_sub(positive).unwrap_or(A::ZERO)),
    };
    let Some(first) = first else {
        return second;
    };
    match (first, second) {
        (Delta::Plus(a), Delta::Plus(b)) => Delta::Plus(a.checked_add(b).unwrap_or(A::MAX)),
        (Delta::Minus(a), Delta::Minus(b)) => Delta::Minus(a.checked_add(b).unwrap_or(A::MAX)),
        (Delta::Plus(a), Delta::Minus(b)) | (Delta::Minus(b), Delta::Plus(a)) => signed(a, b),
    }
}
