//! Requests that are almost right: whatever they are, the server goes on.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::plain;

const REQUESTS: [&str; 5] = [
    "GET /v1/metrics?from=2026-01-01&to=2026-02-01&segment=channel%3Dweb HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "GET /v1/users/u%2F1 HTTP/1.1\r\nHost: [::1]:80\r\nAuthorization: Bearer x\r\nConnection: close\r\n\r\n",
    "POST /v1/segments HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nConnection: close\r\n\r\nabcd",
    "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
];
const PIECES: [&[u8]; 14] = [
    b"\r\n",
    b"\r",
    b"\n\n",
    b"%",
    b"%00",
    b"%ff",
    b"..",
    b"/../../etc/passwd",
    b"\x00",
    b"\xff\xfe",
    b"?from=9999999999-01-01&",
    b"HTTP/2.0",
    b"Content-Length: 99999999999999999999\r\n",
    b": :",
];

/// `STICKINESS_FUZZ` divided by a hundred requests are sent; 400 by default.
#[test]
fn requests_that_are_almost_right_neither_stop_nor_upset_the_server() {
    let requests = std::env::var("STICKINESS_FUZZ").map_or(400, |text| text.parse::<u64>().expect("a number") / 100);
    let running = plain();
    let mut dice = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..requests {
        let mut bytes = REQUESTS[dice.random_range(0..REQUESTS.len())].as_bytes().to_vec();
        for _ in 0..dice.random_range(1..5) {
            let at = dice.random_range(0..=bytes.len());
            let end = (at + dice.random_range(0..12)).min(bytes.len());
            let piece = PIECES[dice.random_range(0..PIECES.len())].repeat(dice.random_range(1..4));
            _ = bytes.splice(at..end, piece);
        }
        let mut stream = running.connect();
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time limit");
        // The server may answer before it has read all, and close.
        drop((stream.write_all(&bytes), stream.shutdown(Shutdown::Write)));
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || text.starts_with("HTTP/1."), "{}: {text}", bytes.escape_ascii());
        assert!(!text.starts_with("HTTP/1.1 500") && !text.contains("root:"), "{}: {text}", bytes.escape_ascii());
        let timed_out = end.is_err_and(|error| matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut));
        assert!(!timed_out, "no end: {}", bytes.escape_ascii());
    }
    assert_eq!(running.get("/healthz").status, 200);
}
