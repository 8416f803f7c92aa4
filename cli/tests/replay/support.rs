//! Running the binary, and making files for it.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use alloy_primitives::{hex, keccak256};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// What a run of the binary came to.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the output is text");
        let run = Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        run
    }

    /// The lines of JSON, the summary apart.
    pub(crate) fn lines(&self) -> (Vec<Value>, Value) {
        let lines = self.stdout.lines();
        let mut lines: Vec<Value> = lines
            .map(|line| serde_json::from_str(line).expect("each line is JSON"))
            .collect();
        let summary = lines.pop().expect("there is a last line");
        assert_eq!(summary["summary"], true);
        (lines, summary)
    }

    /// Fails unless standard output and error hold all of `parts`.
    #[track_caller]
    pub(crate) fn says(&self, parts: &[&str]) {
        let text = format!("{}{}", self.stdout, self.stderr);
        for part in parts {
            assert!(text.contains(part), "`{part}` is not in:\n{text}");
        }
    }
}

/// `pleach replay`, with an environment that does not depend on who runs the tests.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pleach"));
    command.arg("replay").args(arguments);
    command.env_remove("COLUMNS").env_remove("NO_COLOR");
    command
}

pub(crate) fn replay(arguments: &[&str]) -> Run {
    Run::of(command(arguments).output().expect("the binary runs"))
}

/// Runs a command, and sends it Ctrl-C when it has printed its first line.
#[cfg(unix)]
pub(crate) fn interrupted(mut command: Command) -> Run {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut lines = String::new();
    stdout.read_line(&mut lines).expect("it is text");
    let id = child.id().to_string();
    let killed = Command::new("kill").args(["-INT", &id]).status();
    assert!(killed.expect("there is a kill").success());
    stdout.read_to_string(&mut lines).expect("it is text");
    let mut output = child.wait_with_output().expect("it ends");
    output.stdout = lines.into_bytes();
    Run::of(output)
}

/// The bytes of the sample chain's file.
pub(crate) fn sample_bytes() -> Vec<u8> {
    let path = "../adapters/evm/sample/chain.json.gz";
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("the sample is there")
}

/// The sample chain.
pub(crate) fn sample() -> Value {
    static SAMPLE: OnceLock<Value> = OnceLock::new();
    let decode = || {
        let mut json = Vec::new();
        let bytes = sample_bytes();
        let mut decoder = GzDecoder::new(bytes.as_slice());
        decoder.read_to_end(&mut json).expect("the sample is gzip");
        serde_json::from_slice(&json).expect("the sample is JSON")
    };
    SAMPLE.get_or_init(decode).clone()
}

/// The first block of the sample chain as a block file.
pub(crate) fn block_file() -> Value {
    let chain = sample();
    let block = &chain["blocks"][0];
    let (mut accounts, mut codes) = (Map::new(), Map::new());
    let alloc = chain["genesis"]["alloc"].as_object().expect("an object");
    for (address, account) in alloc {
        let mut account = account.clone();
        let fields = account.as_object_mut().expect("an object");
        if let Some(code) = fields.remove("code") {
            let bytes = hex::decode(code.as_str().expect("a string")).expect("code is hex");
            let hash = keccak256(bytes).to_string();
            fields.insert("codeHash".to_owned(), json!(hash));
            codes.insert(hash, code);
        }
        accounts.insert(address.clone(), account);
    }
    json!({
        "chainId": "0x539",
        "hardfork": "osaka",
        "block": block,
        "preState": accounts,
        "codes": codes,
        "blockHashes": { "0": block["parentHash"] },
    })
}

/// A folder of files that goes away.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder can be made"))
    }

    /// Its path, as an argument.
    pub(crate) fn path(&self) -> &str {
        self.0.path().to_str().expect("the path is text")
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path: PathBuf = self.0.path().join(name);
        fs::write(&path, bytes).expect("a file can be written");
        path.into_os_string()
            .into_string()
            .expect("the path is text")
    }

    pub(crate) fn json(&self, name: &str, value: &Value) -> String {
        self.write(name, value.to_string().as_bytes())
    }

    pub(crate) fn gzip(&self, name: &str, value: &Value) -> String {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let written = encoder.write_all(value.to_string().as_bytes());
        written.and_then(|()| encoder.finish()).map_or_else(
            |error| panic!("a vector can be written: {error}"),
            |bytes| self.write(name, &bytes),
        )
    }
}

/// A block file that `change` was applied to, and what replaying it comes to.
pub(crate) fn replay_changed(change: impl FnOnce(&mut Value)) -> Run {
    let mut file = block_file();
    change(&mut file);
    let folder = Folder::new();
    let path = folder.json("1.json", &file);
    let run = replay(&[&path]);
    // Whatever is wrong with it, the message names the file.
    run.says(&[&path]);
    run
}
