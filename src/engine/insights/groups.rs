//! Counts of groups beyond orders and complaints: who left and where to, attributes, channels, referrals, categories, money spent, responses.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::super::habit::{Habit, Rare};
use super::{FACT_DAYS, is_judged, stayed};
use crate::model::insights::proportion::Proportion;
use crate::model::loyalty::facts::What;
use crate::model::loyalty::occasions::Response;
use crate::model::loyalty::settings::LoyaltySettings;
use crate::model::money::Money;
use crate::model::time::Day;

/// Days of orders by channel.
const ORDER_DAYS: i32 = 90;
/// Days of interactions and referrals, for each day that a user was active on.
const SPREAD_DAYS: i32 = 30;
/// Days of either stretch that exits from channels are counted by, at most: views of before are not remembered under all settings.
const LONGEST_EXIT_DAYS: i32 = 60;
/// Categories of one user that are paired with each other at most, the first by name: pairs grow with the square.
const PAIRED_CATEGORIES: usize = 32;

/// Ratings of an attribute, in millionths: the latest of each user within 180 days, in sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeCounts {
    /// Users who rated it in full.
    pub users: u64,
    /// Importance.
    pub importance: i64,
    /// Own rating.
    pub own: i64,
    /// The competitor's.
    pub theirs: i64,
}

/// What a departure says of whether its user can be won back, in the order that they are counted in.
pub const RECOVERABLE: [Option<bool>; 3] = [Some(true), Some(false), None];

/// Departures that say the same of whether their users can be won back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departures {
    /// Of the last 180 days.
    pub departures: u64,
    /// Of those of 30 to 120 days ago, the users active within 30 days after.
    pub won_back: Proportion,
}

/// Counts of groups as of a day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Groups {
    /// Departures of the last 180 days by reason and by competitor; an empty text is one that was not told.
    pub reasons: BTreeMap<Box<str>, u64>,
    /// See `reasons`.
    pub competitors: BTreeMap<Box<str>, u64>,
    /// From one competitor to the next that a user of the last 180 days bought from or left to.
    pub flows: BTreeMap<(Box<str>, Box<str>), u64>,
    /// Users active within 30 days after a departure.
    pub won_back: Proportion,
    /// Departures by whether the user was thought to be recoverable, see [`RECOVERABLE`].
    pub recoverable: [Departures; 3],
    /// By attribute.
    pub attributes: BTreeMap<Box<str>, AttributeCounts>,
    /// Users and their days by channel, within `loyalty.view_days`.
    pub channels: BTreeMap<Box<str>, (u64, u64)>,
    /// By channel: users of the days before those, and how many of them did not come by it again.
    pub channel_exits: BTreeMap<Box<str>, Proportion>,
    /// Orders of 90 days by channel.
    pub channel_orders: BTreeMap<Box<str>, u64>,
    /// Users, referrals sent, converted.
    pub referrals: [u64; 3],
    /// Of 30 days: active user-days, interactions with peers, referrals sent.
    pub spread: [u64; 3],
    /// Users active in 30 days, and those of them who met a peer or sent a referral.
    pub spreaders: Proportion,
    /// Buyers by category, and by pair of categories in the order of their names.
    pub categories: BTreeMap<Box<str>, u64>,
    /// See `categories`.
    pub pairs: BTreeMap<(Box<str>, Box<str>), u64>,
    /// Buyers of whom a category is known, and those of them who bought in two or more.
    pub cross_buyers: Proportion,
    /// Buyers, and those with more than one order.
    pub buyers: [u64; 2],
    /// Net revenue of all.
    pub revenue: Money,
    /// Money spent to acquire, retain, serve.
    pub costs: [Money; 3],
    /// Responses to rises of prices, offers of competitors, failures.
    pub responses: [Response; 3],
}

