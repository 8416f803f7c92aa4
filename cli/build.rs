//! Notes what is built, which reports name: the commit, none outside a checkout, and the compiler.

use std::{env, process::Command};

fn main() {
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let git = |arguments: &[&str]| run("git", arguments);
    let mut commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_default();
    // Files that the commit does not have are not asked for.
    if git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|it| !it.is_empty()) {
        commit.push_str("-dirty");
    }
    println!("cargo::rustc-env=PLEACH_COMMIT={commit}");
    let compiler = env::var("RUSTC").ok();
    let compiler = compiler.and_then(|compiler| run(&compiler, &["--version"]));
    println!(
        "cargo::rustc-env=PLEACH_RUSTC={}",
        compiler.unwrap_or_default()
    );
    // Commits and checkouts are noted in the log; the others are what the commit may not have.
    let log = git(&[
        "rev-parse",
        "--path-format=absolute",
        "--git-path",
        "logs/HEAD",
    ]);
    let files = git(&["ls-files", "--full-name", ":/*.rs", ":/*.toml", ":/*.css"]);
    let root = git(&["rev-parse", "--show-toplevel"]).unwrap_or_default();
    let files = files.unwrap_or_default();
    let files = files.lines().map(|file| format!("{root}/{file}"));
    for file in log.into_iter().chain(files) {
        println!("cargo::rerun-if-changed={file}");
    }
}
