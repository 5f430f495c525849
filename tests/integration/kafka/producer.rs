//! What is committed is seen, what is aborted never, and of two producers of one id the older is fenced.

use std::time::Duration;

use stickiness::io::clock::Stopwatch;
use stickiness::io::kafka::Outgoing;
use stickiness::io::kafka::connection::Isolation;
use stickiness::io::kafka::consumer::{CommitOffset, GroupConsumer, GroupEvent};
use stickiness::io::kafka::producer::{ProduceError, Producer};

use super::connection;
use crate::support::broker::Broker;
use crate::support::records::{create_topic, read_committed};

const PATIENCE: Duration = Duration::from_secs(30);

fn producer(broker: &Broker, id: &str) -> Producer {
    let producer = Producer::transactional(&connection(broker), id).expect("made");
    producer.init(PATIENCE).expect("ready");
    producer
}

fn one(value: &str) -> [Outgoing<'_>; 1] {
    [Outgoing { partition: 0, key: Some(b"k"), value: Some(value.as_bytes()) }]
}

fn texts(broker: &Broker, topic: &str) -> Vec<String> {
    read_committed(&broker.bootstrap(), topic).iter().map(|output| output.text().to_owned()).collect()
}

#[test]
fn records_are_seen_after_the_commit_and_aborted_ones_never() {
    let broker = Broker::shared();
    create_topic(&broker.bootstrap(), "producer-commit", 2);
    let mut producer = producer(broker, "producer-commit");
    producer.begin().expect("begun");
    let values: Vec<String> = (0..5_000).map(|number| format!("v{number}")).collect();
    let records: Vec<Outgoing<'_>> = values
        .iter()
        .zip(0..)
        .map(|(value, number)| Outgoing { partition: number % 2, key: Some(b"k"), value: Some(value.as_bytes()) })
        .collect();
    producer.send("producer-commit", &records).expect("sent");
    assert_eq!(texts(broker, "producer-commit"), Vec::<String>::new(), "nothing is seen before the commit");
    producer.commit().expect("committed");
    assert_eq!(texts(broker, "producer-commit").len(), 5_000);

    producer.begin().expect("begun");
    producer.send("producer-commit", &records).expect("sent");
    producer.abort().expect("aborted");
    producer.begin().expect("begun again");
    producer.send("producer-commit", &one("last")).expect("sent");
    producer.commit().expect("committed");
    let seen = texts(broker, "producer-commit");
    assert_eq!(seen.len(), 5_001, "the aborted ones are never seen");
    assert_eq!(seen[..2], ["v0", "v2"], "partition and order are those asked for");
}

#[test]
fn a_commit_takes_milliseconds() {
    let broker = Broker::shared();
    create_topic(&broker.bootstrap(), "producer-speed", 1);
    let mut producer = producer(broker, "producer-speed");
    let stopwatch = Stopwatch::start();
    for number in 0..20 {
        producer.begin().expect("begun");
        producer.send("producer-speed", &one(&number.to_string())).expect("sent");
        producer.commit().expect("committed");
    }
    let each = stopwatch.elapsed() / 20;
    println!("begin, send and commit take {each:?}");
    assert!(each < Duration::from_millis(100), "the stock loop takes 210 ms, this one {each:?}");
}

