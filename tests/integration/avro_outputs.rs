//! What is published as Avro, by schemas that are registered, and read back by the service itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use serde_json::{Value, json};
use stickiness::io::clock::Stopwatch;
use stickiness::wire::registry::Framed;
use stickiness::wire::registry::avro::AvroSchema;
use stickiness::wire::schema::avro::leave_out_absent;

use crate::support::broker::Broker;
use crate::support::feed::{Feed, MORE, PATIENCE, finish, wait_until_counted};
use crate::support::outputs::{Outputs, assert_same};
use crate::support::process::Group;
use crate::support::receiver::Receiver;
use crate::support::records::{Output, create_topic, is_committed, read_committed};
use crate::support::server::{Answer, Request, serve};

/// Subjects and schemas; the place of one is its id less `FIRST`.
type Registered = Arc<Mutex<Vec<(String, String)>>>;

const FIRST: usize = 70_000;

/// A registry that takes any schema, once it is well.
fn registry(registered: &Registered) -> u16 {
    let (registered, troubles) = (Arc::clone(registered), Mutex::new(2));
    serve(move |request| {
        let mut troubles = troubles.lock().expect("no panic");
        if *troubles > 0 {
            *troubles -= 1;
            return ("503 Service Unavailable", String::new());
        }
        answer(request, &mut registered.lock().expect("no panic"))
    })
}

fn answer(request: &Request, registered: &mut Vec<(String, String)>) -> Answer {
    let path: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    let told: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let schema = told["schema"].as_str().unwrap_or_default();
    match (request.method.as_str(), path.as_slice()) {
        ("POST", ["subjects", "refused-metrics-value", ..]) => {
            ("409 Conflict", json!({"error_code": 409, "message": "incompatible with an earlier schema"}).to_string())
        }
        ("POST", ["subjects", subject, rest @ ..]) => {
            let known = registered.iter().position(|(by, text)| by == subject && text == schema);
            if known.is_none() && rest != ["versions"] {
                return ("404 Not Found", json!({"error_code": 40403, "message": "Schema not found"}).to_string());
            }
            let place = known.unwrap_or_else(|| {
                registered.push(((*subject).to_owned(), schema.to_owned()));
                registered.len() - 1
            });
            ("200 OK", json!({"id": FIRST + place}).to_string())
        }
        ("GET", ["schemas", "ids", id]) => {
            let place = id.parse::<usize>().ok().and_then(|id| id.checked_sub(FIRST));
            match place.and_then(|place| registered.get(place)) {
                Some((_, text)) => ("200 OK", json!({"schema": text}).to_string()),
                None => ("404 Not Found", json!({"error_code": 40403, "message": "Schema not found"}).to_string()),
            }
        }
        _ => ("404 Not Found", String::new()),
    }
}

/// A record as a consumer with the registry reads it.
fn read(registered: &Registered, record: &Output) -> Option<Value> {
    let value = record.value.as_deref()?;
    let Some(framed) = Framed::read(value) else { return Some(serde_json::from_slice(value).expect("JSON")) };
    let schemas = registered.lock().expect("no panic");
    let (_, text) = &schemas[usize::try_from(framed.schema).expect("small") - FIRST];
    let mut value = AvroSchema::parse(text, &[]).expect("a schema").to_value(framed.datum).expect("of its schema");
    leave_out_absent(value.as_object_mut().expect("a record"));
    Some(value)
}

/// The newest metrics, without their revisions, whose records must each say something new.
fn metrics(records: &[Output], read: impl Fn(&Output) -> Option<Value>) -> BTreeMap<String, Value> {
    let mut newest: BTreeMap<String, Value> = BTreeMap::new();
    let mut revisions: BTreeMap<String, u64> = BTreeMap::new();
    for record in records {
        let (key, mut value) = (record.key.clone().expect("a key"), read(record).expect("a value"));
        let revision = value["revision"].take().as_u64().expect("a number");
        assert_eq!(revision, revisions.get(&key).map_or(0, |before| before + 1), "{key}");
        revisions.insert(key.clone(), revision);
        let before = newest.insert(key.clone(), value.clone());
        assert_ne!(before, Some(value), "{key} is said twice");
    }
    newest
}

