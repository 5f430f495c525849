//! The calls of librdkafka that rdkafka does not wrap: batches from one queue, produced batches, the raw commit and abort.
//!
//! Rules that every block below rests on: a native client outlives its queues, topics and messages, because each of their
//! owners here holds the `Arc` of the client and is dropped, queues and messages first, before it; and a batch is consumed by
//! one thread at a time, because that needs `&mut`.
#![expect(unsafe_code, reason = "rdkafka wraps neither batch consumption nor batch production nor a commit without its flush")]

mod headers;

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{CStr, CString, c_int};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::producer::{Producer, ProducerContext, ThreadedProducer};
use rdkafka_sys as sys;
use sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;

pub use headers::Headers;

/// Records of one batch at most.
const BATCH_RECORDS: usize = 4096;

/// The one queue that all partitions of a consumer flow into.
pub(super) struct RecordQueue<C: ConsumerContext> {
    /// Handed out by the next batch, before what the queue holds.
    strays: VecDeque<OwnedMessage>,
    messages: Vec<*mut sys::rd_kafka_message_t>,
    partitions: BTreeMap<i32, NonNull<sys::rd_kafka_queue_t>>,
    queue: NonNull<sys::rd_kafka_queue_t>,
    topic: CString,
    consumer: Arc<BaseConsumer<C>>,
}

// SAFETY: librdkafka's handles may be used from any thread; the pointers are owned by this value alone.
unsafe impl<C: ConsumerContext> Send for RecordQueue<C> {}

impl<C: ConsumerContext> RecordQueue<C> {
    /// A queue of `consumer` for partitions of `topic`.
    pub(super) fn new(consumer: Arc<BaseConsumer<C>>, topic: &str) -> Result<Self, KafkaError> {
        let topic = CString::new(topic)?;
        // SAFETY: the client is alive; the queue is destroyed once, in `drop`, while `consumer` still is.
        let queue = unsafe { sys::rd_kafka_queue_new(consumer.client().native_ptr()) };
        let queue = NonNull::new(queue).ok_or_else(|| KafkaError::ClientCreation("no queue for records".to_owned()))?;
        let messages = vec![ptr::null_mut(); BATCH_RECORDS];
        Ok(Self { strays: VecDeque::new(), messages, partitions: BTreeMap::new(), queue, topic, consumer })
    }

    /// Lets a partition flow into this queue. Called before the partition is assigned, so that no record goes elsewhere, and
    /// again at times while it is: librdkafka cuts the connection when an earlier assignment of the partition stops late.
    pub(super) fn forward(&mut self, partition: i32) {
        let client = self.consumer.client().native_ptr();
        if let std::collections::btree_map::Entry::Vacant(vacant) = self.partitions.entry(partition) {
            // SAFETY: the client is alive and the topic a C string; the reference is given back in `release`.
            let from = unsafe { sys::rd_kafka_queue_get_partition(client, self.topic.as_ptr(), partition) };
            if let Some(from) = NonNull::new(from) {
                vacant.insert(from);
            }
        }
        if let Some(from) = self.partitions.get(&partition) {
            // SAFETY: both queues are alive. Forwarding again keeps what the partition's own queue holds, in order.
            unsafe { sys::rd_kafka_queue_forward(from.as_ptr(), self.queue.as_ptr()) };
        }
    }

    /// Forwards every partition again.
    pub(super) fn forward_again(&mut self) {
        for from in self.partitions.values() {
            // SAFETY: as in `forward`.
            unsafe { sys::rd_kafka_queue_forward(from.as_ptr(), self.queue.as_ptr()) };
        }
    }

    /// Cuts a partition off.
    pub(super) fn release(&mut self, partition: i32) {
        if let Some(from) = self.partitions.remove(&partition) {
            // SAFETY: the reference was taken in `forward`, was just removed, and is given back once.
            unsafe {
                sys::rd_kafka_queue_forward(from.as_ptr(), ptr::null_mut());
                sys::rd_kafka_queue_destroy(from.as_ptr());
            }
        }
        self.strays.retain(|stray| stray.partition() != partition);
    }

