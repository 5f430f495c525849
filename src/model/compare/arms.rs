//! What users did before and after they were exposed to a campaign, arm by arm.

use std::collections::{BTreeMap, BTreeSet};

use super::super::event::{Event, EventType, Facts, Noted};
use super::super::money::Money;
use super::super::time::{Calendar, Day};

/// The arm of users who were never exposed.
pub const UNEXPOSED: &str = "unexposed";

/// The arm of an exposure that names none.
const EXPOSED: &str = "exposed";

/// What a user did on some days.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Doings {
    /// Days with an activity event.
    pub active_days: u32,
    /// Orders, without those that were given back whole.
    pub orders: u32,
    /// Their money, less what was given back.
    pub revenue: f64,
    /// Complaints opened.
    pub complaints: u32,
    /// Rewards redeemed.
    pub rewards: u32,
    /// Referrals converted.
    pub referrals: u32,
    /// Whether the user cancelled or was noted as lost.
    pub left: bool,
}

/// What became of a user of an arm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exposed {
    /// On as many days before the exposure as after it.
    pub before: Doings,
    /// From the day of the exposure on.
    pub after: Doings,
}

/// Users by arm, and who is in none.
#[derive(Clone, Debug, Default)]
pub struct Arms {
    /// By name.
    pub users: BTreeMap<String, Vec<Exposed>>,
    /// Users exposed to several arms: neither.
    pub in_several: u64,
    /// Users whose days after the exposure are not over.
    pub unfinished: u64,
}

/// An order by day and money, whatever becomes of it.
#[derive(Clone, Copy, Debug)]
struct Order {
    day: Day,
    amount: Money,
    is_back: bool,
}

/// What is known of one user.
#[derive(Debug, Default)]
struct User {
    active: BTreeSet<Day>,
    orders: BTreeMap<String, Order>,
    /// What was given back of which order; `None` is all of it.
    returns: Vec<(String, Option<Money>)>,
    facts: Vec<(Day, EventType)>,
    /// The first exposure to each arm.
    exposures: BTreeMap<String, Day>,
}

/// Collects events for a comparison of a campaign's arms. Repeats of an event, by its id, count once.
#[derive(Debug)]
pub struct Collection {
    campaign: String,
    users: BTreeMap<String, User>,
    /// Old ids, with the new ones.
    merged: BTreeMap<String, String>,
    seen: BTreeSet<(EventType, String)>,
    newest: Option<Day>,
    nameless: u64,
}

impl Collection {
    /// Nothing yet, of this campaign.
    #[must_use]
    pub fn new(campaign: &str) -> Self {
        Self {
            campaign: campaign.to_owned(),
            users: BTreeMap::new(),
            merged: BTreeMap::new(),
            seen: BTreeSet::new(),
            newest: None,
            nameless: 0,
        }
    }

    /// Takes in an event; events come by time.
    pub fn add(&mut self, event: &Event<'_>, calendar: &Calendar, is_excluded: bool) {
        if !event.event_id.is_empty() && !self.seen.insert((event.kind, event.event_id.to_string())) {
            return;
        }
        let day = calendar.day_of(event.time);
        self.newest = self.newest.max(Some(day));
        if let Facts::MergedInto(into) = &event.facts {
            self.merged.insert(event.user_id.to_string(), into.to_string());
            return;
        }
        if event.kind == EventType::UserDeleted {
            self.users.remove(event.user_id.as_ref());
            return;
        }
        let nameless = self.nameless;
        self.nameless += 1;
        let user = self.users.entry(event.user_id.to_string()).or_default();
        if event.kind.is_activity() && !is_excluded {
            user.active.insert(day);
        }
        match &event.facts {
            Facts::Order(facts) => {
                let name = |text: &str| (!text.is_empty()).then(|| text.to_owned());
                let key = name(&facts.order_id).or_else(|| name(&event.event_id)).unwrap_or_else(|| format!("\0{nameless}"));
                user.orders.entry(key).or_insert(Order { day, amount: facts.amount, is_back: false });
            }
            Facts::Return(facts) => user.returns.push((facts.order_id.to_string(), facts.amount)),
            Facts::Noted(noted) => {
                if let Noted::Campaign { campaign, arm, .. } = &**noted
                    && *campaign == self.campaign
                {
                    let arm = if arm.is_empty() { EXPOSED } else { arm };
                    user.exposures.entry(arm.to_owned()).or_insert(day);
                }
                user.facts.push((day, event.kind));
            }
            _ => user.facts.push((day, event.kind)),
        }
    }

