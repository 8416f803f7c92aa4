//! The sample chain with blocks in flight.

use std::{collections::HashSet, time::Duration};

use alloy_consensus::Transaction as _;
use pleach::{
    CancelToken, ParallelExecutor, Pipeline, SerialExecutor, VersionedState,
    pipeline::{BlockTicket, Failed, Node},
};
use pleach_evm::{BlockError, BlockResult, Chain, EvmNode, EvmStore, Key, Part, sample};

use crate::harness::runtime;

type Blocks = Pipeline<EvmNode, EvmStore>;

fn pipeline(chain: &Chain, kept: u64, readers: usize) -> Blocks {
    let node = EvmNode::new(chain.spec.clone(), 0);
    let store = EvmStore::new(chain.genesis.clone(), 0, &chain.spec);
    let state = VersionedState::open(store).expect("there is no record");
    let parent = chain.blocks[0].header.parent_hash;
    let executor = ParallelExecutor::new(&runtime(2));
    let builder = Pipeline::builder(node, state, parent, executor);
    let built = builder.kept(kept).readers(readers).queue(4).build();
    built.expect("there are threads")
}

/// What the blocks come to one after the other.
fn expected(chain: &Chain) -> Vec<BlockResult> {
    let mut state = chain.genesis.clone();
    let results = chain.blocks.iter().map(|block| {
        let prepared = block.prepare(&chain.spec).expect("its signatures are fine");
        let result = prepared
            .execute(&SerialExecutor::new(), &state, &CancelToken::new())
            .expect("the block is valid");
        prepared.apply(&result, &mut state);
        state.insert_block_hash(block.header.number, block.hash);
        result
    });
    results.collect()
}

fn result(ticket: BlockTicket<EvmNode>) -> (u64, BlockResult) {
    let done = ticket.wait().expect("the block is valid");
    let height = done.height();
    (height, done.into_output().expect("it is a block").result)
}

fn same(expected: &BlockResult, found: &BlockResult) {
    assert_eq!(expected.receipts, found.receipts);
    assert_eq!(expected.executions, found.executions);
    assert_eq!(expected.changes, found.changes);
    assert_eq!(expected.requests, found.requests);
}

#[test]
fn a_chain_comes_to_the_same() {
    let chain = sample::chain();
    let expected = expected(&chain);
    for (kept, readers) in [(0, 0), (1, 2), (1_000, 0)] {
        let pipeline = pipeline(&chain, kept, readers);
        let blocks = chain.blocks.iter().cloned();
        let submit = |block| pipeline.submit(block).expect("it is open");
        let tickets: Vec<_> = blocks.map(submit).collect();
        for (ticket, (block, expected)) in
            tickets.into_iter().zip(chain.blocks.iter().zip(&expected))
        {
            let (height, found) = result(ticket);
            assert_eq!(height, block.header.number);
            same(expected, &found);
        }
    }
}

/// Most of what plain payments read has been read before, and some of what calls do.
#[test]
fn blocks_name_keys_to_read_ahead() {
    let chain = sample::chain();
    let node = EvmNode::new(chain.spec.clone(), 0);
    let store = EvmStore::new(chain.genesis.clone(), 0, &chain.spec);
    let state = VersionedState::open(store).expect("there is no record");
    let mut named = 0;
    for block in chain.blocks.iter().take(20) {
        let prepared = node.decode(block.clone()).expect("it is a block");
        let keys = node.keys(&prepared);
        let distinct: HashSet<_> = keys.iter().map(ToString::to_string).collect();
        assert_eq!(distinct.len(), keys.len(), "each is there once");
        let fetched = state
            .prefetch(keys.iter().copied())
            .expect("it can be read");
        assert_eq!(fetched.len(), keys.len(), "nothing is in memory yet");
        assert_eq!(block.transactions.len(), block.senders.len());
        for (transaction, sender) in block.transactions.iter().zip(&block.senders) {
            let parts = [Part::Nonce, Part::Balance, Part::Code];
            let mut expected = parts.map(|part| Key::Account(*sender, part)).to_vec();
            if let Some(to) = transaction.to() {
                expected.extend([Part::Balance, Part::Code].map(|part| Key::Account(to, part)));
            }
            for item in transaction
                .access_list()
                .into_iter()
                .flat_map(|list| list.iter())
            {
                expected.push(Key::Account(item.address, Part::Code));
            }
            named += expected.len();
            for key in expected {
                assert!(keys.contains(&key), "{key}");
            }
        }
    }
    assert!(named > 50, "{named}");
}

#[test]
fn a_chain_that_goes_back_comes_to_the_same_again() {
    let chain = sample::chain();
    let expected = expected(&chain);
    let pipeline = pipeline(&chain, 1_000, 0);
    let submit = |index: usize| {
        let ticket = pipeline.submit(chain.blocks[index].clone());
        (index, ticket.expect("it is open"))
    };
    let last = chain.blocks.len() - 1;
    let mut tickets: Vec<_> = (0..=last).map(submit).collect();
    for back in [last / 2, last / 3] {
        let reverted = pipeline.revert(chain.blocks[back].hash);
        let _height = reverted.expect("it is open");
        tickets.extend((back + 1..=last).map(submit));
    }
    for (index, ticket) in tickets {
        same(&expected[index], &result(ticket).1);
    }
}

#[test]
fn what_is_not_valid_takes_what_follows_with_it() {
    let chain = sample::chain();
    let pipeline = pipeline(&chain, 1_000, 0);
    let mut broken = chain.blocks[1].clone();
    // Nobody can pay for it.
    broken.header.base_fee_per_gas = Some(u64::MAX);
    let [one, two, three] = [chain.blocks[0].clone(), broken, chain.blocks[2].clone()]
        .map(|block| pipeline.submit(block).expect("it is open"));
    assert_eq!(result(one).0, 1);
    let error = two.wait().expect_err("it is not valid");
    let failed = Failed::<<EvmNode as Node>::Id, BlockError>::of(&error);
    assert!(
        matches!(failed, Some(Failed::Node(BlockError::Invalid { .. }))),
        "{error:?}"
    );
    let error = three.wait().expect_err("its parent is not there");
    let failed = Failed::<<EvmNode as Node>::Id, BlockError>::of(&error);
    assert!(matches!(failed, Some(Failed::NotNext { .. })), "{error:?}");
    let again = pipeline
        .submit(chain.blocks[1].clone())
        .expect("it is open");
    let again = again.wait_for(Duration::from_mins(1));
    assert_eq!(
        again.expect("in time").map(|done| done.height()).ok(),
        Some(2)
    );
}
