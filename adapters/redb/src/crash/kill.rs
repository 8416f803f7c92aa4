//! A process that is killed.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use pleach::VersionedState;

use super::{Expected, Place, Said, check, mixed, node};
use crate::{Integers, RedbStore};

const FILE: &str = "PLEACH_REDB_CRASH_FILE";
const SEED: &str = "PLEACH_REDB_CRASH_SEED";
/// How often the process is killed.
const KILLS: &str = "PLEACH_REDB_KILLS";

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// The process that is killed, if the variables say so.
#[test]
#[ignore = "it is what the other test starts"]
fn node_until_it_is_killed() {
    let Ok(file) = env::var(FILE) else {
        return;
    };
    let store = RedbStore::open(file, Integers).unwrap();
    let chain = VersionedState::open(store).unwrap();
    let mut out = std::io::stdout().lock();
    let result = node(&chain, number(SEED).unwrap(), |said| {
        let (word, (height, digest)) = match said {
            Said::Begun(place) => ("begun", place),
            Said::Done(place) => ("done", place),
        };
        writeln!(out, "{word} {height} {digest}").unwrap();
    });
    result.unwrap();
}

fn parse(line: &str) -> Option<Said> {
    let mut words = line.split(' ');
    let word = words.next()?;
    let place: Place = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    match word {
        "begun" => Some(Said::Begun(place)),
        "done" => Some(Said::Done(place)),
        _ => None,
    }
}

#[test]
fn a_process_that_is_killed_loses_nothing_that_was_persisted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state");
    let mut expected = Expected::default();
    for seed in 0..number(KILLS).unwrap_or(25) {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["crash::kill::node_until_it_is_killed", "--exact"])
            .args(["--ignored", "--nocapture", "--test-threads=1"])
            .env(FILE, &file)
            .env(SEED, seed.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        let mut said = out.lines().map_while(Result::ok);
        let mut heard = said.by_ref().filter_map(|line| parse(&line));
        // It has begun, which takes longer than all that follows.
        expected.hear(heard.next().expect("it says what it does"));
        thread::sleep(Duration::from_micros(mixed(seed) % 40_000));
        process.kill().unwrap();
        process.wait().unwrap();
        heard.for_each(|said| expected.hear(said));

        let chain = VersionedState::open(RedbStore::open(&file, Integers).unwrap()).unwrap();
        let found = check(&chain).unwrap();
        assert!(expected.is(found), "seed {seed}: {found:?}, {expected:?}");
        expected = Expected {
            done: found,
            begun: None,
        };
    }
    assert!(expected.done.0 > 0, "it was killed before it did anything");
}
