//! Reads the inputs, judges each record as the service would on its arrival, and hands what goes on to the sort.

use indicatif::{ProgressBar, ProgressStyle};

use super::entry::{Entry, Turn};
use super::error::BackfillError;
use super::log::read_spans;
use super::position::Plan;
use super::report::Tally;
use super::sorting::Sorter;
use super::{Backfill, Target};
use crate::config::Settings;
use crate::io::files::{FileRecord, FileRecords, Progress};
use crate::io::input::InputReader;
use crate::io::kafka::Record;
use crate::io::kafka::connection::Connection;
use crate::model::event::Event;
use crate::model::partition::partition_of;
use crate::model::rejection::{Reason, Rejection};
use crate::model::time::{Calendar, EventTime};
use crate::wire::decode::Decoder;
use crate::wire::row::RowShape;

/// Where a history is.
pub(super) struct Sources<'s> {
    pub(super) settings: &'s Settings,
    pub(super) connection: &'s Connection,
    pub(super) reader: &'s InputReader,
    /// Of the backfill.
    pub(super) group_id: &'s str,
    pub(super) target: &'s Target,
    pub(super) work: &'s Backfill,
    pub(super) plan: &'s Plan,
}

/// What was read.
pub(super) struct Read {
    pub(super) tally: Tally,
    pub(super) sorter: Sorter,
}

/// Reads everything.
pub(super) fn read(sources: &Sources<'_>, sorter: Sorter, progress: Progress) -> Result<Read, BackfillError> {
    let decoder = sources.settings.decoder();
    let engine = &sources.settings.engine;
    let mut judge = Judge {
        decoder: &decoder,
        calendar: Calendar::new(&engine.time_zone)?,
        future_tolerance_ms: engine.future_tolerance_ms,
        began: sources.plan.began,
        before: sources.work.before,
        tally: Tally::new(sources.target.partitions),
        sorter,
        encoded: Vec::new(),
    };
    judge.read_files(sources, progress)?;
    judge.read_topics(sources)?;
    Ok(Read { tally: judge.tally, sorter: judge.sorter })
}

/// Where a record was found.
#[derive(Clone, Copy)]
struct Origin<'r> {
    source: u32,
    partition: i32,
    place: i64,
    key: Option<&'r [u8]>,
    /// As it came, as far as it was read.
    value: Option<&'r [u8]>,
    /// Its length in bytes.
    length: u64,
}

/// Decides what a record is.
struct Judge<'s> {
    decoder: &'s Decoder,
    calendar: Calendar,
    future_tolerance_ms: i64,
    began: EventTime,
    before: Option<EventTime>,
    tally: Tally,
    sorter: Sorter,
    encoded: Vec<u8>,
}

