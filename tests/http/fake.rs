//! A view with made-up figures that fit together: some hundred users over 120 days, counted day by day.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "made-up numbers are small"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use stickiness::config::{HttpSettings, Settings};
use stickiness::engine::predictions::Scored;
use stickiness::io::http::{Days, UserAnswer, View};
use stickiness::io::observations::{Observations, PartitionGauges, PartitionPhase, PartitionSize};
use stickiness::model::churn::calibration::Calibration;
use stickiness::model::time::Day;

const DAYS: usize = 120;
const USERS: usize = 2400;

/// A made-up service.
pub(crate) struct Fake {
    pub(crate) is_ready: AtomicBool,
    records: BTreeMap<String, BTreeMap<Day, Arc<str>>>,
    observations: Observations,
}

impl Fake {
    /// One that knows nothing.
    pub(crate) fn empty() -> Self {
        Self { is_ready: AtomicBool::new(true), records: BTreeMap::new(), observations: Observations::default() }
    }

    /// One whose newest day is `newest`.
    pub(crate) fn new(newest: Day, now_ms: i64) -> Self {
        let mut records = BTreeMap::new();
        for (index, segment) in ["all", "channel=app", "channel=web"].into_iter().enumerate() {
            records.insert(segment.to_owned(), figures(segment, newest, index as u64));
        }
        Self { is_ready: AtomicBool::new(true), records, observations: observations(now_ms) }
    }
}

impl View for Fake {
    fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Relaxed)
    }

    fn metrics(&self, segment: &str, days: Days) -> Vec<Arc<str>> {
        let of_segment = self.records.get(segment).into_iter().flatten();
        of_segment.filter(|(day, _)| days.contains(**day)).map(|(_, record)| Arc::clone(record)).collect()
    }

    fn segments(&self) -> Vec<String> {
        self.records.keys().cloned().collect()
    }

    fn user(&self, id: &str) -> UserAnswer {
        match id {
            "busy" => UserAnswer::Busy,
            "elsewhere" => UserAnswer::Elsewhere,
            "slow" => {
                std::thread::sleep(Duration::from_secs(2));
                UserAnswer::Unknown
            }
            "panic" => panic!("a bug"),
            "huge" => UserAnswer::Found(vec![b'x'; 64 << 20]),
            _ if id.starts_with("no") || !self.is_ready() => UserAnswer::Unknown,
            _ => UserAnswer::Found(profile(id).to_string().into_bytes()),
        }
    }

    fn observations(&self) -> &Observations {
        &self.observations
    }
}

/// Settings that listen on a free port.
pub(crate) fn settings(token: Option<&str>) -> HttpSettings {
    let token = token.map(|token| format!("token = {token:?}")).unwrap_or_default();
    Settings::read(&format!("[http]\nlisten = \"127.0.0.1:0\"\n{token}"), []).expect("valid settings").http
}

fn profile(id: &str) -> Value {
    json!({
        "schema": "stickiness.profiles.v1", "user_id": id, "as_of": "2026-03-01", "first_active_day": "2025-11-02",
        "last_active_day": "2026-03-01", "active_days": 64, "active_days_7d": 5, "active_days_30d": 19, "lifecycle_30d": "retained",
        "orders": 7, "repeat_orders": 6, "order_days": 6, "revenue": 318.75, "mean_order_value": 45.535_714, "streak": 4, "loyal": true,
        "frequency": 5, "recency_days": 98, "age_days": 119, "monetary_mean": 52.1, "categories": 3, "brand_share": 0.571_428,
        "referrals": 1, "discount_share": 0.142_857, "reward_share": 0.0, "decision_s_mean": 912.4, "attitude": 0.83,
        "behaviour": 0.666_667, "open_complaints": 0, "recommend": 9,
    })
}

fn observations(now_ms: i64) -> Observations {
    let observations = Observations::default();
    observations.count_outcomes(&BTreeMap::from([("accepted", 48_211), ("duplicate", 312), ("too_late", 9)]));
    let forwarding = Arc::new(Observations::default());
    forwarding.count_outcomes(&BTreeMap::from([("forwarded", 48_000), ("too_late", 1), ("malformed", 4)]));
    let gauges = PartitionGauges {
        phase: PartitionPhase::Live,
        next_offset: 48_005,
        committed_offset: 48_000,
        log_end: Some(48_007),
        watermark_ms: None,
        snapshot_at_ms: None,
        snapshot_bytes: 0,
        snapshot_overdue: false,
    };
    forwarding.set_partition(2, gauges);
    observations.watch_forwarding("clicks", forwarding);
    observations.count_abort("\"odd\\\nreason");
    let mut scores = Calibration::default();
    for (risk, came) in [(0.12, true), (0.14, false), (0.92, false)] {
        scores.add(risk, came);
    }
    observations.set_scored(BTreeMap::from([("activity", Scored { day: Day::from_number(20_500), scores })]));
    observations.commits.add(1204);
    observations.published.add(30_771);
    for micros in 1..=1000 {
        observations.commit_time.record(Duration::from_micros(micros * 40), 1);
        observations.publish_time.record(Duration::from_micros(micros * 400), 48);
    }
    for partition in 0..4 {
        let gauges = PartitionGauges {
            phase: PartitionPhase::Live,
            next_offset: 12_000 + i64::from(partition),
            committed_offset: 12_000,
            log_end: Some(12_003),
            watermark_ms: Some(now_ms - 900),
            snapshot_at_ms: (partition > 0).then_some(now_ms - 41_000),
            snapshot_bytes: 1 << 20,
            snapshot_overdue: false,
        };
        observations.set_partition(partition, gauges);
        observations.set_size(partition, PartitionSize { users: 600, state_bytes: 600 * 211, overflows: 0 });
    }
    observations
}

/// A number from 0 to 1 that looks random, the same each time.
fn chance(seed: u64) -> f64 {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    x = (x ^ (x >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^= x >> 29;
    (x >> 11) as f64 / (1_u64 << 53) as f64
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

fn figures(segment: &str, newest: Day, seed: u64) -> BTreeMap<Day, Arc<str>> {
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
    let orders = dau * 7 / 100 + index % 5;
    let new_buyers = orders / 3;
    let buyers = mau / 5;
    let repeat_buyers = buyers * (30 + index % 9) / 100;
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
    if segment == "all" {
        record["loyal_buyers"] = if index + 2 < DAYS { json!(40 + index / 2) } else { Value::Null };
    }
    record
}
