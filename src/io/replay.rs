//! The engine over files: records in, the last record of every metric and every transition out.

mod partitions;
mod report;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use partitions::Partitions;
pub use report::Summary;

use super::files::{FileRecord, FileRecords, InputError, LineFile, OutputError};
use crate::config::Settings;
use crate::engine::effect::Admission;
use crate::model::event::Event;
use crate::model::rejection::Rejection;
use crate::model::time::{Calendar, Day, EventTime, UnknownTimeZone};
use crate::wire::dead_letter;
use crate::wire::records::{ChurnRiskRecord, TransitionRecord, alert as alert_record};

/// In which order records reach the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they stand in the files.
    File,
    /// By event time; records of the same time as they stand. All are held in memory.
    EventTime,
}

/// What a replay is asked for.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// Where the outputs go; made when it is not there.
    pub output: PathBuf,
    /// Leaves out events after this day and closes every day up to it.
    pub until: Option<Day>,
    /// How many partitions users are spread over; at least 1.
    pub partitions: u32,
    /// In which order records reach the engine.
    pub order: Order,
}

/// A replay failed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// An output cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The output folder cannot be made.
    #[error("{0}")]
    Folder(PathBuf, #[source] std::io::Error),
    /// The time zone of the settings is unknown.
    #[error(transparent)]
    TimeZone(#[from] UnknownTimeZone),
}

/// Records between two looks at what changed, which keeps what engines have to tell from piling up.
const RECORDS_BETWEEN_LOOKS: u64 = 20_000;

/// Reads all records, and writes `metrics.ndjson`, `transitions.ndjson`, `churn-risk.ndjson`, `alerts.ndjson`, `dead-letters.ndjson`, `profiles.ndjson` and `summary.json` to the output folder. Each file comes into being when it is complete.
pub fn replay(settings: &Settings, options: &ReplayOptions, records: FileRecords<'_>) -> Result<Summary, ReplayError> {
    std::fs::create_dir_all(&options.output).map_err(|error| ReplayError::Folder(options.output.clone(), error))?;
    let calendar = Arc::new(Calendar::new(&settings.engine.time_zone)?);
    let mut run = Run {
        partitions: Partitions::new(settings, options.partitions, &calendar),
        calendar,
        until: options.until,
        dead_letters: LineFile::create(&options.output.join("dead-letters.ndjson"))?,
        transitions: LineFile::create(&options.output.join("transitions.ndjson"))?,
        risks: LineFile::create(&options.output.join("churn-risk.ndjson"))?,
        alerts: LineFile::create(&options.output.join("alerts.ndjson"))?,
        summary: Summary::default(),
    };
    match options.order {
        Order::File => run.in_file_order(records)?,
        Order::EventTime => run.in_event_time_order(records)?,
    }
    run.finish(&options.output)
}

/// A record that waits for its turn in event-time order.
struct Waiting {
    event: Event<'static>,
    arrived_at: Option<EventTime>,
    source: Arc<str>,
    line: u64,
    value: Box<[u8]>,
}

/// Where a record stands, for its dead letter.
struct Origin<'a> {
    source: &'a str,
    line: u64,
    value: &'a [u8],
    length: u64,
}

struct Run {
    partitions: Partitions,
    calendar: Arc<Calendar>,
    until: Option<Day>,
    dead_letters: LineFile,
    transitions: LineFile,
    risks: LineFile,
    alerts: LineFile,
    summary: Summary,
}

impl Run {
    fn in_file_order(&mut self, mut records: FileRecords<'_>) -> Result<(), ReplayError> {
        while let Some(record) = records.next_record()? {
            let FileRecord { source, line, value, length, outcome } = record;
            let origin = Origin { source, line, value, length };
            self.summary.records += 1;
            match outcome {
                Ok(decoded) => self.take(&decoded.event, decoded.arrived_at, &origin)?,
                Err(rejection) => self.reject(&rejection, &origin)?,
            }
        }
        Ok(())
    }

