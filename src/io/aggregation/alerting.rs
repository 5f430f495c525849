//! Alerts of one term of office: which are news for the topic, and what Alertmanager is told.
//!
//! The book is made anew from what the partitions told of closed days. What a predecessor has said is known by the days that are final in the metrics: those
//! and their alerts are published in one transaction, so that nothing is said twice and nothing is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::config::Settings;
use crate::engine::aggregator::Aggregator;
use crate::engine::alerts::{Alert, AlertBook, AlertChange, AlertSettings, AlertStatus};
use crate::engine::partial::Partial;
use crate::io::alertmanager::{Alertmanager, AlertmanagerPace};
use crate::io::observations::{AlertReadings, Observations};
use crate::model::spike::deficit::LAG_DAYS;
use crate::model::time::{Calendar, Day};
use crate::wire::records;

/// Histories that a book is made anew from: the last is every baseline, and the one before it says which of its days are no example of the usual.
const HISTORIES: i32 = 2;
/// How long alerts that wait are still sent when the service stops.
const LAST_ALERTS: Duration = Duration::from_secs(2);

/// An alert as it was published last.
struct Published {
    day: Option<Day>,
    record: Value,
}

/// What alerts there are, and who was told of them.
pub(super) struct Alerting {
    /// `None` when alerts are turned off.
    book: Option<AlertBook>,
    /// Days that the book looks back on.
    reach: i32,
    calendar: Arc<Calendar>,
    /// What was said of the days up to this one is not said again.
    said_through: Option<Day>,
    /// By fingerprint.
    published: BTreeMap<String, Published>,
    /// Whether alerts that nobody would end were looked for.
    is_swept: bool,
    alertmanager: Option<Alertmanager>,
    /// Alerts that it was told to be firing.
    told: BTreeSet<String>,
    /// The newest state of those that it has to be told of once they are published.
    untold: BTreeMap<String, Alert>,
    records: u64,
    observations: Arc<Observations>,
}

impl Alerting {
    /// Nothing is known yet.
    pub(super) fn new(settings: &Settings, calendar: Arc<Calendar>, observations: Arc<Observations>) -> Self {
        let start = |settings| Alertmanager::start(settings, AlertmanagerPace::default());
        let alertmanager = settings.alertmanager.as_ref().map(start).transpose();
        let alertmanager = alertmanager.unwrap_or_else(|error| {
            tracing::error!(error = format!("{:#}", anyhow::Error::from(error)), "alerts go to their topic alone");
            None
        });
        let history = |alerts: &AlertSettings| i32::from(alerts.rules.history_days) + LAG_DAYS;
        Self {
            book: settings.alerts.clone().map(AlertBook::new),
            reach: HISTORIES * settings.alerts.as_ref().map_or(0, history),
            calendar,
            said_through: None,
            published: BTreeMap::new(),
            is_swept: false,
            alertmanager,
            told: BTreeSet::new(),
            untold: BTreeMap::new(),
            records: 0,
            observations,
        }
    }

    /// Notes a day of `all` that a predecessor published as final.
    pub(super) fn note_final(&mut self, day: Day) {
        self.said_through = self.said_through.max(Some(day));
    }

    /// Notes a record of the alerts topic.
    pub(super) fn note(&mut self, fingerprint: &str, record: &Value) {
        let day = record["day"].as_str().and_then(Day::parse);
        self.published.insert(fingerprint.to_owned(), Published { day, record: record.clone() });
    }

    /// Whether what a partition tells is of a day that is over for alerts, or of no use.
    pub(super) fn is_past(&self, partial: &Partial) -> bool {
        let Partial::Alerts { day, .. } = partial else { return false };
        self.book.as_ref().is_none_or(|book| book.closed_through() >= Some(*day))
    }

    /// The newest day that alerts have taken in.
    pub(super) fn closed_through(&self) -> Option<Day> {
        self.book.as_ref().and_then(AlertBook::closed_through)
    }

