//! Topics and records of a test.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use stickiness::io::kafka::metadata::CommitMetadata;

/// How long a broker may take for anything here.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a future to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// Deletes a topic, and waits until the broker knows nothing of it.
pub(crate) fn delete_topic(bootstrap: &str, name: &str) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a client");
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let deleted = block_on(admin.delete_topics(&[name], &options)).expect("an answer");
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    let reader: BaseConsumer = ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a client");
    let is_there = || reader.fetch_metadata(None, PATIENCE).expect("metadata").topics().iter().any(|topic| topic.name() == name);
    while is_there() {
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Creates a topic whose records are never deleted, whatever their time.
pub(crate) fn create_topic(bootstrap: &str, name: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a client");
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1)).set("retention.ms", "-1");
    let results = block_on(admin.create_topics([&topic], &AdminOptions::new().operation_timeout(Some(PATIENCE)))).expect("an answer");
    for result in results {
        result.expect("the topic is created");
    }
}

/// Changes a setting of a topic.
pub(crate) fn alter_topic(bootstrap: &str, name: &str, key: &str, value: &str) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a client");
    let change = AlterConfig::new(ResourceSpecifier::Topic(name)).set(key, value);
    let results = block_on(admin.alter_configs([&change], &AdminOptions::new().operation_timeout(Some(PATIENCE)))).expect("an answer");
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

/// A record to produce: partition, key, value, and milliseconds since the epoch.
pub(crate) struct Input<'a> {
    pub(crate) partition: i32,
    pub(crate) key: &'a str,
    pub(crate) value: &'a str,
    pub(crate) timestamp_ms: i64,
}

/// Produces records and waits until the broker has them.
pub(crate) fn produce<'a>(bootstrap: &str, topic: &str, inputs: impl IntoIterator<Item = Input<'a>>) {
    let producer: ThreadedProducer<_> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).set("linger.ms", "5").create().expect("a producer");
    for input in inputs {
        let record = BaseRecord::to(topic).partition(input.partition).key(input.key).payload(input.value).timestamp(input.timestamp_ms);
        producer.send(record).map_err(|(error, _)| error).expect("room in the queue");
    }
    producer.flush(PATIENCE).expect("delivered");
}

/// A record read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

impl Output {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.value.as_deref().expect("a value")).expect("text")
    }
}

/// How many partitions a topic has.
pub(crate) fn partition_count(bootstrap: &str, topic: &str) -> usize {
    let reader: BaseConsumer = ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a client");
    reader.fetch_metadata(Some(topic), PATIENCE).expect("metadata").topics()[0].partitions().len()
}

/// Whether a group has committed every record that can be read of a topic. Past the last there may be markers of transactions.
pub(crate) fn is_committed(bootstrap: &str, group: &str, topic: &str) -> bool {
    let reader: BaseConsumer = ClientConfig::new().set("bootstrap.servers", bootstrap).set("group.id", group).create().expect("a client");
    let mut next = BTreeMap::<i32, i64>::new();
    for record in read_committed(bootstrap, topic) {
        next.insert(record.partition, record.offset + 1);
    }
    let mut list = TopicPartitionList::new();
    for partition in next.keys() {
        list.add_partition(topic, *partition);
    }
    let Ok(committed) = reader.committed_offsets(list, PATIENCE) else { return false };
    committed.elements().iter().all(|element| matches!(element.offset(), Offset::Offset(offset) if offset >= next[&element.partition()]))
}

/// The next offset of each partition of a topic.
pub(crate) fn ends(bootstrap: &str, topic: &str) -> Vec<i64> {
    let reader: BaseConsumer = ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a client");
    let partitions = 0..i32::try_from(partition_count(bootstrap, topic)).expect("few");
    partitions.map(|partition| reader.fetch_watermarks(topic, partition, PATIENCE).expect("an answer").1).collect()
}

/// What a group's newest commit says of each partition of a topic, beside the offset.
pub(crate) fn committed_metadata(bootstrap: &str, group: &str, topic: &str) -> BTreeMap<i32, CommitMetadata> {
    let reader: BaseConsumer = ClientConfig::new().set("bootstrap.servers", bootstrap).set("group.id", group).create().expect("a client");
    let mut list = TopicPartitionList::new();
    for partition in 0..i32::try_from(partition_count(bootstrap, topic)).expect("few") {
        list.add_partition(topic, partition);
    }
    let committed = reader.committed_offsets(list, PATIENCE).expect("offsets");
    let elements = committed.elements();
    elements.iter().filter_map(|element| Some((element.partition(), CommitMetadata::parse(element.metadata()).ok()?))).collect()
}

/// How many offsets of a topic were ever taken, by records, committed or not, and by the markers of transactions.
pub(crate) fn written(bootstrap: &str, topic: &str) -> i64 {
    ends(bootstrap, topic).into_iter().sum()
}

/// Every committed record of a topic, by partition, then offset.
pub(crate) fn read_committed(bootstrap: &str, topic: &str) -> Vec<Output> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "reader-of-tests")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer");
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("metadata");
    let partitions = metadata.topics()[0].partitions().len();
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("an offset");
    }
    consumer.assign(&list).expect("assigned");
    let (mut outputs, mut ended) = (Vec::new(), 0);
    while ended < partitions {
        match consumer.poll(PATIENCE).expect("a record or the end of a partition") {
            Ok(message) => outputs.push(output(&message)),
            Err(KafkaError::PartitionEOF(_)) => ended += 1,
            Err(error) => panic!("cannot read {topic}: {error}"),
        }
    }
    outputs.sort_by_key(|output| output.partition);
    outputs
}

fn output(message: &rdkafka::message::BorrowedMessage<'_>) -> Output {
    let headers = message
        .headers()
        .map(|headers| headers.iter().map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect());
    Output {
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().expect("a timestamp"),
        key: message.key().map(|key| String::from_utf8_lossy(key).into_owned()),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}
