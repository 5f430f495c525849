//! Insights recounted from the set of events.

use std::collections::{BTreeMap, BTreeSet};

use stickiness::engine::insights::{Groups, Insights, QUICK_DAYS, RECOVERABLE, STAY_DAYS, Voices};
use stickiness::model::event::{CostKind, Event, EventType, Facts, Noted, SurveyFacts};
use stickiness::model::money::Money;
use stickiness::model::time::{Day, EventTime};

use super::Naive;
use super::handling::noted;
use super::said::own_answers;

impl Naive<'_> {
    /// Insights at the end of `day`, without types and tenure by kind, which depend on the log.
    pub(crate) fn insights(&self, day: Day) -> Insights {
        let mut insights = Insights::default();
        let judged = |at: Day| at + STAY_DAYS <= day && day.days_since(at) <= 120;
        for events in self.users(None).values() {
            let active = self.active_days(events, "all");
            let stayed = |at: Day| active.range(at.number() + 1..=at.number() + STAY_DAYS).next().is_some();
            let orders = self.orders(events);
            let days: Vec<i32> = orders.iter().map(|order| order.day.number()).collect::<BTreeSet<_>>().into_iter().collect();
            for step in 0..2 {
                if let Some(from) = days.get(step) {
                    let to = days.get(step + 1);
                    insights.funnel[step].count(to.copied().unwrap_or(day.number()) - from, to.is_some());
                }
            }
            if let Some(last) = days.last() {
                let money: i128 = orders.iter().map(|order| order.net).sum();
                insights.buyers.count((day.number() - last, orders.len() as u64, Money::from_millionths(money)));
            }
            for (opened, end, _) in self.complaints(events).into_iter().filter(|(opened, _, _)| judged(*opened)) {
                let group = match end.map(|end| end.days_since(opened)) {
                    Some(took) if took <= QUICK_DAYS => 2,
                    Some(took) if took <= STAY_DAYS => 1,
                    _ => 0,
                };
                insights.recovery[group].count(stayed(opened));
            }
            self.add_groups(&mut insights.groups, events, day);
            self.add_voices(&mut insights.voices, events, day);
            self.add_spread(&mut insights.groups, events, day);
            self.add_handling(&mut insights.handling, events, day);
            self.add_worth(&mut insights.worth, events, day);
            self.add_trade(&mut insights.trade, events, day);
            self.add_rivals(&mut insights.rivals, events, day);
            for event in events.iter().filter(|event| judged(self.day(event))) {
                if let Some(score) = own_answers(event).and_then(|facts| facts.satisfaction) {
                    insights.satisfaction.count((score * 1e6) as i64, stayed(self.day(event)));
                }
            }
        }
        insights
    }

    /// What one user adds to the counts of who is unhappy.
    fn add_voices(&self, voices: &mut Voices, events: &[&Event<'static>], day: Day) {
        let age = |event: &Event<'static>| day.days_since(self.day(event));
        let mut recent: Vec<&&Event<'static>> = events.iter().filter(|event| (0..180).contains(&age(event))).collect();
        recent.sort_by_key(|event| event.time);
        let score = |event: &Event<'static>| own_answers(event).and_then(|facts| facts.satisfaction);
        let complained = |event: &&Event<'static>| event.kind == EventType::ComplaintOpened;
        if recent.iter().any(|event| event.kind == EventType::QualityIssue || score(event).is_some_and(|score| score <= 2.0)) {
            voices.unhappy[usize::from(!recent.iter().any(|event| complained(event)))] += 1;
        }
        let active = self.active_days(events, "all");
        let days = |from: Day, through: Day| active.range(from.number()..=through.number()).count() as u64;
        for (opened, end, _) in self.complaints(events) {
            if opened + STAY_DAYS <= day && day.days_since(opened) <= 120 {
                let took = end.map_or(i32::MAX, |end| end.days_since(opened));
                let habit = &mut voices.habits[usize::from(took <= STAY_DAYS) + usize::from(took <= QUICK_DAYS)];
                habit.complaints += 1;
                habit.before += days(opened - STAY_DAYS, opened - 1);
                habit.after += days(opened + 1, opened + STAY_DAYS);
            }
        }
        let orders = self.orders(events);
        for failure in recent.iter().filter(|event| event.kind == EventType::QualityIssue && (STAY_DAYS..=120).contains(&age(event))) {
            let since = |at: Day| at.days_since(self.day(failure));
            let came = recent.iter().filter(|event| complained(event) && (0..=STAY_DAYS).contains(&since(self.day(event))));
            let came = came.map(|event| if is_legal(event) { 2 } else { 1 }).max().unwrap_or(0);
            voices.tolerance[came].count(orders.iter().any(|order| (1..=STAY_DAYS).contains(&since(order.day))));
        }
        let ordered: BTreeSet<i32> = orders.iter().map(|order| order.day.number()).collect();
        let answered = recent.iter().find_map(|event| score(event));
        if let (Some(first), Some(score)) = (ordered.first(), answered)
            && (0..180).contains(&(day.number() - first))
        {
            voices.second_order.count((score * 1e6) as i64, ordered.len() > 1);
        }
    }

    /// What one user adds to the counts of groups.
    fn add_groups(&self, groups: &mut Groups, events: &[&Event<'static>], day: Day) {
        let within = |event: &Event<'static>, days: i32| (0..days).contains(&day.days_since(self.day(event)));
        let count = |kind: EventType| events.iter().filter(|event| event.kind == kind).count() as u64;
        groups.referrals[0] += 1;
        groups.referrals[1] += count(EventType::ReferralSent);
        groups.referrals[2] += count(EventType::ReferralConverted);
        self.add_departures(groups, events, day);
        let orders = self.orders(events);
        groups.buyers[0] += u64::from(!orders.is_empty());
        groups.buyers[1] += u64::from(orders.len() > 1);
        let money: i128 = orders.iter().map(|order| order.net).sum();
        groups.revenue += Money::from_millionths(money);
        for (known, kind) in groups.costs.iter_mut().zip([CostKind::Acquire, CostKind::Retain, CostKind::Serve]) {
            *known += Self::booked(events, kind);
        }
        let categories: BTreeSet<&str> = orders.iter().flat_map(|order| &order.facts.categories).map(AsRef::as_ref).collect();
        if !categories.is_empty() {
            groups.cross_buyers.count(categories.len() >= 2);
        }
        for category in &categories {
            *groups.categories.entry((*category).into()).or_default() += 1;
            for other in categories.iter().filter(|other| *other > category) {
                *groups.pairs.entry(((*category).into(), (*other).into())).or_default() += 1;
            }
        }
        for order in orders.iter().filter(|order| (0..90).contains(&day.days_since(order.day))) {
            if let Some(details) = order.facts.details.as_deref().filter(|details| !details.channel.is_empty()) {
                *groups.channel_orders.entry((*details.channel).into()).or_default() += 1;
            }
        }
        let mut channels: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
        let mut all_days: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
        let length = i32::from(self.settings.loyalty.view_days).min(60);
        for event in events.iter().filter(|event| within(event, 2 * length.max(i32::from(self.settings.loyalty.view_days)))) {
            let channel = match &event.facts {
                Facts::Activity(facts) => &*facts.channel,
                Facts::Order(facts) => facts.details.as_deref().map_or("", |details| &details.channel),
                _ => "",
            };
            if !channel.is_empty() {
                all_days.entry(channel).or_default().insert(day.days_since(self.day(event)));
                if within(event, i32::from(self.settings.loyalty.view_days)) {
                    channels.entry(channel).or_default().insert(self.day(event).number());
                }
            }
        }
        for (channel, ages) in all_days {
            if ages.range(length..2 * length).next().is_some() {
                groups.channel_exits.entry(channel.into()).or_default().count(ages.range(..length).next().is_none());
            }
        }
        for (channel, days) in channels {
            let known = groups.channels.entry(channel.into()).or_default();
            *known = (known.0 + 1, known.1 + days.len() as u64);
        }
        self.add_attributes(groups, events, day);
        for (known, more) in groups.responses.iter_mut().zip(self.responses(events, day)) {
            known.absorb(&more);
        }
    }

    fn add_departures(&self, groups: &mut Groups, events: &[&Event<'static>], day: Day) {
        let active = self.active_days(events, "all");
        for event in events.iter().filter(|event| (0..180).contains(&day.days_since(self.day(event)))) {
            if matches!(event.kind, EventType::CustomerLost | EventType::SubscriptionCancelled) {
                let (reason, competitor, recoverable) = departure(event);
                let alike = RECOVERABLE.iter().position(|known| *known == recoverable).expect("one of all");
                groups.recoverable[alike].departures += 1;
                *groups.reasons.entry(reason.into()).or_default() += 1;
                *groups.competitors.entry(competitor.into()).or_default() += 1;
                let at = self.day(event);
                if at + STAY_DAYS <= day && day.days_since(at) <= 120 {
                    let back = active.range(at.number() + 1..=at.number() + STAY_DAYS).next().is_some();
                    groups.won_back.count(back);
                    groups.recoverable[alike].won_back.count(back);
                }
            }
        }
    }

    fn add_attributes(&self, groups: &mut Groups, events: &[&Event<'static>], day: Day) {
        let mut latest: BTreeMap<String, (EventTime, [f64; 3])> = BTreeMap::new();
        for event in events.iter().filter(|event| (0..180).contains(&day.days_since(self.day(event)))) {
            let Some(SurveyFacts { details: Some(details), .. }) = own_answers(event) else { continue };
            for rated in &details.attributes {
                if let (Some(importance), Some(own), Some(theirs)) = (rated.importance, rated.rating, rated.competitor_rating) {
                    let known = latest.entry(rated.attribute.to_string()).or_insert((event.time, [importance, own, theirs]));
                    if known.0 <= event.time {
                        *known = (event.time, [importance, own, theirs]);
                    }
                }
            }
        }
        for (name, (_, scores)) in latest {
            let [importance, own, theirs] = scores.map(|score| (score * 1e6) as i64);
            let known = groups.attributes.entry(name.into()).or_default();
            known.users += 1;
            known.importance += importance;
            known.own += own;
            known.theirs += theirs;
        }
    }
}

fn is_legal(event: &Event<'static>) -> bool {
    matches!(&event.facts, Facts::Complaint(facts) if facts.details.as_deref().is_some_and(|details| details.severity == "legal"))
}

/// The reason and the competitor of a departure, empty where they are not told, and whether its user can be won back.
fn departure<'e>(event: &'e Event<'static>) -> (&'e str, &'e str, Option<bool>) {
    match noted(event) {
        Some(Noted::Departure { reason, competitor, recoverable }) => (reason, competitor, *recoverable),
        _ => ("", "", None),
    }
}
