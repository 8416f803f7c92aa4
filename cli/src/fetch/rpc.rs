//! A JSON-RPC client that does not give up at once.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use pleach::CancelToken;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};
use ureq::{Agent, Body, http::Response};

use super::failure::{Failure, Meaning, RpcError, quote};

/// The most that a node may answer at once, in bytes. Traces of full blocks take some tens of millions.
const LARGEST_ANSWER: u64 = 256 << 20;

/// The first pause before a request is repeated, and the longest one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));

/// The longest pause that a node may ask for.
const LONGEST_WISH: Duration = Duration::from_mins(5);

/// How many questions go into one request, unless the node wants less.
const BATCH: usize = 50;

/// A node.
pub(super) struct Client {
    agent: Agent,
    url: String,
    retries: u32,
    batch: AtomicUsize,
    cancel: CancelToken,
}

/// A question to a node.
pub(super) struct Question {
    pub(super) method: &'static str,
    pub(super) params: Value,
}

/// What a node answered to a question.
pub(super) struct Answer {
    method: &'static str,
    json: Box<RawValue>,
}

impl Answer {
    pub(super) fn decode<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        serde_json::from_str(self.json.get()).with_context(|| {
            let answer = quote(self.json.get());
            format!(
                "{}: the answer {answer} is not of the right kind",
                self.method
            )
        })
    }
}

/// An answer as it comes.
#[derive(Deserialize)]
struct RawAnswer {
    id: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    result: Option<Box<RawValue>>,
    error: Option<Value>,
}

/// `null` is an answer as well, such as for a block that is not there. Only a result that is missing is `None`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::deserialize(deserializer).map(Some)
}

type Found = Vec<(usize, Result<Box<RawValue>, RpcError>)>;

impl Client {
    /// `url` must be one of HTTP.
    pub(super) fn new(
        url: &str,
        retries: u32,
        timeout: Duration,
        cancel: CancelToken,
    ) -> anyhow::Result<Self> {
        let uri: ureq::http::Uri = url.parse().context("it is no URL")?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            bail!("it is no URL such as http://127.0.0.1:8545");
        }
        let agent = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            // A question that is sent on would arrive without its body.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build()
            .into();
        Ok(Self {
            agent,
            url: url.to_owned(),
            retries,
            batch: AtomicUsize::new(BATCH),
            cancel,
        })
    }

    /// The node's name in messages: the path and the user's name of its URL may be secret.
    pub(super) fn name(&self) -> String {
        let uri: Option<ureq::http::Uri> = self.url.parse().ok();
        let host = uri.as_ref().and_then(|uri| uri.host());
        let port = uri.as_ref().and_then(ureq::http::Uri::port_u16);
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        format!("{}{port}", host.unwrap_or("the URL"))
    }

    /// Asks one question.
    pub(super) fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> anyhow::Result<T> {
        let answers = self.ask(&[Question { method, params }])?;
        answers.first().context("there is no answer")?.decode()
    }

    /// Asks many questions, and gives the answers in their order.
    pub(super) fn ask(&self, questions: &[Question]) -> anyhow::Result<Vec<Answer>> {
        let mut answers: Vec<Option<Box<RawValue>>> = questions.iter().map(|_| None).collect();
        let mut attempt = 0;
        loop {
            if self.cancel.is_cancelled() {
                bail!("cancelled");
            }
            // ORDERING: Relaxed. It is only a hint.
            let batch = self.batch.load(Ordering::Relaxed);
            let open = (0..questions.len()).filter(|index| answers[*index].is_none());
            let open: Vec<usize> = open.take(batch).collect();
            if open.is_empty() {
                break;
            }
            let (error, pause) = match self.send(questions, &open) {
                Ok(found) => {
                    let mut passing = None;
                    for (index, result) in found {
                        match result {
                            Ok(answer) => {
                                answers[index] = Some(answer);
                                attempt = 0;
                            }
                            Err(error) if error.meaning() == Meaning::Busy => {
                                passing = Some(error);
                            }
                            Err(error) => return Err(error.into()),
                        }
                    }
                    match passing {
                        None if open.iter().all(|index| answers[*index].is_some()) => continue,
                        None => (anyhow!("the node's answer is incomplete"), None),
                        Some(error) => (error.into(), None),
                    }
                }
                Err(Failure::BatchRefused(_)) if open.len() > 1 => {
                    // ORDERING: Relaxed, as above.
                    self.batch
                        .fetch_min(open.len().div_ceil(4), Ordering::Relaxed);
                    continue;
                }
                Err(Failure::Final(error) | Failure::BatchRefused(error)) => {
                    return Err(error.context(methods(questions, &open)));
                }
                Err(Failure::Passing(error, pause)) => (error, pause),
            };
            if attempt == self.retries {
                let methods = methods(questions, &open);
                return Err(error.context(format!("{methods}, asked {} times", attempt + 1)));
            }
            self.pause(pause.unwrap_or_else(|| back_off(attempt)));
            attempt += 1;
        }
        let answers = questions
            .iter()
            .zip(answers)
            .filter_map(|(question, json)| {
                let method = question.method;
                json.map(|json| Answer { method, json })
            });
        Ok(answers.collect())
    }

    /// Sends the questions that are open once, and takes the answers apart.
    fn send(&self, questions: &[Question], open: &[usize]) -> Result<Found, Failure> {
        let requests = open.iter().map(|index| {
            let Question { method, params } = &questions[*index];
            json!({"jsonrpc": "2.0", "id": index, "method": method, "params": params})
        });
        let mut requests: Vec<Value> = requests.collect();
        // Not every node takes a batch of one.
        let body = match requests.len() {
            1 => requests.remove(0),
            _ => Value::Array(requests),
        };
        let response = self
            .agent
            .post(&self.url)
            .content_type("application/json")
            .send(body.to_string());
        let mut response = response.map_err(classify)?;
        let text = response
            .body_mut()
            .with_config()
            .limit(LARGEST_ANSWER)
            .read_to_vec();
        if !response.status().is_success() {
            return Err(refused(&response, &text.unwrap_or_default(), open.len()));
        }
        take_apart(&text.map_err(classify)?, questions, open)
    }

    /// Waits, but not longer than until somebody cancels.
    fn pause(&self, duration: Duration) {
        const STEP: Duration = Duration::from_millis(50);
        let mut left = duration;
        while !left.is_zero() && !self.cancel.is_cancelled() {
            let step = left.min(STEP);
            thread::sleep(step);
            left -= step;
        }
    }
}

