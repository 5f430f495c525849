//! Counts of what users answer about competitors, beside what the same users answer about the business.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::habit::{Habit, Rare};
use super::FACT_DAYS;
use crate::model::loyalty::facts::{RIVAL_ITEMS, What, millionths};
use crate::model::survey::{Detail, Item};
use crate::model::time::Day;

/// Answers to one item about one competitor, in millionths: the latest of each user within 180 days, in sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RivalItem {
    /// Users who answered it.
    pub users: u64,
    /// Their answers.
    pub theirs: i64,
    /// Those of them whose answer about the business speaks for them still.
    pub compared: u64,
    /// Own answers less those about the competitor, of these.
    pub own_less_theirs: i64,
}

/// What users answer about one competitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RivalCounts {
    /// Users with an answer about it.
    pub users: u64,
    /// By [`RIVAL_ITEMS`].
    pub items: [RivalItem; RIVAL_ITEMS.len()],
}

/// Counts by competitor as of a day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rivals(pub BTreeMap<Box<str>, RivalCounts>);

impl Rivals {
    /// Adds those of another part of the population.
    pub fn absorb(&mut self, other: &Self) {
        for (competitor, counts) in &other.0 {
            let known = self.0.entry(competitor.clone()).or_default();
            known.users += counts.users;
            for (known, more) in known.items.iter_mut().zip(&counts.items) {
                known.users += more.users;
                known.theirs += more.theirs;
                known.compared += more.compared;
                known.own_less_theirs += more.own_less_theirs;
            }
        }
    }

    pub(super) fn count(&mut self, whole: &Habit, day: Day) {
        let Some(rare) = whole.rare.as_deref() else { return };
        let mut latest: BTreeMap<&str, [Option<i64>; RIVAL_ITEMS.len()]> = BTreeMap::new();
        for fact in rare.loyalty.iter().flat_map(|loyalty| loyalty.facts.between(day - (FACT_DAYS - 1), day)) {
            let What::Rival { competitor, answers } = &fact.what else { continue };
            for (known, answer) in latest.entry(competitor).or_default().iter_mut().zip(answers) {
                *known = answer.map(i64::from).or(*known);
            }
        }
        if latest.is_empty() {
            return;
        }
        let own = own_answers(rare, day);
        for (competitor, answers) in latest {
            let known = self.0.entry(competitor.into()).or_default();
            known.users += u64::from(answers.iter().any(Option::is_some));
            for (item, (answer, own)) in known.items.iter_mut().zip(answers.into_iter().zip(own)) {
                let Some(theirs) = answer else { continue };
                item.users += 1;
                item.theirs += theirs;
                if let Some(own) = own {
                    item.compared += 1;
                    item.own_less_theirs += own - theirs;
                }
            }
        }
    }
}

/// The latest answers about the business, by [`RIVAL_ITEMS`].
fn own_answers(rare: &Rare, day: Day) -> [Option<i64>; RIVAL_ITEMS.len()] {
    let surveys = &rare.surveys;
    let [intention, trust, satisfaction, responsiveness] =
        [Item::RepurchaseIntention, Item::Trust, Item::Satisfaction, Item::Responsiveness].map(|item| surveys.item(item, day));
    let recommend = surveys.recent_recommendation(day).map(f64::from);
    let attention = surveys.detail(Detail::Attention, day);
    [recommend, intention, trust, satisfaction, responsiveness, attention].map(|score| score.map(millionths))
}
