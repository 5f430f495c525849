//! What is known about one id: its active days, and beside them the facts that few users have.

use serde::{Deserialize, Serialize};

use super::last_values::LastValues;
pub use super::remembered::{Referrals, Remembered};
use crate::model::churn::level::{Departure, Seen};
use crate::model::complaints::{Complaints, Moment};
use crate::model::day_set::DaySet;
use crate::model::lifecycle::{Lifecycle, LifecycleMasks};
use crate::model::loyalty::states::States;
use crate::model::loyalty::{FoldDays, Loyalty};
use crate::model::purchases::Purchases;
use crate::model::rules::facts::RuleFacts;
use crate::model::seldom::Seldom;
use crate::model::survey::Surveys;
use crate::model::time::{Day, EventTime};

/// The active days of an id, in everything or in one breakdown segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// The days that are remembered.
    pub days: DaySet,
    /// The first active day ever; the default without any.
    first: Day,
    /// Active days ever.
    pub count: u32,
}

/// Days before a day that its lifecycle depends on.
const LIFECYCLE_LOOKBACK: i32 = 60;

impl Activity {
    /// The first active day ever; `None` without any.
    #[must_use]
    pub fn first(&self) -> Option<Day> {
        (self.count > 0).then_some(self.first)
    }

    /// Adds a day and tells whether it is new.
    pub fn insert(&mut self, day: Day) -> bool {
        let fresh = self.days.insert(day);
        if fresh {
            self.first = self.first().map_or(day, |first| first.min(day));
            self.count += 1;
        }
        fresh
    }

    /// Joins the days of another id of the same user. Days that both remember count once.
    pub fn absorb(&mut self, other: &Self) {
        let common = self.days.unite(&other.days);
        self.first = [self.first(), other.first()].into_iter().flatten().min().unwrap_or_default();
        self.count = self.count + other.count - common;
    }

    /// The part after a day, as a user of its own.
    #[must_use]
    pub fn after(&self, day: Day) -> Self {
        let days = self.days.after(day);
        let first = days.days().next().unwrap_or_default();
        Self { days, first, count: days.len() }
    }

    /// The part up to and including a day; what came after is taken out.
    #[must_use]
    pub fn up_to(&self, day: Day) -> Self {
        let mut days = DaySet::default();
        for kept in self.days.days().filter(|kept| *kept <= day) {
            days.insert(kept);
        }
        let Some(first) = self.first().filter(|first| *first <= day) else { return Self::default() };
        Self { days, first, count: self.count - self.days.count_after(day) }
    }

    /// The lifecycle over 30 days at the end of `day`, and the next day on which it changes if no active day is added.
    #[must_use]
    pub fn lifecycle(&self, day: Day) -> (Lifecycle, Option<Day>) {
        let Some(first) = self.first() else { return (Lifecycle::Absent, None) };
        if self.days.newest() <= Some(day) {
            return lifecycle_so_far(self.days.recent(day), day.days_since(first), day);
        }
        let base = day - LIFECYCLE_LOOKBACK;
        let masks = LifecycleMasks::new(self.days.window(base), first.days_since(base), 30);
        let bit = LIFECYCLE_LOOKBACK.unsigned_abs();
        (masks.state(bit), masks.next_change(bit).map(|bit| base + bit.cast_signed()))
    }

    /// What is seen of the active days at the end of `day`, and the newest of those after it.
    #[must_use]
    pub fn seen(&self, day: Day) -> (Option<Seen>, Option<Day>) {
        let Some(newest) = self.days.newest() else { return (None, None) };
        let first = self.first().filter(|first| *first <= day);
        if newest > day {
            let known = first.zip(self.days.last_through(day));
            let seen = known.map(|(first, last)| Seen { first, last, days: (self.count - self.days.count_after(day)).max(1) });
            return (seen, self.days.first_after(day));
        }
        (first.map(|first| Seen { first, last: newest, days: self.count.max(1) }), None)
    }

