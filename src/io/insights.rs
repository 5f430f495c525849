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

/// The profile of a user in files with the latest days and orders, and where the user stands among all others, at the end of `until`, or of the newest day. `None` of nobody.
pub fn of_user(settings: &Settings, user_id: &str, until: Option<Day>, records: FileRecords<'_>) -> Result<Option<Value>, InsightsError> {
    let Some((engines, day)) = counted(settings, until, 1, records)? else { return Ok(None) };
    let insights = together(&engines, day);
    let known = engines.engines().iter().find_map(|engine| Some((engine.profile_on(user_id, day)?, engine.recent(user_id)?)));
    let Some((profile, recent)) = known else { return Ok(None) };
    let mut told = wire::records::profile(&profile);
    told["recent"] = wire::recent::recent(&recent);
    told["ranks"] = wire::insights::ranks::ranks(&insights, day, &told);
    Ok(Some(told))
}

/// What the users in files show at the end of `until`, or of the newest day; events are counted by their timestamps. `Null` without events.
pub fn of_files(settings: &Settings, until: Option<Day>, partitions: u32, records: FileRecords<'_>) -> Result<Value, InsightsError> {
    let Some((engines, day)) = counted(settings, until, partitions, records)? else { return Ok(Value::Null) };
    Ok(wire::insights::insights(&together(&engines, day), day, settings.engine.silent_ratio))
}

/// Events counted by their timestamps, and the day that is told of; `None` without events.
fn counted(
    settings: &Settings,
    until: Option<Day>,
    partitions: u32,
    records: FileRecords<'_>,
) -> Result<Option<(Partitions, Day)>, InsightsError> {
    let calendar = Arc::new(Calendar::new(&settings.engine.time_zone)?);
    let mut engines = Partitions::new(settings, partitions, &calendar);
    let is_in_time = |event: &Event<'_>| until.is_none_or(|until| calendar.day_of(event.time) <= until);
    engines.handle_all(by_time(records, is_in_time)?);
    if let Some(until) = until {
        engines.close_through(until);
    }
    let newest = engines.engines().iter().filter_map(crate::engine::partition::PartitionEngine::newest_day).max();
    Ok(until.or(newest).map(|day| (engines, day)))
}

fn together(engines: &Partitions, day: Day) -> Insights {
    let mut insights = Insights::default();
    for engine in engines.engines() {
        insights.absorb(&engine.insights(day));
    }
    insights
}
