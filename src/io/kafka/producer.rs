//! The producer of a worker: everything of a batch in one transaction, or, for at-least-once delivery, without any.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::connection::{Connection, LoggingContext};
use super::consumer::{CommitOffset, offset_list};
use super::ffi::{self, NativeFailure, Outgoing, OutputTopic};
use crate::io::clock::Stopwatch;

/// How long one commit or abort may take in all, retries included.
const END_TRANSACTION: Duration = Duration::from_secs(30);
/// How long offsets may take to join a transaction.
const SEND_OFFSETS: Duration = Duration::from_secs(10);
/// How much longer the library may take to say that they did not.
const GRACE: Duration = Duration::from_secs(2);
/// How long records may wait for room in the producer's queue.
const QUEUE_FULL: Duration = Duration::from_secs(30);
/// How long the brokers may take to tell a topic's partitions.
const ASK: Duration = Duration::from_secs(10);
/// Records handed over in one call.
const CHUNK_RECORDS: usize = 1024;

/// Why a transaction did not go on. What the owner does next depends on the variant alone.
#[derive(Debug, thiserror::Error)]
pub enum ProduceError {
    /// Abort, take fresh group metadata, send the same records again.
    #[error("the transaction must be aborted: {reason}")]
    Abortable {
        /// What the library said.
        reason: String,
        /// Its code.
        code: RDKafkaErrorCode,
    },
    /// Another producer has this transactional id: this one's partitions are not its own any more.
    #[error("fenced: another process took over `{transactional_id}`; {reason}")]
    Fenced {
        /// The id.
        transactional_id: String,
        /// What the library said.
        reason: String,
    },
    /// This producer is of no use any more, and nobody here knows how its transaction ended: make a new one of the same id, and
    /// read the committed offsets.
    #[error("nothing tells how the transaction ended: {reason}")]
    Indeterminate {
        /// What the library said.
        reason: String,
    },
    /// The brokers did not answer in time and nothing was begun. Worth trying again.
    #[error("the brokers did not answer within {waited:?}: {reason}")]
    Unavailable {
        /// How long was waited.
        waited: Duration,
        /// What the library said.
        reason: String,
    },
    /// A topic is not there. Nothing was produced to it.
    #[error("topic `{topic}` does not exist; create it with `stickiness topics`")]
    MissingTopic {
        /// The topic.
        topic: String,
    },
    /// Neither another attempt nor another producer helps.
    #[error("{reason}")]
    Fatal {
        /// What the library said.
        reason: String,
    },
}

/// Counts records that the broker refused, and logs.
pub(super) struct DeliveryContext {
    logging: LoggingContext,
    first_failure: Mutex<Option<String>>,
}

impl ClientContext for DeliveryContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.logging.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.logging.error(error, reason);
    }
}

impl ProducerContext for DeliveryContext {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            let mut first = self.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert_with(|| error.to_string());
        }
    }
}

/// A producer with its own poll thread. Transactional when it has an id.
pub struct Producer {
    /// Dropped before the client that they belong to.
    topics: BTreeMap<String, (OutputTopic<DeliveryContext>, u32)>,
    client: ThreadedProducer<DeliveryContext>,
    transactional_id: Option<String>,
}

impl Producer {
    /// A producer whose records are seen when their transaction commits. Needs [`Self::init`].
    pub fn transactional(connection: &Connection, transactional_id: &str) -> Result<Self, ProduceError> {
        Self::new(connection, Some(transactional_id.to_owned()))
    }

    /// A producer whose records are seen at once: begin and abort do nothing, a commit waits until the brokers have everything.
    pub fn at_least_once(connection: &Connection) -> Result<Self, ProduceError> {
        Self::new(connection, None)
    }

    fn new(connection: &Connection, transactional_id: Option<String>) -> Result<Self, ProduceError> {
        let config = transactional_id.as_ref().map_or_else(|| connection.producer(), |id| connection.transactional_producer(id));
        let context = DeliveryContext { logging: LoggingContext::new(connection), first_failure: Mutex::default() };
        let client = config
            .create_with_context(context)
            .map_err(|error: KafkaError| ProduceError::Fatal { reason: format!("cannot make a producer: {error}") })?;
        Ok(Self { topics: BTreeMap::new(), client, transactional_id })
    }

    /// The transactional id, if it has one.
    #[must_use]
    pub fn transactional_id(&self) -> Option<&str> {
        self.transactional_id.as_deref()
    }

