//! How complaints are handled and where users go, recounted from the set of events.

use std::collections::{BTreeMap, BTreeSet};

use stickiness::engine::insights::{Groups, Handling, RESPONSE_HOURS, STAY_DAYS};
use stickiness::model::event::{ContactKind, Direction, Event, EventType, Facts, Noted};
use stickiness::model::time::Day;

use super::Naive;

type Events<'e> = [&'e Event<'static>];

pub(super) fn noted<'e>(event: &'e Event<'static>) -> Option<&'e Noted<'static>> {
    if let Facts::Noted(noted) = &event.facts { Some(noted) } else { None }
}

impl Naive<'_> {
    /// The events of the last days, by time.
    fn latest_days<'e>(&self, events: &Events<'e>, day: Day, days: i32) -> Vec<&'e Event<'static>> {
        let mut latest: Vec<_> = events.iter().copied().filter(|event| (0..days).contains(&day.days_since(self.day(event)))).collect();
        latest.sort_by_key(|event| event.time);
        latest
    }

    /// What one user adds to the counts of what spreads, and of flows between competitors.
    pub(super) fn add_spread(&self, groups: &mut Groups, events: &Events<'_>, day: Day) {
        let month = self.latest_days(events, day, 30);
        let active: BTreeSet<Day> = month.iter().filter(|event| event.kind.is_activity()).map(|event| self.day(event)).collect();
        let count = |kind: EventType| month.iter().filter(|event| event.kind == kind).count() as u64;
        let (met, sent) = (count(EventType::SocialInteraction), count(EventType::ReferralSent));
        for (known, more) in groups.spread.iter_mut().zip([active.len() as u64, met, sent]) {
            *known += more;
        }
        if !active.is_empty() {
            groups.spreaders.count(met > 0 || sent > 0);
        }
        let mut last = String::new();
        for event in self.latest_days(events, day, 180) {
            let Some(Noted::CompetitorPurchase { competitor, .. } | Noted::Departure { competitor, .. }) = noted(event) else { continue };
            if competitor.is_empty() {
                continue;
            }
            if !last.is_empty() && last != *competitor {
                *groups.flows.entry((last.as_str().into(), (**competitor).into())).or_default() += 1;
            }
            last = competitor.to_string();
        }
    }

    /// What one user adds to the counts of how complaints are handled.
    pub(super) fn add_handling(&self, handling: &mut Handling, events: &Events<'_>, day: Day) {
        let active = self.active_days(events, "all");
        for (opened, end) in self.complaint_events(events) {
            let at = self.day(opened);
            if at + STAY_DAYS > day || day.days_since(at) > 120 {
                continue;
            }
            let hours = Self::response_hours(events, opened, end);
            handling.first_response.count(hours.unwrap_or(RESPONSE_HOURS), hours.is_some());
            let Some(end) = end.filter(|end| self.day(end).days_since(at) <= STAY_DAYS) else { continue };
            let Facts::Complaint(facts) = &end.facts else { panic!("{end:?}") };
            let details = facts.details.as_deref().expect("generated with them");
            let counts = handling.remedies.entry((*details.remedy).into()).or_default();
            counts.stayed.count(active.range(at.number() + 1..=at.number() + STAY_DAYS).next().is_some());
            if let Some(satisfied) = details.satisfied {
                counts.satisfied.count(satisfied);
            }
        }
        self.add_categories(handling, events, day);
        let quarter = self.latest_days(events, day, 90);
        handling.service[0] += quarter.iter().filter(|event| event.kind == EventType::QualityIssue).count() as u64;
        handling.service[1] += self.orders(events).iter().filter(|order| (0..90).contains(&day.days_since(order.day))).count() as u64;
        let support = |event: &&&Event<'static>| matches!(noted(event), Some(Noted::Contact { kind: Some(ContactKind::Support), .. }));
        handling.service[2] += quarter.iter().filter(support).count() as u64;
    }

    fn response_hours(events: &Events<'_>, opened: &Event<'static>, end: Option<&Event<'static>>) -> Option<i32> {
        let calls = events.iter().copied().filter(|event| {
            let is_call = match noted(event) {
                Some(Noted::Contact { direction: Some(Direction::Outbound), kind, .. }) => {
                    [None, Some(ContactKind::Support)].contains(kind)
                }
                _ => false,
            };
            is_call && event.time > opened.time
        });
        let first = calls.chain(end).map(|event| event.time.millis()).min()?;
        (0..=RESPONSE_HOURS).find(|hours| i64::from(*hours) * 3_600_000 >= first - opened.time.millis())
    }

    fn add_categories(&self, handling: &mut Handling, events: &Events<'_>, day: Day) {
        let mut complaints: BTreeMap<String, BTreeMap<String, bool>> = BTreeMap::new();
        for event in self.latest_days(events, day, 180).into_iter().filter(|event| event.kind == EventType::ComplaintOpened) {
            let Facts::Complaint(facts) = &event.facts else { panic!("{event:?}") };
            let details = facts.details.as_deref().expect("generated with them");
            let own = format!("event {}", event.event_id);
            let id = if facts.complaint_id.is_empty() { own } else { facts.complaint_id.to_string() };
            *complaints.entry(details.category.to_string()).or_default().entry(id).or_default() |= details.severity == "legal";
        }
        for (category, complaints) in complaints {
            let counts = handling.categories.entry(category.into()).or_default();
            counts.complaints += complaints.len() as u64;
            counts.users += 1;
            counts.legal += complaints.values().filter(|legal| **legal).count() as u64;
        }
    }
}
