//! Types, steps and kinds of users: decided when a day closes, for users whom an event of the day concerned or whose own day of change has come.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::component::Slot;
use super::super::count::FOREVER;
use super::super::effect::{Cause, Change, LoyaltyState};
use super::super::habit::{Habit, Rare};
use super::super::partition::PartitionEngine;
use super::super::slot_set::SlotSet;
use super::profile::{BURST_DAYS, MONTH, StateMeasures};
use crate::model::event::Direction;
use crate::model::loyalty::facts::{FACT_DAYS, Fact, What};
use crate::model::loyalty::scores::{brand_weights, mean_known, share_of};
use crate::model::loyalty::stage::LifeStage;
use crate::model::loyalty::states::{Evidence, LoyaltyKind, LoyaltyType, States, activity_is_high, activity_matters};
use crate::model::survey::Item;
use crate::model::time::Day;

/// Days for which a complaint that is a matter of law is a signal.
const LEGAL_DAYS: i32 = 90;
/// Halvings after which an order weighs nothing for a brand.
const BRAND_HALVINGS: i32 = 4;
/// Seconds of a decision that is half way between quick and slow: a day.
const HALF_QUICK_S: f64 = 86_400.0;
/// Views of competitors that are all the comparing there is.
const FULL_COMPARING: u64 = 3;

/// The name of a state, when there is one.
type Name = Option<Cow<'static, str>>;

/// Why a user is looked at when a day closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::engine) enum Look {
    /// Time passed.
    Time,
    /// An event.
    Event,
    /// A merge.
    Merge,
}

impl Look {
    /// All, ascending.
    const ALL: [Self; 3] = [Self::Time, Self::Event, Self::Merge];
}

/// The states of a user in a profile: those that were published, and the evidence as of the profile's day.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileStates {
    /// As decided at the last close that concerned the user.
    pub states: States,
    /// The stage of the life cycle.
    pub stage: LifeStage,
    /// `None` when nothing is known that states are made of.
    pub evidence: Option<Evidence>,
}

/// The states and the stage of a user that were decided last.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    states: States,
    stage: LifeStage,
    /// The segments of rules that the user was in.
    pub(in crate::engine) segments: Vec<String>,
}

/// Who is to be looked at when a day closes, by the reason.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Due([SlotSet; Look::ALL.len()]);

impl Due {
    /// Each slot with each of its reasons.
    fn looks(&self) -> impl Iterator<Item = (Slot, Look)> {
        self.0.iter().zip(Look::ALL).flat_map(|(slots, why)| slots.iter().map(move |slot| (slot, why)))
    }

    fn is_empty(&self) -> bool {
        self.looks().next().is_none()
    }

    /// Adds those of another day, who are among `places` slots.
    fn absorb(&mut self, other: &Self, places: usize) {
        other.looks().for_each(|(slot, why)| self.0[why as usize].insert(slot, places));
    }

    /// The slots of each reason.
    pub(in crate::engine) fn sets(&self) -> impl Iterator<Item = &SlotSet> {
        self.0.iter()
    }

    /// The same, to be changed.
    pub(in crate::engine) fn sets_mut(&mut self) -> impl Iterator<Item = &mut SlotSet> {
        self.0.iter_mut()
    }

    /// The greatest reason to look at a slot.
    pub(in crate::engine) fn why(&self, slot: Slot) -> Option<Look> {
        self.0.iter().zip(Look::ALL).rev().find(|(slots, _)| slots.contains(slot)).map(|(_, why)| why)
    }
}

/// Each slot once, ascending, with the greatest of its reasons.
fn with_greatest_reason(looks: impl Iterator<Item = (Slot, Look)>) -> Vec<(Slot, Look)> {
    let mut looks: Vec<(Slot, Look)> = looks.collect();
    looks.sort_unstable_by_key(|(slot, why)| (*slot, Reverse(*why)));
    looks.dedup_by_key(|(slot, _)| *slot);
    looks
}

/// Written as the greatest reason of each slot, ascending.
impl Serialize for Due {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(with_greatest_reason(self.looks()))
    }
}

impl<'de> Deserialize<'de> for Due {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut due = Self::default();
        for (slot, why) in BTreeMap::<Slot, Look>::deserialize(deserializer)? {
            // Becomes bits with what comes next, if there are many.
            due.0[why as usize].insert(slot, usize::MAX);
        }
        Ok(due)
    }
}

/// Who is to be looked at when which day closes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LoyaltyLedger {
    /// A clone shares the days until they change.
    due: BTreeMap<Day, Arc<Due>>,
}

impl LoyaltyLedger {
    /// Has a user, one of `places` slots, looked at when a day closes.
    fn look_at(&mut self, day: Day, slot: Slot, why: Look, places: usize) {
        Arc::make_mut(self.due.entry(day).or_default()).0[why as usize].insert(slot, places);
    }

