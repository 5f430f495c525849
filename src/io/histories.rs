//! Histories of users from files.

use super::files::{FileRecords, InputError};
use crate::config::Settings;
use crate::model::event::EventType;
use crate::model::histories::{Histories, HistoryReader};
use crate::model::time::{Calendar, Day, UnknownTimeZone};

/// Histories cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoriesError {
    /// A file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The time zone of the settings is unknown.
    #[error(transparent)]
    TimeZone(#[from] UnknownTimeZone),
}

/// What was read of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadCounts {
    /// Records.
    pub records: u64,
    /// Records that are no events.
    pub refused: u64,
    /// Events after the last day wanted, left out.
    pub after_until: u64,
}

/// Reads the events of all files up to and including `until`. None is too late or in the future; the histories are those that events in the order of
/// their time would make.
pub fn read_histories(settings: &Settings, mut records: FileRecords<'_>, until: Day) -> Result<(Histories, ReadCounts), HistoriesError> {
    let calendar = Calendar::new(&settings.engine.time_zone)?;
    let end = calendar.end_of(until);
    let excluded = settings.engine.excluded_types.iter().filter_map(|name| EventType::from_name(name)).collect();
    let mut reader = HistoryReader::new(calendar, excluded);
    let mut counts = ReadCounts::default();
    while let Some(record) = records.next_record()? {
        counts.records += 1;
        match record.outcome {
            Ok(decoded) if decoded.event.time < end => reader.take(&decoded.event),
            Ok(_) => counts.after_until += 1,
            Err(_) => counts.refused += 1,
        }
    }
    Ok((reader.finish(settings.engine.return_days.into()), counts))
}
