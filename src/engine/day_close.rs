//! A day that closes, user by user: at once, or in pieces between records, so that nobody waits while millions are looked at.
//!
//! What is found of a user does not depend on when it is looked at, as long as nothing comes of it between the day's end and the look: whoever has an event first is looked at
//! before it. What is counted of all, and does not depend on the look, is taken when the close begins.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::alerts::counting::ClosingDay;
use super::component::Slot;
use super::effect::Cause;
use super::loyalty::Due;
use super::partial::{Partial, RiskCounts};
use super::partition::PartitionEngine;
use super::population::LOOKS;
use super::risk::Touched;
use super::slot_set::{SlotBits, SlotSet};
use super::standing::Said;
use crate::model::churn::settings::ChurnSettings;
use crate::model::event::{Event, Facts};
use crate::model::revenue_share::RevenueBuckets;
use crate::model::time::Day;

/// How far the close of a day has come: the users who were to be looked at in slots below this one were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(Day, Slot)", into = "(Day, Slot)")]
pub struct ClosePosition {
    /// The day that closes.
    pub day: Day,
    /// The first slot that was not come by.
    pub next: Slot,
}

impl From<(Day, Slot)> for ClosePosition {
    fn from((day, next): (Day, Slot)) -> Self {
        Self { day, next }
    }
}

impl From<ClosePosition> for (Day, Slot) {
    fn from(position: ClosePosition) -> Self {
        (position.day, position.next)
    }
}

/// A day that is being closed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DayClose {
    closing: ClosingDay,
    /// Users by level: at the end of the day before, with what was decided since.
    counts: RiskCounts,
    loyal_buyers: i64,
    revenue: RevenueBuckets,
    /// Whether a model takes over, so that everyone is judged anew.
    switches: bool,
    /// As of when a model that takes over judges whom something is known of after the day.
    as_of: Day,
    /// What was worked out beforehand of whom the model judges. Of no snapshot.
    #[serde(skip)]
    foreseen: Arc<Vec<Option<[Said; 2]>>>,
    /// Whom the clock changes.
    visits: SlotSet,
    /// Whose level is to be decided, because of an event of the day.
    noted: SlotSet,
    /// Whose states are to be decided.
    loyalty: Due,
    /// Slots of the users who were not looked at yet.
    pending: SlotBits,
    next: Slot,
}

impl DayClose {
    pub(super) fn day(&self) -> Day {
        self.closing.day()
    }

    /// Whether everyone who is to be looked at has a slot below `count`.
    pub(super) fn users_are_below(&self, count: usize) -> bool {
        self.pending.are_below(count)
    }

    /// Whether it counts in segments below `count` alone.
    pub(super) fn segments_are_below(&self, count: usize) -> bool {
        self.closing.segments_are_below(count)
    }

    /// Bytes of memory that it takes.
    pub(super) fn approximate_bytes(&self) -> usize {
        let noted = [&self.visits, &self.noted].into_iter().chain(self.loyalty.sets()).map(SlotSet::approximate_bytes).sum::<usize>();
        noted + self.pending.approximate_bytes() + self.foreseen.len() * size_of::<Option<[Said; 2]>>()
    }

    /// Whether a model can have judged by what is in it.
    pub(super) fn is_usable(&self) -> bool {
        self.closing.is_usable()
    }

    /// To be called when it was read from a snapshot and found to be consistent.
    pub(super) fn take_up(&mut self, churn: &Arc<ChurnSettings>) {
        self.closing.share_churn(churn);
        self.pending.unpack();
    }

    /// The next slots to be looked at, at most `most`.
    fn next_slots(&self, most: usize) -> SmallVec<[Slot; LOOKS]> {
        let after = |slot: &Slot| self.pending.next_from(slot + 1);
        std::iter::successors(self.pending.next_from(self.next), after).take(most.min(LOOKS)).collect()
    }
}

