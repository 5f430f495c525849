//! What groups of users show: counts of one partition's users as of a day, which add up over partitions.
//!
//! They are made when they are asked for, by one look at every user, and are no part of the state.

mod groups;
mod handling;
mod rivals;
mod trade;
mod voices;
mod worth;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::habit::{Habit, Rare};
use super::partition::{PartitionEngine, State};
use crate::model::insights::curve::OutcomeByScore;
use crate::model::insights::proportion::Proportion;
use crate::model::insights::rfm::Buyers;
use crate::model::insights::survival::Survival;
use crate::model::loyalty::facts::{FACT_DAYS, What};
use crate::model::loyalty::stage::LifeStage;
use crate::model::loyalty::states::{LoyaltyKind, LoyaltyType};
use crate::model::money::Money;
use crate::model::time::Day;
pub use groups::{AttributeCounts, Departures, Groups, RECOVERABLE};
pub use handling::{CategoryCounts, Handling, RESPONSE_HOURS, RemedyCounts};
pub use rivals::{RivalCounts, RivalItem, Rivals};
pub use trade::{CAMPAIGN_DAYS, Depth, HELD_OUT, Intermediary, ORDER_DAYS, Side, Times, Trade};
pub use voices::{HabitAround, Voices};
pub use worth::{PAYBACK_DAYS, Spent, Worth};

/// Days within which an active day after a complaint or an answer tells that its user stayed.
pub const STAY_DAYS: i32 = 30;
/// Days within which a resolution is quick.
pub const QUICK_DAYS: i32 = 7;
/// Days for which complaints and active days are remembered under any settings, so that it can be told whether someone stayed.
const REMEMBERED_DAYS: i32 = 120;

/// Counts of a group of users as of a day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Insights {
    /// Days from the first to the second order day, and from the second to the third.
    pub funnel: [Survival; 2],
    /// Users who stayed after a complaint that was not resolved within [`STAY_DAYS`], resolved slowly, resolved quickly.
    pub recovery: [Proportion; 3],
    /// Users who stayed after an answer, by satisfaction.
    pub satisfaction: OutcomeByScore,
    /// Users with an order.
    pub buyers: Buyers,
    /// Users, orders and net revenue by type; `None` is everyone without one.
    pub types: BTreeMap<Option<LoyaltyType>, (u64, u64, Money)>,
    /// Days from the first to the last active day by kind of loyalty: those silent for longer than `churn.activity.lapse_days` have left, the others are there still.
    pub tenure: BTreeMap<Option<LoyaltyKind>, Survival>,
    /// Days in each stage of the life cycle, in the order of the stages: users who left it, and those who are in it.
    pub dwells: [Survival; LifeStage::ALL.len()],
    /// Who is unhappy, and what follows.
    pub voices: Voices,
    /// What becomes of complaints and failures.
    pub handling: Handling,
    /// Profit, and money spent on users.
    pub worth: Worth,
    /// How users come to buy.
    pub trade: Trade,
    /// What users answer about competitors.
    pub rivals: Rivals,
    /// All else.
    pub groups: Groups,
}

impl Insights {
    /// Adds those of another part of the population.
    pub fn absorb(&mut self, other: &Self) {
        for (known, theirs) in self.funnel.iter_mut().zip(&other.funnel) {
            known.absorb(theirs);
        }
        for (known, theirs) in self.recovery.iter_mut().zip(&other.recovery) {
            known.absorb(theirs);
        }
        for (known, theirs) in self.dwells.iter_mut().zip(&other.dwells) {
            known.absorb(theirs);
        }
        self.satisfaction.absorb(&other.satisfaction);
        self.buyers.absorb(&other.buyers);
        self.groups.absorb(&other.groups);
        self.voices.absorb(&other.voices);
        self.handling.absorb(&other.handling);
        self.worth.absorb(&other.worth);
        self.trade.absorb(&other.trade);
        self.rivals.absorb(&other.rivals);
        for (kind, tenure) in &other.tenure {
            self.tenure.entry(*kind).or_default().absorb(tenure);
        }
        for (kind, (users, orders, revenue)) in &other.types {
            let known = self.types.entry(*kind).or_default();
            known.0 += users;
            known.1 += orders;
            known.2 += *revenue;
        }
    }

