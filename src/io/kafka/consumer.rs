//! A member of the consumer group, on one topic.
//!
//! A rebalance only queues what happened. The owner acts after [`GroupConsumer::poll`], with everything in hand: it ends its
//! transaction, then calls [`GroupConsumer::assign`] or [`GroupConsumer::unassign`]. The group waits for that.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::connection::{Connection, Isolation, LoggingContext};
use super::ffi::{Batch, RecordQueue};
use crate::io::clock::Stopwatch;

/// How often all partitions are forwarded again, see [`RecordQueue::forward`].
const FORWARD_AGAIN: Duration = Duration::from_millis(250);

/// Why the group or its records cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    /// The topic is not there.
    #[error("topic `{topic}` does not exist on {brokers}; create it with `stickiness topics`")]
    MissingTopic {
        /// The topic.
        topic: String,
        /// The bootstrap servers.
        brokers: String,
    },
    /// The brokers did not answer within the time given. Worth trying again.
    #[error("{brokers} did not answer {asked} within {waited:?}: {reason}")]
    Unavailable {
        /// The bootstrap servers.
        brokers: String,
        /// What was asked.
        asked: &'static str,
        /// How long was waited.
        waited: Duration,
        /// What the library said.
        reason: Box<KafkaError>,
    },
    /// The group went on without this member.
    #[error("the group gave this member up and gave its partitions to others")]
    GivenUp,
    /// Anything else; trying again does not help.
    #[error("cannot {attempted}: {reason}")]
    Failed {
        /// What was attempted.
        attempted: &'static str,
        /// What the library said.
        reason: Box<KafkaError>,
    },
}

/// What a rebalance wants done. Acknowledge each, in order, also when its list is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupEvent {
    /// These partitions are the member's from now on: [`GroupConsumer::assign`] them.
    Assigned(Vec<i32>),
    /// These partitions go to another: finish what belongs to them, then [`GroupConsumer::unassign`].
    Revoked(Vec<i32>),
    /// These partitions may be another's already: drop what belongs to them, then [`GroupConsumer::unassign`].
    Lost(Vec<i32>),
}

/// What the group has committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The partition.
    pub partition: i32,
    /// The offset of the next record to read; `None` before the first commit.
    pub offset: Option<i64>,
    /// The text committed with it; empty before the first commit.
    pub metadata: String,
}

/// A partition's next offset and what is committed with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitOffset {
    /// The partition.
    pub partition: i32,
    /// The offset of the next record to read.
    pub offset: i64,
    /// Text of at most 4 KiB.
    pub metadata: String,
}

/// First and next offset of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// The oldest offset that the broker still has.
    pub low: i64,
    /// One past the last record that a reader of committed records sees.
    pub high: i64,
}

/// How far a partition was handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The partition.
    pub partition: i32,
    /// One past the last offset handed out, control records included; `None` before the first since the assignment.
    pub next_offset: Option<i64>,
    /// One past the last record in the log, as of the last fetch; `None` before the first.
    pub log_end: Option<i64>,
}

/// Queues rebalances, and logs.
pub(super) struct GroupContext {
    logging: LoggingContext,
    events: Mutex<VecDeque<GroupEvent>>,
    /// Set while leaving: nobody acts on events any more.
    leaving: AtomicBool,
}

impl GroupContext {
    fn new(connection: &Connection) -> Self {
        Self { logging: LoggingContext::new(connection), events: Mutex::default(), leaving: AtomicBool::new(false) }
    }

    fn next_event(&self) -> Option<GroupEvent> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.logging.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.logging.error(error, reason);
    }
}

impl ConsumerContext for GroupContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions: Vec<i32> = list.elements().iter().map(TopicPartitionListElem::partition).collect();
        let assigned = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.leaving.load(Ordering::Relaxed) {
            let done = if assigned { consumer.incremental_assign(&TopicPartitionList::new()) } else { let_go(consumer, list) };
            if let Err(error) = done {
                tracing::warn!(%error, "cannot give partitions back while leaving the group");
            }
            return;
        }
        let event = match (assigned, consumer.assignment_lost()) {
            (true, _) => GroupEvent::Assigned(partitions),
            (false, false) => GroupEvent::Revoked(partitions),
            (false, true) => GroupEvent::Lost(partitions),
        };
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
    }
}

