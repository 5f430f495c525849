//! Profit and money spent on users, recounted from the set of events.

use stickiness::engine::insights::{PAYBACK_DAYS, Worth};
use stickiness::model::event::{CostKind, Event};
use stickiness::model::money::Money;
use stickiness::model::time::Day;

use super::{Naive, Ordered};

fn cost(order: &Ordered<'_>) -> Option<i128> {
    order.facts.details.as_deref().and_then(|details| details.cost).map(Money::millionths)
}

impl Naive<'_> {
    /// What one user adds to the counts of profit and spend.
    pub(super) fn add_worth(&self, worth: &mut Worth, events: &[&Event<'static>], day: Day) {
        let orders = self.orders(events);
        let costs = [CostKind::Acquire, CostKind::Retain, CostKind::Serve].map(|kind| Self::booked(events, kind).millionths());
        if !orders.is_empty() || costs != [0; 3] {
            let revenue: i128 = orders.iter().map(|order| order.net).sum();
            let spent = worth.spent.entry((!orders.is_empty()).then_some(Money::from_millionths(revenue))).or_default();
            spent.users += 1;
            for (known, more) in spent.costs.iter_mut().zip(costs) {
                *known += Money::from_millionths(more);
            }
        }
        let margins: Vec<i128> = orders.iter().filter_map(|order| Some(order.net - cost(order)?)).collect();
        if !margins.is_empty() {
            let profit = margins.iter().sum::<i128>() - costs.iter().sum::<i128>();
            *worth.profits.entry(Money::from_millionths(profit)).or_default() += 1;
        }
        let Some(first) = orders.first().map(|order| order.day).filter(|first| day.days_since(*first) <= PAYBACK_DAYS) else { return };
        if costs[0] > 0 {
            let known: Vec<i128> = orders.iter().map_while(|order| Some(order.net - cost(order)?)).collect();
            let back = (0..known.len()).find(|through| known[..=*through].iter().sum::<i128>() >= costs[0]);
            if back.is_none() && known.len() < orders.len() {
                worth.payback_unknown += 1;
                return;
            }
            let until = back.map_or(day, |back| orders[back].day);
            worth.payback.count(until.days_since(first), back.is_some());
        }
    }
}
