//! Somebody who receives webhooks: an HTTP server that answers as a test says, and remembers every request.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A request that was received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The first line.
    pub(crate) request: String,
    /// By their names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// The head of the answer; empty when the connection was cut.
    pub(crate) answer: &'static str,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Whether it was taken.
    pub(crate) fn is_taken(&self) -> bool {
        self.answer.starts_with("200")
    }
}

/// How requests are answered: by their number, from 0, with the status and headers; with an empty text, the connection is cut.
pub(crate) type Answers = dyn Fn(usize, &Received) -> &'static str + Send + Sync;

/// The server. Its threads end with the test process.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    pub(crate) fn start(answers: impl Fn(usize, &Received) -> &'static str + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let (answers, all): (Arc<Answers>, _) = (Arc::new(answers), Arc::clone(&received));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answers, all) = (Arc::clone(&answers), Arc::clone(&all));
                // A sender that is killed leaves half a request.
                std::thread::spawn(move || while serve(&stream, &*answers, &all).is_some() {});
            }
        });
        Self { port, received }
    }

    /// Every request so far, in the order in which they came.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().expect("no panic").clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.received.lock().expect("no panic").len()
    }
}

/// Serves one request; `None` when there is none, or no other is to come.
fn serve(stream: &TcpStream, answers: &Answers, all: &Mutex<Vec<Received>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut lines = head.trim_end().lines();
    let request = lines.next()?.to_owned();
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let headers: BTreeMap<String, String> = lines.filter_map(header).collect();
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let mut one = Received { request, headers, body, answer: "" };
    let mut received = all.lock().expect("no panic");
    one.answer = answers(received.len(), &one);
    let answer = one.answer;
    received.push(one);
    drop(received);
    if answer.is_empty() {
        return None;
    }
    (&mut &*stream).write_all(format!("HTTP/1.1 {answer}\r\ncontent-length: 4\r\n\r\nfine").as_bytes()).ok()
}
