//! Reads a whole topic, outside of any group: everything committed so far, then what comes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::connection::{Connection, Isolation};
use super::consumer::{ConsumeError, GroupConsumer};
use super::ffi::{Entry, Record};

/// How long the brokers may take to answer a question.
const ASK: Duration = Duration::from_secs(30);

/// A reader of all partitions of a topic, committed records only, each partition from its oldest record.
pub struct TopicReader {
    consumer: GroupConsumer,
    /// The ends that there were at the start, of partitions that were not read so far.
    behind: BTreeMap<i32, i64>,
    partitions: u32,
    connection: Connection,
}

impl TopicReader {
    /// Begins at the oldest records. `group_id` is not joined; the library wants a name.
    pub fn start(connection: &Connection, group_id: &str, topic: &str) -> Result<Self, ConsumeError> {
        let consumer = GroupConsumer::alone(connection, group_id, topic, Isolation::Committed)?;
        let partitions = consumer.partition_count(ASK)?;
        let mut reader = Self { consumer, behind: BTreeMap::new(), partitions, connection: connection.clone() };
        let starts = reader.look_again()?;
        reader.consumer.assign(&starts)?;
        Ok(reader)
    }

    /// Reads a part of each partition: from one offset to before another. Records beyond are handed over too when they come along.
    pub fn between(connection: &Connection, group_id: &str, topic: &str, spans: &[(i32, i64, i64)]) -> Result<Self, ConsumeError> {
        let mut consumer = GroupConsumer::alone(connection, group_id, topic, Isolation::Committed)?;
        let partitions = consumer.partition_count(ASK)?;
        let unread = || spans.iter().filter(|(_, start, end)| start < end);
        let starts: Vec<(i32, i64)> = unread().map(|(partition, start, _)| (*partition, *start)).collect();
        consumer.assign(&starts)?;
        let behind = unread().map(|(partition, _, end)| (*partition, *end)).collect();
        Ok(Self { consumer, behind, partitions, connection: connection.clone() })
    }

    /// From now on, caught up means everything that is committed now. Says where each partition begins.
    pub fn look_again(&mut self) -> Result<Vec<(i32, i64)>, ConsumeError> {
        // Not by the reader's own connection, where each question would wait for a fetch to end.
        let onlooker = GroupConsumer::alone(&self.connection, "onlooker", self.consumer.topic(), Isolation::Committed)?;
        let mut starts = Vec::new();
        for partition in 0..i32::try_from(self.partitions).unwrap_or(i32::MAX) {
            let ends = onlooker.watermarks(partition, ASK)?;
            starts.push((partition, ends.low));
            if ends.low < ends.high {
                self.behind.insert(partition, ends.high);
            }
        }
        Ok(starts)
    }

    /// How many partitions the topic has.
    #[must_use]
    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// Whether everything was read that was committed at the start, or when the ends were last looked at.
    #[must_use]
    pub fn caught_up(&self) -> bool {
        self.behind.is_empty()
    }

    /// Waits at most `timeout` for records, hands them over, and says how many there were.
    pub fn read(&mut self, timeout: Duration, mut take: impl FnMut(&Record<'_>)) -> Result<usize, ConsumeError> {
        // What the queue of the client holds besides records, such as errors, is served here.
        self.consumer.poll()?;
        let batch = self.consumer.next_batch(timeout);
        let mut count = 0;
        for entry in batch.iter() {
            match entry {
                Entry::Record(record) => {
                    count += 1;
                    take(&record);
                }
                Entry::Failed { partition, code, reason } => {
                    tracing::warn!(partition, ?code, reason, "a partition cannot be read, trying on");
                }
            }
        }
        drop(batch);
        if !self.behind.is_empty() {
            for progress in self.consumer.progress()? {
                let read = progress.next_offset.unwrap_or(-1);
                if self.behind.get(&progress.partition).is_some_and(|end| read >= *end) {
                    self.behind.remove(&progress.partition);
                }
            }
        }
        Ok(count)
    }
}
