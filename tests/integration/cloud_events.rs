//! `CloudEvents` in binary mode: attributes in headers, read and written.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};

use crate::support::broker::Broker;
use crate::support::feed::{MORE, PATIENCE, finish};
use crate::support::outputs::metrics;
use crate::support::process::Group;
use crate::support::records::{Output, create_topic, read_committed};

/// 2026-01-31T12:00:00Z.
const NOON_MS: i64 = 1_769_860_800_000;

fn headers(id: &str, user: &str) -> Vec<(&'static str, String)> {
    let attribute = |name, value: &str| (name, value.to_owned());
    vec![
        attribute("ce_specversion", "1.0"),
        attribute("ce_id", id),
        attribute("ce_source", "/shop"),
        attribute("ce_type", "activity"),
        attribute("ce_subject", user),
        attribute("ce_time", "2026-01-31T12:00:00Z"),
        attribute("traceparent", "00-1-2-01"),
    ]
}

/// Events of ada (twice the same), bob, cy in structured mode, and one of eve whose data is no JSON.
fn produce(bootstrap: &str, topic: &str) {
    create_topic(bootstrap, topic, 1);
    let structured =
        r#"{"specversion":"1.0","id":"e3","source":"/shop","type":"activity","subject":"cy","time":"2026-01-31T12:00:00Z","data":{}}"#;
    let rows = [
        (headers("e1", "ada"), r#"{"channel":"web"}"#),
        (headers("e1", "ada"), r#"{"channel":"web"}"#),
        (headers("e2", "bob"), r#"{"channel":"app"}"#),
        (vec![("content-type", "application/cloudevents+json".to_owned())], structured),
        (headers("e4", "eve"), "no JSON"),
    ];
    let producer: ThreadedProducer<_> = ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a producer");
    for (headers, value) in rows {
        let all = headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(value) }));
        let record = BaseRecord::<str, str>::to(topic).partition(0).payload(value).headers(all).timestamp(NOON_MS);
        producer.send(record).map_err(|(error, _)| error).expect("room in the queue");
    }
    producer.flush(PATIENCE).expect("delivered");
}

fn header(record: &Output, name: &str) -> Option<String> {
    let found = record.headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
}

fn counts_and_says_events(name: &str, more: &str) {
    let bootstrap = Broker::shared().bootstrap();
    produce(&bootstrap, name);
    let settings = format!("{MORE}\ninput.format = \"cloudevents\"\npublish.headers = \"cloudevents\"\n{more}");
    let group = Group::new(&bootstrap, name, &[name], &settings);
    let log = format!("{name}.events");
    let topics: &[&str] = if more.is_empty() { &[name] } else { &[name, log.as_str()] };
    let process = group.start();
    process.wait_for_log("io::worker::restore: state restored", PATIENCE);
    finish(process, &bootstrap, &group, topics);

    let records = metrics(&bootstrap, &group.name);
    let dau: BTreeMap<&str, i64> = ["all", "channel=web", "channel=app"]
        .into_iter()
        .map(|segment| (segment, records[&format!("{segment}|2026-01-31")]["dau"].as_i64().expect("a number")))
        .collect();
    assert_eq!(dau, BTreeMap::from([("all", 3), ("channel=web", 1), ("channel=app", 1)]));

    for topic in ["metrics", "transitions", "churn-risk", "profiles"] {
        let said = read_committed(&bootstrap, &format!("{name}-{topic}"));
        assert!(!said.is_empty(), "{topic}");
        for record in &said {
            let value: serde_json::Value = serde_json::from_slice(record.value.as_deref().expect("a value")).expect("JSON");
            let told = ["ce_specversion", "ce_type", "ce_source", "ce_subject", "content-type"].map(|name| header(record, name));
            let schema = value["schema"].as_str().expect("a schema").to_owned();
            let expected = [
                "1.0".to_owned(),
                schema,
                format!("/stickiness/{name}"),
                record.key.clone().expect("a key"),
                "application/json".to_owned(),
            ];
            assert_eq!(told, expected.map(Some), "{topic}");
        }
        let ids: BTreeSet<Option<String>> = said.iter().map(|record| header(record, "ce_id")).collect();
        assert_eq!(ids.len(), said.len(), "each record of {topic} has an id of its own");
    }

    let dead = read_committed(&bootstrap, &format!("{name}-dead"));
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].value.as_deref(), Some("no JSON".as_bytes()));
    assert_eq!(header(&dead[0], "stickiness.reason").as_deref(), Some("malformed"));
    for (name, value) in headers("e4", "eve") {
        assert_eq!(header(&dead[0], name).as_deref(), Some(value.as_str()), "what came with it is kept");
    }
}

#[test]
fn events_in_binary_mode_are_counted_and_said() {
    counts_and_says_events("cloud", "");
}

#[test]
fn events_in_binary_mode_are_forwarded() {
    counts_and_says_events("cloud-forwarded", "kafka.repartition = true");
}
