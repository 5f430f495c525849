//! Churn risk of users: what a habit says as of a day, what of it is published, and what is counted when days close.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::alerts::counting::{ClosingDay, belonged};
use super::component::Slot;
use super::count::FOREVER;
use super::effect::{Cause, Effect, RiskChange};
use super::habit::{Habit, Rare};
use super::partial::RiskCounts;
use super::partition::PartitionEngine;
use super::slot_set::SlotSet;
use super::standing::{Said, Standing};
use crate::model::churn::ProcessKind;
use crate::model::churn::level::{Circumstances, Departure, Judgement, RiskLevel, Seen};
use crate::model::churn::memory::Memory;
use crate::model::churn::settings::ChurnSettings;
use crate::model::event::{Event, EventType, Facts};
use crate::model::time::Day;

/// The level of the process that is counted, where it was just judged; `Some(None)` without a day of the process.
pub(super) type Judged = Option<Option<RiskLevel>>;

/// Both processes, in the order of [`Standing::risks`].
pub(super) const PROCESSES: [ProcessKind; 2] = [ProcessKind::Activity, ProcessKind::Purchase];

/// The processes that an event may have changed. Of the others the clock alone decides, and it is known when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Touched([bool; 2]);

impl Touched {
    pub(super) const ALL: Self = Self([true; 2]);
    /// Time passed.
    pub(super) const NONE: Self = Self([false; 2]);

    /// By an event; `active` tells whether it changed the active days or took back a departure.
    pub(super) fn by(event: &Event<'_>, active: bool) -> Self {
        let both = departure_kind(event.kind).is_some() || matches!(event.facts, Facts::Complaint(_));
        let purchases = matches!(event.facts, Facts::Order(_) | Facts::Return(_));
        Self([both || active, both || purchases])
    }
}

/// Whether an event says that its user is gone, and if so whether it was the business that says it.
pub(super) fn departure_kind(kind: EventType) -> Option<bool> {
    (kind == EventType::CustomerLost).then_some(true).or((kind == EventType::SubscriptionCancelled).then_some(false))
}

/// The ids of the models of both processes, made once.
pub(super) fn model_ids(churn: &ChurnSettings) -> [Arc<str>; 2] {
    PROCESSES.map(|kind| churn.of(kind).process.model_id().into())
}

/// What is known of a process at the end of a day.
pub(super) struct Known {
    pub(super) seen: Option<Seen>,
    pub(super) circumstances: Circumstances,
    /// The first day of the process after it.
    pub(super) next: Option<Day>,
    /// The first day after it of which something is known already: an event that moved here from a partition that is ahead, or that came
    /// before its day's predecessor closed.
    pub(super) later: Option<Day>,
}

impl Known {
    /// The days of a process up to `day`, and the first after it.
    pub(super) fn days(kind: ProcessKind, habit: &Habit, day: Day) -> (Option<Seen>, Option<Day>) {
        let rare = habit.rare.as_deref();
        match kind {
            ProcessKind::Activity => habit.activity.seen(day),
            ProcessKind::Purchase => rare.map_or((None, None), |rare| (rare.purchases.seen(day), rare.purchases.first_day_after(day))),
        }
    }

    pub(super) fn of(kind: ProcessKind, habit: &Habit, day: Day) -> Self {
        let rare = habit.rare.as_deref();
        let (seen, next) = Self::days(kind, habit, day);
        let Some(rare) = rare else { return Self { seen, circumstances: Circumstances::default(), next, later: next } };
        let departed = rare.departed_by(day).filter(|departed| !answered(kind, habit, rare, departed, day));
        let (complaint, complaint_changes) = rare.complaints.oldest_open(day);
        let next_departure = rare.departures.iter().map(|known| known.at.day).find(|at| *at > day);
        let later = [next, complaint_changes, next_departure].into_iter().flatten().min();
        Self { seen, circumstances: Circumstances { departed, complaint }, next, later }
    }

    /// The judgement at the end of `day`, and what is to be said of it.
    pub(super) fn say(&self, churn: &ChurnSettings, kind: ProcessKind, day: Day) -> (Option<Judgement>, Said) {
        let judged = self.seen.map(|seen| churn.judge(kind, seen, self.circumstances, day));
        let next = judged.as_ref().and_then(|judged| churn.next_change(kind, judged));
        let said = self.said(judged.as_ref(), next);
        (judged, said)
    }

    /// The same, remembered by history.
    fn say_remembered(&self, memory: &mut Memory, churn: &Arc<ChurnSettings>, kind: ProcessKind, day: Day) -> (Option<Judgement>, Said) {
        let (judged, next) = self.seen.map(|seen| memory.judge_ahead(churn, kind, seen, self.circumstances, day)).unzip();
        let said = self.said(judged.as_ref(), next.flatten());
        (judged, said)
    }

