//! Records waiting for their transaction. They stay until it has committed, so that an aborted one can be sent again.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::io::kafka::Outgoing;
use crate::io::kafka::producer::{ProduceError, Producer};
use crate::io::observations::DeadLetter;
use crate::io::publication::Publication;
use crate::io::traces::span_id;
use crate::model::hexadecimal::hexadecimal;
use crate::model::partition::partition_of;
use crate::wire::dead_letter;
use crate::wire::trace_context::{SpanId, TRACEPARENT, TRACESTATE, TraceContext};

/// What a record that the broker refuses for its size is cut to, in bytes.
const CUT_BYTES: usize = 64 * 1024;
/// Bytes of headers that such a record came with and keeps.
const HEADER_BYTES: usize = 4 * 1024;

/// Which of the topics that the processors name a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicIndex(pub usize);

/// Which partition of its topic a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The one that Kafka's default partitioner gives to the key.
    ByKey,
    /// This one.
    Partition(i32),
}

/// A header of a record.
pub type Header = (Cow<'static, str>, Vec<u8>);

/// The span of the record that what is published comes from.
pub type Cause = Arc<TraceContext>;

/// The span of a record that is published.
struct Sent {
    cause: Cause,
    span_id: SpanId,
}

impl Sent {
    fn context(&self) -> TraceContext {
        TraceContext { span_id: self.span_id, ..TraceContext::clone(&self.cause) }
    }
}

/// A record that is traced, as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Traced {
    /// The span of the record that it comes from.
    pub(super) cause: Cause,
    /// Its own.
    pub(super) context: TraceContext,
    pub(super) topic: TopicIndex,
    /// Its partition, where that was not left to its key.
    pub(super) partition: Option<i32>,
    /// Bytes of its value; `None` is a tombstone.
    pub(super) bytes: Option<usize>,
}

/// One record, as ranges of the bytes of all.
struct Buffered {
    source: i32,
    topic: TopicIndex,
    to: Destination,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Option<Box<[Header]>>,
    /// Of the few records that are traced.
    sent: Option<Box<Sent>>,
}

impl Buffered {
    fn is_plain(&self) -> bool {
        self.headers.is_none() && self.sent.is_none()
    }

    /// What lets whoever reads the record go on with its trace. A record that came with such headers keeps them: they name the same trace.
    fn trace_headers(&self) -> Vec<(&'static str, Vec<u8>)> {
        let has_own = self.headers.iter().flatten().any(|(name, _)| name == TRACEPARENT);
        let Some(context) = self.sent.as_deref().filter(|_| !has_own).map(Sent::context) else { return Vec::new() };
        let state = context.state.as_ref().map(|state| (TRACESTATE, state.as_bytes().to_vec()));
        std::iter::once((TRACEPARENT, context.traceparent().into_bytes())).chain(state).collect()
    }

    /// All headers.
    fn headers<'h>(&'h self, trace: &'h [(&'static str, Vec<u8>)]) -> Vec<(&'h str, &'h [u8])> {
        let own = self.headers.iter().flatten().map(|(name, value)| (name.as_ref(), value.as_slice()));
        own.chain(trace.iter().map(|(name, value)| (*name, value.as_slice()))).collect()
    }
}

/// Records in the order in which they are published, each with the input partition that it comes from.
#[derive(Default)]
pub struct Outputs {
    bytes: Vec<u8>,
    records: Vec<Buffered>,
    source: i32,
    cause: Option<Cause>,
}

impl Outputs {
    /// Records pushed from now on come from input partition `source`.
    pub(super) fn set_source(&mut self, source: i32) {
        self.source = source;
    }

    /// Records pushed from now on come from a record that is traced, or from none.
    pub fn set_cause(&mut self, cause: Option<Cause>) {
        self.cause = cause;
    }

