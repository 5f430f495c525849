//! What is remembered of a user day by day: asked for one user at a time, nothing is kept of it.

use std::collections::BTreeSet;

use super::partition::PartitionEngine;
use crate::model::day_set::SPAN;
use crate::model::money::Money;
use crate::model::purchases::OrderKey;
use crate::model::time::{Day, EventTime};

/// The latest days and orders of a user.
#[derive(Clone, Debug, PartialEq)]
pub struct Recent {
    /// The first day of which it is remembered whether the user was active.
    pub from: Option<Day>,
    /// The active days from then on, ascending.
    pub active_days: Vec<Day>,
    /// The orders that stand and are not folded into totals yet, by time.
    pub orders: Vec<RecentOrder>,
    /// Distinct categories of all orders, sorted.
    pub categories: Vec<String>,
}

/// An order that stands.
#[derive(Clone, Debug, PartialEq)]
pub struct RecentOrder {
    /// Its `order_id`, if it had one.
    pub order_id: Option<String>,
    /// When it was placed.
    pub time: EventTime,
    /// The day of that.
    pub day: Day,
    /// Money, net of returns.
    pub amount: Money,
}

impl PartitionEngine {
    /// The latest days and orders of a user under any of its ids. `None` when the id is not known here.
    #[must_use]
    pub fn recent(&self, user_id: &str) -> Option<Recent> {
        let population = &self.state.population;
        let slot = population.find(user_id).filter(|slot| population.moved_to(*slot).is_none())?;
        let whole = population.whole(population.root(slot));
        let days = &whole.activity.days;
        let return_days = self.count_rule().return_days;
        let orders = whole.rare.iter().flat_map(|rare| {
            rare.purchases.standing().iter().filter_map(|order| {
                let order_id = if let OrderKey::OrderId(id) = &order.key { Some(id.to_string()) } else { None };
                Some(RecentOrder { order_id, time: order.time, day: order.day, amount: rare.purchases.net(order, return_days)? })
            })
        });
        let categories: BTreeSet<&str> = whole.rare.iter().flat_map(|rare| rare.purchases.category_names()).collect();
        Some(Recent {
            from: days.newest().zip(whole.activity.first()).map(|(newest, first)| first.max(newest - (SPAN - 1))),
            active_days: days.days().collect(),
            orders: orders.collect(),
            categories: categories.into_iter().map(str::to_owned).collect(),
        })
    }
}