    /// Fences every earlier producer of the id, ends what it left open, and makes this one ready.
    pub fn init(&self, timeout: Duration) -> Result<(), ProduceError> {
        if self.transactional_id.is_none() {
            return Ok(());
        }
        let stopwatch = Stopwatch::start();
        loop {
            let left = stopwatch.remaining(timeout);
            let Err(error) = self.client.init_transactions(left) else { return Ok(()) };
            let failure = failure_of(error);
            if !failure.retriable {
                return Err(self.classified(failure));
            }
            if left.is_zero() {
                return Err(ProduceError::Unavailable { waited: timeout, reason: failure.text });
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Begins a transaction.
    pub fn begin(&self) -> Result<(), ProduceError> {
        if self.transactional_id.is_none() {
            return Ok(());
        }
        self.client.begin_transaction().map_err(|error| self.classified(failure_of(error)))
    }

    /// Makes ready to produce to `topic` and returns how many partitions it has. [`Self::send`] does it when it was not done.
    ///
    /// Asks the brokers first: records produced before the library knows the partitions would register partition -1 with
    /// the transaction, which the broker refuses, and the transaction with it.
    pub fn prepare(&mut self, topic: &str) -> Result<u32, ProduceError> {
        if let Some((_, partitions)) = self.topics.get(topic) {
            return Ok(*partitions);
        }
        let handle = OutputTopic::new(&self.client, topic).map_err(|error| ProduceError::Fatal { reason: error.to_string() })?;
        let metadata = self
            .client
            .client()
            .fetch_metadata(Some(topic), ASK)
            .map_err(|error| ProduceError::Unavailable { waited: ASK, reason: error.to_string() })?;
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        let partitions = found.map_or(0, |found| u32::try_from(found.partitions().len()).unwrap_or(u32::MAX));
        if partitions == 0 {
            return Err(ProduceError::MissingTopic { topic: topic.to_owned() });
        }
        self.topics.insert(topic.to_owned(), (handle, partitions));
        Ok(partitions)
    }

    /// Hands records over for `topic`, in order. Waits while the library's queue is full.
    pub fn send(&mut self, topic: &str, records: &[Outgoing<'_>]) -> Result<(), ProduceError> {
        self.prepare(topic)?;
        let Some((handle, _)) = self.topics.get_mut(topic) else { return Ok(()) };
        records.chunks(CHUNK_RECORDS).try_for_each(|chunk| send_chunk(handle, topic, chunk))
    }

    /// Hands one record with headers over. A record too large for the broker fails here or in the commit.
    pub fn send_with_headers(&mut self, topic: &str, record: &Outgoing<'_>, headers: &[(&str, &[u8])]) -> Result<(), ProduceError> {
        self.prepare(topic)?;
        let stopwatch = Stopwatch::start();
        loop {
            let mut owned = OwnedHeaders::new_with_capacity(headers.len());
            for (key, value) in headers {
                owned = owned.insert(Header { key, value: Some(*value) });
            }
            let mut one = BaseRecord::<[u8], [u8]>::to(topic).headers(owned);
            one.partition = (record.partition >= 0).then_some(record.partition);
            one.key = record.key;
            one.payload = record.value;
            let Err((error, _)) = self.client.send(one) else { return Ok(()) };
            let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
            refused(topic, code, &stopwatch)?;
        }
    }

    /// Makes offsets part of the transaction: they are committed with its records or not at all.
    ///
    /// The library's call has a time limit but does not keep it: when the coordinator's connection is taken down and built anew at the wrong
    /// moment, as after a broker was fenced, it waits for a state that has been, for ever. So a thread of its own makes the call, and is left
    /// behind with this client when it does not come back: the transaction is then for a new producer to end.
    pub fn send_offsets(&self, topic: &str, offsets: &[CommitOffset], group: &Arc<ConsumerGroupMetadata>) -> Result<(), ProduceError> {
        if self.transactional_id.is_none() {
            return Ok(());
        }
        let list = offset_list(topic, offsets).map_err(|error| ProduceError::Fatal { reason: error.to_string() })?;
        let (client, group) = (self.client.clone(), Arc::clone(group));
        match within(SEND_OFFSETS + GRACE, move || join_transaction(&client, &list, &group)) {
            Some(Ok(())) => Ok(()),
            Some(Err(failure)) if failure.retriable => Err(ProduceError::Abortable { reason: failure.text, code: failure.code }),
            Some(Err(failure)) => Err(self.classified(failure)),
            None => Err(ProduceError::Indeterminate { reason: "the client library does not say whether offsets were taken".to_owned() }),
        }
    }

    /// Commits: everything sent since the begin is seen, or the error says what is known.
    pub fn commit(&self) -> Result<(), ProduceError> {
        if self.transactional_id.is_none() {
            return self.flush();
        }
        self.end(|timeout| ffi::commit_transaction(&self.client, timeout))
    }

    /// Aborts: nothing sent since the begin is ever seen.
    pub fn abort(&self) -> Result<(), ProduceError> {
        if self.transactional_id.is_none() {
            return Ok(());
        }
        self.end(|timeout| ffi::abort_transaction(&self.client, timeout))
    }

    /// Ends a transaction. What is neither retriable nor abortable nor fatal tells nothing, so that nothing is assumed.
    fn end(&self, attempt: impl Fn(Duration) -> Result<(), NativeFailure>) -> Result<(), ProduceError> {
        let stopwatch = Stopwatch::start();
        loop {
            let left = stopwatch.remaining(END_TRANSACTION);
            let Err(failure) = attempt(left) else { return Ok(()) };
            if failure.fatal || failure.abortable {
                return Err(self.classified(failure));
            }
            if !failure.retriable || left.is_zero() {
                return Err(ProduceError::Indeterminate { reason: failure.text });
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the brokers have every record. The library's wrapper would look for the end in slices of 100 ms.
    fn flush(&self) -> Result<(), ProduceError> {
        ffi::flush(&self.client, END_TRANSACTION)
            .map_err(|error| ProduceError::Unavailable { waited: END_TRANSACTION, reason: error.to_string() })?;
        let mut first = self.client.context().first_failure.lock().unwrap_or_else(PoisonError::into_inner);
        match first.take() {
            None => Ok(()),
            Some(reason) => Err(ProduceError::Abortable { reason, code: RDKafkaErrorCode::Fail }),
        }
    }

    fn classified(&self, failure: NativeFailure) -> ProduceError {
        let NativeFailure { code, text, fatal, abortable, .. } = failure;
        let fenced = matches!(code, RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch);
        if fatal && fenced {
            let transactional_id = self.transactional_id.clone().unwrap_or_default();
            ProduceError::Fenced { transactional_id, reason: text }
        } else if abortable && !fatal {
            ProduceError::Abortable { reason: text, code }
        } else {
            // Fatal to this producer, as after a transaction that the broker ended by itself. A new one can go on.
            ProduceError::Indeterminate { reason: format!("{text} ({code:?})") }
        }
    }
}

/// Makes offsets part of the open transaction, as often as the library says that it is worth trying again.
fn join_transaction(
    client: &ThreadedProducer<DeliveryContext>,
    offsets: &TopicPartitionList,
    group: &ConsumerGroupMetadata,
) -> Result<(), NativeFailure> {
    let stopwatch = Stopwatch::start();
    loop {
        let left = stopwatch.remaining(SEND_OFFSETS);
        let Err(error) = client.send_offsets_to_transaction(offsets, group, left) else { return Ok(()) };
        let failure = failure_of(error);
        if !failure.retriable || left.is_zero() {
            return Err(failure);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// What `work` comes to, in a thread of its own; `None`, and the thread is left behind, when it takes longer than `limit`.
fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (tell, told) = mpsc::sync_channel(1);
    // Nobody may listen any more.
    thread::Builder::new().name("offsets".to_owned()).spawn(move || drop(tell.send(work()))).ok()?;
    told.recv_timeout(limit).ok()
}

/// Hands one chunk over, as often as the queue is full.
fn send_chunk(handle: &mut OutputTopic<DeliveryContext>, topic: &str, chunk: &[Outgoing<'_>]) -> Result<(), ProduceError> {
    let stopwatch = Stopwatch::start();
    let mut done = 0;
    while done < chunk.len() {
        let (taken, code) = handle.produce(&chunk[done..]);
        done += taken;
        if let Some(code) = code {
            refused(topic, code, &stopwatch)?;
        }
    }
    Ok(())
}

/// Waits a moment when the queue is full; anything else, or no room for long, ends the transaction.
fn refused(topic: &str, code: RDKafkaErrorCode, since: &Stopwatch) -> Result<(), ProduceError> {
    if code == RDKafkaErrorCode::QueueFull && since.elapsed() < QUEUE_FULL {
        thread::sleep(Duration::from_millis(1));
        return Ok(());
    }
    Err(ProduceError::Abortable { reason: format!("a record for `{topic}` was refused: {code}"), code })
}

/// What rdkafka's error says about a transaction.
fn failure_of(error: KafkaError) -> NativeFailure {
    match error {
        KafkaError::Transaction(inner) => NativeFailure {
            code: inner.code(),
            text: inner.string(),
            fatal: inner.is_fatal(),
            retriable: inner.is_retriable(),
            abortable: inner.txn_requires_abort(),
        },
        other => NativeFailure {
            code: other.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown),
            text: other.to_string(),
            fatal: false,
            retriable: false,
            abortable: false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_does_not_come_back_is_left_behind() {
        let (release, released) = mpsc::channel::<()>();
        let never = within(Duration::from_millis(20), move || released.recv());
        assert!(never.is_none());
        drop(release);
        assert_eq!(within(Duration::from_secs(60), || 7), Some(7));
    }
}
