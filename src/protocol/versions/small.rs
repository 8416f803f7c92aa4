//! Values of which there are so few that tests try them all.

use proptest::prelude::*;

use super::question::Question;
use crate::value::{Amount, Bounds, Delta, Value};

/// Few enough numbers to try them all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Small(pub(crate) u8);

const MOST: u8 = 15;

impl Amount for Small {
    const ZERO: Self = Small(0);
    const MAX: Self = Small(MOST);

    fn checked_add(self, other: Self) -> Option<Self> {
        (self.0 + other.0 <= MOST).then_some(Small(self.0 + other.0))
    }

    fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Small)
    }
}

/// A number that is absent if it is zero, or no number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Item {
    Number(u8),
    Name,
}

impl Value for Item {
    type Amount = Small;

    fn amount(&self) -> Option<Small> {
        match self {
            Item::Number(number) => Some(Small(*number)),
            Item::Name => None,
        }
    }

    fn from_amount(amount: Small) -> Option<Self> {
        (amount.0 > 0).then_some(Item::Number(amount.0))
    }
}

/// All there is to be found.
pub(crate) fn items() -> impl Iterator<Item = Option<Item>> {
    let numbers = (0..=MOST).map(|number| Some(Item::Number(number)));
    numbers.chain([None, Some(Item::Name)])
}

fn delta() -> impl Strategy<Value = Delta<Small>> {
    let small = (0..=MOST).prop_map(Small);
    prop_oneof![
        small.clone().prop_map(Delta::Plus),
        small.prop_map(Delta::Minus)
    ]
}

/// Something to ask.
pub(crate) fn question() -> impl Strategy<Value = Question<Small>> {
    let small = || (0..=MOST).prop_map(Small);
    let bounds = (small(), small()).prop_map(|(floor, ceiling)| Bounds { floor, ceiling });
    prop_oneof![
        Just(Question::Contains),
        small().prop_map(Question::AtLeast),
        (delta(), bounds).prop_map(|(delta, bounds)| Question::Add(delta, bounds)),
    ]
}
