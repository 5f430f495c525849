//! Topics: made, filled as fast as the broker takes it, and removed.

use std::thread;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use stickiness::io::clock::{self, Stopwatch};
use stickiness::io::kafka::Outgoing;
use stickiness::io::kafka::connection::{Connection, Isolation};
use stickiness::io::kafka::consumer::{GroupConsumer, Watermarks};
use stickiness::io::kafka::producer::Producer;
use stickiness::model::time::EventTime;

use crate::events::{DAY_MS, DAYS, Drawn, Events, Plan};

/// Partitions of every topic.
pub(crate) const PARTITIONS: i32 = 4;
/// How long the brokers may take to answer.
pub(crate) const ASK: Duration = Duration::from_secs(30);
/// Records handed to the producer at once.
const BATCH: usize = 4_096;

fn admin(bootstrap: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a client")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// Creates a topic that keeps its records whatever their time.
pub(crate) fn create(bootstrap: &str, name: &str, partitions: i32) {
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1)).set("retention.ms", "-1");
    let created = block_on(admin(bootstrap).create_topics([&topic], &AdminOptions::new())).expect("an answer");
    assert!(created.iter().all(Result::is_ok), "{created:?}");
}

/// Removes all topics whose names begin so.
pub(crate) fn remove(bootstrap: &str, beginning: &str) {
    let client = admin(bootstrap);
    let known = client.inner().fetch_metadata(None, Duration::from_secs(10)).expect("an answer");
    let names: Vec<&str> = known.topics().iter().map(rdkafka::metadata::MetadataTopic::name).collect();
    let names: Vec<&str> = names.into_iter().filter(|name| name.starts_with(beginning)).collect();
    if !names.is_empty() {
        drop(block_on(client.delete_topics(&names, &AdminOptions::new())));
    }
}

pub(crate) fn connection(bootstrap: &str) -> Connection {
    Connection::new(bootstrap, std::collections::BTreeMap::new()).expect("no property is refused")
}

/// A consumer at the start of a topic's partitions, and where each begins and ends now.
pub(crate) fn reader(connection: &Connection, group: &str, topic: &str, partitions: i32) -> (GroupConsumer, Vec<Watermarks>) {
    let mut consumer = GroupConsumer::alone(connection, group, topic, Isolation::Committed).expect("a consumer");
    let ends: Vec<_> = (0..partitions).map(|partition| consumer.watermarks(partition, ASK).expect("ends")).collect();
    let starts: Vec<(i32, i64)> = (0..).zip(&ends).map(|(partition, ends)| (partition, ends.low)).collect();
    consumer.assign(&starts).expect("assigned");
    (consumer, ends)
}

/// The plan of a topic: 120 days up to the last midnight.
pub(crate) fn plan(events: u64, users: u32) -> Plan {
    let midnight = clock::wall().millis().div_euclid(DAY_MS) * DAY_MS;
    Plan { events, users, start_ms: midnight - DAYS * DAY_MS, span_ms: DAYS * DAY_MS, late_per_cent: 0, breakdowns: 0 }
}

/// Sends the events of a plan. Says how many bytes their values have.
pub(crate) fn fill(bootstrap: &str, topic: &str, plan: Plan) -> usize {
    let mut sender = Sender::new(bootstrap, topic);
    for drawn in Events::new(plan).take(usize::try_from(plan.events).expect("memory is larger")) {
        sender.push(&drawn);
    }
    sender.finish()
}

/// Sends events that happen now, so many a second for so many seconds.
pub(crate) fn feed(bootstrap: &str, topic: &str, plan: Plan, rate: u64, seconds: u64) {
    let mut sender = Sender::new(bootstrap, topic);
    let mut events = Events::new(plan);
    // The first record waits for connections, and says nothing of the others.
    let now = EventTime::from_millis(clock::wall().millis());
    events.by_ref().take(1).for_each(|drawn| sender.push(&Drawn { time: now, ..drawn }));
    sender.send();
    sender.producer.commit().expect("delivered");
    let stopwatch = Stopwatch::start();
    for millisecond in 0..seconds * 1_000 {
        let left = Duration::from_millis(millisecond).saturating_sub(stopwatch.elapsed());
        thread::sleep(left);
        let now = EventTime::from_millis(clock::wall().millis());
        for drawn in events.by_ref().take(usize::try_from(rate / 1_000).expect("small")) {
            sender.push(&Drawn { time: now, ..drawn });
        }
        sender.send();
    }
    sender.finish();
}

/// A producer of batches whose memory is used again.
struct Sender {
    producer: Producer,
    topic: String,
    keys: Vec<String>,
    values: Vec<String>,
    waiting: usize,
    bytes: usize,
}

impl Sender {
    fn new(bootstrap: &str, topic: &str) -> Self {
        let producer = Producer::at_least_once(&connection(bootstrap)).expect("a producer");
        let rows = || vec![String::new(); BATCH];
        Self { producer, topic: topic.to_owned(), keys: rows(), values: rows(), waiting: 0, bytes: 0 }
    }

    fn push(&mut self, drawn: &Drawn) {
        self.keys[self.waiting] = drawn.user_id();
        let value = &mut self.values[self.waiting];
        value.clear();
        drawn.write(value);
        self.bytes += value.len();
        self.waiting += 1;
        if self.waiting == BATCH {
            self.send();
        }
    }

    fn send(&mut self) {
        let rows = self.keys.iter().zip(&self.values).take(self.waiting);
        let records: Vec<Outgoing<'_>> =
            rows.map(|(key, value)| Outgoing { partition: -1, key: Some(key.as_bytes()), value: Some(value.as_bytes()) }).collect();
        self.producer.send(&self.topic, &records).expect("sent");
        self.waiting = 0;
    }

    fn finish(mut self) -> usize {
        self.send();
        self.producer.commit().expect("delivered");
        self.bytes
    }
}
