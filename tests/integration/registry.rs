//! Topics whose schemas are in a registry.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use serde_json::json;

use crate::support::broker::Broker;
use crate::support::feed::{MORE, PATIENCE, finish};
use crate::support::outputs::metrics;
use crate::support::process::Group;
use crate::support::records::{create_topic, read_committed};
use crate::support::server::{Answer, Request, serve};

/// 2026-01-31T12:00:00Z.
const NOON_MS: i64 = 1_769_860_800_000;

/// A registry that speaks as Confluent's does, and is not well at first.
struct Registry {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    /// One that has `answers` by path, and wants `ada` with the password `lovelace`.
    fn start(answers: BTreeMap<&'static str, String>) -> Self {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&asked);
        let port = serve(move |request| answer(request, &answers, &log));
        Self { port, asked }
    }
}

fn answer(request: &Request, answers: &BTreeMap<&'static str, String>, log: &Mutex<Vec<String>>) -> Answer {
    let is_let_in = request.headers.iter().any(|line| line.eq_ignore_ascii_case("authorization: Basic YWRhOmxvdmVsYWNl"));
    let mut asked = log.lock().expect("no panic");
    asked.push(request.path.clone());
    let (status, body) = match answers.get(request.path.as_str()) {
        _ if !is_let_in => ("401 Unauthorized", r#"{"error_code":401,"message":"who?"}"#),
        _ if asked.len() < 3 => ("500 Internal Server Error", r#"{"error_code":50001,"message":"not yet"}"#),
        Some(schema) => ("200 OK", schema.as_str()),
        None => ("404 Not Found", r#"{"error_code":40403,"message":"Schema not found"}"#),
    };
    (status, body.to_owned())
}

fn framed(schema: u8, datum: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, schema], datum].concat()
}

fn produce(bootstrap: &str, topic: &str, values: &[Vec<u8>]) {
    create_topic(bootstrap, topic, 1);
    let producer: ThreadedProducer<_> = ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a producer");
    for value in values {
        let record = BaseRecord::<str, [u8]>::to(topic).partition(0).payload(value).timestamp(NOON_MS);
        producer.send(record).map_err(|(error, _)| error).expect("room in the queue");
    }
    producer.flush(PATIENCE).expect("delivered");
}

/// Values that were refused, and why.
type Refused = Vec<(Vec<u8>, String)>;

/// Counts the values of a topic, and says who was active by channel, and why what was refused was.
fn count(name: &str, format: &str, registry: &Registry, values: &[Vec<u8>]) -> (BTreeMap<String, i64>, Refused) {
    let bootstrap = Broker::shared().bootstrap();
    produce(&bootstrap, name, values);
    let registry = format!("url = \"http://127.0.0.1:{}\", username = \"ada\", password = \"lovelace\"", registry.port);
    let group = Group::new(&bootstrap, name, &[name], &format!("{MORE}\ninput.format = \"{format}\"\ninput.registry = {{ {registry} }}"));
    let process = group.start();
    process.wait_for_log("waiting for the schema registry", PATIENCE);
    finish(process, &bootstrap, &group, &[name]);
    let records = metrics(&bootstrap, &group.name);
    let of_day = records.iter().filter_map(|(key, record)| Some((key.strip_suffix("|2026-01-31")?.to_owned(), record["dau"].as_i64()?)));
    let dead = read_committed(&bootstrap, &format!("{name}-dead")).into_iter().map(|record| {
        let detail = record.headers.iter().find(|(name, _)| name == "stickiness.detail").expect("why").1.clone();
        (record.value.expect("a value"), String::from_utf8(detail).expect("text"))
    });
    (of_day.collect(), dead.collect())
}

fn active(segments: &[(&str, i64)]) -> BTreeMap<String, i64> {
    segments.iter().map(|(segment, users)| ((*segment).to_owned(), *users)).collect()
}

#[test]
fn avro_is_read_by_the_schema_of_each_record() {
    let flat = json!({"type": "record", "name": "Flat", "fields": [
        {"name": "user_id", "type": "string"},
        {"name": "type", "type": "string"},
        {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "properties", "type": {"type": "map", "values": "string"}},
    ]});
    let without = json!({"type": "record", "name": "Bare", "fields": [
        {"name": "user_id", "type": "int"},
        {"name": "type", "type": {"type": "enum", "name": "Kind", "symbols": ["activity"]}},
        {"name": "timestamp", "type": "string"},
    ]});
    let answers = [("/schemas/ids/1", flat), ("/schemas/ids/2", without), ("/schemas/ids/3", json!("nonsense"))];
    let answers = answers.map(|(path, schema)| (path, json!({ "schema": schema.to_string() }).to_string()));
    let registry = Registry::start(BTreeMap::from(answers));
    // What fastavro writes of {"user_id": "ada", "type": "activity", "timestamp": 2026-01-31T12:00Z, "properties": {"channel": "web"}}.
    let ada = b"\x06ada\x10activity\x80\xf8\xe4\xbe\x82\x67\x02\x0echannel\x06web\x00";
    let bob = b"\x06bob\x10activity\x80\xf8\xe4\xbe\x82\x67\x02\x0echannel\x06app\x00";
    // User 7, the first symbol, a text.
    let seven = b"\x0e\x00\x282026-01-31T12:00:00Z";
    // As a history from files.
    let plain = br#"{"user_id": "dee", "type": "activity", "timestamp": "2026-01-31T12:00:00Z"}"#.to_vec();
    let bad = [framed(1, b"\x06ada"), b"ada".to_vec(), framed(9, ada), framed(3, ada)];
    let values = [&[framed(1, ada), framed(1, bob), framed(2, seven), framed(1, ada), plain], bad.as_slice()].concat();
    let (dau, dead) = count("registry-avro", "avro", &registry, &values);
    assert_eq!(dau, active(&[("all", 4), ("channel=web", 1), ("channel=app", 1)]));
    let reasons = [
        "it is not of schema 1: ",
        "it does not begin with the id of a schema",
        "the registry has nothing at /schemas/ids/9",
        "schema 3 cannot be read: ",
    ];
    assert_eq!(dead.len(), bad.len());
    for (((value, detail), expected), reason) in dead.iter().zip(&bad).zip(reasons) {
        assert_eq!(value, expected, "byte for byte");
        assert!(detail.starts_with(reason), "{detail}");
    }
    let mut asked = registry.asked.lock().expect("no panic").clone();
    asked.drain(..2);
    assert_eq!(asked, ["/schemas/ids/1", "/schemas/ids/2", "/schemas/ids/9", "/schemas/ids/3"], "each once");
}

#[test]
fn a_process_that_waits_for_a_registry_stops_when_it_is_told_to() {
    let bootstrap = Broker::shared().bootstrap();
    let name = "registry-away";
    produce(&bootstrap, name, &[framed(1, b"ada")]);
    let port = serve(|_| ("200 OK", "x".repeat(9 << 20)));
    let registry = format!("input.format = \"avro\"\ninput.registry = {{ url = \"http://127.0.0.1:{port}\" }}");
    let group = Group::new(&bootstrap, name, &[name], &format!("{MORE}\n{registry}"));
    let process = group.start();
    process.wait_for_log("its answer is longer than 8388608 bytes", PATIENCE);
    process.terminate();
    assert!(read_committed(&bootstrap, &format!("{name}-dead")).is_empty(), "the record is neither counted nor refused");
    assert!(!group.has_committed_all(&bootstrap, &[name]));
}

#[test]
fn protobuf_is_read_with_what_its_schema_imports() {
    let event = r#"syntax = "proto3"; import "shop/channel.proto"; import "google/protobuf/timestamp.proto";
        message Event { string user_id = 1; string type = 2; google.protobuf.Timestamp timestamp = 3; shop.Properties properties = 4; }"#;
    let channel = r#"syntax = "proto3"; package shop; message Properties { string channel = 1; }"#;
    let references = json!([{"name": "shop/channel.proto", "subject": "channel/value", "version": 2}]);
    let registry = Registry::start(BTreeMap::from([
        ("/schemas/ids/4", json!({"schemaType": "PROTOBUF", "schema": event, "references": references}).to_string()),
        ("/subjects/channel%2Fvalue/versions/2", json!({"schemaType": "PROTOBUF", "schema": channel}).to_string()),
    ]));
    // Field 1 "ada", field 2 "activity", field 3 { field 1: 1769860800 }, field 4 { field 1: "web" }; before them, that it is the first message.
    let ada = b"\x00\x0a\x03ada\x12\x08activity\x1a\x06\x08\xc0\xdd\xf7\xcb\x06\x22\x05\x0a\x03web";
    let (dau, dead) = count("registry-protobuf", "protobuf", &registry, &[framed(4, ada), framed(4, b"\x02\x0a\x0a\x03ada")]);
    assert_eq!(dau, active(&[("all", 1), ("channel=web", 1)]));
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].1, "it is not of schema 4: it names a message that its schema does not declare");
}
