//! Insights from files.

use std::sync::Arc;

use serde_json::Value;

use super::files::{FileRecords, InputError, by_time};
use super::replay::Partitions;
use crate::config::Settings;
use crate::engine::insights::Insights;
use crate::model::event::Event;
use crate::model::time::{Calendar, Day, UnknownTimeZone};
use crate::wire;

/// Insights cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum InsightsError {
    /// A file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The time zone of the settings is unknown.
    #[error(transparent)]
    TimeZone(#[from] UnknownTimeZone),
}

/// What the users in files show at the end of `until`, or of the newest day; events are counted by their timestamps. `Null` without events.
pub fn of_files(settings: &Settings, until: Option<Day>, partitions: u32, records: FileRecords<'_>) -> Result<Value, InsightsError> {
    let calendar = Arc::new(Calendar::new(&settings.engine.time_zone)?);
    let mut engines = Partitions::new(settings, partitions, &calendar);
    let is_in_time = |event: &Event<'_>| until.is_none_or(|until| calendar.day_of(event.time) <= until);
    engines.handle_all(by_time(records, is_in_time)?);
    if let Some(until) = until {
        engines.close_through(until);
    }
    let newest = engines.engines().iter().filter_map(crate::engine::partition::PartitionEngine::newest_day).max();
    let Some(day) = until.or(newest) else { return Ok(Value::Null) };
    let mut insights = Insights::default();
    for engine in engines.engines() {
        insights.absorb(&engine.insights(day));
    }
    Ok(wire::insights::insights(&insights, day, settings.engine.silent_ratio))
}
