//! The segments of [`crate::generated::RULES`] recomputed from the set of events, each by its own words.

use std::collections::{BTreeMap, BTreeSet};

use stickiness::model::event::{Event, EventType};
use stickiness::model::time::{Day, EventTime};

use super::Naive;
use crate::generated::HOUR;

type Events<'e> = [&'e Event<'static>];

/// Times in milliseconds of the events of a type that pass a filter, up to now, ascending.
fn times(events: &Events<'_>, kind: EventType, now: EventTime, passes: impl Fn(&Event<'static>) -> bool) -> Vec<i64> {
    let known = events.iter().filter(|event| event.kind == kind && event.time <= now && passes(event));
    let mut times: Vec<i64> = known.map(|event| event.time.millis()).collect();
    times.sort_unstable();
    times
}

fn property<'e>(event: &'e Event<'static>, index: u16) -> Option<&'e str> {
    event.breakdowns.iter().find(|(known, _)| *known == index).map(|(_, value)| value.as_ref())
}

impl Naive<'_> {
    /// The segments of each user at the end of a day, after which there is no event.
    pub(crate) fn rule_segments(&self, day: Day) -> BTreeMap<String, Vec<String>> {
        let now = self.calendar.end_of(day).plus_nanos(-1);
        self.users(None).iter().map(|(id, events)| (id.clone(), self.segments_of(events, day, now))).collect()
    }

    fn segments_of(&self, events: &Events<'_>, day: Day, now: EventTime) -> Vec<String> {
        let any = |_: &Event<'static>| true;
        let millis = now.millis();
        let within = |times: &[i64], hours: i64| times.iter().filter(|time| **time > millis - hours * HOUR).count();
        let activity = times(events, EventType::Activity, now, any);
        let contacts = times(events, EventType::ContactMade, now, any);
        let orders = times(events, EventType::OrderPlaced, now, any);
        let on_web = times(events, EventType::Activity, now, |event| property(event, 2) == Some("web"));
        let signup = times(events, EventType::Signup, now, any).first().copied();
        let starts = signup.map_or(0, |signup| on_web.iter().filter(|time| (signup..=signup + 72 * HOUR).contains(time)).count());
        let spent: i64 = events
            .iter()
            .filter(|event| event.kind == EventType::OrderPlaced && event.time <= now)
            .filter_map(|event| property(event, 1)?.parse::<i64>().ok())
            .sum();
        let month: BTreeSet<i32> = events
            .iter()
            .filter(|event| event.kind.is_activity())
            .map(|event| self.day(event).number())
            .filter(|known| (day.number() - 29..=day.number()).contains(known))
            .collect();
        let told = [
            ("keen", within(&activity, 120) >= 3),
            ("starter", starts >= 2),
            ("spender", spent > 60),
            ("quiet", within(&orders, 480) == 0),
            ("mixed", (within(&contacts, 240) >= 1 && within(&activity, 48) == 0) || month.len() >= 5),
            ("back", orders.last().is_some_and(|last| activity.iter().filter(|time| *time >= last).count() >= 2)),
        ];
        let is_asked = |name: &str| self.settings.segments.iter().any(|rule| rule.name == name);
        told.iter().filter(|(name, is_in)| *is_in && is_asked(name)).map(|(name, _)| (*name).to_owned()).collect()
    }
}
