//! What is told by itself, and what the page asks for beside it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use stickiness::io::http::Limits;
use stickiness::model::time::Day;

use super::client::Running;
use super::fake::Fake;
use super::{plain, sample};

/// A stream that is read event by event.
struct Stream {
    lines: BufReader<TcpStream>,
}

impl Stream {
    fn open(running: &Running, query: &str) -> Self {
        let mut stream = running.connect();
        let head = format!("GET /v1/live{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("the request is sent");
        let mut opened = Self { lines: BufReader::new(stream) };
        let head: Vec<String> = std::iter::from_fn(|| opened.line().filter(|line| !line.is_empty())).collect();
        assert!(head[0].contains(" 200 "), "{head:?}");
        assert!(head.iter().any(|line| line == "content-type: text/event-stream"), "{head:?}");
        assert!(head.iter().any(|line| line == "x-accel-buffering: no"), "proxies are told not to gather: {head:?}");
        opened
    }

    /// The next line; `None` at the end.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).expect("before the time limit");
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event with its data; `None` when the stream has ended.
    fn event(&mut self) -> Option<(String, Value)> {
        let name = loop {
            if let Some(name) = self.line()?.strip_prefix("event: ") {
                break name.to_owned();
            }
        };
        let data = self.line()?;
        let data = data.strip_prefix("data: ").expect("data follows");
        Some((name, serde_json::from_str(data).expect("JSON")))
    }

    /// The next event of a name.
    fn next(&mut self, name: &str) -> Value {
        loop {
            let (found, data) = self.event().expect("one more event");
            if found == name {
                return data;
            }
        }
    }
}

fn fast() -> Limits {
    Limits { stream_pace: Duration::from_millis(10), ..Limits::default() }
}

fn days(records: &Value) -> Vec<&str> {
    records.as_array().expect("a list").iter().map(|record| record["day"].as_str().expect("a day")).collect()
}

#[test]
fn everything_first_and_then_what_changes() {
    let running = Running::start(None, fast(), sample());
    let mut stream = Stream::open(&running, "?segment=channel%3Dapp");
    let first = stream.next("records");
    assert_eq!(days(&first).len(), 120);
    assert_eq!(first, running.get("/v1/metrics?segment=channel%3Dapp").json());
    let state = stream.next("state");
    assert_eq!((&state["ready"], &state["partitions"]), (&json!(true), &json!(4)));
    let (day, other) = (Day::parse("2026-03-01").expect("a day"), Day::parse("2026-02-03").expect("a day"));
    running.view.put("channel=web", day, r#"{"day":"2026-03-01","dau":1}"#);
    running.view.put("channel=app", other, r#"{"day":"2026-02-03","dau":2}"#);
    assert_eq!(stream.next("records"), json!([{ "day": "2026-02-03", "dau": 2 }]), "of its own segment alone, an old day as well");
    running.view.is_ready.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(stream.next("state")["ready"], json!(false));
}

#[test]
fn a_segment_without_records_begins_with_none() {
    let running = Running::start(None, fast(), Fake::empty());
    let mut stream = Stream::open(&running, "?segment=channel%3Dfax");
    assert_eq!(stream.event().expect("an event"), ("records".to_owned(), json!([])));
    let state = stream.next("state");
    assert_eq!((&state["lag"], &state["watermark"]["newest"], &state["commit_ms"]["p50"]), (&Value::Null, &Value::Null, &Value::Null));
    running.view.put("channel=fax", Day::parse("2026-03-01").expect("a day"), r#"{"day":"2026-03-01"}"#);
    assert_eq!(days(&stream.next("records")), ["2026-03-01"]);
}

#[test]
fn there_is_room_for_so_many_streams() {
    let running = Running::start(None, Limits { streams: 2, ..fast() }, sample());
    let (mut one, two) = (Stream::open(&running, ""), Stream::open(&running, ""));
    let refused = running.get("/v1/live");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{}", refused.body);
    assert_eq!(running.get("/v1/metrics?from=2026-03-01").status, 200, "questions are answered still");
    drop(two);
    // The server finds out that one is gone when it writes to it next.
    running.view.is_ready.store(false, std::sync::atomic::Ordering::Relaxed);
    one.next("records");
    let more = (0..500).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        running.view.is_ready.fetch_not(std::sync::atomic::Ordering::Relaxed);
        let mut stream = running.connect();
        stream.write_all(b"GET /v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("an answer");
        line.contains(" 200 ").then_some(())
    });
    assert!(more.is_some(), "the place of a stream that is gone is taken again");
}

#[test]
fn streams_end_by_age_and_when_the_server_stops() {
    let short = Limits { stream_time: Duration::from_millis(100), ..fast() };
    let running = Running::start(None, short, sample());
    let mut stream = Stream::open(&running, "");
    while stream.event().is_some() {}
    let mut running = Running::start(None, fast(), sample());
    let mut stream = Stream::open(&running, "");
    stream.next("records");
    let watch = stickiness::io::clock::Stopwatch::start();
    running.wait();
    assert!(watch.elapsed() < Duration::from_secs(3), "a stream does not hold the stop up");
    while stream.event().is_some() {}
}

#[test]
fn wrong_questions_are_told() {
    let running = plain();
    for (query, error) in [
        ("?from=2026-01-01", "a stream tells every day of a segment; it takes segment alone"),
        ("?since=1", "`since` is no parameter; known are from, to and segment"),
    ] {
        let answer = running.get(&format!("/v1/live{query}"));
        assert_eq!((answer.status, answer.json()), (400, json!({ "error": error })), "{query}");
    }
}

#[test]
fn the_state_in_one_object() {
    let state = plain().get("/v1/state").json();
    assert_eq!((&state["lag"], &state["users"], &state["commits"]), (&json!(12), &json!(2400), &json!(1204)));
    assert_eq!((&state["snapshots"]["missing"], &state["snapshots"]["overdue"]), (&json!(1), &json!(0)));
    assert_eq!(state["outcomes"]["accepted"], json!(48_211));
    let median = state["commit_ms"]["p50"].as_f64().expect("a number");
    assert!((19.9..20.1).contains(&median), "{state}");
    assert_eq!(state["watermark"]["newest"], json!("2026-02-28T23:59:59.1Z"));
}

#[test]
fn alerts_and_dead_letters() {
    let running = plain();
    let alerts = running.get("/v1/alerts");
    let tag = alerts.header("etag").expect("a tag").to_owned();
    let Value::Array(told) = alerts.json() else { panic!("no list") };
    assert_eq!((told.len(), &told[0]["status"], &told[1]["status"]), (2, &json!("firing"), &json!("resolved")));
    assert_eq!(running.get_with("/v1/alerts", &format!("If-None-Match: {tag}\r\n")).status, 304);
    let letters = running.get("/v1/dead-letters").json();
    assert_eq!(
        (&letters[0]["reason"], &letters[0]["value"], &letters[0]["length"]),
        (&json!("malformed"), &json!("this is no event"), &json!(16))
    );
    assert_eq!((&letters[1]["topic"], &letters[1]["offset"], &letters[1]["key"]), (&json!("events"), &json!("3"), &json!("u1")));
    let newest = Day::parse("2026-03-01").expect("a day");
    let plain = Running::start(None, Limits::default(), Fake::plain(newest, 0));
    assert_eq!((plain.get("/v1/alerts").json(), plain.get("/v1/dead-letters").json()[0].is_object()), (json!([]), true));
    let empty = Running::start(None, Limits::default(), Fake::empty());
    for path in ["/v1/alerts", "/v1/dead-letters"] {
        assert_eq!(empty.get(path).json(), json!([]), "{path}");
    }
}

#[test]
fn names_and_texts_of_all_kinds_are_told_as_they_are() {
    let newest = Day::parse("2026-03-01").expect("a day");
    let running = Running::start(None, fast(), Fake::hostile(newest, 0));
    let Value::Array(segments) = running.get("/v1/segments").json() else { panic!("no list") };
    assert!(segments.len() > 1000, "{}", segments.len());
    let odd = segments.iter().filter_map(Value::as_str).filter(|segment| segment.contains("owned") || segment.contains('\u{202e}'));
    let mut count = 0;
    for segment in odd {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("segment", segment).finish();
        assert_eq!(days(&Stream::open(&running, &format!("?{query}")).next("records")).len(), 120, "{segment}");
        count += 1;
    }
    assert_eq!(count, 5);
    let letters = running.get("/v1/dead-letters").json();
    assert!(letters.as_array().is_some_and(|letters| letters.iter().any(|letter| letter["value"] == "__proto__")), "{letters}");
}
