//! Whatever ends a node, and whenever: what is found afterwards is a chain that it had persisted.
//!
//! | file | what |
//! | --- | --- |
//! | `kill.rs` | a process that is killed, with a file of the system |
//! | `power.rs` | a machine that stops: of what was not synced, some sectors are on the disk and others are not |
//!
//! Both run the same node: it commits, reverts, persists and prunes for ever, and says so before and after.

mod kill;
mod power;

use pleach::{State, VersionedState, testkit::histories::changes};

use crate::{RedbError, RedbStore};

type Chain = VersionedState<u64, u64, RedbStore<u64, u64>>;

/// The key whose value comes from all blocks: a chain that was put together from two has another one.
const DIGEST: u64 = 0;
/// The keys from here on say which block there is at a height.
const BLOCKS: u64 = 1_000;

fn mixed(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

fn digest(before: u64, height: u64, block: u64) -> u64 {
    mixed(before ^ mixed(height ^ mixed(block)))
}

/// Where a chain is: its height, and the digest there.
type Place = (u64, u64);

/// The place, if each height that can be read fits to the one below it.
fn check(chain: &Chain) -> Result<Place, RedbError> {
    let latest = chain.latest();
    let mut expected = 0;
    for height in 1..=chain.height() {
        let block = latest
            .get(&(BLOCKS + height))?
            .expect("no height is missing");
        expected = digest(expected, height, block);
        if height >= chain.first_height() {
            let snapshot = chain.at(height).expect("it is there");
            assert_eq!(snapshot.get(&DIGEST)?, Some(expected), "height {height}");
            assert_eq!(snapshot.get(&(height % 7 + 1))?, Some(block));
            assert_eq!(snapshot.get(&(BLOCKS + height + 1))?, None);
        }
    }
    Ok((chain.height(), expected))
}

/// Something is about to be persisted, or is.
#[derive(Clone, Copy)]
enum Said {
    Begun(Place),
    Done(Place),
}

/// A node that goes on until something fails.
fn node(chain: &Chain, seed: u64, mut say: impl FnMut(Said)) -> Result<(), RedbError> {
    for round in 0.. {
        let chance = mixed(seed ^ mixed(round));
        for block in 0..chance % 5 {
            let block = mixed(chance ^ block);
            let before = chain.latest().get(&DIGEST)?.unwrap_or(0);
            let height = chain.height() + 1;
            chain.commit(changes(&[
                (DIGEST, Some(digest(before, height, block))),
                (height % 7 + 1, Some(block)),
                (BLOCKS + height, Some(block)),
            ]));
        }
        let height = chain.height();
        if (chance >> 8).is_multiple_of(4) {
            let back = height.saturating_sub(chance >> 10 & 3);
            let back = back.max(chain.first_height());
            chain.revert(back).expect("it is there");
        }
        let height = chain.height();
        let place = (height, chain.latest().get(&DIGEST)?.unwrap_or(0));
        say(Said::Begun(place));
        if (chance >> 16).is_multiple_of(2) {
            chain.persist()?;
        } else {
            let result = chain.prune(height.saturating_sub(chance >> 20 & 7));
            result.map_err(|error| match error {
                pleach::PruneError::Store(error) => error,
                error => panic!("{error}"),
            })?;
        }
        say(Said::Done(place));
    }
    Ok(())
}

/// What was found is what was persisted the last time, or what was about to be when it ended.
#[derive(Default, Debug)]
struct Expected {
    done: Place,
    begun: Option<Place>,
}

impl Expected {
    fn hear(&mut self, said: Said) {
        match said {
            Said::Begun(place) => self.begun = Some(place),
            Said::Done(place) => {
                *self = Self {
                    done: place,
                    begun: None,
                };
            }
        }
    }

    fn is(&self, found: Place) -> bool {
        found == self.done || Some(found) == self.begun
    }
}
