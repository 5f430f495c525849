//! The spans of a worker: of each record that is traced, from when it was read to the commit that publishes what it caused; of that commit, and of taking
//! partitions over. A worker without traces has none of this.

use std::sync::Arc;

use super::outputs::{Cause, Outputs, Traced};
use super::partition::Partition;
use super::{Processor, TopicIndex};
use crate::io::kafka::Record;
use crate::io::traces::names as named;
use crate::io::traces::{Attributes, Parent, Span, SpanEvent, SpanKind, Traces, Value, now, span_id};
use crate::wire::trace_context::TraceContext;

/// Records that are traced in one transaction at most; others would only wait for a collector.
const RECORDS: usize = 4096;
/// Records that the span of a commit names at most: what OpenTelemetry takes by default.
const LINKS: usize = 128;

/// A record that is traced and not committed yet.
struct Open {
    cause: Cause,
    parent: Option<Parent>,
    partition: i32,
    offset: i64,
    bytes: Option<usize>,
    read: i64,
    handled: (i64, i64),
    outcome: &'static str,
}

/// A commit that is tried.
struct Attempts {
    start: i64,
    last: i64,
    count: i64,
    failures: Vec<SpanEvent>,
}

/// The spans of a worker that are not over.
pub(super) struct OpenSpans {
    traces: Traces,
    topic: String,
    group_id: String,
    topics: Vec<String>,
    /// When the batch at hand was read.
    read: i64,
    /// Records handled since the last commit.
    handled: i64,
    records: Vec<Open>,
    attempts: Option<Attempts>,
    /// Since when partitions are taken over.
    restoring: Option<i64>,
}

impl OpenSpans {
    /// Of a worker of a group that reads `topic` and publishes to `topics`.
    pub(super) fn new(traces: Traces, (group_id, topic): (&str, &str), topics: &[String]) -> Self {
        let (group_id, topic, topics) = (group_id.to_owned(), topic.to_owned(), topics.to_vec());
        Self { traces, topic, group_id, topics, read: 0, handled: 0, records: Vec::new(), attempts: None, restoring: None }
    }

    /// Notes that a batch was read.
    pub(super) fn begin_batch(&mut self) {
        self.read = now();
    }

