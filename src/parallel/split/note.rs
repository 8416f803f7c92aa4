//! What a stretch was told of a key, and for which values it would be told the same.
//!
//! All that is asked of a number has the same answer for all numbers that are a little more or less. So it is noted how much less and how
//! much more: that is one comparison each time, and two when it is asked whether all of it holds.

use crate::{
    execute::{Known, number},
    protocol::versions::Question,
    value::{Amount, Delta, Value},
};

/// See the module.
#[derive(Clone, Copy)]
pub(in crate::parallel) struct Note<A> {
    /// How much less, and how much more, the number may be at the beginning, if anything was asked of it.
    down: A,
    up: A,
    has_asked: bool,
    /// Whether there was a value, if that was asked.
    is_there: Option<bool>,
    /// Whether it must be this value.
    has_looked: bool,
    /// Whether a transaction that is kept has put or deleted it: then it is what it is, whatever was there at the beginning.
    pub(in crate::parallel) put: bool,
}

impl<A: Amount> Note<A> {
    /// Nothing was asked.
    pub(in crate::parallel) const NONE: Self = Self {
        down: A::MAX,
        up: A::MAX,
        has_asked: false,
        is_there: None,
        has_looked: false,
        put: false,
    };

    /// It was shown, or something was asked that says nothing of other values.
    pub(in crate::parallel) fn look(&mut self) {
        self.has_looked = true;
    }

    /// This was asked of `value`, which is what was there at the beginning, unless the stretch has `added` to it.
    pub(in crate::parallel) fn ask<V: Value<Amount = A>>(
        &mut self,
        value: Option<&V>,
        question: Question<A>,
        answer: bool,
        has_added: bool,
    ) {
        let limits = match (question, number(value)) {
            (Question::Contains, _) if !has_added => {
                self.is_there = Some(answer);
                return;
            }
            (Question::AtLeast(amount), Some(number)) if answer => {
                number.checked_sub(amount).map(|down| (down, A::MAX))
            }
            (Question::Add(delta, bounds), Some(number)) if answer => {
                delta.apply(number).and_then(|sum| {
                    let down = sum.checked_sub(bounds.floor)?;
                    Some((down, bounds.ceiling.checked_sub(sum)?))
                })
            }
            _ => None,
        };
        match limits {
            Some((down, up)) => {
                self.has_asked = true;
                self.down = self.down.min(down);
                self.up = self.up.min(up);
            }
            None => self.look(),
        }
    }

    /// Whether nothing was asked that another value could answer otherwise.
    pub(in crate::parallel) fn is_free(&self) -> bool {
        !self.has_asked && !self.has_looked && self.is_there.is_none()
    }

    /// Whether it must be the very value that it was.
    pub(in crate::parallel) fn has_looked(&self) -> bool {
        self.has_looked
    }

    /// Whether all would have been the same if there had been `now` at the beginning, instead of `then`.
    pub(in crate::parallel) fn holds<V: Value<Amount = A>>(
        &self,
        then: Option<&V>,
        now: Option<&V>,
    ) -> bool {
        if then == now {
            return true;
        }
        if self.has_looked || self.is_there.is_some_and(|it| it != now.is_some()) {
            return false;
        }
        if !self.has_asked {
            return true;
        }
        let (Some(then), Some(now)) = (number(then), number(now)) else {
            return false;
        };
        match now.checked_sub(then) {
            Some(more) => more <= self.up,
            None => then.checked_sub(now).is_some_and(|less| less <= self.down),
        }
    }

    /// What the stretch leaves if there is `now` at the beginning, and it has made `made` of `then`, by adds only unless it has put it. `None`
    /// if nobody can say.
    pub(in crate::parallel) fn leaves<V: Value<Amount = A>>(
        &self,
        then: Option<&V>,
        now: Option<&V>,
        made: &Known<V>,
    ) -> Option<Known<V>> {
        if self.put {
            return Some(made.clone());
        }
        moved(then, now, made)
    }
}

