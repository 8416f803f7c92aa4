//! Random blocks, executed by Pleach and by a plain revm loop: no difference may ever show.

use proptest::{prelude::*, test_runner::TestCaseError};

use crate::{
    generate::{Theme, scenario},
    harness::{FORKS, Scenario},
};

fn agree(scenario: &Scenario) -> Result<(), TestCaseError> {
    match scenario.agree() {
        Ok(_) => Ok(()),
        Err(difference) => Err(TestCaseError::fail(difference)),
    }
}

const ANY: Theme = Theme {
    forks: &FORKS,
    extreme: false,
    transactions: 8,
    payments: 2,
    delegations: 2,
};

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
}