impl Groups {
    /// Adds those of another part of the population.
    pub fn absorb(&mut self, other: &Self) {
        add_all(&mut self.reasons, &other.reasons);
        add_all(&mut self.competitors, &other.competitors);
        add_all(&mut self.flows, &other.flows);
        add_all(&mut self.categories, &other.categories);
        add_all(&mut self.pairs, &other.pairs);
        add_all(&mut self.channel_orders, &other.channel_orders);
        for (channel, exits) in &other.channel_exits {
            self.channel_exits.entry(channel.clone()).or_default().absorb(exits);
        }
        self.won_back.absorb(&other.won_back);
        for (known, more) in self.recoverable.iter_mut().zip(&other.recoverable) {
            known.departures += more.departures;
            known.won_back.absorb(&more.won_back);
        }
        self.cross_buyers.absorb(&other.cross_buyers);
        self.spreaders.absorb(&other.spreaders);
        for (known, more) in self.spread.iter_mut().zip(other.spread) {
            *known += more;
        }
        for (name, counts) in &other.attributes {
            let known = self.attributes.entry(name.clone()).or_default();
            known.users += counts.users;
            known.importance += counts.importance;
            known.own += counts.own;
            known.theirs += counts.theirs;
        }
        for (name, (users, days)) in &other.channels {
            let known = self.channels.entry(name.clone()).or_default();
            *known = (known.0 + users, known.1 + days);
        }
        for (known, more) in self.referrals.iter_mut().zip(other.referrals).chain(self.buyers.iter_mut().zip(other.buyers)) {
            *known += more;
        }
        self.revenue += other.revenue;
        for (known, more) in self.costs.iter_mut().zip(other.costs) {
            *known += more;
        }
        for (known, more) in self.responses.iter_mut().zip(&other.responses) {
            known.absorb(more);
        }
    }

    pub(super) fn count(&mut self, whole: &Habit, day: Day, settings: &LoyaltySettings) {
        self.referrals[0] += 1;
        self.count_spread(whole, day);
        let Some(rare) = whole.rare.as_deref() else { return };
        self.count_orders(rare, day, settings);
        self.count_departures(whole, rare, day);
        self.count_flows(rare, day);
        self.count_attributes(rare, day);
        self.referrals[2] += rare.referrals.count();
        let Some(loyalty) = rare.loyalty.as_ref() else { return };
        let totals = loyalty.facts.totals();
        self.referrals[1] += totals.referrals_sent;
        for (known, more) in self.costs.iter_mut().zip(totals.costs) {
            *known += more;
        }
        let from = day - (i32::from(settings.view_days) - 1);
        for (channel, days) in loyalty.views.channels_between(from, day) {
            let known = self.channels.entry(channel.into()).or_default();
            *known = (known.0 + 1, known.1 + days);
        }
        let length = i32::from(settings.view_days).min(LONGEST_EXIT_DAYS);
        let (still, before) = (day - (length - 1), day - (2 * length - 1));
        for (channel, _) in loyalty.views.channels_between(before, still - 1) {
            let is_left = loyalty.views.channels_between(still, day).all(|(used, _)| used != channel);
            self.channel_exits.entry(channel.into()).or_default().count(is_left);
        }
    }

    fn count_orders(&mut self, rare: &Rare, day: Day, settings: &LoyaltySettings) {
        let (orders, revenue) = rare.purchases.standing_total();
        self.buyers[0] += u64::from(orders > 0);
        self.buyers[1] += u64::from(orders > 1);
        self.revenue += revenue;
        for order in rare.purchases.standing().iter().filter(|order| (0..ORDER_DAYS).contains(&day.days_since(order.day))) {
            if let Some(details) = order.details.as_deref().filter(|details| !details.channel.is_empty()) {
                *self.channel_orders.entry(details.channel.clone()).or_default() += 1;
            }
        }
        let categories: BTreeSet<&str> = rare.purchases.category_names().collect();
        if !categories.is_empty() {
            self.cross_buyers.count(categories.len() > 1);
        }
        for (at, category) in categories.iter().enumerate() {
            *self.categories.entry((*category).into()).or_default() += 1;
            for other in categories.iter().take(PAIRED_CATEGORIES).skip(at + 1).filter(|_| at < PAIRED_CATEGORIES) {
                *self.pairs.entry(((*category).into(), (*other).into())).or_default() += 1;
            }
        }
        if let Some(loyalty) = &rare.loyalty {
            let responses = loyalty.occasions.responses(rare.purchases.standing(), day, i32::from(settings.response_days));
            for (known, more) in self.responses.iter_mut().zip(&responses) {
                known.absorb(more);
            }
        }
    }