/// The methods of the questions that are open, for messages.
fn methods(questions: &[Question], open: &[usize]) -> String {
    let mut methods: Vec<&str> = open.iter().map(|index| questions[*index].method).collect();
    methods.sort_unstable();
    methods.dedup();
    methods.join(" and ")
}

/// Twice as long each time, and up to half of that more, so that many clients do not come back at once.
fn back_off(attempt: u32) -> Duration {
    let pause = PAUSES.0.saturating_mul(1 << attempt.min(10)).min(PAUSES.1);
    let random = RandomState::new().hash_one(attempt) % 512;
    pause + pause.mul_f64(random as f64 / 1024.0)
}

/// What an error on the way means.
fn classify(error: ureq::Error) -> Failure {
    use ureq::Error;
    match error {
        Error::BodyExceedsLimit(limit) => {
            Failure::Final(anyhow!("the node's answer is longer than {limit} bytes"))
        }
        Error::BadUri(_) | Error::InvalidProxyUrl | Error::Tls(_) | Error::Rustls(_) => {
            Failure::Final(error.into())
        }
        error => Failure::Passing(error.into(), None),
    }
}

/// What a status of HTTP other than success means.
fn refused(response: &Response<Body>, body: &[u8], questions: usize) -> Failure {
    let status = response.status();
    // The body may say more: it is an error of JSON-RPC, or a text.
    let message = serde_json::from_slice(body)
        .ok()
        .and_then(|body: Value| Some(body["error"]["message"].as_str()?.to_owned()));
    let mut error = anyhow!("the node answers with HTTP {status}");
    if let Some(message) = message {
        error = anyhow!("the node answers with HTTP {status}: {}", quote(&message));
    }
    if matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error() {
        // The other form, a date, would need the node's clock to be ours.
        let wish = response.headers().get("retry-after");
        let wish = wish.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let pause = wish.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WISH));
        return Failure::Passing(error, pause);
    }
    if questions > 1 {
        Failure::BatchRefused(error)
    } else {
        Failure::Final(error)
    }
}

/// The answers to the questions that are open, as many as there are.
fn take_apart(body: &[u8], questions: &[Question], open: &[usize]) -> Result<Found, Failure> {
    let garbage = |error: serde_json::Error| {
        Failure::Passing(
            anyhow!(error).context("the node's answer is not JSON-RPC"),
            None,
        )
    };
    let is_list = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let answers: Vec<RawAnswer> = if is_list {
        serde_json::from_slice(body).map_err(garbage)?
    } else {
        vec![serde_json::from_slice(body).map_err(garbage)?]
    };

    let mut found = Vec::with_capacity(answers.len());
    for answer in answers {
        let id = answer.id.as_ref().and_then(Value::as_u64);
        let id = id.and_then(|id| usize::try_from(id).ok());
        let index = match open {
            // There is no doubt what is meant, whatever the node makes of the id.
            [index] => Some(*index),
            open => id.filter(|id| is_list && open.contains(id)),
        };
        let error = answer.error.filter(|error| !error.is_null());
        match (index, error, answer.result) {
            (Some(index), Some(error), _) => {
                let error = RpcError::new(questions[index].method, &error);
                found.push((index, Err(error)));
            }
            (Some(index), None, Some(result)) => found.push((index, Ok(result))),
            // It concerns all questions.
            (None, Some(error), _) => {
                let error = RpcError::new(&methods(questions, open), &error);
                return Err(if error.meaning() == Meaning::Busy {
                    Failure::Passing(error.into(), None)
                } else {
                    Failure::BatchRefused(error.into())
                });
            }
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        for attempt in [0, 1, 6, 31, u32::MAX] {
            let pause = back_off(attempt);
            assert!(
                pause >= PAUSES.0 && pause <= PAUSES.1.mul_f64(1.5),
                "{pause:?}"
            );
        }
        assert!(back_off(4) > back_off(0));
    }

    #[test]
    fn names_hide_what_may_be_secret() {
        let name = |url| {
            let client = Client::new(url, 0, Duration::from_secs(1), CancelToken::new());
            client.map(|client| client.name())
        };
        assert_eq!(
            name("https://me:word@node.example:81/key").unwrap(),
            "node.example:81"
        );
        for wrong in [
            "",
            "node",
            "node:8545",
            "ftp://node",
            "http://",
            "/path",
            "http://a b",
        ] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }
}
