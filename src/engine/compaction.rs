//! What is too old to change is folded into totals or forgotten: of users who have an event, and by and by of those who are silent.

use super::component::Slot;
use super::habit::Rare;
use super::partition::PartitionEngine;
use crate::model::day_set;
use crate::model::time::{Day, EventTime};

/// Seconds of event time in which every slot is come by: 27 days and 7 hours, so that nights without events are not at the same slots again.
const ROUND_S: i64 = 27 * 86_400 + 7 * 3_600;
/// Slots that one event looks at, at most: some microseconds of work.
const MOST_SLOTS: i64 = 16;
/// Slots that are come by at most: a time in seconds, of 35 bits, times so many is a number of 64.
const MOST_IN_ALL: i64 = 1 << 29;

impl PartitionEngine {
    /// The rare facts of a slot. Those of its user from before any day that can change are folded or forgotten, once a week: all of them have to be looked through.
    pub(super) fn rare(&mut self, slot: Slot, day: Day) -> &mut Rare {
        let needed = self.orders_needed_from(day);
        match &self.state.population.habit(slot).rare {
            Some(rare) if rare.is_to_be_pruned(needed) => self.prune(slot, day),
            Some(_) => {}
            // Nothing of it is old: a repeat of the event that it is made for must not be the first to look.
            None => self.state.population.habit_mut(slot).rare_mut().pruned_before = Some(needed),
        }
        self.state.population.habit_mut(slot).rare_mut()
    }

    fn orders_needed_from(&self, day: Day) -> Day {
        self.loyalty_fold_days().map_or(day, |days| days.orders_before)
    }

    fn prune(&mut self, slot: Slot, day: Day) {
        // What the ids of a user have in common is found while all of it is remembered: of ids that are one user already, nothing is folded before they are put together.
        if !self.state.population.is_together(slot) {
            return;
        }
        let (needed, loyalty_days) = (self.orders_needed_from(day), self.loyalty_fold_days());
        let remembered_from = self.state.newest_day.unwrap_or(day) - i32::from(self.state.settings.late_horizon_days);
        let (rule, return_days) = (self.loyalty_rule(), self.count_rule().return_days);
        let loyalty = self.state.settings.loyalty;
        if self.state.population.component(slot).is_none() {
            let Some(rare) = &mut self.state.population.habit_mut(slot).rare else { return };
            // Of most users, who come on a few days or of late.
            if !rare.holds_before((needed, remembered_from), loyalty_days, loyalty.decision_days.into()) {
                rare.pruned_before = Some(needed);
                return;
            }
        }
        self.fold_rules(slot, remembered_from);
        for member in self.state.population.members(slot) {
            let Some(rare) = &mut self.state.population.habit_mut(member).rare else { continue };
            rare.remembered.retain(|event| event.day >= remembered_from);
            if let Some(days) = loyalty_days {
                rare.fold_loyalty(days, &loyalty);
            }
            if let Some(purchases) = rare.purchases.if_there() {
                purchases.fold_before(needed, return_days, rule);
            }
            if let Some(complaints) = rare.complaints.if_there() {
                complaints.forget_before(needed);
            }
            if let Some(surveys) = rare.surveys.if_there() {
                surveys.forget_before(needed);
            }
            rare.forget_departures_before(needed);
            if let Some(referrals) = rare.referrals.if_there() {
                referrals.fold_before(remembered_from);
            }
            rare.pruned_before = Some(needed);
        }
    }

    /// Leaves of users of whom nothing came for longer than days are remembered and streaks last what profiles need: of the slots that event time comes by on its way from `before`
    /// to `now`. Which they are depends on the log alone, so that equal events make equal states.
    pub(super) fn compact_silent(&mut self, before: EventTime, now: EventTime) {
        let Some(newest) = self.state.newest_day else { return };
        let needed = self.orders_needed_from(newest);
        let silent_since = needed.min(newest - day_set::SPAN.max(i32::from(self.state.settings.lapse_days)));
        for slot in slots_between(before, now, self.state.population.slots()) {
            let habit = self.state.population.habit(slot);
            if habit.is_known_after(silent_since) || !habit.rare.as_ref().is_some_and(|rare| rare.is_to_be_pruned(needed)) {
                continue;
            }
            self.close_first(slot);
            self.prune(slot, newest);
            if let Some(rare) = &mut self.state.population.habit_mut(slot).rare {
                rare.shrink();
            }
        }
    }
}