impl Judge<'_> {
    fn read_files(&mut self, sources: &Sources<'_>, progress: Progress) -> Result<(), BackfillError> {
        let inputs = &sources.work.inputs;
        if inputs.is_empty() {
            return Ok(());
        }
        let mut shape: Option<(String, RowShape)> = None;
        let mut records = FileRecords::new(inputs.clone(), self.decoder, progress);
        while let Some(record) = records.next_record()? {
            let source = inputs.iter().position(|input| input.name() == record.source).unwrap_or_default();
            if let Some(header) = record.header.filter(|_| shape.as_ref().is_none_or(|(name, _)| name != record.source)) {
                shape = Some((record.source.to_owned(), RowShape::new(&sources.settings.input, header)));
            }
            let shape = shape.as_ref().map(|(_, shape)| shape).filter(|_| record.header.is_some());
            self.take_file_record(u32::try_from(source).unwrap_or(u32::MAX), shape, record)?;
        }
        Ok(())
    }

    /// A row becomes the object that the service reads as the same event.
    fn take_file_record(&mut self, source: u32, shape: Option<&RowShape>, record: FileRecord<'_>) -> Result<(), BackfillError> {
        let FileRecord { line, value, length, outcome, .. } = record;
        let place = i64::try_from(line).unwrap_or(i64::MAX);
        let origin = Origin { source, partition: 0, place, key: None, value: Some(value), length };
        let json = match (shape, &outcome) {
            (Some(shape), Ok(_)) => Some(shape.json(value)),
            _ => None,
        };
        match json {
            None => {
                let decoded = outcome.map(|decoded| (decoded.event, decoded.arrived_at));
                self.take(origin, value, decoded)
            }
            Some(Err(error)) => self.refuse(origin, &Rejection::new(Reason::Malformed, error.to_string())),
            Some(Ok(json)) => {
                let decoded = self.decoder.decode_json_line(json.as_bytes()).map(|decoded| (decoded.event, decoded.arrived_at));
                self.take(origin, json.as_bytes(), decoded)
            }
        }
    }

    fn read_topics(&mut self, sources: &Sources<'_>) -> Result<(), BackfillError> {
        let files = sources.work.inputs.len();
        for (number, topic) in sources.work.topics.iter().enumerate() {
            let source = u32::try_from(files + number).unwrap_or(u32::MAX);
            let known = sources.plan.spans.get(topic).into_iter().flatten();
            let spans: Vec<(i32, i64, i64)> = known.map(|(partition, (start, end))| (*partition, *start, *end)).collect();
            let bar = bar(topic, spans.iter().map(|(_, start, end)| end.abs_diff(*start)).sum());
            read_spans(sources.connection, sources.group_id, topic, &spans, |record| {
                bar.inc(1);
                self.take_record(sources.reader, source, record)
            })?;
            bar.finish_and_clear();
        }
        Ok(())
    }

    /// Its Kafka timestamp is its arrival, as in the service. What goes on is JSON, whatever it was: headers and schemas do not come along.
    fn take_record(&mut self, reader: &InputReader, source: u32, record: &Record<'_>) -> Result<(), BackfillError> {
        let (key, value, length) = (record.key, record.payload, record.payload.map_or(0, <[u8]>::len) as u64);
        let origin = Origin { source, partition: record.partition, place: record.offset, key, value, length };
        let payload = match reader.event_bytes(record) {
            Ok(payload) => payload,
            Err(rejection) => return self.refuse(origin, &rejection),
        };
        let arrival = record.timestamp_ms.map(EventTime::from_millis);
        self.take(origin, &payload, self.decoder.decode_json(&payload).map(|event| (event, arrival)))
    }

    /// Takes an event, with when it arrived if anything says so, and as the service reads it.
    fn take(
        &mut self,
        origin: Origin<'_>,
        value: &[u8],
        decoded: Result<(Event<'_>, Option<EventTime>), Rejection>,
    ) -> Result<(), BackfillError> {
        let (event, arrival) = match decoded {
            Ok(decoded) => decoded,
            Err(rejection) => return self.refuse(origin, &rejection),
        };
        if self.before.is_some_and(|before| event.time >= before) {
            self.tally.records += 1;
            self.tally.left_out += 1;
            return Ok(());
        }
        // Nothing arrived after the backfill began, whatever it says: the service, which judges again, must not find otherwise.
        let arrival = arrival.map_or(self.began, |arrival| arrival.min(self.began));
        if let Some(rejection) = Rejection::of_future(event.time, arrival, self.future_tolerance_ms) {
            return self.refuse(origin, &rejection);
        }
        let partition = partition_of(event.user_id.as_bytes(), self.tally.partitions());
        self.tally.see_event(self.calendar.day_of(event.time), partition);
        let entry = Entry::Event { user_id: &event.user_id, key: origin.key, value };
        self.push(event.time.nanos(), origin, &entry)
    }

    /// Takes what the service would not, for the dead letters.
    fn refuse(&mut self, origin: Origin<'_>, rejection: &Rejection) -> Result<(), BackfillError> {
        self.tally.see_refused(rejection.reason.name());
        let Origin { key, value, length, .. } = origin;
        let entry = Entry::Refused { reason: rejection.reason.name(), detail: &rejection.detail, key, value, length };
        self.push(i64::MIN, origin, &entry)
    }

    fn push(&mut self, nanos: i64, origin: Origin<'_>, entry: &Entry<'_>) -> Result<(), BackfillError> {
        let Origin { source, partition, place, .. } = origin;
        self.encoded.clear();
        let bytes = postcard::to_extend(entry, std::mem::take(&mut self.encoded));
        self.encoded = bytes.map_err(|error| BackfillError::Refused(error.to_string()))?;
        self.sorter.push(Turn { nanos, source, partition, place }, &self.encoded)
    }
}

/// A bar of records of a topic, on standard error when that is a terminal.
fn bar(topic: &str, total: u64) -> ProgressBar {
    let template = "{elapsed_precise} {bar:30} {human_pos}/{human_len} records of {msg}, {per_sec} ETA {eta}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style).with_message(topic.to_owned())
}
