//! An HTTP server that speaks just enough JSON-RPC for a test, on the loopback interface.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::{Value, json};

/// What the node says to a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Result(Value),
    Error(i64, &'static str),
    Http(u16),
    /// HTTP 429, with the seconds after which the node wants to be asked again.
    Busy(u64),
    /// A body of JSON that answers nothing.
    Body(&'static str),
    /// A body that ends too early.
    CutOff,
    /// A body that is not JSON.
    Garbage,
}

/// A node that answers until the test ends.
pub(crate) struct Node {
    pub(crate) url: String,
    requests: Arc<AtomicUsize>,
}

impl Node {
    /// A node that answers each question by `answer`.
    pub(crate) fn start(answer: impl Fn(&str, &Value) -> Reply + Send + 'static) -> Self {
        Self::listen(true, answer)
    }

    /// A node that wants one question a request.
    pub(crate) fn without_batches(answer: impl Fn(&str, &Value) -> Reply + Send + 'static) -> Self {
        Self::listen(false, answer)
    }

    fn listen(batches: bool, answer: impl Fn(&str, &Value) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        // It ends with the test's process: nobody connects to it any more.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // ORDERING: SeqCst. Tests compare counts between requests; speed does not matter.
                counter.fetch_add(1, Ordering::SeqCst);
                // A client that hangs up is its own affair.
                let _ = serve(stream, batches, &answer);
            }
        });
        Self {
            url: format!("http://{address}"),
            requests,
        }
    }

    /// A node that gives `trouble` for the first requests.
    pub(crate) fn failing_first(
        count: usize,
        trouble: Reply,
        answer: impl Fn(&str, &Value) -> Reply + Send + 'static,
    ) -> Self {
        let left = AtomicUsize::new(count);
        Self::start(move |method, params| {
            let next = |left: usize| left.checked_sub(1);
            // ORDERING: SeqCst. One thread asks.
            match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next) {
                Ok(_) => trouble.clone(),
                Err(_) => answer(method, params),
            }
        })
    }

    /// The same node, looked for at another address.
    pub(crate) fn at(mut self, url: &str) -> Self {
        url.clone_into(&mut self.url);
        self
    }

    /// How many requests came in so far.
    pub(crate) fn requests(&self) -> usize {
        // ORDERING: SeqCst, as above.
        self.requests.load(Ordering::SeqCst)
    }
}

fn serve(
    stream: TcpStream,
    batches: bool,
    answer: &impl Fn(&str, &Value) -> Reply,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        let line = line.to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request: Value = serde_json::from_slice(&body)?;
    let reply = match &request {
        Value::Array(_) if !batches => Ok(json!({
            "jsonrpc": "2.0", "id": null, "error": {"code": -32600, "message": "no batches"},
        })
        .to_string()),
        Value::Array(requests) => {
            let replies = requests.iter().map(|request| one(request, answer));
            replies
                .collect::<Result<Vec<_>, _>>()
                .map(|replies| Value::from(replies).to_string())
        }
        request => one(request, answer).map(|reply| reply.to_string()),
    };
    let mut more = String::new();
    let (status, body, promised) = match reply {
        Ok(body) => (200, body.clone(), body.len()),
        Err(Reply::Http(status)) => (status, String::new(), 0),
        Err(Reply::Busy(seconds)) => {
            more = format!("Retry-After: {seconds}\r\n");
            (429, String::new(), 0)
        }
        Err(Reply::Body(body)) => (200, body.to_owned(), body.len()),
        Err(Reply::CutOff) => (200, "{\"jsonrpc\":".to_owned(), 1000),
        Err(_) => (200, "<html>".to_owned(), 6),
    };
    let mut stream = reader.into_inner();
    write!(
        stream,
        "HTTP/1.1 {status} Any\r\nContent-Type: application/json\r\nContent-Length: {promised}\r\n{more}Connection: close\r\n\r\n{body}"
    )?;
    stream.flush()
}

/// The JSON of an answer, or what is wrong with the whole response.
fn one(request: &Value, answer: &impl Fn(&str, &Value) -> Reply) -> Result<Value, Reply> {
    let method = request["method"].as_str().unwrap_or_default();
    match answer(method, &request["params"]) {
        Reply::Result(result) => {
            Ok(json!({"jsonrpc": "2.0", "id": request["id"], "result": result}))
        }
        Reply::Error(code, message) => Ok(json!({
            "jsonrpc": "2.0", "id": request["id"], "error": {"code": code, "message": message},
        })),
        trouble => Err(trouble),
    }
}
