//! All partitions of a log in one process, with the aggregator over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::config::{PublishSettings, Settings};
use crate::engine::aggregator::Aggregator;
use crate::engine::alerts::{Alert, AlertBook};
use crate::engine::effect::{Admission, Effect, RiskChange, Transition};
use crate::engine::partition::{PartitionEngine, Placement};
use crate::engine::settings::EngineSettings;
use crate::model::event::Event;
use crate::model::partition::partition_of;
use crate::model::time::{Calendar, Day, EventTime};
use crate::wire::records;

/// Engines by partition. Users who move are delivered at once.
pub struct Partitions {
    engines: Vec<PartitionEngine>,
    aggregator: Aggregator,
    settings: EngineSettings,
    publish: PublishSettings,
    transitions: Vec<Transition>,
    risks: Vec<RiskChange>,
    metrics: BTreeMap<(String, Day), Value>,
    book: Option<AlertBook>,
    alerts: Vec<Alert>,
}

impl Partitions {
    /// Engines that have seen nothing.
    #[must_use]
    pub fn new(settings: &Settings, partitions: u32, calendar: &Arc<Calendar>) -> Self {
        let place = |partition| Placement { partition, partitions, transfers: true };
        // Nobody sees the digests of deleted ids of a replay, so they need no secret.
        let engine = |partition| PartitionEngine::new(settings.engine.clone(), place(partition), calendar.clone(), [0; 16]);
        Self {
            engines: (0..partitions).map(engine).collect(),
            aggregator: Aggregator::new(partitions),
            settings: settings.engine.clone(),
            publish: settings.publish.clone(),
            transitions: Vec::new(),
            risks: Vec::new(),
            metrics: BTreeMap::new(),
            book: settings.alerts.clone().map(AlertBook::new),
            alerts: Vec::new(),
        }
    }

    fn partition_of(&self, id: &str) -> usize {
        partition_of(id.as_bytes(), u32::try_from(self.engines.len()).unwrap_or(u32::MAX)) as usize
    }

    /// Takes in an event in the partition of its user, following the user where it has moved.
    pub fn handle(&mut self, event: &Event<'_>, arrival: Option<EventTime>) -> Admission {
        let mut partition = self.partition_of(&event.user_id);
        // A user moves at most once into each partition before its way ends.
        for hop in 0..=self.engines.len() {
            let engine = &mut self.engines[partition];
            let admission = if hop == 0 { engine.handle(event, arrival) } else { engine.handle_passed_on(event) };
            match self.deliver(partition) {
                Some(home) => partition = self.partition_of(&home),
                None => return admission,
            }
        }
        Admission::Forwarded
    }

    /// Does what an engine wants done; the id to whose partition the event at hand goes.
    fn deliver(&mut self, partition: usize) -> Option<String> {
        let mut forwarded = None;
        for effect in self.engines[partition].drain_effects() {
            match effect {
                Effect::Transition(transition) => {
                    let (kind, state) = records::transition_selector(&transition);
                    if self.publish.wants_transition(kind, state) {
                        self.transitions.push(transition);
                    }
                }
                Effect::RiskChanged(change) => {
                    if self.publish.wants_risk(change.to) {
                        self.risks.push(*change);
                    }
                }
                Effect::ForwardEvent { user_id } => forwarded = Some(user_id),
                Effect::Transfer { to, transfer } => {
                    let to = self.partition_of(&to);
                    self.engines[to].receive(*transfer);
                    self.deliver(to);
                }
                Effect::ProfileChanged(_) | Effect::ProfileRemoved(_) => {}
            }
        }
        forwarded
    }

    /// Closes every day up to and including `day` in every partition.
    pub fn close_through(&mut self, day: Day) {
        for partition in 0..self.engines.len() {
            self.engines[partition].close_through(day);
            self.deliver(partition);
        }
    }

    /// Takes the transitions since the last call, in order.
    pub fn take_transitions(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.transitions)
    }

    /// Takes the changes of churn risk since the last call, in order.
    pub fn take_risks(&mut self) -> Vec<RiskChange> {
        std::mem::take(&mut self.risks)
    }

    /// Tells the aggregator what changed.
    pub fn look(&mut self) {
        for (partition, engine) in (0..).zip(&mut self.engines) {
            for partial in engine.take_partials() {
                self.aggregator.update(partition, partial);
            }
        }
        let days = self.aggregator.take_alert_days();
        if let Some(book) = &mut self.book {
            let changes = days.into_iter().flat_map(|(day, segments)| book.close_day(day, &segments));
            self.alerts.extend(changes.map(|change| change.alert));
        }
    }

    /// Takes the alerts since the last call: each when it started, on each day that it went on, and when it ended.
    pub fn take_alerts(&mut self) -> Vec<Alert> {
        std::mem::take(&mut self.alerts)
    }

    /// Tells the aggregator the last that there is to tell. Partitions that never had a record hold back no day: nothing is to come for them.
    pub fn look_for_the_last_time(&mut self) {
        self.look();
        let furthest = self.engines.iter().filter(|engine| engine.newest_day().is_some()).filter_map(PartitionEngine::closed_through).min();
        if let Some(furthest) = furthest {
            for engine in self.engines.iter_mut().filter(|engine| engine.newest_day().is_none()) {
                engine.close_through(furthest);
            }
            self.look();
        }
    }

    /// The last record of every metric so far, by segment, then day.
    pub fn last_metrics(&mut self) -> &BTreeMap<(String, Day), Value> {
        for metric in self.aggregator.take_changed() {
            let record = records::metric(&metric, 0, &self.settings);
            self.metrics.insert((metric.segment, metric.day), record);
        }
        &self.metrics
    }

    /// Every user's profile by id, as of the end of `day`, or else of the newest accepted day of all partitions.
    pub fn profiles(&self, day: Option<Day>) -> impl Iterator<Item = Value> + '_ {
        let newest = self.engines.iter().filter_map(PartitionEngine::newest_day).max();
        let day = day.or(newest).unwrap_or(Day::from_number(0));
        let mut profiles: Vec<_> = self.engines.iter().flat_map(|engine| engine.profiles_on(day)).collect();
        profiles.sort_unstable_by(|one, other| one.user_id.cmp(&other.user_id));
        profiles.into_iter().map(|profile| records::profile(&profile))
    }

    /// The engines, by partition.
    #[must_use]
    pub fn engines(&self) -> &[PartitionEngine] {
        &self.engines
    }
}
