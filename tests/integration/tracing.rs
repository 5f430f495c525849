//! Traces: a record's spans come to a collector and go on with whoever reads what was published.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Attribute;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use stickiness::io::clock::{self, Stopwatch};
use stickiness::model::hexadecimal::hexadecimal;

use crate::support::broker::Broker;
use crate::support::feed::{MORE, PATIENCE, finish, wait_until_counted};
use crate::support::process::{Group, Process};
use crate::support::receiver::Receiver;
use crate::support::records::{Output, create_topic, read_committed};

const ADA: &str = "0af7651916cd43dd8448eb211c80319c";
const BOB: &str = "1af7651916cd43dd8448eb211c80319c";
const EVE: &str = "2af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// Events of ada (traced, with a state), bob (told not to be traced), cy (not told), and one of eve that is none and traced.
fn produce(bootstrap: &str, topic: &str) {
    let now = jiff_text(clock::wall().millis());
    let event = |id: &str, user: &str| format!(r#"{{"event_id":"{id}","user_id":"{user}","type":"activity","timestamp":"{now}"}}"#);
    let rows = [
        ("ada", Some(format!("00-{ADA}-{PARENT}-01")), event("e1", "ada")),
        ("bob", Some(format!("00-{BOB}-{PARENT}-00")), event("e2", "bob")),
        ("cy", None, event("e3", "cy")),
        ("eve", Some(format!("00-{EVE}-{PARENT}-01")), "no JSON".to_owned()),
    ];
    let producer: ThreadedProducer<_> = ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a producer");
    for (user, parent, value) in &rows {
        let mut headers = OwnedHeaders::new();
        if let Some(parent) = parent {
            headers = headers.insert(Header { key: "traceparent", value: Some(parent) });
            headers = headers.insert(Header { key: "tracestate", value: Some("shop=1") });
        }
        let record = BaseRecord::<str, str>::to(topic).partition(0).key(user).payload(value).headers(headers);
        producer.send(record).map_err(|(error, _)| error).expect("room in the queue");
    }
    producer.flush(PATIENCE).expect("delivered");
}

/// A moment as RFC 3339.
fn jiff_text(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).expect("a moment").to_string()
}

fn group(bootstrap: &str, name: &str, tracing: &str) -> Group {
    create_topic(bootstrap, name, 1);
    let mut group = Group::new(bootstrap, name, &[name], &format!("{MORE}\n{tracing}"));
    group.environment.push(("OTEL_RESOURCE_ATTRIBUTES".to_owned(), "deployment.environment.name=test".to_owned()));
    group
}

/// What a collector was sent.
fn spans(receiver: &Receiver) -> Vec<Span> {
    let requests = receiver.received().into_iter().map(|request| {
        assert_eq!(request.request, "POST /v1/traces HTTP/1.1");
        ExportTraceServiceRequest::decode(&*request.body).expect("OTLP")
    });
    requests.flat_map(|request| request.resource_spans).flat_map(|of| of.scope_spans).flat_map(|of| of.spans).collect()
}

fn attributes(span: &Span) -> BTreeMap<&str, String> {
    let text = |value: &Attribute| match value {
        Attribute::StringValue(text) => text.clone(),
        Attribute::IntValue(number) => number.to_string(),
        Attribute::BoolValue(flag) => flag.to_string(),
        other => panic!("{other:?}"),
    };
    span.attributes
        .iter()
        .map(|one| (one.key.as_str(), text(one.value.as_ref().and_then(|any| any.value.as_ref()).expect("a value"))))
        .collect()
}

fn header(record: &Output, name: &str) -> Option<String> {
    let found = record.headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
}

/// The spans of a trace by name; several of one name are sorted by their ids.
fn of_trace<'s>(all: &'s [Span], trace: &str) -> Vec<&'s Span> {
    all.iter().filter(|span| hexadecimal(&span.trace_id) == trace).collect()
}

fn named<'s>(spans: &[&'s Span], name: &str) -> &'s Span {
    let found: Vec<&&Span> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name} of {:?}", spans.iter().map(|span| &span.name).collect::<Vec<_>>());
    found[0]
}

/// The records of ada carry the ids of the spans of their being sent; those of others carry none.
fn assert_goes_on(all: &[Span], records: &[Output], topic: &str, process: &[u8]) {
    let mut continued = 0;
    for record in records {
        let parent = header(record, "traceparent");
        if record.key.as_deref() != Some("ada") {
            assert_eq!(parent, None, "{record:?}");
            continue;
        }
        let parent = parent.expect("a record of ada is traced");
        let sent = all.iter().find(|span| parent == format!("00-{ADA}-{}-01", hexadecimal(&span.span_id))).expect("its span came");
        assert_eq!((sent.name.as_str(), sent.kind), (format!("send {topic}").as_str(), 4));
        assert_eq!(sent.parent_span_id, process);
        let attributes = attributes(sent);
        assert_eq!(attributes["messaging.destination.name"], topic);
        assert_eq!(attributes["messaging.operation.type"], "send");
        assert_eq!(attributes["messaging.message.body.size"], record.value.as_ref().map_or(0, Vec::len).to_string());
        assert_eq!(header(record, "tracestate").as_deref(), Some("shop=1"));
        continued += 1;
    }
    assert!(continued > 0, "{topic} says something of ada");
}

