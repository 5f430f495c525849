//! The embedded broker of `demo` carries records from a producer to a group.

use std::collections::BTreeMap;
use std::time::Duration;

use stickiness::io::clock::Stopwatch;
use stickiness::io::kafka::connection::Connection;
use stickiness::io::kafka::consumer::{GroupConsumer, GroupEvent};
use stickiness::io::kafka::embedded::EmbeddedBroker;
use stickiness::io::kafka::producer::Producer;
use stickiness::io::kafka::{Entry, Outgoing};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn records_flow_through_the_embedded_broker() {
    let broker = EmbeddedBroker::start().expect("started");
    broker.create_topic("events", 2).expect("created");
    let connection = Connection::new(&broker.bootstrap_servers(), BTreeMap::new()).expect("allowed");
    let mut producer = Producer::transactional(&connection, "demo").expect("made");
    producer.init(PATIENCE).expect("ready");
    producer.begin().expect("begun");
    let records = [0, 1].map(|partition| Outgoing { partition, key: Some(b"k"), value: Some(b"v") });
    producer.send("events", &records).expect("sent");
    producer.commit().expect("committed");

    let mut member = GroupConsumer::join(&connection, "demo", "events", 2).expect("joined");
    let (mut read, stopwatch) = (0, Stopwatch::start());
    while read < 2 {
        assert!(stopwatch.elapsed() < PATIENCE);
        if let Some(GroupEvent::Assigned(partitions)) = member.poll().expect("the group is well") {
            let starts: Vec<(i32, i64)> = partitions.into_iter().map(|partition| (partition, 0)).collect();
            member.assign(&starts).expect("assigned");
        }
        let batch = member.next_batch(Duration::from_millis(50));
        read += batch.iter().filter(|entry| matches!(entry, Entry::Record(record) if record.payload == Some(b"v"))).count();
    }
}