    /// What records that are pushed now come from, if that is traced.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.cause.clone()
    }

    fn buffer(&mut self, topic: TopicIndex, to: Destination, (key, value): (Option<Range<usize>>, Option<Range<usize>>)) -> &mut Buffered {
        let sent = self.cause.as_ref().map(|cause| Box::new(Sent { cause: Arc::clone(cause), span_id: span_id() }));
        self.records.push(Buffered { source: self.source, topic, to, key, value, headers: None, sent });
        let last = self.records.len() - 1;
        &mut self.records[last]
    }

    /// Adds a record whose value `write` appends to the bytes that it is given.
    pub fn push(&mut self, topic: TopicIndex, to: Destination, key: Option<&[u8]>, write: impl FnOnce(&mut Vec<u8>)) {
        let key = key.map(|key| self.append(|bytes| bytes.extend_from_slice(key)));
        let value = Some(self.append(write));
        self.buffer(topic, to, (key, value));
    }

    /// Adds a tombstone: the end of what a compacted topic says about `key`.
    pub fn push_tombstone(&mut self, topic: TopicIndex, to: Destination, key: &[u8]) {
        let key = Some(self.append(|bytes| bytes.extend_from_slice(key)));
        self.buffer(topic, to, (key, None));
    }

    /// Adds a record byte for byte, with headers. If the broker refuses its size, it is cut to 64 KiB, and the headers
    /// `stickiness.length` (bytes, as decimal text) and `stickiness.sha256` (hexadecimal) tell what it was.
    pub fn push_verbatim(&mut self, topic: TopicIndex, key: Option<&[u8]>, value: Option<&[u8]>, headers: Vec<Header>) {
        let key = key.map(|key| self.append(|bytes| bytes.extend_from_slice(key)));
        let value = value.map(|value| self.append(|bytes| bytes.extend_from_slice(value)));
        self.buffer(topic, Destination::ByKey, (key, value)).headers = Some(headers.into_boxed_slice());
    }

    fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let start = self.bytes.len();
        write(&mut self.bytes);
        start..self.bytes.len()
    }

    /// How many records wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The newest dead letters that wait, at most `most`, the oldest of them first.
    pub(super) fn dead_letters(&self, most: usize) -> Vec<DeadLetter> {
        let with_headers = self.records.iter().rev().filter_map(|record| Some((record, record.headers.as_deref()?)));
        let mut letters: Vec<DeadLetter> = with_headers.take(most).map(|(record, headers)| self.dead_letter(record, headers)).collect();
        letters.reverse();
        letters
    }

    fn dead_letter(&self, record: &Buffered, headers: &[Header]) -> DeadLetter {
        let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_slice());
        let bytes = |range: &Option<Range<usize>>| range.clone().map(|range| &self.bytes[range]);
        DeadLetter::new(header, bytes(&record.key), bytes(&record.value))
    }

    /// Forgets all records; their transaction has committed, or they are not wanted.
    pub fn clear(&mut self) {
        self.records.clear();
        self.bytes.clear();
    }

    /// Forgets the records of an input partition that belongs to another now.
    pub(super) fn forget_source(&mut self, source: i32) {
        self.records.retain(|record| record.source != source);
    }

    /// Cuts what the broker may have refused for its size: values, keys, and headers that records came with. Says whether there was anything to cut.
    pub(in crate::io) fn cut_large(&mut self) -> bool {
        let mut any = false;
        for record in &mut self.records {
            let Some(headers) = record.headers.take() else { continue };
            let mut headers = headers.into_vec();
            any |= drop_headers(&mut headers);
            if let Some(key) = record.key.as_mut().filter(|key| key.len() > CUT_BYTES) {
                key.end = key.start + CUT_BYTES;
                any = true;
            }
            if let Some(value) = record.value.as_mut().filter(|value| value.len() > CUT_BYTES) {
                let whole = &self.bytes[value.clone()];
                let digest = hexadecimal(&Sha256::digest(whole));
                headers.push(("stickiness.length".into(), whole.len().to_string().into_bytes()));
                headers.push(("stickiness.sha256".into(), digest.into_bytes()));
                value.end = value.start + CUT_BYTES;
                any = true;
            }
            record.headers = Some(headers.into_boxed_slice());
        }
        any
    }

    /// Hands all records to the producer, each topic's in order. `topics` names the topics by index.
    pub(in crate::io) fn send(&self, producer: &mut Producer, topics: &[String], publication: &Publication) -> Result<(), ProduceError> {
        let mut batches: BTreeMap<TopicIndex, Vec<&Buffered>> = BTreeMap::new();
        for record in &self.records {
            batches.entry(record.topic).or_default().push(record);
        }
        for (topic, records) in batches {
            let Some(name) = topics.get(topic.0) else { continue };
            let partitions = producer.prepare(name)?;
            for run in runs(&records) {
                self.send_run(producer, (name, partitions), run, publication)?;
            }
        }
        Ok(())
    }

    /// Records without headers in as few calls as may be, and each other one by itself.
    fn send_run(
        &self,
        producer: &mut Producer,
        (topic, partitions): (&str, u32),
        run: &[&Buffered],
        publication: &Publication,
    ) -> Result<(), ProduceError> {
        match run {
            [record] if !record.is_plain() => {
                let trace = record.trace_headers();
                publication.send_with_headers(producer, topic, &self.outgoing(record, partitions), &record.headers(&trace))
            }
            plain => {
                let plain: Vec<Outgoing<'_>> = plain.iter().map(|record| self.outgoing(record, partitions)).collect();
                publication.send(producer, topic, &plain)
            }
        }
    }

    /// The records that are traced.
    pub(super) fn traced(&self) -> impl Iterator<Item = Traced> {
        self.records.iter().filter_map(|record| {
            let sent = record.sent.as_deref()?;
            let partition = match record.to {
                Destination::Partition(partition) => Some(partition),
                Destination::ByKey => None,
            };
            let bytes = record.value.as_ref().map(Range::len);
            Some(Traced { cause: Arc::clone(&sent.cause), context: sent.context(), topic: record.topic, partition, bytes })
        })
    }

    fn outgoing(&self, record: &Buffered, partitions: u32) -> Outgoing<'_> {
        let key = record.key.clone().map(|range| &self.bytes[range]);
        let partition = match (record.to, key) {
            (Destination::Partition(partition), _) => partition,
            (Destination::ByKey, Some(key)) => i32::try_from(partition_of(key, partitions)).unwrap_or(-1),
            (Destination::ByKey, None) => -1,
        };
        Outgoing { partition, key, value: record.value.clone().map(|range| &self.bytes[range]) }
    }
}

