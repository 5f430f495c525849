//! All events of files in the order of their timestamps, held in memory.

use super::{FileRecords, InputError};
use crate::model::event::Event;
use crate::model::time::EventTime;

/// The events of files with their arrivals, by time, of the same time as they stand; what is no event, and what `keep` does not want, is left out.
pub fn by_time(
    mut records: FileRecords<'_>,
    keep: impl Fn(&Event<'_>) -> bool,
) -> Result<Vec<(Event<'static>, Option<EventTime>)>, InputError> {
    let mut events = Vec::new();
    while let Some(record) = records.next_record()? {
        if let Some(decoded) = record.outcome.ok().filter(|decoded| keep(&decoded.event)) {
            events.push((decoded.event.into_owned(), decoded.arrived_at));
        }
    }
    events.sort_by_key(|(event, _)| event.time);
    Ok(events)
}