#[test]
fn headers_and_tombstones_arrive_as_sent() {
    let broker = Broker::shared();
    create_topic(&broker.bootstrap(), "producer-headers", 1);
    let mut producer = producer(broker, "producer-headers");
    producer.begin().expect("begun");
    // Bytes that lz4 cannot make smaller.
    let large: Vec<u8> = (0..400_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let record = Outgoing { partition: 0, key: None, value: Some(b"bad") };
    producer.send_with_headers("producer-headers", &record, &[("stickiness.reason", b"malformed")]).expect("sent");
    producer.send("producer-headers", &[Outgoing { partition: 0, key: Some(b"gone"), value: None }]).expect("sent");
    producer.commit().expect("committed");
    let read = read_committed(&broker.bootstrap(), "producer-headers");
    assert_eq!(read[0].headers, [("stickiness.reason".to_owned(), b"malformed".to_vec())]);
    assert_eq!((read[0].key.as_deref(), read[0].value.as_deref()), (None, Some("bad".as_bytes())));
    assert_eq!((read[1].key.as_deref(), read[1].value.as_deref()), (Some("gone"), None));

    producer.begin().expect("begun");
    let sent = producer.send("producer-headers", &[Outgoing { partition: 0, key: None, value: Some(&large) }]);
    let ended = sent.and_then(|()| producer.commit());
    assert!(matches!(ended, Err(ProduceError::Abortable { .. })), "more than the topic takes aborts: {ended:?}");
    producer.abort().expect("aborted");
}

#[test]
fn the_older_of_two_producers_of_an_id_is_fenced() {
    let broker = Broker::shared();
    create_topic(&broker.bootstrap(), "producer-fenced", 1);
    let mut older = producer(broker, "producer-fenced");
    older.begin().expect("begun");
    older.send("producer-fenced", &one("older")).expect("sent");
    let mut newer = producer(broker, "producer-fenced");
    let ended = older.commit();
    assert!(matches!(&ended, Err(ProduceError::Fenced { transactional_id, .. }) if transactional_id == "producer-fenced"), "{ended:?}");
    newer.begin().expect("begun");
    newer.send("producer-fenced", &one("newer")).expect("sent");
    newer.commit().expect("committed");
    assert_eq!(texts(broker, "producer-fenced"), ["newer"]);
}

/// The one member of the group and topic `name`.
fn member(broker: &Broker, name: &str) -> GroupConsumer {
    let mut member = GroupConsumer::join(&connection(broker), name, name, 1).expect("joined");
    let stopwatch = Stopwatch::start();
    while member.assigned().is_empty() {
        assert!(stopwatch.elapsed() < PATIENCE);
        if let Some(GroupEvent::Assigned(partitions)) = member.poll().expect("the group is well") {
            let starts: Vec<(i32, i64)> = partitions.into_iter().map(|partition| (partition, 0)).collect();
            member.assign(&starts).expect("assigned");
        }
        member.next_batch(Duration::from_millis(50));
    }
    member
}

#[test]
fn a_stale_member_of_the_group_commits_nothing() {
    let broker = Broker::shared();
    create_topic(&broker.bootstrap(), "producer-stale", 1);
    create_topic(&broker.bootstrap(), "producer-stale-out", 1);
    let first = member(broker, "producer-stale");
    let stale = first.group_metadata().expect("joined");
    let mut producer = producer(broker, "producer-stale");
    drop(first);
    let second = member(broker, "producer-stale");
    producer.begin().expect("begun");
    producer.send("producer-stale-out", &one("stale")).expect("sent");
    let offsets = |offset| [CommitOffset { partition: 0, offset, metadata: String::new() }];
    let refused = producer.send_offsets("producer-stale", &offsets(9), &stale).and_then(|()| producer.commit());
    assert!(matches!(refused, Err(ProduceError::Abortable { .. })), "{refused:?}");
    producer.abort().expect("aborted");
    // The same producer may commit for who is a member now.
    producer.begin().expect("begun");
    producer.send("producer-stale-out", &one("current")).expect("sent");
    producer.send_offsets("producer-stale", &offsets(5), &second.group_metadata().expect("joined")).expect("taken");
    producer.commit().expect("committed");
    assert_eq!(second.committed(&[0], PATIENCE).expect("read")[0].offset, Some(5));
    assert_eq!(texts(broker, "producer-stale-out"), ["current"]);
}

#[test]
fn offsets_and_metadata_are_committed_with_the_records_or_not_at_all() {
    let broker = Broker::shared();
    create_topic(&broker.bootstrap(), "producer-offsets", 1);
    create_topic(&broker.bootstrap(), "producer-offsets-out", 1);
    let member = member(broker, "producer-offsets");
    let mut producer = producer(broker, "producer-offsets");
    let step = |producer: &mut Producer, offset: i64, commit: bool| {
        producer.begin().expect("begun");
        producer.send("producer-offsets-out", &one(&offset.to_string())).expect("sent");
        let offsets = [CommitOffset { partition: 0, offset, metadata: format!("at {offset}") }];
        let group = member.group_metadata().expect("joined");
        producer.send_offsets("producer-offsets", &offsets, &group).expect("taken");
        if commit { producer.commit().expect("committed") } else { producer.abort().expect("aborted") }
    };
    step(&mut producer, 5, true);
    step(&mut producer, 9, false);
    let reader = GroupConsumer::alone(&connection(broker), "producer-offsets", "producer-offsets", Isolation::Committed).expect("made");
    let read = reader.committed(&[0], PATIENCE).expect("read");
    assert_eq!((read[0].offset, read[0].metadata.as_str()), (Some(5), "at 5"));
    assert_eq!(texts(broker, "producer-offsets-out"), ["5"]);
}

#[test]
fn without_transactions_records_are_seen_after_the_flush() {
    let broker = Broker::shared();
    create_topic(&broker.bootstrap(), "producer-plain", 1);
    let mut producer = Producer::at_least_once(&connection(broker)).expect("made");
    producer.init(PATIENCE).expect("nothing to do");
    producer.begin().expect("nothing to do");
    producer.send("producer-plain", &one("once")).expect("sent");
    producer.commit().expect("delivered");
    assert_eq!(texts(broker, "producer-plain"), ["once"]);
}

#[test]
fn a_broker_killed_and_restarted_keeps_what_was_committed() {
    let mut broker = Broker::start();
    create_topic(&broker.bootstrap(), "kept", 1);
    let mut producer = producer(&broker, "kept");
    producer.begin().expect("begun");
    producer.send("kept", &one("before")).expect("sent");
    producer.commit().expect("committed");
    broker.kill9();
    broker.restart();
    producer.begin().expect("begun");
    producer.send("kept", &one("after")).expect("sent");
    producer.commit().expect("committed through the restart");
    assert_eq!(texts(&broker, "kept"), ["before", "after"]);
    broker.stop();
}
