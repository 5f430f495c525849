//! The log that history goes into: what it holds, and what was committed of the backfill.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::ConsumerGroupMetadata;

use super::error::BackfillError;
use super::position::{Span, Spans, Stand, read_span, span_text};
use super::{Target, backfill_group};
use crate::io::clock::Stopwatch;
use crate::io::kafka::connection::{Connection, Isolation};
use crate::io::kafka::consumer::{CommitOffset, Committed, ConsumeError, GroupConsumer};
use crate::io::kafka::reader::TopicReader;

/// How long the brokers may take to answer a question.
const ASK: Duration = Duration::from_secs(30);
/// How long a transaction that has committed may take to be in the log.
const SETTLES: Duration = Duration::from_secs(30);
/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// How long nothing may come of a topic that has more.
const STALLED: Duration = Duration::from_secs(60);

/// The log.
pub(super) struct Log {
    connection: Connection,
    /// Of the service.
    group_id: String,
    /// Of the backfill.
    group: String,
    target: Target,
    /// Sees all records, and what is committed for the backfill.
    onlooker: GroupConsumer,
}

impl Log {
    pub(super) fn new(connection: &Connection, group_id: &str, target: &Target) -> Result<Self, BackfillError> {
        let group = backfill_group(group_id);
        let onlooker = GroupConsumer::alone(connection, &group, &target.topic, Isolation::Uncommitted)?;
        let (connection, group_id) = (connection.clone(), group_id.to_owned());
        Ok(Self { connection, group_id, group, target: target.clone(), onlooker })
    }

