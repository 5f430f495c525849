//! A user's purchases in numbers: totals over orders, and those that are too old to change.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::details::DetailTotals;
use super::orders::{Order, Purchases};
use crate::model::money::Money;
use crate::model::time::{Day, EventTime};

/// Totals of orders that nothing revises any more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Folded {
    pub(super) orders: u64,
    pub(super) order_days: u32,
    pub(super) revenue: Money,
    pub(super) first_day_revenue: Money,
    pub(super) first_day: Option<Day>,
    pub(super) last_day: Option<Day>,
    pub(super) last_time: Option<EventTime>,
    pub(super) streak: u64,
    pub(super) discounted: u64,
    pub(super) rewarded: u64,
    pub(super) decisions: u64,
    pub(super) decision_logs: i128,
    pub(super) with_brand: u64,
    pub(super) brands: BTreeMap<Box<str>, u64>,
    pub(super) categories: BTreeMap<Box<str>, u64>,
    pub(super) details: DetailTotals,
    /// First order day in each breakdown segment.
    pub(super) first_day_of_segment: BTreeMap<u32, Day>,
}

/// Those of users whose orders can all still change, which are most.
pub(super) static NOTHING_FOLDED: Folded = Folded {
    orders: 0,
    order_days: 0,
    revenue: Money::ZERO,
    first_day_revenue: Money::ZERO,
    first_day: None,
    last_day: None,
    last_time: None,
    streak: 0,
    discounted: 0,
    rewarded: 0,
    decisions: 0,
    decision_logs: 0,
    with_brand: 0,
    brands: BTreeMap::new(),
    categories: BTreeMap::new(),
    details: DetailTotals::NONE,
    first_day_of_segment: BTreeMap::new(),
};

impl Folded {
    /// Adds an order that stands, later than all before, and what is left of its money.
    pub(super) fn add(&mut self, order: &Order, net: Money) {
        self.orders += 1;
        self.revenue += net;
        if self.last_day != Some(order.day) {
            self.order_days += 1;
            self.details.add_day(order.day);
            if let Some(last) = self.last_day {
                self.details.add_gap(order.day.days_since(last));
            }
        }
        self.details.add(order, net);
        let first = *self.first_day.get_or_insert(order.day);
        if first == order.day {
            self.first_day_revenue += net;
        }
        self.last_day = Some(order.day);
        self.last_time = self.last_time.max(Some(order.time));
        self.discounted += u64::from(order.discounted);
        self.rewarded += u64::from(order.rewarded);
        if let Some(log) = order.decision_log {
            self.decisions += 1;
            self.decision_logs += i128::from(log);
        }
        self.with_brand += u64::from(!order.brands.is_empty());
        for brand in &order.brands {
            *self.brands.entry(brand.clone()).or_default() += 1;
        }
        for category in &order.categories {
            *self.categories.entry(category.clone()).or_default() += 1;
        }
        for segment in &order.segments {
            self.first_day_of_segment.entry(*segment).or_insert(order.day);
        }
    }

    /// Adds those of another id of the same user.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.orders += other.orders;
        self.order_days += other.order_days;
        self.revenue += other.revenue;
        let order = |folded: &Self| folded.first_day.map_or(i32::MAX, Day::number);
        match order(self).cmp(&order(other)) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => self.first_day_revenue += other.first_day_revenue,
            std::cmp::Ordering::Greater => self.first_day_revenue = other.first_day_revenue,
        }
        self.first_day = [self.first_day, other.first_day].into_iter().flatten().min();
        self.streak = if other.last_day > self.last_day { other.streak } else { self.streak };
        self.last_day = self.last_day.max(other.last_day);
        self.last_time = self.last_time.max(other.last_time);
        self.discounted += other.discounted;
        self.rewarded += other.rewarded;
        self.decisions += other.decisions;
        self.decision_logs += other.decision_logs;
        self.with_brand += other.with_brand;
        for (brand, count) in &other.brands {
            *self.brands.entry(brand.clone()).or_default() += count;
        }
        for (category, count) in &other.categories {
            *self.categories.entry(category.clone()).or_default() += count;
        }
        self.details.absorb(&other.details);
        for (segment, day) in &other.first_day_of_segment {
            let known = self.first_day_of_segment.entry(*segment).or_insert(*day);
            *known = (*known).min(*day);
        }
    }
}

