//! A group member reads in batches, sees ends of partitions, and shares partitions with others without losing a record.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use stickiness::io::clock::Stopwatch;
use stickiness::io::kafka::Entry;
use stickiness::io::kafka::connection::{Connection, Isolation};
use stickiness::io::kafka::consumer::{CommitOffset, ConsumeError, GroupConsumer, GroupEvent, Progress};

use super::connection;
use crate::support::broker::Broker;
use crate::support::records::{Input, create_topic, produce};

const PATIENCE: Duration = Duration::from_secs(30);
const MOMENT: Duration = Duration::from_millis(50);

fn fill(broker: &Broker, topic: &str, partitions: i32, records: i32) {
    create_topic(&broker.bootstrap(), topic, partitions);
    let values: Vec<String> = (0..records).map(|number| format!("value {number}")).collect();
    let inputs = values.iter().zip(0..).map(|(value, number)| Input {
        partition: number % partitions,
        key: "key",
        value,
        timestamp_ms: 1_000 + i64::from(number),
    });
    produce(&broker.bootstrap(), topic, inputs);
}

/// Acts on rebalances: starts at the beginning, or where `next` says.
fn act(member: &mut GroupConsumer, next: &BTreeMap<i32, i64>) -> Option<GroupEvent> {
    let event = member.poll().expect("the group is well")?;
    match &event {
        GroupEvent::Assigned(partitions) => {
            let starts: Vec<(i32, i64)> = partitions.iter().map(|one| (*one, next.get(one).copied().unwrap_or(0))).collect();
            member.assign(&starts).expect("assigned");
        }
        GroupEvent::Revoked(partitions) | GroupEvent::Lost(partitions) => member.unassign(partitions).expect("given back"),
    }
    Some(event)
}

#[test]
fn batches_hold_every_record_once_in_order_and_the_end_is_seen() {
    let broker = Broker::shared();
    fill(broker, "consumer-batches", 3, 30_000);
    let mut member = GroupConsumer::join(&connection(broker), "consumer-batches", "consumer-batches", 3).expect("joined");
    assert!(member.group_metadata().is_none(), "a member that has not joined has nothing to send");
    let (mut next, stopwatch) = (BTreeMap::<i32, i64>::new(), Stopwatch::start());
    let at_end = |one: &Progress| one.next_offset.is_some() && one.next_offset == one.log_end;
    while member.progress().expect("told").iter().filter(|one| at_end(one)).count() < 3 {
        assert!(stopwatch.elapsed() < PATIENCE, "read {next:?}");
        act(&mut member, &BTreeMap::new());
        for entry in member.next_batch(MOMENT).iter() {
            match entry {
                Entry::Record(record) => {
                    let expected = next.entry(record.partition).or_default();
                    assert_eq!(record.offset, *expected);
                    let number = record.offset * 3 + i64::from(record.partition);
                    assert_eq!(record.payload, Some(format!("value {number}").as_bytes()));
                    assert_eq!((record.key, record.timestamp_ms), (Some("key".as_bytes()), Some(1_000 + number)));
                    *expected += 1;
                }
                Entry::Failed { code, .. } => panic!("{code}"),
            }
        }
    }
    assert!(next.values().all(|next| *next == 10_000));
    assert!(member.group_metadata().is_some());
    assert_eq!(member.fetched_watermarks(0).map(|ends| (ends.low, ends.high)), Some((0, 10_000)));
    assert_eq!(member.watermarks(0, PATIENCE).map(|ends| (ends.low, ends.high)).expect("an answer"), (0, 10_000));
}

#[test]
fn a_paused_partition_brings_nothing_until_it_is_resumed() {
    let broker = Broker::shared();
    fill(broker, "consumer-pause", 1, 100);
    let mut member = GroupConsumer::join(&connection(broker), "consumer-pause", "consumer-pause", 1).expect("joined");
    let stopwatch = Stopwatch::start();
    while !matches!(act(&mut member, &BTreeMap::from([(0, 40)])), Some(GroupEvent::Assigned(_))) {
        assert!(stopwatch.elapsed() < PATIENCE);
        member.next_batch(MOMENT);
    }
    member.pause(&[0]).expect("paused");
    for _ in 0..10 {
        act(&mut member, &BTreeMap::new());
        assert!(member.next_batch(MOMENT).is_empty());
    }
    member.resume(&[0]).expect("resumed");
    let mut offsets = Vec::new();
    while offsets.len() < 60 {
        assert!(stopwatch.elapsed() < PATIENCE, "{offsets:?}");
        act(&mut member, &BTreeMap::new());
        let batch = member.next_batch(MOMENT);
        offsets.extend(batch.iter().filter_map(|entry| match entry {
            Entry::Record(record) => Some(record.offset),
            Entry::Failed { .. } => None,
        }));
    }
    assert_eq!(offsets, (40..100).collect::<Vec<i64>>());
}

/// Reads for a while; records in the order of each partition, none twice, whichever member reads.
fn read(member: &mut GroupConsumer, next: &mut BTreeMap<i32, i64>, events: &mut Vec<GroupEvent>) {
    events.extend(act(member, next));
    let mut read = Vec::new();
    for entry in member.next_batch(MOMENT).iter() {
        if let Entry::Record(record) = entry {
            read.push((record.partition, record.offset));
        }
    }
    for (partition, offset) in read {
        let expected = next.entry(partition).or_default();
        assert_eq!(offset, *expected, "partition {partition}");
        *expected += 1;
    }
}

