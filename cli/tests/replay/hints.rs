//! `--record` and `--hints`: trees and access lists that are kept, and used the next time.

use std::fs;

use crate::support::{Folder, replay};

#[test]
fn trees_are_kept_and_used() {
    let folder = Folder::new();
    let trees = format!("{}/trees", folder.path());
    let run = replay(&["--json", "--record", &trees, "--workers", "2"]);
    assert_eq!(run.code, Some(0), "{}", run.stdout);
    let files = || fs::read_dir(&trees).expect("the folder is there");
    assert_eq!(files().count(), 24);

    let run = replay(&[
        "--json",
        "--hints",
        &trees,
        "--workers",
        "2",
        "--strategy",
        "optimistic",
    ]);
    assert_eq!(run.code, Some(0), "{}", run.stdout);
    let (lines, summary) = run.lines();
    assert_eq!((lines.len(), &summary["failed"]), (24, &0.into()));
    for line in &lines {
        assert_eq!(line["checks"]["same_as_serial"], true);
    }

    // Trees of other blocks are as good as none, or worse, but nothing more.
    let mut paths: Vec<_> = files()
        .map(|file| file.expect("it is listed").path())
        .collect();
    paths.sort();
    let contents: Vec<_> = paths.iter().map(fs::read).collect();
    for (path, content) in paths.iter().zip(contents.iter().rev()) {
        let content = content.as_ref().expect("it was read");
        fs::write(path, content).expect("it is written");
    }
    let run = replay(&["--quiet", "--hints", &trees, "--strategy", "optimistic"]);
    assert_eq!(run.code, Some(0), "{}", run.stdout);
}

#[test]
fn what_is_no_tree_is_named() {
    let folder = Folder::new();
    let trees = folder.path();
    let run = replay(&["--quiet", "--record", trees, "--strategy", "serial"]);
    assert_eq!(run.code, Some(0));
    let mut files = fs::read_dir(trees).expect("the folder is there");
    let path = files
        .next()
        .expect("there is one")
        .expect("it is listed")
        .path();
    fs::write(&path, "not a tree").expect("it is written");
    let run = replay(&["--quiet", "--hints", trees]);
    assert_eq!(run.code, Some(1));
    let name = path.file_name().and_then(|name| name.to_str());
    run.says(&[name.expect("it is text"), "this is no encoded tree"]);

    let run = replay(&["--quiet", "--hints", "no-such-folder"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("no-such-folder"), "{}", run.stderr);
}

#[test]
fn access_lists_are_kept_and_used() {
    let folder = Folder::new();
    let lists = folder.path();
    let run = replay(&["--quiet", "--record", lists, "--record-form", "access-list"]);
    assert_eq!(run.code, Some(0), "{}", run.stdout);
    let files = fs::read_dir(lists).expect("the folder is there");
    let paths: Vec<_> = files
        .map(|file| file.expect("it is listed").path())
        .collect();
    assert_eq!(paths.len(), 24);
    assert!(
        paths
            .iter()
            .all(|path| path.extension() == Some("bal".as_ref()))
    );

    let hinted = [
        "--hints",
        lists,
        "--workers",
        "2",
        "--strategy",
        "optimistic",
    ];
    let run = replay(&[&["--json"], &hinted[..]].concat());
    assert_eq!(run.code, Some(0), "{}", run.stdout);
    assert!(
        run.lines()
            .0
            .iter()
            .all(|line| line["checks"]["same_as_serial"] == true)
    );

    fs::write(&paths[0], [0xc1]).expect("it is written");
    let run = replay(&[&["--quiet"], &hinted[..]].concat());
    assert_eq!(run.code, Some(1));
    let name = paths[0].file_name().and_then(|name| name.to_str());
    run.says(&[name.expect("it is text"), "RLP"]);
}
