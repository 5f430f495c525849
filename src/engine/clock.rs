//! Days close: by the time of events, or by the clock where a partition is idle.

use super::apply::Occasion;
use super::component::Slot;
use super::count::FOREVER;
use super::effect::Cause;
use super::partial::Partial;
use super::partition::PartitionEngine;
use super::risk::{Judged, Touched};
use super::standing::Standing;
use crate::model::time::{Day, EventTime};

impl PartitionEngine {
    /// Closes every day whose end and grace are over at `now`. A barrier: to be done between records, and again at the same place in a replay. Tells whether a day closed.
    pub fn close_by_clock(&mut self, now: EventTime) -> bool {
        let last = self.last_closed_at(now);
        let before = self.state.closed_through;
        if before.is_none() {
            self.state.closed_through = Some(last);
            self.state.told_through = Some(last);
            self.progress_told = false;
            return true;
        }
        self.close_days(last);
        self.finish_close();
        before < Some(last)
    }

    /// Closes every day up to and including `day`, as if the clock had come to it.
    pub fn close_through(&mut self, day: Day) -> bool {
        let grace = self.state.settings.grace_ms.saturating_mul(1_000_000);
        self.close_by_clock(self.calendar.end_of(day).plus_nanos(grace))
    }

    /// When the clock closes the next day of an idle partition; `None` while no day was ever closed.
    #[must_use]
    pub fn next_clock_close(&self) -> Option<EventTime> {
        let grace = self.state.settings.grace_ms.saturating_mul(1_000_000);
        self.state.closed_through.map(|closed| self.calendar.end_of(closed + 1).plus_nanos(grace))
    }

    pub(super) fn close_days(&mut self, last: Day) {
        let Some(closed) = self.state.closed_through else { return };
        let mut day = closed + 1;
        while day <= last {
            self.finish_close();
            self.begin_close(day);
            if !self.closes_in_pieces || self.rules.look_at_profiles() {
                self.finish_close();
            }
            day = day + 1;
        }
    }

    /// Tells the figures of a day that closes, if they were not told yet.
    pub(super) fn tell_closed(&mut self, day: Day) {
        if self.state.told_through.is_some_and(|told| told >= day) {
            return;
        }
        for segment in 0..self.state.ledgers.len() {
            let Some((_, counts)) = self.state.ledgers[segment].figures(day, day).pop() else { continue };
            if !counts.is_zero() {
                // How the figures go on is what the newest day told: nothing happened since.
                let segment = self.state.segments.name(segment);
                self.closed_rows.push(Partial::Figures { segment, day, counts, outlook: None });
            }
        }
        self.state.told_through = Some(day);
    }

    /// Looks at a user as of the end of a day, publishes what changed, and notes when the clock changes it next.
    pub(super) fn settle(&mut self, slot: Slot, touched: Touched, (day, cause, at): Occasion) -> Judged {
        let population = &self.state.population;
        let root = population.root(slot);
        let activity = population.activity(root, None);
        let standing = population.standing(root);
        let (lifecycle, next) = activity.lifecycle(day);
        // A user who moved here from a partition that is ahead has a first day that is still to come.
        let lifecycle = activity.first().filter(|first| *first <= day).map(|_| lifecycle);
        // Who has nothing but active days has no streak to look at.
        let lapse = population.has_facts(root).then(|| self.loyalty_rule().lapses_on(&population.purchases(root), day)).flatten();
        let loyal = lapse.is_some();
        self.say_lifecycle(root, standing.lifecycle, lifecycle, (day, cause, at));
        self.say_loyal(root, standing.loyal, loyal, (day, cause, at));
        let (risks, judged) = self.settle_risks(root, &standing, touched, (day, cause));
        let (stage, since) = self.settle_stage(root, &standing, (lifecycle, loyal, &risks), (day, cause, at));
        let [activity_risk, purchase_risk] = &risks;
        let next_change = next.unwrap_or(FOREVER).min(lapse.unwrap_or(FOREVER)).min(activity_risk.next).min(purchase_risk.next);
        self.state.population.set_standing(root, Standing::new(lifecycle, loyal, risks, next_change).at_stage(stage, since));
        if cause != Cause::Clock {
            self.unforesee(root);
            self.note_open_risk(root, day);
        }
        judged
    }
}
