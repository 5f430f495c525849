//! Sends spans to a collector, by OTLP over HTTP, on a thread of its own. Whoever makes them never waits: spans that find too many before them are dropped and counted.
//!
//! The library's own batching can neither drive an asynchronous HTTP client nor tell what it dropped, which is why its exporter alone is used.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind as Kind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value as AttributeValue};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter as OtlpExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::{Attributes, Sink, Span, SpanKind, Traces, Value};
use crate::config::TracingSettings;
use crate::io::clock::Stopwatch;
use crate::io::observations::Observations;
use crate::wire::trace_context::TraceContext;

/// Spans that wait at most: some 20 MB.
const QUEUE: usize = 32_768;
/// Spans in one request at most.
const BATCH: usize = 512;
/// How long the first span of a request waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// How long a collector may take for one request, the library's own attempts included.
const REQUEST: Duration = Duration::from_secs(15);
/// How long the end of the service waits for spans that are left.
const FLUSH: Duration = Duration::from_secs(5);
/// How often it is told that a collector takes nothing.
const TELL: Duration = Duration::from_secs(60);
/// The name of the service where neither settings nor environment say one.
const SERVICE: &str = "stickiness";

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracingError {
    /// The library has no exporter for what settings and environment say.
    #[error("tracing: {0}")]
    Exporter(#[from] ExporterBuildError),
    /// The operating system refused a thread.
    #[error("tracing: cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Begins to send spans as settings say, counting in `observations`. `runtime` runs the requests.
pub fn start(settings: &TracingSettings, observations: &Arc<Observations>, runtime: Handle) -> Result<Traces, TracingError> {
    let exporter = exporter(settings, &runtime)?;
    let (sender, spans) = channel();
    let (ended, end) = channel();
    let waiting = Arc::<AtomicUsize>::default();
    let give_up = Arc::<Notify>::default();
    let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(env!("CARGO_PKG_VERSION")).build();
    let exporting = Exporting {
        exporter,
        scope,
        runtime,
        observations: Arc::clone(observations),
        waiting: Arc::clone(&waiting),
        give_up: Arc::clone(&give_up),
        failing: None,
    };
    let handle = std::thread::Builder::new().name("traces".to_owned()).spawn(move || {
        exporting.run(&spans);
        // Whoever waited may have had enough.
        _ = ended.send(());
    })?;
    let queue =
        Queue { thread: Mutex::new(Some(Thread { spans: sender, end, handle })), waiting, observations: Arc::clone(observations), give_up };
    Ok(Traces::new(settings.sample_ratio, Arc::new(queue)))
}

fn exporter(settings: &TracingSettings, runtime: &Handle) -> Result<OtlpExporter, ExporterBuildError> {
    let mut builder = OtlpExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/')));
    }
    // The library makes its client for the runtime that it is in.
    let _entered = runtime.enter();
    let mut exporter = builder.build()?;
    exporter.set_resource(&resource(settings));
    Ok(exporter)
}

/// What the spans are of: what the settings say, over the environment's `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.
fn resource(settings: &TracingSettings) -> Resource {
    let found = Resource::builder().build();
    let name = found.get(&"service.name".into()).map(|name| name.to_string());
    // What the library says where nobody does.
    let name = name.filter(|name| !name.starts_with("unknown_service"));
    let name = settings.service_name.clone().or(name).unwrap_or_else(|| SERVICE.to_owned());
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    Resource::builder().with_attribute(version).with_service_name(name).build()
}

/// The thread, as seen from outside.
struct Thread {
    spans: Sender<Vec<Span>>,
    /// Told when it has nothing more to do.
    end: Receiver<()>,
    handle: JoinHandle<()>,
}

/// Spans on their way to the thread.
struct Queue {
    /// `None` once the thread is told to end.
    thread: Mutex<Option<Thread>>,
    waiting: Arc<AtomicUsize>,
    observations: Arc<Observations>,
    give_up: Arc<Notify>,
}

impl Sink for Queue {
    fn take(&self, spans: Vec<Span>) {
        let count = spans.len();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = self.waiting.load(Ordering::Relaxed) + count <= QUEUE;
        match thread.as_ref().filter(|_| has_room) {
            Some(thread) => {
                self.waiting.fetch_add(count, Ordering::Relaxed);
                // A thread that is gone has counted nothing, and takes nothing.
                drop(thread.spans.send(spans));
            }
            None => self.count_dropped(count as u64),
        }
    }

    fn count_dropped(&self, spans: u64) {
        self.observations.spans_dropped.add(spans);
    }

    fn finish(&self) {
        let Some(Thread { spans, end, handle }) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        drop(spans);
        let mut ended = end.recv_timeout(FLUSH).is_ok();
        if !ended {
            self.give_up.notify_one();
            ended = end.recv_timeout(GATHER).is_ok();
        }
        // Until it is gone, it gives memory back, which is not to meet the end of the process.
        if ended {
            _ = handle.join();
        }
    }
}

/// The thread that sends.
struct Exporting {
    exporter: OtlpExporter,
    scope: InstrumentationScope,
    runtime: Handle,
    observations: Arc<Observations>,
    waiting: Arc<AtomicUsize>,
    give_up: Arc<Notify>,
    /// Since it was last told that the collector takes nothing; `None` while it takes what it is sent.
    failing: Option<Stopwatch>,
}

/// Why a request was not made to its end.
enum Refused {
    Failed(String),
    /// The service ends.
    GivenUp,
}

impl Exporting {
    /// Sends until nobody makes spans any more and all are sent, or given up.
    fn run(mut self, spans: &Receiver<Vec<Span>>) {
        let mut goes_on = true;
        while goes_on {
            let batch;
            (batch, goes_on) = gather(spans);
            for part in batch.chunks(BATCH) {
                self.waiting.fetch_sub(part.len(), Ordering::Relaxed);
                match self.send(part) {
                    Ok(()) => self.note_sent(part.len()),
                    Err(Refused::Failed(reason)) => self.note_failed(part.len(), &reason),
                    Err(Refused::GivenUp) => {
                        let left = part.len() + self.waiting.load(Ordering::Relaxed);
                        return self.note_failed(left, "the service ends");
                    }
                }
            }
        }
    }

    fn send(&self, spans: &[Span]) -> Result<(), Refused> {
        let batch = spans.iter().map(|span| self.data(span)).collect();
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.give_up.notified() => Err(Refused::GivenUp),
                sent = tokio::time::timeout(REQUEST, self.exporter.export(batch)) => match sent {
                    Ok(sent) => sent.map_err(|error| Refused::Failed(error.to_string())),
                    Err(_) => Err(Refused::Failed(format!("no answer within {REQUEST:?}"))),
                },
            }
        })
    }

    fn note_sent(&mut self, count: usize) {
        self.observations.spans_exported.add(count as u64);
        if self.failing.take().is_some() {
            tracing::info!("the collector of traces takes spans again");
        }
    }

    fn note_failed(&mut self, count: usize, reason: &str) {
        self.observations.spans_dropped.add(count as u64);
        if self.failing.as_ref().is_none_or(|since| since.elapsed() >= TELL) {
            self.failing = Some(Stopwatch::start());
            tracing::warn!(reason, "the collector of traces takes no spans, they are dropped; records go on");
        }
    }

    fn data(&self, span: &Span) -> SpanData {
        let mut events = SpanEvents::default();
        let event = |event: &super::SpanEvent| Event::new(event.name, time(event.at), key_values(&event.attributes), 0);
        events.events = span.events.iter().map(event).collect();
        let mut links = SpanLinks::default();
        links.links = span.links.iter().map(|context| Link::new(span_context(context, false), Vec::new(), 0)).collect();
        links.dropped_count = span.links_left_out;
        SpanData {
            span_context: span_context(&span.context, false),
            parent_span_id: span.parent.map_or(SpanId::INVALID, |parent| SpanId::from_bytes(parent.span_id)),
            parent_span_is_remote: span.parent.is_some_and(|parent| parent.is_remote),
            span_kind: match span.kind {
                SpanKind::Internal => Kind::Internal,
                SpanKind::Client => Kind::Client,
                SpanKind::Producer => Kind::Producer,
                SpanKind::Consumer => Kind::Consumer,
            },
            name: span.name.clone().into(),
            start_time: time(span.start),
            end_time: time(span.end),
            attributes: key_values(&span.attributes),
            dropped_attributes_count: 0,
            events,
            links,
            status: span.error.as_ref().map_or(Status::Unset, |reason| Status::error(reason.clone())),
            instrumentation_scope: self.scope.clone(),
        }
    }
}

