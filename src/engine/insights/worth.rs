//! Profit of buyers, money spent on users by what they bring, and how soon they bring back what it cost to acquire them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::habit::{Habit, Rare};
use crate::model::insights::survival::Survival;
use crate::model::money::Money;
use crate::model::time::Day;

/// Days of the first orders of which it is told how soon the cost to acquire their buyers came back: orders are remembered one by one for so long under any settings.
pub const PAYBACK_DAYS: i32 = 120;

/// Users of the same revenue, and money spent on them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// How many.
    pub users: u64,
    /// To acquire, retain, serve.
    pub costs: [Money; 3],
}

/// Counts as of a day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Worth {
    /// By net revenue; `None` is everyone without an order on whom money was spent.
    pub spent: BTreeMap<Option<Money>, Spent>,
    /// Buyers by profit: net money less cost of the orders that tell it, less money booked for the user. Without any such order it is not known.
    pub profits: BTreeMap<Money, u64>,
    /// Days from the first order until margins have brought back what it cost to acquire the buyer; without buyers with an order until then of which no cost is known.
    pub payback: Survival,
    /// Those buyers who are left out of it.
    pub payback_unknown: u64,
}

impl Worth {
    /// Adds those of another part of the population.
    pub fn absorb(&mut self, other: &Self) {
        for (revenue, spent) in &other.spent {
            let known = self.spent.entry(*revenue).or_default();
            known.users += spent.users;
            for (known, more) in known.costs.iter_mut().zip(spent.costs) {
                *known += more;
            }
        }
        for (profit, users) in &other.profits {
            *self.profits.entry(*profit).or_default() += users;
        }
        self.payback.absorb(&other.payback);
        self.payback_unknown += other.payback_unknown;
    }

    pub(super) fn count(&mut self, whole: &Habit, day: Day, return_days: i32) {
        let Some(rare) = whole.rare.as_deref() else { return };
        let costs = rare.loyalty.as_ref().map_or([Money::ZERO; 3], |loyalty| loyalty.facts.totals().costs);
        let (orders, revenue) = rare.purchases.standing_total();
        if orders > 0 || costs != [Money::ZERO; 3] {
            let spent = self.spent.entry((orders > 0).then_some(revenue)).or_default();
            spent.users += 1;
            for (known, more) in spent.costs.iter_mut().zip(costs) {
                *known += more;
            }
        }
        let (told, margin) = rare.purchases.margin(return_days);
        if told > 0 {
            *self.profits.entry(margin - costs.into_iter().sum::<Money>()).or_default() += 1;
        }
        self.count_payback(rare, costs[0], (day, return_days));
    }

    fn count_payback(&mut self, rare: &Rare, cost: Money, (day, return_days): (Day, i32)) {
        let first = rare.purchases.first_days()[0].filter(|first| (0..=PAYBACK_DAYS).contains(&day.days_since(*first)));
        let Some(first) = first.filter(|_| cost > Money::ZERO) else { return };
        let mut earned = Money::ZERO;
        for order in rare.purchases.standing().iter().filter(|order| order.day <= day) {
            // What it earned is not known, so neither is when the cost came back.
            let Some(own) = order.details.as_deref().and_then(|details| details.cost) else {
                self.payback_unknown += 1;
                return;
            };
            earned += rare.purchases.net(order, return_days).unwrap_or_default() - own;
            if earned >= cost {
                return self.payback.count(order.day.days_since(first), true);
            }
        }
        self.payback.count(day.days_since(first), false);
    }
}
