//! One test, from its genesis to its last block.

use super::{
    chain::{Chain, Rejection},
    engines::Engines,
    fixture::{Test, difference},
    network::Network,
    reasons,
};

/// What became of the blocks of a test that passed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Passed {
    pub(super) accepted: usize,
    pub(super) rejected: usize,
}

/// Runs `test`.
///
/// # Errors
///
/// Why it does not pass.
pub(super) fn run(test: &Test, engines: &mut Engines) -> Result<Passed, String> {
    let network = Network::named(&test.network).ok_or("there is no such network")?;
    let mut chain = Chain::new(&network, test)?;
    let mut passed = Passed::default();
    for (index, given) in test.blocks.iter().enumerate() {
        let before = (chain.head().hash, chain.len());
        match (chain.add(engines, given), &given.expect_exception) {
            (Ok(()), None) => passed.accepted += 1,
            (Ok(()), Some(expected)) => {
                return Err(format!("block {index} was accepted; expected {expected}"));
            }
            (Err(Rejection::Fault(fault)), _) => return Err(format!("block {index}: {fault}")),
            (Err(Rejection::Invalid(reason)), None) => {
                return Err(format!("block {index} was rejected: {reason}"));
            }
            (Err(Rejection::Invalid(reason)), Some(expected)) => {
                if !reasons::is_one_of(expected, &reason) {
                    return Err(format!(
                        "block {index} was rejected, but not for {expected}: {reason}"
                    ));
                }
                if before != (chain.head().hash, chain.len()) {
                    return Err(format!("block {index} was rejected, but not wholly"));
                }
                passed.rejected += 1;
            }
        }
    }
    let head = chain.head();
    if head.hash != test.head {
        return Err(format!("the head is {}, not {}", head.hash, test.head));
    }
    let root = head.state.root();
    if test
        .post_state_hash
        .is_some_and(|expected| expected != root)
    {
        return Err("the state has another root in the end".to_owned());
    }
    let expected = test.post_state.as_ref();
    match expected.and_then(|expected| difference(&expected.state(), &head.state)) {
        Some(difference) => Err(difference),
        None => Ok(passed),
    }
}
