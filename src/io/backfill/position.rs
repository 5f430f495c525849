//! What the commits of a backfill say: what it writes, and how far it is.
//!
//! Beside the offset of each partition of the log, which is where the log ended before the transaction:
//!
//! ```text
//! {"v":1,"inputs":"0123456789abcdef0123456789abcdef","partitions":4,"began":1767225600000,"done":20000,"of":100000,"sent":4987}
//! ```
//!
//! and beside that of each partition of a topic that is read, which is where it is read to, `{"v":1,"from":0}`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::time::EventTime;

/// The format written here; another is refused.
const VERSION: u32 = 1;

/// First and next offset of a partition of a topic that is read.
pub(super) type Span = (i64, i64);

/// What is read of topics: by topic, then partition.
pub(super) type Spans = BTreeMap<String, BTreeMap<i32, Span>>;

/// What a backfill does: the same in each of its commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Says what is written, whatever the inputs are called: 32 hexadecimal digits.
    pub(super) inputs: String,
    /// Partitions of the log, which decide where users are.
    pub(super) partitions: u32,
    /// The wall clock when it began, in whole milliseconds: when its records arrived, as far as nothing else says it.
    pub(super) began: EventTime,
    /// Records that it writes, dead letters among them.
    pub(super) of: u64,
    /// What is read of topics.
    pub(super) spans: Spans,
}

impl Plan {
    /// Of a backfill that begins now, before it is known what its inputs hold.
    pub(super) fn beginning(now: EventTime, spans: Spans) -> Self {
        Self { inputs: String::new(), partitions: 0, began: EventTime::from_millis(now.millis()), of: 0, spans }
    }

    /// The topics that are read.
    pub(super) fn topics(&self) -> Vec<String> {
        self.spans.keys().cloned().collect()
    }

    /// Says what the inputs were found to hold.
    pub(super) fn describe(&mut self, inputs: &str, count: u64, partitions: u32) {
        inputs.clone_into(&mut self.inputs);
        (self.of, self.partitions) = (count, partitions);
    }
}

/// How far a backfill is, by its last commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stand {
    pub(super) plan: Plan,
    /// Records that are done.
    pub(super) done: u64,
    /// Where each partition of the log ended before the last transaction.
    pub(super) bases: Vec<i64>,
    /// Records of the last transaction in each of them.
    pub(super) sent: Vec<u64>,
}

impl Stand {
    /// Whether all is written.
    pub(super) fn is_complete(&self) -> bool {
        self.done == self.plan.of
    }

    /// What is committed for a partition of the log: offset and text.
    pub(super) fn of_partition(&self, partition: usize) -> (i64, String) {
        let Plan { inputs, partitions, began, of, .. } = &self.plan;
        let written = Written {
            v: VERSION,
            inputs: inputs.clone(),
            partitions: *partitions,
            began: began.millis(),
            done: self.done,
            of: *of,
            sent: self.sent[partition],
        };
        (self.bases[partition], serde_json::to_string(&written).unwrap_or_default())
    }

    /// Reads what is committed: of each partition of the log, then what is read of topics. `None` when nothing is.
    pub(super) fn read(log: &[(Option<i64>, String)], spans: &Spans) -> Result<Option<Self>, String> {
        let mut stand: Option<Self> = None;
        for (offset, text) in log {
            let Some(offset) = offset else { continue };
            let Written { inputs, partitions, began, done, of, sent, .. } = parse(text)?;
            let plan = Plan { inputs, partitions, began: EventTime::from_millis(began), of, spans: spans.clone() };
            let stand = stand.get_or_insert_with(|| Self { plan: plan.clone(), done, bases: Vec::new(), sent: Vec::new() });
            if (&stand.plan, stand.done) != (&plan, done) {
                return Err("its commits contradict each other".to_owned());
            }
            stand.bases.push(*offset);
            stand.sent.push(sent);
        }
        match stand {
            Some(stand) if stand.bases.len() != stand.plan.partitions as usize || log.len() != stand.bases.len() => Err(format!(
                "the log had {} partitions when it began, {} are committed, and it has {}",
                stand.plan.partitions,
                stand.bases.len(),
                log.len()
            )),
            stand => Ok(stand),
        }
    }
}

/// The text beside the offset where a topic is read to.
pub(super) fn span_text(span: Span) -> String {
    format!("{{\"v\":{VERSION},\"from\":{}}}", span.0)
}

/// Reads offset and text of a partition of a topic that is read.
pub(super) fn read_span(end: i64, text: &str) -> Result<Span, String> {
    #[derive(Deserialize)]
    struct From {
        from: i64,
    }
    check_version(text)?;
    let From { from } = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
    Ok((from, end))
}

#[derive(Serialize, Deserialize)]
struct Written {
    v: u32,
    inputs: String,
    partitions: u32,
    began: i64,
    done: u64,
    of: u64,
    sent: u64,
}

fn parse(text: &str) -> Result<Written, String> {
    check_version(text)?;
    serde_json::from_str(text).map_err(|error| unreadable(&error))
}

fn check_version(text: &str) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let Version { v } = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
    if v == VERSION {
        Ok(())
    } else {
        Err(format!("another version committed it (format {v}, this one reads {VERSION}): run that version"))
    }
}

fn unreadable(error: &serde_json::Error) -> String {
    format!("what is committed is not of a backfill: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stand() -> Stand {
        let spans = BTreeMap::from([("old".to_owned(), BTreeMap::from([(0, (3, 9)), (1, (0, 0))]))]);
        let mut plan = Plan::beginning(EventTime::from_nanos(1_767_225_600_000_999_999), spans);
        plan.describe("0123456789abcdef0123456789abcdef", 100, 2);
        Stand { plan, done: 40, bases: vec![12, 0], sent: vec![5, 0] }
    }

    fn committed(stand: &Stand) -> Vec<(Option<i64>, String)> {
        (0..stand.bases.len()).map(|partition| stand.of_partition(partition)).map(|(offset, text)| (Some(offset), text)).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let stand = stand();
        let read = Stand::read(&committed(&stand), &stand.plan.spans).expect("readable");
        assert_eq!(read, Some(stand.clone()));
        assert!(!stand.is_complete() && Stand { done: 100, ..stand }.is_complete());
        assert_eq!(read_span(9, &span_text((3, 9))), Ok((3, 9)));
        assert_eq!(Stand::read(&[(None, String::new()), (None, String::new())], &BTreeMap::new()), Ok(None));
    }

    #[test]
    fn what_cannot_be_gone_on_from_is_told() {
        let whole = committed(&stand());
        let other = committed(&Stand { done: 41, ..stand() });
        let more = [whole.clone(), vec![(None, String::new())]].concat();
        let newer = [(Some(1), whole[0].1.replace("\"v\":1", "\"v\":2"))];
        for (log, said) in [
            (&[whole[0].clone(), other[1].clone()][..], "contradict"),
            (&whole[..1], "had 2 partitions when it began, 1 are committed"),
            (&more[..], "had 2 partitions when it began, 2 are committed, and it has 3"),
            (&newer[..], "format 2, this one reads 1"),
            (&[(Some(1), "{\"v\":1}".to_owned())][..], "not of a backfill: missing field"),
            (&[(Some(1), String::new())][..], "not of a backfill"),
        ] {
            let error = Stand::read(log, &BTreeMap::new()).expect_err(said);
            assert!(error.contains(said), "{error}");
        }
        assert!(read_span(9, "").is_err());
    }
}
