//! The tree the other way round: who waits for whom.

use crate::tree::{Code, Dtt, Source};

/// Who waits for each transaction and each sum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dependents {
    transactions: usize,
    /// Where those end that wait for each: transactions first, then sums.
    ends: Vec<u32>,
    waiting: Vec<Code>,
}

impl Dependents {
    /// The transactions and sums that wait for `source`, in the order of the transactions that they are, or are for.
    ///
    /// # Panics
    ///
    /// If the tree has no such source.
    #[must_use]
    pub fn of(&self, source: Source) -> impl ExactSizeIterator<Item = Source> + Clone + '_ {
        self.codes(source).iter().map(|code| code.source())
    }

    pub(crate) fn codes(&self, source: Source) -> &[Code] {
        let node = match source {
            Source::Transaction(index) => index,
            Source::Sum(index) => self.transactions + index,
        };
        let start = node.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.waiting[start as usize..self.ends[node] as usize]
    }
}

impl Dtt {
    /// Who waits for whom. O(transactions + edges).
    #[must_use]
    pub fn dependents(&self) -> Dependents {
        let transactions = self.len();
        let number = |code: Code| match code.source() {
            Source::Transaction(index) => index,
            Source::Sum(index) => transactions + index,
        };
        // Counted, then turned into where each list starts; filling them leaves where each ends.
        let mut places = vec![0_u32; transactions + self.sums()];
        self.walk(|_, codes| {
            for code in codes {
                places[number(*code)] += 1;
            }
        });
        let mut start = 0;
        for place in &mut places {
            let count = *place;
            *place = start;
            start += count;
        }
        let mut waiting = vec![Code::ROOT; self.edges()];
        self.walk(|node, codes| {
            for code in codes {
                let place = &mut places[number(*code)];
                waiting[*place as usize] = node.code();
                *place += 1;
            }
        });
        Dependents {
            transactions,
            ends: places,
            waiting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Trust;

    #[test]
    fn each_edge_is_there_once() {
        let mut tree = Dtt::new();
        tree.push(Trust::Exact, [].into_iter()).unwrap();
        tree.push(Trust::Exact, [].into_iter()).unwrap();
        let both = [0, 1].map(Code::transaction);
        let sum = tree.sums.push(2, &both).unwrap();
        tree.push(Trust::Exact, [sum].into_iter()).unwrap();
        let sources = [Code::transaction(1), sum];
        tree.push(Trust::Exact, sources.into_iter()).unwrap();

        let dependents = tree.dependents();
        let of = |source| dependents.of(source).collect::<Vec<_>>();
        assert_eq!(of(Source::Transaction(0)), [Source::Sum(0)]);
        assert_eq!(
            of(Source::Transaction(1)),
            [Source::Sum(0), Source::Transaction(3)]
        );
        assert_eq!(
            of(Source::Sum(0)),
            [Source::Transaction(2), Source::Transaction(3)]
        );
        assert_eq!(of(Source::Transaction(3)), []);
    }
}
