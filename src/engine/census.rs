//! Histories of users counted for a fit, in slices between events, once for each day that closes.

use super::habit::Habit;
use super::models::takes;
use super::partial::Partial;
use super::partition::PartitionEngine;
use super::risk::{Known, PROCESSES};
use super::sweep::Sweep;
use crate::model::churn::ProcessKind;
use crate::model::churn::refit::{FittedModel, HOLDOUT_DAYS, Holdout};
use crate::model::time::Day;

/// A count that goes on.
#[derive(Debug, Default)]
pub(super) struct Census {
    sweep: Sweep,
    counts: [Holdout; 2],
}

impl PartitionEngine {
    /// The processes whose parameters are left to be fitted.
    fn fitted_processes(&self) -> impl Iterator<Item = (usize, ProcessKind)> + use<> {
        let churn = self.state.settings.churn.clone();
        let is_fitted = move |kind: ProcessKind| {
            let process = &churn.of(kind).process;
            let model = FittedModel { process: kind, model: process.model, unit: process.unit, parameters: process.parameters };
            takes(&churn, &model)
        };
        PROCESSES.into_iter().enumerate().filter(move |(_, kind)| is_fitted(*kind))
    }

    /// Counts the next `users` of the newest closed day that was not counted; a count that has begun is ended first.
    pub(super) fn count_histories(&mut self, users: u32) {
        let Some(closed) = self.state.closed_through.filter(|_| self.fitted_processes().next().is_some()) else { return };
        let mut census = std::mem::take(&mut self.ahead.census);
        if census.sweep.is_due(closed) {
            census = Census { sweep: Sweep::begin(closed), ..Census::default() };
        }
        if let Some((day, slots)) = census.sweep.slice(users, self.state.population.slots()) {
            for slot in slots.filter(|slot| self.state.population.is_root(*slot)) {
                count(&self.state.population.whole(slot), day, &mut census.counts);
            }
            if census.sweep.is_over() {
                self.tell_histories(day, std::mem::take(&mut census.counts));
            }
        }
        self.ahead.census = census;
    }

    fn tell_histories(&mut self, day: Day, counts: [Holdout; 2]) {
        let fitted: Vec<usize> = self.fitted_processes().map(|(index, _)| index).collect();
        for ((index, process), holdout) in PROCESSES.into_iter().enumerate().zip(counts) {
            if fitted.contains(&index) {
                self.closed_rows.push(Partial::Histories { process, day, holdout });
            }
        }
    }
}

/// Counts a user by what was known some days before `day`, and by what came in them.
fn count(habit: &Habit, day: Day, counts: &mut [Holdout; 2]) {
    let cut = day - i32::from(HOLDOUT_DAYS);
    for (kind, holdout) in PROCESSES.into_iter().zip(counts) {
        let (seen, next) = Known::days(kind, habit, cut);
        if let Some(seen) = seen {
            holdout.add(&seen.history(cut), next.is_some_and(|next| next <= day));
        }
    }
}