    /// Active days in the `length` days ending on `day`.
    #[must_use]
    pub fn days_in(&self, day: Day, length: i32) -> u32 {
        self.days.count_between(day - (length - 1), day)
    }
}

/// The lifecycle over 30 days at the end of `day`, and when it changes, of a user without later days: `days` are the 60 ending on it, bit 59 being `day`, and
/// `age` the days since the first ever.
fn lifecycle_so_far(days: u64, age: i32, day: Day) -> (Lifecycle, Option<Day>) {
    const LENGTH: i32 = 30;
    let (before, window) = (days & ((1 << LENGTH) - 1), days >> LENGTH);
    // Days from `day` on until a day leaves the window, or the window before it.
    let oldest_in_window = window.trailing_zeros().cast_signed() + 1;
    let newest_in_window = 64 - window.leading_zeros().cast_signed();
    let newest_before = 64 - before.leading_zeros().cast_signed();
    if age < LENGTH {
        return (Lifecycle::New, Some(day + (LENGTH - age)));
    }
    match (before != 0, window != 0) {
        (true, true) => {
            // Retained until the window is empty, or else the window before it is, which is when the next day comes too late into it.
            let empties = if oldest_in_window > newest_before { newest_before } else { newest_in_window };
            (Lifecycle::Retained, Some(day + empties))
        }
        (false, true) => (Lifecycle::Resurrected, Some(day + oldest_in_window)),
        (true, false) => (Lifecycle::Dormant, Some(day + newest_before)),
        (false, false) => (Lifecycle::Absent, None),
    }
}

/// Facts that few users have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rare {
    /// Orders, returns and breaks.
    pub purchases: Seldom<Purchases>,
    /// Complaints.
    pub complaints: Seldom<Complaints>,
    /// Survey answers.
    pub surveys: Seldom<Surveys>,
    /// Converted referrals.
    pub referrals: Seldom<Referrals>,
    /// Events that are recognised when they come again; sorted.
    pub remembered: Vec<Remembered>,
    /// Cancellations and losses, sorted: those of days that can still matter, and the last before them.
    pub departures: Seldom<Vec<Departure>>,
    /// Active days in each breakdown segment, by segment.
    pub segments: Vec<(u32, Activity)>,
    /// Everything that is too old to change, as of this day, is folded or forgotten.
    pub pruned_before: Option<Day>,
    /// The breakdown values that the user belongs to.
    pub values: Seldom<LastValues>,
    /// What only the measures of loyalty need, which is something of everyone who came through a channel.
    pub loyalty: Option<Loyalty>,
    /// The states of loyalty that were decided last, of the id that the user goes by.
    pub states: Option<Box<States>>,
    /// What the rules of segments remember; absent for whom no rule looked at.
    pub rules: Option<Box<RuleFacts>>,
}

impl Rare {
    /// What the measures of loyalty need, made when there is none yet.
    pub fn loyalty_mut(&mut self) -> &mut Loyalty {
        self.loyalty.get_or_insert_with(Loyalty::default)
    }

    /// The active days in a breakdown segment, empty when there were none yet.
    pub fn segment(&mut self, segment: u32) -> &mut Activity {
        let at = match self.segments.binary_search_by_key(&segment, |(known, _)| *known) {
            Ok(at) => at,
            Err(at) => {
                self.segments.insert(at, (segment, Activity::default()));
                at
            }
        };
        &mut self.segments[at].1
    }

    /// The active days in a breakdown segment.
    #[must_use]
    pub fn activity_in(&self, segment: u32) -> Activity {
        let at = self.segments.binary_search_by_key(&segment, |(known, _)| *known);
        at.map_or_else(|_| Activity::default(), |at| self.segments[at].1)
    }

