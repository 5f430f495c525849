//! What the service publishes, by a program that counts nothing: it drains the input, and produces as many of the same records by batches, exactly once.
//! Of each topic the first records come again and again; commits stop it as they stop a worker.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::{Value, json};
use stickiness::io::clock::Stopwatch;
use stickiness::io::kafka::connection::Connection;
use stickiness::io::kafka::consumer::{CommitOffset, GroupConsumer};
use stickiness::io::kafka::producer::Producer;
use stickiness::io::kafka::{Entry, Outgoing};
use stickiness::model::partition::partition_of;

use crate::process::usage;
use crate::topics::{ASK, PARTITIONS, connection, create, reader};

/// What the service commits after.
const COMMIT_INTERVAL: Duration = Duration::from_millis(200);
/// Records of a topic that are kept to be produced again and again.
const SAMPLE: usize = 100_000;
/// Records of an output are handed over once there are so many.
const BATCH: usize = 1_024;

/// A topic of the service's outputs: its first records, and how many there are.
struct Published {
    /// Where the same is produced to, and its partitions.
    copy: String,
    partitions: u32,
    /// Keys and values; without a value, a tombstone.
    records: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    count: usize,
    produced: usize,
}

impl Published {
    fn read(connection: &Connection, topic: &str, partitions: i32) -> Self {
        let (mut consumer, ends) = reader(connection, "published", topic, partitions);
        // Control records of transactions count, too.
        let all: i64 = ends.iter().map(|ends| ends.high).sum();
        let empty: i64 = ends.iter().filter(|ends| ends.high == ends.low).map(|ends| ends.high).sum();
        let read = |consumer: &GroupConsumer| {
            consumer.progress().expect("positions").iter().filter_map(|one| one.next_offset).sum::<i64>() >= all - empty
        };
        let (mut records, mut count) = (Vec::new(), 0);
        while !read(&consumer) {
            consumer.poll().expect("polled");
            for entry in consumer.next_batch(Duration::from_millis(20)).iter() {
                let Entry::Record(record) = entry else { continue };
                count += 1;
                if records.len() < SAMPLE {
                    records.push((record.key.unwrap_or_default().to_vec(), record.payload.map(<[u8]>::to_vec)));
                }
            }
        }
        Self { copy: format!("{topic}-copy"), partitions: partitions.cast_unsigned(), records, count, produced: 0 }
    }

    /// Produces what is due when `done` of `all` input records are read.
    fn produce(&mut self, producer: &mut Producer, done: i64, all: i64) {
        let due = usize::try_from(i128::from(done) * i128::try_from(self.count).expect("fits") / i128::from(all.max(1))).expect("positive");
        if due - self.produced < BATCH && done < all || self.records.is_empty() {
            return;
        }
        let outgoing = |number: usize| {
            let (key, value) = &self.records[number % self.records.len()];
            let partition = partition_of(key, self.partitions).cast_signed();
            Outgoing { partition, key: Some(key), value: value.as_deref() }
        };
        let batch: Vec<Outgoing<'_>> = (self.produced..due).map(outgoing).collect();
        producer.send(&self.copy, &batch).expect("sent");
        self.produced = due;
    }
}

/// Drains `topic`, and produces what the service of `group` published of it.
pub(crate) fn run(bootstrap: &str, topic: &str, group: &str) -> Value {
    let connection = connection(bootstrap);
    let mut outputs = published(&connection, bootstrap, group);
    let own = format!("{group}-again");
    let mut producer = Producer::transactional(&connection, &own).expect("a producer");
    producer.init(ASK).expect("ready");
    producer.begin().expect("begun");
    let (before, mut since) = (usage(std::process::id()).cpu_s, Stopwatch::start());
    let (mut consumer, ends) = reader(&connection, &own, topic, PARTITIONS);
    let total: i64 = ends.iter().map(|ends| ends.high - ends.low).sum();
    let mut next: Vec<(i32, i64)> = (0..).zip(&ends).map(|(partition, ends)| (partition, ends.low)).collect();
    let (mut done, mut first) = (0_i64, None);
    while done < total {
        consumer.poll().expect("polled");
        for entry in consumer.next_batch(Duration::from_millis(20)).iter() {
            if let Entry::Record(record) = entry {
                done += 1;
                next[usize::try_from(record.partition).expect("a partition")].1 = record.offset + 1;
            }
        }
        for output in &mut outputs {
            output.produce(&mut producer, done, total);
        }
        if since.elapsed() >= COMMIT_INTERVAL || done == total {
            since.restart();
            commit(&producer, &consumer, topic, &next);
            first.get_or_insert_with(|| (Stopwatch::start(), done));
        }
    }
    let (stopwatch, until) = first.expect("committed");
    let (seconds, usage) = (stopwatch.elapsed().as_secs_f64(), usage(std::process::id()));
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let (rate, cpu_us) = ((done - until) as f64 / seconds, (usage.cpu_s - before) * 1e6 / done as f64);
    let published: usize = outputs.iter().map(|output| output.produced).sum();
    json!({
        "records": done - until, "seconds": seconds, "records_per_s": rate, "cpu_s": usage.cpu_s - before, "cpu_us": cpu_us,
        "peak_bytes": usage.peak_bytes, "published": published,
    })
}

fn commit(producer: &Producer, consumer: &GroupConsumer, topic: &str, next: &[(i32, i64)]) {
    let offset = |(partition, offset): &(i32, i64)| CommitOffset { partition: *partition, offset: *offset, metadata: String::new() };
    let offsets: Vec<CommitOffset> = next.iter().map(offset).collect();
    let group = consumer.outsider_metadata().expect("a group");
    producer.send_offsets(topic, &offsets, &group).expect("sent");
    producer.commit().expect("committed");
    producer.begin().expect("begun");
}

/// What the service of a group published, each topic with another to produce the same to.
fn published(connection: &Connection, bootstrap: &str, group: &str) -> Vec<Published> {
    let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a client");
    let known = client.fetch_metadata(None, ASK).expect("an answer");
    let beginning = format!("{group}-");
    let topics = known.topics().iter().filter(|topic| topic.name().starts_with(&beginning));
    let read = |topic: &rdkafka::metadata::MetadataTopic| {
        let partitions = i32::try_from(topic.partitions().len()).expect("few");
        let published = Published::read(connection, topic.name(), partitions);
        create(bootstrap, &published.copy, partitions);
        published
    };
    topics.map(read).collect()
}