impl PartitionEngine {
    /// Closes days in pieces from now on, by [`Self::close_on`], and not at once.
    pub fn close_in_pieces(&mut self) {
        self.closes_in_pieces = true;
    }

    /// How far a close has come that is not over; `None` when there is none.
    #[must_use]
    pub fn close_position(&self) -> Option<ClosePosition> {
        self.state.close.as_ref().map(|close| ClosePosition { day: close.day(), next: close.next })
    }

    /// Looks at the next `users` of the close that is not over, and ends it when that was all. Not decided by the log: how far it has come is to be noted with what is
    /// published, and a replay is to be brought there, see [`Self::close_up_to`].
    pub fn close_on(&mut self, users: usize) {
        let Some(mut close) = self.state.close.take() else { return };
        let mut left = users;
        while left > 0 {
            let slots = close.next_slots(left);
            let Some(last) = slots.last() else { return self.end_close(*close) };
            left -= slots.len();
            close.next = last + 1;
            self.close_slots(&slots, &mut close);
        }
        self.state.close = Some(close);
    }

    /// Brings a replay to where a close was; `None` when none was under way.
    pub fn close_up_to(&mut self, position: Option<ClosePosition>) {
        let Some(position) = position else { return self.finish_close() };
        let close = self.state.close.take_if(|close| close.day() == position.day);
        debug_assert!(close.is_some(), "a replay comes to the day that was being closed");
        let Some(mut close) = close else { return };
        loop {
            let mut slots = close.next_slots(LOOKS);
            slots.retain(|slot| *slot < position.next);
            if slots.is_empty() {
                break;
            }
            close.next = slots.last().map_or(position.next, |last| last + 1);
            self.close_slots(&slots, &mut close);
        }
        close.next = position.next;
        self.state.close = Some(close);
    }

    /// Ends the close that is not over, if there is one.
    pub fn finish_close(&mut self) {
        self.close_on(usize::MAX);
    }

    /// Has the users of an event looked at, before it changes them, by a close that is not over.
    pub(super) fn close_users_of(&mut self, event: &Event<'_>, known: Option<Slot>) {
        if self.state.close.is_none() {
            return;
        }
        if let Some(slot) = known {
            self.close_first(slot);
        }
        if let Facts::MergedInto(into) = &event.facts {
            self.close_id_first(into);
        }
    }

    /// The same for the user of an id, if there is one.
    pub(super) fn close_id_first(&mut self, id: &str) {
        let slot = self.state.close.as_ref().and_then(|_| self.state.population.find(id));
        if let Some(slot) = slot {
            self.close_first(slot);
        }
    }

    /// The same for the user of a slot.
    pub(super) fn close_first(&mut self, slot: Slot) {
        let population = &self.state.population;
        let members = population.component(slot).map_or(std::slice::from_ref(&slot), |component| &component.members);
        let is_pending = |close: &mut Box<DayClose>| members.iter().any(|member| close.pending.contains(*member));
        let Some(mut close) = self.state.close.take_if(is_pending) else { return };
        self.close_user(slot, &mut close);
        self.state.close = Some(close);
    }

    /// Begins the close of a day: all but the look at users.
    pub(super) fn begin_close(&mut self, day: Day) {
        self.run_rule_timers(self.calendar.end_of(day).plus_nanos(-1));
        self.state.closed_through = Some(day);
        let churn_before = Arc::clone(&self.churn);
        let foreseen = self.switch_models(day);
        self.state.past_judges.note(day, &self.churn);
        let closing = self.begin_alerts(day, churn_before);
        let places = self.state.population.slots();
        let (mut visits, mut noted) = (self.state.population.take_visits(day), self.state.risk.take_noted(day));
        let mut loyalty = self.state.loyalty.take_due(day, places);
        // Everyone is looked up in all of them.
        for slots in [&mut visits, &mut noted].into_iter().chain(loyalty.sets_mut()) {
            slots.spread(places);
        }
        let mut pending = if foreseen.is_some() { SlotBits::all_of(places) } else { SlotBits::none_of(places) };
        for slots in [&visits, &noted].into_iter().chain(loyalty.sets()) {
            pending.insert_all(slots);
        }
        // Of a user who was deleted: whoever is in the slot next was not there when the day ended.
        for slot in self.state.population.free_slots() {
            pending.remove(slot);
        }
        let close = DayClose {
            closing,
            counts: RiskCounts { levels: self.state.risk.levels(), ..RiskCounts::default() },
            loyal_buyers: self.state.loyal.close(day),
            revenue: self.state.revenue.close(day),
            switches: foreseen.is_some(),
            as_of: self.as_of(),
            foreseen: Arc::new(foreseen.unwrap_or_default()),
            visits,
            noted,
            loyalty,
            pending,
            next: 0,
        };
        self.state.close = Some(Box::new(close));
        self.tell_closed(day);
    }

