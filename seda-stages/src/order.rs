//! Brings what arrives in any order back into the order of submission.

use std::collections::VecDeque;

/// Holds back what arrives before its turn.
///
/// Every number arrives exactly once: with something, or with nothing, if the event of that number has left the pipeline
/// on the way.
#[derive(Debug)]
pub(crate) struct Gate<T> {
    /// Whose turn it is.
    next: u64,
    /// What has come too early, by its distance to `next`. The first place is always empty.
    early: VecDeque<Option<Arrival<T>>>,
}

/// What arrives under a number.
#[derive(Debug)]
pub(crate) enum Arrival<T> {
    /// An event.
    Event(T),
    /// Nothing: the event has left.
    Gone,
}

impl<T> Gate<T> {
    /// The first number is zero.
    pub(crate) fn new() -> Self {
        Self {
            next: 0,
            early: VecDeque::new(),
        }
    }

    /// Lets in what arrives, and what had waited for it, in order.
    pub(crate) fn arrive(
        &mut self,
        number: u64,
        arrival: Arrival<T>,
        mut pass: impl FnMut(u64, Arrival<T>),
    ) {
        if number == self.next {
            pass(number, arrival);
            self.next += 1;
            self.early.pop_front();
            while let Some(Some(_)) = self.early.front() {
                let arrival = self.early.pop_front().flatten().expect("it was just seen");
                pass(self.next, arrival);
                self.next += 1;
            }
        } else {
            debug_assert!(number > self.next, "every number arrives once");
            let distance = usize::try_from(number - self.next).expect("it fits into memory");
            if self.early.len() <= distance {
                self.early.resize_with(distance + 1, || None);
            }
            self.early[distance] = Some(arrival);
        }
    }

    /// The events that wait for their turn.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &T> {
        let arrivals = self.early.iter().flatten();
        arrivals.filter_map(|arrival| match arrival {
            Arrival::Event(event) => Some(event),
            Arrival::Gone => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_order_of_arrival_leaves_in_order(
            arrivals in (1_usize..40).prop_flat_map(|count| {
                let all = (0..count as u64).collect::<Vec<_>>();
                (Just(all).prop_shuffle(), prop::collection::vec(any::<bool>(), count))
            }),
        ) {
            let (numbers, gone) = arrivals;
            let mut gate = Gate::new();
            let mut left = Vec::new();
            for (arrived, &number) in numbers.iter().enumerate() {
                let is_gone = gone[usize::try_from(number).expect("it is small")];
                let arrival = if is_gone { Arrival::Gone } else { Arrival::Event(number) };
                gate.arrive(number, arrival, |number, arrival| {
                    left.push(number);
                    assert_eq!(matches!(arrival, Arrival::Gone), gone[usize::try_from(number).expect("it is small")]);
                });
                prop_assert!(gate.waiting().count() <= arrived + 1 - left.len());
            }
            prop_assert_eq!(left, (0..numbers.len() as u64).collect::<Vec<_>>());
        }
    }
}
