//! What a partition tells of each day that closes for alerts: entries into levels, users at risk of them, returns of silent users and how many were expected.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ledger::{AlertLedger, Share, Silence, Standpoint, Step};
use crate::engine::component::Slot;
use crate::engine::habit::Habit;
use crate::engine::partial::{AlertInputs, Partial};
use crate::engine::partition::PartitionEngine;
use crate::engine::risk::{Known, PROCESSES};
use crate::model::churn::ProcessKind;
use crate::model::churn::level::{RiskLevel, Seen};
use crate::model::churn::refit::FittedModel;
use crate::model::churn::returning::rounded;
use crate::model::churn::settings::ChurnSettings;
use crate::model::event::{Event, Facts};
use crate::model::time::Day;

/// Active days that are surely still remembered when a new one comes.
const REMEMBERED_DAYS: i32 = 150;

/// What a day that closes brings in each segment, in the making.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::engine) struct ClosingDay {
    day: Day,
    /// How the day was foretold: a model that takes over at its close has no part in what it brought.
    churn: Arc<ChurnSettings>,
    has_data: bool,
    inputs: BTreeMap<u32, AlertInputs>,
}

/// What is to be done when an event has been counted.
pub(in crate::engine) enum Watched {
    /// Nothing that alerts look at changes by it.
    Nothing,
    /// The user is there on one more open day, and nothing else is known of it.
    OneMoreDay(Step),
    /// The user counted for this.
    Share(Box<Share>),
}

/// The breakdown segments that a user belongs to at the end of a day.
fn segments_on(habit: &Habit, day: Day) -> Vec<u32> {
    habit.rare.as_ref().map(|rare| rare.values.on(day)).unwrap_or_default()
}

/// The same at the end of the day before, and of the day.
pub(in crate::engine) fn belonged(habit: &Habit, day: Day) -> [Vec<u32>; 2] {
    [segments_on(habit, day - 1), segments_on(habit, day)]
}

impl Silence {
    fn of(seen: &Seen) -> Self {
        let recency = seen.last.days_since(seen.first).max(0).unsigned_abs();
        Self { last: seen.last, repeats: rounded(seen.days.saturating_sub(1)), recency_days: rounded(recency).cast_signed() }
    }
}

impl PartitionEngine {
    /// Days of silence after which a user is no longer expected.
    fn expected_for(&self) -> i32 {
        let churn = &self.state.settings.churn;
        i32::from(churn.of(churn.process).process.lapse_days)
    }

    fn standpoint(&self, habit: &Habit, day: Day) -> Standpoint {
        let known = Known::of(self.state.settings.churn.process, habit, day);
        let seen = known.seen.filter(|_| known.circumstances.departed.is_none());
        Standpoint { silence: seen.as_ref().map(Silence::of), segments: segments_on(habit, day) }
    }

    /// Open days on which something may change of a user, ascending, and whether the process has one of its days on it.
    fn open_days(&self, habit: &Habit, closed: Day) -> BTreeMap<Day, bool> {
        let mut days = BTreeMap::new();
        let rare = habit.rare.as_deref();
        if let Some(rare) = rare {
            days.extend(rare.values.days_after(closed).map(|day| (day, false)));
            days.extend(rare.departures.iter().map(|departure| (departure.at.day, false)).filter(|(day, _)| *day > closed));
        }
        match self.state.settings.churn.process {
            ProcessKind::Activity if habit.activity.days.newest() > Some(closed) => {
                days.extend(habit.activity.days.days().filter(|day| *day > closed).map(|day| (day, true)));
            }
            ProcessKind::Activity => {}
            ProcessKind::Purchase => {
                days.extend(rare.into_iter().flat_map(|rare| rare.purchases.order_days_after(closed)).map(|day| (day, true)));
            }
        }
        days
    }