    pub(super) fn group(&self) -> &str {
        &self.group
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Who commits, in the transactions of the one producer.
    pub(super) fn committer(&self) -> Result<Arc<ConsumerGroupMetadata>, BackfillError> {
        let unknown = || BackfillError::Refused(format!("the client library tells nothing of group `{}`", self.group));
        self.onlooker.outsider_metadata().ok_or_else(unknown)
    }

    fn partitions(&self) -> Vec<i32> {
        (0..self.target.partitions.cast_signed()).collect()
    }

    /// One past the last record of each partition, those of open transactions and their markers included.
    fn ends(&self) -> Result<Vec<i64>, ConsumeError> {
        self.partitions().into_iter().map(|partition| Ok(self.onlooker.watermarks(partition, ASK)?.high)).collect()
    }

    /// What an earlier run has committed. Refuses a log that a history cannot begin in.
    pub(super) fn look(&self, topics: &[String]) -> Result<Option<Stand>, BackfillError> {
        let stand = self.stand(topics)?;
        let Some(found) = &stand else {
            self.check_untouched()?;
            return Ok(None);
        };
        let shorter = |((end, base), sent): ((&i64, &i64), &u64)| *end < base.saturating_add_unsigned(*sent);
        if self.ends()?.iter().zip(&found.bases).zip(&found.sent).any(shorter) {
            return Err(self.refused(&format!(
                "topic `{}` ends before the records that the backfill wrote: it was made anew. Remove group `{}`, and begin again",
                self.target.topic, self.group
            )));
        }
        Ok(stand)
    }

    /// Looks again when every other process that could write is fenced: what is committed, and where the log ends.
    pub(super) fn settle(&self, topics: &[String]) -> Result<(Option<Stand>, Vec<i64>), BackfillError> {
        let stand = self.look(topics)?;
        let ends = self.ends()?;
        if let Some(stand) = stand.as_ref().filter(|stand| !stand.is_complete()) {
            let found = self.count(&stand.bases, &ends)?;
            let strangers = stand.sent.iter().zip(&found).map(|(sent, found)| found.abs_diff(*sent)).sum::<u64>();
            if strangers > 0 {
                return Err(self.intruded());
            }
        }
        Ok((stand, ends))
    }

    /// Waits until the log ends where it must after the last transaction, and says where it does. More records than that are of others. A marker that is written twice,
    /// as when the coordinator of the transaction died between, takes an offset and is no record.
    pub(super) fn settled_ends(&self, expected: &[i64], done: u64) -> Result<Vec<i64>, BackfillError> {
        let stopwatch = Stopwatch::start();
        loop {
            let ends = self.ends()?;
            if ends == expected {
                return Ok(ends);
            }
            if ends.iter().zip(expected).all(|(end, expected)| end >= expected) {
                let ahead = self.stand(&[])?.is_some_and(|stand| stand.done > done);
                let strangers: u64 = if ahead { 0 } else { self.count(expected, &ends)?.iter().sum() };
                return match (ahead, strangers) {
                    (true, _) => Err(self.overtaken()),
                    (false, 0) => Ok(ends),
                    (false, _) => Err(self.intruded()),
                };
            }
            if stopwatch.elapsed() > SETTLES {
                return Err(BackfillError::Stalled { topic: self.target.topic.clone(), waited: SETTLES });
            }
            std::thread::sleep(LOOK);
        }
    }

    /// What is committed for the backfill; what is read of topics, of those that are named.
    fn stand(&self, topics: &[String]) -> Result<Option<Stand>, BackfillError> {
        let committed = self.onlooker.committed(&self.partitions(), ASK)?;
        let log: Vec<(Option<i64>, String)> = committed.into_iter().map(|one| (one.offset, one.metadata)).collect();
        if log.iter().all(|(offset, _)| offset.is_none()) {
            return Ok(None);
        }
        let spans = topics.iter().map(|topic| Ok((topic.clone(), self.committed_spans(topic)?))).collect::<Result<_, BackfillError>>()?;
        Stand::read(&log, &spans).map_err(|error| self.refused(&error))
    }

    fn committed_spans(&self, topic: &str) -> Result<BTreeMap<i32, Span>, BackfillError> {
        let onlooker = GroupConsumer::alone(&self.connection, &self.group, topic, Isolation::Uncommitted)?;
        let partitions: Vec<i32> = (0..onlooker.partition_count(ASK)?.cast_signed()).collect();
        let mut spans = BTreeMap::new();
        for Committed { partition, offset, metadata } in onlooker.committed(&partitions, ASK)? {
            let Some(end) = offset else { continue };
            let span = read_span(end, &metadata).map_err(|error| self.refused(&error))?;
            if onlooker.watermarks(partition, ASK)?.low > span.0 {
                let gone = format!("partition {partition} of topic `{topic}` no longer has what it had when the backfill began");
                return Err(self.refused(&gone));
            }
            spans.insert(partition, span);
        }
        if spans.is_empty() {
            return Err(self.other_inputs());
        }
        Ok(spans)
    }

    /// What topics hold now, as readers of committed records see them.
    pub(super) fn spans(&self, topics: &[String]) -> Result<Spans, BackfillError> {
        let mut all = BTreeMap::new();
        for topic in topics {
            let onlooker = GroupConsumer::alone(&self.connection, &self.group, topic, Isolation::Committed)?;
            let mut spans = BTreeMap::new();
            for partition in 0..onlooker.partition_count(ASK)?.cast_signed() {
                let ends = onlooker.watermarks(partition, ASK)?;
                spans.insert(partition, (ends.low, ends.high));
            }
            all.insert(topic.clone(), spans);
        }
        Ok(all)
    }

    /// Nothing was counted, and nothing is there.
    fn check_untouched(&self) -> Result<(), BackfillError> {
        self.check_uncounted()?;
        if !self.is_empty()? {
            let there = format!("topic `{}` holds records already, behind which history would come too late", self.target.topic);
            return Err(BackfillError::Refused(format!("{there}. {}", self.advice())));
        }
        Ok(())
    }

    /// The service has not begun.
    pub(super) fn check_uncounted(&self) -> Result<(), BackfillError> {
        let Target { topic, .. } = &self.target;
        let service = GroupConsumer::alone(&self.connection, &self.group_id, topic, Isolation::Uncommitted)?;
        if service.committed(&self.partitions(), ASK)?.iter().any(|one| one.offset.is_some()) {
            let counted = format!("group `{}` has begun to count topic `{topic}`, and history would come too late", self.group_id);
            return Err(BackfillError::Refused(format!("{counted}. {}", self.advice())));
        }
        Ok(())
    }

    /// Whether no partition holds a record.
    pub(super) fn is_empty(&self) -> Result<bool, ConsumeError> {
        for partition in self.partitions() {
            let ends = self.onlooker.watermarks(partition, ASK)?;
            if ends.low < ends.high {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many committed records there are in each partition from one offset to another.
    fn count(&self, starts: &[i64], ends: &[i64]) -> Result<Vec<u64>, BackfillError> {
        let topic = &self.target.topic;
        let all = || self.partitions().into_iter().zip(starts.iter().zip(ends)).map(|(partition, (start, end))| (partition, *start, *end));
        let spans: Vec<(i32, i64, i64)> = all().collect();
        let mut counts = vec![0; starts.len()];
        read_spans(&self.connection, &self.group, topic, &spans, |record| {
            if let Some(count) = usize::try_from(record.partition).ok().and_then(|partition| counts.get_mut(partition)) {
                *count += 1;
            }
            Ok(())
        })?;
        Ok(counts)
    }

    /// The offsets to commit for where a backfill stands, by topic.
    pub(super) fn offsets(&self, stand: &Stand) -> BTreeMap<String, Vec<CommitOffset>> {
        let of_log = self.partitions().into_iter().enumerate().map(|(index, partition)| {
            let (offset, metadata) = stand.of_partition(index);
            CommitOffset { partition, offset, metadata }
        });
        let mut offsets = BTreeMap::from([(self.target.topic.clone(), of_log.collect())]);
        for (topic, spans) in &stand.plan.spans {
            let ends =
                spans.iter().map(|(partition, span)| CommitOffset { partition: *partition, offset: span.1, metadata: span_text(*span) });
            offsets.insert(topic.clone(), ends.collect());
        }
        offsets
    }

    /// The inputs are not those of the history that is in the log.
    pub(super) fn other_inputs(&self) -> BackfillError {
        self.refused(&format!(
            "topic `{}` has, or is getting, the history of other inputs, or of these under other settings of [input] or --before. Give the same, or begin anew. {}",
            self.target.topic,
            self.advice()
        ))
    }

    /// Another process took over.
    pub(super) fn overtaken(&self) -> BackfillError {
        self.refused("another process goes on with this backfill, and this one ends")
    }

    fn intruded(&self) -> BackfillError {
        self.refused(&format!(
            "records came into topic `{}` that the backfill did not write, behind which history comes too late. {}",
            self.target.topic,
            self.advice()
        ))
    }

    fn refused(&self, reason: &str) -> BackfillError {
        BackfillError::Refused(format!("group `{}`: {reason}", self.group))
    }

    /// How history can still go before live events.
    fn advice(&self) -> &'static str {
        if self.target.internal {
            "Take a new kafka.group_id, whose internal log is empty (docs/backfill.md)"
        } else {
            "Set kafka.repartition = true with a new kafka.group_id: history goes into the internal log, and live events are forwarded behind it (docs/backfill.md)"
        }
    }
}

/// Hands over every committed record of partitions of a topic from one offset to before another.
pub(super) fn read_spans(
    connection: &Connection,
    group: &str,
    topic: &str,
    spans: &[(i32, i64, i64)],
    mut take: impl FnMut(&crate::io::kafka::Record<'_>) -> Result<(), BackfillError>,
) -> Result<(), BackfillError> {
    let ends: BTreeMap<i32, i64> = spans.iter().map(|(partition, _, end)| (*partition, *end)).collect();
    let mut reader = TopicReader::between(connection, group, topic, spans)?;
    let mut since_read = Stopwatch::start();
    while !reader.caught_up() {
        let mut taken = Ok(());
        let count = reader.read(Duration::from_millis(100), |record| {
            if taken.is_ok() && ends.get(&record.partition).is_some_and(|end| record.offset < *end) {
                taken = take(record);
            }
        })?;
        taken?;
        if count > 0 {
            since_read.restart();
        } else if since_read.elapsed() > STALLED {
            return Err(BackfillError::Stalled { topic: topic.to_owned(), waited: STALLED });
        }
    }
    Ok(())
}