    /// Keeps a record that came by another way, for the next batch.
    pub(super) fn push_stray(&mut self, stray: OwnedMessage) {
        self.strays.push_back(stray);
    }

    /// The next records, at most 4096, after at most `timeout`; an empty batch when none came.
    pub(super) fn next_batch(&mut self, timeout: Duration) -> Batch<'_> {
        let strays: Vec<OwnedMessage> = self.strays.drain(..).collect();
        let timeout_ms = if strays.is_empty() { c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX) } else { 0 };
        // SAFETY: the queue is alive, the buffer has room for the count given, and `&mut self` keeps others from the queue.
        let count =
            unsafe { sys::rd_kafka_consume_batch_queue(self.queue.as_ptr(), timeout_ms, self.messages.as_mut_ptr(), self.messages.len()) };
        let count = usize::try_from(count).unwrap_or(0);
        Batch { strays, messages: &self.messages[..count], queue: PhantomData }
    }

    /// The member id that the broker gave; `None` before the group was joined.
    pub(super) fn member_id(&self) -> Option<String> {
        let client = self.consumer.client().native_ptr();
        // SAFETY: the client is alive; the text is allocated for the caller, copied, and freed by librdkafka's allocator.
        let member_id = unsafe {
            let text = sys::rd_kafka_memberid(client);
            if text.is_null() {
                return None;
            }
            let copy = CStr::from_ptr(text).to_string_lossy().into_owned();
            sys::rd_kafka_mem_free(client, text.cast());
            copy
        };
        (!member_id.is_empty()).then_some(member_id)
    }

    /// The low and high watermarks that came with the last fetch, without asking the broker. Negative when there was none.
    pub(super) fn fetched_watermarks(&self, partition: i32) -> (i64, i64) {
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the client is alive, the topic a C string, both targets are live integers.
        unsafe {
            sys::rd_kafka_get_watermark_offsets(
                self.consumer.client().native_ptr(),
                self.topic.as_ptr(),
                partition,
                &raw mut low,
                &raw mut high,
            );
        }
        (low, high)
    }
}

impl<C: ConsumerContext> Drop for RecordQueue<C> {
    fn drop(&mut self) {
        let partitions: Vec<i32> = self.partitions.keys().copied().collect();
        for partition in partitions {
            self.release(partition);
        }
        // SAFETY: made in `new`, destroyed once; the client is a field and is dropped after this.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

/// Records consumed together. They are given back to librdkafka when the batch is dropped.
pub struct Batch<'q> {
    strays: Vec<OwnedMessage>,
    messages: &'q [*mut sys::rd_kafka_message_t],
    queue: PhantomData<&'q mut ()>,
}

impl Batch<'_> {
    /// Whether nothing came.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.strays.is_empty() && self.messages.is_empty()
    }

    /// Records and failures together.
    #[must_use]
    pub fn len(&self) -> usize {
        self.strays.len() + self.messages.len()
    }

    /// What came, each partition in the order of its offsets.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        let strays = self.strays.iter().map(|stray| {
            Entry::Record(Record {
                partition: stray.partition(),
                offset: stray.offset(),
                timestamp_ms: stray.timestamp().to_millis(),
                key: stray.key(),
                payload: stray.payload(),
                headers: Headers::of_stray(stray),
            })
        });
        // SAFETY: librdkafka filled the pointers of this batch, and they are valid until the batch is dropped.
        strays.chain(self.messages.iter().map(|message| entry(unsafe { &**message })))
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for message in self.messages {
            // SAFETY: each message of the batch is owned by it and destroyed here, once.
            unsafe { sys::rd_kafka_message_destroy(*message) };
        }
    }
}

/// One thing that a batch holds.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// A record.
    Record(Record<'a>),
    /// The partition cannot be read on.
    Failed {
        /// The partition.
        partition: i32,
        /// What the broker or the library said, in short.
        code: RDKafkaErrorCode,
        /// The same in words; may be empty.
        reason: &'a str,
    },
}

