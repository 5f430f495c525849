//! What the partitions of a replay add up to.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::Settings;
use crate::engine::aggregator::Aggregator;
use crate::engine::alerts::{Alert, AlertBook};
use crate::engine::partial::Partial;
use crate::engine::settings::EngineSettings;
use crate::model::time::Day;
use crate::wire::records;

/// The aggregator of a replay, with the alerts over it.
pub(super) struct Totals {
    aggregator: Aggregator,
    settings: EngineSettings,
    metrics: BTreeMap<(String, Day), Value>,
    book: Option<AlertBook>,
}

impl Totals {
    pub(super) fn new(settings: &Settings, partitions: u32) -> Self {
        Self {
            aggregator: Aggregator::new(partitions),
            settings: settings.engine.clone(),
            metrics: BTreeMap::new(),
            book: settings.alerts.clone().map(AlertBook::new),
        }
    }

    /// Takes in what partitions told, and returns the alerts that come of it: each when it started, on each day that it went on, and when it ended.
    pub(super) fn take_in(&mut self, told: Vec<(u32, Vec<Partial>)>) -> Vec<Alert> {
        for (partition, partials) in told {
            for partial in partials {
                self.aggregator.update(partition, partial);
            }
        }
        let days = self.aggregator.take_alert_days();
        let Some(book) = &mut self.book else { return Vec::new() };
        days.into_iter().flat_map(|(day, segments)| book.close_day(day, &segments)).map(|change| change.alert).collect()
    }

    /// The last record of every metric so far, by segment, then day.
    pub(super) fn last_metrics(&mut self) -> &BTreeMap<(String, Day), Value> {
        for metric in self.aggregator.take_changed() {
            let record = records::metric(&metric, 0, &self.settings);
            self.metrics.insert((metric.segment, metric.day), record);
        }
        &self.metrics
    }
}
