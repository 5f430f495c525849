//! What the service counts of history and live events is what a replay counts of all of them in one.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use stickiness::io::clock::{self, Stopwatch};
use stickiness::io::generate::{Generated, GeneratorSettings};
use stickiness::model::partition::partition_of;

use super::{Events, MORE, assert_crashed, backfill, done, said, texts};
use crate::support::broker::Broker;
use crate::support::feed::{PATIENCE, finish, wait_until_counted};
use crate::support::outputs::metrics;
use crate::support::process::{Group, Process};
use crate::support::records::{Input, create_topic, produce, read_committed};

const PARTITIONS: u32 = 3;
/// Users that are asked for.
const ASKED: usize = 40;
/// Decided when a day closes: of users who move between partitions, that is when they have moved.
const DECIDED: [&str; 9] = [
    "loyal_buyers",
    "top20_revenue_share",
    "risk_low",
    "risk_medium",
    "risk_high",
    "risk_churned",
    "became_high",
    "became_churned",
    "reactivated",
];

/// What a replay of files makes: metrics as those of a group, and profiles by user.
fn replay(group: &Group, inputs: &[PathBuf]) -> (BTreeMap<String, Value>, BTreeMap<String, Value>) {
    let out = group.path("replayed");
    let mut command = group.command("replay");
    command.args(["--order", "event-time", "--partitions", &PARTITIONS.to_string(), "--output"]).arg(&out).args(inputs);
    let output = command.output().expect("run");
    assert!(output.status.success(), "{}", said(&output));
    let read = |name: &str| -> Vec<Value> {
        let text = fs::read_to_string(out.join(name)).expect("read");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let metrics = read("metrics.ndjson").into_iter().map(|mut record| {
        record["revision"] = Value::Null;
        (format!("{}|{}", record["segment"].as_str().expect("text"), record["day"].as_str().expect("text")), record)
    });
    let profiles = read("profiles.ndjson").into_iter().map(|row| (row["user_id"].as_str().expect("text").to_owned(), row));
    (metrics.collect(), profiles.collect())
}

/// Produces live events, to the partitions of their users or to any.
fn go_live(bootstrap: &str, topic: &str, events: &[Generated], keyed: bool) {
    let events: Vec<(String, String)> = events.iter().map(|event| (event.user_id(), event.json())).collect();
    let inputs = events.iter().zip(0..).map(|((user, value), number)| {
        let partition = if keyed { partition_of(user.as_bytes(), PARTITIONS).cast_signed() } else { number % 2 };
        Input { partition, key: user, value, timestamp_ms: clock::wall().millis() }
    });
    produce(bootstrap, topic, inputs);
}

/// Fails with the fields that differ first.
fn assert_equal(published: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>) {
    let keys = |records: &BTreeMap<String, Value>| records.keys().cloned().collect::<Vec<String>>();
    assert_eq!(keys(published), keys(expected));
    let mut differences = Vec::new();
    for (key, record) in published {
        for (field, found) in record.as_object().expect("an object") {
            if *found != expected[key][field] {
                differences.push(format!("{key} {field}: {found} is to the replay {}", expected[key][field]));
            }
        }
    }
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences[..differences.len().min(20)].join("\n"));
}

/// On the first live day, nearly everybody is known already.
fn assert_nobody_is_new(metrics: &BTreeMap<String, Value>, day: &str) {
    let record = &metrics[&format!("all|{day}")];
    let number = |field: &str| record[field].as_u64().expect("a count");
    assert!(number("dau") > 20 && number("new_1d") * 10 < number("dau") && number("mau_30d") > number("dau"), "{record}");
}

