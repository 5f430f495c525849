//! All partitions of a log on one thread, with the aggregator over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::engines::{Engines, Outcome};
use super::totals::Totals;
use crate::config::Settings;
use crate::engine::effect::Admission;
use crate::engine::partition::PartitionEngine;
use crate::model::event::Event;
use crate::model::time::{Calendar, Day, EventTime};

/// Events between two looks at what changed, which keeps what engines have to tell from piling up.
const EVENTS_BETWEEN_LOOKS: usize = 20_000;

/// Engines by partition. Users who move are delivered at once; what changes for users is passed over.
pub struct Partitions {
    engines: Engines,
    totals: Totals,
}

impl Partitions {
    /// Engines that have seen nothing.
    #[must_use]
    pub fn new(settings: &Settings, partitions: u32, calendar: &Arc<Calendar>) -> Self {
        Self { engines: Engines::new(settings, partitions, calendar), totals: Totals::new(settings, partitions) }
    }

    /// Takes in an event in the partition of its user, following the user where it has moved.
    pub fn handle(&mut self, event: &Event<'_>, arrival: Option<EventTime>) -> Admission {
        self.engines.handle(0, event, arrival, &mut Outcome::default())
    }

    /// Takes in many, and tells the aggregator now and then what there is to tell.
    pub fn handle_all(&mut self, events: Vec<(Event<'static>, Option<EventTime>)>) {
        for (number, (event, arrival)) in events.into_iter().enumerate() {
            if number.is_multiple_of(EVENTS_BETWEEN_LOOKS) {
                self.look();
            }
            self.handle(&event, arrival);
        }
    }

    /// Closes every day up to and including `day` in every partition.
    pub fn close_through(&mut self, day: Day) {
        self.engines.close_through(day);
    }

    /// Tells the aggregator what there is to tell so far, which keeps it from piling up.
    pub fn look(&mut self) {
        self.totals.take_in(self.engines.tell());
    }

    /// Tells the aggregator the last that there is to tell. Partitions that never had a record hold back no day: nothing is to come for them.
    pub fn look_for_the_last_time(&mut self) {
        self.totals.take_in(self.engines.tell());
        if self.engines.close_the_empty() {
            self.totals.take_in(self.engines.tell());
        }
    }

    /// The last record of every metric so far, by segment, then day.
    pub fn last_metrics(&mut self) -> &BTreeMap<(String, Day), Value> {
        self.totals.last_metrics()
    }

    /// The engines, by partition.
    #[must_use]
    pub fn engines(&self) -> &[PartitionEngine] {
        self.engines.all()
    }
}
