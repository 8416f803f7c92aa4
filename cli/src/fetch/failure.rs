//! What nodes say when they cannot answer, and what that means.

use std::{fmt, time::Duration};

/// The most of a node's own words that goes into a message.
const LONGEST_QUOTE: usize = 300;

/// Why a request failed, and what to do about it.
pub(super) enum Failure {
    /// Ask again, after this pause if the node says so.
    Passing(anyhow::Error, Option<Duration>),
    /// Asking again does not help.
    Final(anyhow::Error),
    /// The node does not take so many questions at once.
    BatchRefused(anyhow::Error),
}

/// The node answered a question with an error.
#[derive(Debug, thiserror::Error)]
pub(super) struct RpcError {
    method: String,
    code: i64,
    message: String,
}

/// What an [`RpcError`] means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    /// The node does not have the method, or does not let us use it.
    NotOffered,
    /// The node does not keep states that old.
    Pruned,
    /// The node does not know the block.
    NoBlock,
    /// It may answer later.
    Busy,
    Other,
}

impl RpcError {
    pub(super) fn new(method: &str, error: &serde_json::Value) -> Self {
        // Some nodes give only a text.
        let message = error["message"].as_str().or(error.as_str());
        Self {
            method: method.to_owned(),
            code: error["code"].as_i64().unwrap_or_default(),
            message: quote(message.unwrap_or("no message")),
        }
    }

    /// Codes are used in many ways; where they do not tell, the words of well-known nodes do.
    pub(super) fn meaning(&self) -> Meaning {
        const PRUNED: [&str; 6] = [
            "missing trie node",
            "pruned",
            "pruning",
            "historical state",
            "state unavailable",
            "no state available",
        ];
        const BUSY: [&str; 6] = [
            "rate limit",
            "too many requests",
            "limit exceeded",
            "busy",
            "timed out",
            "try again",
        ];
        const NOT_OFFERED: [&str; 6] = [
            "not found",
            "does not exist",
            "not available",
            "not supported",
            "unsupported",
            "whitelisted",
        ];
        const NO_BLOCK: [&str; 5] = [
            "block not found",
            "header not found",
            "unknown block",
            "resource not found",
            "block height",
        ];
        let message = self.message.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
        match self.code {
            -32601 | -32004 => Meaning::NotOffered,
            -32005 | 429 => Meaning::Busy,
            _ if says(&PRUNED) || (says(&["state"]) && says(&["not available"])) => Meaning::Pruned,
            _ if says(&["method"]) && says(&NOT_OFFERED) => Meaning::NotOffered,
            _ if says(&NO_BLOCK) => Meaning::NoBlock,
            _ if says(&BUSY) => Meaning::Busy,
            _ => Meaning::Other,
        }
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            method,
            code,
            message,
        } = self;
        match self.meaning() {
            Meaning::NotOffered => {
                let api = method.split('_').next().unwrap_or("eth");
                write!(
                    f,
                    "the node does not offer {method}; start it with its `{api}` API, such as `--http.api eth,debug` of \
                     geth and reth"
                )?;
            }
            Meaning::Pruned => write!(
                f,
                "{method}: the node does not keep a state that old; ask an archive node"
            )?,
            Meaning::NoBlock => write!(f, "{method}: the node does not have the block")?,
            Meaning::Busy | Meaning::Other => {
                return write!(f, "{method}: {message} (code {code})");
            }
        }
        write!(f, " (it says: {message}, code {code})")
    }
}

/// A node's own words: not too many, and without what a terminal would take as a command.
pub(super) fn quote(text: &str) -> String {
    let text = text.trim();
    let mut quote: String = text
        .chars()
        .take(LONGEST_QUOTE)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(LONGEST_QUOTE).is_some() {
        quote.push('…');
    }
    quote
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_of_well_known_nodes() {
        for (code, message, meaning) in [
            (-32601, "Method not found", Meaning::NotOffered),
            (
                -32601,
                "the method debug_traceBlockByNumber does not exist/is not available",
                Meaning::NotOffered,
            ),
            (-32600, "rpc method is not whitelisted", Meaning::NotOffered),
            (
                -32000,
                "missing trie node 5b1c (path ) state 0x12 is not available",
                Meaning::Pruned,
            ),
            (
                -32000,
                "required historical state unavailable (reexec=128)",
                Meaning::Pruned,
            ),
            (4444, "pruned history unavailable", Meaning::Pruned),
            (-32001, "Resource not found", Meaning::NoBlock),
            (-32000, "block #12 not found", Meaning::Other),
            (-32005, "project ID request rate exceeded", Meaning::Busy),
            (-32603, "server busy", Meaning::Busy),
            (3, "execution reverted", Meaning::Other),
        ] {
            let error = json!({"code": code, "message": message});
            assert_eq!(
                RpcError::new("eth_call", &error).meaning(),
                meaning,
                "{message}"
            );
        }
    }

    #[test]
    fn odd_errors_are_quoted_with_care() {
        let long = json!({"message": format!("\u{1b}[2J{}", "ä".repeat(1000))});
        let message = RpcError::new("eth_call", &long).to_string();
        assert!(message.chars().count() < 400 && !message.contains('\u{1b}'));
        for odd in [json!(null), json!("text"), json!([1]), json!({"code": "x"})] {
            assert!(!RpcError::new("eth_call", &odd).to_string().is_empty());
        }
    }
}
