//! Orders of a user: copies of one order are told apart from orders, returns find their order whichever comes first.

mod joining;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::details::{DetailTotals, Details};
use super::order_times::OrderTimes;
use super::streak::LoyaltyRule;
use super::totals::{Folded, NOTHING_FOLDED};
use crate::model::churn::level::Seen;
use crate::model::money::Money;
use crate::model::seldom::Empty;
use crate::model::time::{Day, EventTime};

/// What an order is known by. The three kinds are separate namespaces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum OrderKey {
    /// Its `order_id`.
    OrderId(Box<str>),
    /// The `event_id` of an order without `order_id`.
    EventId(Box<str>),
    /// A running number, for an order with neither: it stands for itself.
    Alone(u64),
}

/// One order: of its copies, the one with the smallest (time, event id, amount).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Event time.
    pub time: EventTime,
    /// The day of `time`.
    pub day: Day,
    /// What it is known by.
    pub key: OrderKey,
    /// The copy's event id; empty when absent.
    pub event_id: Box<str>,
    /// Money before returns.
    pub amount: Money,
    /// Distinct brands, sorted.
    pub brands: Vec<Box<str>>,
    /// Distinct categories, sorted.
    pub categories: Vec<Box<str>>,
    /// Bought at a discount.
    pub discounted: bool,
    /// Bought with a reward.
    pub rewarded: bool,
    /// Natural logarithm of the decision time in seconds, in units of 10^-15.
    pub decision_log: Option<i64>,
    /// What else its event told.
    pub details: Option<Box<Details>>,
    /// Breakdown segments that it counts in, sorted.
    pub segments: Vec<u32>,
}

impl Order {
    /// Whether this copy stands before another of the same key: the smallest (time, event id, amount) does.
    fn precedes(&self, other: &Self) -> bool {
        (self.time, &self.event_id, self.amount) < (other.time, &other.event_id, other.amount)
    }
}

/// One `order_returned`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Return {
    /// The `order_id` that it names.
    pub order_id: Box<str>,
    /// Event time.
    pub time: EventTime,
    /// The day of `time`.
    pub day: Day,
    /// What is given back; `None` takes back the whole order.
    pub amount: Option<Money>,
    /// What its event is recognised by across the ids of a user; zero when it cannot be.
    pub event: [u8; 16],
}

/// The instant of an event that breaks a streak, with its day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Break {
    /// Event time.
    pub time: EventTime,
    /// The day of `time`.
    pub day: Day,
}

/// Everything about a user's purchases. A user may have very many: nothing here looks at every order for each event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Purchases {
    /// Orders that stand and are remembered one by one, by (time, key).
    orders: Vec<Order>,
    /// Remembered orders that fell, in no order: a smaller copy may stand again.
    fallen: Vec<Order>,
    /// Sorted by order id.
    returns: Vec<Return>,
    /// Sorted, distinct.
    breaks: Vec<Break>,
    /// Net revenue of the orders that stand, folded ones included.
    revenue: Money,
    /// Orders too old to change, as totals.
    folded: Option<Box<Folded>>,
    /// The time of each order in `orders`, once there are many.
    #[serde(skip)]
    times: OrderTimes,
}

impl Empty for Purchases {
    const EMPTY: &'static Self = &Self {
        orders: Vec::new(),
        fallen: Vec::new(),
        returns: Vec::new(),
        breaks: Vec::new(),
        revenue: Money::ZERO,
        folded: None,
        times: OrderTimes(None),
    };
}

/// Orders up to which looking through all is as fast as an index.
const FEW_ORDERS: usize = 32;

/// How one order counts: its day, what is left of it, and its breakdown segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The day of the order.
    pub day: Day,
    /// Money after returns.
    pub net: Money,
    /// Breakdown segments, sorted.
    pub segments: Vec<u32>,
}

