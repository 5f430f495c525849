//! Profile records, to be written without a detour by [`Value`]: there is one for each user.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::schema::PROFILES;
use super::super::written::DayText;
use super::loyalty::{add_loyalty, add_states};
use crate::engine::profile::Profile;
use crate::model::churn::level::RiskLevel;
use crate::model::purchases::PurchaseTotals;

/// A profile record, `stickiness.profiles.v1`.
#[derive(Serialize)]
pub struct ProfileRecord<'p> {
    schema: &'static str,
    user_id: &'p str,
    as_of: DayText,
    first_active_day: Option<DayText>,
    last_active_day: Option<DayText>,
    active_days: u32,
    active_days_7d: u32,
    active_days_30d: u32,
    lifecycle_30d: &'static str,
    orders: u64,
    repeat_orders: u64,
    order_days: u32,
    revenue: f64,
    mean_order_value: Option<f64>,
    streak: u64,
    loyal: bool,
    frequency: Option<u32>,
    recency_days: Option<i32>,
    age_days: Option<i32>,
    monetary_mean: Option<f64>,
    categories: u64,
    brand_share: Option<f64>,
    discount_share: Option<f64>,
    reward_share: Option<f64>,
    referrals: u64,
    attitude: Option<f64>,
    behaviour: f64,
    open_complaints: u64,
    recommend: Option<u8>,
    risk_activity: Option<f64>,
    risk_purchase: Option<f64>,
    p_alive_activity: Option<f64>,
    p_alive_purchase: Option<f64>,
    risk_level: Option<&'static str>,
    expected_orders_30d: Option<f64>,
    expected_orders_365d: Option<f64>,
    clv_365d: Option<f64>,
    segments: &'p [String],
    /// The measures of loyalty, which are many, by name.
    #[serde(flatten)]
    loyalty: Map<String, Value>,
}

impl<'p> ProfileRecord<'p> {
    /// The record of a profile.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn new(profile: &'p Profile) -> Self {
        let (totals, outlook) = (&profile.purchases, &profile.outlook);
        let share = |part: u64| (totals.orders > 0).then(|| part as f64 / totals.orders as f64);
        let frequency = totals.order_days.checked_sub(1);
        Self {
            schema: PROFILES,
            user_id: &profile.user_id,
            as_of: DayText(profile.as_of),
            first_active_day: profile.first_active_day.map(DayText),
            last_active_day: profile.last_active_day.map(DayText),
            active_days: profile.active_days,
            active_days_7d: profile.active_days_7d,
            active_days_30d: profile.active_days_30d,
            lifecycle_30d: profile.lifecycle_30d.name(),
            orders: totals.orders,
            repeat_orders: totals.orders.saturating_sub(1),
            order_days: totals.order_days,
            revenue: totals.revenue.as_f64(),
            mean_order_value: (totals.orders > 0).then(|| totals.revenue.as_f64() / totals.orders as f64),
            streak: profile.streak,
            loyal: profile.loyal,
            frequency,
            recency_days: totals.span.map(|(first, last)| last.days_since(first)),
            age_days: totals.span.map(|(first, _)| profile.as_of.days_since(first)),
            monetary_mean: monetary_mean(totals, frequency),
            categories: totals.categories,
            brand_share: totals.brand.map(|(most, with)| most as f64 / with as f64),
            discount_share: share(totals.discounted),
            reward_share: share(totals.rewarded),
            referrals: profile.referrals,
            attitude: profile.attitude,
            behaviour: profile.behaviour,
            open_complaints: profile.open_complaints,
            recommend: profile.recommend,
            risk_activity: outlook.risk_activity,
            risk_purchase: outlook.risk_purchase,
            p_alive_activity: outlook.p_alive_activity,
            p_alive_purchase: outlook.p_alive_purchase,
            risk_level: outlook.risk_level.map(RiskLevel::name),
            expected_orders_30d: outlook.expected_orders_30d,
            expected_orders_365d: outlook.expected_orders_365d,
            clv_365d: outlook.clv_365d,
            segments: &profile.segments,
            loyalty: loyalty_of(profile),
        }
    }
}

/// The measures and the states of loyalty.
fn loyalty_of(profile: &Profile) -> Map<String, Value> {
    let mut record = Map::new();
    add_loyalty(&mut record, &profile.loyalty);
    add_states(&mut record, profile);
    record
}

/// Money of an order day after the first.
fn monetary_mean(totals: &PurchaseTotals, frequency: Option<u32>) -> Option<f64> {
    let repeat_money = (totals.revenue - totals.first_day_revenue).as_f64();
    frequency.filter(|frequency| *frequency > 0).map(|frequency| repeat_money / f64::from(frequency))
}

/// A profile record, `stickiness.profiles.v1`, as a value.
#[must_use]
pub fn profile(profile: &Profile) -> Value {
    json!(ProfileRecord::new(profile))
}