    /// What the user of a root slot counts for.
    fn share(&self, root: Slot) -> Share {
        let closed_through = self.state.closed_through.unwrap_or(Day::from_number(i32::MIN / 2));
        let habit = match self.state.settings.churn.process {
            ProcessKind::Activity => self.state.population.seen_of(root),
            ProcessKind::Purchase => self.state.population.whole(root),
        };
        let lapse = self.expected_for();
        let within = |at: &Standpoint, day: Day| at.silence.filter(|silence| day.days_since(silence.last) <= lapse);
        let mut now = self.standpoint(&habit, closed_through);
        let closed = Standpoint { silence: within(&now, closed_through), segments: now.segments.clone() };
        let mut steps = Vec::new();
        for (day, is_seen) in self.open_days(&habit, closed_through) {
            let after = self.standpoint(&habit, day);
            if after == now {
                continue;
            }
            let before = Standpoint { silence: within(&now, day - 1), segments: now.segments };
            let returned = is_seen && before.silence.is_some_and(|silence| silence.last < day - 1);
            now = after.clone();
            steps.push(Step { day, before, returned, after: Standpoint { silence: within(&after, day), ..after } });
        }
        Share { level: self.state.population.standing(root).decided, closed, steps }
    }

    /// Takes a user out of what is counted for alerts, before more is known of it than of one event.
    pub(in crate::engine) fn leave_alerts(&mut self, slot: Slot) {
        let share = self.share(self.state.population.root(slot));
        self.state.alerts.count(&share, -1);
    }

    /// Puts a user in again.
    pub(in crate::engine) fn enter_alerts(&mut self, slot: Slot) {
        let root = self.state.population.root(slot);
        let share = self.share(root);
        self.state.alerts.count(&share, 1);
        self.note_moves(root, &share);
    }

    /// The level of a user who belongs to another breakdown value from an open day on is moved there at its close.
    fn note_moves(&mut self, root: Slot, share: &Share) {
        for step in share.steps.iter().filter(|step| step.before.segments != step.after.segments) {
            self.state.risk.look_at(step.day, root, self.state.population.slots());
        }
    }

    /// To be called before an event is counted. `segments` are those of the event, `active` whether it makes its user active.
    pub(in crate::engine) fn watch(&mut self, slot: Slot, event: &Event<'_>, (day, active): (Day, bool), segments: &[u32]) -> Watched {
        let open = self.state.closed_through.is_none_or(|closed| day > closed);
        if active && open {
            self.state.alerts.see_data(day);
        }
        let process = self.state.settings.churn.process;
        let habit = self.state.population.seen_of(slot);
        let rare = habit.rare.as_deref();
        let elsewhere = active && !segments.is_empty() && rare.is_none_or(|rare| rare.values.on(day) != segments);
        let fresh = active && process == ProcessKind::Activity && !habit.activity.days.contains(day);
        let eventful = crate::engine::risk::departure_kind(event.kind).is_some()
            || rare.is_some_and(|rare| !rare.departures.is_empty())
            || process == ProcessKind::Purchase && matches!(event.facts, Facts::Order(_) | Facts::Return(_));
        if !elsewhere && !eventful {
            if !fresh {
                return Watched::Nothing;
            }
            if let Some(step) = self.one_more_day(&habit, day) {
                return Watched::OneMoreDay(step);
            }
        }
        let root = self.state.population.root(slot);
        Watched::Share(Box::new(self.share(root)))
    }

    /// The step of a user who was not there on an open day, when that is all that an event changes.
    fn one_more_day(&self, habit: &Habit, day: Day) -> Option<Step> {
        let closed = self.state.closed_through?;
        let newest = habit.activity.days.newest();
        let is_simple = day > closed && newest <= Some(closed) && newest.is_none_or(|newest| day.days_since(newest) < REMEMBERED_DAYS);
        if !is_simple || habit.rare.as_ref().is_some_and(|rare| rare.values.days_after(closed).next().is_some()) {
            return None;
        }
        let segments = segments_on(habit, closed);
        let seen = habit.activity.seen(closed).0;
        let before = seen.as_ref().map(Silence::of).filter(|silence| (day - 1).days_since(silence.last) <= self.expected_for());
        let after = seen.map_or(Seen { first: day, last: day, days: 1 }, |seen| Seen { last: day, days: seen.days + 1, ..seen });
        Some(Step {
            day,
            returned: before.is_some_and(|silence| silence.last < day - 1),
            before: Standpoint { silence: before, segments: segments.clone() },
            after: Standpoint { silence: Some(Silence::of(&after)), segments },
        })
    }

    /// To be called when an event has been counted.
    pub(in crate::engine) fn see_watched(&mut self, slot: Slot, watched: Watched) {
        match watched {
            Watched::Nothing => {}
            Watched::OneMoreDay(step) => self.state.alerts.count_step(&step, 1),
            Watched::Share(before) => {
                let root = self.state.population.root(slot);
                let after = self.share(root);
                self.state.alerts.exchange(&before, &after);
                self.note_moves(root, &after);
            }
        }
    }

