//! Insights recounted from the set of events.

use std::collections::BTreeSet;

use stickiness::engine::insights::{Insights, QUICK_DAYS, STAY_DAYS};
use stickiness::model::event::Facts;
use stickiness::model::money::Money;
use stickiness::model::time::Day;

use super::Naive;

impl Naive<'_> {
    /// Insights at the end of `day`, without types, which depend on the log.
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
            for event in events.iter().filter(|event| judged(self.day(event))) {
                if let Facts::Survey(facts) = &event.facts
                    && let Some(score) = facts.satisfaction
                {
                    insights.satisfaction.count((score * 1e6) as i64, stayed(self.day(event)));
                }
            }
        }
        insights
    }
}