#[test]
fn a_second_member_takes_half_and_gives_it_back_when_it_leaves() {
    let broker = Broker::shared();
    fill(broker, "consumer-rebalance", 4, 4_000);
    let join = || GroupConsumer::join(&connection(broker), "consumer-rebalance", "consumer-rebalance", 4).expect("joined");
    // Both members live in this thread, so that `next` tells what any of them has read.
    let (mut next, mut events, stopwatch) = (BTreeMap::new(), (Vec::new(), Vec::new()), Stopwatch::start());
    let mut first = join();
    while first.assigned().len() < 4 {
        assert!(stopwatch.elapsed() < PATIENCE);
        read(&mut first, &mut next, &mut events.0);
    }
    let mut second = join();
    while first.assigned().len() != 2 || second.assigned().len() != 2 {
        assert!(stopwatch.elapsed() < PATIENCE, "{events:?}");
        read(&mut first, &mut next, &mut events.0);
        read(&mut second, &mut next, &mut events.1);
    }
    let revoked = events.0.iter().filter(|event| matches!(event, GroupEvent::Revoked(list) if list.len() == 2)).count();
    assert_eq!(revoked, 1, "only what moves is given back: {events:?}");
    drop(second);
    while first.assigned().len() < 4 || next.values().sum::<i64>() < 4_000 {
        assert!(stopwatch.elapsed() < PATIENCE, "{events:?} {next:?}");
        read(&mut first, &mut next, &mut events.0);
    }
    assert!(events.0.iter().chain(&events.1).all(|event| !matches!(event, GroupEvent::Lost(_))));
    assert!(next.values().all(|next| *next == 1_000));
}

/// How many members the broker knows a group to have.
fn member_count(broker: &Broker, group: &str) -> usize {
    let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", broker.bootstrap()).create().expect("a client");
    let list = client.fetch_group_list(Some(group), PATIENCE).expect("told");
    list.groups().iter().map(|group| group.members().len()).sum()
}

#[test]
fn a_member_without_a_partition_leaves_at_once_too() {
    let broker = Broker::shared();
    fill(broker, "consumer-empty", 1, 1);
    let join = || GroupConsumer::join(&connection(broker), "consumer-empty", "consumer-empty", 1).expect("joined");
    let (next, stopwatch, mut first) = (BTreeMap::new(), Stopwatch::start(), join());
    while first.assigned().is_empty() {
        assert!(stopwatch.elapsed() < PATIENCE);
        act(&mut first, &next);
        std::thread::sleep(MOMENT);
    }
    let mut second = join();
    while act(&mut second, &next) != Some(GroupEvent::Assigned(Vec::new())) {
        assert!(stopwatch.elapsed() < PATIENCE);
        act(&mut first, &next);
        std::thread::sleep(MOMENT);
    }
    assert_eq!(member_count(broker, "consumer-empty"), 2);
    drop(second);
    assert_eq!(member_count(broker, "consumer-empty"), 1, "the others need not wait until its session is over");
}

#[test]
fn committed_offsets_keep_their_metadata() {
    let broker = Broker::shared();
    fill(broker, "consumer-commit", 2, 2);
    let mut member = GroupConsumer::join(&connection(broker), "consumer-commit", "consumer-commit", 2).expect("joined");
    let stopwatch = Stopwatch::start();
    while member.assigned().len() < 2 {
        assert!(stopwatch.elapsed() < PATIENCE);
        act(&mut member, &BTreeMap::new());
        member.next_batch(MOMENT);
    }
    let metadata = "m".repeat(4000);
    member.commit(&[CommitOffset { partition: 1, offset: 7, metadata: metadata.clone() }]).expect("committed");
    let read = member.committed(&[0, 1], PATIENCE).expect("read");
    assert_eq!((read[0].offset, read[0].metadata.as_str()), (None, ""));
    assert_eq!((read[1].offset, &read[1].metadata), (Some(7), &metadata));
    let onlooker = GroupConsumer::alone(&connection(broker), "consumer-commit", "consumer-commit", Isolation::Uncommitted).expect("made");
    assert_eq!(onlooker.committed(&[0, 1], PATIENCE).expect("read"), read);
}

#[test]
fn a_missing_topic_is_named_with_what_to_do() {
    let broker = Broker::shared();
    let mut member = GroupConsumer::join(&connection(broker), "consumer-missing", "consumer-missing", 1).expect("joined");
    let error = member.partition_count(PATIENCE).expect_err("there is no such topic");
    assert!(matches!(error, ConsumeError::MissingTopic { .. }));
    assert!(error.to_string().contains("`consumer-missing` does not exist"), "{error}");
    assert!(error.to_string().contains("stickiness topics"), "{error}");
    let stopwatch = Stopwatch::start();
    let error = loop {
        assert!(stopwatch.elapsed() < PATIENCE);
        member.next_batch(MOMENT);
        if let Err(error) = member.poll() {
            break error;
        }
    };
    assert!(matches!(error, ConsumeError::MissingTopic { .. }), "{error}");
}

#[test]
fn brokers_that_do_not_answer_are_waited_for_and_named() {
    let nobody = Connection::new("127.0.0.1:1", BTreeMap::new()).expect("allowed");
    let mut member = GroupConsumer::join(&nobody, "g", "t", 1).expect("joining does not wait");
    let stopwatch = Stopwatch::start();
    while stopwatch.elapsed() < Duration::from_secs(2) {
        assert_eq!(member.poll().expect("trouble that may pass is no error"), None);
        member.next_batch(MOMENT);
    }
    let error = member.partition_count(Duration::from_secs(1)).expect_err("nobody answers");
    assert!(matches!(error, ConsumeError::Unavailable { .. }));
    assert!(error.to_string().starts_with("127.0.0.1:1 did not answer for the topic's partitions within 1s"), "{error}");
}
