//! What has to hold of a value so that all that an attempt asked of it is answered as it was.
//!
//! Each answer about a number holds for all numbers between two bounds, and all answers together for those between the
//! highest lower and the lowest upper one. So however much was asked, asking again comes to a few comparisons.

use super::question::{Check, Question};
use crate::{
    execute::number,
    mutant::mutant,
    value::{Amount, Delta, Value},
};

/// See the module.
#[derive(Clone, Debug)]
pub struct Terms<A> {
    /// The lowest number, and whether that one is too low itself.
    low: (A, bool),
    /// The highest number, and whether that one will do itself.
    high: (A, bool),
    /// Whether it has to be a number at all.
    is_number: bool,
    /// Whether there has to be a value.
    is_there: Option<bool>,
    /// What cannot be said like that.
    others: Vec<Check<A>>,
}

impl<A: Amount> Default for Terms<A> {
    fn default() -> Self {
        Self {
            low: (A::ZERO, false),
            high: (A::MAX, true),
            is_number: false,
            is_there: None,
            others: Vec::new(),
        }
    }
}

/// A bound on a number before something was added to it.
enum Before<A> {
    At(A),
    /// Every number is within it.
    Everywhere,
    /// No number is.
    Nowhere,
}

impl<A: Amount> Before<A> {
    /// What the number has to be at least for this to be at least `low` afterwards.
    fn low(low: A, added: Delta<A>) -> Self {
        match added {
            Delta::Plus(more) => low.checked_sub(more).map_or(Self::Everywhere, Self::At),
            Delta::Minus(less) => low.checked_add(less).map_or(Self::Nowhere, Self::At),
        }
    }

    /// What the number has to be at most for this to be at most `high` afterwards.
    fn high(high: A, added: Delta<A>) -> Self {
        match added {
            Delta::Plus(more) => high.checked_sub(more).map_or(Self::Nowhere, Self::At),
            Delta::Minus(less) => high.checked_add(less).map_or(Self::Everywhere, Self::At),
        }
    }

    /// The bound before something else was added, too.
    fn before(self, own: Option<Delta<A>>, bound: impl Fn(A, Delta<A>) -> Self) -> Self {
        match (self, own) {
            (Self::At(at), Some(own)) => bound(at, own),
            (at, _) => at,
        }
    }
}

impl<A: Amount> Terms<A> {
    /// Adds that `check` is answered as it was, by a value that was this number, if any.
    pub fn add(&mut self, check: Check<A>, found: Option<A>) {
        let is_said = match (check.question, found) {
            (Question::Contains, _) if check.own.is_none() && self.may_be_there(check.answer) => {
                self.is_there = Some(check.answer);
                true
            }
            (Question::Contains, _) | (_, None) => false,
            (Question::AtLeast(amount), _) if check.answer => {
                self.raise(Before::At(amount), check.own, false)
            }
            (Question::AtLeast(amount), _) => self.lower(Before::At(amount), check.own, false),
            (Question::Add(delta, bounds), Some(_)) if check.answer => {
                self.raise(Before::low(bounds.floor, delta), check.own, false)
                    && self.lower(Before::high(bounds.ceiling, delta), check.own, true)
            }
            (Question::Add(delta, bounds), Some(found)) => {
                let now = match check.own {
                    Some(own) => own.apply(found),
                    None => Some(found),
                };
                let is_over = match (now.and_then(|now| delta.apply(now)), delta) {
                    (Some(sum), _) => sum > bounds.ceiling,
                    (None, Delta::Plus(_)) => true,
                    (None, Delta::Minus(_)) => false,
                };
                if is_over {
                    self.raise(Before::low(bounds.ceiling, delta), check.own, true)
                } else {
                    self.lower(Before::high(bounds.floor, delta), check.own, false)
                }
            }
        };
        if !is_said {
            self.others.push(check);
        }
    }

    /// Whether nothing else was answered before: the value may have come or gone in between. Both answers together hold for
    /// no value, so then both are kept.
    fn may_be_there(&self, answer: bool) -> bool {
        self.is_there.is_none_or(|is_there| is_there == answer) || mutant!("last_answer")
    }