/// Records by key, in order, as consumers with the registry read them.
fn by_key(bootstrap: &str, topic: &str, registered: &Registered) -> BTreeMap<String, Vec<Option<Value>>> {
    let mut records = BTreeMap::<String, Vec<Option<Value>>>::new();
    for output in read_committed(bootstrap, topic) {
        records.entry(output.key.clone().expect("a key")).or_default().push(read(registered, &output));
    }
    records
}

/// Numbers as doubles: where a field can be any number, JSON has a whole one as it was given.
fn as_doubles(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => values.iter().map(as_doubles).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), as_doubles(value))).collect(),
        other => other.clone(),
    }
}

fn last_as_doubles(records: BTreeMap<String, Vec<Option<Value>>>) -> BTreeMap<String, Option<Value>> {
    records.into_iter().map(|(key, mut values)| (key, values.pop().flatten().map(|value| as_doubles(&value)))).collect()
}

/// A group whose records were JSON and become Avro, with a webhook.
fn group(bootstrap: &str, name: &str, port: u16) -> Group {
    let more = format!(
        "[[webhooks]]\nname = \"crm\"\nurl = \"http://127.0.0.1:{port}/in\"\nsecret_env = \"CRM_SECRET\"\n\
         records = [\"transitions\"]\nfrom = \"earliest\""
    );
    let mut group = Group::new(bootstrap, name, &[name], &format!("{MORE}\n{more}"));
    group.environment.push(("CRM_SECRET".to_owned(), "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH".to_owned()));
    group
}

fn become_avro(group: &Group, registry: u16) {
    let avro = format!(
        "publish.format = \"avro\"\npublish.headers = \"cloudevents\"\npublish.registry = {{ url = \"http://127.0.0.1:{registry}\" }}\n"
    );
    group.write_settings(&format!("{avro}{}", group.settings()));
}

