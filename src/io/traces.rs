//! Traces of records, from when they are read to the commit that publishes what they caused, and of what takes long beside them.
//!
//! Spans are plain values here, made where things happen. What sends them to a collector is behind the feature `opentelemetry`.

pub(super) mod names;
#[cfg(feature = "opentelemetry")]
pub mod otlp;

use std::fmt;
use std::sync::Arc;

use super::clock;
use super::kafka::Record;
use crate::wire::trace_context::{SpanId, TRACEPARENT, TRACESTATE, TraceContext, TraceId};

/// One more than the greatest number that can be thrown: 2^63.
const ALL: f64 = 9_223_372_036_854_775_808.0;

/// What a span is to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Nothing.
    Internal,
    /// It asks another service for something.
    Client,
    /// It sends a record.
    Producer,
    /// It deals with a record.
    Consumer,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// True or false.
    Flag(bool),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Whole(number)
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Whole(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// Names and values.
pub type Attributes = Vec<(&'static str, Value)>;

/// Something that happened within a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanEvent {
    /// When, in nanoseconds since the epoch.
    pub at: i64,
    /// What.
    pub name: &'static str,
    /// More of it.
    pub attributes: Attributes,
}

/// The span that another is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its id.
    pub span_id: SpanId,
    /// Whether another service made it.
    pub is_remote: bool,
}

/// Something that took time, and is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What it is referred to by.
    pub context: TraceContext,
    /// What it is part of; `None` begins a trace.
    pub parent: Option<Parent>,
    /// What it is to others.
    pub kind: SpanKind,
    /// Such as `process events`.
    pub name: String,
    /// When it began, in nanoseconds since the epoch.
    pub start: i64,
    /// When it was over, in nanoseconds since the epoch.
    pub end: i64,
    /// More of it.
    pub attributes: Attributes,
    /// What happened meanwhile.
    pub events: Vec<SpanEvent>,
    /// Spans of other traces that it is about.
    pub links: Vec<TraceContext>,
    /// Such spans that are too many to be named.
    pub links_left_out: u32,
    /// Why it failed; `None` when it did not.
    pub error: Option<String>,
}

impl Span {
    /// A span that begins a trace of its own.
    pub(super) fn root(name: &str, kind: SpanKind, (start, end): (i64, i64), attributes: Attributes) -> Self {
        let context = TraceContext { trace_id: trace_id(rand::random()), span_id: span_id(), is_sampled: true, state: None };
        Self::new(context, None, name.to_owned(), kind, (start, end), attributes)
    }

    /// A span of a context.
    pub(super) fn new(
        context: TraceContext,
        parent: Option<Parent>,
        name: String,
        kind: SpanKind,
        (start, end): (i64, i64),
        attributes: Attributes,
    ) -> Self {
        // The wall clock may have been set back meanwhile.
        let end = end.max(start);
        let (events, links) = (Vec::new(), Vec::new());
        Self { context, parent, kind, name, start, end, attributes, events, links, links_left_out: 0, error: None }
    }
}

/// Where spans go. It must not wait.
pub trait Sink: Send + Sync {
    /// Takes spans, or drops them when too many wait.
    fn take(&self, spans: Vec<Span>);
    /// Counts spans that were wanted, and not even made.
    fn count_dropped(&self, spans: u64);
    /// Sends what waits, for a limited time, and takes nothing more.
    fn finish(&self);
}

/// Which records are traced, and where their spans go.
#[derive(Clone)]
pub struct Traces {
    /// Random numbers below it begin a trace.
    threshold: u64,
    sink: Arc<dyn Sink>,
}

impl fmt::Debug for Traces {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Traces").field("threshold", &self.threshold).finish_non_exhaustive()
    }
}