    fn in_event_time_order(&mut self, mut records: FileRecords<'_>) -> Result<(), ReplayError> {
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut name: Arc<str> = "".into();
        while let Some(record) = records.next_record()? {
            let FileRecord { source, line, value, length, outcome } = record;
            self.summary.records += 1;
            match outcome {
                Ok(decoded) => {
                    if *name != *source {
                        name = source.into();
                    }
                    let arrived_at = decoded.arrived_at;
                    waiting.push(Waiting {
                        event: decoded.event.into_owned(),
                        arrived_at,
                        source: name.clone(),
                        line,
                        value: value.into(),
                    });
                }
                Err(rejection) => self.reject(&rejection, &Origin { source, line, value, length })?,
            }
        }
        waiting.sort_by_key(|record| record.event.time);
        for Waiting { event, arrived_at, source, line, value } in waiting {
            let origin = Origin { source: &source, line, value: &value, length: value.len() as u64 };
            self.take(&event, arrived_at, &origin)?;
        }
        Ok(())
    }

    fn take(&mut self, event: &Event<'_>, arrived_at: Option<EventTime>, origin: &Origin<'_>) -> Result<(), ReplayError> {
        if self.until.is_some_and(|until| self.calendar.day_of(event.time) > until) {
            self.summary.after_until += 1;
            return Ok(());
        }
        let admission = self.partitions.handle(event, arrived_at);
        match admission {
            Admission::Accepted | Admission::Forwarded => self.summary.accepted += 1,
            Admission::Duplicate => self.summary.duplicates += 1,
            Admission::Deleted => self.summary.deleted += 1,
            Admission::Rejected(rejection) => self.reject(&rejection, origin)?,
        }
        self.write_changes()?;
        if self.summary.records.is_multiple_of(RECORDS_BETWEEN_LOOKS) {
            self.partitions.look();
            self.write_alerts()?;
        }
        Ok(())
    }

    fn reject(&mut self, rejection: &Rejection, origin: &Origin<'_>) -> Result<(), ReplayError> {
        *self.summary.dead_letters.entry(rejection.reason.name()).or_default() += 1;
        let letter = dead_letter::of_file_record(rejection, origin.source, origin.line, origin.value, origin.length);
        Ok(self.dead_letters.write_json(&letter)?)
    }

    fn write_changes(&mut self) -> Result<(), ReplayError> {
        for transition in self.partitions.take_transitions() {
            self.summary.transitions += 1;
            self.transitions.write_json(&TransitionRecord::new(&transition))?;
        }
        for change in self.partitions.take_risks() {
            self.summary.risk_changes += 1;
            self.risks.write_json(&ChurnRiskRecord::new(&change))?;
        }
        Ok(())
    }

    fn write_alerts(&mut self) -> Result<(), ReplayError> {
        for alert in self.partitions.take_alerts() {
            self.summary.alerts += 1;
            self.alerts.write_json(&alert_record(&alert, &self.calendar))?;
        }
        Ok(())
    }

    fn finish(mut self, output: &Path) -> Result<Summary, ReplayError> {
        if let Some(until) = self.until {
            self.partitions.close_through(until);
            self.write_changes()?;
        }
        self.partitions.look_for_the_last_time();
        self.write_alerts()?;
        self.alerts.finish()?;
        self.dead_letters.finish()?;
        self.transitions.finish()?;
        self.risks.finish()?;
        let mut metrics = LineFile::create(&output.join("metrics.ndjson"))?;
        for record in self.partitions.last_metrics().values() {
            self.summary.see_metric(record);
            metrics.write_json(&record)?;
        }
        metrics.finish()?;
        let mut profiles = LineFile::create(&output.join("profiles.ndjson"))?;
        for profile in self.partitions.profiles(self.until) {
            self.summary.users += 1;
            profiles.write_json(&profile)?;
        }
        profiles.finish()?;
        let mut summary = LineFile::create(&output.join("summary.json"))?;
        summary.write_json(&self.summary.to_json())?;
        summary.finish()?;
        Ok(self.summary)
    }
}