/// The profile of a user, once the partitions are shared out between the threads.
fn profile(process: &Process, user: &str) -> Value {
    let stopwatch = Stopwatch::start();
    loop {
        match process.answer(&format!("/v1/users/{user}")) {
            Some(found) if found.get("error").is_none() => return found,
            answer => assert!(stopwatch.elapsed() < PATIENCE, "{user} is known, not {answer:?}\n{}", process.log()),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn assert_profiles(process: &Process, replayed: &BTreeMap<String, Value>) {
    assert!(replayed.len() > ASKED);
    for (user, expected) in replayed.iter().take(ASKED) {
        let mut found = profile(process, user);
        let fields = found.as_object_mut().expect("an object");
        fields.remove("explain");
        fields.remove("recent");
        assert_eq!(&found, expected);
    }
}

#[test]
fn history_from_files_and_live_events_are_one() {
    let bootstrap = Broker::shared().bootstrap();
    create_topic(&bootstrap, "backfill-files", PARTITIONS.cast_signed());
    let group = Group::new(&bootstrap, "backfill-files", &["backfill-files"], MORE);
    let events = Events::generate(Events::settings(), "2025-04-01");
    let paths = events.write(&group);
    let inputs = &texts(&paths)[..3];
    assert_crashed(&backfill(&group, inputs, "backfill.after@2"), "backfill.after@2");
    done(&backfill(&group, inputs, ""));
    let mut process = group.start();
    wait_until_counted(&mut process, &bootstrap, &group, &["backfill-files"]);
    go_live(&bootstrap, "backfill-files", &events.live, true);
    wait_until_counted(&mut process, &bootstrap, &group, &["backfill-files"]);
    let (expected, profiles) = replay(&group, &paths);
    assert_profiles(&process, &profiles);
    finish(process, &bootstrap, &group, &["backfill-files"]);
    let published = metrics(&bootstrap, &group.name);
    assert_nobody_is_new(&published, "2025-04-01");
    assert_equal(&published, &expected);
    assert_eq!(done(&backfill(&group, inputs, ""))["written"], 0, "with live events behind it, it is complete");
}

/// Events of less than the horizon: what users who moved send on is behind everything else in the log. Merges are few and nobody is deleted:
/// where merges of the same users cross each other on their way, what is published depends on which comes first.
fn a_month() -> GeneratorSettings {
    GeneratorSettings { events: 18_000, users: 1_200, days: 34, merge_share: 0.001, delete_share: 0.0, ..Events::settings() }
}

#[test]
fn history_from_a_topic_goes_before_live_events_that_wait_in_their_own() {
    let bootstrap = Broker::shared().bootstrap();
    create_topic(&bootstrap, "backfill-old", 2);
    create_topic(&bootstrap, "backfill-web", PARTITIONS.cast_signed());
    let events = Events::generate(a_month(), "2025-01-24");
    let (topic, more) = ("backfill-web", format!("kafka.repartition = true\n{MORE}"));
    let group = Group::new(&bootstrap, "backfill-web", &[topic], &more);
    go_live(&bootstrap, "backfill-old", &events.past, false);
    // Live events have come before the service was ever started, and the archive has the first of them too.
    let (overlap, _) = events.live.split_at(events.live.len() / 5);
    go_live(&bootstrap, "backfill-old", overlap, false);
    go_live(&bootstrap, topic, &events.live, true);
    let arguments = ["--topic", "backfill-old", "--before", "2025-01-24"];
    assert_crashed(&backfill(&group, &arguments, "backfill.after@2"), "backfill.after@2");
    // What comes into the archive now is not of this history.
    go_live(&bootstrap, "backfill-old", &events.past[..100], false);
    let report = done(&backfill(&group, &arguments, ""));
    assert_eq!(report["left_out"], overlap.iter().filter(|event| !event.is_poison()).count());
    assert_eq!(report["events"], events.past.iter().filter(|event| !event.is_poison()).count());
    assert_eq!(read_committed(&bootstrap, "backfill-web.events").len(), report["events"]);
    let mut process = group.start();
    wait_until_counted(&mut process, &bootstrap, &group, &[topic]);
    finish(process, &bootstrap, &group, &["backfill-web.events"]);
    let all: String = events.past.iter().chain(&events.live).map(|event| event.json() + "\n").collect();
    fs::write(group.path("all.ndjson"), all).expect("written");
    let (mut expected, _) = replay(&group, &[group.path("all.ndjson")]);
    let mut published = metrics(&bootstrap, &group.name);
    assert_nobody_is_new(&published, "2025-01-24");
    for record in expected.values_mut().chain(published.values_mut()) {
        for field in DECIDED {
            record[field] = Value::Null;
        }
    }
    assert_equal(&published, &expected);
}
