//! What comes into the log, and what is refused.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Stdio;

use jiff::Timestamp;
use serde_json::Value;
use stickiness::io::generate::GeneratorSettings;
use stickiness::model::partition::partition_of;

use super::{Events, MORE, assert_crashed, assert_refused, backfill, done, said, texts};
use crate::support::broker::Broker;
use crate::support::process::Group;
use crate::support::records::{Input, Output, create_topic, produce, read_committed};

const PARTITIONS: u32 = 3;

fn parsed(record: &Output) -> Value {
    serde_json::from_str(record.text()).expect("JSON")
}

/// Each partition is in the order of time, and has its users and no others.
fn assert_in_order(log: &[Output]) {
    let mut newest = BTreeMap::<i32, Timestamp>::new();
    for record in log {
        let key = record.key.as_deref().expect("a key");
        assert_eq!(record.partition.cast_unsigned(), partition_of(key.as_bytes(), PARTITIONS));
        let event = parsed(record);
        assert_eq!(event["user_id"], key);
        let time = event["timestamp"].as_str().expect("text").parse::<Timestamp>().expect("a time");
        let before = newest.insert(record.partition, time);
        assert!(before.is_none_or(|before| before <= time), "{time} comes late");
    }
}

fn event_ids(values: impl Iterator<Item = Value>) -> Vec<String> {
    let mut ids: Vec<String> = values.map(|event| event["event_id"].as_str().expect("text").to_owned()).collect();
    ids.sort();
    ids
}

#[test]
fn a_backfill_killed_at_each_place_writes_each_record_once_in_order() {
    let bootstrap = Broker::shared().bootstrap();
    create_topic(&bootstrap, "backfill-killed", PARTITIONS.cast_signed());
    let group = Group::new(&bootstrap, "backfill-killed", &["backfill-killed"], MORE);
    let events = Events::generate(Events::settings(), "2025-05-02");
    let paths = events.write(&group);
    let inputs = &texts(&paths)[..3];
    let dry = done(&backfill(&group, &[inputs, &["--dry-run"]].concat(), ""));
    assert!(read_committed(&bootstrap, "backfill-killed").is_empty(), "a dry run writes nothing");
    // Each of these goes on where the one before was, and some sort in files.
    let sorted_in_files = [inputs, &["--memory", "1"]].concat();
    for (arguments, failpoint) in [
        (inputs, "backfill.before"),
        (&sorted_in_files[..], "backfill.begun"),
        (inputs, "backfill.before"),
        (inputs, "backfill.after"),
        (&sorted_in_files[..], "backfill.before@2"),
    ] {
        assert_crashed(&backfill(&group, arguments, failpoint), failpoint);
    }
    let last = done(&backfill(&group, inputs, ""));
    assert_eq!(last["written_before"], 20_000, "two transactions had committed");
    let again = backfill(&group, &sorted_in_files, "");
    assert!(said(&again).contains("complete: all of it was written before"), "{}", said(&again));
    assert_eq!((&done(&again)["written"], &dry["written"]), (&Value::from(0), &Value::from(0)));

    let log = read_committed(&bootstrap, "backfill-killed");
    assert_in_order(&log);
    let expected = events.past.iter().filter(|event| !event.is_poison()).map(|event| serde_json::from_str(&event.json()).expect("JSON"));
    let (found, expected) = (event_ids(log.iter().map(parsed)), event_ids(expected));
    let differs = found.iter().zip(&expected).find(|(one, other)| one != other);
    assert!(differs.is_none() && found.len() == expected.len(), "{differs:?}, {} of {}", found.len(), expected.len());
    let dead = read_committed(&bootstrap, "backfill-killed-dead");
    assert_eq!(dead.len(), events.past.iter().filter(|event| event.is_poison()).count());
    for letter in &dead {
        let header = |name: &str| letter.headers.iter().find(|(known, _)| known == name).map(|(_, value)| String::from_utf8_lossy(value));
        assert!(header("stickiness.topic").is_some_and(|source| inputs.contains(&source.as_ref())));
        assert!(header("stickiness.reason").is_some() && header("stickiness.offset").is_some(), "{letter:?}");
    }
    for (name, found) in [("events", log.len()), ("records", log.len() + dead.len())] {
        assert_eq!((&dry[name], &last[name]), (&Value::from(found), &Value::from(found)), "{name}");
    }
    let by_partition: Vec<usize> = (0..3).map(|number| log.iter().filter(|record| record.partition == number).count()).collect();
    assert_eq!(last["partitions"], serde_json::json!(by_partition));
    assert_eq!((&last["first_day"], &last["left_out"]), (&dry["first_day"], &Value::from(0)));
    assert_refused(&backfill(&group, &inputs[..2], ""), "has, or is getting, the history of other inputs");
    assert_refused(&backfill(&group, &[inputs, &["--before", "2025-02-01"]].concat(), ""), "other inputs");
}

fn few() -> GeneratorSettings {
    GeneratorSettings { events: 300, poison_share: 0.0, ..Events::settings() }
}

