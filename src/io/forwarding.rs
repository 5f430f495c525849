//! What a worker runs on an input that is not keyed by user: every event goes, as it came, to the one internal log, keyed by its user. Shape and arrival are checked here; the rest in the log.

use std::sync::Arc;

use super::input::InputReader;
use super::kafka::Record;
use super::kafka::metadata::Lineage;
use super::worker::{Destination, Frozen, Outputs, Processor, Processors, TopicIndex, Undecodable};
use crate::config::Settings;
use crate::config::internal_topics::log_topic;
use crate::model::event::Event;
use crate::model::rejection::{Reason, Rejection};
use crate::model::time::EventTime;
use crate::wire::decode::Decoder;
use crate::wire::envelope::{Envelope, Forwarded};

const LOG: TopicIndex = TopicIndex(0);
const DEAD_LETTERS: TopicIndex = TopicIndex(1);

/// The consumer group that reads an input topic to forward it.
#[must_use]
pub fn forwarding_group(group_id: &str, input: &str) -> String {
    format!("{group_id}.forward.{input}")
}

/// What all partitions of an input share.
struct Shared {
    decoder: Decoder,
    reader: Arc<InputReader>,
    future_tolerance_ms: i64,
    input: String,
    topics: Vec<String>,
}

/// Makes a forwarder for each partition of an input.
pub struct Forwarders {
    shared: Arc<Shared>,
}

impl Forwarders {
    /// Forwarders of one input topic.
    #[must_use]
    pub fn new(settings: &Settings, input: &str, reader: &Arc<InputReader>) -> Self {
        let topics = vec![log_topic(&settings.kafka.group_id), settings.topics.dead_letters.clone()];
        let future_tolerance_ms = settings.engine.future_tolerance_ms;
        let (decoder, reader) = (settings.decoder(), Arc::clone(reader));
        Self { shared: Arc::new(Shared { decoder, reader, future_tolerance_ms, input: input.to_owned(), topics }) }
    }
}

impl Processors for Forwarders {
    type Processor = Forwarder;

    fn version(&self) -> u32 {
        1
    }

    fn topics(&self) -> Vec<String> {
        self.shared.topics.clone()
    }

    fn empty(&self, _: i32, _: u32, _: Lineage) -> Forwarder {
        Forwarder { shared: Arc::clone(&self.shared), newest: None }
    }

    fn decode(&self, _: i32, _: u32, _: Lineage, state: &[u8]) -> Result<Forwarder, Undecodable> {
        let wrong = |_| Undecodable::Damaged("it is not that of a forwarder".to_owned());
        let nanos = state.try_into().map(i64::from_le_bytes).map_err(wrong)?;
        let newest = (nanos != i64::MIN).then_some(EventTime::from_nanos(nanos));
        Ok(Forwarder { shared: Arc::clone(&self.shared), newest })
    }
}

/// Forwards the events of one partition. It knows nothing but the newest event time.
pub struct Forwarder {
    shared: Arc<Shared>,
    newest: Option<EventTime>,
}

impl Forwarder {
    /// The event that a value is, if its shape and arrival let it through.
    fn check<'r>(&self, record: &Record<'_>, value: &'r [u8]) -> Result<Event<'r>, Rejection> {
        let event = self.shared.decoder.decode_json(value)?;
        let arrival = record.timestamp_ms.map(EventTime::from_millis);
        let future = arrival.and_then(|arrival| Rejection::of_future(event.time, arrival, self.shared.future_tolerance_ms));
        future.map_or(Ok(event), Err)
    }

    fn forward(&mut self, record: &Record<'_>, outputs: &mut Outputs) -> Result<(), Rejection> {
        let value = self.shared.reader.event_bytes(record)?;
        let event = self.check(record, &value)?;
        let forwarded = Forwarded {
            topic: &self.shared.input,
            partition: record.partition,
            offset: record.offset,
            key: record.key,
            value: &value,
            passed_on: false,
        };
        let bytes = Envelope::Event(forwarded).encode().map_err(|error| Rejection::new(Reason::Malformed, error.to_string()))?;
        self.newest = self.newest.max(Some(event.time));
        outputs.push(LOG, Destination::ByKey, Some(event.user_id.as_bytes()), |value| value.extend_from_slice(&bytes));
        Ok(())
    }
}

impl Processor for Forwarder {
    fn handle(&mut self, record: &Record<'_>, outputs: &mut Outputs) -> &'static str {
        match self.forward(record, outputs) {
            Ok(()) => "forwarded",
            Err(rejection) => super::counting::push_dead_letter(outputs, DEAD_LETTERS, &self.shared.input, record, &rejection),
        }
    }

    fn flush(&mut self, _: bool, _: &mut Outputs) {}

    fn close_by_clock(&mut self, _: EventTime, _: &mut Outputs) {}

    fn next_clock_close(&self) -> Option<EventTime> {
        // Days close in the log, not here.
        Some(EventTime::from_nanos(i64::MAX))
    }

    fn watermark(&self) -> Option<EventTime> {
        self.newest
    }

    fn freeze(&self, _: i64) -> Frozen {
        let newest = self.newest.map_or(i64::MIN, EventTime::nanos);
        Box::new(move || Ok(newest.to_le_bytes().to_vec()))
    }

    fn profile(&self, _: &str) -> Option<Vec<u8>> {
        None
    }
}
