//! Which transactions of a plan are connected: those of one branch, and of no other, wait for each other.

use super::NONE;

/// Which transactions are connected.
pub(super) struct Branches {
    /// Of each transaction, one on the same branch with a lower index, or itself.
    lower: Vec<u32>,
}

impl Branches {
    pub(super) fn new(count: usize) -> Self {
        Self {
            lower: (0..count as u32).collect(),
        }
    }

    /// The first transaction of a branch.
    pub(super) fn first(&mut self, mut index: u32) -> u32 {
        while self.lower[index as usize] != index {
            let lower = self.lower[index as usize];
            // Halves the way for those who come next.
            self.lower[index as usize] = self.lower[lower as usize];
            index = lower;
        }
        index
    }

    pub(super) fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.first(a), self.first(b));
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        self.lower[high as usize] = low;
    }

    /// The transactions of all branches, branch by branch, and where each ends.
    pub(super) fn lists(&mut self) -> (Vec<u32>, Vec<u32>) {
        let count = self.lower.len();
        let mut numbers = vec![NONE; count];
        let mut ends: Vec<u32> = Vec::new();
        for index in 0..count as u32 {
            let first = self.first(index);
            if first == index {
                numbers[index as usize] = ends.len() as u32;
                ends.push(0);
            } else {
                numbers[index as usize] = numbers[first as usize];
            }
            ends[numbers[index as usize] as usize] += 1;
        }
        let mut start = 0;
        for end in &mut ends {
            let length = *end;
            *end = start;
            start += length;
        }
        let mut members = vec![0; count];
        for index in 0..count {
            let place = &mut ends[numbers[index] as usize];
            members[*place as usize] = index as u32;
            *place += 1;
        }
        (members, ends)
    }
}
