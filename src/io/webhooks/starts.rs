//! Where a webhook goes on, partition by partition.

use std::time::Duration;

use crate::config::WebhookStart;
use crate::io::clock;
use crate::io::kafka::consumer::{Committed, ConsumeError, GroupConsumer, Watermarks};

/// How long the brokers may take to answer a question.
const ASK: Duration = Duration::from_secs(30);
/// What the text of a commit begins with.
const SINCE: &str = "since=";

/// Where a partition is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) partition: i32,
    /// The offset of the next record to read.
    pub(super) offset: i64,
    /// The offset that is committed, if that is where it is read from.
    pub(super) committed: Option<i64>,
    /// Records that were not delivered and are in the topic no more.
    pub(super) lost: u64,
}

/// The text of a commit: the time at which the webhook began, in milliseconds since the epoch. A partition without a commit, one that was added or
/// that another process has not begun yet, begins with the records of that time.
pub(super) fn since_text(since_ms: i64) -> String {
    format!("{SINCE}{since_ms}")
}

/// When a webhook began, and where it reads each of `partitions` from.
pub(super) fn starts(consumer: &GroupConsumer, partitions: &[i32], from: WebhookStart) -> Result<(i64, Vec<Start>), ConsumeError> {
    let all: Vec<i32> = (0..consumer.partition_count(ASK)?.cast_signed()).collect();
    let committed = consumer.committed(&all, ASK)?;
    let known = began(&committed);
    let now = clock::wall().millis();
    let mut starts = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let offset = committed.iter().find(|one| one.partition == *partition).and_then(|one| one.offset);
        let ends = consumer.watermarks(*partition, ASK)?;
        let first = match (from, known) {
            _ if offset.is_some() => ends.low,
            (WebhookStart::Earliest, None) => ends.low,
            (WebhookStart::Latest, None) => ends.high,
            (_, Some(since_ms)) => consumer.offset_since(*partition, since_ms, ASK)?,
        };
        starts.push(start(*partition, offset, ends, first));
    }
    let since_ms = known.unwrap_or(if from == WebhookStart::Earliest { 0 } else { now });
    Ok((since_ms, starts))
}

/// When the webhook began, as commits say it; `None` before the first.
fn began(committed: &[Committed]) -> Option<i64> {
    let since = |one: &Committed| one.metadata.strip_prefix(SINCE)?.parse::<i64>().ok();
    committed.iter().filter(|one| one.offset.is_some()).map(|one| since(one).unwrap_or(0)).min()
}

/// Goes on from a committed offset. What is before the oldest record is lost; past the end is another topic of that name, whose records are all news.
fn start(partition: i32, committed: Option<i64>, ends: Watermarks, first: i64) -> Start {
    match committed {
        Some(offset) if offset < ends.low => {
            Start { partition, offset: ends.low, committed: None, lost: ends.low.saturating_sub(offset).unsigned_abs() }
        }
        Some(offset) if offset > ends.high => Start { partition, offset: ends.low, committed: None, lost: 0 },
        Some(offset) => Start { partition, offset, committed, lost: 0 },
        None => Start { partition, offset: first, committed: None, lost: 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_goes_on_where_it_was_left_if_that_is_there() {
        let ends = Watermarks { low: 10, high: 20 };
        for (committed, offset, known, lost) in [
            (None, 20, None, 0),
            (Some(10), 10, Some(10), 0),
            (Some(15), 15, Some(15), 0),
            (Some(20), 20, Some(20), 0),
            (Some(4), 10, None, 6),
            (Some(21), 10, None, 0),
        ] {
            assert_eq!(start(3, committed, ends, 20), Start { partition: 3, offset, committed: known, lost }, "{committed:?}");
        }
    }

    #[test]
    fn a_webhook_began_when_its_first_commit_says() {
        let one = |offset, metadata: &str| Committed { partition: 0, offset, metadata: metadata.to_owned() };
        assert_eq!(began(&[]), None);
        assert_eq!(began(&[one(None, "")]), None);
        assert_eq!(began(&[one(None, ""), one(Some(3), &since_text(700)), one(Some(4), &since_text(600))]), Some(600));
        // Offsets that a tool set carry no text: nothing is left out then.
        assert_eq!(began(&[one(Some(3), ""), one(Some(4), &since_text(600))]), Some(0));
    }
}
