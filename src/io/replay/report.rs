//! What a replay did, for programs and for people.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

/// Counts of a replay.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Records read.
    pub records: u64,
    /// Events that count.
    pub accepted: u64,
    /// Repeats of accepted events.
    pub duplicates: u64,
    /// Events of deleted users, dropped.
    pub deleted: u64,
    /// Events after the last day asked for, left out.
    pub after_until: u64,
    /// Dead letters by reason.
    pub dead_letters: BTreeMap<&'static str, u64>,
    /// Transitions written.
    pub transitions: u64,
    /// Changes of churn risk written.
    pub risk_changes: u64,
    /// Records of alerts written.
    pub alerts: u64,
    /// Users with a profile.
    pub users: u64,
    /// Metrics records written.
    pub metrics: u64,
    days: Option<(String, String)>,
    last_day: Option<Value>,
}

impl Summary {
    pub(super) fn see_metric(&mut self, record: &Value) {
        self.metrics += 1;
        if record["segment"] != "all" {
            return;
        }
        let day = record["day"].as_str().unwrap_or_default().to_owned();
        self.days = Some((self.days.take().map_or_else(|| day.clone(), |(first, _)| first), day));
        self.last_day = Some(record.clone());
    }

    /// One object with every count.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "schema": "stickiness.replay-summary.v1",
            "records": self.records,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "deleted": self.deleted,
            "after_until": self.after_until,
            "dead_letters": self.dead_letters,
            "transitions": self.transitions,
            "risk_changes": self.risk_changes,
            "alerts": self.alerts,
            "users": self.users,
            "metrics": self.metrics,
            "first_day": self.days.as_ref().map(|(first, _)| first),
            "last_day": self.days.as_ref().map(|(_, last)| last),
        })
    }
}

/// For a person at a terminal.
impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{} records: {} counted, {} duplicates", self.records, self.accepted, self.duplicates)?;
        if self.deleted + self.after_until > 0 {
            writeln!(formatter, "{} of deleted users, {} after the last day asked for", self.deleted, self.after_until)?;
        }
        for (reason, count) in &self.dead_letters {
            writeln!(formatter, "{count} not taken: {reason} (see dead-letters.ndjson)")?;
        }
        // A file that is not in the order of time is the likeliest reason for so many.
        if self.dead_letters.get("too_late").is_some_and(|late| late * 20 > self.records) {
            writeln!(
                formatter,
                "more than one in twenty came too late: if the files are not in the order of time, try --order event-time"
            )?;
        }
        let Some((first, last)) = &self.days else { return writeln!(formatter, "nobody was active") };
        writeln!(
            formatter,
            "{} users, {} transitions, {} metrics records from {first} to {last}",
            self.users, self.transitions, self.metrics
        )?;
        let Some(record) = &self.last_day else { return Ok(()) };
        let number = |field: &str| record[field].as_f64().unwrap_or(0.0);
        let state = if record["final"] == true { "final" } else { "provisional" };
        writeln!(
            formatter,
            "on {last} ({state}): DAU {}, WAU {}, MAU {}, DAU/MAU {:.3}",
            number("dau"),
            number("wau_7d"),
            number("mau_30d"),
            number("dau_mau_ratio")
        )
    }
}
