//! An alert in the words of Alertmanager's API.

use serde_json::{Map, Value, json};

use crate::engine::alerts::{Alert, AlertStatus};
use crate::model::time::{Calendar, EventTime};

/// What is sent of an alert; only when it expires is not known before it is sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message {
    /// Of the alert.
    pub(super) fingerprint: String,
    /// Whether it goes on.
    pub(super) is_firing: bool,
    starts: EventTime,
    /// Nothing while it fires.
    ends: Option<EventTime>,
    labels: Map<String, Value>,
    annotations: Map<String, Value>,
}

impl Message {
    /// Labels are the alert's own with `alertname` and `severity`, so that an alert is the same one from start to end; figures, which change, are annotations.
    pub(super) fn new(alert: &Alert, calendar: &Calendar) -> Self {
        let mut labels: Map<String, Value> = alert.labels.pairs().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        labels.insert("alertname".to_owned(), json!(alert.name.name()));
        labels.insert("severity".to_owned(), json!(alert.severity.name()));
        let top: Vec<&str> = alert.top_segments.iter().map(|top| top.segment.as_str()).collect();
        let texts = [
            ("summary", alert.summary.clone()),
            ("fingerprint", alert.fingerprint.clone()),
            ("day", alert.day.to_string()),
            ("observed", alert.observed.to_string()),
            ("expected", format!("{:.1}", alert.expected)),
            ("upper", alert.upper.map(|upper| upper.to_string()).unwrap_or_default()),
            ("p_value", format!("{:.2e}", alert.p_value)),
            ("at_risk", alert.at_risk.to_string()),
            ("top_segments", top.join(", ")),
        ];
        let annotations =
            texts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name.to_owned(), json!(text))).collect();
        Self {
            fingerprint: alert.fingerprint.clone(),
            is_firing: alert.status == AlertStatus::Firing,
            starts: calendar.start_of(alert.starts),
            ends: alert.ends.map(|ends| calendar.start_of(ends)),
            labels,
            annotations,
        }
    }

    /// The alert for the request's body; a firing one ends at `expires` unless it is told again.
    pub(super) fn json(&self, expires: EventTime) -> Value {
        json!({
            "labels": self.labels,
            "annotations": self.annotations,
            "startsAt": self.starts.to_string(),
            "endsAt": self.ends.unwrap_or(expires).to_string(),
        })
    }
}
