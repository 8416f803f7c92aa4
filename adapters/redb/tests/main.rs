//! The histories of the testkit on a file, and files that are not what they should be.

mod restart;

use std::{error::Error, fs};

use pleach::{
    State, Store, VersionedState,
    testkit::histories::{Durability, changes, check},
};
use pleach_redb::{Integers, RedbError, RedbStore};

fn open(path: &std::path::Path) -> RedbStore<u8, u64> {
    RedbStore::open(path, Integers).expect("it opens")
}

#[test]
fn it_is_what_a_list_of_maps_would_be() {
    check(60, Durability::Persisted, || {
        let folder = tempfile::tempdir().expect("there is room");
        move || open(&folder.path().join("state"))
    });
}

#[test]
fn a_genesis_is_what_height_0_is() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("state");
    let store = open(&path);
    store
        .advance(0, vec![(1, Some(10)), (2, Some(20))])
        .expect("there is room");
    let state = VersionedState::open(store).expect("it is empty");
    assert_eq!(state.height(), 0);
    assert_eq!(state.latest().get(&2).expect("it can be read"), Some(20));
}

#[test]
fn a_file_that_is_open_is_not_opened_again() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("state");
    let _open = open(&path);
    let error = RedbStore::<u8, u64>::open(&path, Integers).expect_err("it is open");
    assert!(matches!(error, RedbError::Open { .. }), "{error:?}");
    assert!(error.to_string().contains("state"), "{error}");
    let cause = error.source().expect("there is one").to_string();
    assert!(cause.contains("already open"), "{cause}");
}

#[test]
fn what_is_no_database_is_an_error() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("state");
    fs::write(&path, "this is no database").expect("there is room");
    let error = RedbStore::<u8, u64>::open(&path, Integers).expect_err("it is a text");
    assert!(matches!(error, RedbError::Open { .. }), "{error:?}");
    let nowhere = folder.path().join("no/such/folder");
    RedbStore::<u8, u64>::open(nowhere, Integers).expect_err("there is no such folder");
}

/// Pages that were damaged while nobody had the file open.
#[test]
fn a_damaged_file_is_an_error_where_it_is_checked() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("state");
    let store = open(&path);
    let genesis = (0..=255).map(|key| (key, Some(u64::from(key)))).collect();
    store.advance(0, genesis).expect("there is room");
    drop(store);
    let mut bytes = fs::read(&path).expect("it is there");
    let value = 77_u64.to_be_bytes();
    let place = bytes.windows(8).rposition(|bytes| bytes == value);
    bytes[place.expect("it is in one of the pages")] ^= 1;
    fs::write(&path, bytes).expect("there is room");
    let options = RedbStore::<u8, u64>::options()
        .checked()
        .cache_bytes(1 << 20);
    let error = options
        .open::<u8, u64, _>(&path, Integers)
        .expect_err("a page is damaged");
    assert!(matches!(error, RedbError::Open { .. }), "{error:?}");
}

#[test]
fn another_codec_is_found_out() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("state");
    let state = VersionedState::open(open(&path)).expect("it is empty");
    state.commit(changes(&[(1, Some(1))]));
    state.commit(changes(&[(2, Some(2))]));
    state.prune(1).expect("there is room");
    drop(state);

    let store = RedbStore::<u8, u32>::open(&path, Integers).expect("the format is right");
    let error = store.get(&1).expect_err("it has eight bytes, not four");
    assert_eq!(
        error.to_string(),
        "the value of the key [01] cannot be decoded"
    );
    let error = VersionedState::open(store).expect_err("it has eight bytes, not four");
    assert_eq!(
        error.to_string(),
        "the record of height 2 cannot be decoded"
    );
}

#[test]
fn a_gap_is_refused() {
    let folder = tempfile::tempdir().expect("there is room");
    let store = open(&folder.path().join("state"));
    store.record(0, &[&[(1, Some(1))]]).expect("it follows");
    let error = store.record(2, &[]).expect_err("there is only one");
    assert!(
        matches!(
            error,
            RedbError::Gap {
                height: 2,
                latest: 1
            }
        ),
        "{error}"
    );
}
