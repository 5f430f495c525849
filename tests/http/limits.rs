//! What a client may take: length, size, time, connections.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use stickiness::io::clock::Stopwatch;
use stickiness::io::http::Limits;

use super::client::{Answer, Running};
use super::{plain, sample};

#[test]
fn long_urls_are_refused() {
    let running = plain();
    assert_eq!(running.get(&format!("/v1/users/{}", "%F0".repeat(256))).status, 400);
    let just = running.get(&format!("/v1/users/{}", "a".repeat(4096 - "/v1/users/".len())));
    assert_eq!(just.status, 200);
    let long = running.get(&format!("/v1/users/{}", "a".repeat(4097 - "/v1/users/".len())));
    assert_eq!((long.status, long.json()["error"].as_str()), (414, Some("path and query are 4097 bytes long; at most 4096 are taken")));
    assert!(matches!(running.get(&format!("/{}", "a".repeat(60_000))).status, 414 | 431));
    assert_eq!(running.get_with("/", &format!("X-Long: {}\r\n", "a".repeat(60_000))).status, 431);
}

#[test]
fn bodies_are_refused() {
    let running = plain();
    let with = |headers: &str, body: &str| {
        running.send(&format!("GET /v1/segments HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n{body}")).status
    };
    assert_eq!(with("Content-Length: 2\r\n", "{}"), 200);
    assert_eq!(with("Content-Length: 16385\r\n", ""), 413);
    assert_eq!(with("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"), 413);
    assert_eq!(with("Content-Length: x\r\n", ""), 400);
}

#[test]
fn nonsense_is_no_request() {
    let running = plain();
    for text in ["\r\n\r\n\r\nhello\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n"] {
        assert_eq!(running.send(text).status, 400, "{text:?}");
    }
    assert_eq!(running.get("/healthz").status, 200);
}

#[test]
fn a_slow_head_is_cut_off() {
    let limits = Limits { head_time: Duration::from_millis(300), ..Limits::default() };
    let running = Running::start(None, limits, sample());
    for begin in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
        let mut stream = running.connect();
        stream.write_all(begin.as_bytes()).expect("the begin is sent");
        let watch = Stopwatch::start();
        let mut rest = String::new();
        // Either the end of the stream or a reset.
        drop(stream.read_to_string(&mut rest));
        assert!(watch.elapsed() < Duration::from_secs(10), "{begin:?}");
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 408"), "{rest}");
    }
}

#[test]
fn a_client_that_takes_nothing_in_is_cut_off() {
    let limits = Limits { connections: 1, stall_time: Duration::from_millis(300), ..Limits::default() };
    let running = Running::start(None, limits, sample());
    let mut stalled = running.connect();
    stalled.write_all(b"GET /v1/users/huge HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the request is sent");
    // The only connection is given back, though nothing of the answer was read.
    assert_eq!(running.get("/healthz").status, 200);
}

#[test]
fn a_slow_answer_is_given_up() {
    let limits = Limits { answer_time: Duration::from_millis(200), ..Limits::default() };
    let running = Running::start(None, limits, sample());
    let answer = running.get("/v1/users/slow");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
}

#[test]
fn more_connections_than_there_is_room_for_wait() {
    let limits = Limits { connections: 2, head_time: Duration::from_secs(1), ..Limits::default() };
    let running = Running::start(None, limits, sample());
    let idle = [running.connect(), running.connect()];
    let watch = Stopwatch::start();
    assert_eq!(running.get("/healthz").status, 200);
    assert!(watch.elapsed() >= Duration::from_millis(500), "it came through before an idle connection was cut off");
    drop(idle);
}

#[test]
fn many_at_once() {
    let running = plain();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let running = &running;
            scope.spawn(move || {
                for turn in 0..20 {
                    let id = format!("user-{thread}-{turn}");
                    assert_eq!(running.get(&format!("/v1/users/{id}")).json()["user_id"], id.as_str());
                    assert_eq!(running.get("/v1/metrics?from=2026-02-25").json().as_array().map(Vec::len), Some(5));
                }
            });
        }
    });
}

#[test]
fn a_connection_may_be_used_again() {
    let running = plain();
    let mut stream = running.connect();
    let one = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let last = "GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(format!("{one}{one}{last}").as_bytes()).expect("the requests are sent");
    let answer = Answer::read(stream);
    assert_eq!((answer.status, answer.body.matches("HTTP/1.1 200").count(), answer.body.matches("HTTP/1.1 404").count()), (200, 1, 1));
}

#[test]
fn answers_in_progress_end_after_the_stop() {
    let mut running = plain();
    let idle = running.connect();
    let mut stream = running.connect();
    stream.write_all(b"GET /v1/users/slow HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the request is sent");
    // The answer takes two seconds, so that the stop comes in between once the request has been read.
    std::thread::sleep(Duration::from_millis(300));
    let watch = Stopwatch::start();
    running.wait();
    assert!(watch.elapsed() < Duration::from_secs(4), "idle connections hold it up");
    assert_eq!(Answer::read(stream).status, 404);
    drop(idle);
    assert!(std::net::TcpStream::connect(running.address).is_err());
}