    /// Takes those who are to be looked at when `day` closes, one of `places` slots each.
    pub(in crate::engine) fn take_due(&mut self, day: Day, places: usize) -> Due {
        let mut due = Due::default();
        while let Some(first) = self.due.first_entry().filter(|first| *first.key() <= day) {
            let first = first.remove();
            if due.is_empty() {
                due = Arc::unwrap_or_clone(first);
            } else {
                due.absorb(&first, places);
            }
        }
        due
    }

    /// Whether every user that is to be looked at has a slot below `count`.
    pub(in crate::engine) fn users_are_below(&self, count: usize) -> bool {
        self.due.values().flat_map(|due| due.looks()).all(|(slot, _)| (slot as usize) < count)
    }

    /// Forgets everyone.
    pub(in crate::engine) fn clear(&mut self) {
        self.due.clear();
    }
}

/// Whether there is anything about a user that states are made of.
fn has_states(rare: &Rare) -> bool {
    rare.loyalty.is_some() || rare.states.is_some() || !rare.purchases.is_empty() || !rare.surveys.is_empty()
}

impl PartitionEngine {
    /// Has the user of a slot looked at when the day of an event closes, or the next one that does.
    pub(in crate::engine) fn mark_loyalty(&mut self, slot: Slot, day: Day, why: Look) {
        let population = &self.state.population;
        let known = |slot: Slot| population.habit(slot).rare.as_deref().is_some_and(has_states);
        let any = if population.component(slot).is_none() { known(slot) } else { population.members(slot).into_iter().any(known) };
        if let Some(closed) = self.state.closed_through.filter(|_| any) {
            let root = population.root(slot);
            self.state.loyalty.look_at(day.max(closed + 1), root, why, population.slots());
        }
    }

    /// The same after an event that made its user active, and told nothing else: one more day decides something of whose behaviour was not high and is by the days of a month, and
    /// of nobody else. What time takes away again, [`States::next`] knows.
    pub(in crate::engine) fn mark_active(&mut self, slot: Slot, day: Day) {
        let activity = self.state.population.activity(slot, None);
        let mut at = self.state.closed_through.map_or(day, |closed| day.max(closed + 1));
        // A day that comes late counts on the open days after it, too.
        let newest = activity.days.newest().map_or(at, |newest| newest.max(at));
        while at <= newest {
            let is_high = activity_is_high(activity.days_in(at, MONTH), &self.state.settings.loyalty);
            if is_high && !self.last_states(self.state.population.root(slot)).is_some_and(States::behaves) {
                self.mark_loyalty(slot, at, Look::Event);
            }
            at = at + 1;
        }
    }

    /// Decides the states of a user whom the close of `day` concerns.
    pub(in crate::engine) fn decide_due(&mut self, root: Slot, why: Look, day: Day) {
        // Whom time alone concerned may have been looked at since, and have a day of its own now.
        let next = self.last_states(root).map_or(FOREVER, |states| states.next);
        if self.state.population.is_root(root) && (why > Look::Time || next <= day) {
            self.decide_states(root, day, why);
        }
    }

    pub(in crate::engine) fn profile_states(&self, Decided { states, stage, .. }: Decided, whole: &Habit, day: Day) -> ProfileStates {
        let rare = whole.rare.as_deref().filter(|rare| has_states(rare));
        ProfileStates { states, stage, evidence: rare.map(|rare| self.evidence(whole, rare, day)) }
    }

    /// What was decided last about a user.
    pub(in crate::engine) fn decided_of(&self, root: Slot) -> Decided {
        Decided { states: self.states_of(root), stage: self.state.population.standing(root).stage, segments: self.segments_held(root) }
    }

    /// The states that were decided last, where they say anything.
    fn last_states(&self, root: Slot) -> Option<&States> {
        self.state.population.habit(root).rare.as_deref()?.states.as_deref()
    }

    fn states_of(&self, root: Slot) -> States {
        self.last_states(root).cloned().unwrap_or_default()
    }

    fn decide_states(&mut self, root: Slot, day: Day, why: Look) {
        let before = self.states_of(root);
        let Some((now, next)) = self.judge_states(root, &before, day) else { return };
        self.say_states(root, &before, &now, (day, why));
        let next = next.unwrap_or(FOREVER);
        if next < FOREVER {
            self.state.loyalty.look_at(next, root, Look::Time, self.state.population.slots());
        }
        let silent = now.say_nothing() && next == FOREVER;
        self.state.population.set_states(root, (!silent).then(|| Box::new(now.until(next))));
    }