    /// The breakdown segments that any of it speaks of; some may come several times.
    #[must_use]
    pub fn segment_numbers(&self) -> Vec<u32> {
        let complaints = self.complaints.all();
        let complained = complaints.iter().flat_map(|complaint| complaint.opening.segments.iter().copied());
        let active = self.segments.iter().map(|(segment, _)| *segment);
        active.chain(self.values.segments().copied()).chain(self.purchases.segments()).chain(complained).collect()
    }

    /// Takes in a cancellation or loss.
    pub fn depart(&mut self, departure: Departure) {
        let departures = self.departures.make();
        if let Err(at) = departures.binary_search(&departure) {
            departures.insert(at, departure);
        }
    }

    /// The last cancellation or loss up to the end of `day`.
    #[must_use]
    pub fn departed_by(&self, day: Day) -> Option<Departure> {
        self.departures.iter().rfind(|departure| departure.at.day <= day).copied()
    }

    /// Whether a cancellation or loss is not before `from`, but before `to`: an event of then takes it back.
    #[must_use]
    pub fn departed_between(&self, from: EventTime, to: EventTime) -> bool {
        self.departures.iter().any(|departure| from <= departure.at.time && departure.at.time < to)
    }

    /// Forgets departures of before `day` but the last.
    pub fn forget_departures_before(&mut self, day: Day) {
        let Some(departures) = self.departures.if_there() else { return };
        let old = departures.partition_point(|departure| departure.at.day < day);
        departures.drain(..old.saturating_sub(1));
    }

    /// Remembers an event, once.
    pub fn remember(&mut self, event: Remembered) {
        if let Err(at) = self.remembered.binary_search(&event) {
            self.remembered.insert(at, event);
        }
    }

    /// Whether a week is over since everything too old to change was folded or forgotten, as of which `day` now is.
    pub(super) fn is_to_be_pruned(&self, day: Day) -> bool {
        let week = |day: Day| day.number().div_euclid(7);
        self.pruned_before.is_none_or(|pruned| week(pruned) < week(day))
    }

    /// Gives back the memory of what was folded or forgotten.
    pub(super) fn shrink(&mut self) {
        if let Some(purchases) = self.purchases.if_there() {
            purchases.shrink();
        }
        self.complaints.drop_empty();
        self.surveys.drop_empty();
        self.referrals.drop_empty();
        self.departures.drop_empty();
        self.remembered.shrink_to_fit();
        self.segments.shrink_to_fit();
        if let Some(loyalty) = &mut self.loyalty {
            loyalty.shrink();
        }
    }

    /// Looks at what most events of a user need. The number says nothing.
    pub(super) fn look(&self) -> usize {
        let (pruned, known) = (self.pruned_before.is_some(), self.loyalty.is_some());
        self.remembered.len() + self.segments.len() + usize::from(pruned) + usize::from(known)
    }

    /// Looks at what that points to.
    pub(super) fn look_further(&self) -> usize {
        let viewed = self.loyalty.as_ref().is_some_and(|loyalty| loyalty.views.look());
        self.purchases.standing().len() + usize::from(viewed)
    }

    /// Looks at the last of lists that judgements go through.
    pub(super) fn look_at_last(&self) -> usize {
        let ordered = self.purchases.standing().last().is_some_and(|order| order.day > Day::default());
        self.complaints.look() + usize::from(ordered)
    }

    /// Whether something may be folded or forgotten by now, as far as the first of each list tells; of what few have, it may.
    pub(super) fn holds_before(&self, (needed, remembered_from): (Day, Day), loyalty_days: Option<FoldDays>, decision_days: i32) -> bool {
        let seldom =
            self.rules.is_some() || self.complaints.bytes() + self.surveys.bytes() + self.referrals.bytes() + self.departures.bytes() > 0;
        seldom
            || self.remembered.first().is_some_and(|event| event.day < remembered_from)
            || self.purchases.holds_before(needed)
            || self.loyalty.as_ref().zip(loyalty_days).is_some_and(|(loyalty, days)| loyalty.holds_before(days, decision_days))
    }

