//! Insights of groups beyond orders and complaints, as JSON.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::proportion;
use crate::engine::insights::{AttributeCounts, Departures, Groups, RECOVERABLE};
use crate::model::insights::proportion::Proportion;
use crate::model::insights::response::interval_of_odds;
use crate::model::loyalty::occasions::Response;

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn per(part: f64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part / whole as f64)
}

pub(super) fn departures(groups: &Groups) -> Value {
    let flow = |((from, to), count): (&(Box<str>, Box<str>), &u64)| json!({ "from": from, "to": to, "count": count });
    let flows: Vec<Value> = groups.flows.iter().map(flow).collect();
    let alike = |(recoverable, counts): (Option<bool>, &Departures)| {
        let recoverable = recoverable.map_or("unknown", |yes| if yes { "yes" } else { "no" });
        json!({ "recoverable": recoverable, "departures": counts.departures, "won_back": proportion(&counts.won_back) })
    };
    let recoverable: Vec<Value> = RECOVERABLE.into_iter().zip(&groups.recoverable).map(alike).collect();
    json!({
        "reasons": groups.reasons, "competitors": groups.competitors, "flows": flows, "won_back": proportion(&groups.won_back),
        "recoverable": recoverable,
    })
}

/// Importance and performance of attributes in four quadrants about their means (Martilla and James 1977), and importance x (competitor's - own rating).
#[expect(clippy::cast_precision_loss, reason = "ratings are small")]
pub(super) fn attributes(groups: &Groups) -> Value {
    let mean = |sum: i64, counts: &AttributeCounts| sum as f64 / 1e6 / counts.users as f64;
    let all: Vec<(&str, u64, [f64; 3])> = groups
        .attributes
        .iter()
        .map(|(name, counts)| {
            let means = [mean(counts.importance, counts), mean(counts.own, counts), mean(counts.theirs, counts)];
            (&**name, counts.users, means)
        })
        .collect();
    let middle = |at: usize| per(all.iter().map(|(_, _, means)| means[at]).sum(), all.len() as u64).unwrap_or_default();
    let (important, good) = (middle(0), middle(1));
    let one = |(name, users, [importance, own, theirs]): &(&str, u64, [f64; 3])| {
        let quadrant = match (*importance >= important, *own >= good) {
            (true, false) => "concentrate",
            (true, true) => "keep",
            (false, false) => "low_priority",
            (false, true) => "overkill",
        };
        json!({
            "attribute": name, "users": users, "importance": importance, "own": own, "competitor": theirs,
            "priority": importance * (theirs - own), "quadrant": quadrant,
        })
    };
    all.iter().map(one).collect()
}

pub(super) fn channels(groups: &Groups) -> Value {
    let names: BTreeSet<&str> =
        groups.channels.keys().chain(groups.channel_exits.keys()).chain(groups.channel_orders.keys()).map(|name| &**name).collect();
    let orders: u64 = groups.channel_orders.values().sum();
    let one = |name: &str| {
        let (users, days) = groups.channels.get(name).copied().unwrap_or_default();
        let ordered = groups.channel_orders.get(name).copied().unwrap_or_default();
        json!({
            "channel": name, "users": users, "user_days": days,
            "exits": proportion(&groups.channel_exits.get(name).copied().unwrap_or_default()),
            "orders_90d": ordered, "order_share": Proportion { part: ordered, whole: orders }.share(),
        })
    };
    names.into_iter().map(one).collect()
}

/// K is invitations per user times their conversion. Interactions and referrals of 30 days are told for each active user of a day.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn virality(groups: &Groups) -> Value {
    let [users, sent, converted] = groups.referrals;
    let [active, met, told] = groups.spread;
    json!({
        "users": users, "referrals_sent": sent, "referrals_converted": converted,
        "conversion": per(converted as f64, sent), "k_factor": per(converted as f64, users).filter(|_| sent > 0),
        "active_user_days_30d": active, "interactions_30d": met, "referrals_sent_30d": told,
        "interactions_per_dau": per(met as f64, active), "referrals_per_dau": per(told as f64, active),
        "spreaders_30d": proportion(&groups.spreaders),
    })
}

/// Odds of an order after over odds of one before, of all users together.
pub(super) fn responses(groups: &Groups) -> Value {
    let one = |response: &Response| {
        let (low, high) = interval_of_odds(response).unzip();
        json!({
            "occasions": response.occasions, "before": response.before, "after": response.after,
            "share_after": response.share(), "odds_ratio": response.odds_ratio(), "low": low, "high": high,
        })
    };
    let [price, offer, quality] = &groups.responses;
    json!({ "price_rise": one(price), "competitor_offer": one(offer), "quality_issue": one(quality) })
}