/// The slots of `all` that event time comes by between two instants, in a round of [`ROUND_S`]; the first of them, where they are more than one event looks at.
fn slots_between(before: EventTime, now: EventTime, all: usize) -> impl Iterator<Item = Slot> {
    let all = i64::try_from(all).map_or(MOST_IN_ALL, |all| all.min(MOST_IN_ALL));
    let place = |at: EventTime| (at.nanos().div_euclid(1_000_000_000) * all).div_euclid(ROUND_S);
    let from = place(before);
    let passed = if before == EventTime::MIN { 0 } else { place(now) - from };
    (from..from + passed.min(MOST_SLOTS)).filter_map(move |place| Slot::try_from(place.rem_euclid(all.max(1))).ok())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::engine::partition::Placement;
    use crate::engine::settings::EngineSettings;
    use crate::model::event::{ActivityFacts, Event, EventType, Facts, OrderFacts};
    use crate::model::time::Calendar;

    const DAY_MS: i64 = 86_400_000;

    #[test]
    fn a_round_comes_by_every_slot_once() {
        let at = |millis| EventTime::from_millis(5_000 + millis);
        for all in [1, 7, 1_000] {
            let (step, steps) = (5 * 3_600_000, 131);
            let seen: Vec<Slot> = (0..steps).flat_map(|number| slots_between(at(number * step), at((number + 1) * step), all)).collect();
            let distinct: BTreeSet<Slot> = seen.iter().copied().collect();
            assert_eq!((seen.len(), distinct.len()), (all, all));
        }
        assert_eq!(slots_between(at(0), at(27 * DAY_MS), 1_000_000).count(), 16);
        assert_eq!(slots_between(EventTime::MIN, at(0), 1_000).count() + slots_between(at(0), at(DAY_MS), 0).count(), 0);
    }

    fn event(user_id: &str, day: i64, facts: Facts<'static>) -> Event<'static> {
        let kind = if matches!(facts, Facts::Order(_)) { EventType::OrderPlaced } else { EventType::Activity };
        let time = EventTime::from_millis(day * DAY_MS);
        Event { user_id: user_id.to_owned().into(), event_id: "".into(), kind, time, facts, breakdowns: vec![] }
    }

    /// An engine with a user of many days and orders, and another who comes once a day after that, until day `until`.
    fn later(silent: &str, until: i64) -> PartitionEngine {
        let calendar = Arc::new(Calendar::new("UTC").expect("a zone"));
        let mut engine = PartitionEngine::new(EngineSettings::default(), Placement::ALONE, calendar, [0; 16]);
        for day in 0..60 {
            let item = format!("item {day}").into();
            let views = Facts::Activity(ActivityFacts { item, channel: "web".into(), ..ActivityFacts::default() });
            let order = Facts::Order(OrderFacts { order_id: format!("{day}").into(), ..OrderFacts::default() });
            engine.handle(&event(silent, day, views), None);
            engine.handle(&event(silent, day, order), None);
        }
        for day in 60..until {
            engine.handle(&event("other", day, Facts::None), None);
        }
        engine
    }

    #[test]
    fn who_is_silent_keeps_totals_alone() {
        // Days are remembered for 192, and a round is over in 27.
        for (until, kept) in [(59 + 192, 60), (59 + 192 + 30, 0)] {
            let engine = later("silent", until);
            let slot = engine.state.population.find("silent").expect("known");
            let rare = engine.state.population.habit(slot).rare.as_deref().expect("kept");
            assert_eq!((rare.purchases.standing().len(), rare.purchases.standing_total().0), (kept, 60));
            assert_eq!(rare.approximate_bytes() < 1_500, kept == 0, "{}", rare.approximate_bytes());
            assert_eq!(engine.profile("silent").expect("a profile").purchases.orders, 60);
        }
    }
}