    fn said(&self, judged: Option<&Judgement>, next: Option<Day>) -> Said {
        Said {
            level: judged.map(|judged| judged.level),
            raised: judged.is_some_and(|judged| judged.raised),
            next: [next, self.later].into_iter().flatten().min().unwrap_or(FOREVER),
        }
    }
}

/// Whether an event of the process, up to the end of `day`, is later than a departure. Of active days the time is known of the newest alone:
/// of an earlier one, only days later than the departure's count.
pub(super) fn answered(kind: ProcessKind, habit: &Habit, rare: &Rare, departed: &Departure, day: Day) -> bool {
    match kind {
        ProcessKind::Activity => {
            let days = &habit.activity.days;
            if days.newest() <= Some(day) { habit.last_active > departed.at.time } else { days.count_between(departed.at.day + 1, day) > 0 }
        }
        ProcessKind::Purchase => rare.purchases.last_order_time(day).is_some_and(|last| last > departed.at.time),
    }
}

/// The judgement of a process at the end of `day`; `None` without a day of it.
pub(super) fn judge(churn: &ChurnSettings, kind: ProcessKind, habit: &Habit, day: Day) -> Option<Judgement> {
    let known = Known::of(kind, habit, day);
    Some(churn.judge(kind, known.seen?, known.circumstances, day))
}

impl PartitionEngine {
    /// Judges both processes of a user as of `day`, as far as anything can have changed since they were last judged, and says what did.
    pub(super) fn settle_risks(
        &mut self,
        root: Slot,
        standing: &Standing,
        touched: Touched,
        (day, cause): (Day, Cause),
    ) -> ([Said; 2], Judged) {
        let mut risks = standing.risks();
        let (counted, mut counted_now) = (self.counted_process().1, None);
        for (index, kind) in PROCESSES.into_iter().enumerate() {
            if !touched.0[index] && risks[index].next > day {
                continue;
            }
            let known = Known::of(kind, &self.state.population.whole(root), day);
            let (judged, said) = known.say_remembered(&mut self.judgements, &self.churn, kind, day);
            if said.level != risks[index].level && self.wanted.risk(said.level) {
                let departed = known.circumstances.departed.is_some();
                let change = self.risk_change((root, index), (risks[index], said), judged.as_ref(), (day, cause, departed));
                self.effects.push(Effect::RiskChanged(Box::new(change)));
            }
            risks[index] = said;
            if index == counted {
                counted_now = Some(said.level);
            }
        }
        (risks, counted_now)
    }

    pub(super) fn risk_change(
        &self,
        (root, index): (Slot, usize),
        (before, now): (Said, Said),
        judged: Option<&Judgement>,
        (as_of, cause, departed): (Day, Cause, bool),
    ) -> RiskChange {
        let kind = PROCESSES[index];
        let churn = &self.churn;
        RiskChange {
            user_id: self.state.population.id(root).to_owned(),
            process: kind,
            from: before.level,
            to: now.level,
            as_of,
            risk: judged.map(|judged| judged.risk),
            p_alive: judged.map(|judged| judged.p_alive),
            horizon_days: churn.of(kind).process.horizon_days,
            days_silent: judged.map(|judged| judged.history.silent_days),
            days_seen: judged.map_or(0, |judged| judged.history.repeats + 1),
            reasons: judged.map(|judged| churn.reasons(kind, judged, as_of)).unwrap_or_default(),
            model_id: Arc::clone(&self.model_ids[index]),
            cause: cause_of(before, now, cause, departed),
        }
    }
}

/// What the change is put down to: a departure or a complaint, where one of them made the difference, or else what was the occasion to look.
fn cause_of(before: Said, now: Said, cause: Cause, departed: bool) -> Cause {
    if matches!(cause, Cause::Merge | Cause::Model) {
        return cause;
    }
    if departed && now.level == Some(RiskLevel::Churned) {
        return Cause::Cancelled;
    }
    if before.raised != now.raised && base(before) == base(now) { Cause::Complaint } else { cause }
}

/// The level as it is without complaints.
fn base(said: Said) -> Option<RiskLevel> {
    said.level.map(|level| match level {
        RiskLevel::Medium if said.raised => RiskLevel::Low,
        RiskLevel::High if said.raised => RiskLevel::Medium,
        other => other,
    })
}

/// Users by level of the process that is counted, at the end of the last closed day, and whom the closes to come have to look at.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RiskLedger {
    levels: [i64; 4],
    /// Users whose level may be another at the end of an open day, by day. Those whom only time changes are in the calendar of visits instead.
    open: BTreeMap<Day, SlotSet>,
}

impl RiskLedger {
    /// Whether every user that is to be looked at has a slot below `count`.
    pub(super) fn users_are_below(&self, count: usize) -> bool {
        self.open.values().flat_map(SlotSet::iter).all(|slot| (slot as usize) < count)
    }

