//! Comparisons from files: two periods in every metric, or two arms of a campaign.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::files::{FileRecords, InputError, by_time};
use super::replay::Partitions;
use crate::config::Settings;
use crate::engine::aggregator::ALL;
use crate::model::compare::arms::{Arms, Collection};
use crate::model::time::{Calendar, Day, UnknownTimeZone};
use crate::wire::compare::{Period, periods};

/// A comparison cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The time zone of the settings is unknown.
    #[error(transparent)]
    TimeZone(#[from] UnknownTimeZone),
}

/// Every metric of a segment in two periods. Events are counted by their timestamps.
pub fn of_periods(
    settings: &Settings,
    segment: Option<&str>,
    (before, after): (Period, Period),
    records: FileRecords<'_>,
) -> Result<Value, CompareError> {
    let calendar = Arc::new(Calendar::new(&settings.engine.time_zone)?);
    let mut partitions = Partitions::new(settings, 1, &calendar);
    partitions.handle_all(by_time(records, |_| true)?);
    partitions.look_for_the_last_time();
    let segment = segment.unwrap_or(ALL);
    let of_segment = partitions.last_metrics().iter().filter(|((name, _), _)| name == segment);
    let records: BTreeMap<Day, &Value> = of_segment.map(|((_, day), record)| (*day, record)).collect();
    Ok(periods(&records, before, after))
}

/// The users of the arms of a campaign, judged on `days` days from their exposure on.
pub fn of_arms(
    settings: &Settings,
    campaign: &str,
    (days, against_unexposed): (i32, bool),
    records: FileRecords<'_>,
) -> Result<Arms, CompareError> {
    let calendar = Calendar::new(&settings.engine.time_zone)?;
    let mut collection = Collection::new(campaign);
    for (event, _) in by_time(records, |_| true)? {
        let is_excluded = settings.engine.excluded_types.iter().any(|name| name == event.kind.name());
        collection.add(&event, &calendar, is_excluded);
    }
    Ok(collection.arms(days, against_unexposed))
}