/// What there is in the end if there is `now` at the beginning, and adds have `made` that of `then`. `None` if nobody can say.
pub(in crate::parallel) fn moved<V: Value>(
    then: Option<&V>,
    now: Option<&V>,
    made: &Known<V>,
) -> Option<Known<V>> {
    if then == now {
        return Some(made.clone());
    }
    let (then, made) = (number(then)?, number(made.as_option())?);
    let delta = match made.checked_sub(then) {
        Some(more) => Delta::Plus(more),
        None => Delta::Minus(then.checked_sub(made)?),
    };
    let sum = delta.apply(number(now)?)?;
    Some(Known::of(V::from_amount(sum)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        protocol::versions::{
            Change,
            small::{Item, Small, items, question},
        },
        value::Bounds,
    };

    /// What a transaction does.
    #[derive(Clone, Debug)]
    enum Act {
        Ask(Question<Small>),
        Look,
        Put(Option<Item>),
    }

    fn act() -> impl Strategy<Value = Act> {
        let value = prop::sample::select(items().collect::<Vec<_>>());
        prop_oneof![
            8 => question().prop_map(Act::Ask),
            1 => Just(Act::Look),
            1 => value.prop_map(Act::Put),
        ]
    }

    /// What transactions that do this, and are kept or not, are told if this is there, and what they leave; and notes on that.
    fn run(
        found: Option<&Item>,
        transactions: &[(Vec<Act>, bool)],
    ) -> (Vec<String>, Known<Item>, Note<Small>) {
        let mut told = Vec::new();
        let mut note = Note::NONE;
        let mut kept = Known::of(found.cloned());
        let mut changed = false;
        for (acts, is_kept) in transactions {
            let (mut now, mut put, mut is_written) = (kept.clone(), false, false);
            for act in acts {
                let value = now.as_option();
                match act {
                    Act::Look => {
                        told.push(format!("{value:?}"));
                        if !note.put && !put {
                            note.look();
                        }
                    }
                    Act::Put(value) => {
                        now = Known::of(value.clone());
                        (put, is_written) = (true, true);
                    }
                    Act::Ask(question) => {
                        let answer = question.ask(value);
                        told.push(answer.to_string());
                        if !note.put && !put {
                            note.ask(value, *question, answer, changed || is_written);
                        }
                        if let (Question::Add(delta, _), true) = (question, answer) {
                            now = Change::Add(*delta).apply(value);
                            is_written = true;
                        }
                    }
                }
            }
            if *is_kept {
                kept = now;
                changed |= is_written;
                note.put |= put;
            }
        }
        let left = if changed { kept } else { Known::No };
        (told, left, note)
    }

    proptest! {
        #[test]
        fn whoever_holds_is_told_and_leaves_the_same(
            then in prop::sample::select(items().collect::<Vec<_>>()),
            transactions in prop::collection::vec(
                (prop::collection::vec(act(), 0..4), prop::bool::weighted(0.8)),
                1..4,
            ),
        ) {
            let (told, made, note) = run(then.as_ref(), &transactions);
            prop_assert!(note.holds(then.as_ref(), then.as_ref()));
            for now in items().filter(|now| note.holds(then.as_ref(), now.as_ref())) {
                let (again, left, _) = run(now.as_ref(), &transactions);
                prop_assert_eq!(&told, &again, "{:?}", now);
                prop_assert_eq!(made.is_known(), left.is_known());
                if made.is_known() {
                    let leaves = note.leaves(then.as_ref(), now.as_ref(), &made);
                    prop_assert_eq!(leaves, Some(left), "{:?}", now);
                }
            }
        }
    }

    #[test]
    fn adds_hold_wherever_there_is_enough() {
        let five = Question::Add(Delta::Minus(Small(5)), Bounds::ALL);
        let (_, left, note) = run(Some(&Item::Number(8)), &[(vec![Act::Ask(five)], true)]);
        let holds = |number| note.holds(Some(&Item::Number(8)), Some(&Item::Number(number)));
        assert_eq!([4, 5, 15].map(holds), [false, true, true]);
        let leaves = note.leaves(Some(&Item::Number(8)), Some(&Item::Number(5)), &left);
        assert_eq!(leaves, Some(Known::Absent));
    }
}
