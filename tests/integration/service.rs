//! The whole service as a process: whatever happens to it, its topics end as a replay of the same log says.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use stickiness::io::clock::Stopwatch;
use stickiness::model::partition::partition_of;

use crate::support::broker::Broker;
use crate::support::process::{Group, Process};
use crate::support::records::{Input, create_topic, produce, read_committed};

const PATIENCE: Duration = Duration::from_secs(90);
const PARTITIONS: u32 = 3;
/// 2026-01-01T00:00:00Z, in milliseconds.
const START_MS: i64 = 1_767_225_600_000;
const MINUTE_MS: i64 = 60_000;

/// Beside what every group has: snapshots often, and segments whose clocks run between and during them.
const MORE: &str = r#"
snapshots.interval = "1s"
segments = [
    { name = "keen", when = { count = "activity", over = "3d", at_least = 2 }, on_enter = { within = "2d", fulfilled_by = "order_placed" } },
    { name = "spender", when = { sum = "amount", of = "order_placed", more_than = 120 } },
    { name = "buyer", when = { all = [{ field = "orders", at_least = 2 }, { not = { count = "order_returned", over = "10d" } }] } },
]
"#;

/// One event as JSON, with its user and time.
struct Line {
    user: String,
    json: String,
    time_ms: i64,
}

