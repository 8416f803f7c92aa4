//! A JSON-RPC client that does not give up at once.

use std::{
    hash::{BuildHasher, RandomState},
    thread,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use pleach::CancelToken;
use serde_json::{Value, json};
use ureq::Agent;

/// The most that a node may answer at once.
const LARGEST_ANSWER: u64 = 256 << 20;

/// The first pause before a request is repeated, and the longest one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));

/// How many questions go into one request.
const BATCH: usize = 50;

/// A node.
pub(super) struct Client {
    agent: Agent,
    url: String,
    retries: u32,
    cancel: CancelToken,
}

/// Why a request failed, and whether it is worth asking again.
enum Failure {
    Passing(anyhow::Error, Option<Duration>),
    Final(anyhow::Error),
}

/// The node answered, with an error.
#[derive(Debug, thiserror::Error)]
#[error("{message} (code {code})")]
pub(super) struct RpcError {
    pub(super) code: i64,
    pub(super) message: String,
}

impl RpcError {
    /// Whether the node does not have the method at all.
    pub(super) fn is_unknown_method(&self) -> bool {
        let message = self.message.to_lowercase();
        self.code == -32601
            || (message.contains("method")
                && (message.contains("not found") || message.contains("does not exist")))
    }

    /// Whether the node is only busy.
    fn is_passing(&self) -> bool {
        // "Limit exceeded" (EIP-1474).
        self.code == -32005
    }
}

impl Client {
    pub(super) fn new(url: &str, retries: u32, cancel: CancelToken) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(Duration::from_mins(1)))
            .http_status_as_error(false)
            .build()
            .into();
        Self {
            agent,
            url: url.to_owned(),
            retries,
            cancel,
        }
    }

    /// Asks one question.
    pub(super) fn call(&self, method: &str, params: &Value) -> anyhow::Result<Value> {
        let mut answers = self.request(method, std::slice::from_ref(params))?;
        answers.pop().context("the node gave no answer")
    }

    /// Asks a question many times, with other parameters each, and gives the answers in their order.
    pub(super) fn call_many(&self, method: &str, params: &[Value]) -> anyhow::Result<Vec<Value>> {
        let mut answers = Vec::with_capacity(params.len());
        for batch in params.chunks(BATCH) {
            answers.extend(self.request(method, batch)?);
        }
        Ok(answers)
    }

    fn request(&self, method: &str, params: &[Value]) -> anyhow::Result<Vec<Value>> {
        let requests: Vec<_> = params
            .iter()
            .enumerate()
            .map(|(id, params)| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .collect();
        // Not every node takes a batch of one.
        let body = match requests.as_slice() {
            [request] => request.to_string(),
            requests => Value::from(requests).to_string(),
        };
        let mut attempt = 0;
        loop {
            let failure = match self.send(&body, params.len()) {
                Ok(answers) => return Ok(answers),
                Err(Failure::Final(error)) => return Err(error.context(method.to_owned())),
                Err(Failure::Passing(error, pause)) => (error, pause),
            };
            let (error, pause) = failure;
            if attempt == self.retries {
                return Err(error.context(format!("{method}, asked {} times", attempt + 1)));
            }
            self.pause(pause.unwrap_or_else(|| back_off(attempt)))?;
            attempt += 1;
        }
    }

    /// Sends a request once, and takes its answers apart.
    fn send(&self, body: &str, count: usize) -> Result<Vec<Value>, Failure> {
        let passing = |error: anyhow::Error| Failure::Passing(error, None);
        let response = self
            .agent
            .post(&self.url)
            .content_type("application/json")
            .send(body);
        let mut response = response.map_err(|error| passing(error.into()))?;
        let status = response.status();
        if status.as_u16() == 429 || status.is_server_error() {
            let after = response.headers().get("retry-after");
            let after = after.and_then(|value| value.to_str().ok()?.parse().ok());
            let pause = after.map(|seconds| Duration::from_secs(seconds).min(PAUSES.1));
            return Err(Failure::Passing(
                anyhow!("the node answers with HTTP {status}"),
                pause,
            ));
        }
        if !status.is_success() {
            return Err(Failure::Final(anyhow!(
                "the node answers with HTTP {status}"
            )));
        }
        let text = response
            .body_mut()
            .with_config()
            .limit(LARGEST_ANSWER)
            .read_to_vec()
            .map_err(|error| passing(error.into()))?;
        let answer: Value = serde_json::from_slice(&text)
            .map_err(|error| passing(anyhow!(error).context("the node's answer is not JSON")))?;
        take_apart(answer, count)
    }

    /// Waits, but not longer than until somebody cancels.
    fn pause(&self, duration: Duration) -> anyhow::Result<()> {
        const STEP: Duration = Duration::from_millis(50);
        let mut left = duration;
        while !left.is_zero() {
            if self.cancel.is_cancelled() {
                bail!("cancelled");
            }
            let step = left.min(STEP);
            thread::sleep(step);
            left -= step;
        }
        Ok(())
    }
}

/// Twice as long each time, and up to half of that more, so that many clients do not come back at once.
fn back_off(attempt: u32) -> Duration {
    let pause = PAUSES.0.saturating_mul(1 << attempt.min(10)).min(PAUSES.1);
    let random = RandomState::new().hash_one(attempt) % 512;
    pause + pause.mul_f64(random as f64 / 1024.0)
}

/// The results of an answer, in the order of the questions.
fn take_apart(answer: Value, count: usize) -> Result<Vec<Value>, Failure> {
    let answers = match answer {
        Value::Array(answers) => answers,
        answer => vec![answer],
    };
    // An error that concerns the whole batch comes alone.
    let alone = answers.len() == 1;
    let mut results = vec![None; count];
    for mut answer in answers {
        if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
            let error = RpcError {
                code: error["code"].as_i64().unwrap_or_default(),
                message: error["message"].as_str().unwrap_or("no message").to_owned(),
            };
            return Err(if error.is_passing() {
                Failure::Passing(error.into(), None)
            } else {
                Failure::Final(error.into())
            });
        }
        let id = answer["id"]
            .as_u64()
            .and_then(|id| usize::try_from(id).ok());
        let id = if alone && count == 1 { Some(0) } else { id };
        if let Some(slot) = id.and_then(|id| results.get_mut(id)) {
            *slot = Some(answer["result"].take());
        }
    }
    let results: Option<Vec<_>> = results.into_iter().collect();
    results.ok_or_else(|| Failure::Passing(anyhow!("the node's answer is incomplete"), None))
}
