//! What the HTTP side shows of metrics and alerts. Where another process aggregates, they come from the topics that it publishes to.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::Value;

use crate::engine::aggregator::ALL;
use crate::engine::alerts::AlertStatus;

/// Alerts that are kept. Those that are over go first, from the one that began first.
const ALERTS: usize = 500;

/// The newest metrics and alerts.
#[derive(Debug, Default)]
pub struct MetricsBoard(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    /// How many metrics were put: the number of the newest.
    number: u64,
    /// By segment, then day as text, each with the number that it was put under.
    metrics: BTreeMap<String, BTreeMap<String, (u64, Arc<Value>)>>,
    /// By fingerprint.
    alerts: BTreeMap<String, Arc<Value>>,
}

impl MetricsBoard {
    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The records of a segment with days from `from` to `to`, both included, in the order of the days.
    #[must_use]
    pub fn metrics(&self, segment: &str, from: &str, to: &str) -> Vec<Arc<Value>> {
        let known = self.read();
        let days = known.metrics.get(segment).into_iter().flatten();
        days.filter(|(day, _)| (from..=to).contains(&day.as_str())).map(|(_, (_, record))| Arc::clone(record)).collect()
    }

    /// The records of a segment that were put after the one with number `since`, in the order of the days, and the number of the newest of any segment.
    #[must_use]
    pub fn changes(&self, segment: &str, since: u64) -> (u64, Vec<Arc<Value>>) {
        let known = self.read();
        let days = known.metrics.get(segment).into_iter().flatten();
        let changed = days.filter(|(_, (number, _))| *number > since).map(|(_, (_, record))| Arc::clone(record));
        (known.number, changed.collect())
    }

    /// The segments that have records, `all` first.
    #[must_use]
    pub fn segments(&self) -> Vec<String> {
        let known = self.read();
        let breakdowns = known.metrics.keys().filter(|segment| *segment != ALL).cloned();
        known.metrics.contains_key(ALL).then(|| ALL.to_owned()).into_iter().chain(breakdowns).collect()
    }

    /// The alerts, those that fire first, then by their newest day.
    #[must_use]
    pub fn alerts(&self) -> Vec<Arc<Value>> {
        let mut alerts: Vec<Arc<Value>> = self.read().alerts.values().cloned().collect();
        alerts.sort_by_key(|alert| Reverse((is_firing(alert), text(alert, "day"), text(alert, "starts_at"))));
        alerts
    }

    pub(super) fn put(&self, record: Value) {
        let (Some(segment), Some(day)) = (record["segment"].as_str(), record["day"].as_str()) else { return };
        let (segment, day) = (segment.to_owned(), day.to_owned());
        let mut known = self.write();
        known.number += 1;
        let number = known.number;
        known.metrics.entry(segment).or_default().insert(day, (number, Arc::new(record)));
    }

    pub(super) fn put_alert(&self, fingerprint: &str, record: Value) {
        let mut known = self.write();
        known.alerts.insert(fingerprint.to_owned(), Arc::new(record));
        if known.alerts.len() > ALERTS {
            let first = known.alerts.iter().min_by_key(|(_, alert)| (is_firing(alert), text(alert, "starts_at")));
            if let Some(fingerprint) = first.map(|(fingerprint, _)| fingerprint.clone()) {
                known.alerts.remove(&fingerprint);
            }
        }
    }
}

fn is_firing(alert: &Value) -> bool {
    alert["status"] == AlertStatus::Firing.name()
}

fn text(alert: &Value, name: &str) -> String {
    alert[name].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metric(segment: &str, day: &str, dau: u64) -> Value {
        json!({ "segment": segment, "day": day, "dau": dau })
    }

    fn told((number, records): (u64, Vec<Arc<Value>>)) -> (u64, Vec<u64>) {
        (number, records.iter().filter_map(|record| record["dau"].as_u64()).collect())
    }

    #[test]
    fn what_changed_since_a_number() {
        let board = MetricsBoard::default();
        assert_eq!(told(board.changes("all", 0)), (0, vec![]));
        board.put(metric("all", "2026-01-02", 2));
        board.put(metric("all", "2026-01-01", 1));
        board.put(metric("a=b", "2026-01-01", 9));
        assert_eq!(told(board.changes("all", 0)), (3, vec![1, 2]));
        assert_eq!(told(board.changes("all", 3)), (3, vec![]));
        board.put(metric("all", "2026-01-01", 3));
        assert_eq!(told(board.changes("all", 3)), (4, vec![3]));
        assert_eq!(told(board.changes("nothing", 3)), (4, vec![]));
        assert_eq!(board.segments(), ["all", "a=b"]);
    }

    #[test]
    fn alerts_that_fire_come_first_and_stay() {
        let board = MetricsBoard::default();
        let alert = |number: usize, status: &str| json!({ "status": status, "day": format!("2026-01-{number:04}"), "starts_at": format!("{number:04}") });
        board.put_alert("old but firing", alert(0, "firing"));
        for number in 1..=ALERTS + 10 {
            board.put_alert(&number.to_string(), alert(number, "resolved"));
        }
        let starts: Vec<String> = board.alerts().iter().map(|alert| text(alert, "starts_at")).collect();
        assert_eq!((starts.len(), starts[0].as_str(), starts[1].as_str()), (ALERTS, "0000", "0510"));
        assert_eq!(starts.last().map(String::as_str), Some("0012"), "those that began first went");
    }
}
