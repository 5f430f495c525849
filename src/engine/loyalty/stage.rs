//! Where a user stands in the life cycle: decided whenever the user is looked at.

use super::super::apply::Occasion;
use super::super::component::Slot;
use super::super::effect::{Change, LoyaltyState};
use super::super::partition::PartitionEngine;
use super::super::risk::answered;
use super::super::standing::{Said, Standing};
use crate::model::churn::ProcessKind;
use crate::model::lifecycle::Lifecycle;
use crate::model::loyalty::stage::{LifeStage, StageEvidence};
use crate::model::time::Day;

impl PartitionEngine {
    /// The stage of a user after that in `standing`, and the day from which on it is; the word of it when it is another, and the days that the one before lasted.
    pub(in crate::engine) fn settle_stage(
        &mut self,
        root: Slot,
        standing: &Standing,
        (lifecycle, loyal, risks): (Option<Lifecycle>, bool, &[Said; 2]),
        (day, cause, at): Occasion,
    ) -> (LifeStage, Option<Day>) {
        let (before, since) = (standing.stage, standing.stage_since());
        let level = risks[self.counted_process().1].level;
        let stage = before.next(StageEvidence { lifecycle, loyal, level, departed: self.departed(root, day) });
        if stage != before && self.wanted.stage(stage) {
            let (from, to) = (Some(before.name().into()), Some(stage.name().into()));
            self.say(root, Change::Loyalty { state: LoyaltyState::LifeStage, from, to }, (day, cause, at));
        }
        if let Some(since) = since.filter(|_| stage != before) {
            self.state.dwells[before as usize].count(day.days_since(since).max(0), true);
        }
        (stage, since.filter(|_| stage == before).or(Some(day)))
    }

    /// Whether a user cancelled or was noted as lost, and was not active since.
    fn departed(&self, root: Slot, day: Day) -> bool {
        let population = &self.state.population;
        let any = |slot: Slot| population.habit(slot).rare.as_ref().is_some_and(|rare| !rare.departures.is_empty());
        if population.component(root).is_none() && !any(root) {
            return false;
        }
        let whole = population.whole(root);
        let Some(rare) = whole.rare.as_deref() else { return false };
        rare.departed_by(day).is_some_and(|departed| !answered(ProcessKind::Activity, &whole, rare, &departed, day))
    }
}
