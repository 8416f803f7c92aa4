//! The sample chain, which a real client made: every field of every header.

use pleach::{CancelToken, Executor, ParallelExecutor, SerialExecutor, Strategy};
use pleach_evm::{CheckResult, check, sample};

use crate::harness::runtime;

#[test]
fn every_block_of_the_sample_chain_matches_its_header() {
    matches_its_header(&SerialExecutor::new());
    for workers in [1, 2, 3, 4, 8, 16] {
        let executor = ParallelExecutor::new(&runtime(workers));
        matches_its_header(&executor.clone().strategy(Strategy::Optimistic));
        matches_its_header(&executor);
    }
}

fn matches_its_header(executor: &impl Executor) {
    let chain = sample::chain();
    let mut state = chain.genesis;
    let mut requests = 0;
    for block in &chain.blocks {
        let number = block.header.number;
        let prepared = block
            .prepare(&chain.spec)
            .expect("all signatures have senders");
        let result = prepared
            .execute(executor, &state, &CancelToken::new())
            .expect("the block is valid");
        prepared.apply(&result, &mut state);
        state.insert_block_hash(number, block.hash);
        let checks = check(&prepared, &result, Some(&state));
        // All of them can be made here, and there are as many as there are fields.
        assert_eq!(checks.len(), 10);
        for check in checks {
            assert_eq!(
                check.result,
                CheckResult::Passed,
                "block {number}: {check:?}"
            );
        }
        requests += result.requests.len();
    }
    assert!(requests > 0, "some block makes requests");
}

#[test]
fn a_difference_is_found() {
    let chain = sample::chain();
    let mut block = chain.blocks[0].clone();
    block.header.gas_used += 1;
    let blobs = block.header.blob_gas_used.as_mut();
    *blobs.expect("it is no old block") += 1;
    let prepared = block.prepare(&chain.spec).expect("its signatures are fine");
    let result = prepared
        .execute(&SerialExecutor::new(), &chain.genesis, &CancelToken::new())
        .expect("the block is valid");
    // The state was not changed, so its root is the parent's.
    let failed: Vec<_> = check(&prepared, &result, Some(&chain.genesis))
        .into_iter()
        .filter(|check| check.result.passed() == Some(false))
        .map(|check| check.name)
        .collect();
    assert_eq!(
        failed,
        ["block_hash", "gas_used", "blob_gas_used", "state_root"]
    );
}