    /// The users by arm, judged on `days` days from their exposure on. With `against_unexposed`, those who never were are an arm too, as if exposed on the middle day of the
    /// exposures.
    #[must_use]
    pub fn arms(mut self, days: i32, against_unexposed: bool) -> Arms {
        self.join_merged();
        self.users.values_mut().for_each(User::give_back);
        let mut exposed_on: Vec<Day> = self.users.values().flat_map(|user| user.exposures.values().copied()).collect();
        exposed_on.sort_unstable();
        let middle = exposed_on.get(exposed_on.len() / 2).copied();
        let mut arms = Arms::default();
        for user in self.users.values() {
            let mut exposures = user.exposures.iter();
            let (arm, from) = match (exposures.next(), exposures.next()) {
                (Some((arm, from)), None) => (arm.as_str(), *from),
                (Some(_), Some(_)) => {
                    arms.in_several += 1;
                    continue;
                }
                // Someone who came later could not have been exposed.
                (None, _) => match middle.filter(|middle| against_unexposed && user.is_known_by(*middle)) {
                    Some(middle) => (UNEXPOSED, middle),
                    None => continue,
                },
            };
            if self.newest.is_none_or(|newest| from + (days - 1) > newest) {
                arms.unfinished += 1;
                continue;
            }
            let exposed = Exposed { before: user.doings(from - days, from - 1), after: user.doings(from, from + (days - 1)) };
            arms.users.entry(arm.to_owned()).or_default().push(exposed);
        }
        arms
    }

    /// Gives the new id what the old one did.
    fn join_merged(&mut self) {
        for from in self.merged.keys().cloned().collect::<Vec<_>>() {
            let mut into = from.as_str();
            // A circle is left after as many steps as there are merges.
            for _ in 0..self.merged.len() {
                let Some(next) = self.merged.get(into) else { break };
                into = next;
            }
            if into == from {
                continue;
            }
            let (into, Some(old)) = (into.to_owned(), self.users.remove(&from)) else { continue };
            let user = self.users.entry(into).or_default();
            user.active.extend(old.active);
            user.facts.extend(old.facts);
            user.returns.extend(old.returns);
            for (key, order) in old.orders {
                user.orders.entry(key).or_insert(order);
            }
            for (arm, day) in old.exposures {
                let known = user.exposures.entry(arm).or_insert(day);
                *known = day.min(*known);
            }
        }
    }
}

impl User {
    /// Takes what was given back from its orders, under whichever id it was: never more than is left of them.
    fn give_back(&mut self) {
        for (order_id, amount) in std::mem::take(&mut self.returns) {
            let Some(order) = self.orders.get_mut(&order_id) else { continue };
            let back = amount.unwrap_or(order.amount).min(order.amount);
            order.is_back |= back >= order.amount;
            order.amount -= back;
        }
    }

    fn is_known_by(&self, day: Day) -> bool {
        let first_fact = self.facts.iter().map(|(day, _)| *day).min();
        let first_order = self.orders.values().map(|order| order.day).min();
        [self.active.first().copied(), first_fact, first_order].into_iter().flatten().any(|first| first <= day)
    }