    /// Notes the breakdown values of an activity event: the last by time is the one that its user belongs to.
    pub(in crate::engine) fn note_values(&mut self, slot: Slot, event: &Event<'_>, day: Day, segments: &[u32]) {
        let closed = self.state.closed_through;
        for segment in segments {
            let Some((property, _)) = self.state.segments.value(*segment) else { continue };
            self.state.population.habit_mut(slot).rare_mut().values.make().note((property, event.time, day, *segment), closed);
        }
    }

    /// What is counted of users for alerts.
    #[must_use]
    pub fn alert_ledger(&self) -> &AlertLedger {
        &self.state.alerts
    }

    /// The same, counted user by user: equal, whatever way they came.
    #[must_use]
    pub fn recounted_alert_ledger(&self) -> AlertLedger {
        let mut ledger = self.state.alerts.emptied();
        self.state.population.roots().for_each(|root| ledger.count(&self.share(root), 1));
        ledger
    }

    /// Counts everyone anew, by other settings.
    pub(in crate::engine) fn recount_alerts(&mut self) {
        self.state.alerts = self.recounted_alert_ledger();
    }

    /// What is known for alerts of a day that closes, before levels are decided at its end.
    pub(in crate::engine) fn begin_alerts(&mut self, day: Day, churn: Arc<ChurnSettings>) -> ClosingDay {
        let process = churn.of(churn.process).process;
        let (has_data, inputs) = self.state.alerts.inputs(day, &process);
        self.state.alerts.close(day, i32::from(process.lapse_days));
        ClosingDay { day, churn, has_data, inputs }
    }

    /// What is told of the day; nothing of a day on which nobody was there or could have been.
    pub(in crate::engine) fn end_alerts(&self, closing: ClosingDay) -> Option<Partial> {
        let ClosingDay { day, has_data, inputs, .. } = closing;
        let told = |(segment, inputs): (u32, AlertInputs)| (self.state.segments.name(segment as usize), inputs);
        let segments: BTreeMap<String, AlertInputs> = inputs.into_iter().map(told).filter(|(_, inputs)| !inputs.is_empty()).collect();
        (has_data || !segments.is_empty()).then_some(Partial::Alerts { day, has_data, segments })
    }
}

impl ClosingDay {
    pub(in crate::engine) fn day(&self) -> Day {
        self.day
    }

    /// By what the day was foretold.
    pub(in crate::engine) fn churn(&self) -> &Arc<ChurnSettings> {
        &self.churn
    }

    /// Shares how risk is judged where it is how the day was foretold, after that was read from a snapshot.
    pub(in crate::engine) fn share_churn(&mut self, churn: &Arc<ChurnSettings>) {
        if self.churn == *churn {
            self.churn = Arc::clone(churn);
        }
    }

    /// Whether users can be judged by what the day was foretold by.
    pub(in crate::engine) fn is_usable(&self) -> bool {
        PROCESSES.into_iter().all(|kind| FittedModel::of(kind, &self.churn.of(kind).process).is_usable())
    }

    /// Whether every segment has a number below `count`.
    pub(in crate::engine) fn segments_are_below(&self, count: usize) -> bool {
        self.inputs.keys().all(|segment| (*segment as usize) < count)
    }

    /// Notes what was decided about a user's level: what it was, and what it is. `segments` are those of the end of the day before.
    pub(in crate::engine) fn decide(&mut self, [before, after]: [Option<RiskLevel>; 2], segments: &[u32]) {
        if before != after {
            self.enter(before, after, segments);
        }
    }

    /// Counts an entry. Who was low or medium and is churned at once (by the user's own word, or seen once and never again) could be so, too.
    fn enter(&mut self, before: Option<RiskLevel>, after: Option<RiskLevel>, segments: &[u32]) {
        let was_below_high = matches!(before, Some(RiskLevel::Low | RiskLevel::Medium));
        let high = i64::from(was_below_high && after == Some(RiskLevel::High));
        let churned = i64::from(before.is_some() && after == Some(RiskLevel::Churned));
        for segment in std::iter::once(0).chain(segments.iter().copied()) {
            let inputs = self.inputs.entry(segment).or_default();
            inputs.entered_high += high;
            inputs.entered_churned += churned;
            inputs.could_enter_churned += i64::from(was_below_high) * churned;
        }
    }
}