/// A consumed record; its bytes are librdkafka's and live as long as the batch.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
    /// The record's timestamp, in milliseconds since the epoch, of creation or of arrival as the topic says; `None` when it has none.
    pub timestamp_ms: Option<i64>,
    /// The key, which may be absent.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub payload: Option<&'a [u8]>,
    /// The headers.
    pub headers: Headers<'a>,
}

/// Reads one message.
fn entry(message: &sys::rd_kafka_message_t) -> Entry<'_> {
    match message.err {
        RD_KAFKA_RESP_ERR_NO_ERROR => Entry::Record(Record {
            partition: message.partition,
            offset: message.offset,
            timestamp_ms: timestamp_ms(message),
            key: bytes(message.key.cast(), message.key_len, message),
            payload: bytes(message.payload.cast(), message.len, message),
            headers: Headers::of_message(message),
        }),
        code => {
            let words = bytes(message.payload.cast(), message.len, message).unwrap_or_default();
            Entry::Failed { partition: message.partition, code: code.into(), reason: std::str::from_utf8(words).unwrap_or_default() }
        }
    }
}

/// The timestamp of a message without error.
fn timestamp_ms(message: &sys::rd_kafka_message_t) -> Option<i64> {
    // SAFETY: the message is alive; a null type is allowed.
    let millis = unsafe { sys::rd_kafka_message_timestamp(message, ptr::null_mut()) };
    (millis >= 0).then_some(millis)
}

/// Bytes that belong to a message.
fn bytes(start: *const u8, length: usize, _owner: &sys::rd_kafka_message_t) -> Option<&[u8]> {
    // SAFETY: librdkafka gives a start and a length that are valid as long as the message; null means absent.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start, length) })
}

/// Why a native call on a transaction failed.
#[derive(Clone, Debug)]
pub(super) struct NativeFailure {
    pub(super) code: RDKafkaErrorCode,
    pub(super) text: String,
    pub(super) fatal: bool,
    pub(super) retriable: bool,
    pub(super) abortable: bool,
}

/// Commits the open transaction and waits at most `timeout`. Something must poll the producer meanwhile.
pub(super) fn commit_transaction<C: ProducerContext>(producer: &ThreadedProducer<C>, timeout: Duration) -> Result<(), NativeFailure> {
    // SAFETY: the client is alive as long as `producer`; the error is read and destroyed in `checked`.
    unsafe { checked(sys::rd_kafka_commit_transaction(producer.client().native_ptr(), millis(timeout))) }
}

/// Aborts the open transaction and waits at most `timeout`. Something must poll the producer meanwhile.
pub(super) fn abort_transaction<C: ProducerContext>(producer: &ThreadedProducer<C>, timeout: Duration) -> Result<(), NativeFailure> {
    // SAFETY: as in `commit_transaction`.
    unsafe { checked(sys::rd_kafka_abort_transaction(producer.client().native_ptr(), millis(timeout))) }
}

/// Waits at most `timeout` until everything that was produced is delivered or has failed. Something must poll the producer meanwhile.
pub(super) fn flush<C: ProducerContext>(producer: &ThreadedProducer<C>, timeout: Duration) -> Result<(), RDKafkaErrorCode> {
    // SAFETY: the client is alive as long as `producer`.
    let code = unsafe { sys::rd_kafka_flush(producer.client().native_ptr(), millis(timeout)) };
    if code == RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err(code.into()) }
}

fn millis(timeout: Duration) -> c_int {
    c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX)
}

/// Reads and destroys an error.
///
/// # Safety
/// `error` is null or owned by the caller, who does not use it again.
unsafe fn checked(error: *mut sys::rd_kafka_error_t) -> Result<(), NativeFailure> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: not null, owned, destroyed last.
    unsafe {
        let failure = NativeFailure {
            code: sys::rd_kafka_error_code(error).into(),
            text: CStr::from_ptr(sys::rd_kafka_error_string(error)).to_string_lossy().into_owned(),
            fatal: sys::rd_kafka_error_is_fatal(error) != 0,
            retriable: sys::rd_kafka_error_is_retriable(error) != 0,
            abortable: sys::rd_kafka_error_txn_requires_abort(error) != 0,
        };
        sys::rd_kafka_error_destroy(error);
        Err(failure)
    }
}