    /// Raises the lower bound to what it was before the transaction added its `own`. Says whether that can be.
    fn raise(&mut self, bound: Before<A>, own: Option<Delta<A>>, is_excluded: bool) -> bool {
        self.is_number = true;
        match bound.before(own, Before::low) {
            Before::At(low) => self.low = self.low.max((low, is_excluded)),
            Before::Everywhere => {}
            Before::Nowhere => return false,
        }
        true
    }

    /// Lowers the upper bound in the same way.
    fn lower(&mut self, bound: Before<A>, own: Option<Delta<A>>, is_included: bool) -> bool {
        self.is_number = true;
        match bound.before(own, Before::high) {
            Before::At(high) => self.high = self.high.min((high, is_included)),
            Before::Everywhere => {}
            Before::Nowhere => return false,
        }
        true
    }

    /// Whether all answers are the same for this value.
    pub(crate) fn hold<V: Value<Amount = A>>(&self, value: Option<&V>) -> bool {
        self.is_there
            .is_none_or(|is_there| value.is_some() == is_there)
            && (!self.is_number || number(value).is_some_and(|number| self.allow(number)))
            && self.others.iter().all(|check| check.holds(value))
    }

    /// Whether all that was asked is whether there is a value, and the answer was this.
    pub(crate) fn ask_only_that(&self, is_there: bool) -> bool {
        self.is_there == Some(is_there) && !self.is_number && self.others.is_empty()
    }

    fn allow(&self, number: A) -> bool {
        let ((low, is_excluded), (high, is_included)) = (self.low, self.high);
        // `false` comes before `true`.
        (number, false) >= (low, is_excluded) && (number, true) <= (high, is_included)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{
            question::{Change, together},
            small::{Item, Small, items, question},
        },
        *,
    };
    use crate::{execute::Known, value::Bounds};

    /// What a transaction that asks these questions is told if this is there.
    fn checks(found: Option<&Item>, questions: &[Question<Small>]) -> Vec<Check<Small>> {
        let mut own = None;
        let ask = |question: &Question<Small>| {
            let now = match own {
                Some(own) => Change::Add(own).apply(found),
                None => Known::of(found.cloned()),
            };
            let check = Check {
                own,
                question: *question,
                answer: now.is_known() && question.ask(now.as_option()),
            };
            if let (Question::Add(delta, _), true) = (question, check.answer) {
                own = Some(together(own, *delta));
            }
            check
        };
        questions.iter().map(ask).collect()
    }

    /// What is asked may change between two questions.
    #[test]
    fn answers_that_contradict_each_other_hold_for_nothing() {
        let questions = [
            Question::Contains,
            Question::AtLeast(Small(5)),
            Question::Add(Delta::Minus(Small(5)), Bounds::ALL),
            Question::Add(Delta::Plus(Small(11)), Bounds::ALL),
        ];
        for (question, first) in questions.iter().flat_map(|it| [(it, true), (it, false)]) {
            let mut terms = Terms::default();
            for answer in [first, !first] {
                let mut found = items().filter(|item| question.ask(item.as_ref()) == answer);
                let found = found.next().expect("it can be answered either way");
                let [check] = checks(found.as_ref(), &[*question])[..] else {
                    unreachable!("there is one question");
                };
                terms.add(check, number(found.as_ref()));
            }
            let held = items().find(|item| terms.hold(item.as_ref()));
            assert_eq!(held, None, "{question:?}, first {first}");
        }
    }

    proptest! {
        #[test]
        fn whoever_meets_the_terms_is_told_the_same(
            place in 0..items().count(),
            questions in prop::collection::vec(question(), 1..6),
        ) {
            let found = items().nth(place).expect("it is one of them");
            let asked = checks(found.as_ref(), &questions);
            let mut terms = Terms::default();
            for check in &asked {
                terms.add(*check, number(found.as_ref()));
            }
            prop_assert!(terms.hold(found.as_ref()));
            for other in items() {
                let told = checks(other.as_ref(), &questions);
                let answers = |checks: &[Check<Small>]| {
                    checks.iter().map(|check| check.answer).collect::<Vec<_>>()
                };
                if terms.hold(other.as_ref()) {
                    prop_assert_eq!(answers(&told), answers(&asked), "{:?}: {:?}", other, terms);
                }
            }
        }
    }
}
