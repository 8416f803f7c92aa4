//! Rules of the whole repository that no lint knows.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where protocols are, and how the names of their models begin.
const PROTOCOLS: [(&str, &str); 2] = [("src/protocol", ""), ("seda-stages/src/protocol", "stage_")];

/// A source file, by its path below the root.
struct Source {
    path: PathBuf,
    text: String,
}

/// All Rust files of the repository; those of the package alone if it stands alone.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    collect(root, root, &mut sources);
    assert!(sources.len() > 10, "the sources were found");
    sources
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("the folder can be listed") {
        let path = entry.expect("the entry can be read").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                collect(root, &path, sources);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(Source {
                text: fs::read_to_string(&path).expect("sources are UTF-8"),
                path: path.strip_prefix(root).unwrap_or(&path).to_owned(),
            });
        }
    }
}

/// Fails with all complaints at once.
fn check(complaints: impl Fn(&Source, &[&str]) -> Vec<(usize, String)>) {
    let mut all = Vec::new();
    for source in sources() {
        let lines: Vec<_> = source.text.lines().collect();
        for (line, complaint) in complaints(&source, &lines) {
            all.push(format!(
                "{}:{}: {complaint}",
                source.path.display(),
                line + 1
            ));
        }
    }
    assert!(all.is_empty(), "\n{}", all.join("\n"));
}

#[test]
fn files_say_what_they_are_for_and_stay_short() {
    check(|_, lines| {
        let mut complaints = Vec::new();
        let first = lines.first().copied().unwrap_or_default();
        if !first.starts_with("//!") && !first.starts_with("#![doc = include_str!") {
            complaints.push((0, "opens without saying what the file is for".to_owned()));
        }
        if lines.len() > 500 {
            complaints.push((
                0,
                format!("{} lines are too many for one thing", lines.len()),
            ));
        }
        complaints
    });
}

#[test]
fn nothing_is_left_behind() {
    // Put together here, or this file would not pass.
    let words = [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["XX", "X"],
        ["dbg", "!("],
        ["todo", "!("],
        ["unimplemented", "!("],
    ];
    check(|_, lines| {
        let found = lines.iter().enumerate().filter_map(|(number, line)| {
            let word = words
                .iter()
                .map(|word| word.concat())
                .find(|word| line.contains(word))?;
            Some((number, format!("`{word}` is left")))
        });
        found.collect()
    });
}

#[test]
fn silenced_lints_have_a_reason() {
    check(|_, lines| {
        let opens = |line: &str| {
            let line = line.trim_start();
            ["allow(", "expect("].iter().any(|lint| {
                line.strip_prefix("#[")
                    .or(line.strip_prefix("#!["))
                    .is_some_and(|rest| rest.starts_with(lint))
            })
        };
        let found = lines.iter().enumerate().filter(|(number, line)| {
            let attribute = lines[*number..].iter().take(4).copied().collect::<String>();
            opens(line) && !attribute.contains("reason =")
        });
        found
            .map(|(number, _)| (number, "a lint is silenced without a reason".to_owned()))
            .collect()
    });
}

#[test]
fn unsafe_code_and_atomic_orderings_are_argued_at_the_place() {
    let is_code = |line: &str| !line.trim_start().starts_with("//") && !line.contains('"');
    let above = |lines: &[&str], number: usize, word: &str| {
        lines[number.saturating_sub(8)..number]
            .iter()
            .any(|line| line.contains(word))
    };
    let orderings = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];
    check(|source, lines| {
        // Tests only count with atomics.
        let is_test = source
            .path
            .components()
            .any(|part| part.as_os_str() == "tests");
        let mut complaints = Vec::new();
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| is_code(line)) {
            let is_unsafe = line.contains("unsafe {") || line.contains("unsafe impl");
            if is_unsafe && !above(lines, number, "SAFETY:") {
                complaints.push((number, "unsafe without `SAFETY:`".to_owned()));
            }
            let is_atomic = orderings
                .iter()
                .any(|name| line.contains(&format!("Ordering::{name}")));
            if is_atomic && !is_test && !above(lines, number, "ORDERING:") {
                complaints.push((number, "an atomic access without `ORDERING:`".to_owned()));
            }
        }
        complaints
    });
}

#[test]
fn every_protocol_has_a_model_and_proofs() {
    let all = sources();
    if !all
        .iter()
        .any(|source| source.path.starts_with("loom-tests"))
    {
        println!("skipped: the package stands alone");
        return;
    }
    let stems = |folder: &str| {
        let files = all
            .iter()
            .filter(|source| source.path.parent() == Some(Path::new(folder)));
        let stems = files.filter_map(|source| source.path.file_stem()?.to_str());
        let mut stems: Vec<&str> = stems.filter(|stem| *stem != "mod").collect();
        stems.sort_unstable();
        stems
    };
    let mut models = stems("loom-tests/tests");
    // These explore all of them together.
    models.retain(|model| !["engine", "lanes", "split", "stage_pipeline"].contains(model));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut expected = Vec::new();
    for (folder, prefix) in PROTOCOLS {
        let protocols = stems(folder);
        assert!(!protocols.is_empty());
        let proofs = fs::read_to_string(root.join(folder).join("README.md")).expect("it is there");
        for protocol in protocols {
            assert!(proofs.contains(&format!("## {protocol}\n")), "{protocol}");
            expected.push(format!("{prefix}{protocol}"));
        }
    }
    expected.sort_unstable();
    assert_eq!(expected, models);
}

#[test]
fn protocols_use_the_primitives_that_models_see() {
    check(|source, lines| {
        let is_protocol = |(folder, _): &(&str, &str)| source.path.starts_with(folder);
        if !PROTOCOLS.iter().any(is_protocol) {
            return Vec::new();
        }
        let names = ["std::sync", "std::thread", "std::cell", "loom::"];
        let found = lines.iter().enumerate().filter_map(|(number, line)| {
            let name = names.into_iter().find(|name| line.contains(name))?;
            Some((number, format!("`{name}` is not for here: see `sync.rs`")))
        });
        found.collect()
    });
}
