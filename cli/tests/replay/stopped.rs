//! Ends before the end: Ctrl-C, and readers that go away.

#![cfg(unix)]

use std::{fs::OpenOptions, process::Stdio};

use crate::support::{Run, command, interrupted};

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for arguments in [&["--json"] as &[_], &[]] {
        let mut child = command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        drop(child.stdout.take());
        let run = Run::of(child.wait_with_output().expect("it ends"));
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else {
        println!("skipped: there is no /dev/full");
        return;
    };
    let output = command(&["--json"]).stdout(full).output();
    let run = Run::of(output.expect("the binary runs"));
    assert_eq!(run.code, Some(2));
    run.says(&["the result cannot be written"]);
}

#[test]
fn ctrl_c_keeps_what_is_done() {
    // Long enough that it cannot end by itself in the meantime.
    let run = interrupted(command(&["--json", "--repeat", "500"]));
    assert_eq!((run.code, run.stderr.as_str()), (Some(130), ""));
    let (lines, summary) = run.lines();
    assert!((1..24).contains(&lines.len()));
    assert!(lines.iter().all(|line| line["header_ok"] == true));
    assert_eq!(summary["cancelled"], true);
    assert_eq!(summary["blocks"], lines.len());
}