    /// Lets a partition take a record, and notes how that went if the record is traced and counts for the first time.
    pub(super) fn take<P: Processor>(
        &mut self,
        partition: &mut Partition<P>,
        record: &Record<'_>,
        outputs: &mut Outputs,
        scratch: &mut Outputs,
    ) -> Option<&'static str> {
        let Some((context, parent)) = self.traces.sample(record) else {
            let outcome = partition.take(record, outputs, scratch);
            self.handled += i64::from(outcome.is_some());
            return outcome;
        };
        let cause = Arc::new(context);
        let has_room = self.records.len() < RECORDS;
        let start = now();
        outputs.set_cause(has_room.then(|| Arc::clone(&cause)));
        let outcome = partition.take(record, outputs, scratch);
        outputs.set_cause(None);
        let handled = (start, now());
        if let Some(outcome) = outcome {
            self.handled += 1;
            let bytes = record.payload.map(<[u8]>::len);
            let open = Open { cause, parent, partition: record.partition, offset: record.offset, bytes, read: self.read, handled, outcome };
            if has_room { self.records.push(open) } else { self.traces.sink().count_dropped(1) }
        }
        outcome
    }

    /// Notes that a transaction is begun.
    pub(super) fn note_attempt(&mut self) {
        let last = now();
        let attempts = self.attempts.get_or_insert_with(|| Attempts { start: last, last, count: 0, failures: Vec::new() });
        attempts.last = last;
        attempts.count += 1;
    }

    /// Notes why one did not commit.
    pub(super) fn note_failure(&mut self, reason: String) {
        if let Some(attempts) = &mut self.attempts {
            let attributes = vec![(named::REASON, Value::Text(reason))];
            attempts.failures.push(SpanEvent { at: now(), name: named::ABORTED, attributes });
        }
    }

    /// Notes that everything has committed, with what was published.
    pub(super) fn note_commit(&mut self, outputs: &Outputs) {
        let handled = std::mem::take(&mut self.handled);
        let Some(attempts) = self.attempts.take() else { return };
        if self.records.is_empty() {
            return;
        }
        let end = now();
        let mut spans: Vec<Span> = outputs.traced().map(|traced| self.sent(traced, (attempts.last, end))).collect();
        spans.push(self.committed(attempts, end, handled, outputs.len()));
        let records = std::mem::take(&mut self.records);
        spans.extend(records.into_iter().flat_map(|record| self.processed(record, end, None)));
        self.traces.sink().take(spans);
    }

    /// Notes that partitions went to others before what they had read was committed; those count it.
    pub(super) fn forget(&mut self, partitions: &[i32]) {
        self.give_up(|record| partitions.contains(&record.partition), "the partition was lost before the commit");
    }

    fn give_up(&mut self, is_lost: impl Fn(&Open) -> bool, reason: &str) {
        let (lost, kept) = std::mem::take(&mut self.records).into_iter().partition(|record| is_lost(record));
        self.records = kept;
        let (lost, end): (Vec<Open>, i64) = (lost, now());
        let spans: Vec<Span> = lost.into_iter().flat_map(|record| self.processed(record, end, Some(reason))).collect();
        if !spans.is_empty() {
            self.traces.sink().take(spans);
        }
    }

    /// Notes that partitions are taken over, unless it is noted already.
    pub(super) fn begin_restore(&mut self) {
        self.restoring.get_or_insert_with(now);
    }

    /// Notes that all partitions are live.
    pub(super) fn end_restore(&mut self, partitions: usize) {
        let Some(start) = self.restoring.take() else { return };
        let mut attributes = self.messaging(&[]);
        attributes.push((named::PARTITIONS, partitions.into()));
        let name = format!("{} {}", named::RESTORE, self.topic);
        self.traces.sink().take(vec![Span::root(&name, SpanKind::Internal, (start, now()), attributes)]);
    }

    /// Notes that a snapshot was stored, or why it was not.
    pub(super) fn note_snapshot(&self, partition: i32, start: i64, bytes: usize, error: Option<String>) {
        let mut attributes = self.messaging(&[]);
        attributes.extend([(named::PARTITION, Value::Text(partition.to_string())), (named::SNAPSHOT_BYTES, bytes.into())]);
        let span = Span::root(&format!("{} {}", named::SNAPSHOT, self.topic), SpanKind::Internal, (start, now()), attributes);
        self.traces.sink().take(vec![Span { error, ..span }]);
    }

    /// The attributes of what is about the topic that is read.
    fn messaging(&self, more: &[(&'static str, &str)]) -> Attributes {
        let own = [(named::SYSTEM, "kafka"), (named::DESTINATION, &self.topic), (named::GROUP, &self.group_id)];
        own.iter().chain(more).map(|(name, value)| (*name, Value::from(*value))).collect()
    }

    /// The span of a record, and that of its being handled.
    fn processed(&self, record: Open, end: i64, error: Option<&str>) -> [Span; 2] {
        let Open { cause, parent, partition, offset, bytes, read, handled, outcome } = record;
        let mut attributes = self.messaging(&[(named::OPERATION_TYPE, "process"), (named::OPERATION_NAME, named::PROCESS)]);
        attributes.push((named::PARTITION, Value::Text(partition.to_string())));
        attributes.push((named::OFFSET, offset.into()));
        attributes.extend(size(bytes));
        attributes.push((named::OUTCOME, outcome.into()));
        let inside = TraceContext { span_id: span_id(), ..cause.as_ref().clone() };
        let handle = Span::new(inside, Some(parent_of(&cause)), named::HANDLE.to_owned(), SpanKind::Internal, handled, Vec::new());
        let name = format!("{} {}", named::PROCESS, self.topic);
        let whole = Span::new(cause.as_ref().clone(), parent, name, SpanKind::Consumer, (read, end), attributes);
        [handle, Span { error: error.map(str::to_owned), ..whole }]
    }

    /// The span of a record that was published.
    fn sent(&self, record: Traced, times: (i64, i64)) -> Span {
        let Traced { cause, context, topic: TopicIndex(topic), partition, bytes } = record;
        let topic = self.topics.get(topic).map_or("", String::as_str);
        let about =
            [(named::SYSTEM, "kafka"), (named::DESTINATION, topic), (named::OPERATION_TYPE, "send"), (named::OPERATION_NAME, named::SEND)];
        let mut attributes: Attributes = about.iter().map(|(name, value)| (*name, Value::from(*value))).collect();
        attributes.extend(partition.map(|partition| (named::PARTITION, Value::Text(partition.to_string()))));
        attributes.extend(size(bytes));
        Span::new(context, Some(parent_of(&cause)), format!("{} {topic}", named::SEND), SpanKind::Producer, times, attributes)
    }

    /// The span of a commit, in a trace of its own: it is that of many records.
    fn committed(&self, attempts: Attempts, end: i64, handled: i64, published: usize) -> Span {
        let mut attributes = self.messaging(&[(named::OPERATION_TYPE, "settle"), (named::OPERATION_NAME, named::COMMIT)]);
        attributes.extend([(named::BATCH, handled.into()), (named::PUBLISHED, published.into()), (named::ATTEMPTS, attempts.count.into())]);
        let span = Span::root(&format!("{} {}", named::COMMIT, self.topic), SpanKind::Client, (attempts.start, end), attributes);
        let links = self.records.iter().take(LINKS).map(|record| record.cause.as_ref().clone()).collect();
        let links_left_out = u32::try_from(self.records.len().saturating_sub(LINKS)).unwrap_or(u32::MAX);
        Span { events: attempts.failures, links, links_left_out, ..span }
    }
}

/// A worker that failed leaves what it had not committed to the next.
impl Drop for OpenSpans {
    fn drop(&mut self) {
        self.give_up(|_| true, "the worker ended before the commit");
    }
}

fn parent_of(cause: &Cause) -> Parent {
    Parent { span_id: cause.span_id, is_remote: false }
}

fn size(bytes: Option<usize>) -> [(&'static str, Value); 1] {
    [bytes.map_or((named::TOMBSTONE, Value::Flag(true)), |bytes| (named::BODY_SIZE, bytes.into()))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::traces::Kept;
    use crate::io::worker::Destination;

    fn spans() -> (OpenSpans, Arc<Kept>) {
        let kept = Arc::<Kept>::default();
        let traces = Traces::new(1.0, Arc::<Kept>::clone(&kept));
        (OpenSpans::new(traces, ("shop", "events"), &["out".to_owned()]), kept)
    }

    fn open(spans: &mut OpenSpans, partition: i32) -> Cause {
        let cause = Cause::new(TraceContext { trace_id: [1; 16], span_id: span_id(), is_sampled: true, state: None });
        let handled = (20, 30);
        let open =
            Open { cause: Arc::clone(&cause), parent: None, partition, offset: 7, bytes: None, read: 10, handled, outcome: "accepted" };
        spans.records.push(open);
        cause
    }

    fn taken(kept: &Kept) -> Vec<Span> {
        std::mem::take(&mut *kept.0.lock().expect("no panic"))
    }

    #[test]
    fn a_commit_ends_the_spans_of_its_records_and_names_them() {
        let (mut spans, kept) = spans();
        let causes: Vec<Cause> = (0..130).map(|_| open(&mut spans, 0)).collect();
        let mut outputs = Outputs::default();
        outputs.set_cause(Some(Arc::clone(&causes[0])));
        outputs.push(TopicIndex(0), Destination::Partition(2), None, |bytes| bytes.push(1));
        spans.note_attempt();
        spans.note_failure("fenced".to_owned());
        spans.note_attempt();
        spans.note_commit(&outputs);
        let told = taken(&kept);
        assert_eq!(told.len(), 1 + 1 + 2 * 130);
        let [send, commit, handle, process, ..] = &told[..] else { panic!("{told:?}") };
        let names = [send, commit, handle, process].map(|span| span.name.as_str());
        assert_eq!(names, ["send out", "commit events", "handle", "process events"]);
        assert_eq!((commit.links.len(), commit.links_left_out), (128, 2));
        assert_eq!((commit.links[0].span_id, commit.events.len()), (causes[0].span_id, 1));
        assert!(commit.attributes.contains(&(named::ATTEMPTS, Value::Whole(2))));
        assert_eq!((process.start, handle.start, handle.end, process.end), (10, 20, 30, commit.end));
        let parents = [send, handle].map(|span| span.parent.map(|parent| parent.span_id));
        assert_eq!(parents, [Some(causes[0].span_id); 2]);
        assert!(process.attributes.contains(&(named::TOMBSTONE, Value::Flag(true))));
        spans.note_attempt();
        spans.note_commit(&outputs);
        drop(spans);
        assert!(taken(&kept).is_empty(), "each is told once, and a commit without traced records is not");
    }

    #[test]
    fn what_is_never_committed_ends_with_an_error() {
        let (mut spans, kept) = spans();
        open(&mut spans, 0);
        open(&mut spans, 1);
        spans.forget(&[1, 2]);
        let lost = taken(&kept);
        assert_eq!(lost.len(), 2);
        assert_eq!(lost[1].error.as_deref(), Some("the partition was lost before the commit"));
        drop(spans);
        assert_eq!(taken(&kept)[1].error.as_deref(), Some("the worker ended before the commit"));
    }
}