    /// Bytes of memory that the facts take, without texts.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        size_of::<Self>()
            + self.purchases.bytes()
            + std::mem::size_of_val(self.purchases.standing())
            + self.referrals.bytes()
            + self.departures.bytes()
            + self.values.bytes()
            + self.complaints.bytes()
            + self.surveys.bytes()
            + self.remembered.capacity() * size_of::<Remembered>()
            + self.segments.capacity() * size_of::<(u32, Activity)>()
            + self.loyalty.as_ref().map_or(0, |loyalty| loyalty.approximate_bytes() - size_of::<Loyalty>())
            + self.states.as_ref().map_or(0, |_| size_of::<States>())
            + self.rules.as_ref().map_or(0, |rules| rules.approximate_bytes())
    }

    /// Joins the facts of another id of the same user.
    pub fn absorb(&mut self, other: &Self, return_days: i32) {
        self.purchases.absorb(&other.purchases, |ours, theirs| ours.absorb(theirs, return_days));
        self.complaints.absorb(&other.complaints, Complaints::absorb);
        self.surveys.absorb(&other.surveys, Surveys::absorb);
        self.referrals.absorb(&other.referrals, Referrals::absorb);
        for departure in other.departures.iter() {
            self.depart(*departure);
        }
        for event in &other.remembered {
            self.remember(*event);
        }
        for (segment, activity) in &other.segments {
            self.segment(*segment).absorb(activity);
        }
        self.values.absorb(&other.values, LastValues::absorb);
        if let Some(loyalty) = &other.loyalty {
            self.loyalty_mut().absorb(loyalty);
        }
        if let Some(rules) = &other.rules {
            self.rules.get_or_insert_with(Box::default).absorb(rules);
        }
    }
}

/// Everything known about one id, or about several ids of one user together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Habit {
    /// Active days.
    pub activity: Activity,
    /// The time of the newest activity event, which is on the newest active day: whether one came after a departure of the same day.
    pub last_active: EventTime,
    /// Rare facts; absent for most.
    pub rare: Option<Box<Rare>>,
}

impl Default for Habit {
    fn default() -> Self {
        Self { activity: Activity::default(), last_active: EventTime::MIN, rare: None }
    }
}

impl Habit {
    /// The rare facts, made when there are none yet.
    pub fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(Box::default)
    }

    /// Whether anything that states of loyalty are made of is dated after `day`.
    #[must_use]
    pub fn is_known_after(&self, day: Day) -> bool {
        let after = |rare: &Rare| {
            let fact = rare.loyalty.as_ref().and_then(|loyalty| loyalty.facts.last_day());
            rare.purchases.first_day_after(day).is_some() || fact > Some(day) || rare.surveys.is_answered_after(day)
        };
        self.activity.days.newest() > Some(day) || self.rare.as_deref().is_some_and(after)
    }

    /// A copy to join others to: what was decided and forgotten stays with the id.
    pub(super) fn alone(&self) -> Self {
        let mut copy = self.clone();
        if let Some(rare) = &mut copy.rare {
            (rare.states, rare.pruned_before) = (None, None);
        }
        copy
    }

    /// Joins what is known about another id of the same user.
    pub fn absorb(&mut self, other: &Self, return_days: i32) {
        self.activity.absorb(&other.activity);
        self.last_active = self.last_active.max(other.last_active);
        if let Some(rare) = &other.rare {
            self.rare_mut().absorb(rare, return_days);
        }
    }
}