/// A user's purchases in numbers, as of a day: orders, money and the shares of the profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PurchaseTotals {
    /// Orders that stand.
    pub orders: u64,
    /// Distinct days with an order.
    pub order_days: u32,
    /// Money net of returns.
    pub revenue: Money,
    /// The part of it on the first order day.
    pub first_day_revenue: Money,
    /// First and last order day.
    pub span: Option<(Day, Day)>,
    /// Distinct categories.
    pub categories: u64,
    /// Orders of the commonest brand, and orders with any brand.
    pub brand: Option<(u64, u64)>,
    /// Orders bought at a discount.
    pub discounted: u64,
    /// Orders bought with a reward.
    pub rewarded: u64,
    /// Orders with a decision time, and the sum of its natural logarithms in units of 10^-15.
    pub decisions: (u64, i128),
    /// Orders of each category.
    pub category_counts: Vec<u64>,
    /// What is known of prices, costs and gaps.
    pub details: DetailTotals,
}

/// What of [`PurchaseTotals`] states of loyalty are decided by, with the same meanings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PurchaseHabits {
    /// Orders that stand.
    pub orders: u64,
    /// Orders bought at a discount.
    pub discounted: u64,
    /// Orders bought with a reward.
    pub rewarded: u64,
    /// Orders of the commonest brand, and orders with any brand.
    pub brand: Option<(u64, u64)>,
    /// Distinct categories.
    pub categories: u64,
    /// Coefficient of variation of the gaps between order days.
    pub gap_variation: Option<f64>,
}

impl Purchases {
    /// What states of loyalty are decided by, which closes of days ask for of many users.
    #[must_use]
    pub fn habits(&self) -> PurchaseHabits {
        let (folded, standing) = (self.folded(), self.standing());
        let (mut rhythm, mut last) = (folded.details.rhythm(), folded.last_day);
        let (mut discounted, mut rewarded, mut tells) = (folded.discounted, folded.rewarded, false);
        for order in standing {
            if let Some(before) = last.replace(order.day).filter(|before| *before != order.day) {
                rhythm.add_gap(order.day.days_since(before));
            }
            discounted += u64::from(order.discounted);
            rewarded += u64::from(order.rewarded);
            tells |= !order.brands.is_empty() || !order.categories.is_empty();
        }
        let tells = tells || !folded.brands.is_empty() || !folded.categories.is_empty();
        let (brand, categories) = if tells { self.brands_and_categories() } else { (None, 0) };
        let orders = folded.orders + standing.len() as u64;
        PurchaseHabits { orders, discounted, rewarded, brand, categories, gap_variation: rhythm.variation() }
    }

    /// Orders of the commonest brand with orders of any, and how many categories there are.
    fn brands_and_categories(&self) -> (Option<(u64, u64)>, u64) {
        let folded = self.folded();
        let mut brands: BTreeMap<&str, u64> = folded.brands.iter().map(|(brand, count)| (&**brand, *count)).collect();
        let mut categories: BTreeSet<&str> = folded.categories.keys().map(|category| &**category).collect();
        for order in self.standing() {
            order.brands.iter().for_each(|brand| *brands.entry(brand).or_default() += 1);
            categories.extend(order.categories.iter().map(|category| &**category));
        }
        let with_brand = folded.with_brand + self.standing().iter().filter(|order| !order.brands.is_empty()).count() as u64;
        (brands.values().max().map(|most| (*most, with_brand)), categories.len() as u64)
    }