    /// Takes out who is to be looked at on which open day.
    pub(super) fn take_open(&mut self) -> BTreeMap<Day, SlotSet> {
        std::mem::take(&mut self.open)
    }

    /// Has a user, one of `places` slots, looked at when an open day closes.
    pub(super) fn look_at(&mut self, day: Day, root: Slot, places: usize) {
        self.open.entry(day).or_default().insert(root, places);
    }

    /// Takes the users who were noted for the close of a day.
    pub(super) fn take_noted(&mut self, day: Day) -> SlotSet {
        self.open.remove(&day).unwrap_or_default()
    }

    /// Users by level at the end of the last closed day.
    pub(super) fn levels(&self) -> [i64; 4] {
        self.levels
    }

    fn change(&mut self, from: Option<RiskLevel>, to: Option<RiskLevel>) {
        change_levels(&mut self.levels, from, to);
    }
}

/// Counts a user at another level than before.
fn change_levels(levels: &mut [i64; RiskLevel::ALL.len()], from: Option<RiskLevel>, to: Option<RiskLevel>) {
    for (level, sign) in [(from, -1), (to, 1)] {
        if let Some(level) = level {
            levels[level as usize] += sign;
        }
    }
}

impl PartitionEngine {
    pub(super) fn counted_process(&self) -> (ProcessKind, usize) {
        let kind = self.state.settings.churn.process;
        (kind, usize::from(kind == ProcessKind::Purchase))
    }

    /// Notes on which open days the level of a user who was just looked at as of `day` has to be decided. Before the close of an earlier day,
    /// which happens in the grace after its end alone, that is every open day: what is said as of `day` says nothing of the days before.
    pub(super) fn note_open_risk(&mut self, root: Slot, day: Day) {
        let Some(open) = self.state.closed_through.map(|closed| closed + 1) else { return };
        let standing = self.state.population.standing(root);
        let level = standing.risks()[self.counted_process().1].level;
        if day <= open && level == standing.decided && level != Some(RiskLevel::Churned) {
            return;
        }
        let mut at = open;
        while at <= day.max(open) {
            self.state.risk.look_at(at, root, self.state.population.slots());
            at = at + 1;
        }
    }

    /// Decides the level of a user at the end of a day that closes, which `judged` may tell already.
    pub(super) fn decide_risk(&mut self, root: Slot, judged: Judged, (counts, closing): (&mut RiskCounts, &mut ClosingDay)) {
        let day = closing.day();
        let kind = self.counted_process().0;
        let whole = self.state.population.whole(root);
        let before = self.state.population.standing(root).decided;
        let judgements = &mut self.judgements;
        let after = judged.unwrap_or_else(|| {
            let known = Known::of(kind, &whole, day);
            known.seen.map(|seen| judgements.judge(&self.churn, kind, seen, known.circumstances, day).level)
        });
        if before == Some(RiskLevel::Churned) {
            let back = match kind {
                ProcessKind::Activity => whole.activity.days.contains(day),
                ProcessKind::Purchase => whole.rare.as_ref().is_some_and(|rare| rare.purchases.has_order_on(day)),
            };
            counts.reactivated += i64::from(back);
        }
        let became = |level| i64::from(before.is_some() && before != after && after == Some(level));
        counts.became_high += became(RiskLevel::High);
        counts.became_churned += became(RiskLevel::Churned);
        let segments = belonged(&whole, day);
        self.state.alerts.decide([before, after], &segments);
        // Who is at another level by a new model alone has not entered it: nothing happened.
        let entered = if Arc::ptr_eq(closing.churn(), &self.churn) {
            after
        } else {
            judge(closing.churn(), kind, &whole, day).map(|judged| judged.level)
        };
        closing.decide([before, entered], &segments[0]);
        self.state.risk.change(before, after);
        change_levels(&mut counts.levels, before, after);
        self.state.population.set_decided(root, after);
    }

    /// Takes a user who is no longer one of its own out of the levels.
    pub(super) fn leave_risk(&mut self, root: Slot) {
        let decided = self.state.population.standing(root).decided;
        self.state.risk.change(decided, None);
        self.state.population.set_decided(root, None);
    }

    /// Takes a user in who was one of another partition's, at the level that was decided there.
    pub(super) fn enter_risk(&mut self, root: Slot, decided: Option<RiskLevel>) {
        self.state.risk.change(None, decided);
        self.state.population.set_decided(root, decided);
    }

    /// Has every user looked at when the next day closes, because risk is judged otherwise from now on.
    pub(super) fn judge_everyone_anew(&mut self) {
        self.model_ids = model_ids(&self.churn);
        let Some(closed) = self.state.closed_through else { return };
        let roots: Vec<Slot> = self.state.population.roots().collect();
        for root in roots {
            let standing = self.state.population.standing(root);
            self.state.population.set_standing(root, standing.judged_by(closed + 1, false));
        }
    }
}