/// A record to produce. Its bytes are copied once, into the library's memory.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The partition; -1 lets the library choose by the key (murmur2).
    pub partition: i32,
    /// The key, which may be absent.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
}

/// A topic that batches are produced to.
pub(super) struct OutputTopic<C: ProducerContext + 'static> {
    topic: NonNull<sys::rd_kafka_topic_t>,
    scratch: Vec<sys::rd_kafka_message_t>,
    _producer: ThreadedProducer<C>,
}

// SAFETY: librdkafka's handles may be used from any thread; the scratch memory is owned by this value alone.
unsafe impl<C: ProducerContext + 'static> Send for OutputTopic<C> {}

impl<C: ProducerContext + 'static> OutputTopic<C> {
    /// A handle on `name`.
    pub(super) fn new(producer: &ThreadedProducer<C>, name: &str) -> Result<Self, KafkaError> {
        let c_name = CString::new(name)?;
        // SAFETY: the client is alive, the name a C string; a null configuration means the client's default.
        let topic = unsafe { sys::rd_kafka_topic_new(producer.client().native_ptr(), c_name.as_ptr(), ptr::null_mut()) };
        let topic = NonNull::new(topic).ok_or_else(|| KafkaError::ClientCreation(format!("no handle for topic `{name}`")))?;
        Ok(Self { topic, scratch: Vec::new(), _producer: producer.clone() })
    }

    /// Hands records over and returns how many were taken, in order from the first. The first that was not has the code:
    /// `QueueFull` when it should be tried again.
    pub(super) fn produce(&mut self, records: &[Outgoing<'_>]) -> (usize, Option<RDKafkaErrorCode>) {
        self.scratch.clear();
        self.scratch.extend(records.iter().map(|record| native(self.topic, record)));
        let flags = sys::RD_KAFKA_MSG_F_COPY | sys::RD_KAFKA_MSG_F_PARTITION;
        let count = c_int::try_from(self.scratch.len()).unwrap_or(c_int::MAX);
        // SAFETY: topic and client are alive; the array has `count` elements whose bytes the caller lends for this call, and
        // with the copy flag librdkafka keeps none of them.
        unsafe { sys::rd_kafka_produce_batch(self.topic.as_ptr(), -1, flags, self.scratch.as_mut_ptr(), count) };
        let failed = self.scratch.iter().position(|message| message.err != RD_KAFKA_RESP_ERR_NO_ERROR);
        match failed {
            None => (records.len(), None),
            Some(index) => (index, Some(self.scratch[index].err.into())),
        }
    }
}

impl<C: ProducerContext + 'static> Drop for OutputTopic<C> {
    fn drop(&mut self) {
        // SAFETY: made in `new`, given back once; the producer is a field and is dropped after this.
        unsafe { sys::rd_kafka_topic_destroy(self.topic.as_ptr()) };
    }
}

/// A record as librdkafka reads it. The pointers are read only, although their type says otherwise.
fn native(topic: NonNull<sys::rd_kafka_topic_t>, record: &Outgoing<'_>) -> sys::rd_kafka_message_t {
    let (key, key_len) = record.key.map_or((ptr::null(), 0), |key| (key.as_ptr(), key.len()));
    let (payload, len) = record.value.map_or((ptr::null(), 0), |value| (value.as_ptr(), value.len()));
    sys::rd_kafka_message_t {
        err: RD_KAFKA_RESP_ERR_NO_ERROR,
        rkt: topic.as_ptr(),
        partition: record.partition,
        payload: payload.cast_mut().cast(),
        len,
        key: key.cast_mut().cast(),
        key_len,
        offset: 0,
        _private: ptr::null_mut(),
    }
}
