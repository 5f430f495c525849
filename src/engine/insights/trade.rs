//! Counts of how users come to buy: through whom, how long they decide and wait, and what campaigns with rewards add.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::habit::{Habit, Rare};
use super::super::loyalty::decision_s_mean;
use super::{REMEMBERED_DAYS, STAY_DAYS};
use crate::model::insights::proportion::Proportion;
use crate::model::loyalty::Loyalty;
use crate::model::loyalty::facts::What;
use crate::model::loyalty::settings::LoyaltySettings;
use crate::model::money::Money;
use crate::model::time::Day;

/// Days of orders through intermediaries, and of products that buyers take.
pub const ORDER_DAYS: i32 = 90;
/// Days after an order within which a complaint of its user is work for the intermediary.
const COMPLAINT_DAYS: i32 = 30;
/// Days from an exposure on of which orders and rewards are counted.
pub const CAMPAIGN_DAYS: i32 = 30;
/// Names of arms whose users are held out.
pub const HELD_OUT: [&str; 3] = ["control", "held_out", "holdout"];
/// Steps of a factor of e that times are told apart by: about a hundredth each.
const STEPS: f64 = 100.0;

/// What comes through one intermediary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intermediary {
    /// Orders.
    pub orders: u64,
    /// Whose.
    pub users: u64,
    /// Their net money.
    pub revenue: Money,
    /// Orders that tell their cost.
    pub costed: u64,
    /// Net money of those, in sum.
    pub costed_revenue: Money,
    /// Net money less cost of those, in sum.
    pub margin: Money,
    /// Complaints of users within 30 days after an order.
    pub complaints: u64,
}

/// Users of one side of a campaign.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Users by orders on the days from their exposure on.
    pub orders: BTreeMap<u64, u64>,
    /// What rewards redeemed on these days were worth.
    pub rewards: Money,
}

/// Users by a time in seconds, in steps of a hundredth.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times(pub BTreeMap<i32, u64>);

impl Times {
    /// The step of a time.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the logarithm of a double is below 710")]
    pub fn step(seconds: f64) -> i32 {
        (seconds.max(0.0).ln_1p() * STEPS).round() as i32
    }

    /// The seconds in the middle of a step.
    #[must_use]
    pub fn seconds(step: i32) -> f64 {
        (f64::from(step) / STEPS).exp_m1()
    }

    /// Counts a user.
    pub fn count(&mut self, seconds: f64) {
        *self.0.entry(Self::step(seconds)).or_default() += 1;
    }

    /// How many users there are.
    #[must_use]
    pub fn users(&self) -> u64 {
        self.0.values().sum()
    }

    /// The time below which a share of the users are, to a hundredth; `None` of nobody.
    #[must_use]
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are far below 2^53")]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = ((self.users() as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let step = self.0.iter().find(|(_, users)| {
            seen += **users;
            seen >= wanted
        });
        step.map(|(step, _)| Self::seconds(*step))
    }

    /// The share of users whose time is longer, half of those whose time is the same; `None` of nobody.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn longer(&self, seconds: f64) -> Option<f64> {
        let step = Self::step(seconds);
        let above: u64 = self.0.range(step + 1..).map(|(_, users)| users).sum();
        let same = self.0.get(&step).copied().unwrap_or_default();
        let users = self.users();
        (users > 0).then(|| (above as f64 + same as f64 / 2.0) / users as f64)
    }

    fn absorb(&mut self, other: &Self) {
        for (step, users) in &other.0 {
            *self.0.entry(*step).or_default() += users;
        }
    }
}

/// How much of one product buyers take, of orders of 90 days whose lines tell products and quantities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depth {
    /// Buyers.
    pub users: u64,
    /// Their distinct products, in sum.
    pub products: u64,
    /// Millionths of units of these.
    pub units: i128,
}

/// Counts as of a day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trade {
    /// Orders of 90 days by intermediary, without those that name none.
    pub intermediaries: BTreeMap<Box<str>, Intermediary>,
    /// By campaign: users by their first exposure of 30 to 120 days ago, exposed and held out. Users of both within these days are in neither.
    pub campaigns: BTreeMap<Box<str>, [Side; 2]>,
    /// Users active in the thirty days before the last thirty, without and with a view of a competitor then: those of them who were not active since.
    pub interest: [Proportion; 2],
    /// Buyers by the geometric mean of their decision times.
    pub decisions: Times,
    /// Buyers by the mean time that they waited for an order.
    pub waits: Times,
    /// How much of one product buyers take.
    pub depth: Depth,
}

impl Trade {
    /// Adds those of another part of the population.
    pub fn absorb(&mut self, other: &Self) {
        for (name, more) in &other.intermediaries {
            let known = self.intermediaries.entry(name.clone()).or_default();
            known.orders += more.orders;
            known.users += more.users;
            known.revenue += more.revenue;
            known.costed += more.costed;
            known.costed_revenue += more.costed_revenue;
            known.margin += more.margin;
            known.complaints += more.complaints;
        }
        for (campaign, sides) in &other.campaigns {
            for (known, more) in self.campaigns.entry(campaign.clone()).or_default().iter_mut().zip(sides) {
                for (orders, users) in &more.orders {
                    *known.orders.entry(*orders).or_default() += users;
                }
                known.rewards += more.rewards;
            }
        }
        for (known, more) in self.interest.iter_mut().zip(&other.interest) {
            known.absorb(more);
        }
        self.decisions.absorb(&other.decisions);
        self.waits.absorb(&other.waits);
        self.depth.users += other.depth.users;
        self.depth.products += other.depth.products;
        self.depth.units += other.depth.units;
    }

