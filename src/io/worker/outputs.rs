//! Records waiting for their transaction. They stay until it has committed, so that an aborted one can be sent again.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use sha2::{Digest as _, Sha256};

use crate::io::kafka::Outgoing;
use crate::io::kafka::producer::{ProduceError, Producer};
use crate::io::observations::DeadLetter;
use crate::io::publication::Publication;
use crate::model::hexadecimal::hexadecimal;
use crate::model::partition::partition_of;

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

/// One record, as ranges of the bytes of all.
struct Buffered {
    source: i32,
    topic: TopicIndex,
    to: Destination,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Option<Box<[Header]>>,
}

/// Records in the order in which they are published, each with the input partition that it comes from.
#[derive(Default)]
pub struct Outputs {
    bytes: Vec<u8>,
    records: Vec<Buffered>,
    source: i32,
}

impl Outputs {
    /// Records pushed from now on come from input partition `source`.
    pub(super) fn set_source(&mut self, source: i32) {
        self.source = source;
    }

    /// Adds a record whose value `write` appends to the bytes that it is given.
    pub fn push(&mut self, topic: TopicIndex, to: Destination, key: Option<&[u8]>, write: impl FnOnce(&mut Vec<u8>)) {
        let key = key.map(|key| self.append(|bytes| bytes.extend_from_slice(key)));
        let value = Some(self.append(write));
        self.records.push(Buffered { source: self.source, topic, to, key, value, headers: None });
    }

    /// Adds a tombstone: the end of what a compacted topic says about `key`.
    pub fn push_tombstone(&mut self, topic: TopicIndex, to: Destination, key: &[u8]) {
        let key = Some(self.append(|bytes| bytes.extend_from_slice(key)));
        self.records.push(Buffered { source: self.source, topic, to, key, value: None, headers: None });
    }

    /// Adds a record byte for byte, with headers. If the broker refuses its size, it is cut to 64 KiB, and the headers
    /// `stickiness.length` (bytes, as decimal text) and `stickiness.sha256` (hexadecimal) tell what it was.
    pub fn push_verbatim(&mut self, topic: TopicIndex, key: Option<&[u8]>, value: Option<&[u8]>, headers: Vec<Header>) {
        let key = key.map(|key| self.append(|bytes| bytes.extend_from_slice(key)));
        let value = value.map(|value| self.append(|bytes| bytes.extend_from_slice(value)));
        let headers = Some(headers.into_boxed_slice());
        self.records.push(Buffered { source: self.source, topic, to: Destination::ByKey, key, value, headers });
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
            let (with_headers, plain): (Vec<&Buffered>, Vec<&Buffered>) = records.into_iter().partition(|record| record.headers.is_some());
            let plain: Vec<Outgoing<'_>> = plain.into_iter().map(|record| self.outgoing(record, partitions)).collect();
            publication.send(producer, name, &plain)?;
            for record in with_headers {
                let headers: Vec<(&str, &[u8])> =
                    record.headers.iter().flatten().map(|(key, value)| (key.as_ref(), value.as_slice())).collect();
                producer.send_with_headers(name, &self.outgoing(record, partitions), &headers)?;
            }
        }
        Ok(())
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

/// Leaves out the headers that a record came with, when they are long, and says how many bytes they were.
fn drop_headers(headers: &mut Vec<Header>) -> bool {
    let is_own = |(name, _): &Header| name.starts_with("stickiness.");
    let bytes: usize = headers.iter().filter(|header| !is_own(header)).map(|(name, value)| name.len() + value.len()).sum();
    if bytes <= HEADER_BYTES {
        return false;
    }
    headers.retain(is_own);
    headers.push(("stickiness.headers_length".into(), bytes.to_string().into_bytes()));
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