    fn count(&mut self, whole: &Habit, loyalty_type: Option<LoyaltyType>, day: Day) {
        let Some(rare) = whole.rare.as_deref() else {
            self.types.entry(None).or_default().0 += 1;
            return;
        };
        let (orders, revenue) = rare.purchases.standing_total();
        let kind = self.types.entry(loyalty_type).or_default();
        kind.0 += 1;
        kind.1 += orders;
        kind.2 += revenue;
        let first = rare.purchases.first_days();
        if let Some(last) = rare.purchases.seen(day).map(|seen| seen.last) {
            self.buyers.count((day.days_since(last), orders, revenue));
        }
        for (step, survival) in self.funnel.iter_mut().enumerate() {
            if let Some(from) = first[step].filter(|from| *from <= day) {
                match first[step + 1].filter(|to| *to <= day) {
                    Some(to) => survival.count(to.days_since(from), true),
                    None => survival.count(day.days_since(from), false),
                }
            }
        }
        self.count_recovery(whole, rare, day);
        self.count_satisfaction(whole, rare, day);
    }

    fn count_recovery(&mut self, whole: &Habit, rare: &Rare, day: Day) {
        for complaint in rare.complaints.all() {
            let opened = complaint.opening.at.day;
            if !is_judged(opened, day) {
                continue;
            }
            let took = complaint.resolved.map(|end| end.day.days_since(opened)).filter(|took| *took <= STAY_DAYS);
            let group = took.map_or(0, |took| if took <= QUICK_DAYS { 2 } else { 1 });
            self.recovery[group].count(stayed(whole, opened));
        }
    }

    fn count_satisfaction(&mut self, whole: &Habit, rare: &Rare, day: Day) {
        let facts = rare.loyalty.iter().flat_map(|loyalty| loyalty.facts.between(day - (FACT_DAYS - 1), day));
        for fact in facts {
            if let What::Satisfaction(score) = fact.what
                && is_judged(fact.at.day, day)
            {
                self.satisfaction.count(score, stayed(whole, fact.at.day));
            }
        }
    }
}

/// Whether it can be told at the end of `day` if a user stayed after `at`: the days after it are over, and remembered.
fn is_judged(at: Day, day: Day) -> bool {
    at + STAY_DAYS <= day && day.days_since(at) <= REMEMBERED_DAYS
}

fn stayed(whole: &Habit, at: Day) -> bool {
    whole.activity.days.count_between(at + 1, at + STAY_DAYS) > 0
}

impl State {
    /// What the users of this partition show at the end of `day`, which must not be before the newest accepted day.
    #[must_use]
    pub fn insights(&self, day: Day) -> Insights {
        let mut insights = Insights { dwells: self.dwells.clone(), ..Insights::default() };
        for root in self.population.roots() {
            let standing = self.population.standing(root);
            if let Some(since) = standing.stage_since() {
                insights.dwells[standing.stage as usize].count(day.days_since(since).max(0), false);
            }
            let states = self.population.habit(root).rare.as_deref().and_then(|rare| rare.states.as_deref());
            let loyalty_type = states.and_then(|states| states.loyalty_type);
            let kind = states.and_then(|states| states.kind);
            let whole = self.population.whole(root);
            if let (Some(first), Some(last)) = (whole.activity.first(), whole.activity.days.newest()) {
                let has_left = day.days_since(last) > i32::from(self.settings.churn.activity.process.lapse_days);
                let until = if has_left { last } else { day };
                insights.tenure.entry(kind).or_default().count(until.days_since(first), has_left);
            }
            insights.voices.count(&whole, day);
            insights.handling.count(&whole, day);
            insights.rivals.count(&whole, day);
            let return_days = self.settings.return_days.into();
            insights.worth.count(&whole, day, return_days);
            insights.trade.count(&whole, day, (&self.settings.loyalty, return_days));
            insights.count(&whole, loyalty_type, day);
            insights.groups.count(&whole, day, &self.settings.loyalty);
        }
        insights
    }
}

impl PartitionEngine {
    /// What the users of this partition show at the end of `day`, which must not be before the newest accepted day.
    #[must_use]
    pub fn insights(&self, day: Day) -> Insights {
        self.state.insights(day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_two_parts_add_up_each_by_itself() {
        let part = |kind, counts: (u64, u64, i128)| {
            let (users, orders, units) = counts;
            let types = BTreeMap::from([(kind, (users, orders, Money::from_millionths(units * 1_000_000)))]);
            Insights { types, ..Insights::default() }
        };
        let mut all = Insights::default();
        for counts in [(3, 12, 500), (4, 20, 300)] {
            all.absorb(&part(Some(LoyaltyType::Committed), counts));
        }
        all.absorb(&part(None, (2, 0, 0)));
        let expected = [(None, (2, 0, 0)), (Some(LoyaltyType::Committed), (7, 32, 800))];
        let found: Vec<_> = all
            .types
            .into_iter()
            .map(|(kind, (users, orders, revenue))| (kind, (users, orders, revenue.millionths() / 1_000_000)))
            .collect();
        assert_eq!(found, expected);
    }
}
