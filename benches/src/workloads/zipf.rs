//! Numbers of which the first come more often: J. Gray, P. Sundaresan, S. Englert, K. Baclawski, P. Weinberger, "Quickly
//! Generating Billion-Record Synthetic Databases", SIGMOD 1994.
//!
//! Powers are those of `libm`: they are the same on every machine.

use libm::pow;

use crate::payments::Numbers;

/// Draws numbers below a bound, number `i` in proportion to `1 / (i + 1)^theta`.
pub(super) struct Zipf {
    bound: u64,
    theta: f64,
    zeta: f64,
    alpha: f64,
    eta: f64,
}

impl Zipf {
    /// `theta` is 0, where all are alike, or more, and below 1. O(bound).
    pub(super) fn new(bound: u64, theta: f64) -> Self {
        let zeta = |bound: u64| {
            let terms = (1..=bound).map(|number| pow(number as f64, -theta));
            terms.sum::<f64>()
        };
        let all = zeta(bound);
        let rest = 1.0 - pow(2.0 / bound as f64, 1.0 - theta);
        Self {
            bound,
            theta,
            zeta: all,
            alpha: 1.0 / (1.0 - theta),
            eta: rest / (1.0 - zeta(2.min(bound)) / all),
        }
    }

    pub(super) fn draw(&self, numbers: &mut Numbers) -> u64 {
        if self.theta == 0.0 || self.bound < 3 {
            return numbers.below(self.bound);
        }
        let share = numbers.share();
        let scaled = share * self.zeta;
        if scaled < 1.0 {
            return 0;
        }
        if scaled < 1.0 + pow(0.5, self.theta) {
            return 1;
        }
        let place = pow(self.eta * share - self.eta + 1.0, self.alpha);
        #[expect(clippy::cast_sign_loss, reason = "both factors are positive")]
        let number = (self.bound as f64 * place) as u64;
        number.min(self.bound - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_come_as_often_as_they_should() {
        const DRAWS: u32 = 200_000;
        for theta in [0.0, 0.6, 0.9, 0.99] {
            let (zipf, mut numbers) = (Zipf::new(1_000, theta), Numbers::new(3));
            let mut counts = vec![0_u32; 1_000];
            for _ in 0..DRAWS {
                counts[zipf.draw(&mut numbers) as usize] += 1;
            }
            let zeta: f64 = (1..=1_000)
                .map(|number| pow(f64::from(number), -theta))
                .sum();
            for (index, share) in [(0, 1.0), (1, pow(2.0, -theta))] {
                let expected = f64::from(DRAWS) * share / zeta;
                let found = f64::from(counts[index]);
                assert!(
                    (found - expected).abs() < 6.0 * expected.sqrt() + 1.0,
                    "{theta}: {found}, not {expected}"
                );
            }
            assert!(counts[500..].iter().sum::<u32>() > 0, "{theta}");
        }
    }

    #[test]
    fn few_numbers_are_drawn_too() {
        for bound in 1..5 {
            let (zipf, mut numbers) = (Zipf::new(bound, 0.9), Numbers::new(3));
            assert!((0..1_000).all(|_| zipf.draw(&mut numbers) < bound));
        }
    }
}
