//! Made-up users, counted day by day.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use stickiness::model::time::Day;

pub(crate) const DAYS: usize = 120;
const USERS: usize = 2400;

/// A number from 0 to 1 that looks random, the same each time.
fn chance(seed: u64) -> f64 {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    x = (x ^ (x >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^= x >> 29;
    (x >> 11) as f64 / (1_u64 << 53) as f64
}

/// Some number below `most` that looks random, the same each time.
fn some(index: usize, salt: u64, most: usize) -> usize {
    (chance(index as u64 * 977 + salt * 7_368_787) * most as f64) as usize
}

/// Who is active on which day: users come over time, each with a habit of their own, less on weekends.
fn activity(seed: u64) -> Vec<Vec<bool>> {
    let share = [1.0, 0.62, 0.45][seed as usize % 3];
    let users = (0..(USERS as f64 * share) as u64).map(|user| user * 7919 + seed * 1_000_003);
    let days = |user: u64| {
        let (start, habit) = ((chance(user) * 150.0 - 45.0) as i64, chance(user + 1).powi(2) * 0.75 + 0.03);
        let life = 20.0 + chance(user + 2) * 260.0;
        let is_active = move |day: i64| {
            let weekend = if day % 7 >= 5 { 0.7 } else { 1.0 };
            let today = if day == DAYS as i64 - 1 { 0.55 } else { 1.0 };
            day >= start && ((day - start) as f64) < life && chance(user * 400 + day as u64 + 50) < habit * weekend * today
        };
        (0..DAYS as i64).map(is_active).collect()
    };
    users.map(days).collect()
}

pub(crate) fn figures(segment: &str, newest: Day, seed: u64) -> BTreeMap<Day, Arc<str>> {
    let users = activity(seed);
    let day = |index: usize| newest + (index as i32 + 1 - DAYS as i32);
    (0..DAYS).map(|index| (day(index), Arc::from(record(segment, day(index), index, &users).to_string()))).collect()
}

fn ratio(part: usize, whole: usize) -> Value {
    if whole == 0 { Value::Null } else { json!(part as f64 / whole as f64) }
}

fn record(segment: &str, day: Day, index: usize, users: &[Vec<bool>]) -> Value {
    let active = |days: &[bool], from: i64, to: i64| (from.max(0)..=to).any(|day| days[day as usize]);
    let today = index as i64;
    let count = |length: i64| users.iter().filter(|days| active(days, today - length + 1, today)).count();
    let (dau, wau, mau) = (count(1), count(7), count(30));
    let orders = dau * 7 / 100 + some(index, 11, 6);
    let new_buyers = orders / 3;
    let buyers = mau / 5;
    let repeat_buyers = buyers * (300 + index / 2 + some(index, 12, 12)) / 1000;
    let mut record = json!({
        "schema": "stickiness.metrics.v1", "day": day.to_string(), "time_zone": "Europe/Paris", "segment": segment,
        "revision": index % 3, "final": index + 2 < DAYS, "dau": dau, "wau_7d": wau, "mau_30d": mau, "dau_mau_ratio": ratio(dau, mau),
        "dau_wau_ratio": ratio(dau, wau), "orders": orders, "repeat_orders": orders - new_buyers, "new_buyers": new_buyers,
        "revenue": orders as f64 * 41.25, "buyers_30d": buyers, "repeat_buyers_30d": repeat_buyers,
        "repeat_purchase_rate_30d": ratio(repeat_buyers, buyers), "active_days_mean_30d": 30.0 * dau as f64 / mau.max(1) as f64,
    });
    for length in [1, 7, 30_i64] {
        let states = users.iter().map(|days| {
            let (now, before) = (active(days, today - length + 1, today), active(days, today - 2 * length + 1, today - length));
            let earlier = active(days, 0, today - length);
            [now && !earlier, now && before, now && earlier && !before, !now && before].map(usize::from)
        });
        let sums = states.fold([0; 4], |sums, state| std::array::from_fn(|which| sums[which] + state[which]));
        for (name, sum) in ["new", "retained", "resurrected", "dormant"].into_iter().zip(sums) {
            record[format!("{name}_{length}d")] = json!(sum);
        }
        if length == 30 {
            record["retention_rate_30d"] = ratio(sums[1], sums[1] + sums[3]);
        }
    }
    add_habit(&mut record, index, users);
    add_complaints(&mut record, index);
    if segment == "all" {
        add_whole(&mut record, index, mau);
    }
    record
}

/// The histogram of active days, and who came back so many days after the first.
fn add_habit(record: &mut Value, index: usize, users: &[Vec<bool>]) {
    let mut histogram = [0; 30];
    for days in users {
        let active = days[(index + 1).saturating_sub(30)..=index].iter().filter(|active| **active).count();
        if active > 0 {
            histogram[active - 1] += 1;
        }
    }
    let retention = [1, 3, 7, 14, 30].map(|after| {
        let first = |days: &&Vec<bool>| index >= after && days.iter().position(|active| *active) == Some(index - after);
        let cohort = users.iter().filter(first);
        json!({ "after_days": after, "cohort": cohort.clone().count(), "returned": cohort.filter(|days| days[index]).count() })
    });
    record["active_days_histogram_30d"] = json!(histogram);
    record["retention"] = json!(retention);
    let of = |name: &str| record[name].as_u64().unwrap_or_default() as usize;
    let [came, dormant, retained] = [of("new_30d") + of("resurrected_30d"), of("dormant_30d"), of("retained_30d")];
    let of_7_days = ratio(of("new_7d") + of("resurrected_7d"), of("dormant_7d"));
    record["quick_ratio_7d"] = of_7_days;
    record["quick_ratio_30d"] = ratio(came, dormant);
    record["churn_rate_30d"] = ratio(dormant, retained + dormant);
}

fn add_complaints(record: &mut Value, index: usize) {
    let complaints = some(index, 1, 6) + usize::from(index > 100) * 3;
    let complainers = 30 + some(index / 4, 2, 11);
    record["complaints"] = json!(complaints);
    record["complaints_open"] = json!(9 + some(index / 2, 3, 7));
    record["complainers_30d"] = json!(complainers);
    record["silent_unhappy_30d"] = json!(complainers * 24);
}

/// What is told of all users alone; much of it only when the day is closed.
fn add_whole(record: &mut Value, index: usize, mau: usize) {
    let closed = |value: Value| if index + 2 < DAYS { value } else { Value::Null };
    let detractors = 22 + some(index / 3, 4, 5) + (index.saturating_sub(98) * 2).min(20);
    let (promoters, passives) = (66 + some(index / 3, 5, 7), 41 + some(index, 6, 3));
    record["promoters_30d"] = json!(promoters);
    record["passives_30d"] = json!(passives);
    record["detractors_30d"] = json!(detractors);
    record["nps_30d"] = json!(100.0 * (promoters as f64 - detractors as f64) / (promoters + passives + detractors) as f64);
    record["top20_revenue_share"] = closed(json!(0.66 - index as f64 / 3000.0 + some(index, 7, 9) as f64 / 2000.0));
    record["loyal_buyers"] = closed(json!(40 + index / 2));
    let fever = if index > 104 { mau / 12 } else { 0 };
    for (name, users) in [
        ("risk_low", mau * 55 / 100 - fever),
        ("risk_medium", mau * 28 / 100),
        ("risk_high", mau * 17 / 100 + fever),
        ("risk_churned", 90 + index * 4),
        ("became_high", mau / 60 + some(index, 8, 9) + fever / 3),
        ("became_churned", mau / 90 + some(index, 9, 8)),
        ("reactivated", 3 + some(index, 10, 9)),
    ] {
        record[name] = closed(json!(users));
    }
}
