//! What a backfill did, for programs and for people.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use super::Target;
use crate::model::time::Day;

/// Counts of what was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) records: u64,
    /// At the instant of `--before` or after it.
    pub(super) left_out: u64,
    events: u64,
    refused: BTreeMap<&'static str, u64>,
    days: Option<(Day, Day)>,
    by_partition: Vec<u64>,
}

impl Tally {
    pub(super) fn new(partitions: u32) -> Self {
        Self { by_partition: vec![0; partitions as usize], ..Self::default() }
    }

    /// Partitions of the log.
    pub(super) fn partitions(&self) -> u32 {
        u32::try_from(self.by_partition.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn see_event(&mut self, day: Day, partition: u32) {
        self.records += 1;
        self.events += 1;
        let (first, last) = self.days.unwrap_or((day, day));
        self.days = Some((first.min(day), last.max(day)));
        if let Some(count) = self.by_partition.get_mut(partition as usize) {
            *count += 1;
        }
    }

    pub(super) fn see_refused(&mut self, reason: &'static str) {
        self.records += 1;
        *self.refused.entry(reason).or_default() += 1;
    }
}

/// What a backfill read, and what it wrote.
#[derive(Clone, Debug)]
pub struct Report {
    log: String,
    tally: Tally,
    /// Records that earlier runs had written, dead letters among them; `None` when nothing was to be written.
    written_before: Option<u64>,
    /// Records that this run wrote, dead letters among them.
    written: u64,
}

impl Report {
    pub(super) fn new(target: &Target, tally: Tally) -> Self {
        Self { log: target.topic.clone(), tally, written_before: None, written: 0 }
    }

    /// Notes that it went from one count of records to another.
    pub(super) fn note_written(&mut self, before: u64, after: u64) {
        (self.written_before, self.written) = (Some(before), after - before);
    }

    /// Whether everything had been written before.
    #[must_use]
    pub fn was_complete(&self) -> bool {
        self.written_before.is_some_and(|before| before > 0) && self.written == 0
    }

    /// One object with every count.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Tally { records, left_out, events, refused, days, by_partition } = &self.tally;
        json!({
            "log": self.log,
            "records": records,
            "events": events,
            "dead_letters": refused,
            "left_out": left_out,
            "first_day": days.map(|(first, _)| first.to_string()),
            "last_day": days.map(|(_, last)| last.to_string()),
            "partitions": by_partition,
            "written_before": self.written_before.unwrap_or(0),
            "written": self.written,
        })
    }
}

/// For a person at a terminal.
impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { records, left_out, events, refused, days, by_partition } = &self.tally;
        writeln!(formatter, "{records} records: {events} events for {} partitions of {}", by_partition.len(), self.log)?;
        if *left_out > 0 {
            writeln!(formatter, "{left_out} not before the instant of --before, left out")?;
        }
        for (reason, count) in refused {
            writeln!(formatter, "{count} for the dead letters: {reason}")?;
        }
        if let Some((first, last)) = days {
            writeln!(formatter, "from {first} to {last}")?;
        }
        match self.written_before {
            None => writeln!(formatter, "nothing was written"),
            Some(_) if self.was_complete() => writeln!(formatter, "complete: all of it was written before, nothing was now"),
            Some(0) => writeln!(formatter, "complete: {} written", self.written),
            Some(before) => writeln!(formatter, "complete: {} written, after {before} of an earlier run", self.written),
        }
    }
}