impl Traces {
    /// Traces of records whose `traceparent` says so, and of a share of those without one.
    #[must_use]
    pub fn new(sample_ratio: f64, sink: Arc<dyn Sink>) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 2^63")]
        let threshold = (sample_ratio.clamp(0.0, 1.0) * ALL) as u64;
        Self { threshold, sink }
    }

    /// The same without traces that begin here: for records that were asked already, as those of the internal log.
    #[must_use]
    pub fn going_on(&self) -> Self {
        Self { threshold: 0, sink: Arc::clone(&self.sink) }
    }

    /// Where spans go.
    pub(super) fn sink(&self) -> &dyn Sink {
        &*self.sink
    }

    /// Tells of a backfill into `topic` that began at `start`, and why it failed if it did.
    pub fn note_backfill(&self, topic: &str, start: i64, error: Option<String>) {
        let attributes = vec![(names::SYSTEM, "kafka".into()), (names::DESTINATION, topic.into())];
        let span = Span::root(&format!("{} {topic}", names::BACKFILL), SpanKind::Internal, (start, now()), attributes);
        self.sink.take(vec![Span { error, ..span }]);
    }

    /// Sends what waits, for a limited time.
    pub fn finish(&self) {
        self.sink.finish();
    }

    /// The span that a record is to have, and what it is part of; `None` when the record is not traced. Whoever began a trace has decided about it.
    pub(super) fn sample(&self, record: &Record<'_>) -> Option<(TraceContext, Option<Parent>)> {
        let Some(found) = record.headers.last(TRACEPARENT).and_then(TraceContext::parse) else {
            return self.begin().map(|context| (context, None));
        };
        if !found.is_sampled {
            return None;
        }
        let parent = Parent { span_id: found.span_id, is_remote: true };
        let context = found.with_state(record.headers.last(TRACESTATE));
        Some((TraceContext { span_id: span_id(), ..context }, Some(parent)))
    }

    /// The first span of a new trace, if the die says so. The number thrown is the end of the trace's id, as for OpenTelemetry's own sampler by ratio: with
    /// the same ratio others decide alike.
    fn begin(&self) -> Option<TraceContext> {
        if self.threshold == 0 {
            return None;
        }
        let thrown: u64 = rand::random();
        let is_sampled = thrown >> 1 < self.threshold;
        is_sampled.then(|| TraceContext { trace_id: trace_id(thrown), span_id: span_id(), is_sampled, state: None })
    }
}

/// The id of a new trace that ends as given.
fn trace_id(end: u64) -> TraceId {
    // Not all zero.
    let start = rand::random::<u64>() | 1;
    (u128::from(start) << 64 | u128::from(end)).to_be_bytes()
}

/// The id of a new span.
pub(super) fn span_id() -> SpanId {
    rand::random::<u64>().max(1).to_be_bytes()
}

/// The wall clock, in nanoseconds since the epoch.
#[must_use]
pub fn now() -> i64 {
    clock::wall().nanos()
}

/// What tests take spans with.
#[cfg(test)]
#[derive(Default)]
pub(super) struct Kept(pub(super) std::sync::Mutex<Vec<Span>>, pub(super) super::observations::Counter);

#[cfg(test)]
impl Sink for Kept {
    fn take(&self, spans: Vec<Span>) {
        self.0.lock().expect("no panic").extend(spans);
    }

    fn count_dropped(&self, spans: u64) {
        self.1.add(spans);
    }

    fn finish(&self) {}
}

#[cfg(test)]
mod tests {
    use rdkafka::message::{Header, OwnedHeaders, OwnedMessage, Timestamp};

    use super::*;
    use crate::io::kafka::Headers;

    fn message(headers: &[(&str, &str)]) -> OwnedMessage {
        let all = headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(*value) }));
        OwnedMessage::new(None, None, "events".to_owned(), Timestamp::NotAvailable, 0, 0, Some(all))
    }

    fn sampled(ratio: f64, headers: &[(&str, &str)]) -> Option<(TraceContext, Option<Parent>)> {
        let message = message(headers);
        let headers = Headers::of_stray(&message);
        let record = Record { partition: 0, offset: 0, timestamp_ms: None, key: None, payload: None, headers };
        Traces::new(ratio, Arc::new(Kept::default())).sample(&record)
    }

    #[test]
    fn whoever_began_a_trace_has_decided_about_it() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let (context, part_of) = sampled(0.0, &[("tracestate", "shop=1"), ("traceparent", parent)]).expect("sampled");
        let given = TraceContext::parse(parent.as_bytes()).expect("a context");
        assert_eq!((context.trace_id, context.state.as_deref()), (given.trace_id, Some("shop=1")));
        assert_eq!(part_of, Some(Parent { span_id: given.span_id, is_remote: true }));
        assert_ne!(context.span_id, given.span_id);
        assert_eq!(sampled(1.0, &[("traceparent", &parent.replace("-01", "-00"))]), None);
        // The last of several is the one that was added last.
        let others = "00-0af7651916cd43dd8448eb211c80319d-b7ad6b7169203331-01";
        let (context, _) = sampled(0.0, &[("traceparent", parent), ("traceparent", others)]).expect("sampled");
        assert_eq!(context.trace_id[15], 0x9d);
    }

    #[test]
    fn a_share_of_the_others_begins_a_trace() {
        assert_eq!(sampled(0.0, &[]), None);
        assert_eq!(sampled(0.0, &[("traceparent", "nonsense")]), None);
        let (context, parent) = sampled(1.0, &[("traceparent", "nonsense")]).expect("sampled");
        assert!(parent.is_none() && context.is_sampled);
        let traces = Traces::new(0.25, Arc::new(Kept::default()));
        let begun = (0..10_000).filter(|_| traces.begin().is_some()).count();
        // Ten standard deviations about the mean.
        assert!((2_067..=2_933).contains(&begun), "{begun}");
    }
}