#[test]
fn history_that_would_come_too_late_is_refused() {
    let bootstrap = Broker::shared().bootstrap();
    let live = |topic: &str| {
        let value = r#"{"user_id":"a","type":"activity","timestamp":"2026-01-01T00:00:00Z"}"#;
        produce(&bootstrap, topic, [Input { partition: 0, key: "a", value, timestamp_ms: 1_767_225_600_000 }]);
    };
    create_topic(&bootstrap, "backfill-late", PARTITIONS.cast_signed());
    live("backfill-late");
    let group = Group::new(&bootstrap, "backfill-late", &["backfill-late"], MORE);
    let paths = Events::generate(few(), "2026-01-01").write(&group);
    let inputs = &texts(&paths)[..3];
    let refused = backfill(&group, inputs, "");
    assert_refused(&refused, "topic `backfill-late` holds records already, behind which history would come too late");
    assert!(said(&refused).contains("kafka.repartition = true"), "{}", said(&refused));
    assert_eq!(read_committed(&bootstrap, "backfill-late").len(), 1, "nothing was written");

    // An event that comes between two runs of one backfill is found, whatever was aborted there.
    create_topic(&bootstrap, "backfill-intruded", PARTITIONS.cast_signed());
    let group = Group::new(&bootstrap, "backfill-intruded", &["backfill-intruded"], MORE);
    assert_crashed(&backfill(&group, inputs, "backfill.before@2"), "backfill.before@2");
    live("backfill-intruded");
    assert_refused(&backfill(&group, inputs, ""), "records came into topic `backfill-intruded` that the backfill did not write");

    // A mistake that left nothing but dead letters is not in the way of the history.
    create_topic(&bootstrap, "backfill-mistaken", PARTITIONS.cast_signed());
    let group_of = |more: &str| Group::new(&bootstrap, "backfill-mistaken", &["backfill-mistaken"], &format!("{more}{MORE}"));
    let mistaken = done(&backfill(&group_of("input.fields.user_id = \"customer\"\n"), inputs, ""));
    assert_eq!((&mistaken["events"], &mistaken["written"]), (&Value::from(0), &Value::from(300)));
    assert_eq!(done(&backfill(&group_of(""), inputs, ""))["written"], 300);

    let own = backfill(&group, &["--topic", "backfill-intruded"], "");
    assert_refused(&own, "topic `backfill-intruded` is one that the service reads or writes itself");
    assert_refused(&backfill(&group, &[inputs[0], inputs[0]], ""), "is named twice");
    assert_refused(&backfill(&group, &["--topic", "backfill-nowhere"], ""), "topic `backfill-nowhere` does not exist");
    assert_eq!(backfill(&group, &["--before", "yesterday", inputs[0]], "").status.code(), Some(2));
}

#[test]
fn of_two_backfills_at_once_one_goes_on() {
    let bootstrap = Broker::shared().bootstrap();
    create_topic(&bootstrap, "backfill-two", PARTITIONS.cast_signed());
    let group = Group::new(&bootstrap, "backfill-two", &["backfill-two"], MORE);
    let events = Events::generate(GeneratorSettings { events: 11_000, ..few() }, "2026-01-01");
    let paths = events.write(&group);
    let inputs = &texts(&paths)[..3];
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| backfill(&group, inputs, "backfill.after=wait:15000@2"));
        // As soon as the first has committed records.
        while crate::support::records::written(&bootstrap, "backfill-two") < 10_000 {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        assert_eq!(done(&backfill(&group, inputs, ""))["written_before"], 10_000);
        assert_refused(&slow.join().expect("run"), "another process goes on with this backfill");
    });
    assert_eq!(read_committed(&bootstrap, "backfill-two").len(), events.past.len());
}

#[test]
fn standard_input_is_gone_on_with_when_it_is_the_same() {
    let bootstrap = Broker::shared().bootstrap();
    create_topic(&bootstrap, "backfill-pipe", PARTITIONS.cast_signed());
    let group = Group::new(&bootstrap, "backfill-pipe", &["backfill-pipe"], MORE);
    let events = Events::generate(few(), "2026-01-01");
    let text: String = events.past.iter().map(|event| event.json() + "\n").collect();
    let pipe = |text: &str, failpoint: &str| {
        let mut command = group.command("backfill");
        command.arg("-").env("STICKINESS_FAILPOINT", failpoint);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
        child.wait_with_output().expect("run")
    };
    assert_crashed(&pipe(&text, "backfill.after@2"), "backfill.after@2");
    let (_, fewer) = text.split_once('\n').expect("lines");
    assert_refused(&pipe(fewer, ""), "other inputs");
    assert_eq!(done(&pipe(&text, ""))["written_before"], Value::from(events.past.len()));
    assert_eq!(read_committed(&bootstrap, "backfill-pipe").len(), events.past.len());
}

#[test]
fn a_broker_that_dies_under_a_backfill_is_waited_for() {
    let mut broker = Broker::start();
    let bootstrap = broker.bootstrap();
    create_topic(&bootstrap, "backfill-outage", PARTITIONS.cast_signed());
    let group = Group::new(&bootstrap, "backfill-outage", &["backfill-outage"], MORE);
    let events = Events::generate(GeneratorSettings { events: 11_000, ..few() }, "2026-01-01");
    let paths = events.write(&group);
    let inputs = &texts(&paths)[..3];
    let ended = std::thread::scope(|scope| {
        // Its first records are with the broker, and not committed, when that dies.
        let waiting = scope.spawn(|| backfill(&group, inputs, "backfill.before=wait:3000@2"));
        while crate::support::records::written(&bootstrap, "backfill-outage") == 0 {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        broker.kill9();
        broker.restart();
        waiting.join().expect("run")
    });
    // Whether the same process can go on depends on whether the broker ended its transaction meanwhile.
    if !ended.status.success() {
        assert_refused(&ended, "fenced");
        done(&backfill(&group, inputs, ""));
    }
    let log = read_committed(&bootstrap, "backfill-outage");
    assert_in_order(&log);
    let expected = events.past.iter().map(|event| serde_json::from_str(&event.json()).expect("JSON"));
    assert_eq!(event_ids(log.iter().map(parsed)), event_ids(expected));
}
