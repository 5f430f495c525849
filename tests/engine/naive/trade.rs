//! How users come to buy, and the value that they get, recounted from the set of events.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use stickiness::engine::insights::{HELD_OUT, Trade};
use stickiness::model::event::{Event, EventType, Facts, Noted, SurveyFacts};
use stickiness::model::money::Money;
use stickiness::model::month_day::MonthDay;
use stickiness::model::time::Day;

use super::handling::noted;
use super::loyalty::ratio;
use super::said::own_answers;
use super::{Naive, Ordered};

type Events<'e> = [&'e Event<'static>];

/// Whether a day is the last of a February that has no 29th, which is when those of the 29th have theirs.
fn is_day_before_march(at: Day, day_of_year: MonthDay) -> bool {
    let leap = at.date().in_leap_year();
    MonthDay::parse("02-29") == Some(day_of_year) && !leap && at.date().month() == 2 && at.date().day() == 28
}

fn waits(orders: &[Ordered<'_>]) -> Option<f64> {
    let told: Vec<f64> = orders.iter().filter_map(|order| order.facts.details.as_deref()?.wait_s).collect();
    ratio(told.iter().sum(), told.len() as f64)
}

impl Naive<'_> {
    /// Fields of the profile.
    pub(super) fn of_value(&self, events: &Events<'_>, day: Day) -> Value {
        let orders = self.orders(events);
        let surprise = |order: &Ordered<'_>| {
            let expected = order.facts.details.as_deref()?.expected_amount?;
            Some((expected.millionths() - order.facts.amount.millionths()) as f64 / 1e6)
        };
        let surprises: Vec<f64> = orders.iter().filter_map(surprise).collect();
        let told =
            events.iter().filter_map(|event| if let Some(Noted::Birthday(day)) = noted(event) { Some((event.time, *day)) } else { None });
        let due = |day_of_year: MonthDay| {
            let date = |at: &Day| at.date().strftime("%m-%d").to_string();
            let is_on = |at: &Day| MonthDay::parse(&date(at)) == Some(day_of_year) || is_day_before_march(*at, day_of_year);
            (0..=366).map(|after| day + after).find(is_on).map(|at| at.to_string())
        };
        json!({
            "favourite_hour": self.favourite_hour(events, day),
            "birthday_due_day": told.max().and_then(|(_, birthday)| due(birthday)),
            "holiday_due_day": self.settings.holidays.iter().filter_map(|holiday| due(*holiday)).min(),
            "wait_s_mean": waits(&orders),
            "expected_less_paid_mean": ratio(surprises.iter().sum(), surprises.len() as f64),
            "delivered_value": self.delivered_value(events, day),
        })
    }

    /// The hour in which on most days something was looked at for the first time of the day.
    fn favourite_hour(&self, events: &Events<'_>, day: Day) -> Option<u64> {
        let mut firsts: BTreeMap<(Day, [String; 3]), i64> = BTreeMap::new();
        for event in self.within(events, day, i32::from(self.settings.loyalty.view_days)) {
            let view: [&str; 3] = match &event.facts {
                Facts::Activity(facts) => [&facts.item, &facts.category, &facts.channel],
                Facts::Order(facts) => ["", "", facts.details.as_deref().map_or("", |details| &details.channel)],
                _ => [""; 3],
            };
            if view != [""; 3] {
                firsts.entry((self.day(event), view.map(str::to_owned))).or_insert(event.time.millis());
            }
        }
        let mut hours = [const { BTreeSet::new() }; 24];
        for ((day, _), time) in firsts {
            let hour = (time - self.calendar.start_of(day).millis()) / 3_600_000;
            hours[usize::try_from(hour.min(23)).expect("of the day")].insert(day);
        }
        let most = hours.iter().map(BTreeSet::len).max().filter(|most| *most > 0)?;
        (0..24).find(|hour| hours[*hour as usize].len() == most)
    }

    fn delivered_value(&self, events: &Events<'_>, day: Day) -> Option<f64> {
        let mut latest: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for event in self.within(events, day, 180) {
            let Some(SurveyFacts { details: Some(details), .. }) = own_answers(event) else { continue };
            for rated in &details.attributes {
                if let (Some(importance), Some(own)) = (rated.importance, rated.rating) {
                    latest.insert(&rated.attribute, (importance, (own - 1.0) / 4.0));
                }
            }
        }
        let weights: f64 = latest.values().map(|(importance, _)| importance).sum();
        let benefit = ratio(latest.values().map(|(importance, own)| importance * own).sum(), weights)?;
        let costs = [
            self.latest_detail(events, day, |facts| facts.price).map(|price| (5.0 - price) / 4.0),
            self.latest_detail(events, day, |facts| facts.time_cost).map(|time| (time - 1.0) / 4.0),
            self.latest_detail(events, day, |facts| facts.effort).map(|effort| (effort - 1.0) / 6.0),
        ];
        let known: Vec<f64> = costs.into_iter().flatten().collect();
        Some(benefit - ratio(known.iter().sum(), known.len() as f64)?)
    }

    /// What one user adds to the counts of how users come to buy.
    pub(super) fn add_trade(&self, trade: &mut Trade, events: &Events<'_>, day: Day) {
        let active = self.active_days(events, "all");
        let ages = |from: i32, through: i32| active.range(day.number() - through..=day.number() - from).next().is_some();
        if ages(30, 59) {
            let month_before = |event: &&&Event<'static>| (30..60).contains(&day.days_since(self.day(event)));
            let interested = events.iter().filter(month_before).any(|event| event.kind == EventType::CompetitorViewed);
            trade.interest[usize::from(interested)].count(!ages(0, 29));
        }
        let orders = self.orders(events);
        if let Some(seconds) = self.decisions(events, &orders) {
            trade.decisions.count(seconds);
        }
        if let Some(seconds) = waits(&orders) {
            trade.waits.count(seconds);
        }
        let mut served: BTreeMap<&str, Vec<&Ordered<'_>>> = BTreeMap::new();
        for order in orders.iter().filter(|order| (0..90).contains(&day.days_since(order.day))) {
            if let Some(details) = order.facts.details.as_deref().filter(|details| !details.intermediary.is_empty()) {
                served.entry(&details.intermediary).or_default().push(order);
            }
        }
        let mut products: BTreeMap<&str, i128> = BTreeMap::new();
        for order in orders.iter().filter(|order| (0..90).contains(&day.days_since(order.day))) {
            let Some(details) = order.facts.details.as_deref() else { continue };
            for (number, units) in details.units.iter().enumerate().filter(|(_, units)| **units > 0.0) {
                *products.entry(&details.items[number]).or_default() += (units * 1e6) as i128;
            }
        }
        trade.depth.users += u64::from(!products.is_empty());
        trade.depth.products += products.len() as u64;
        trade.depth.units += products.into_values().sum::<i128>();
        let complaints = self.complaints(events);
        for (name, orders) in served {
            let known = trade.intermediaries.entry(name.into()).or_default();
            known.users += 1;
            for order in &orders {
                known.orders += 1;
                known.revenue += Money::from_millionths(order.net);
                if let Some(cost) = order.facts.details.as_deref().and_then(|details| details.cost) {
                    known.costed += 1;
                    known.costed_revenue += Money::from_millionths(order.net);
                    known.margin += Money::from_millionths(order.net - cost.millionths());
                }
            }
            let soon = |opened: Day| opened <= day && orders.iter().any(|order| (0..=30).contains(&opened.days_since(order.day)));
            known.complaints += complaints.iter().filter(|(opened, _, _)| soon(*opened)).count() as u64;
        }
        self.add_campaigns(trade, events, &orders, day);
    }

    fn add_campaigns(&self, trade: &mut Trade, events: &Events<'_>, orders: &[Ordered<'_>], day: Day) {
        let mut exposures: BTreeMap<&str, BTreeSet<(bool, Day)>> = BTreeMap::new();
        for event in self.within(events, day, 180) {
            if let Some(Noted::Campaign { campaign, arm, .. }) = noted(event)
                && !campaign.is_empty()
                && (30..=120).contains(&day.days_since(self.day(event)))
            {
                exposures.entry(campaign).or_default().insert((HELD_OUT.contains(&&**arm), self.day(event)));
            }
        }
        for (campaign, seen) in exposures {
            let sides: BTreeSet<bool> = seen.iter().map(|(held_out, _)| *held_out).collect();
            let (held_out, first) = *seen.first().expect("one");
            if sides.len() > 1 {
                continue;
            }
            let counted = |at: Day| (0..30).contains(&at.days_since(first));
            let worth = events.iter().filter(|event| counted(self.day(event))).filter_map(|event| match noted(event) {
                Some(Noted::Reward { amount, .. }) => *amount,
                _ => None,
            });
            let known = &mut trade.campaigns.entry(campaign.into()).or_default()[usize::from(held_out)];
            *known.orders.entry(orders.iter().filter(|order| counted(order.day)).count() as u64).or_default() += 1;
            known.rewards += worth.sum::<Money>();
        }
    }
}