impl Purchases {
    /// Whether nothing at all is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty() && self.fallen.is_empty() && self.returns.is_empty() && self.breaks.is_empty() && self.folded().orders == 0
    }

    /// The remembered order of this key, whether it stands or fell.
    #[must_use]
    pub fn order(&self, key: &OrderKey) -> Option<&Order> {
        self.position(key).map(|at| &self.orders[at]).or_else(|| self.fallen.iter().find(|order| order.key == *key))
    }

    fn position(&self, key: &OrderKey) -> Option<usize> {
        if self.times.0.is_none() {
            return self.orders.iter().position(|order| order.key == *key);
        }
        let time = self.times.of(key)?;
        self.orders.binary_search_by(|order| (order.time, &order.key).cmp(&(time, key))).ok()
    }

    /// How the order of this key counts; `None` when it is not remembered or fell.
    #[must_use]
    pub fn counted(&self, key: &OrderKey, return_days: i32) -> Option<Counted> {
        let order = &self.orders[self.position(key)?];
        self.net(order, return_days).map(|net| Counted { day: order.day, net, segments: order.segments.clone() })
    }

    /// Takes in an order, or a copy of one: of copies, the smallest stays.
    pub fn place(&mut self, order: Order, return_days: i32) {
        match self.order(&order.key) {
            Some(known) if !order.precedes(known) => {}
            _ => {
                self.take_out(&order.key, return_days);
                self.put_in(order, return_days);
            }
        }
    }

    /// Takes in a return, which may fell the order that it names.
    pub fn give_back(&mut self, returned: Return, return_days: i32) {
        let key = OrderKey::OrderId(returned.order_id.clone());
        let order = self.take_out(&key, return_days);
        let at = self.returns.partition_point(|known| *known < returned);
        self.returns.insert(at, returned);
        if let Some(order) = order {
            self.put_in(order, return_days);
        }
    }

    fn take_out(&mut self, key: &OrderKey, return_days: i32) -> Option<Order> {
        if let Some(at) = self.position(key) {
            let net = self.net(&self.orders[at], return_days);
            self.revenue -= net.unwrap_or_default();
            self.times.forget(key);
            return Some(self.orders.remove(at));
        }
        let at = self.fallen.iter().position(|order| order.key == *key)?;
        Some(self.fallen.swap_remove(at))
    }

    fn put_in(&mut self, order: Order, return_days: i32) {
        let Some(net) = self.net(&order, return_days) else { return self.fallen.push(order) };
        self.revenue += net;
        let at = self.orders.partition_point(|known| (known.time, &known.key) < (order.time, &order.key));
        if let Some(times) = &mut self.times.0 {
            times.insert(order.key.clone(), order.time);
        }
        self.orders.insert(at, order);
        if self.orders.len() <= FEW_ORDERS {
            self.times = OrderTimes::default();
        } else if self.times.0.is_none() {
            self.times.0 = Some(Box::new(self.orders.iter().map(|order| (order.key.clone(), order.time)).collect()));
        }
    }

    /// Takes in an event that breaks the streak.
    pub fn break_streak(&mut self, at: Break) {
        if let Err(position) = self.breaks.binary_search(&at) {
            self.breaks.insert(position, at);
        }
    }

    /// What is left of an order after its returns, or `None` when it has fallen: a return names no amount, or their positive sum reaches the order's amount.
    /// A return counts when it is dated at or after the order, by at most `return_days` days.
    #[must_use]
    pub fn net(&self, order: &Order, return_days: i32) -> Option<Money> {
        let OrderKey::OrderId(id) = &order.key else { return Some(order.amount) };
        let start = self.returns.partition_point(|returned| returned.order_id < *id);
        let mut sum = Money::ZERO;
        for returned in self.returns[start..].iter().take_while(|returned| returned.order_id == *id) {
            if returned.time < order.time || returned.day.days_since(order.day) > return_days {
                continue;
            }
            sum += returned.amount?;
        }
        let fallen = sum > Money::ZERO && sum >= order.amount;
        (!fallen).then(|| order.amount - sum)
    }

    /// Orders that stand, folded ones included, and their net revenue.
    #[must_use]
    pub fn standing_total(&self) -> (u64, Money) {
        (self.folded().orders + self.orders.len() as u64, self.revenue)
    }

    /// The orders that tell their cost, and their net money less those costs.
    #[must_use]
    pub fn margin(&self, return_days: i32) -> (u64, Money) {
        let folded = &self.folded().details;
        let mut sum = (folded.costed, folded.costed_net - folded.cost);
        for order in &self.orders {
            if let Some(cost) = order.details.as_deref().and_then(|details| details.cost) {
                sum = (sum.0 + 1, sum.1 + self.net(order, return_days).unwrap_or_default() - cost);
            }
        }
        sum
    }

    /// Orders that tell a decision time, or were found to have one when they were folded: how many, and the sum of the natural logarithms in units of 10^-15.
    #[must_use]
    pub fn decisions(&self) -> (u64, i128) {
        let told = self.orders.iter().filter_map(|order| order.decision_log);
        told.fold((self.folded().decisions, self.folded().decision_logs), |(count, sum), log| (count + 1, sum + i128::from(log)))
    }

    /// The mean seconds of the waits that orders tell.
    #[must_use]
    pub fn wait_s_mean(&self) -> Option<f64> {
        let folded = &self.folded().details;
        let mut totals = DetailTotals { waited: folded.waited, wait_ms: folded.wait_ms, ..DetailTotals::default() };
        for wait in self.orders.iter().filter_map(|order| order.details.as_deref()?.wait_ms) {
            totals.waited += 1;
            totals.wait_ms = totals.wait_ms.saturating_add(wait);
        }
        totals.wait_s_mean()
    }

    /// The remembered orders that stand, by time.
    #[must_use]
    pub fn standing(&self) -> &[Order] {
        &self.orders
    }

    /// The remembered orders that stand from `day` on, by time.
    #[must_use]
    pub fn standing_from(&self, day: Day) -> &[Order] {
        &self.orders[self.orders.partition_point(|order| order.day < day)..]
    }

    /// The distinct days from `day` on with an order that stands, everywhere or in a breakdown segment, ascending.
    #[must_use]
    pub fn order_days_from(&self, day: Day, segment: Option<u32>) -> Vec<Day> {
        let mut rest = self.standing_from(day);
        let mut days = Vec::new();
        while let Some(first) = rest.first() {
            let (same, later) = rest.split_at(rest.partition_point(|order| order.day == first.day));
            if same.iter().any(|order| order.counts_in(segment)) {
                days.push(first.day);
            }
            rest = later;
        }
        days
    }

    /// The distinct order days up to and including `day`: first, last, and how many. Days are gone through, not orders.
    #[must_use]
    pub fn seen(&self, day: Day) -> Option<Seen> {
        let mut rest = &self.orders[..self.orders.partition_point(|order| order.day <= day)];
        let last = rest.last().map(|order| order.day).max(self.folded().last_day)?;
        let remembered = rest.first().map(|order| order.day);
        let first = [self.folded().first_day, remembered].into_iter().flatten().min()?;
        let (mut days, mut before) = (self.folded().order_days, self.folded().last_day);
        while let Some(next) = rest.first().map(|order| order.day) {
            days += u32::from(before != Some(next));
            before = Some(next);
            rest = &rest[rest.partition_point(|order| order.day == next)..];
        }
        Some(Seen { first, last, days })
    }

    /// The first order day after `day`.
    #[must_use]
    pub fn first_day_after(&self, day: Day) -> Option<Day> {
        self.standing_from(day + 1).first().map(|order| order.day)
    }

    /// The order days after `day`, each as often as it has orders.
    pub fn order_days_after(&self, day: Day) -> impl Iterator<Item = Day> + '_ {
        self.standing_from(day + 1).iter().map(|order| order.day)
    }

    /// Whether an order of `day` stands and is remembered.
    #[must_use]
    pub fn has_order_on(&self, day: Day) -> bool {
        self.standing_from(day).first().is_some_and(|order| order.day == day)
    }

    /// The time of the last order that stands up to and including `day`.
    #[must_use]
    pub fn last_order_time(&self, day: Day) -> Option<EventTime> {
        let remembered = &self.orders[..self.orders.partition_point(|order| order.day <= day)];
        remembered.last().map(|order| order.time).max(self.folded().last_time)
    }

    /// The events that break streaks, sorted.
    #[must_use]
    pub fn breaks(&self) -> &[Break] {
        &self.breaks
    }

    pub(super) fn folded(&self) -> &Folded {
        self.folded.as_deref().unwrap_or(&NOTHING_FOLDED)
    }

    fn folded_mut(&mut self) -> &mut Folded {
        self.folded.get_or_insert_default()
    }

    /// The day of the first order ever, or of the first in a breakdown segment.
    #[must_use]
    pub fn first_order_day(&self, segment: Option<u32>) -> Option<Day> {
        let folded = match segment {
            None => self.folded().first_day,
            Some(segment) => self.folded().first_day_of_segment.get(&segment).copied(),
        };
        let remembered = self.orders.iter().find(|order| order.counts_in(segment)).map(|order| order.day);
        [folded, remembered].into_iter().flatten().min()
    }

    /// The breakdown segments that any remembered or folded order counts in.
    #[must_use]
    pub fn segments(&self) -> BTreeSet<u32> {
        let remembered = self.orders.iter().flat_map(|order| order.segments.iter().copied());
        remembered.chain(self.folded().first_day_of_segment.keys().copied()).collect()
    }

    /// The categories of orders that stand; some may come several times.
    pub fn category_names(&self) -> impl Iterator<Item = &str> {
        let remembered = self.orders.iter().flat_map(|order| &order.categories);
        self.folded().categories.keys().chain(remembered).map(|category| &**category)
    }

    /// The first three distinct order days.
    #[must_use]
    pub fn first_days(&self) -> [Option<Day>; 3] {
        let mut first = DetailTotals { first_days: self.folded().details.first_days, ..DetailTotals::default() };
        let mut last = self.folded().last_day;
        for order in &self.orders {
            if last != Some(order.day) {
                first.add_day(order.day);
                last = Some(order.day);
            }
            if first.first_days[2].is_some() {
                break;
            }
        }
        first.first_days
    }

    /// Orders that stand, are remembered and tell no decision time, with what `decide` says of each from it and the time of the order before: how many it knows,
    /// and the sum of the natural logarithms in units of 10^-15.
    #[must_use]
    pub fn decided(&self, decide: impl Fn(&Order, Option<EventTime>) -> Option<i64>) -> (u64, i128) {
        let mut before = self.folded().last_time;
        let mut sum = (0, 0);
        for order in &self.orders {
            if let Some(log) = order.decision_log.is_none().then(|| decide(order, before)).flatten() {
                sum = (sum.0 + 1, sum.1 + i128::from(log));
            }
            before = Some(order.time);
        }
        sum
    }

    /// Notes on orders of before `day` what [`Purchases::decided`] counts of them, for they are about to be folded.
    pub fn note_decisions(&mut self, day: Day, decide: impl Fn(&Order, Option<EventTime>) -> Option<i64>) {
        let mut before = self.folded().last_time;
        for order in self.orders.iter_mut().take_while(|order| order.day < day) {
            order.decision_log = order.decision_log.or_else(|| decide(order, before));
            before = Some(order.time);
        }
    }

    /// Folds orders dated before `day` into totals, and forgets returns and breaks of before `day`. To be called only for days that no accepted event can reach any more.
    pub fn fold_before(&mut self, day: Day, return_days: i32, rule: LoyaltyRule) {
        let old = |at: Day| at < day;
        let any = self.orders.first().is_some_and(|order| old(order.day)) || self.breaks.first().is_some_and(|broken| old(broken.day));
        if any {
            self.folded_mut().streak = rule.streak_unlapsed(self, day - 1);
            let end = self.orders.partition_point(|order| old(order.day));
            let folding: Vec<Order> = self.orders.drain(..end).collect();
            for order in &folding {
                self.times.forget(&order.key);
                if let Some(net) = self.net(order, return_days) {
                    self.folded_mut().add(order, net);
                }
            }
        }
        self.fallen.retain(|order| !old(order.day));
        self.returns.retain(|returned| !old(returned.day));
        self.breaks.retain(|broken| !old(broken.day));
    }

    /// Whether anything is remembered of before `day`.
    #[must_use]
    pub fn holds_before(&self, day: Day) -> bool {
        let orders = self.orders.first().map(|order| order.day).into_iter().chain(self.fallen.iter().map(|order| order.day));
        orders
            .chain(self.returns.iter().map(|returned| returned.day))
            .chain(self.breaks.first().map(|broken| broken.day))
            .any(|at| at < day)
    }

    /// Gives back the memory of what was folded or forgotten.
    pub fn shrink(&mut self) {
        self.orders.shrink_to_fit();
        self.fallen.shrink_to_fit();
        self.returns.shrink_to_fit();
        self.breaks.shrink_to_fit();
        if self.orders.is_empty() {
            self.times = OrderTimes::default();
        }
    }
}

impl Order {
    /// Whether the order counts in a segment; `None` is everything.
    #[must_use]
    pub fn counts_in(&self, segment: Option<u32>) -> bool {
        segment.is_none_or(|segment| self.segments.binary_search(&segment).is_ok())
    }
}

#[cfg(test)]
impl Order {
    /// An order that tells nothing but its id, its time and its amount.
    pub(crate) fn bare(id: &str, (time, day): (EventTime, Day), amount: Money) -> Self {
        Self {
            time,
            day,
            key: OrderKey::OrderId(id.into()),
            event_id: "".into(),
            amount,
            brands: vec![],
            categories: vec![],
            discounted: false,
            rewarded: false,
            decision_log: None,
            details: None,
            segments: vec![],
        }
    }
}
