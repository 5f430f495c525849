//! Lanes against a server that answers as it is told to, without Kafka.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use tokio::runtime::Runtime;
use url::Url;

use super::endpoint::Endpoint;
use super::lane::{Delivery, Lane, News, Route};
use crate::config::{SecretSource, WebhookSettings, WebhookStart, WebhookUrl};
use crate::io::answering::{answer, server};
use crate::io::clock::Stopwatch;
use crate::wire::webhook::{RecordFilter, RecordKind, SigningSecret};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Lanes of one endpoint.
struct Bench {
    runtime: Runtime,
    route: Route,
    news: Receiver<News>,
}

impl Bench {
    fn new(port: u16, retry_for: Duration, timeout: Duration) -> Self {
        let url = Url::parse(&format!("http://me:hunter2@127.0.0.1:{port}/")).expect("a URL");
        let settings = WebhookSettings {
            name: "w".to_owned(),
            url: WebhookUrl(url),
            records: vec![RecordKind::Alerts],
            filter: RecordFilter::default(),
            secret: SecretSource::Environment(String::new()),
            timeout,
            retry_for,
            from: WebhookStart::Latest,
        };
        let secrets = SigningSecret::all_in(&format!("whsec_{}", "A".repeat(32))).expect("a secret");
        let endpoint = Arc::new(Endpoint::new(&settings, secrets).expect("a client"));
        let (sender, news) = channel();
        let route = Route { endpoint, news: sender, retry_for, webhook: "w".into(), topic: "t".into() };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        Self { runtime, route, news }
    }

    fn lane(&self) -> Lane {
        Lane::start(0, None, self.route.clone(), self.runtime.handle())
    }

    /// What becomes of a record, failures on the way left out.
    fn outcome(&self) -> News {
        loop {
            match self.news.recv_timeout(secs(20)).expect("news") {
                News::Failed => {}
                other => return other,
            }
        }
    }
}

fn record(partition: i32, offset: i64) -> Delivery {
    Delivery {
        id: format!("alerts-{partition}-{offset}"),
        partition,
        offset,
        key: None,
        value: format!("{partition}:{offset}").into_bytes(),
        published: None,
        unreadable: None,
    }
}

#[test]
fn the_next_record_waits_for_the_one_before() {
    let (port, bodies) = server(["500 Oops", "200 OK", "400 Bad Request", "200 OK"].map(answer).to_vec());
    let bench = Bench::new(port, secs(60), secs(10));
    let mut lane = bench.lane();
    for offset in [3, 5, 9] {
        lane.take(record(0, offset), Some(offset * 1000));
    }
    lane.pass_over(12);
    assert!(!lane.expects(12) && lane.expects(13));
    assert_eq!((lane.due(), lane.oldest_ms()), (Some(3), Some(3000)), "nothing is dealt with");
    assert!(matches!(bench.outcome(), News::Delivered(0, 3)));
    lane.settle(3);
    let News::GivenUp(given_up, detail) = bench.outcome() else { panic!("it was refused") };
    assert_eq!((given_up.offset, detail.as_str()), (5, "400 Bad Request: no"));
    assert_eq!((lane.due(), lane.oldest_ms()), (Some(5), Some(5000)), "a refused record is not dealt with before it is kept");
    lane.settle(5);
    assert!(matches!(bench.outcome(), News::Delivered(0, 9)));
    lane.settle(9);
    lane.note_committed(9);
    assert_eq!((lane.due(), lane.oldest_ms()), (Some(13), None), "what was passed over is dealt with too");
    lane.note_committed(13);
    assert_eq!(lane.due(), None);
    assert_eq!(bodies.iter().take(4).map(|(_, body)| body).collect::<Vec<_>>(), ["0:3", "0:3", "0:5", "0:9"]);
}

#[test]
fn a_record_is_given_up_when_it_was_tried_for_long_enough() {
    let (port, _) = server(["503 Busy", "302 Found\r\nlocation: /elsewhere"].map(answer).to_vec());
    let bench = Bench::new(port, Duration::ZERO, secs(10));
    let mut lane = bench.lane();
    lane.take(record(0, 0), None);
    lane.take(record(0, 1), None);
    for found in ["at last 503 Service Unavailable: no", "at last 302 Found: no"] {
        let News::GivenUp(_, detail) = bench.outcome() else { panic!("it is given up") };
        assert!(detail.starts_with("tried for") && detail.ends_with(found), "{detail}");
    }
}

