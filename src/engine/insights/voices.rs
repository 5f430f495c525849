//! Counts of who is unhappy and says so or not, of what follows a failure, and of what complaints do to habits.

use serde::{Deserialize, Serialize};

use super::super::habit::{Habit, Rare};
use super::{FACT_DAYS, QUICK_DAYS, STAY_DAYS, is_judged};
use crate::model::insights::curve::OutcomeByScore;
use crate::model::insights::proportion::Proportion;
use crate::model::loyalty::facts::{Fact, What, millionths};
use crate::model::time::Day;

/// Satisfaction up to which a user is unhappy, of 1 to 5.
const UNHAPPY: f64 = 2.0;

/// Users with a complaint, and their active days before and after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HabitAround {
    /// Complaints.
    pub complaints: u64,
    /// Active days in the 30 days before them, in sum.
    pub before: u64,
    /// Active days in the 30 days after them, in sum.
    pub after: u64,
}

/// Counts as of a day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Voices {
    /// Users of 180 days who answered with low satisfaction or met a failure: those who complained in that time, and those who did not.
    pub unhappy: [u64; 2],
    /// Habits around complaints, in the groups of `recovery`.
    pub habits: [HabitAround; 3],
    /// Failures by what came within 30 days: no complaint, a complaint, one that is a matter of law; of each, how many had an order within them.
    pub tolerance: [Proportion; 3],
    /// Buyers of 180 days by their first answer on satisfaction: whether there was a second order day.
    pub second_order: OutcomeByScore,
}

impl Voices {
    /// Adds those of another part of the population.
    pub fn absorb(&mut self, other: &Self) {
        for (known, more) in self.unhappy.iter_mut().zip(other.unhappy) {
            *known += more;
        }
        for (known, more) in self.habits.iter_mut().zip(&other.habits) {
            known.complaints += more.complaints;
            known.before += more.before;
            known.after += more.after;
        }
        for (known, more) in self.tolerance.iter_mut().zip(&other.tolerance) {
            known.absorb(more);
        }
        self.second_order.absorb(&other.second_order);
    }

    pub(super) fn count(&mut self, whole: &Habit, day: Day) {
        let Some(rare) = whole.rare.as_deref() else { return };
        self.count_habits(whole, rare, day);
        let recent: Vec<&Fact> = rare.loyalty.iter().flat_map(|loyalty| loyalty.facts.between(day - (FACT_DAYS - 1), day)).collect();
        let is_unhappy = |fact: &&Fact| match fact.what {
            What::Satisfaction(score) => score <= millionths(UNHAPPY),
            What::QualityIssue => true,
            _ => false,
        };
        if recent.iter().any(is_unhappy) {
            let is_silent = !recent.iter().any(|fact| matches!(fact.what, What::Complaint { .. }));
            self.unhappy[usize::from(is_silent)] += 1;
        }
        self.count_tolerance(rare, &recent, day);
        let first = rare.purchases.first_days();
        let answer = recent.iter().find_map(|fact| if let What::Satisfaction(score) = fact.what { Some(score) } else { None });
        let is_recent = first[0].is_some_and(|begun| (0..FACT_DAYS).contains(&day.days_since(begun)));
        if let Some(score) = answer.filter(|_| is_recent) {
            self.second_order.count(score, first[1].is_some_and(|second| second <= day));
        }
    }

    fn count_habits(&mut self, whole: &Habit, rare: &Rare, day: Day) {
        for complaint in rare.complaints.all().iter().filter(|complaint| is_judged(complaint.opening.at.day, day)) {
            let opened = complaint.opening.at.day;
            let took = complaint.resolved.map(|end| end.day.days_since(opened)).filter(|took| *took <= STAY_DAYS);
            let habit = &mut self.habits[took.map_or(0, |took| if took <= QUICK_DAYS { 2 } else { 1 })];
            let days = &whole.activity.days;
            habit.complaints += 1;
            habit.before += u64::from(days.count_between(opened - STAY_DAYS, opened - 1));
            habit.after += u64::from(days.count_between(opened + 1, opened + STAY_DAYS));
        }
    }

    fn count_tolerance(&mut self, rare: &Rare, recent: &[&Fact], day: Day) {
        for failure in recent.iter().filter(|fact| fact.what == What::QualityIssue && is_judged(fact.at.day, day)) {
            let within = |at: Day| (0..=STAY_DAYS).contains(&at.days_since(failure.at.day));
            let complaints = recent.iter().filter(|fact| within(fact.at.day)).filter_map(|fact| match &fact.what {
                What::Complaint { legal, .. } => Some(if *legal { 2 } else { 1 }),
                _ => None,
            });
            let came = complaints.max().unwrap_or(0_usize);
            let after = |at: Day| (1..=STAY_DAYS).contains(&at.days_since(failure.at.day));
            self.tolerance[came].count(rare.purchases.standing().iter().any(|order| after(order.day)));
        }
    }
}