    /// The states of a user at the end of `day`, and when time alone may change them; `None` when nothing is known that they are made of.
    fn judge_states(&self, root: Slot, before: &States, day: Day) -> Option<(States, Option<Day>)> {
        let whole = self.state.population.whole(root);
        let rare = whole.rare.as_deref().filter(|rare| has_states(rare))?;
        let evidence = self.evidence(&whole, rare, day);
        let settings = &self.state.settings.loyalty;
        let now = before.moved(&evidence, settings);
        let unfinished = now.moved(&evidence, settings) != now;
        // What is known of a later day already, of whom moved here or whose ids became one since, decides when that day closes.
        let next = if unfinished || whole.is_known_after(day) { Some(day + 1) } else { self.next_change_of(&whole, rare, &now, day) };
        Some((now, next))
    }

    /// What the states of a user at the end of `day` are decided by.
    pub(in crate::engine) fn evidence(&self, whole: &Habit, rare: &Rare, day: Day) -> Evidence {
        let (rule, settings) = (self.loyalty_rule(), &self.state.settings.loyalty);
        let habits = rare.purchases.habits();
        let streak = rule.streak(&rare.purchases, day);
        let measures = StateMeasures::of(rare, habits.gap_variation, settings, day);
        let attitude = rare.surveys.attitude(day);
        let window = i32::from(settings.view_days);
        let facts = |days: i32| rare.loyalty.iter().flat_map(move |loyalty| loyalty.facts.between(day - (days - 1), day));
        let rival = |fact: &Fact| matches!(fact.what, What::CompetitorViewed | What::CompetitorPurchase { .. });
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let share = |part: u64| (habits.orders > 0).then(|| part as f64 / habits.orders as f64);
        let weights = brand_weights(rare.purchases.standing(), day, i32::from(settings.brand_half_life_days));
        Evidence {
            attitude,
            high: settings.high,
            activity: f64::from(whole.activity.days_in(day, MONTH)) / f64::from(MONTH),
            buying: share_of(streak, 2 * rule.loyal_orders),
            orders: habits.orders,
            streak,
            loyal_orders: rule.loyal_orders,
            reward_share: share(habits.rewarded),
            referrals: rare.referrals.count(),
            reviews: measures.reviews,
            recommend: rare.surveys.recent_recommendation(day),
            satisfaction: rare.surveys.item(Item::Satisfaction, day),
            sentiment: measures.sentiment,
            gap_variation: measures.gap_variation,
            bought_during_offer: (measures.responses[1].occasions > 0).then(|| measures.responses[1].after > 0),
            one_brand: habits.brand.is_some_and(|(most, with)| most == with) && !facts(window).any(rival),
            kinds: kinds(&measures, share(habits.discounted), attitude, share_of(habits.categories, settings.full_breadth.into())),
            signals: measures.complaint_signals,
            legal: facts(LEGAL_DAYS).any(|fact| matches!(fact.what, What::Complaint { legal: true, .. })),
            brands: weights.into_iter().map(|(brand, weight)| (brand.into(), weight)).collect(),
        }
    }