/// Records as they are handed over: plain ones together, and each other one by itself.
fn runs<'r, 'b>(records: &'r [&'b Buffered]) -> impl Iterator<Item = &'r [&'b Buffered]> {
    records.chunk_by(|one, next| one.is_plain() && next.is_plain())
}

/// Leaves out the headers that a record came with, when they are long, and says how many bytes they were.
fn drop_headers(headers: &mut Vec<Header>) -> bool {
    let is_own = |(name, _): &Header| name.starts_with("stickiness.");
    let bytes: usize = headers.iter().filter(|header| !is_own(header)).map(|(name, value)| name.len() + value.len()).sum();
    if bytes <= HEADER_BYTES {
        return false;
    }
    headers.retain(is_own);
    headers.push((dead_letter::HEADERS_LENGTH.into(), bytes.to_string().into_bytes()));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: TopicIndex = TopicIndex(0);

    #[test]
    fn records_of_a_lost_partition_are_forgotten_and_the_others_stay() {
        let mut outputs = Outputs::default();
        for source in [1, 2, 1] {
            outputs.set_source(source);
            outputs.push(TOPIC, Destination::ByKey, Some(b"key"), |bytes| bytes.extend_from_slice(source.to_string().as_bytes()));
        }
        outputs.forget_source(1);
        assert_eq!(outputs.len(), 1);
        let left = outputs.outgoing(&outputs.records[0], 8);
        assert_eq!((left.key, left.value), (Some("key".as_bytes()), Some("2".as_bytes())));
        assert_eq!(left.partition, i32::try_from(partition_of(b"key", 8)).expect("small"));
    }

    #[test]
    fn only_what_a_traced_record_caused_carries_a_trace() {
        let mut outputs = Outputs::default();
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let cause = TraceContext::parse(parent.as_bytes()).expect("a context").with_state(Some(b"shop=1"));
        outputs.push(TOPIC, Destination::ByKey, Some(b"a"), |_| {});
        outputs.set_cause(Some(Cause::new(cause)));
        outputs.push(TOPIC, Destination::Partition(3), Some(b"a"), |bytes| bytes.extend_from_slice(b"four"));
        outputs.push_tombstone(TOPIC, Destination::ByKey, b"a");
        outputs.push_verbatim(TOPIC, None, None, vec![("traceparent".into(), parent.into())]);
        outputs.push_verbatim(TOPIC, None, None, Vec::new());
        outputs.set_cause(None);
        outputs.push(TOPIC, Destination::ByKey, Some(b"a"), |_| {});
        let headers: Vec<Vec<(&str, Vec<u8>)>> = outputs.records.iter().map(Buffered::trace_headers).collect();
        let names: Vec<Vec<&str>> = headers.iter().map(|all| all.iter().map(|(name, _)| *name).collect()).collect();
        let both = vec![TRACEPARENT, TRACESTATE];
        assert_eq!(names, [vec![], both.clone(), both.clone(), vec![], both, vec![]]);
        let traced: Vec<Traced> = outputs.traced().collect();
        let sent: Vec<(Option<i32>, Option<usize>)> = traced.iter().map(|one| (one.partition, one.bytes)).collect();
        assert_eq!(sent, [(Some(3), Some(4)), (None, None), (None, None), (None, None)]);
        assert_eq!(headers[1][0].1, traced[0].context.traceparent().into_bytes());
        assert_eq!(traced[0].context.trace_id, traced[0].cause.trace_id);
        assert_ne!(traced[0].context.span_id, traced[1].context.span_id);
    }

    #[test]
    fn records_keep_their_order_around_those_with_headers() {
        let mut outputs = Outputs::default();
        for is_traced in [false, false, true, true, false] {
            let parent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
            outputs.set_cause(is_traced.then(|| Cause::new(TraceContext::parse(parent).expect("a context"))));
            outputs.push(TOPIC, Destination::ByKey, Some(b"a"), |_| {});
        }
        let all: Vec<&Buffered> = outputs.records.iter().collect();
        let runs: Vec<usize> = runs(&all).map(<[&Buffered]>::len).collect();
        assert_eq!(runs, [2, 1, 1, 1]);
    }

    #[test]
    fn only_large_verbatim_records_are_cut_and_say_what_they_were() {
        let mut outputs = Outputs::default();
        outputs.push_verbatim(TOPIC, None, Some(&vec![7; 100_000]), vec![("stickiness.reason".into(), b"malformed".to_vec())]);
        outputs.push_verbatim(TOPIC, None, Some(&[7; 100]), Vec::new());
        outputs.push(TOPIC, Destination::Partition(3), None, |bytes| bytes.resize(bytes.len() + 100_000, 0));
        let letters = outputs.dead_letters(1);
        assert_eq!((letters.len(), letters[0].length), (1, 100), "the newest");
        let letters = outputs.dead_letters(9);
        assert_eq!((letters.len(), letters[0].reason.as_str(), letters[0].length), (2, "malformed", 100_000));
        assert!(outputs.cut_large());
        assert!(!outputs.cut_large(), "once is enough");
        let lengths: Vec<usize> = outputs.records.iter().map(|record| record.value.as_ref().map_or(0, Range::len)).collect();
        assert_eq!(lengths, [65_536, 100, 100_000]);
        let headers = outputs.records[0].headers.as_ref().expect("headers");
        assert_eq!(headers[1], ("stickiness.length".into(), b"100000".to_vec()));
        assert_eq!((&*headers[2].0, headers[2].1.len()), ("stickiness.sha256", 64));
    }

    #[test]
    fn long_headers_and_keys_are_cut_too() {
        let mut outputs = Outputs::default();
        let headers = |length: usize| vec![("stickiness.reason".into(), b"future".to_vec()), ("trace".into(), vec![1; length])];
        outputs.push_verbatim(TOPIC, Some(&vec![7; 100_000]), Some(&[7; 100]), headers(5_000));
        outputs.push_verbatim(TOPIC, Some(b"key"), Some(&[7; 100]), headers(100));
        assert!(outputs.cut_large());
        assert!(!outputs.cut_large(), "once is enough");
        let names = |at: usize| outputs.records[at].headers.iter().flatten().map(|(name, _)| &**name).collect::<Vec<&str>>();
        assert_eq!(names(0), ["stickiness.reason", "stickiness.headers_length"]);
        assert_eq!(names(1), ["stickiness.reason", "trace"], "short ones stay");
        let keys: Vec<usize> = outputs.records.iter().map(|record| record.key.as_ref().map_or(0, Range::len)).collect();
        assert_eq!(keys, [65_536, 3]);
    }
}