    /// Closes the days that every partition has closed; the records that are news, with their keys, in order.
    pub(super) fn close(&mut self, aggregator: &mut Aggregator) -> Vec<(String, Value)> {
        let days = aggregator.take_alert_days();
        let oldest = self.said_through.map(|said| said - self.reach);
        let mut news = Vec::new();
        for (day, segments) in days.into_iter().filter(|(day, _)| Some(*day) >= oldest) {
            let changes = self.book.as_mut().map(|book| book.close_day(day, &segments)).unwrap_or_default();
            news.extend(changes.into_iter().filter_map(|change| self.news(change)));
        }
        news.extend(self.sweep());
        news
    }

    /// The record of a change, unless it was said.
    fn news(&mut self, change: AlertChange) -> Option<(String, Value)> {
        let alert = change.alert;
        let is_said = self.said_through.is_some_and(|said| alert.day <= said)
            || self.published.get(&alert.fingerprint).is_some_and(|known| known.day >= Some(alert.day));
        if is_said {
            return None;
        }
        let (key, record) = (alert.fingerprint.clone(), records::alert(&alert, &self.calendar));
        self.untold.insert(key.clone(), alert);
        Some((key, record))
    }

    /// Alerts that fire on the topic and not in the book, because settings or histories are others now, end with the last day that was told of them: nobody
    /// else would end them. To be done once, when the book has come to where the predecessor was.
    fn sweep(&mut self) -> Vec<(String, Value)> {
        let closed = self.book.as_ref().map(AlertBook::closed_through);
        if self.is_swept || closed.is_some_and(|closed| closed.is_none() || closed < self.said_through) {
            return Vec::new();
        }
        self.is_swept = true;
        let firing: BTreeSet<&str> = self.book.iter().flat_map(AlertBook::firing).map(|alert| alert.fingerprint.as_str()).collect();
        let orphans = self.published.iter().filter(|(key, published)| {
            published.record["status"] == AlertStatus::Firing.name() && !firing.contains(key.as_str()) && !self.untold.contains_key(*key)
        });
        let ended = |(key, published): (&String, &Published)| {
            let mut record = published.record.clone();
            record["status"] = json!(AlertStatus::Resolved.name());
            record["ends_at"] = json!(published.day.map(|day| self.calendar.start_of(day + 1).to_string()));
            (key.clone(), record)
        };
        orphans.map(ended).collect()
    }

    /// Takes note that records were committed, and tells Alertmanager: what fires, and the end of what it was told to be firing.
    pub(super) fn committed(&mut self, news: Vec<(String, Value)>) {
        self.records += news.len() as u64;
        for (key, record) in news {
            let day = record["day"].as_str().and_then(Day::parse);
            self.published.insert(key, Published { day, record });
        }
        let firing: Vec<Alert> = self.book.iter().flat_map(AlertBook::firing).cloned().collect();
        let untold = std::mem::take(&mut self.untold);
        if let Some(alertmanager) = &self.alertmanager {
            let is_new = |alert: &&Alert| !self.told.contains(&alert.fingerprint) || untold.contains_key(&alert.fingerprint);
            let ended = untold.values().filter(|alert| alert.status == AlertStatus::Resolved && self.told.contains(&alert.fingerprint));
            ended.chain(firing.iter().filter(is_new)).for_each(|alert| _ = alertmanager.tell(alert, &self.calendar));
        }
        self.told = firing.iter().map(|alert| alert.fingerprint.clone()).collect();
        self.observe(&firing);
    }

    fn observe(&self, firing: &[Alert]) {
        let mut counts = BTreeMap::new();
        for alert in firing {
            *counts.entry((alert.name.name(), alert.severity.name())).or_default() += 1;
        }
        self.observations.set_firing(counts);
    }

    /// Tells how requests to Alertmanager went so far.
    pub(super) fn observe_requests(&self) {
        let requests = self.alertmanager.as_ref().map(Alertmanager::counts).unwrap_or_default();
        self.observations.set_alerts(AlertReadings { records: self.records, requests });
    }

    /// Sends what Alertmanager was not told yet, for a moment.
    pub(super) fn finish(&mut self) {
        if let Some(alertmanager) = self.alertmanager.take() {
            alertmanager.stop(LAST_ALERTS);
        }
    }
}

impl Drop for Alerting {
    /// Another process may aggregate from now on.
    fn drop(&mut self) {
        self.observations.set_firing(BTreeMap::new());
    }
}

#[cfg(test)]
mod tests;
