//! Insights of how users come to buy, as JSON.

use serde_json::{Value, json};

use super::groups::per;
use super::proportion;
use crate::engine::insights::{CAMPAIGN_DAYS, Intermediary, STAY_DAYS, Side, Times, Trade};
use crate::model::compare::of_counted_means;
use crate::model::insights::response::odds_ratio;
use crate::model::money::Money;

/// Weeks of the orders through intermediaries, of 90 days.
const WEEKS: f64 = 90.0 / 7.0;
/// Shares of buyers whose times are told.
const SHARES: [(&str, f64); 5] = [("p10", 0.1), ("p25", 0.25), ("p50", 0.5), ("p75", 0.75), ("p90", 0.9)];

/// Orders, margin and workload of each intermediary.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn intermediaries(trade: &Trade) -> Value {
    let orders: u64 = trade.intermediaries.values().map(|known| known.orders).sum();
    let one = |name: &str, known: &Intermediary| {
        let (margin, revenue) = (known.margin.as_f64(), known.costed_revenue.as_f64());
        json!({
            "intermediary": name, "orders_90d": known.orders, "order_share": per(known.orders as f64, orders), "users": known.users,
            "revenue": known.revenue.as_f64(), "orders_with_cost": known.costed, "margin": (known.costed > 0).then_some(margin),
            "margin_share": (revenue > 0.0).then(|| margin / revenue),
            "orders_per_week": known.orders as f64 / WEEKS, "complaints": known.complaints,
            "complaints_per_order": per(known.complaints as f64, known.orders),
        })
    };
    trade.intermediaries.iter().map(|(name, known)| one(name, known)).collect()
}

/// How long buyers decide, and wait.
pub(super) fn decisions(trade: &Trade) -> Value {
    let one = |times: &Times| {
        let mut told = json!({ "buyers": times.users() });
        for (name, share) in SHARES {
            told[name] = json!(times.quantile(share));
        }
        told
    };
    json!({ "decision_s": one(&trade.decisions), "wait_s": one(&trade.waits) })
}

/// Whether users leave who look at competitors.
pub(super) fn competitor_interest(trade: &Trade) -> Value {
    let [without, with] = &trade.interest;
    let odds = odds_ratio(with, without);
    json!({
        "days": STAY_DAYS, "left_with_views": proportion(with), "left_without": proportion(without),
        "odds_ratio": odds.map(|(ratio, _)| ratio), "low": odds.map(|(_, interval)| interval.0), "high": odds.map(|(_, interval)| interval.1),
    })
}

/// Orders that campaigns add for what their rewards cost: users who were exposed against those held out.
pub(super) fn campaigns(trade: &Trade) -> Value {
    trade.campaigns.iter().map(|(name, sides)| campaign(name, sides)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn campaign(name: &str, sides: &[Side; 2]) -> Value {
    let [exposed, held_out] = sides;
    let users = |side: &Side| side.orders.values().sum::<u64>();
    let orders = |side: &Side| side.orders.iter().map(|(orders, users)| orders * users).sum::<u64>();
    let told = |side: &Side| {
        let (users, orders, rewards) = (users(side), orders(side), side.rewards);
        json!({ "users": users, "orders": orders, "orders_per_user": per(orders as f64, users), "reward_amount": Money::as_f64(rewards) })
    };
    // The second less the first.
    let difference = of_counted_means(&held_out.orders, &exposed.orders);
    let (low, high) = difference.and_then(|difference| difference.interval).unzip();
    let cost = |side: &Side| per(side.rewards.as_f64(), users(side));
    let spent = cost(exposed).zip(cost(held_out)).map(|(exposed, held_out)| exposed - held_out).filter(|spent| *spent > 0.0);
    let for_cost = |orders: Option<f64>| orders.zip(spent).map(|(orders, spent)| orders / spent);
    let incremental = difference.map(|difference| difference.difference);
    json!({
        "campaign": name, "days": CAMPAIGN_DAYS, "exposed": told(exposed), "held_out": told(held_out),
        "incremental_orders_per_user": incremental, "low": low, "high": high,
        "reward_cost_per_user": spent, "incremental_orders_per_reward_cost": for_cost(incremental),
        "per_reward_cost_low": for_cost(low), "per_reward_cost_high": for_cost(high),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(orders: &[(u64, u64)], rewards: i128) -> Side {
        Side { orders: orders.iter().copied().collect(), rewards: Money::from_millionths(rewards * 1_000_000) }
    }

    #[test]
    fn orders_that_rewards_were_planted_to_add_are_recovered() {
        // Of 400 exposed users half order once more than those held out; each reward is worth 2.
        let sides = [side(&[(1, 200), (2, 200)], 800), side(&[(1, 390), (0, 5), (2, 5)], 0)];
        let told = campaign("spring", &sides);
        let number = |key: &str| told[key].as_f64().expect("a number");
        assert_eq!((number("incremental_orders_per_user"), number("incremental_orders_per_reward_cost")), (0.5, 0.25));
        assert!(number("low") > 0.4 && number("high") < 0.6, "{told}");
        assert!((number("per_reward_cost_low") - number("low") / 2.0).abs() < 1e-12);
        let without = campaign("spring", &[side(&[(1, 200)], 800), Side::default()]);
        assert_eq!(without["incremental_orders_per_user"], Value::Null, "nobody was held out");
    }

    #[test]
    fn times_by_share_of_buyers() {
        let mut trade = Trade::default();
        assert_eq!(decisions(&trade)["decision_s"]["p50"], Value::Null);
        for minutes in 1..=100 {
            trade.decisions.count(f64::from(minutes) * 60.0);
        }
        let median = decisions(&trade)["decision_s"]["p50"].as_f64().expect("a time");
        assert!((median / 3_000.0 - 1.0).abs() < 0.01, "{median}");
        let longer = trade.decisions.longer(600.0).expect("buyers");
        assert!((longer - 0.9).abs() < 0.01, "nine in ten take longer than ten minutes: {longer}");
    }
}