/// A member of a consumer group with cooperative assignment, on one topic.
pub struct GroupConsumer {
    /// Dropped before the client that it belongs to.
    queue: RecordQueue<GroupContext>,
    consumer: Arc<BaseConsumer<GroupContext>>,
    topic: String,
    brokers: String,
    assigned: BTreeSet<i32>,
    /// Rebalances that were told and not acknowledged: the group, and a close, wait for that.
    unacknowledged: VecDeque<GroupEvent>,
    since_forwarded: Stopwatch,
}

impl GroupConsumer {
    /// Joins `group_id` as a reader of `topic`. Returns at once; partitions come by [`Self::poll`].
    /// `partitions_expected` divides the memory for records fetched ahead.
    pub fn join(connection: &Connection, group_id: &str, topic: &str, partitions_expected: u32) -> Result<Self, ConsumeError> {
        let config = connection.group_member(group_id, partitions_expected);
        let consumer: BaseConsumer<GroupContext> =
            config.create_with_context(GroupContext::new(connection)).map_err(failed("make a consumer"))?;
        consumer.subscribe(&[topic]).map_err(failed("subscribe"))?;
        Self::around(connection, consumer, topic)
    }

    /// Reads `topic` outside of any group's assignment; committed offsets, if asked for, are those of `group_id`.
    pub fn alone(connection: &Connection, group_id: &str, topic: &str, isolation: Isolation) -> Result<Self, ConsumeError> {
        let consumer: BaseConsumer<GroupContext> =
            connection.reader(group_id, isolation).create_with_context(GroupContext::new(connection)).map_err(failed("make a reader"))?;
        Self::around(connection, consumer, topic)
    }

    fn around(connection: &Connection, consumer: BaseConsumer<GroupContext>, topic: &str) -> Result<Self, ConsumeError> {
        let consumer = Arc::new(consumer);
        let queue = RecordQueue::new(Arc::clone(&consumer), topic).map_err(failed("make the queue of a consumer"))?;
        let brokers = connection.bootstrap_servers().to_owned();
        Ok(Self {
            queue,
            consumer,
            topic: topic.to_owned(),
            brokers,
            assigned: BTreeSet::new(),
            unacknowledged: VecDeque::new(),
            since_forwarded: Stopwatch::start(),
        })
    }

    /// Serves the group's protocol without waiting, and tells the next rebalance. To be called at least every few seconds.
    pub fn poll(&mut self) -> Result<Option<GroupEvent>, ConsumeError> {
        match self.consumer.poll(Duration::ZERO) {
            None => {}
            // Records come through the queue; one that came here all the same is handed out by the next batch.
            Some(Ok(message)) => self.queue.push_stray(message.detach()),
            Some(Err(error)) => self.serve_error(error)?,
        }
        let event = self.consumer.context().next_event();
        self.unacknowledged.extend(event.clone());
        Ok(event)
    }

