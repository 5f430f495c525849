//! Webhooks of the running service, to somebody who fails, refuses and asks for time, while processes die.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use stickiness::io::clock::{self, Stopwatch};
use stickiness::io::kafka::topics::Topics;

use crate::support::broker::Broker;
use crate::support::connection;
use crate::support::feed::{Feed, MORE, PATIENCE, wait_until_counted};
use crate::support::process::{Group, Process};
use crate::support::receiver::{Received, Receiver};
use crate::support::records::{Input, Output, block_on, create_topic, ends, is_committed, partition_count, produce, read_committed};

const SECRET: [u8; 24] = [7; 24];
const PARTITIONS: u32 = 3;

/// A group with a webhook called `crm`.
fn group(bootstrap: &str, name: &str, port: u16, webhook: &str) -> Group {
    let webhook = format!(
        "[[webhooks]]\nname = \"crm\"\nurl = \"http://me:hunter2@127.0.0.1:{port}/in?key=hunter3\"\nsecret_env = \"CRM_SECRET\"\n{webhook}"
    );
    let mut group = Group::new(bootstrap, name, &[name], &format!("{MORE}\n{webhook}"));
    group.environment.push(("CRM_SECRET".to_owned(), format!("whsec_{}", STANDARD.encode(SECRET))));
    group
}

fn topic(group: &Group, kind: &str) -> String {
    format!("{}-{}", group.name, kind.replace('_', "-"))
}