#[test]
fn who_says_nothing_or_is_not_there_is_tried_again_and_no_secret_is_told() {
    let (port, _) = server(vec![String::new()]);
    for (port, trouble) in [(port, "timed out"), (1, "refused")] {
        let bench = Bench::new(port, Duration::ZERO, Duration::from_millis(300));
        let mut lane = bench.lane();
        lane.take(record(0, 0), None);
        let News::GivenUp(_, detail) = bench.outcome() else { panic!("it is given up") };
        assert!(detail.contains(trouble) && !detail.contains("hunter2"), "{detail}");
    }
}

#[test]
fn of_a_long_answer_no_more_is_read_than_is_told() {
    let endless = format!("HTTP/1.1 422 No\r\ncontent-length: 1000000000\r\n\r\n{}", "x".repeat(20_000));
    let (port, _) = server(vec![endless, String::new()]);
    let bench = Bench::new(port, secs(60), secs(15));
    let (mut lane, since) = (bench.lane(), Stopwatch::start());
    lane.take(record(0, 0), None);
    let News::GivenUp(_, detail) = bench.outcome() else { panic!("it is refused") };
    assert!(since.elapsed() < secs(10), "the rest is not waited for");
    assert!(detail.starts_with("422 Unprocessable Entity: xxx") && detail.len() < 300, "{detail}");
}

#[test]
fn an_endpoint_that_asks_for_time_is_left_alone_by_all_partitions() {
    let (port, bodies) = server(["429 Slow\r\nretry-after: 2", "200 OK", "200 OK"].map(answer).to_vec());
    let bench = Bench::new(port, secs(60), secs(10));
    let (mut one, mut other) = (bench.lane(), bench.lane());
    one.take(record(0, 0), None);
    assert_eq!(bodies.recv_timeout(secs(20)).expect("a request").1, "0:0");
    let since = Stopwatch::start();
    assert!(matches!(bench.news.recv_timeout(secs(20)), Ok(News::Failed)));
    while bench.route.endpoint.held().is_zero() {
        std::thread::yield_now();
    }
    other.take(record(1, 0), None);
    assert!(matches!(bench.outcome(), News::Delivered(..)) && matches!(bench.outcome(), News::Delivered(..)));
    assert!(since.elapsed() > Duration::from_millis(1900), "after {:?}", since.elapsed());
}

#[test]
fn a_lane_that_is_left_posts_nothing_more() {
    let (port, bodies) = server(["429 Slow\r\nretry-after: 3600", "200 OK"].map(answer).to_vec());
    let bench = Bench::new(port, secs(60), secs(10));
    let mut lane = bench.lane();
    lane.take(record(0, 0), None);
    assert!(matches!(bench.news.recv_timeout(secs(20)), Ok(News::Failed)));
    let since = Stopwatch::start();
    lane.leave();
    bench.runtime.block_on(lane.end(secs(10)));
    assert!(since.elapsed() < secs(5), "it does not wait to its end");
    assert!(lane.is_broken(), "its task has ended");
    bodies.recv_timeout(secs(20)).expect("the one request");
    assert!(matches!(bodies.recv_timeout(Duration::from_millis(50)), Err(RecvTimeoutError::Timeout)));
    assert!(matches!(bench.news.recv_timeout(Duration::from_millis(50)), Err(RecvTimeoutError::Timeout)));
}

#[test]
fn an_attempt_that_does_not_end_is_ended() {
    let (port, bodies) = server(vec![String::new()]);
    let bench = Bench::new(port, secs(60), secs(60));
    let mut lane = bench.lane();
    lane.take(record(0, 0), None);
    bodies.recv_timeout(secs(20)).expect("a request");
    let since = Stopwatch::start();
    lane.leave();
    bench.runtime.block_on(lane.end(Duration::from_millis(100)));
    assert!(since.elapsed() < secs(5) && lane.is_broken());
    assert_eq!(lane.due(), Some(0), "it comes again");
}
