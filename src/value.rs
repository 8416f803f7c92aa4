//! What a key holds, and the numbers that commutative adds work on.
//!
//! A [`Value`] may say that it is a number. Only then do [`StateView::add`](crate::StateView::add) and
//! [`StateView::at_least`](crate::StateView::at_least) mean something for it, and only then can a parallel
//! executor let several transactions change one key without ordering them.

use std::fmt::Debug;

/// A number that cannot be negative: a balance, a counter, a supply.
///
/// The laws: `ZERO` is the least and `MAX` the greatest number, `checked_add` and `checked_sub` are addition and
/// subtraction wherever the result lies between the two, and `None` elsewhere.
pub trait Amount: Copy + Ord + Debug + Send + Sync {
    /// The least number, and what an absent key counts as.
    const ZERO: Self;
    /// The greatest number.
    const MAX: Self;
    /// `self + other`, or `None` past [`MAX`](Self::MAX).
    #[must_use]
    fn checked_add(self, other: Self) -> Option<Self>;
    /// `self - other`, or `None` below [`ZERO`](Self::ZERO).
    #[must_use]
    fn checked_sub(self, other: Self) -> Option<Self>;
}

/// What a key of the state holds.
///
/// `Eq` must be true equality: a parallel executor keeps a transaction's result when the values that it read came out
/// equal in the end. Cloning should be cheap; put large values behind an [`Arc`](std::sync::Arc).
///
/// # Examples
///
/// Unsigned integers are values and numbers already. A VM with several kinds of values writes an enum:
///
/// ```
/// use pleach::Value;
///
/// #[derive(Clone, PartialEq, Eq, Debug)]
/// enum Item {
///     Balance(u128),
///     Name(String),
/// }
///
/// impl Value for Item {
///     type Amount = u128;
///     fn amount(&self) -> Option<u128> {
///         match self {
///             Item::Balance(balance) => Some(*balance),
///             Item::Name(_) => None,
///         }
///     }
///     fn from_amount(amount: u128) -> Option<Self> {
///         Some(Item::Balance(amount))
///     }
/// }
/// ```
pub trait Value: Clone + Eq + Debug + Send + Sync {
    /// The type of this value's numbers; [`NoAmount`] if none of the values is a number.
    type Amount: Amount;
    /// The number that this value is, or `None` if it is none.
    fn amount(&self) -> Option<Self::Amount>;
    /// The value that holds `amount` after an add; `None` makes the key absent, which suits states that do not
    /// store zeros.
    ///
    /// The law: a value that is made so is that number, and only zero may be absent.
    fn from_amount(amount: Self::Amount) -> Option<Self>;
}

/// A change by a number, either way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Delta<A> {
    /// Adds the number.
    Plus(A),
    /// Takes the number away.
    Minus(A),
}

impl<A: Amount> Delta<A> {
    /// The number that `amount` becomes, or `None` outside `A`'s range.
    #[must_use]
    pub fn apply(self, amount: A) -> Option<A> {
        match self {
            Delta::Plus(delta) => amount.checked_add(delta),
            Delta::Minus(delta) => amount.checked_sub(delta),
        }
    }
}

/// Between which numbers, both included, the result of an add must lie.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Bounds<A> {
    /// The least result that is accepted.
    pub floor: A,
    /// The greatest result that is accepted.
    pub ceiling: A,
}

impl<A: Amount> Bounds<A> {
    /// Every number of the type: from zero to its maximum.
    pub const ALL: Self = Self {
        floor: A::ZERO,
        ceiling: A::MAX,
    };

    /// Whether `amount` lies within.
    #[must_use]
    pub fn contains(&self, amount: A) -> bool {
        self.floor <= amount && amount <= self.ceiling
    }
}

/// The number type of values that are not numbers: there is only zero, and nothing can be added to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct NoAmount;

impl Amount for NoAmount {
    const ZERO: Self = NoAmount;
    const MAX: Self = NoAmount;

    fn checked_add(self, _: Self) -> Option<Self> {
        None
    }

    fn checked_sub(self, _: Self) -> Option<Self> {
        None
    }
}

macro_rules! unsigned {
    ($($number:ty),*) => {$(
        impl Amount for $number {
            const ZERO: Self = 0;
            const MAX: Self = <$number>::MAX;

            #[inline]
            fn checked_add(self, other: Self) -> Option<Self> {
                self.checked_add(other)
            }

            #[inline]
            fn checked_sub(self, other: Self) -> Option<Self> {
                self.checked_sub(other)
            }
        }

        impl Value for $number {
            type Amount = Self;

            #[inline]
            fn amount(&self) -> Option<Self> {
                Some(*self)
            }

            #[inline]
            fn from_amount(amount: Self) -> Option<Self> {
                Some(amount)
            }
        }
    )*};
}

unsigned!(u32, u64, u128);

macro_rules! not_a_number {
    ($($value:ty),*) => {$(
        impl Value for $value {
            type Amount = NoAmount;

            fn amount(&self) -> Option<NoAmount> {
                None
            }

            fn from_amount(_: NoAmount) -> Option<Self> {
                None
            }
        }
    )*};
}

not_a_number!(bool, String, Vec<u8>, std::sync::Arc<[u8]>);