    /// Tells what came of a day that is closed.
    fn end_close(&mut self, close: DayClose) {
        let (day, DayClose { closing, counts: risk, loyal_buyers, revenue, .. }) = (close.day(), close);
        self.close_rules(day);
        self.closed_rows.push(Partial::Close { day, loyal_buyers, revenue, risk });
        let alerts = self.end_alerts(closing);
        self.closed_rows.extend(alerts);
        self.progress_told = false;
    }

    fn close_slots(&mut self, slots: &[Slot], close: &mut DayClose) {
        self.state.population.look(slots.iter().copied());
        for slot in slots.iter().copied() {
            // The user of an earlier one may have had this one, too.
            if !close.pending.contains(slot) {
                continue;
            }
            if self.is_concerned(slot, close) {
                self.close_user(slot, close);
            } else {
                close.pending.remove(slot);
            }
        }
    }

    /// Whether there is anything to be looked at because of a slot, and not of another one of its user. A calendar that was made anew after a restore has only those who still
    /// wait for the day: others must not decide when a user is looked at, or a recovery would not find who was.
    fn is_concerned(&self, slot: Slot, close: &DayClose) -> bool {
        let waits = || close.visits.contains(slot) && self.state.population.standing(slot).visit == close.day();
        close.switches || close.noted.contains(slot) || waits() || close.loyalty.why(slot).is_some()
    }

    /// Looks at the user of a slot at the end of the day: publishes what the clock changed, and decides level and states.
    fn close_user(&mut self, slot: Slot, close: &mut DayClose) {
        let (day, root) = (close.day(), self.state.population.root(slot));
        let mut ids: SmallVec<[Slot; 1]> = SmallVec::from_slice(&[slot]);
        if let Some(component) = self.state.population.component(slot) {
            ids = SmallVec::from_slice(&component.members);
            ids.sort_unstable();
        }
        let mut undecided = close.switches && self.take_over(root, close);
        let mut is_decided = false;
        for id in ids.iter().copied() {
            close.pending.remove(id);
            undecided |= close.noted.contains(id);
            if !close.visits.contains(id) || !self.state.population.is_due(id, day) {
                continue;
            }
            let judged = self.settle(id, Touched::NONE, (day, Cause::Clock, None));
            if id == root {
                self.decide_risk(root, judged, (&mut close.counts, &mut close.closing));
                is_decided = true;
            } else {
                undecided = true;
            }
        }
        if undecided && !is_decided {
            self.decide_risk(root, None, (&mut close.counts, &mut close.closing));
        }
        if let Some(why) = ids.iter().filter_map(|id| close.loyalty.why(*id)).max() {
            self.decide_due(root, why, day);
        }
    }

    /// Has the models that took over judge a user. Whether the level at the end of the day is to be decided for it.
    fn take_over(&mut self, root: Slot, close: &DayClose) -> bool {
        let foreseen = close.foreseen.get(root as usize).copied().flatten();
        self.state.population.is_root(root) && self.judge_by_new_models(root, foreseen, (close.day(), close.as_of, close.closing.churn()))
    }
}
