//! The outbox in virtual time, and requests to a server that fails at first.

use std::io::Read as _;
use std::net::TcpListener;
use std::sync::mpsc::Receiver;

use super::message::Message;
use super::*;
use crate::config::Secret;
use crate::engine::alerts::{AlertBook, AlertSettings, Entries, SegmentDay};
use crate::io::answering;
use crate::model::spike::deficit::Returns;
use crate::model::time::Day;

/// An alert that starts, goes on and ends.
fn life() -> Vec<Alert> {
    let mut book = AlertBook::new(AlertSettings::default());
    let day = |number: i32| {
        let count = if (60..62).contains(&number) { 300 } else { 100 };
        let segment = SegmentDay {
            segment: "all".to_owned(),
            has_data: true,
            entered_high: Entries::default(),
            entered_churned: Entries { count, at_risk: 9_000 },
            returns: Returns::default(),
        };
        (Day::from_number(number), segment)
    };
    (0..64).map(day).flat_map(|(day, segment)| book.close_day(day, &[segment])).map(|change| change.alert).collect()
}

fn calendar() -> Calendar {
    Calendar::new("UTC").expect("a zone")
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn what_fires_is_told_again_and_what_is_resolved_for_a_while() {
    let alerts = life();
    let (first, last) = (alerts.first().expect("an alert"), alerts.last().expect("an alert"));
    let mut outbox = Outbox::new(1, secs(60), secs(150));
    assert!(outbox.put(Message::new(first, &calendar())));
    let other = Alert { fingerprint: "other".to_owned(), ..first.clone() };
    assert!(!outbox.put(Message::new(&other, &calendar())), "no room");
    let (batch, _) = outbox.due(secs(5));
    assert_eq!(batch.len(), 1);
    assert_eq!(outbox.due(secs(6)).0.len(), 1, "it was not told yet");
    outbox.sent(&batch, secs(7));
    assert_eq!(outbox.due(secs(8)), (Vec::new(), Some(secs(67))));
    let (batch, _) = outbox.due(secs(67));
    assert_eq!(batch.len(), 1);
    // It is resolved while the request is on its way: that is still to be told.
    assert!(outbox.put(Message::new(last, &calendar())));
    outbox.sent(&batch, secs(68));
    let (batch, _) = outbox.due(secs(69));
    assert!(batch.iter().all(|message| !message.is_firing) && batch.len() == 1);
    outbox.sent(&batch, secs(70));
    assert_eq!(outbox.due(secs(130)).0.len(), 1);
    assert_eq!(outbox.due(secs(220)), (Vec::new(), None));
}

#[test]
fn an_alert_in_the_words_of_the_api() {
    let alerts = life();
    let expires = crate::model::time::EventTime::from_millis(9_000);
    let told = Message::new(&alerts[0], &calendar()).json(expires);
    assert_eq!(told["startsAt"], "1970-03-02T00:00:00Z");
    assert_eq!(told["endsAt"], "1970-01-01T00:00:09Z");
    let labels = serde_json::json!({"level": "churned", "process": "activity", "segment": "all", "alertname": "churn_spike", "severity": "critical"});
    assert_eq!(told["labels"], labels);
    assert_eq!((&told["annotations"]["observed"], &told["annotations"]["top_segments"]), (&"300".into(), &Value::Null));
    let last = Message::new(alerts.last().expect("an alert"), &calendar()).json(expires);
    assert_eq!((&last["endsAt"], &last["labels"]), (&"1970-03-04T00:00:00Z".into(), &labels));
}

/// A server that answers with these statuses, one a request, and hands over heads and bodies.
fn server(statuses: &[&str]) -> (Url, Receiver<(String, String)>) {
    let (port, requests) = answering::server(statuses.iter().map(|status| answering::answer(status)).collect());
    (Url::parse(&format!("http://127.0.0.1:{port}/below/")).expect("a URL"), requests)
}

fn pace() -> AlertmanagerPace {
    AlertmanagerPace { first_retry: Duration::from_millis(5), ..AlertmanagerPace::default() }
}

#[test]
fn failures_are_tried_again_and_refusals_are_not() {
    let alerts = life();
    let (url, requests) = server(&["503 Busy", "429 Slow", "200 OK", "400 Bad", "200 OK"]);
    let settings = AlertmanagerSettings { url, credentials: Some(Credentials::Bearer(Secret::new("hunter2"))) };
    let alertmanager = Alertmanager::start(&settings, pace()).expect("a thread");
    let next = || requests.recv_timeout(secs(20)).expect("a request");
    assert!(alertmanager.tell(&alerts[0], &calendar()));
    let (head, body) = next();
    assert!(head.starts_with("post /below/api/v2/alerts http/1.1\r\n") && head.contains("authorization: bearer hunter2\r\n"), "{head}");
    // An answer is noted a moment after it was given: each request but the last waits for the next.
    let again = [next(), next()];
    let begin = |told: &str| told.split("endsAt").next().map(str::to_owned);
    assert!(again.iter().all(|(_, told)| begin(told) == begin(&body)), "the same alert again, but for when it expires: {again:?}");
    while alertmanager.counts().accepted < 1 {
        std::thread::yield_now();
    }
    assert!(alertmanager.tell(&alerts[1], &calendar()));
    next();
    while alertmanager.counts().refused < 1 {
        std::thread::yield_now();
    }
    assert!(alertmanager.tell(&alerts[alerts.len() - 1], &calendar()));
    let (_, body) = next();
    assert!(body.contains("1970-03-04T00:00:00Z"), "only the newest state: {body}");
    alertmanager.stop(secs(20));
}

#[test]
fn a_server_that_never_answers_holds_nobody_up() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = Url::parse(&format!("http://{}", silent.local_addr().expect("an address"))).expect("a URL");
    let basic = Credentials::Basic { username: "u".to_owned(), password: Secret::new("p") };
    let alertmanager = Alertmanager::start(&AlertmanagerSettings { url, credentials: Some(basic) }, pace()).expect("a thread");
    let watch = Stopwatch::start();
    for alert in life() {
        assert!(alertmanager.tell(&alert, &calendar()));
    }
    let (mut stream, _) = silent.accept().expect("a connection");
    let mut head = [0; 64];
    stream.read_exact(&mut head).expect("the head of a request");
    alertmanager.stop(Duration::from_millis(50));
    assert!(watch.elapsed() < secs(8), "less than the request's own timeout");
}