    /// Errors that pass by themselves are logged, the others end the consumer.
    fn serve_error(&self, error: KafkaError) -> Result<(), ConsumeError> {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Err(self.missing_topic()),
            _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => Err(failed("stay in the group")(error)),
            Some(
                RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::GroupAuthorizationFailed | RDKafkaErrorCode::AutoOffsetReset,
            ) => Err(failed("read the topic")(error)),
            // Told already, and not so often, by the log of the client.
            Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure) => Ok(()),
            _ => {
                tracing::warn!(brokers = %self.brokers, topic = %self.topic, %error, "the group or its broker is in trouble, trying on");
                Ok(())
            }
        }
    }

    fn missing_topic(&self) -> ConsumeError {
        ConsumeError::MissingTopic { topic: self.topic.clone(), brokers: self.brokers.clone() }
    }

    /// Starts reading partitions at the offsets given, beside those that are read already. An empty list acknowledges an empty event.
    pub fn assign(&mut self, partitions: &[(i32, i64)]) -> Result<(), ConsumeError> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for &(partition, offset) in partitions {
            self.queue.forward(partition);
            self.assigned.insert(partition);
            list.add_partition_offset(&self.topic, partition, Offset::Offset(offset)).map_err(failed("name an offset"))?;
        }
        self.unacknowledged.pop_front();
        self.consumer.incremental_assign(&list).map_err(failed("take partitions"))
    }

    /// Stops reading partitions and lets the group go on. An empty list acknowledges an empty event.
    pub fn unassign(&mut self, partitions: &[i32]) -> Result<(), ConsumeError> {
        self.unacknowledged.pop_front();
        self.give_back(partitions)
    }

    /// Stops reading partitions of one's own accord, before leaving the group. Acknowledges no event.
    pub fn give_back(&mut self, partitions: &[i32]) -> Result<(), ConsumeError> {
        let given = let_go(&self.consumer, &self.list(partitions));
        for partition in partitions {
            self.queue.release(*partition);
            self.assigned.remove(partition);
        }
        given.map_err(failed("give partitions back"))
    }

    /// Stops fetching partitions; records fetched already are dropped and fetched again after [`Self::resume`].
    pub fn pause(&self, partitions: &[i32]) -> Result<(), ConsumeError> {
        let list = self.list(partitions);
        self.consumer.pause(&list).map_err(failed("pause partitions"))
    }

    /// Fetches partitions again.
    pub fn resume(&self, partitions: &[i32]) -> Result<(), ConsumeError> {
        let list = self.list(partitions);
        self.consumer.resume(&list).map_err(failed("resume partitions"))
    }

    fn list(&self, partitions: &[i32]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(&self.topic, *partition);
        }
        list
    }

    /// Waits at most `timeout` for records of the assigned partitions.
    pub fn next_batch(&mut self, timeout: Duration) -> Batch<'_> {
        if self.since_forwarded.elapsed() > FORWARD_AGAIN {
            self.since_forwarded.restart();
            self.queue.forward_again();
        }
        self.queue.next_batch(timeout)
    }

    /// What the group has committed, in the order asked. A reader of committed records waits for open transactions on them.
    pub fn committed(&self, partitions: &[i32], timeout: Duration) -> Result<Vec<Committed>, ConsumeError> {
        let list = self
            .consumer
            .committed_offsets(self.list(partitions), timeout)
            .map_err(|reason| self.unavailable("for committed offsets", timeout, reason))?;
        partitions.iter().map(|partition| self.committed_in(&list, *partition)).collect()
    }

    fn committed_in(&self, list: &TopicPartitionList, partition: i32) -> Result<Committed, ConsumeError> {
        let failed = failed("read a committed offset");
        let Some(found) = list.find_partition(&self.topic, partition) else {
            return Ok(Committed { partition, offset: None, metadata: String::new() });
        };
        found.error().map_err(failed)?;
        let offset = match found.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        let metadata = if offset.is_some() { found.metadata().to_owned() } else { String::new() };
        Ok(Committed { partition, offset, metadata })
    }

    /// Asks the broker for the ends of a partition, as its readers of committed records see them.
    pub fn watermarks(&self, partition: i32, timeout: Duration) -> Result<Watermarks, ConsumeError> {
        let (low, high) = self
            .consumer
            .fetch_watermarks(&self.topic, partition, timeout)
            .map_err(|reason| self.unavailable("for the ends of a partition", timeout, reason))?;
        Ok(Watermarks { low, high })
    }

    /// The first offset whose record is of a time, in milliseconds since the epoch, or later; the end of the partition when there is none.
    pub fn offset_since(&self, partition: i32, millis: i64, timeout: Duration) -> Result<i64, ConsumeError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(millis)).map_err(failed("name a time"))?;
        let found = self
            .consumer
            .offsets_for_times(list, timeout)
            .map_err(|reason| self.unavailable("for the offset of a time", timeout, reason))?;
        match found.find_partition(&self.topic, partition).map(|element| element.offset()) {
            Some(Offset::Offset(offset)) => Ok(offset),
            _ => Ok(self.watermarks(partition, timeout)?.high),
        }
    }

    /// How far each assigned partition was handed out in batches, and whether that was all when the broker last said so.
    pub fn progress(&self) -> Result<Vec<Progress>, ConsumeError> {
        let positions = self.consumer.position().map_err(failed("tell its positions"))?;
        let known = positions.elements_for_topic(&self.topic).into_iter().filter(|one| self.assigned.contains(&one.partition()));
        Ok(known
            .map(|one| {
                let next_offset = match one.offset() {
                    Offset::Offset(offset) => Some(offset),
                    _ => None,
                };
                let log_end = self.fetched_watermarks(one.partition()).map(|watermarks| watermarks.high);
                Progress { partition: one.partition(), next_offset, log_end }
            })
            .collect())
    }

    /// The ends of a partition that came with its last fetch, open transactions included; `None` before the first.
    #[must_use]
    pub fn fetched_watermarks(&self, partition: i32) -> Option<Watermarks> {
        let (low, high) = self.queue.fetched_watermarks(partition);
        (high >= 0).then_some(Watermarks { low: low.max(0), high })
    }

    /// How many partitions the topic has.
    pub fn partition_count(&self, timeout: Duration) -> Result<u32, ConsumeError> {
        let metadata = self
            .consumer
            .fetch_metadata(Some(&self.topic), timeout)
            .map_err(|reason| self.unavailable("for the topic's partitions", timeout, reason))?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == self.topic && topic.error().is_none());
        let count = topic.map_or(0, |topic| topic.partitions().len());
        if count == 0 { Err(self.missing_topic()) } else { Ok(u32::try_from(count).unwrap_or(u32::MAX)) }
    }

    /// Who this member is now, to be sent with offsets in a transaction; fresh for every transaction, because a rebalance
    /// changes it. `None` before the group was joined: such metadata would overwrite a live member's offsets.
    #[must_use]
    pub fn group_metadata(&self) -> Option<Arc<ConsumerGroupMetadata>> {
        self.queue.member_id()?;
        self.consumer.group_metadata().map(Arc::new)
    }

    /// Who commits for a group that nobody joins, in the transactions of the one producer that may. Never that of a group with members: it would
    /// overwrite their offsets.
    #[must_use]
    pub fn outsider_metadata(&self) -> Option<Arc<ConsumerGroupMetadata>> {
        self.consumer.group_metadata().map(Arc::new)
    }

    /// Commits offsets without a transaction, for at-least-once delivery.
    pub fn commit(&self, offsets: &[CommitOffset]) -> Result<(), ConsumeError> {
        let failed = failed("commit offsets");
        let list = offset_list(&self.topic, offsets).map_err(failed)?;
        self.consumer.commit(&list, CommitMode::Sync).map_err(failed)
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partitions that are read.
    #[must_use]
    pub fn assigned(&self) -> &BTreeSet<i32> {
        &self.assigned
    }

    fn unavailable(&self, asked: &'static str, waited: Duration, reason: KafkaError) -> ConsumeError {
        match reason.rdkafka_error_code() {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownPartition) => {
                self.missing_topic()
            }
            _ => ConsumeError::Unavailable { brokers: self.brokers.clone(), asked, waited, reason: Box::new(reason) },
        }
    }
}