    fn count_departures(&mut self, whole: &Habit, rare: &Rare, day: Day) {
        for fact in rare.loyalty.iter().flat_map(|loyalty| loyalty.facts.between(day - (FACT_DAYS - 1), day)) {
            let What::Departure { reason, competitor, recoverable } = &fact.what else { continue };
            let alike = &mut self.recoverable[recoverable.map_or(2, |recoverable| usize::from(!recoverable))];
            alike.departures += 1;
            *self.reasons.entry(reason.clone()).or_default() += 1;
            *self.competitors.entry(competitor.clone()).or_default() += 1;
            if is_judged(fact.at.day, day) {
                let is_back = stayed(whole, fact.at.day);
                self.won_back.count(is_back);
                alike.won_back.count(is_back);
            }
        }
    }

    /// Where users go who have left or buy elsewhere: each step from one competitor to another counts.
    fn count_flows(&mut self, rare: &Rare, day: Day) {
        let facts = rare.loyalty.iter().flat_map(|loyalty| loyalty.facts.between(day - (FACT_DAYS - 1), day));
        let stops = facts.filter_map(|fact| match &fact.what {
            What::CompetitorPurchase { competitor, .. } | What::Departure { competitor, .. } => Some(competitor),
            _ => None,
        });
        let stops: Vec<&Box<str>> = stops.filter(|competitor| !competitor.is_empty()).collect();
        for step in stops.windows(2).filter(|step| step[0] != step[1]) {
            *self.flows.entry((step[0].clone(), step[1].clone())).or_default() += 1;
        }
    }

    fn count_spread(&mut self, whole: &Habit, day: Day) {
        let active = whole.activity.days_in(day, SPREAD_DAYS);
        let loyalty = whole.rare.as_deref().and_then(|rare| rare.loyalty.as_ref());
        let facts = || loyalty.iter().flat_map(|loyalty| loyalty.facts.between(day - (SPREAD_DAYS - 1), day));
        let met = facts().filter(|fact| matches!(fact.what, What::Social(_))).count() as u64;
        let sent = facts().filter(|fact| fact.what == What::ReferralSent).count() as u64;
        for (known, more) in self.spread.iter_mut().zip([active.into(), met, sent]) {
            *known += more;
        }
        if active > 0 {
            self.spreaders.count(met + sent > 0);
        }
    }

    fn count_attributes(&mut self, rare: &Rare, day: Day) {
        let mut latest: BTreeMap<&str, (i64, i64, i64)> = BTreeMap::new();
        for fact in rare.loyalty.iter().flat_map(|loyalty| loyalty.facts.between(day - (FACT_DAYS - 1), day)) {
            if let What::Attribute { name, importance: Some(importance), rating: Some(own), competitor_rating: Some(theirs) } = &fact.what {
                latest.insert(name, (*importance, *own, *theirs));
            }
        }
        for (name, (importance, own, theirs)) in latest {
            let known = self.attributes.entry(name.into()).or_default();
            known.users += 1;
            known.importance += importance;
            known.own += own;
            known.theirs += theirs;
        }
    }
}

fn add_all<K: Clone + Ord>(sums: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
    for (key, count) in more {
        *sums.entry(key.clone()).or_default() += count;
    }
}