    /// The totals over every order that stands.
    #[must_use]
    pub fn totals(&self, return_days: i32) -> PurchaseTotals {
        let mut sum = self.folded().clone();
        for order in self.standing() {
            sum.add(order, self.net(order, return_days).unwrap_or_default());
        }
        PurchaseTotals {
            orders: sum.orders,
            order_days: sum.order_days,
            revenue: sum.revenue,
            first_day_revenue: sum.first_day_revenue,
            span: sum.first_day.zip(sum.last_day),
            categories: sum.categories.len() as u64,
            brand: sum.brands.values().max().map(|most| (*most, sum.with_brand)),
            discounted: sum.discounted,
            rewarded: sum.rewarded,
            decisions: (sum.decisions, sum.decision_logs),
            category_counts: sum.categories.values().copied().collect(),
            details: sum.details,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::purchases::OrderKey;

    fn order(day: i32, of: &[&str], (discounted, rewarded): (bool, bool), decision_log: Option<i64>) -> Order {
        Order {
            time: EventTime::from_nanos(i64::from(day) * 86_400_000_000_000),
            day: Day::from_number(day),
            key: OrderKey::OrderId("".into()),
            event_id: "".into(),
            amount: Money::from_millionths(10_000_000),
            brands: of.iter().map(|brand| (*brand).into()).collect(),
            categories: of.iter().map(|brand| format!("{brand}s").into()).collect(),
            discounted,
            rewarded,
            decision_log,
            details: None,
            segments: vec![],
        }
    }

    fn money(units: i128) -> Money {
        Money::from_millionths(units * 1_000_000)
    }

    /// What one id bought on days 3, 3 and 5, and another on days 1, 3 and 9.
    #[test]
    fn orders_of_two_ids_are_added_up() {
        let (mut one, mut other) = (Folded::default(), Folded::default());
        one.add(&order(3, &["a"], (true, false), Some(5)), money(10));
        one.add(&order(3, &["a", "b"], (true, true), Some(7)), money(9));
        one.add(&order(5, &[], (false, true), None), money(8));
        other.add(&order(1, &["b"], (true, false), Some(20)), money(1));
        other.add(&order(3, &["b"], (true, true), None), money(2));
        other.add(&order(9, &["c"], (false, true), Some(30)), money(4));
        assert_eq!((one.orders, one.order_days, one.revenue, one.first_day_revenue), (3, 2, money(27), money(19)));
        assert_eq!((other.orders, other.order_days, other.revenue, other.first_day_revenue), (3, 3, money(7), money(1)));
        one.absorb(&other);
        assert_eq!((one.orders, one.revenue, one.first_day_revenue), (6, money(34), money(1)), "the first day is the other's");
        assert_eq!((one.first_day, one.last_day), (Some(Day::from_number(1)), Some(Day::from_number(9))));
        assert_eq!((one.discounted, one.rewarded, one.with_brand), (4, 4, 5));
        assert_eq!((one.decisions, one.decision_logs), (4, 62));
        let counted = |counts: &BTreeMap<Box<str>, u64>| counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>();
        assert_eq!(counted(&one.brands), ["a 2", "b 3", "c 1"]);
        assert_eq!(counted(&one.categories), ["as 2", "bs 3", "cs 1"]);
    }

    #[test]
    fn money_of_an_equal_first_day_is_added() {
        let (mut one, mut other) = (Folded::default(), Folded::default());
        one.add(&order(3, &[], (false, false), None), money(10));
        other.add(&order(3, &[], (false, false), None), money(5));
        other.add(&order(4, &[], (false, false), None), money(2));
        let mut backwards = other.clone();
        backwards.absorb(&one);
        one.absorb(&other);
        assert_eq!((one.first_day_revenue, backwards.first_day_revenue), (money(15), money(15)));
        let nobody = Folded::default();
        one.absorb(&nobody);
        assert_eq!((one.first_day_revenue, one.first_day), (money(15), Some(Day::from_number(3))), "who bought nothing changes nothing");
    }
}