    pub(super) fn count(&mut self, whole: &Habit, day: Day, (settings, return_days): (&LoyaltySettings, i32)) {
        self.count_interest(whole, day);
        let Some(rare) = whole.rare.as_deref() else { return };
        self.count_intermediaries(rare, day, return_days);
        self.count_depth(rare, day);
        let nothing = Loyalty::default();
        let loyalty = rare.loyalty.as_ref().unwrap_or(&nothing);
        if let Some(seconds) = decision_s_mean(&rare.purchases, loyalty, settings) {
            self.decisions.count(seconds);
        }
        if let Some(seconds) = rare.purchases.wait_s_mean() {
            self.waits.count(seconds);
        }
        self.count_campaigns(rare, loyalty, day);
    }

    fn count_interest(&mut self, whole: &Habit, day: Day) {
        let (from, through) = (day - (2 * STAY_DAYS - 1), day - STAY_DAYS);
        if whole.activity.days.count_between(from, through) == 0 {
            return;
        }
        let loyalty = whole.rare.as_deref().and_then(|rare| rare.loyalty.as_ref());
        let mut facts = loyalty.iter().flat_map(|loyalty| loyalty.facts.between(from, through));
        let is_interested = facts.any(|fact| fact.what == What::CompetitorViewed);
        self.interest[usize::from(is_interested)].count(whole.activity.days.count_between(through + 1, day) == 0);
    }

    fn count_depth(&mut self, rare: &Rare, day: Day) {
        let mut products: BTreeMap<&str, i128> = BTreeMap::new();
        let orders = rare.purchases.standing_from(day - (ORDER_DAYS - 1)).iter().filter(|order| order.day <= day);
        for details in orders.filter_map(|order| order.details.as_deref()) {
            for (item, units) in details.items.iter().zip(&details.units).filter(|(_, units)| **units > 0) {
                *products.entry(item).or_default() += i128::from(*units);
            }
        }
        self.depth.users += u64::from(!products.is_empty());
        self.depth.products += products.len() as u64;
        self.depth.units += products.values().sum::<i128>();
    }

    fn count_intermediaries(&mut self, rare: &Rare, day: Day, return_days: i32) {
        let mut served: BTreeMap<&str, Vec<Day>> = BTreeMap::new();
        for order in rare.purchases.standing_from(day - (ORDER_DAYS - 1)).iter().filter(|order| order.day <= day) {
            let Some(details) = order.details.as_deref().filter(|details| !details.intermediary.is_empty()) else { continue };
            served.entry(&details.intermediary).or_default().push(order.day);
            let known = self.intermediaries.entry(details.intermediary.clone()).or_default();
            let net = rare.purchases.net(order, return_days).unwrap_or_default();
            known.orders += 1;
            known.revenue += net;
            if let Some(cost) = details.cost {
                known.costed += 1;
                known.costed_revenue += net;
                known.margin += net - cost;
            }
        }
        if served.is_empty() {
            return;
        }
        let complaints: Vec<Day> = rare.complaints.all().iter().map(|complaint| complaint.opening.at.day).collect();
        for (name, days) in served {
            let follows = |at: &&Day| **at <= day && days.iter().any(|order| (0..=COMPLAINT_DAYS).contains(&at.days_since(*order)));
            let known = self.intermediaries.entry(name.into()).or_default();
            known.users += 1;
            known.complaints += complaints.iter().filter(follows).count() as u64;
        }
    }

    fn count_campaigns(&mut self, rare: &Rare, loyalty: &Loyalty, day: Day) {
        let mut sides: BTreeMap<&str, [Option<Day>; 2]> = BTreeMap::new();
        // What came before does not matter: of a campaign that goes on week by week, the first exposure ever would be too old soon.
        for fact in loyalty.facts.between(day - REMEMBERED_DAYS, day - STAY_DAYS) {
            if let What::Exposure { campaign, arm } = &fact.what {
                let first = &mut sides.entry(campaign).or_default()[usize::from(HELD_OUT.contains(&&**arm))];
                *first = first.or(Some(fact.at.day));
            }
        }
        for (campaign, sides) in sides {
            let (side, first) = match sides {
                [Some(exposed), None] => (0, exposed),
                [None, Some(held_out)] => (1, held_out),
                _ => continue,
            };
            let last = first + (CAMPAIGN_DAYS - 1);
            let orders = rare.purchases.standing_from(first).iter().filter(|order| order.day <= last).count() as u64;
            let redeemed =
                loyalty.facts.between(first, last).filter_map(|fact| if let What::Reward(amount) = fact.what { amount } else { None });
            let known = &mut self.campaigns.entry(campaign.into()).or_default()[side];
            *known.orders.entry(orders).or_default() += 1;
            known.rewards += redeemed.sum::<Money>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten of a second, five of ten, one of a hundred: the times of eight, ten, eleven, fifteen and sixteen of sixteen.
    #[test]
    fn a_quantile_is_the_time_that_so_many_have_reached() {
        let mut times = Times::default();
        for (users, seconds) in [(10, 1.0), (5, 10.0), (1, 100.0)] {
            (0..users).for_each(|_| times.count(seconds));
        }
        for (share, seconds) in [(0.0, 1.0), (0.5, 1.0), (0.625, 1.0), (0.63, 10.0), (0.9375, 10.0), (0.94, 100.0), (1.0, 100.0)] {
            let found = times.quantile(share).expect("users");
            assert!((found / seconds - 1.0).abs() < 0.01, "{found} of {share}");
        }
        assert_eq!((times.users(), Times::default().quantile(0.5)), (16, None));
    }
}