/// Waits for spans, and a moment for more. Whether there may be others after them.
fn gather(spans: &Receiver<Vec<Span>>) -> (Vec<Span>, bool) {
    let Ok(mut batch) = spans.recv() else { return (Vec::new(), false) };
    let stopwatch = Stopwatch::start();
    while batch.len() < BATCH {
        match spans.recv_timeout(stopwatch.remaining(GATHER)) {
            Ok(more) => batch.extend(more),
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return (batch, false),
        }
    }
    (batch, true)
}

fn span_context(context: &TraceContext, is_remote: bool) -> SpanContext {
    let flags = if context.is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let state = context.state.as_deref().and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
    SpanContext::new(TraceId::from_bytes(context.trace_id), SpanId::from_bytes(context.span_id), flags, is_remote, state)
}

fn time(nanos: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

fn key_values(attributes: &Attributes) -> Vec<KeyValue> {
    let value = |value: &Value| match value {
        Value::Text(text) => AttributeValue::from(text.clone()),
        Value::Whole(number) => AttributeValue::from(*number),
        Value::Flag(flag) => AttributeValue::from(*flag),
    };
    attributes.iter().map(|(name, written)| KeyValue::new(*name, value(written))).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::io::traces::Parent;

    fn span() -> Span {
        Span::root("process events", SpanKind::Consumer, (1_000, 2_000), vec![("messaging.kafka.offset", Value::Whole(7))])
    }

    fn settings(port: u16) -> TracingSettings {
        let endpoint = url::Url::parse(&format!("http://127.0.0.1:{port}")).expect("an address");
        TracingSettings { endpoint: Some(endpoint), sample_ratio: 1.0, service_name: Some("shop".to_owned()) }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
    }

    #[test]
    fn too_many_are_dropped_and_a_silent_collector_is_not_waited_for() {
        // Connections are made, and nobody ever answers.
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = silent.local_addr().expect("an address").port();
        let (runtime, observations) = (runtime(), Arc::<Observations>::default());
        let traces = start(&settings(port), &observations, runtime.handle().clone()).expect("started");
        let stopwatch = Stopwatch::start();
        for _ in 0..QUEUE + 10 * BATCH {
            traces.sink().take(vec![span()]);
        }
        let dropped = observations.spans_dropped.get();
        assert!(dropped >= 8 * BATCH as u64, "{dropped}: one request is on its way, and another is gathered");
        assert!(stopwatch.elapsed() < FLUSH, "nobody waits: {:?}", stopwatch.elapsed());
        traces.finish();
        assert!(stopwatch.elapsed() < 3 * FLUSH, "a stop waits for a limited time: {:?}", stopwatch.elapsed());
        assert_eq!(observations.spans_dropped.get(), (QUEUE + 10 * BATCH) as u64, "each is counted once");
        assert_eq!(observations.spans_exported.get(), 0);
        traces.sink().take(vec![span(), span()]);
        assert_eq!(observations.spans_dropped.get(), (QUEUE + 10 * BATCH + 2) as u64, "nothing is taken after the end");
    }

    #[test]
    fn a_span_is_the_librarys() {
        let runtime = runtime();
        let exporter = {
            let _entered = runtime.enter();
            OtlpExporter::builder().with_http().build().expect("an exporter")
        };
        let exporting = Exporting {
            exporter,
            scope: InstrumentationScope::builder("test").build(),
            runtime: runtime.handle().clone(),
            observations: Arc::default(),
            waiting: Arc::default(),
            give_up: Arc::default(),
            failing: None,
        };
        let root = span();
        let context = TraceContext { state: Some("shop=1".into()), ..root.context.clone() };
        let parent = Some(Parent { span_id: [2; 8], is_remote: true });
        let links = vec![root.context.clone()];
        let data = exporting.data(&Span { context, parent, links, links_left_out: 3, error: Some("lost".to_owned()), ..root });
        assert_eq!((data.parent_span_id, data.parent_span_is_remote), (SpanId::from_bytes([2; 8]), true));
        assert_eq!(data.span_context.trace_state().get("shop"), Some("1"));
        assert!(data.span_context.is_sampled() && !data.span_context.is_remote());
        assert_eq!((data.links.len(), data.links.dropped_count), (1, 3));
        assert_eq!(data.end_time.duration_since(data.start_time).expect("later"), Duration::from_micros(1));
        assert_eq!((data.status, data.span_kind), (Status::error("lost"), Kind::Consumer));
        assert_eq!(data.attributes, [KeyValue::new("messaging.kafka.offset", 7)]);
    }

    #[test]
    fn the_service_is_called_as_the_settings_say() {
        let named = resource(&settings(1));
        assert_eq!(named.get(&"service.name".into()), Some(AttributeValue::from("shop")));
        assert_eq!(named.get(&"service.version".into()), Some(AttributeValue::from(env!("CARGO_PKG_VERSION"))));
        let unnamed = resource(&TracingSettings { service_name: None, ..settings(1) });
        assert_eq!(unnamed.get(&"service.name".into()), Some(AttributeValue::from(SERVICE)));
    }
}