/// Leaves the group at once, so that the others take over without waiting for a timeout.
impl Drop for GroupConsumer {
    fn drop(&mut self) {
        self.consumer.context().leaving.store(true, Ordering::Relaxed);
        // Unsubscribing first is what leaves the group. A close alone does not where no partition is held: the others would wait for the session to
        // end, and librdkafka 2.12 dies of a heartbeat that is answered meanwhile, https://github.com/confluentinc/librdkafka/issues/5347.
        self.consumer.unsubscribe();
        // A rebalance that nobody acted on, or not to the end, would hold up the leave for ever.
        while let Some(event) = self.unacknowledged.pop_front().or_else(|| self.consumer.context().next_event()) {
            let done = match event {
                GroupEvent::Assigned(_) => self.consumer.incremental_assign(&TopicPartitionList::new()),
                GroupEvent::Revoked(partitions) | GroupEvent::Lost(partitions) => let_go(&self.consumer, &self.list(&partitions)),
            };
            if let Err(error) = done {
                tracing::warn!(%error, "a rebalance ended before it was acted on");
            }
        }
    }
}

/// Stops reading partitions, those of them that are read: the library refuses the whole list for one that is not, and the rebalance, and with it a
/// close, would wait for ever.
fn let_go(consumer: &BaseConsumer<GroupContext>, partitions: &TopicPartitionList) -> Result<(), KafkaError> {
    let assigned = consumer.assignment()?;
    let mut read = TopicPartitionList::new();
    for element in partitions.elements() {
        if assigned.find_partition(element.topic(), element.partition()).is_some() {
            read.add_partition(element.topic(), element.partition());
        }
    }
    consumer.incremental_unassign(&read)
}

/// Makes the library's error one of this module.
fn failed(attempted: &'static str) -> impl Fn(KafkaError) -> ConsumeError + Copy {
    move |reason| ConsumeError::Failed { attempted, reason: Box::new(reason) }
}

/// The list that librdkafka wants.
pub(super) fn offset_list(topic: &str, offsets: &[CommitOffset]) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for one in offsets {
        let mut element = list.add_partition(topic, one.partition);
        element.set_offset(Offset::Offset(one.offset))?;
        element.set_metadata(&one.metadata);
    }
    Ok(list)
}