#[test]
fn avro_says_what_json_says_and_is_read_back_after_a_restart() {
    let bootstrap = Broker::shared().bootstrap();
    let (name, registered) = ("avro-outputs", Registered::default());
    let port = registry(&registered);
    let receiver = Receiver::start(|_, _| "200 OK");
    let (plain, group) = (Group::new(&bootstrap, "avro-outputs-json", &[name], MORE), group(&bootstrap, name, receiver.port));
    let mut feed = Feed::new(&bootstrap, name, 2, true, 5);
    feed.feed(1_500);
    finish(group.start(), &bootstrap, &group, &[name]);
    become_avro(&group, port);
    feed.feed(1_500);
    let process = group.start();
    process.wait_for_log("waiting for the schema registry", PATIENCE);
    finish(process, &bootstrap, &group, &[name]);
    let [metrics_topic, transitions_topic] = ["metrics", "transitions"].map(|kind| format!("{name}-{kind}"));
    let published = read_committed(&bootstrap, &metrics_topic).len();
    let mut process = group.start();
    process.wait_for_log("io::aggregation: aggregating", PATIENCE);
    let stopwatch = Stopwatch::start();
    while !is_committed(&bootstrap, &format!("{name}.webhook.crm.transitions"), &transitions_topic) {
        process.assert_runs();
        assert!(stopwatch.elapsed() < PATIENCE, "everything is delivered\n{}", process.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    process.terminate();
    assert_eq!(read_committed(&bootstrap, &metrics_topic).len(), published, "nothing was said again");

    group.write_settings(&group.settings().replace("publish.format = \"avro\"", "publish.format = \"json\""));
    finish(group.start(), &bootstrap, &group, &[name]);
    assert_eq!(read_committed(&bootstrap, &metrics_topic).len(), published, "nor when records become JSON again");

    finish(plain.start(), &bootstrap, &plain, &[name]);
    let json = Outputs::read(&bootstrap, &plain.name);
    let all = read_committed(&bootstrap, &metrics_topic);
    assert_same(&metrics(&all, |record| read(&registered, record)), &json.metrics);
    for (kind, expected) in [("transitions", &json.transitions), ("churn-risk", &json.risks), ("alerts", &json.alerts)] {
        let found = by_key(&bootstrap, &format!("{name}-{kind}"), &registered);
        let texts = |values: Vec<Option<Value>>| values.into_iter().flatten().map(|value| value.to_string()).collect();
        let found: BTreeMap<String, Vec<String>> = found.into_iter().map(|(key, values)| (key, texts(values))).collect();
        assert_same(&found, expected);
    }
    let profiles = |name: &str| last_as_doubles(by_key(&bootstrap, &format!("{name}-profiles"), &registered));
    assert_same(&profiles(name), &profiles(&plain.name));

    let told: BTreeSet<String> = receiver.received().into_iter().map(|one| one.text().to_owned()).collect();
    assert_eq!(told, json.transitions.values().flatten().cloned().collect(), "webhooks get JSON");
    assert_framed(&read_committed(&bootstrap, &transitions_topic), &registered);
}

/// The first records are JSON, those after them Avro of the subject of their topic, with headers that say so.
fn assert_framed(records: &[Output], registered: &Registered) {
    let is_avro = |record: &&Output| Framed::read(record.value.as_deref().unwrap_or_default()).is_some();
    let avro: Vec<&Output> = records.iter().filter(is_avro).collect();
    assert!(!avro.is_empty() && avro.len() < records.len(), "{} of {}", avro.len(), records.len());
    let subjects: Vec<String> = registered.lock().expect("no panic").iter().map(|(subject, _)| subject.clone()).collect();
    let expected = ["alerts", "churn-risk", "metrics", "profiles", "transitions"].map(|kind| format!("avro-outputs-{kind}-value"));
    assert_eq!(subjects.iter().cloned().collect::<BTreeSet<_>>(), BTreeSet::from(expected));
    for record in avro {
        let schema = Framed::read(record.value.as_deref().expect("a value")).expect("a frame").schema;
        assert_eq!(subjects[usize::try_from(schema).expect("small") - FIRST], "avro-outputs-transitions-value");
        let header = |name: &str| record.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice());
        assert_eq!(header("content-type"), Some("application/avro".as_bytes()));
        assert_eq!(header("ce_type"), Some("stickiness.transitions.v1".as_bytes()));
    }
}

/// A value of a schema that no registry knows.
const UNKNOWN: [u8; 7] = [0, 0, 0, 3, 0xe5, 1, 2];

/// Publishes a value of a schema that no registry knows.
fn spoil(bootstrap: &str, topic: &str, key: &str) {
    let producer: ThreadedProducer<_> = ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a producer");
    let record = BaseRecord::<str, [u8]>::to(topic).key(key).payload(&UNKNOWN);
    producer.send(record).map_err(|(error, _)| error).expect("room in the queue");
    producer.flush(PATIENCE).expect("delivered");
}

#[test]
fn what_cannot_be_read_back_is_said_again_and_given_up_by_webhooks() {
    let bootstrap = Broker::shared().bootstrap();
    let (name, registered) = ("avro-spoilt", Registered::default());
    let port = registry(&registered);
    let receiver = Receiver::start(|_, _| "200 OK");
    let group = group(&bootstrap, name, receiver.port);
    become_avro(&group, port);
    let mut feed = Feed::new(&bootstrap, name, 1, true, 7);
    feed.feed(300);
    finish(group.start(), &bootstrap, &group, &[name]);
    let [metrics_topic, transitions_topic] = ["metrics", "transitions"].map(|kind| format!("{name}-{kind}"));
    let last = read_committed(&bootstrap, &metrics_topic).pop().expect("metrics");
    let key = last.key.clone().expect("a key");
    spoil(&bootstrap, &metrics_topic, &key);
    spoil(&bootstrap, &transitions_topic, "ada");
    let mut process = group.start();
    let stopwatch = Stopwatch::start();
    let is_dealt_with = || is_committed(&bootstrap, &format!("{name}.webhook.crm.transitions"), &transitions_topic);
    let is_news = |record: &Output| record.key.as_ref() == Some(&key) && record.value.as_deref() != Some(&UNKNOWN);
    let is_said_again = || read_committed(&bootstrap, &metrics_topic).last().is_some_and(is_news);
    while !(is_dealt_with() && is_said_again()) {
        process.assert_runs();
        assert!(stopwatch.elapsed() < PATIENCE, "it is dealt with\n{}", process.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    process.wait_for_log("a record that was published cannot be read back", PATIENCE);
    process.terminate();
    let again = read_committed(&bootstrap, &metrics_topic).pop().expect("metrics");
    let [mut before, mut after] = [&last, &again].map(|record| read(&registered, record).expect("a value"));
    assert!(after["revision"].take().as_u64() > before["revision"].take().as_u64(), "a later revision");
    assert_eq!(after, before, "the same figures");
    let dead = read_committed(&bootstrap, &format!("{name}-dead"));
    let reason = |record: &Output| record.headers.iter().any(|(name, value)| name == "stickiness.reason" && value == b"undelivered");
    let undelivered: Vec<&Output> = dead.iter().filter(|record| reason(record)).collect();
    assert_eq!(undelivered.len(), 1);
    assert_eq!(undelivered[0].value.as_deref(), Some(UNKNOWN.as_slice()), "byte for byte");
}

#[test]
fn a_follower_and_an_aggregator_that_wait_for_the_registry_stop_when_they_are_told_to() {
    let bootstrap = Broker::shared().bootstrap();
    let (name, registered) = ("avro-away", Registered::default());
    let is_away = Arc::new(AtomicBool::new(false));
    let (shared, away) = (Arc::clone(&registered), Arc::clone(&is_away));
    let port = serve(move |request| {
        let is_lookup = request.path.starts_with("/schemas/ids/");
        if is_lookup && away.load(Ordering::Relaxed) {
            ("503 Service Unavailable", String::new())
        } else {
            answer(request, &mut shared.lock().expect("no panic"))
        }
    });
    let group = Group::new(&bootstrap, name, &[name], &format!("{MORE}\nworkers.step_limit = \"10s\""));
    become_avro(&group, port);
    let mut feed = Feed::new(&bootstrap, name, 1, true, 7);
    feed.feed(300);
    let mut first = group.start();
    wait_until_counted(&mut first, &bootstrap, &group, &[name]);
    first.wait_for_log("io::aggregation: aggregating", PATIENCE);
    is_away.store(true, Ordering::Relaxed);
    let mut follower = group.start();
    follower.wait_for_log("io::worker: partitions assigned", PATIENCE);
    spoil(&bootstrap, &format!("{name}-metrics"), "all|2026-01-01");
    follower.wait_for_log("a record that was published cannot be read back", PATIENCE);
    std::thread::sleep(Duration::from_secs(12));
    follower.assert_runs();
    first.terminate();
    follower.wait_for_log("waiting for the schema registry", PATIENCE);
    follower.terminate();
}

#[test]
fn a_registry_that_refuses_a_schema_is_told_and_nothing_starts() {
    let bootstrap = Broker::shared().bootstrap();
    let (name, registered) = ("refused", Registered::default());
    let port = registry(&registered);
    create_topic(&bootstrap, name, 1);
    for (more, reason) in [
        ("", "incompatible with an earlier schema"),
        (", register = false", "the schema registry has no id for the Avro schema of subject `refused-metrics-value`: 409 Conflict"),
    ] {
        let registry = format!("publish.format = \"avro\"\npublish.registry = {{ url = \"http://127.0.0.1:{port}\"{more} }}");
        let group = Group::new(&bootstrap, name, &[name], &format!("{MORE}\n{registry}"));
        let mut process = group.start();
        assert_eq!(process.wait(PATIENCE).code(), Some(1));
        let log = process.log();
        assert!(log.contains("publish.format = \"avro\": ") && log.contains(reason), "{log}");
    }
    assert!(registered.lock().expect("no panic").is_empty());
}

#[test]
fn with_register_false_schemas_must_be_there() {
    let bootstrap = Broker::shared().bootstrap();
    let (name, registered) = ("unregistered", Registered::default());
    let port = registry(&registered);
    create_topic(&bootstrap, name, 1);
    let registry = format!("publish.format = \"avro\"\npublish.registry = {{ url = \"http://127.0.0.1:{port}\", register = false }}");
    let group = Group::new(&bootstrap, name, &[name], &format!("{MORE}\n{registry}"));
    let mut process = group.start();
    assert_eq!(process.wait(PATIENCE).code(), Some(1));
    assert!(process.log().contains("subject `unregistered-metrics-value`: 404 Not Found"), "{}", process.log());
    let settings = group.settings();
    for register in ["true", "false"] {
        group.write_settings(&settings.replace("register = false", &format!("register = {register}")));
        let process = group.start();
        process.wait_for_log("io::aggregation: aggregating", PATIENCE);
        process.terminate();
        assert_eq!(registered.lock().expect("no panic").len(), 5);
    }
}
