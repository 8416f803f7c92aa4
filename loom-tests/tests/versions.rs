//! `src/protocol/versions.rs`: who looks at a value either sees what is published, or is named by it.
#![cfg(pleach_loom)]

use loom::{
    sync::{Arc, Mutex},
    thread,
};
use pleach::{
    Delta,
    protocol::versions::{Change, Check, Found, Question, Reader, Terms, Versions},
};

fn with<T>(versions: &Mutex<Versions<u64>>, act: impl FnOnce(&mut Versions<u64>) -> T) -> T {
    act(&mut versions.lock().expect("nobody panics"))
}

fn versions() -> Arc<Mutex<Versions<u64>>> {
    let mut versions = Versions::default();
    versions.load(Some(&10));
    Arc::new(Mutex::new(versions))
}

/// Transaction 0 leaves these changes, one after another; transaction 2 looks meanwhile.
fn explore(changes: &'static [Option<Change<u64>>]) {
    loom::model(move || {
        let shared = versions();
        let writer = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut deceived = Vec::new();
                for change in changes {
                    with(&shared, |versions| {
                        versions.publish(0, change.clone(), &mut deceived);
                    });
                }
                deceived
            }
        });
        let seen = with(&shared, |versions| versions.look(2, 1));
        let deceived = writer.join().expect("no thread panics");
        let now = with(&shared, |versions| versions.look(2, 2));
        let reader = Reader {
            transaction: 2,
            attempt: 1,
        };
        // It may be named although the value has come back to what it saw, but not the other way round.
        assert!(
            seen == now || deceived.contains(&reader),
            "{seen:?} {now:?}"
        );
        if changes.len() == 1 {
            assert_eq!(seen != now, deceived.contains(&reader));
        }
    });
}

#[test]
fn a_put_beside_a_look() {
    explore(&[Some(Change::Put(Some(11)))]);
}

#[test]
fn the_same_value_again_deceives_nobody() {
    explore(&[Some(Change::Put(Some(10)))]);
}

#[test]
fn an_add_beside_a_look() {
    explore(&[Some(Change::Add(Delta::Plus(1)))]);
}

#[test]
fn a_put_that_is_taken_back() {
    explore(&[Some(Change::Put(None)), None]);
}

#[test]
fn who_must_wait_is_told_for_whom() {
    loom::model(|| {
        let shared = versions();
        with(&shared, |versions| versions.guess(0, false));
        let writer = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut deceived = Vec::new();
                with(&shared, |versions| {
                    versions.publish(0, Some(Change::Put(Some(7))), &mut deceived);
                });
                assert!(deceived.is_empty(), "who waits has seen nothing");
            }
        });
        let seen = with(&shared, |versions| versions.look(2, 1));
        assert!(
            matches!(seen, Found::Value(Some(7)) | Found::Pending(0, _)),
            "{seen:?}"
        );
        writer.join().expect("no thread panics");
    });
}

#[test]
fn questions_are_asked_again_when_all_before_is_there() {
    loom::model(|| {
        let shared = versions();
        let writer = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                with(&shared, |versions| {
                    versions.publish(0, Some(Change::Add(Delta::Minus(6))), &mut Vec::new());
                });
            }
        });
        let question = Question::AtLeast(5);
        let Found::Value(value) = with(&shared, |versions| versions.glance(2)) else {
            panic!("it is there");
        };
        let check = Check {
            own: None,
            question,
            answer: value >= Some(5),
        };
        writer.join().expect("no thread panics");
        let mut terms = Terms::default();
        terms.add(check, value);
        let holds = with(&shared, |versions| versions.holds(2, &terms));
        // Four are left: whoever was told that it is enough was told wrong.
        assert_eq!(holds, !check.answer);
    });
}

#[test]
fn who_looked_before_a_forecast_came_hears_of_it_when_it_comes_true() {
    loom::model(|| {
        let shared = versions();
        let found = with(&shared, |versions| versions.look(2, 1));
        with(&shared, |versions| versions.forecast(0, Delta::Plus(6)));
        let mut deceived = Vec::new();
        with(&shared, |versions| {
            versions.publish(0, Some(Change::Add(Delta::Plus(6))), &mut deceived);
        });
        assert!(matches!(found, Found::Value(_)));
        assert_eq!(deceived.len(), 1);
    });
}