    /// The first day after `day` at whose end any evidence is another although nothing more happens.
    fn next_change_of(&self, whole: &Habit, rare: &Rare, now: &States, day: Day) -> Option<Day> {
        let (rule, settings) = (self.loyalty_rule(), &self.state.settings.loyalty);
        // Active days that leave the window can but lower what is high.
        let mut left = whole.activity.days_in(day, MONTH);
        let leaves = whole.activity.days.days().filter(|active| *active > day - MONTH && *active <= day).find(|_| {
            let mattered = activity_matters(left, settings);
            left -= 1;
            now.behaves() && mattered && !activity_matters(left, settings)
        });
        let lapse = (rule.streak(&rare.purchases, day) > 0).then(|| rare.purchases.seen(day)).flatten();
        let half = i32::from(settings.brand_half_life_days);
        let orders = rare.purchases.standing_from(day - (BRAND_HALVINGS * half - 1)).iter();
        // Of a brand, an order comes to weigh less; of no brand, nothing.
        let orders = orders.filter(|order| order.day <= day && !order.brands.is_empty());
        let lighter = orders.map(|order| order.day + (day.days_since(order.day) / half + 1) * half).min();
        let facts = rare.loyalty.iter().flat_map(|loyalty| loyalty.facts.between(day - (FACT_DAYS - 1), day));
        let over = facts.map(|fact| fact.at.day + days_of(&fact.what, settings.view_days.into())).filter(|over| *over > day).min();
        [
            leaves.map(|active| active + MONTH),
            lapse.map(|seen| seen.last + rule.lapse_days + 1),
            lighter,
            over,
            rare.surveys.next_expiry(day),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn say_states(&mut self, root: Slot, before: &States, now: &States, (day, why): (Day, Look)) {
        let cause = match why {
            Look::Time => Cause::Clock,
            Look::Event => Cause::Event,
            Look::Merge => Cause::Merge,
        };
        let typed = |state: Option<LoyaltyType>| state.map(|state| state.name().into());
        let kind = |state: Option<LoyaltyKind>| state.map(|state| state.name().into());
        let named = |name: &'static str| Some(name.into());
        let brand = |states: &States| states.brand.as_ref().map(|brand| Cow::Owned(brand.to_string()));
        let compared: [(LoyaltyState, Name, Name); 5] = [
            (LoyaltyState::Type, typed(before.loyalty_type), typed(now.loyalty_type)),
            (LoyaltyState::Step, named(before.step.name()), named(now.step.name())),
            (LoyaltyState::Kind, kind(before.kind), kind(now.kind)),
            (LoyaltyState::Brand, brand(before), brand(now)),
            (LoyaltyState::ComplaintRisk, named(before.complaint_risk.name()), named(now.complaint_risk.name())),
        ];
        for (state, from, to) in compared {
            if from != to {
                self.say(root, Change::Loyalty { state, from, to }, (day, cause, None));
            }
        }
    }

    /// Users whose states would be others if they were looked at as of the last closed day: none, or someone was forgotten.
    #[must_use]
    pub fn forgotten_states(&self) -> Vec<String> {
        let Some(closed) = self.state.closed_through else { return Vec::new() };
        let differs = |root: &Slot| {
            let before = self.states_of(*root);
            let unfinished = before.next <= closed + 1;
            let judged = self.judge_states(*root, &before, closed);
            !unfinished && judged.is_some_and(|(now, _)| now != before)
        };
        self.state.population.roots().filter(differs).map(|root| self.state.population.id(root).to_owned()).collect()
    }
}

/// Days for which a fact is evidence.
fn days_of(what: &What, view_days: i32) -> i32 {
    match what {
        What::Contact { direction: Some(Direction::Inbound), .. } => BURST_DAYS,
        What::QualityIssue => MONTH,
        What::CompetitorViewed | What::CompetitorPurchase { .. } => view_days,
        What::Complaint { legal: true, .. } => LEGAL_DAYS,
        What::Satisfaction(_) => FACT_DAYS,
        What::Contact { .. }
        | What::Feedback { .. }
        | What::Departure { .. }
        | What::Cost(..)
        | What::Social(_)
        | What::ReferralSent
        | What::Reward(_)
        | What::RewardGranted
        | What::Disconfirmation(_)
        | What::Rival { .. }
        | What::Complaint { .. }
        | What::Remedy { .. }
        | What::Exposure { .. }
        | What::Attribute { .. } => 0,
    }
}

/// How much each kind of loyalty has for it: impulsive, emotional, cognitive, behavioural.
fn kinds(measures: &StateMeasures, discount_share: Option<f64>, attitude: Option<f64>, breadth: f64) -> [Option<f64>; 4] {
    let quick = measures.decision_s_mean.map(|seconds| HALF_QUICK_S / (HALF_QUICK_S + seconds));
    let compares = share_of(measures.competitor_views, FULL_COMPARING);
    [
        mean_known(&[discount_share, quick]),
        attitude.and_then(|attitude| mean_known(&[Some(attitude), Some(breadth)])),
        quick.and_then(|quick| mean_known(&[Some(1.0 - quick), Some(compares)])),
        measures.gap_variation.map(|variation| (1.0 - variation).max(0.0)),
    ]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::engine::partition::{PartitionEngine, Placement};
    use crate::engine::settings::EngineSettings;
    use crate::model::event::{Event, EventType, Facts, OrderFacts};
    use crate::model::time::{Calendar, Day, EventTime};

    #[test]
    fn nobody_waits_whom_time_will_not_change_any_more() {
        let calendar = Arc::new(Calendar::new("UTC").expect("a zone"));
        let mut engine = PartitionEngine::new(EngineSettings::default(), Placement::ALONE, calendar, [0; 16]);
        let facts = Facts::Order(OrderFacts { order_id: "o".into(), brands: vec!["north".into()], ..OrderFacts::default() });
        let (user_id, kind, time) = ("a".into(), EventType::OrderPlaced, EventTime::from_millis(0));
        engine.handle(&Event { user_id, event_id: "".into(), kind, time, facts, breakdowns: vec![] }, None);
        engine.close_through(Day::from_number(1));
        assert_eq!(engine.state.loyalty.due.len(), 1, "the brand will be forgotten");
        engine.close_through(Day::from_number(2_000));
        assert!(engine.state.loyalty.due.is_empty(), "{:?}", engine.state.loyalty.due);
    }
}
