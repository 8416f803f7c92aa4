//! Random blocks, executed by Pleach and by a plain revm loop: no difference may ever show.

use pleach_evm::testkit::{Scenario, Theme, scenario};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{TestCaseError, TestRunner},
};

use crate::harness::Agree as _;

fn agree(scenario: &Scenario) -> Result<(), TestCaseError> {
    match scenario.agree() {
        Ok(_) => Ok(()),
        Err(difference) => Err(TestCaseError::fail(difference)),
    }
}

const ANY: Theme = Theme::ANY;

/// `PROPTEST_CASES` of the environment, if it is set.
fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    let cases = std::env::var_os("PROPTEST_CASES").map_or(500, |_| config.cases);
    ProptestConfig { cases, ..config }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn contracts_that_do_anything(scenario in scenario(&ANY)) {
        agree(&scenario)?;
    }

    #[test]
    fn mostly_payments(
        scenario in scenario(&Theme { payments: 40, transactions: 12, ..ANY })
    ) {
        agree(&scenario)?;
    }

    #[test]
    fn delegations(
        scenario in scenario(&Theme { forks: &["prague", "osaka"], delegations: 20, ..ANY })
    ) {
        agree(&scenario)?;
    }

    #[test]
    fn balances_at_the_ends_of_the_range(
        scenario in scenario(&Theme { extreme: true, ..ANY })
    ) {
        agree(&scenario)?;
    }
}

#[test]
fn random_blocks_are_worth_executing() {
    let mut runner = TestRunner::deterministic();
    let (mut valid, mut invalid, mut failed, mut plain, mut logs) = (0, 0, 0, 0, 0);
    for _ in 0..500 {
        let scenario = scenario(&ANY).new_tree(&mut runner);
        let scenario = scenario.expect("nothing is filtered").current();
        let agreed = scenario.agree().expect("that is tested elsewhere");
        for ran in agreed.transactions.into_iter().flatten() {
            match ran {
                Ok(done) => {
                    valid += 1;
                    failed += usize::from(!done.success);
                    // A byte of data is on top.
                    plain += usize::from(done.gas_used <= 21_016);
                    logs += done.logs.len();
                }
                Err(_) => invalid += 1,
            }
        }
    }
    let all = valid + invalid;
    let counts = format!("{valid} valid of {all}, {failed} failed, {plain} plain, {logs} logs");
    assert!(valid * 5 > all * 2, "{counts}");
    assert!(invalid * 20 > all, "{counts}");
    assert!(failed * 20 > all && failed * 2 < valid, "{counts}");
    assert!(plain * 20 > all, "{counts}");
    assert!(logs * 4 > all, "{counts}");
}