impl Rare {
    /// The part after an instant, as that of a user of its own.
    fn after(&self, at: Moment, return_days: i32) -> Self {
        Self {
            purchases: self.purchases.after(at.time, return_days).into(),
            complaints: self.complaints.after(at.time).into(),
            surveys: self.surveys.kept(|time| time > at.time).into(),
            referrals: self.referrals.after(at.day).into(),
            remembered: self.remembered.iter().filter(|event| event.day > at.day).copied().collect(),
            departures: self.departures.iter().filter(|departure| departure.at.time > at.time).copied().collect::<Vec<_>>().into(),
            segments: self
                .segments
                .iter()
                .map(|(segment, activity)| (*segment, activity.after(at.day)))
                .filter(|(_, activity)| activity.count > 0)
                .collect(),
            pruned_before: self.pruned_before,
            values: self.values.after(at.time).into(),
            loyalty: self.loyalty.as_ref().map(|loyalty| loyalty.after(at)).filter(|loyalty| !loyalty.is_empty()),
            states: None,
            rules: self.rules.as_ref().map(|rules| Box::new(rules.after(at.time))).filter(|rules| !rules.is_empty()),
        }
    }

    /// The part up to an instant, as it goes on counting when the user is gone: complaints end.
    fn up_to(&self, at: Moment, return_days: i32) -> Self {
        Self {
            purchases: self.purchases.up_to(at.time, return_days).into(),
            complaints: self.complaints.up_to(at).into(),
            surveys: self.surveys.kept(|time| time <= at.time).into(),
            segments: self.segments.iter().map(|(segment, activity)| (*segment, activity.up_to(at.day))).collect(),
            ..Self::default()
        }
    }
}

impl Habit {
    /// What came after an instant, as a user of its own. Active days are told apart by day.
    #[must_use]
    pub fn after(&self, at: Moment, return_days: i32) -> Self {
        let rare = self
            .rare
            .as_ref()
            .map(|rare| Box::new(rare.after(at, return_days)))
            .filter(|rare| **rare != Rare { pruned_before: rare.pruned_before, ..Rare::default() });
        Self { activity: self.activity.after(at.day), last_active: self.last_active, rare }
    }

    /// What goes on counting of a user who is gone.
    #[must_use]
    pub fn up_to(&self, at: Moment, return_days: i32) -> Self {
        Self {
            activity: self.activity.up_to(at.day),
            last_active: at.time.min(self.last_active),
            rare: self.rare.as_ref().map(|rare| Box::new(rare.up_to(at, return_days))),
        }
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.activity.count == 0 && self.rare.is_none()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_everyone_with_a_channel_costs() {
        // A size class of the allocator; the next is a quarter more.
        assert!(size_of::<Rare>() <= 256, "{}", size_of::<Rare>());
    }

    proptest! {
        #[test]
        fn the_lifecycle_so_far_is_that_of_the_masks(gaps in prop::collection::vec(prop_oneof![1_i32..4, 1_i32..70, 100_i32..250], 1..20), silent in 0_i32..90) {
            let mut activity = Activity::default();
            let mut day = Day::from_number(0);
            for gap in gaps {
                day = day + gap;
                activity.insert(day);
            }
            let day = day + silent;
            let base = day - LIFECYCLE_LOOKBACK;
            let masks = LifecycleMasks::new(activity.days.window(base), activity.first().expect("a day").days_since(base), 30);
            let next = masks.next_change(60).map(|bit| base + bit.cast_signed());
            prop_assert_eq!(activity.lifecycle(day), (masks.state(60), next));
        }

        #[test]
        fn what_is_seen_on_a_day_is_seen_without_the_days_after_it(
            gaps in prop::collection::vec(prop_oneof![1_i32..4, 1_i32..70, 100_i32..250], 1..20),
            back in -3_i32..300,
        ) {
            let mut activity = Activity::default();
            let mut day = Day::from_number(0);
            for gap in gaps {
                day = day + gap;
                activity.insert(day);
            }
            let cut = day - back;
            let (seen, next) = activity.seen(cut);
            prop_assert_eq!(seen, activity.up_to(cut).seen(cut).0);
            prop_assert_eq!(next, activity.days.days().find(|kept| *kept > cut));
        }
    }
}
