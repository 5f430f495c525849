//! Counts of how complaints are handled, what they are about, and how often something fails.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::habit::{Habit, Rare};
use super::{FACT_DAYS, STAY_DAYS, is_judged, stayed};
use crate::model::complaints::{Complaint, Moment};
use crate::model::event::{ContactKind, Direction};
use crate::model::insights::proportion::Proportion;
use crate::model::insights::survival::Survival;
use crate::model::loyalty::Loyalty;
use crate::model::loyalty::facts::{Fact, What};
use crate::model::time::Day;

/// Hours that a response is waited for.
pub const RESPONSE_HOURS: i32 = STAY_DAYS * 24;
/// Days of failures, orders and calls for support.
const SERVICE_DAYS: i32 = 90;
const NANOS_OF_AN_HOUR: i64 = 3_600_000_000_000;

/// What became of users whose complaints were resolved in one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemedyCounts {
    /// Those who were active within 30 days after the complaint.
    pub stayed: Proportion,
    /// Those satisfied with the remedy, of those who said so or the contrary.
    pub satisfied: Proportion,
}

/// Complaints about one category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategoryCounts {
    /// Complaints.
    pub complaints: u64,
    /// Who made them.
    pub users: u64,
    /// Those that are a matter of law.
    pub legal: u64,
}

/// Counts as of a day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Handling {
    /// By what was done about complaints that were resolved within 30 days; an empty text is one that was not told.
    pub remedies: BTreeMap<Box<str>, RemedyCounts>,
    /// Hours, the last of them begun, from the opening of a complaint to the first contact about it or its resolution; those that waited for [`RESPONSE_HOURS`] are without one.
    pub first_response: Survival,
    /// Complaints of 180 days by category; an empty text is one that was not told.
    pub categories: BTreeMap<Box<str>, CategoryCounts>,
    /// Of 90 days: failures, orders, contacts for support.
    pub service: [u64; 3],
}

impl Handling {
    /// Adds those of another part of the population.
    pub fn absorb(&mut self, other: &Self) {
        for (remedy, counts) in &other.remedies {
            let known = self.remedies.entry(remedy.clone()).or_default();
            known.stayed.absorb(&counts.stayed);
            known.satisfied.absorb(&counts.satisfied);
        }
        self.first_response.absorb(&other.first_response);
        for (category, counts) in &other.categories {
            let known = self.categories.entry(category.clone()).or_default();
            known.complaints += counts.complaints;
            known.users += counts.users;
            known.legal += counts.legal;
        }
        for (known, more) in self.service.iter_mut().zip(other.service) {
            *known += more;
        }
    }

    pub(super) fn count(&mut self, whole: &Habit, day: Day) {
        let Some(rare) = whole.rare.as_deref() else { return };
        let loyalty = rare.loyalty.as_ref();
        for complaint in rare.complaints.all().iter().filter(|complaint| is_judged(complaint.opening.at.day, day)) {
            self.count_remedy(complaint, loyalty, stayed(whole, complaint.opening.at.day));
            match first_response(complaint, loyalty) {
                Some(hours) if hours <= RESPONSE_HOURS => self.first_response.count(hours, true),
                _ => self.first_response.count(RESPONSE_HOURS, false),
            }
        }
        if let Some(loyalty) = loyalty {
            self.count_categories(loyalty, day);
        }
        self.count_service(rare, day);
    }

    fn count_remedy(&mut self, complaint: &Complaint<'_>, loyalty: Option<&Loyalty>, has_stayed: bool) {
        let opened = complaint.opening.at.day;
        let Some(end) = complaint.resolved.filter(|end| end.day.days_since(opened) <= STAY_DAYS) else { return };
        let told = loyalty.and_then(|loyalty| {
            loyalty.facts.between(end.day, end.day).filter(|fact| fact.at == end).find_map(|fact| match &fact.what {
                What::Remedy { id, remedy, satisfied } if **id == *complaint.id => Some((remedy.clone(), *satisfied)),
                _ => None,
            })
        });
        let (remedy, satisfied) = told.unwrap_or_default();
        let counts = self.remedies.entry(remedy).or_default();
        counts.stayed.count(has_stayed);
        if let Some(satisfied) = satisfied {
            counts.satisfied.count(satisfied);
        }
    }

    /// An id that is opened again is the same complaint; one without an id stands for itself.
    fn count_categories(&mut self, loyalty: &Loyalty, day: Day) {
        let mut complaints: BTreeMap<(&str, &str, usize), bool> = BTreeMap::new();
        for (number, fact) in loyalty.facts.between(day - (FACT_DAYS - 1), day).enumerate() {
            if let What::Complaint { id, category, legal } = &fact.what {
                *complaints.entry((category, id, if id.is_empty() { number } else { 0 })).or_default() |= *legal;
            }
        }
        let mut last = None;
        for ((category, _, _), is_legal) in complaints {
            let counts = self.categories.entry(category.into()).or_default();
            counts.complaints += 1;
            counts.legal += u64::from(is_legal);
            counts.users += u64::from(last != Some(category));
            last = Some(category);
        }
    }

    fn count_service(&mut self, rare: &Rare, day: Day) {
        let from = day - (SERVICE_DAYS - 1);
        let facts = |is: fn(&What) -> bool| {
            rare.loyalty.iter().flat_map(|loyalty| loyalty.facts.between(from, day)).filter(|fact| is(&fact.what)).count() as u64
        };
        self.service[0] += facts(|what| *what == What::QualityIssue);
        self.service[1] += rare.purchases.standing_from(from).iter().filter(|order| order.day <= day).count() as u64;
        self.service[2] += facts(|what| matches!(what, What::Contact { kind: Some(ContactKind::Support), .. }));
    }
}

/// Hours, the last of them begun, until the business called, for support or without saying what for, or resolved the complaint.
fn first_response(complaint: &Complaint<'_>, loyalty: Option<&Loyalty>) -> Option<i32> {
    let opened = complaint.opening.at;
    let responds = |fact: &&Fact| {
        let is_call = matches!(fact.what, What::Contact { direction: Some(Direction::Outbound), kind: None | Some(ContactKind::Support) });
        is_call && fact.at.time > opened.time
    };
    let mut later = loyalty.iter().flat_map(|loyalty| loyalty.facts.between(opened.day, opened.day + (STAY_DAYS + 1)));
    let first: Moment = [later.find(responds).map(|fact| fact.at), complaint.resolved].into_iter().flatten().min()?;
    hours_begun(first.time.nanos() - opened.time.nanos())
}

/// An hour that has begun counts: what took a minute more than 24 hours did not come within them.
fn hours_begun(nanos: i64) -> Option<i32> {
    let (hours, rest) = (nanos.div_euclid(NANOS_OF_AN_HOUR), nanos.rem_euclid(NANOS_OF_AN_HOUR));
    i32::try_from(hours + i64::from(rest > 0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_that_has_begun_counts() {
        for (nanos, hours) in [(0, 0), (1, 1), (24 * NANOS_OF_AN_HOUR, 24), (24 * NANOS_OF_AN_HOUR + 1, 25), (i64::MAX, 2_562_048)] {
            assert_eq!(hours_begun(nanos), Some(hours), "{nanos}");
        }
    }
}