    fn doings(&self, from: Day, through: Day) -> Doings {
        let days = from..=through;
        let facts = |kinds: &[EventType]| {
            let found = self.facts.iter().filter(|(day, kind)| days.contains(day) && kinds.contains(kind)).count();
            u32::try_from(found).unwrap_or(u32::MAX)
        };
        let orders = || self.orders.values().filter(|order| days.contains(&order.day));
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Doings {
            active_days: count(self.active.range(days.clone()).count()),
            orders: count(orders().filter(|order| !order.is_back).count()),
            revenue: orders().fold(Money::ZERO, |sum, order| sum + order.amount).as_f64(),
            complaints: facts(&[EventType::ComplaintOpened]),
            rewards: facts(&[EventType::RewardRedeemed]),
            referrals: facts(&[EventType::ReferralConverted]),
            left: facts(&[EventType::SubscriptionCancelled, EventType::CustomerLost]) > 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::time::EventTime;
    use super::*;

    fn event(user: &'static str, day: i64, campaign: Option<&'static str>) -> Event<'static> {
        let exposure = |campaign: &'static str| Noted::Campaign { campaign: campaign.into(), arm: "b".into(), reward_granted: false };
        Event {
            user_id: user.into(),
            event_id: "".into(),
            kind: if campaign.is_some() { EventType::CampaignExposed } else { EventType::Activity },
            time: EventTime::from_nanos(day * 86_400_000_000_000),
            facts: campaign.map_or(Facts::None, |campaign| Facts::Noted(Box::new(exposure(campaign)))),
            breakdowns: Vec::new(),
        }
    }

    /// Five days from day 10 on end with day 14.
    #[test]
    fn an_arm_is_judged_once_its_last_day_is_there() {
        let calendar = Calendar::new("UTC").expect("a zone");
        for (newest, judged, unfinished) in [(13, 0, 1), (14, 1, 0), (15, 1, 0)] {
            let mut collection = Collection::new("spring");
            for event in [event("u", 9, None), event("u", 10, Some("spring")), event("u", 12, Some("winter")), event("v", newest, None)] {
                collection.add(&event, &calendar, false);
            }
            let arms = collection.arms(5, false);
            assert_eq!((arms.users.get("b").map_or(0, Vec::len), arms.unfinished), (judged, unfinished), "newest day {newest}");
        }
    }

    /// Five days from day 10 on are those through day 14, and the five before them those from day 5 on.
    #[test]
    fn days_before_and_after_an_exposure_are_as_many() {
        let calendar = Calendar::new("UTC").expect("a zone");
        let mut collection = Collection::new("spring");
        collection.add(&event("u", 10, Some("spring")), &calendar, false);
        for day in [4, 5, 9, 10, 12, 14, 15] {
            collection.add(&event("u", day, None), &calendar, false);
        }
        let arms = collection.arms(5, false);
        let days: Vec<_> = arms.users["b"].iter().map(|user| (user.before.active_days, user.after.active_days)).collect();
        assert_eq!(days, [(2, 3)]);
    }

    #[test]
    fn who_was_never_exposed_is_an_arm_where_it_is_asked_for_and_known_by_then() {
        let calendar = Calendar::new("UTC").expect("a zone");
        let sizes = |against_unexposed| {
            let mut collection = Collection::new("spring");
            let came_later = event("w", 11, None);
            for event in [event("v", 3, None), event("u", 10, Some("spring")), came_later, event("v", 15, None)] {
                collection.add(&event, &calendar, false);
            }
            let arms = collection.arms(5, against_unexposed).users;
            arms.into_iter().map(|(arm, users)| (arm, users.len())).collect::<Vec<_>>()
        };
        assert_eq!(sizes(false), [("b".to_owned(), 1)]);
        assert_eq!(sizes(true), [("b".to_owned(), 1), (UNEXPOSED.to_owned(), 1)]);
    }

    #[test]
    fn a_repeat_of_an_event_counts_once_and_events_without_ids_each() {
        let calendar = Calendar::new("UTC").expect("a zone");
        let mut collection = Collection::new("spring");
        collection.add(&event("u", 10, Some("spring")), &calendar, false);
        for id in ["c", "d", "d", "", ""] {
            let complaint = Event { kind: EventType::ComplaintOpened, event_id: id.into(), ..event("u", 11, None) };
            collection.add(&complaint, &calendar, false);
        }
        assert_eq!(collection.arms(2, false).users["b"][0].after.complaints, 4);
    }
}