/// Waits until every record of these kinds is dealt with.
fn wait_until_delivered(process: &mut Process, bootstrap: &str, group: &Group, kinds: &[&str]) {
    let stopwatch = Stopwatch::start();
    let is_delivered = |kind: &&str| is_committed(bootstrap, &format!("{}.webhook.crm.{kind}", group.name), &topic(group, kind));
    while !kinds.iter().all(is_delivered) {
        process.assert_runs();
        assert!(stopwatch.elapsed() < PATIENCE, "everything is delivered\n{}", process.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn wait_for_requests(process: &mut Process, receiver: &Receiver, count: usize) {
    let stopwatch = Stopwatch::start();
    while receiver.count() < count {
        process.assert_runs();
        assert!(stopwatch.elapsed() < PATIENCE, "{count} requests come\n{}", process.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Holds a request to the specification.
fn assert_is_signed(one: &Received) {
    assert_eq!(one.request, "POST /in?key=hunter3 HTTP/1.1");
    assert_eq!(one.header("content-type"), "application/json");
    assert!(one.header("user-agent").starts_with("stickiness/"), "{one:?}");
    assert_eq!(one.header("authorization"), format!("Basic {}", STANDARD.encode("me:hunter2")));
    let timestamp: i64 = one.header("webhook-timestamp").parse().expect("seconds");
    assert!((clock::wall().millis() / 1000 - timestamp).abs() < 600, "the time of the attempt");
    let mut mac = Hmac::<Sha256>::new_from_slice(&SECRET).expect("a key");
    mac.update(format!("{}.{timestamp}.{}", one.header("webhook-id"), one.text()).as_bytes());
    assert_eq!(one.header("webhook-signature"), format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
}

/// Where the record of an id is.
fn place(id: &str) -> (i32, i64) {
    let parts: Vec<&str> = id.split('-').collect();
    (parts[1].parse().expect("a partition"), parts[2].parse().expect("an offset"))
}

/// Ids by the place of their record, of requests that pass a test. Every record has one id, and comes as it was published.
fn by_place(received: &[Received], published: &[Output], wanted: impl Fn(&Received) -> bool) -> BTreeMap<(i32, i64), String> {
    let values: BTreeMap<(i32, i64), &str> = published.iter().map(|one| ((one.partition, one.offset), one.text())).collect();
    let mut ids = BTreeMap::new();
    for one in received.iter().filter(|one| wanted(one)) {
        let id = one.header("webhook-id");
        assert_eq!(values.get(&place(id)), Some(&one.text()), "{id} is as it was published");
        let known = ids.entry(place(id)).or_insert_with(|| id.to_owned());
        assert_eq!(known, id, "a record has one id");
    }
    ids
}

/// Fails when a record of a partition was taken before another that was published before it. Repeats do not matter.
fn assert_in_order(received: &[Received]) {
    let mut seen = BTreeSet::new();
    let mut newest = BTreeMap::<i32, i64>::new();
    for one in received.iter().filter(|one| one.is_taken()) {
        let (partition, offset) = place(one.header("webhook-id"));
        if seen.insert((partition, offset)) {
            let before = newest.insert(partition, offset);
            assert!(before < Some(offset), "{partition}: {offset} comes after {before:?}");
        }
    }
}

fn is_wanted(record: &Value) -> bool {
    record["kind"] == "purchase" || record["kind"] == "life_stage"
}

fn is_refused(record: &Value) -> bool {
    record["to"] == "order_fell" || record["to"] == "lapsed"
}

/// Cuts the first connection, then is in trouble, then busy, and then in trouble at times. Of some records it wants to know nothing.
fn moody(number: usize, one: &Received) -> &'static str {
    match number {
        0 => "",
        1 | 2 => "500 Oops",
        3 => "429 Slow\r\nretry-after: 2",
        4 => "302 Found\r\nlocation: /elsewhere",
        _ if is_refused(&one.json()) => "400 Bad Request",
        _ if number % 40 == 7 => "503 Busy\r\nretry-after: 0",
        _ => "200 OK",
    }
}

#[test]
fn records_arrive_at_least_once_in_order_whoever_fails_and_dies() {
    let bootstrap = Broker::shared().bootstrap();
    let receiver = Receiver::start(moody);
    let name = "webhook-crashes";
    let mut feed = Feed::without_merges(&bootstrap, name, PARTITIONS, 5);
    let webhook = "records = [\"transitions\"]\nwhere = { kind = [\"purchase\", \"life_stage\"] }\nfrom = \"earliest\"";
    let group = group(&bootstrap, name, receiver.port, webhook);
    feed.feed(900);
    let mut process = group.start();
    wait_for_requests(&mut process, &receiver, 30);
    process.kill9();
    feed.feed(600);
    let mut process = group.start();
    let seen = receiver.count();
    wait_for_requests(&mut process, &receiver, seen + 60);
    process.kill9();
    let (mut process, mut other) = (group.start(), group.start());
    feed.feed(600);
    wait_until_counted(&mut process, &bootstrap, &group, &[name]);
    other.assert_runs();
    other.terminate();
    wait_until_delivered(&mut process, &bootstrap, &group, &["transitions"]);
    let waiting = r#"stickiness_webhook_oldest_undelivered_seconds{webhook="crm",records="transitions"}"#;
    let stopwatch = Stopwatch::start();
    while process.metric(waiting) != Some(0.0) {
        assert!(stopwatch.elapsed() < PATIENCE, "nothing waits\n{:?}", process.metrics_page());
        std::thread::sleep(Duration::from_millis(100));
    }
    process.terminate();

    let published = read_committed(&bootstrap, &topic(&group, "transitions"));
    let requests = receiver.received();
    requests.iter().for_each(assert_is_signed);
    let json = |output: &Output| serde_json::from_str::<Value>(output.text()).expect("JSON");
    let places = |wanted: &dyn Fn(&Value) -> bool| -> BTreeSet<(i32, i64)> {
        published.iter().filter(|one| wanted(&json(one))).map(|one| (one.partition, one.offset)).collect()
    };
    let taken = by_place(&requests, &published, Received::is_taken);
    let expected = places(&|record| is_wanted(record) && !is_refused(record));
    assert!(expected.len() > 200, "{} records are wanted", expected.len());
    assert_eq!(taken.keys().copied().collect::<BTreeSet<_>>(), expected, "all that pass the filter, and no other");
    by_place(&requests, &published, |_| true);
    assert_in_order(&requests);
    let repeated = requests.iter().filter(|one| one.is_taken()).count() - expected.len();
    println!("{} requests, {} records taken, {repeated} of them again", requests.len(), expected.len());

    let refused = places(&|record| is_wanted(record) && is_refused(record));
    assert!(refused.len() > 3, "{} records are refused", refused.len());
    let header = |dead: &Output, name: &str| {
        let found = dead.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        String::from_utf8(found.expect(name)).expect("text")
    };
    let mut kept = BTreeSet::new();
    for dead in read_committed(&bootstrap, &format!("{name}-dead")).iter().filter(|dead| header(dead, "stickiness.reason") == "undelivered")
    {
        let number = |name| header(dead, name).parse::<i64>().expect("digits");
        let place = (i32::try_from(number("stickiness.partition")).expect("small"), number("stickiness.offset"));
        let original = published.iter().find(|one| (one.partition, one.offset) == place).expect("it was published");
        assert_eq!((&dead.key, &dead.value), (&original.key, &original.value));
        assert_eq!(header(dead, "stickiness.topic"), topic(&group, "transitions"));
        assert_eq!(header(dead, "stickiness.webhook"), "crm");
        assert_eq!(header(dead, "stickiness.detail"), "400 Bad Request: fine");
        kept.insert(place);
    }
    assert_eq!(kept, refused, "what was given up is a dead letter");
    let log = group.log();
    assert!(log.contains("a webhook does not take records, trying again") && log.contains("they are dead letters"), "{log}");
    assert!(!log.contains("hunter") && !log.contains(&STANDARD.encode(SECRET)), "no secret is logged");
}

#[test]
fn a_new_webhook_begins_with_what_comes_and_goes_on_where_it_was_left() {
    let bootstrap = Broker::shared().bootstrap();
    let receiver = Receiver::start(|_, _| "200 OK");
    let name = "webhook-begins";
    let mut feed = Feed::without_merges(&bootstrap, name, PARTITIONS, 6);
    let group = group(&bootstrap, name, receiver.port, "records = [\"transitions\", \"churn_risk\"]");
    let with_webhook = group.settings();
    group.write_settings(with_webhook.split("[[webhooks]]").next().expect("settings without it"));
    feed.feed(400);
    let mut process = group.start();
    wait_until_counted(&mut process, &bootstrap, &group, &[name]);
    process.terminate();

    let kinds = ["transitions", "churn_risk"];
    let begins: BTreeMap<&str, Vec<i64>> = kinds.into_iter().map(|kind| (kind, ends(&bootstrap, &topic(&group, kind)))).collect();
    group.write_settings(&with_webhook);
    let mut process = group.start();
    wait_until_delivered(&mut process, &bootstrap, &group, &kinds);
    assert_eq!(receiver.count(), 0, "what was published before is not news");
    feed.feed(400);
    wait_until_counted(&mut process, &bootstrap, &group, &[name]);
    wait_until_delivered(&mut process, &bootstrap, &group, &kinds);
    process.terminate();
    // Published while the webhook is away.
    group.write_settings(with_webhook.split("[[webhooks]]").next().expect("settings without it"));
    feed.feed(400);
    let mut process = group.start();
    wait_until_counted(&mut process, &bootstrap, &group, &[name]);
    process.terminate();
    let before = receiver.count();
    group.write_settings(&with_webhook);
    let mut process = group.start();
    wait_until_delivered(&mut process, &bootstrap, &group, &kinds);
    process.terminate();
    assert!(receiver.count() > before, "what was missed is delivered");
    for kind in kinds {
        let published = read_committed(&bootstrap, &topic(&group, kind));
        let of_kind: Vec<Received> =
            receiver.received().into_iter().filter(|one| one.header("webhook-id").starts_with(&format!("{kind}-"))).collect();
        let first = |partition: i32| begins[kind][usize::try_from(partition).expect("small")];
        let news = published.iter().map(|one| (one.partition, one.offset)).filter(|(partition, offset)| *offset >= first(*partition));
        let arrived = by_place(&of_kind, &published, |_| true);
        assert!(!arrived.is_empty(), "{kind}");
        assert_eq!(arrived.into_keys().collect::<BTreeSet<_>>(), news.collect(), "{kind}");
        assert_in_order(&of_kind);
    }
}

#[test]
fn an_endpoint_that_never_answers_holds_up_nothing_but_itself() {
    let bootstrap = Broker::shared().bootstrap();
    let receiver = Receiver::start(|number, _| {
        std::thread::sleep(if number == 0 { Duration::from_mins(2) } else { Duration::ZERO });
        "200 OK"
    });
    let name = "webhook-silent";
    let mut feed = Feed::without_merges(&bootstrap, name, PARTITIONS, 7);
    let group = group(&bootstrap, name, receiver.port, "records = [\"transitions\"]\nfrom = \"earliest\"\ntimeout = \"60s\"");
    feed.feed(1_000);
    let mut process = group.start();
    wait_until_counted(&mut process, &bootstrap, &group, &[name]);
    let waits = r#"stickiness_webhook_oldest_undelivered_seconds{webhook="crm",records="transitions"}"#;
    let stopwatch = Stopwatch::start();
    while process.metric(waits) <= Some(1.0) {
        process.assert_runs();
        assert!(stopwatch.elapsed() < PATIENCE, "{waits} tells of it\n{:?}", process.metrics_page());
        std::thread::sleep(Duration::from_millis(100));
    }
    let stopwatch = Stopwatch::start();
    process.terminate();
    assert!(stopwatch.elapsed() < Duration::from_secs(30), "a stop does not wait for it");
}

#[test]
fn more_than_waits_in_memory_is_fetched_again_and_none_is_left_out() {
    const RECORDS: usize = 15_000;
    let bootstrap = Broker::shared().bootstrap();
    // While it asks for time, all that there is room for is fetched.
    let receiver = Receiver::start(|number, _| if number < 3 { "503 Busy\r\nretry-after: 2" } else { "200 OK" });
    let name = "webhook-backlog";
    create_topic(&bootstrap, name, 1);
    create_topic(&bootstrap, &format!("{name}-transitions"), 1);
    let values: Vec<String> = (0..RECORDS)
        .map(|number| json!({"kind": "brand", "user_id": format!("u{}", number % 50), "to": number.to_string()}).to_string())
        .collect();
    let inputs = values.iter().map(|value| Input { partition: 0, key: "k", value, timestamp_ms: clock::wall().millis() });
    produce(&bootstrap, &format!("{name}-transitions"), inputs);
    let webhook = "records = [\"transitions\"]\nwhere = { kind = \"brand\" }\nfrom = \"earliest\"";
    let mut group = group(&bootstrap, name, receiver.port, webhook);
    group.environment.push(("RUST_LOG".to_owned(), "info,stickiness::io::webhooks=debug".to_owned()));
    let mut process = group.start();
    process.wait_for_log("so much waits that no more is fetched", PATIENCE);
    wait_for_requests(&mut process, &receiver, RECORDS + 3);
    wait_until_delivered(&mut process, &bootstrap, &group, &["transitions"]);
    process.terminate();
    let mut seen = BTreeSet::new();
    let mut is_first = |one: &Received| one.is_taken() && seen.insert(one.header("webhook-id").to_owned());
    let taken: Vec<String> = receiver.received().into_iter().filter(|one| is_first(one)).map(|one| one.text().to_owned()).collect();
    assert!(taken == values, "all, in order: {} of {RECORDS}", taken.len());
}

#[test]
fn a_partition_that_is_added_is_delivered_from_its_first_record() {
    let bootstrap = Broker::shared().bootstrap();
    let receiver = Receiver::start(|_, _| "200 OK");
    let name = "webhook-grows";
    let transitions = format!("{name}-transitions");
    create_topic(&bootstrap, name, 1);
    create_topic(&bootstrap, &transitions, 1);
    let record = |partition, number: i64| (partition, json!({"kind": "brand", "user_id": "u", "to": number.to_string()}).to_string());
    let publish = |records: &[(i32, String)]| {
        let now = clock::wall().millis();
        let inputs = records.iter().map(|(partition, value)| Input { partition: *partition, key: "u", value, timestamp_ms: now });
        produce(&bootstrap, &transitions, inputs);
    };
    publish(&[record(0, -1)]);
    let more = "records = [\"transitions\"]\nwhere = { kind = \"brand\" }";
    let group = group(&bootstrap, name, receiver.port, more);
    let refresh = "kafka.properties.\"topic.metadata.refresh.interval.ms\" = \"1000\"\n";
    group.write_settings(&format!("{refresh}{}", group.settings()));
    let mut process = group.start();
    wait_until_delivered(&mut process, &bootstrap, &group, &["transitions"]);
    // The records are there before the webhook can know of their partition.
    block_on(Topics::new(&connection(&bootstrap)).expect("a client").grow(&transitions, 2)).expect("grown");
    let stopwatch = Stopwatch::start();
    while partition_count(&bootstrap, &transitions) < 2 {
        assert!(stopwatch.elapsed() < PATIENCE, "the broker knows the partition");
    }
    let news: Vec<(i32, String)> = (0..20).map(|number| record(1, number)).collect();
    publish(&news);
    wait_for_requests(&mut process, &receiver, news.len());
    wait_until_delivered(&mut process, &bootstrap, &group, &["transitions"]);
    process.terminate();
    let bodies: Vec<String> = receiver.received().into_iter().map(|one| one.text().to_owned()).collect();
    assert_eq!(bodies, news.into_iter().map(|(_, value)| value).collect::<Vec<_>>(), "all of them, and nothing from before");
}