/// Events of a few weeks: activity, orders, returns, copies, some out of order, and some that are none.
fn lines(count: i64) -> Vec<Line> {
    let mut seed = 7_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((seed >> 33) % below).expect("small")
    };
    (0..count)
        .map(|number| {
            let user = format!("user-{}", random(300));
            let time_ms = START_MS + number * 12 * MINUTE_MS - random(3 * 24 * 60) * MINUTE_MS;
            let kind = match random(20) {
                0..=3 => format!(r#""order_placed","properties":{{"order_id":"o{}","amount":{}.25}}"#, random(2_000), random(100)),
                4 => format!(r#""order_returned","properties":{{"order_id":"o{}","amount":1}}"#, random(2_000)),
                5 => r#""no_such_type""#.to_owned(),
                _ => r#""activity""#.to_owned(),
            };
            let id = if random(10) == 0 { number - 1 } else { number };
            let json = format!(r#"{{"event_id":"e{id}","user_id":"{user}","timestamp":{time_ms},"type":{kind}}}"#);
            Line { user, json, time_ms }
        })
        .collect()
}

/// A log, the group that counts it, and the replay that it is compared with.
struct Bench<'b> {
    broker: &'b Broker,
    group: Group,
}

impl<'b> Bench<'b> {
    fn new(broker: &'b Broker, name: &str) -> Self {
        create_topic(&broker.bootstrap(), name, PARTITIONS.cast_signed());
        Self { broker, group: Group::new(&broker.bootstrap(), name, &[name], MORE) }
    }

    fn fill(&self, lines: &[Line]) {
        let inputs = lines.iter().map(|line| Input {
            partition: partition_of(line.user.as_bytes(), PARTITIONS).cast_signed(),
            key: &line.user,
            value: &line.json,
            timestamp_ms: line.time_ms,
        });
        produce(&self.broker.bootstrap(), &self.group.name, inputs);
    }

    /// The metrics and transitions that a replay of the same lines writes.
    fn replay(&self, lines: &[Line]) -> (BTreeMap<String, Value>, BTreeMap<String, Vec<Value>>) {
        let text = lines.iter().fold(String::new(), |mut text, line| {
            writeln!(text, "{}", line.json).expect("memory");
            text
        });
        fs::write(self.group.path("events.ndjson"), text).expect("written");
        let output = self.group.path("replay");
        let mut command = self.group.command("replay");
        command.arg("--output").arg(&output).args(["--partitions", &PARTITIONS.to_string()]).arg(self.group.path("events.ndjson"));
        assert!(command.stderr(Stdio::null()).status().expect("ran").success());
        let metrics = read_lines(&output.join("metrics.ndjson")).into_iter().map(|record| (metric_key(&record), without_revision(record)));
        let mut transitions = BTreeMap::<String, Vec<Value>>::new();
        for record in read_lines(&output.join("transitions.ndjson")) {
            transitions.entry(record["user_id"].as_str().expect("text").to_owned()).or_default().push(record);
        }
        (metrics.collect(), transitions)
    }

    fn records(&self, topic: &str) -> Vec<Value> {
        let topic = format!("{}-{topic}", self.group.name);
        read_committed(&self.broker.bootstrap(), &topic).iter().map(|output| serde_json::from_str(output.text()).expect("JSON")).collect()
    }

    fn metrics(&self) -> BTreeMap<String, Value> {
        self.records("metrics").into_iter().map(|record| (metric_key(&record), without_revision(record))).collect()
    }

    fn transitions(&self) -> BTreeMap<String, Vec<Value>> {
        let mut transitions = BTreeMap::<String, Vec<Value>>::new();
        for record in self.records("transitions") {
            transitions.entry(record["user_id"].as_str().expect("text").to_owned()).or_default().push(record);
        }
        transitions
    }

    /// Waits until the metrics are those of the replay, and checks everything else.
    fn assert_as_replayed(&self, lines: &[Line], process: &mut Process) {
        let (metrics, transitions) = self.replay(lines);
        let stopwatch = Stopwatch::start();
        while self.metrics() != metrics {
            process.assert_runs();
            if stopwatch.elapsed() > PATIENCE {
                let published = self.metrics();
                let differs = metrics.iter().find(|(key, value)| published.get(*key) != Some(value));
                panic!("{differs:#?}\nis published as {:#?}\n{}", differs.map(|(key, _)| published.get(key)), self.group.log());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        assert_eq!(self.transitions(), transitions, "each transition once, in order");
        let dead = read_committed(&self.broker.bootstrap(), &format!("{}-dead", self.group.name));
        let rejected = lines.iter().filter(|line| line.json.contains("no_such_type")).count();
        let unknown = |(key, value): &(String, Vec<u8>)| key == "stickiness.reason" && value == b"unknown_type";
        assert_eq!(dead.iter().filter(|output| output.headers.iter().any(unknown)).count(), rejected);
    }
}

fn metric_key(record: &Value) -> String {
    format!("{}|{}", record["segment"].as_str().expect("text"), record["day"].as_str().expect("text"))
}

fn without_revision(mut record: Value) -> Value {
    record["revision"] = Value::Null;
    record
}

fn read_lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("read");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_service_stopped_and_started_publishes_what_a_replay_does() {
    let bench = Bench::new(Broker::shared(), "service-stop");
    let lines = lines(4_000);
    bench.fill(&lines[..2_500]);
    let mut first = bench.group.start();
    bench.assert_as_replayed(&lines[..2_500], &mut first);
    first.terminate();
    bench.fill(&lines[2_500..]);
    let mut second = bench.group.start();
    bench.assert_as_replayed(&lines, &mut second);
    second.terminate();
    let transitions = bench.transitions();
    for kind in ["segment", "action"] {
        assert!(transitions.values().flatten().filter(|record| record["kind"] == kind).count() > 50, "some of {kind}");
    }
    assert!(!bench.group.log().contains("ERROR"), "{}", bench.group.log());
}

#[test]
fn a_service_killed_again_and_again_publishes_what_a_replay_does() {
    let bench = Bench::new(Broker::shared(), "service-kill");
    let lines = lines(6_000);
    for chunk in lines.chunks(1_500) {
        let child = bench.group.start();
        bench.fill(chunk);
        // At whatever point it is by then.
        std::thread::sleep(Duration::from_millis(1_700));
        child.kill9();
    }
    let mut last = bench.group.start();
    bench.assert_as_replayed(&lines, &mut last);
    last.terminate();
    let log = bench.group.log();
    assert!(log.contains("restoring: reading on from the snapshots") && log.contains("restored: all partitions are live"), "{log}");
}

#[test]
fn a_missing_input_is_told_with_what_to_do() {
    let broker = Broker::shared();
    let bench = Bench::new(broker, "service-missing");
    bench.group.write_settings(&bench.group.settings().replace("[\"service-missing\"]", "[\"service-not-there\"]"));
    let output = bench.group.command("run").output().expect("ran");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("topic `service-not-there` does not exist") && said.contains("stickiness topics"), "{said}");
    let output = bench.group.command("topics").args(["--partitions", "2"]).output().expect("ran");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("created service-not-there"), "{said}");
}
