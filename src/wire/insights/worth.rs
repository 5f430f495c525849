//! Insights of profit and of money spent on users, as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::groups::per;
use crate::engine::insights::{Insights, PAYBACK_DAYS, Spent, Worth};
use crate::model::insights::rfm::top_shares;
use crate::model::money::Money;

/// Parts of the buyers, of which the best one is told of.
const FIFTHS: u64 = 5;

pub(super) fn economics(insights: &Insights) -> Value {
    let groups = &insights.groups;
    let [acquire, retain, serve] = groups.costs.map(Money::as_f64);
    let [buyers, repeat] = groups.buyers;
    let (acquired, retained) = (per(acquire, buyers), per(retain, repeat));
    let ratio = acquired.zip(retained).filter(|(_, retained)| *retained > 0.0).map(|(acquired, retained)| acquired / retained);
    json!({
        "buyers": buyers, "repeat_buyers": repeat, "revenue": groups.revenue.as_f64(),
        "cost_acquire": acquire, "cost_retain": retain, "cost_serve": serve,
        "acquire_per_buyer": acquired, "retain_per_repeat_buyer": retained, "acquire_over_retain": ratio,
        "serve_per_buyer": per(serve, buyers),
        "tiers": tiers(insights),
        "payback": payback(&insights.worth),
        // Article E: to acquire costs 5 to 10 times as much as to retain.
        "article": { "acquire_over_retain": [5, 10] },
    })
}

/// Money spent on users by what they bring: fifths of the buyers by net revenue, 5 the highest; `null` is everyone without an order.
fn tiers(insights: &Insights) -> Value {
    let cuts = insights.buyers.tiers();
    let mut tiers: BTreeMap<Option<u8>, (Money, Spent)> = BTreeMap::new();
    for (revenue, spent) in &insights.worth.spent {
        let tier = revenue.and_then(|revenue| cuts.map(|cuts| cuts.of(revenue)));
        let known = tiers.entry(tier).or_default();
        known.0 += Money::from_millionths(revenue.unwrap_or_default().millionths() * i128::from(spent.users));
        known.1.users += spent.users;
        for (known, more) in known.1.costs.iter_mut().zip(spent.costs) {
            *known += more;
        }
    }
    let total = tiers.values().flat_map(|(_, spent)| spent.costs).sum::<Money>().as_f64();
    let one = |(tier, (revenue, spent)): (&Option<u8>, &(Money, Spent))| {
        let [acquire, retain, serve] = spent.costs.map(Money::as_f64);
        let all = spent.costs.into_iter().sum::<Money>().as_f64();
        json!({
            "tier": tier, "users": spent.users, "revenue": revenue.as_f64(),
            "cost_acquire": acquire, "cost_retain": retain, "cost_serve": serve,
            "cost_per_user": per(all, spent.users), "cost_share": (total > 0.0).then(|| all / total),
        })
    };
    tiers.iter().map(one).collect()
}

/// How soon buyers bring back what it cost to acquire them.
fn payback(worth: &Worth) -> Value {
    let curve = worth.payback.curve();
    let points = curve.iter().map(|step| {
        let (low, high) = (1.0 - step.interval.1, 1.0 - step.interval.0);
        json!({ "days": step.days, "at_risk": step.at_risk, "paid_back": step.events, "share": 1.0 - step.without, "low": low, "high": high })
    });
    json!({
        "within_days": PAYBACK_DAYS, "buyers": worth.payback.users(), "paid_back": worth.payback.events(),
        // Left out: an order until then does not tell what it cost.
        "unknown": worth.payback_unknown,
        "median_days": worth.payback.median(), "curve": points.collect::<Vec<_>>(),
    })
}

/// What the best fifth of the buyers whose profit is known brings of all profit.
pub(super) fn profit(insights: &Insights) -> Value {
    let profits = &insights.worth.profits;
    let known: u64 = profits.values().sum();
    let points = top_shares(profits, FIFTHS);
    let of = |at: Option<&(u64, Money, Option<f64>)>| at.filter(|_| known > 0).map(|(_, profit, _)| profit.as_f64());
    json!({
        "buyers": known, "unknown": insights.buyers.users().saturating_sub(known), "profit": of(points.last()),
        "top20_buyers": points.first().map(|(buyers, _, _)| buyers), "top20_profit": of(points.first()),
        "top20_profit_share": points.first().and_then(|(_, _, share)| *share),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(units: i128) -> Money {
        Money::from_millionths(units * 1_000_000)
    }

    #[test]
    fn the_best_fifth_may_bring_more_than_all() {
        let mut insights = Insights::default();
        assert_eq!(profit(&insights)["profit"], Value::Null, "of nobody nothing is known");
        for profit in [100, 20, 10, 0, -30] {
            *insights.worth.profits.entry(units(profit)).or_default() += 1;
        }
        let told = profit(&insights);
        assert_eq!((&told["buyers"], &told["profit"], &told["top20_profit_share"]), (&json!(5), &json!(100.0), &json!(1.0)));
        *insights.worth.profits.entry(units(-50)).or_default() += 1;
        insights.worth.profits.remove(&Money::ZERO);
        assert_eq!(profit(&insights)["top20_profit_share"], json!(2.0), "100 of 50");
    }

    #[test]
    fn spend_that_was_planted_in_a_tier_is_found_there() {
        let mut insights = Insights::default();
        for revenue in 1..=10 {
            insights.buyers.count((1, 1, units(revenue * 10)));
            let cost = if revenue > 8 { 30 } else { 5 };
            let spent = Spent { users: 1, costs: [units(cost), Money::ZERO, Money::ZERO] };
            insights.worth.spent.insert(Some(units(revenue * 10)), spent);
        }
        insights.worth.spent.insert(None, Spent { users: 4, costs: [units(2), Money::ZERO, Money::ZERO] });
        let told = tiers(&insights);
        assert_eq!((&told[0]["tier"], &told[0]["cost_per_user"]), (&Value::Null, &json!(0.5)), "who never bought");
        assert_eq!((&told[5]["tier"], &told[5]["users"], &told[5]["cost_per_user"]), (&json!(5), &json!(2), &json!(30.0)));
        assert_eq!((&told[1]["tier"], &told[1]["cost_per_user"]), (&json!(1), &json!(5.0)));
    }
}