#[test]
fn a_record_is_traced_from_its_producer_to_whoever_reads_what_it_caused() {
    let (bootstrap, name) = (Broker::shared().bootstrap(), "traced");
    let receiver = Receiver::start(|_, _| "200 OK");
    let tracing =
        format!("tracing.enabled = true\ntracing.endpoint = \"http://127.0.0.1:{}/\"\ntracing.service_name = \"shop\"", receiver.port);
    let group = group(&bootstrap, name, &tracing);
    produce(&bootstrap, name);
    let process = group.start();
    process.wait_for_log("io::worker::restore: state restored", PATIENCE);
    finish(process, &bootstrap, &group, &[name]);
    let all = spans(&receiver);

    let traced = of_trace(&all, ADA);
    let process = named(&traced, &format!("process {name}"));
    assert_eq!((hexadecimal(&process.parent_span_id).as_str(), process.kind, process.trace_state.as_str()), (PARENT, 5, "shop=1"));
    let about = attributes(process);
    for (key, value) in [
        ("messaging.system", "kafka"),
        ("messaging.operation.type", "process"),
        ("messaging.operation.name", "process"),
        ("messaging.destination.name", name),
        ("messaging.destination.partition.id", "0"),
        ("messaging.kafka.offset", "0"),
        ("messaging.consumer.group.name", name),
        ("stickiness.outcome", "accepted"),
    ] {
        assert_eq!(about[key], value, "{key}");
    }
    let handle = named(&traced, "handle");
    assert_eq!(handle.parent_span_id, process.span_id);
    let sent: Vec<&&Span> = traced.iter().filter(|span| span.name.starts_with("send ")).collect();
    for one in &sent {
        let times = [process.start_time_unix_nano, handle.start_time_unix_nano, handle.end_time_unix_nano, one.start_time_unix_nano];
        assert!(times.is_sorted() && one.end_time_unix_nano <= process.end_time_unix_nano, "{one:?}");
    }
    assert_eq!(traced.len(), 2 + sent.len());
    for topic in ["transitions", "profiles"].map(|kind| format!("{name}-{kind}")) {
        assert_goes_on(&all, &read_committed(&bootstrap, &topic), &topic, &process.span_id);
    }
    // What is of many records is of no trace.
    assert!(read_committed(&bootstrap, &format!("{name}-metrics")).iter().all(|record| header(record, "traceparent").is_none()));

    let dead = read_committed(&bootstrap, &format!("{name}-dead"));
    assert_eq!(header(&dead[0], "traceparent"), Some(format!("00-{EVE}-{PARENT}-01")), "what came with it is kept");
    let refused = of_trace(&all, EVE);
    assert_eq!(attributes(named(&refused, &format!("process {name}")))["stickiness.outcome"], "malformed");
    named(&refused, &format!("send {name}-dead"));

    let ours: BTreeSet<&str> = all.iter().map(|span| span.name.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(ours, BTreeSet::from(["commit", "handle", "process", "restore", "send", "snapshot"]));
    let processed = all.iter().filter(|span| span.name.starts_with("process ")).count();
    assert_eq!(processed, 2, "bob's trace is not sampled, and cy has none");
    assert_commits(&all, process);
    assert_is_of_the_service(&receiver);
}

/// The commit of a record names it.
fn assert_commits(all: &[Span], process: &Span) {
    let commits: Vec<&Span> = all.iter().filter(|span| span.name == "commit traced").collect();
    let of_ada = |span: &&&Span| span.links.iter().any(|link| (&link.trace_id, &link.span_id) == (&process.trace_id, &process.span_id));
    let commit = commits.iter().find(of_ada).expect("a commit is linked");
    let about = attributes(commit);
    assert_eq!((about["messaging.operation.type"].as_str(), about["stickiness.attempts"].as_str()), ("settle", "1"));
    assert!(about["messaging.batch.message_count"].parse::<u32>().expect("a number") >= 1, "{about:?}");
    assert!(commit.parent_span_id.is_empty() && commit.end_time_unix_nano == process.end_time_unix_nano);
}

fn assert_is_of_the_service(receiver: &Receiver) {
    let request = ExportTraceServiceRequest::decode(&*receiver.received()[0].body).expect("OTLP");
    let resource = request.resource_spans[0].resource.clone().expect("a resource");
    let about = attributes(&Span { attributes: resource.attributes, ..Span::default() })
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect::<BTreeMap<_, _>>();
    assert_eq!((about["service.name"].as_str(), about["deployment.environment.name"].as_str()), ("shop", "test"));
    assert_eq!(about["service.version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn traces_go_through_the_internal_log_and_the_ratio_begins_new_ones() {
    let (bootstrap, name) = (Broker::shared().bootstrap(), "traced-forwarded");
    let receiver = Receiver::start(|_, _| "200 OK");
    let mut group = group(&bootstrap, name, "tracing = { enabled = true, sample_ratio = 1 }\nkafka.repartition = true");
    let endpoint = format!("http://127.0.0.1:{}", receiver.port);
    group.environment.extend(
        [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_SERVICE_NAME", "shop")]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    produce(&bootstrap, name);
    let log = format!("{name}.events");
    let process = group.start();
    process.wait_for_log("io::worker::restore: state restored", PATIENCE);
    finish(process, &bootstrap, &group, &[name, &log]);
    let all = spans(&receiver);

    let traced = of_trace(&all, ADA);
    let forwarded = named(&traced, &format!("send {log}"));
    assert_eq!(forwarded.parent_span_id, named(&traced, &format!("process {name}")).span_id);
    let counted = named(&traced, &format!("process {log}"));
    assert_eq!(counted.parent_span_id, forwarded.span_id);
    assert_goes_on(&all, &of_user(&bootstrap, name, "ada"), &format!("{name}-transitions"), &counted.span_id);

    assert_is_of_the_service(&receiver);
    assert!(of_trace(&all, BOB).is_empty(), "whoever began the trace did not want it");
    for record in of_user(&bootstrap, name, "cy") {
        let parent = header(&record, "traceparent").expect("every other record begins a trace");
        let begun = of_trace(&all, &parent[3..35]);
        assert!(named(&begun, &format!("process {name}")).parent_span_id.is_empty());
        named(&begun, &format!("process {log}"));
    }
    assert!(of_user(&bootstrap, name, "bob").iter().all(|record| header(record, "traceparent").is_none()));
}

fn of_user(bootstrap: &str, name: &str, user: &str) -> Vec<Output> {
    let mut records = read_committed(bootstrap, &format!("{name}-transitions"));
    records.retain(|record| record.key.as_deref() == Some(user));
    assert!(!records.is_empty(), "{user} is told of");
    records
}

fn dropped(process: &Process) -> f64 {
    process.metric("stickiness_spans_dropped_total").unwrap_or_default()
}

#[test]
fn a_collector_that_is_away_holds_up_nothing() {
    let (bootstrap, name) = (Broker::shared().bootstrap(), "traced-away");
    // Nobody answers there: it takes connections and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let group =
        group(&bootstrap, name, &format!("tracing = {{ enabled = true, endpoint = \"http://127.0.0.1:{port}\", sample_ratio = 1 }}"));
    produce(&bootstrap, name);
    let mut process = group.start();
    wait_until_counted(&mut process, &bootstrap, &group, &[name]);
    let stopwatch = Stopwatch::start();
    process.terminate();
    assert!(stopwatch.elapsed() < Duration::from_secs(25), "it waits for a limited time: {:?}", stopwatch.elapsed());
    drop(silent);

    // Now connections are refused.
    produce(&bootstrap, name);
    let mut process = group.start();
    wait_until_counted(&mut process, &bootstrap, &group, &[name]);
    let stopwatch = Stopwatch::start();
    while dropped(&process) == 0.0 {
        process.assert_runs();
        assert!(stopwatch.elapsed() < PATIENCE, "spans are counted that no collector got\n{}", process.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    finish(process, &bootstrap, &group, &[name]);
    let log = group.log();
    let told = log.matches("the collector of traces takes no spans").count();
    assert!((1..=2).contains(&told), "it is told once by each process\n{log}");
    let said = of_user(&bootstrap, name, "ada");
    let different: BTreeSet<&[u8]> = said.iter().filter_map(|record| record.value.as_deref()).collect();
    assert_eq!(different.len(), said.len(), "each is published once");
}

#[test]
fn a_backfill_is_a_span() {
    let (bootstrap, name) = (Broker::shared().bootstrap(), "traced-backfill");
    let receiver = Receiver::start(|_, _| "200 OK");
    let tracing = format!("tracing = {{ enabled = true, endpoint = \"http://127.0.0.1:{}\", sample_ratio = 1 }}", receiver.port);
    let group = group(&bootstrap, name, &tracing);
    let history = group.path("history.ndjson");
    std::fs::write(&history, r#"{"user_id":"ada","type":"activity","timestamp":"2026-01-31T12:00:00Z"}"#).expect("written");
    let done = group.command("backfill").arg(&history).output().expect("ran");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let all = spans(&receiver);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].name, format!("backfill {name}"));
    assert_eq!(attributes(&all[0])["messaging.destination.name"], name);
    assert!(all[0].start_time_unix_nano < all[0].end_time_unix_nano);
}
