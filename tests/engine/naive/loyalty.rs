//! The measures of loyalty recomputed from the set of events, by the formulas of docs/measures.md.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use stickiness::model::event::{
    ContactKind, CostKind, Direction, Event, EventType, Facts, FeedbackKind, Noted, SurveyDetails, SurveyFacts,
};
use stickiness::model::loyalty::occasions::Response;
use stickiness::model::money::Money;
use stickiness::model::time::Day;

use super::said::own_answers;
use super::{Naive, Ordered};

type Events<'e> = [&'e Event<'static>];

pub(super) fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn noted<'e>(event: &'e Event<'static>) -> Option<&'e Noted<'static>> {
    if let Facts::Noted(noted) = &event.facts { Some(noted) } else { None }
}

/// The commonest of some keys, of several the first by name.
fn commonest(keys: impl Iterator<Item = (String, i32)>) -> Option<String> {
    let mut days: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    for (key, day) in keys {
        days.entry(key).or_default().insert(day);
    }
    let most = days.values().map(BTreeSet::len).max()?;
    days.into_iter().find(|(_, days)| days.len() == most).map(|(key, _)| key)
}

impl Naive<'_> {
    /// The measures of every user at the end of `day`.
    pub(crate) fn loyalty(&self, day: Day) -> BTreeMap<String, Value> {
        let users = self.users(None);
        let of = |(id, events): (&String, &Vec<&Event<'static>>)| {
            let mut record = json!({});
            for part in [
                self.of_orders(events, day),
                self.of_views(events, day),
                self.of_responses(events, day),
                self.of_answers(events, day),
                self.of_voice(events, day),
                self.of_contacts(events, day),
                self.of_complaints(events, day),
                self.of_value(events, day),
                self.of_said(events, day),
                self.of_offers(events, day),
            ] {
                record.as_object_mut().expect("an object").extend(part.as_object().expect("an object").clone());
            }
            (id.clone(), record)
        };
        users.iter().map(of).collect()
    }

    /// The events of the last `length` days.
    pub(super) fn within<'e>(&self, events: &Events<'e>, day: Day, length: i32) -> Vec<&'e Event<'static>> {
        let window = (day - (length - 1))..=day;
        let mut events: Vec<_> = events.iter().copied().filter(|event| window.contains(&self.day(event))).collect();
        events.sort_by_key(|event| event.time);
        events
    }

    fn gap_variation(orders: &[Ordered<'_>]) -> Option<f64> {
        let days: BTreeSet<i32> = orders.iter().map(|order| order.day.number()).collect();
        let days: Vec<i32> = days.into_iter().collect();
        let gaps: Vec<f64> = days.windows(2).map(|pair| f64::from(pair[1] - pair[0])).collect();
        let count = gaps.len() as f64;
        let mean = gaps.iter().sum::<f64>() / count;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / count;
        (gaps.len() > 1).then(|| variance.sqrt() / mean)
    }

    /// The first view of an item or category on each day, as (item?, key, day, time).
    fn views(&self, events: &Events<'_>) -> BTreeMap<(bool, String, i32), i64> {
        let mut views = BTreeMap::new();
        for event in events {
            let Facts::Activity(facts) = &event.facts else { continue };
            for (is_item, key) in [(true, &facts.item), (false, &facts.category)] {
                if !key.is_empty() {
                    let first = views.entry((is_item, key.to_string(), self.day(event).number())).or_insert(i64::MAX);
                    *first = event.time.nanos().min(*first);
                }
            }
        }
        views
    }

    pub(super) fn decisions(&self, events: &Events<'_>, orders: &[Ordered<'_>]) -> Option<f64> {
        let views = self.views(events);
        let lookback = i32::from(self.settings.loyalty.decision_days);
        let mut logs: Vec<f64> = Vec::new();
        for (index, order) in orders.iter().enumerate() {
            let before = index.checked_sub(1).map_or(i64::MIN, |before| orders[before].time.nanos());
            let matches = |is_item: bool, key: &String| {
                let items = order.facts.details.as_deref().map_or(&[][..], |details| &details.items);
                if is_item { items.iter().any(|item| item == key) } else { order.facts.categories.iter().any(|category| category == key) }
            };
            let first = views
                .iter()
                .filter(|((is_item, key, day), time)| {
                    matches(*is_item, key) && *day >= order.day.number() - lookback && **time > before && **time < order.time.nanos()
                })
                .map(|(_, time)| *time)
                .min();
            let found = first.map(|first| (order.time.nanos() - first) as f64 / 1e9);
            logs.extend(order.facts.decision_s.or(found).map(f64::ln));
        }
        ratio(logs.iter().sum(), logs.len() as f64).map(f64::exp)
    }

    fn of_orders(&self, events: &Events<'_>, day: Day) -> Value {
        let orders = self.orders(events);
        let count = orders.len() as f64;
        let share = |of: &dyn Fn(&&Ordered<'_>) -> bool| ratio(orders.iter().filter(of).count() as f64, count);
        let list = |order: &Ordered<'_>| order.facts.details.as_deref().and_then(|details| details.list_amount);
        let cost = |order: &Ordered<'_>| order.facts.details.as_deref().and_then(|details| details.cost);
        let saved: Vec<Money> = orders.iter().filter_map(|order| list(order).map(|list| list - order.facts.amount)).collect();
        let saved_sum: Money = saved.iter().copied().sum();
        let costed: Vec<&Ordered<'_>> = orders.iter().filter(|order| cost(order).is_some()).collect();
        let costs: Money = costed.iter().filter_map(|order| cost(order)).sum();
        let net = costed.iter().map(|order| order.net).sum::<i128>() as f64 / 1e6;
        let mut categories: BTreeMap<&str, f64> = BTreeMap::new();
        for category in orders.iter().flat_map(|order| &order.facts.categories) {
            *categories.entry(category).or_default() += 1.0;
        }
        let total: f64 = categories.values().sum();
        let entropy = (total > 0.0).then(|| categories.values().map(|count| count / total * (total / count).log2()).sum::<f64>());
        let recent = orders.iter().filter(|order| day.days_since(order.day) < 30).count();
        json!({
            "assisted_share": share(&|order| order.facts.discounted || order.facts.reward_used),
            "full_price_share": share(&|order| !order.facts.discounted && list(order).is_none_or(|list| order.facts.amount >= list)),
            "saving_mean": ratio(saved_sum.as_f64(), saved.len() as f64),
            "margin_share": ratio(net - costs.as_f64(), net),
            "repeat_orders_30d": recent.min(orders.len().saturating_sub(1)),
            "category_entropy": entropy,
            "gap_variation": Self::gap_variation(&orders),
            "decision_s_mean": self.decisions(events, &orders),
            "favourite_brand": self.favourite_brand(events, day),
        })
    }

    pub(super) fn favourite_brand(&self, events: &Events<'_>, day: Day) -> Option<String> {
        let orders = self.orders(events);
        let mut weights: BTreeMap<&str, i32> = BTreeMap::new();
        for order in &orders {
            let halvings = day.days_since(order.day) / i32::from(self.settings.loyalty.brand_half_life_days);
            for brand in order.facts.brands.iter().filter(|_| halvings < 4) {
                *weights.entry(brand).or_default() += [8, 4, 2, 1][halvings as usize];
            }
        }
        let heaviest = weights.values().max().copied();
        weights.iter().find(|(_, weight)| Some(**weight) == heaviest).map(|(brand, _)| (*brand).to_owned())
    }

    fn of_views(&self, events: &Events<'_>, day: Day) -> Value {
        let recent = self.within(events, day, i32::from(self.settings.loyalty.view_days));
        let facts = |of: &dyn Fn(&Event<'static>) -> String| {
            let keys: Vec<(String, i32)> = recent.iter().map(|event| (of(event), self.day(event).number())).collect();
            keys.into_iter().filter(|(key, _)| !key.is_empty()).collect::<BTreeSet<_>>()
        };
        let items = facts(&|event| if let Facts::Activity(facts) = &event.facts { facts.item.to_string() } else { String::new() });
        let categories = facts(&|event| if let Facts::Activity(facts) = &event.facts { facts.category.to_string() } else { String::new() });
        let channels = facts(&|event| match &event.facts {
            Facts::Activity(facts) => facts.channel.to_string(),
            Facts::Order(facts) => facts.details.as_deref().map_or(String::new(), |details| details.channel.to_string()),
            Facts::Complaint(facts) if event.kind == EventType::ComplaintOpened => {
                facts.details.as_deref().map_or(String::new(), |details| details.channel.to_string())
            }
            _ => String::new(),
        });
        let competitor = recent.iter().filter(|event| event.kind == EventType::CompetitorViewed).count();
        json!({
            "favourite_item": commonest(items.iter().cloned()),
            "favourite_category": commonest(categories.into_iter()),
            "favourite_channel": commonest(channels.iter().cloned()),
            "channels": channels.iter().map(|(key, _)| key).collect::<BTreeSet<_>>().len(),
            "competitor_views": competitor,
            "own_view_share": ratio(items.len() as f64, (items.len() + competitor) as f64),
        })
    }

    /// Occasions whose days after are over, and those with an order before and after: rises of prices, offers, failures.
    pub(super) fn responses(&self, events: &Events<'_>, day: Day) -> [Response; 3] {
        let orders = self.orders(events);
        let days = i32::from(self.settings.loyalty.response_days);
        let respond = |is_one: &dyn Fn(&Event<'static>) -> bool| {
            let over: Vec<_> = events.iter().filter(|event| is_one(event) && self.day(event) + days <= day).collect();
            let (mut before, mut after) = (0, 0);
            for event in &over {
                let at = self.day(event);
                before += u64::from(orders.iter().any(|order| order.time < event.time && at.days_since(order.day) <= days));
                after += u64::from(orders.iter().any(|order| order.time > event.time && order.day.days_since(at) <= days));
            }
            Response { occasions: over.len() as u64, before, after }
        };
        let rise = respond(&|event| matches!(noted(event), Some(Noted::PriceChanged { old: Some(old), new: Some(new), .. }) if new > old));
        let offer = respond(&|event| event.kind == EventType::CompetitorOffer);
        let issue = respond(&|event| event.kind == EventType::QualityIssue);
        [rise, offer, issue]
    }

    fn of_responses(&self, events: &Events<'_>, day: Day) -> Value {
        let orders = self.orders(events);
        let [rise, offer, issue] = self.responses(events, day);
        let odds = |count: u64, with: u64| (with as f64 + 0.5) / ((count - with) as f64 + 0.5);
        let own = (orders.iter().map(|order| order.net).sum::<i128>() as f64 / 1e6).max(0.0);
        let spend = |event: &&&Event<'static>| match noted(event) {
            Some(Noted::CompetitorPurchase { amount, .. }) => *amount,
            _ => None,
        };
        let theirs = events.iter().filter_map(|event| spend(&event)).sum::<Money>().as_f64();
        let month = orders.iter().filter(|order| day.days_since(order.day) < 30).map(|order| order.net).sum::<i128>() as f64 / 1e6;
        let stated = || ratio(month, self.stated_spend(events, day)?).map(|share| share.clamp(0.0, 1.0));
        let share = if theirs > 0.0 { ratio(own, own + theirs) } else { stated() };
        let regularity = Self::gap_variation(&orders).map(|variation| (1.0 - variation).max(0.0));
        let rewards: Vec<_> = events.iter().filter(|event| event.kind == EventType::RewardRedeemed).collect();
        let worth = rewards.iter().filter_map(|event| if let Some(Noted::Reward { amount, .. }) = noted(event) { *amount } else { None });
        json!({
            "price_rises": rise.occasions,
            "price_response": (rise.occasions > 0).then(|| odds(rise.occasions, rise.after) / odds(rise.occasions, rise.before)),
            "competitor_offers": offer.occasions,
            "offer_resistance": ratio(offer.after as f64, offer.occasions as f64),
            "quality_issues": issue.occasions,
            "tolerance": ratio(issue.after as f64, issue.occasions as f64),
            "competitor_purchases": events.iter().filter(|event| event.kind == EventType::CompetitorPurchase).count(),
            "competitor_spend": theirs,
            "customer_share": share,
            "dependence": share.zip(regularity).map(|(share, regularity)| share * regularity),
            "cost_acquire": Self::booked(events, CostKind::Acquire).as_f64(),
            "cost_retain": Self::booked(events, CostKind::Retain).as_f64(),
            "cost_serve": Self::booked(events, CostKind::Serve).as_f64(),
            "rewards_redeemed": rewards.len(),
            "reward_amount": worth.sum::<Money>().as_f64(),
        })
    }

    /// Money booked for a kind of cost.
    pub(super) fn booked(events: &Events<'_>, kind: CostKind) -> Money {
        let of_kind = |event: &&Event<'static>| match noted(event) {
            Some(Noted::Cost { kind: Some(known), amount: Some(amount) }) if *known == kind => Some(*amount),
            _ => None,
        };
        events.iter().filter_map(of_kind).sum()
    }

    /// The latest answer to an item within 180 days: that of the largest (time, event id, score) ever, if it is not older.
    pub(super) fn latest(&self, events: &Events<'_>, day: Day, item: impl Fn(&SurveyFacts<'static>) -> Option<f64>) -> Option<f64> {
        let answers =
            events.iter().filter_map(|event| item(own_answers(event)?).map(|score| (event.time, &event.event_id, score, self.day(event))));
        let last = answers.max_by(|one, other| one.partial_cmp(other).expect("numbers"))?;
        (day.days_since(last.3) < 180).then_some(last.2)
    }

    pub(super) fn latest_detail(
        &self,
        events: &Events<'_>,
        day: Day,
        item: impl Fn(&SurveyDetails<'static>) -> Option<f64>,
    ) -> Option<f64> {
        self.latest(events, day, |facts| facts.details.as_deref().and_then(&item))
    }

    fn of_answers(&self, events: &Events<'_>, day: Day) -> Value {
        let settings = &self.settings.loyalty;
        let detail = |item: fn(&SurveyDetails<'static>) -> Option<f64>| self.latest_detail(events, day, item);
        let (trust, satisfaction) = (self.latest(events, day, |facts| facts.trust), self.latest(events, day, |facts| facts.satisfaction));
        let minimum = [detail(|facts| facts.quality), detail(|facts| facts.service), detail(|facts| facts.price)];
        let least = minimum.iter().all(Option::is_some).then(|| minimum.iter().flatten().copied().fold(f64::MAX, f64::min));
        let balance = detail(|facts| facts.benefit).zip(detail(|facts| facts.cost)).zip(detail(|facts| facts.expectation));
        let feedback: Vec<f64> = events
            .iter()
            .filter_map(|event| if let Some(Noted::Feedback { sentiment, .. }) = noted(event) { *sentiment } else { None })
            .collect();
        let sentiment = (!feedback.is_empty()).then(|| feedback.iter().sum::<f64>() / (feedback.len() as f64 + settings.sentiment_prior));
        let items: [fn(&SurveyFacts<'static>) -> Option<f64>; 5] = [
            |facts| facts.recommend.map(|score| f64::from(score) / 10.0),
            |facts| facts.repurchase_intention.map(|score| (score - 1.0) / 4.0),
            |facts| facts.trust.map(|score| (score - 1.0) / 4.0),
            |facts| facts.satisfaction.map(|score| (score - 1.0) / 4.0),
            |facts| facts.responsiveness.map(|score| (score - 1.0) / 4.0),
        ];
        let mean = |known: &[f64]| ratio(known.iter().sum(), known.len() as f64);
        let attitude = mean(&items.iter().filter_map(|item| self.latest(events, day, item)).collect::<Vec<_>>());
        let emotion = mean(&attitude.into_iter().chain(sentiment.map(|sentiment| f64::midpoint(sentiment, 1.0))).collect::<Vec<_>>());
        let orders = self.orders(events);
        let span = orders.last().map_or(0, |last| last.day.days_since(orders[0].day));
        let bought = span >= i32::from(settings.long_days)
            && self.streak(events, &orders, day) >= self.settings.loyal_orders as usize
            && !orders.is_empty();
        json!({
            "attitude": attitude,
            "repurchase_intention": self.latest(events, day, |facts| facts.repurchase_intention),
            "trust": trust, "satisfaction": satisfaction,
            "responsiveness": self.latest(events, day, |facts| facts.responsiveness),
            "effort": detail(|facts| facts.effort),
            "satisfaction_zone": satisfaction.map(|score| {
                if score < settings.zone_defection { "defection" } else if score < settings.zone_affection { "indifference" } else { "affection" }
            }),
            "value_minimum": least,
            "satisfaction_balance": balance.map(|((benefit, cost), expectation)| benefit - cost - expectation),
            "relative_attitude": self.relative_attitude(events, day),
            "sentiment": sentiment, "emotion": emotion,
            "loyal_rule": trust.zip(satisfaction).map(|(trust, satisfaction)| {
                trust >= settings.trusting && satisfaction >= settings.satisfied && bought
            }),
            "switching_cost": self.switching_cost(&orders, trust, day),
        })
    }

    fn switching_cost(&self, orders: &[Ordered<'_>], trust: Option<f64>, day: Day) -> Option<f64> {
        let tenure = f64::from(day.days_since(orders.first()?.day)) / 365.0;
        let categories: BTreeSet<_> = orders.iter().flat_map(|order| &order.facts.categories).collect();
        let breadth = categories.len() as f64 / f64::from(self.settings.loyalty.full_breadth);
        let rewarded = orders.iter().filter(|order| order.facts.reward_used).count() as f64 / orders.len() as f64;
        let mut known = vec![tenure.min(1.0), rewarded];
        known.extend((!categories.is_empty()).then_some(breadth.min(1.0)));
        known.extend(trust.map(|score| (score - 1.0) / 4.0));
        ratio(known.iter().sum(), known.len() as f64)
    }

    fn relative_attitude(&self, events: &Events<'_>, day: Day) -> Option<f64> {
        let mut latest: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        for event in self.within(events, day, 180) {
            let Some(SurveyFacts { details: Some(details), .. }) = own_answers(event) else { continue };
            for rated in &details.attributes {
                if let (Some(importance), Some(own), Some(theirs)) = (rated.importance, rated.rating, rated.competitor_rating) {
                    latest.insert(rated.attribute.to_string(), (importance, own - theirs));
                }
            }
        }
        let weights: f64 = latest.values().map(|(importance, _)| importance).sum();
        ratio(latest.values().map(|(importance, difference)| importance * difference).sum(), 4.0 * weights)
    }

    fn of_voice(&self, events: &Events<'_>, day: Day) -> Value {
        let count = |kind: EventType| events.iter().filter(|event| event.kind == kind).count();
        let feedback = |kind: FeedbackKind| {
            events.iter().filter(|event| matches!(noted(event), Some(Noted::Feedback { kind: Some(known), .. }) if *known == kind)).count()
        };
        let sent = count(EventType::ReferralSent);
        let social = |length: i32| {
            let recent = self.within(events, day, length);
            recent.into_iter().filter(|event| event.kind == EventType::SocialInteraction).collect::<Vec<_>>()
        };
        let window = social(i32::from(self.settings.loyalty.view_days));
        let peers =
            window.iter().filter_map(|event| if let Some(Noted::Social { peer, .. }) = noted(event) { Some(&**peer) } else { None });
        json!({
            "referrals_sent": sent,
            "referral_conversion": ratio(count(EventType::ReferralConverted) as f64, sent as f64).map(|share| share.min(1.0)),
            "suggestions": feedback(FeedbackKind::Suggestion), "reviews": feedback(FeedbackKind::Review),
            "interactions_30d": social(30).len(),
            "peers": peers.filter(|peer| !peer.is_empty()).collect::<BTreeSet<_>>().len(),
        })
    }

    fn of_contacts(&self, events: &Events<'_>, day: Day) -> Value {
        let settings = &self.settings.loyalty;
        let contacts = |length: i32| {
            let recent = self.within(events, day, length);
            recent.into_iter().filter(|event| event.kind == EventType::ContactMade).collect::<Vec<_>>()
        };
        let is = |event: &Event<'static>, wanted: Direction| matches!(noted(event), Some(Noted::Contact { direction: Some(direction), .. }) if *direction == wanted);
        let quarter = contacts(90);
        let outbound: Vec<Day> = quarter.iter().filter(|event| is(event, Direction::Outbound)).map(|event| self.day(event)).collect();
        let inbound = quarter.iter().filter(|event| is(event, Direction::Inbound)).count();
        let active = self.active_days(events, "all");
        let within = i32::from(settings.answer_days);
        let over: Vec<i32> = outbound.iter().map(|at| at.number()).filter(|at| at + within <= day.number()).collect();
        let answered = over.iter().filter(|at| active.range(*at + 1..=*at + within).count() > 0).count();
        let thanked =
            contacts(180).into_iter().filter(|event| matches!(noted(event), Some(Noted::Contact { kind: Some(ContactKind::Thanks), .. })));
        let (cooling, p) = cooling(&active, day.number());
        json!({
            "contacts_30d": contacts(30).len(),
            "two_way_ratio": ratio(inbound as f64, outbound.len() as f64),
            "contact_response_rate": ratio(answered as f64, over.len() as f64),
            "contact_due_day": outbound.iter().max().map(|last| (*last + i32::from(settings.contact_days)).to_string()),
            "last_thanked_day": thanked.map(|event| self.day(event)).max().map(|day| day.to_string()),
            "cooling": cooling, "cooling_p": p,
        })
    }

    fn of_complaints(&self, events: &Events<'_>, day: Day) -> Value {
        let settings = &self.settings.loyalty;
        let mut problems: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for event in self.within(events, day, 180) {
            let Facts::Complaint(facts) = &event.facts else { continue };
            let category = facts.details.as_deref().map_or(String::new(), |details| details.category.to_string());
            if event.kind == EventType::ComplaintOpened && !category.is_empty() {
                let own = format!("event {}", event.event_id);
                let complaint = if facts.complaint_id.is_empty() { own } else { facts.complaint_id.to_string() };
                problems.entry(category).or_default().insert(complaint);
            }
        }
        let failures = self.within(events, day, 30).iter().filter(|event| event.kind == EventType::QualityIssue).count();
        let inbound = self
            .within(events, day, 7)
            .into_iter()
            .filter(|event| matches!(noted(event), Some(Noted::Contact { direction: Some(Direction::Inbound), .. })));
        let scores: Vec<f64> = self.within(events, day, 180).iter().filter_map(|event| own_answers(event)?.satisfaction).collect();
        let dropped = scores.len() > 1 && scores[scores.len() - 2] - scores[scores.len() - 1] >= settings.satisfaction_drop - 1e-9;
        let signals = [failures >= usize::from(settings.failures), inbound.count() >= usize::from(settings.inbound_contacts), dropped];
        json!({
            "repeated_problems": problems.values().filter(|complaints| complaints.len() > 1).count(),
            "complaint_signals": signals.iter().filter(|signal| **signal).count(),
        })
    }
}

fn cooling(active: &BTreeSet<i32>, day: i32) -> (Option<f64>, Option<f64>) {
    let window: Vec<i32> = active.range(day - 83..=day).copied().collect();
    let short = active.range(day - 27..=day).count() as f64 / 28.0;
    let known = active.first().is_some_and(|first| *first <= day - 83);
    let cooling = (known && !window.is_empty()).then(|| short / (window.len() as f64 / 84.0));
    let gaps: Vec<i32> = window.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let shift = gaps.len().div_ceil(2);
    let pairs: Vec<(i32, i32)> = (0..gaps.len() / 2).map(|at| (gaps[at], gaps[at + shift])).filter(|(a, b)| a != b).collect();
    let longer = pairs.iter().filter(|(earlier, later)| later > earlier).count() as u64;
    let n = pairs.len() as u64;
    let choose = |k: u64| (0..k).fold(1.0, |product, at| product * (n - at) as f64 / (at + 1) as f64);
    let p = (n > 0).then(|| (longer..=n).map(choose).sum::<f64>() / 2_f64.powi(n as i32));
    (cooling, p)
}
