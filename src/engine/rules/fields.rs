//! The figures and states of a profile that rules can ask for, under their names in the profile.

use super::super::profile::Profile;
use crate::model::churn::level::RiskLevel;
use crate::model::loyalty::states::{LoyaltyKind, LoyaltyType};
use crate::model::rules::{FieldCondition, PropertyTest};
use crate::model::time::Day;

/// The name of a figure, and where it is.
type Number = (&'static str, fn(&Profile) -> Option<f64>);
/// The name of a state, and where it is.
type Text = (&'static str, fn(&Profile) -> Option<&str>);

/// Numbers, by name.
const NUMBERS: &[Number] = &[
    ("active_days", |profile| Some(f64::from(profile.active_days))),
    ("active_days_7d", |profile| Some(f64::from(profile.active_days_7d))),
    ("active_days_28d", |profile| Some(f64::from(profile.active_days_28d))),
    ("active_days_30d", |profile| Some(f64::from(profile.active_days_30d))),
    ("days_silent", |profile| profile.last_active_day.map(|last| f64::from(profile.as_of.days_since(last)))),
    ("days_since_first", |profile| profile.first_active_day.map(|first| f64::from(profile.as_of.days_since(first)))),
    ("orders", |profile| Some(count(profile.purchases.orders))),
    ("order_days", |profile| Some(f64::from(profile.purchases.order_days))),
    ("repeat_orders_30d", |profile| Some(count(profile.loyalty.repeat_orders_30d))),
    ("revenue", |profile| Some(profile.purchases.revenue.as_f64())),
    ("streak", |profile| Some(count(profile.streak))),
    ("categories", |profile| Some(count(profile.purchases.categories))),
    ("referrals", |profile| Some(count(profile.referrals))),
    ("referrals_sent", |profile| Some(count(profile.loyalty.referrals_sent))),
    ("reviews", |profile| Some(count(profile.loyalty.reviews))),
    ("attitude", |profile| profile.attitude),
    ("behaviour", |profile| Some(profile.behaviour)),
    ("open_complaints", |profile| Some(count(profile.open_complaints))),
    ("recommend", |profile| profile.recommend.map(f64::from)),
    ("satisfaction", |profile| profile.loyalty.answers[2]),
    ("trust", |profile| profile.loyalty.answers[1]),
    ("emotion", |profile| profile.loyalty.emotion),
    ("full_price_share", |profile| profile.loyalty.full_price_share),
    ("assisted_share", |profile| profile.loyalty.assisted_share),
    ("customer_share", |profile| profile.loyalty.customer_share),
    ("dependence", |profile| profile.loyalty.dependence),
    ("own_view_share", |profile| profile.loyalty.own_view_share),
    ("competitor_views", |profile| Some(count(profile.loyalty.competitor_views))),
    ("competitor_purchases", |profile| Some(count(profile.loyalty.competitor_purchases))),
    ("channels", |profile| Some(count(profile.loyalty.channels))),
    ("contacts_30d", |profile| Some(count(profile.loyalty.contacts_30d))),
    ("cooling", |profile| profile.loyalty.cooling),
    ("birthday_in_days", |profile| days_until(profile, profile.loyalty.birthday_due_day)),
    ("holiday_in_days", |profile| days_until(profile, profile.loyalty.holiday_due_day)),
    ("complaint_signals", |profile| Some(count(profile.loyalty.complaint_signals))),
    ("switching_cost", |profile| profile.loyalty.switching_cost),
    ("delivered_value", |profile| profile.loyalty.delivered_value),
    ("offers_90d", |profile| Some(count(profile.loyalty.offers_90d))),
    ("offer_following", |profile| profile.loyalty.offer_following),
    ("rewards_granted", |profile| Some(count(profile.loyalty.rewards_granted))),
    ("redemption_rate", |profile| profile.loyalty.redemption_rate),
    ("disconfirmation", |profile| profile.loyalty.disconfirmation),
    ("attention", |profile| profile.loyalty.attention),
    ("favourite_brand_view_share", |profile| profile.loyalty.favourite_brand_view_share),
    ("risk_activity", |profile| profile.outlook.risk_activity),
    ("risk_purchase", |profile| profile.outlook.risk_purchase),
    ("p_alive_activity", |profile| profile.outlook.p_alive_activity),
    ("p_alive_purchase", |profile| profile.outlook.p_alive_purchase),
    ("expected_orders_30d", |profile| profile.outlook.expected_orders_30d),
    ("expected_orders_365d", |profile| profile.outlook.expected_orders_365d),
    ("clv_365d", |profile| profile.outlook.clv_365d),
];

/// States and names, by name.
const TEXTS: &[Text] = &[
    ("lifecycle_30d", |profile| Some(profile.lifecycle_30d.name())),
    ("risk_level", |profile| profile.outlook.risk_level.map(RiskLevel::name)),
    ("loyal", |profile| Some(if profile.loyal { "true" } else { "false" })),
    ("loyal_rule", |profile| profile.loyalty.loyal_rule.map(|loyal| if loyal { "true" } else { "false" })),
    ("loyalty_type", |profile| profile.states.states.loyalty_type.map(LoyaltyType::name)),
    ("loyalty_step", |profile| Some(profile.states.states.step.name())),
    ("loyalty_kind", |profile| profile.states.states.kind.map(LoyaltyKind::name)),
    ("life_stage", |profile| Some(profile.states.stage.name())),
    ("complaint_risk", |profile| Some(profile.states.states.complaint_risk.name())),
    ("brand", |profile| profile.states.states.brand.as_deref()),
    ("names_brand", |profile| profile.loyalty.names_brand.map(|named| if named { "true" } else { "false" })),
    ("satisfaction_zone", |profile| profile.loyalty.satisfaction_zone),
    ("favourite_brand", |profile| profile.loyalty.favourite_brand.as_deref()),
    ("favourite_item", |profile| profile.loyalty.favourites[0].as_deref()),
    ("favourite_category", |profile| profile.loyalty.favourites[1].as_deref()),
    ("favourite_channel", |profile| profile.loyalty.favourites[2].as_deref()),
];

fn days_until(profile: &Profile, due: Option<Day>) -> Option<f64> {
    due.map(|due| f64::from(due.days_since(profile.as_of)))
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn count(count: u64) -> f64 {
    count as f64
}

/// The names of the fields that are numbers, and of those that are states.
pub fn names() -> (impl Iterator<Item = &'static str>, impl Iterator<Item = &'static str>) {
    (NUMBERS.iter().map(|(name, _)| *name), TEXTS.iter().map(|(name, _)| *name))
}

/// Whether a profile fulfils a condition; what is not known fulfils none.
pub(super) fn holds(profile: &Profile, condition: &FieldCondition) -> bool {
    match &condition.test {
        PropertyTest::In(range) => {
            let read = NUMBERS.iter().find(|(name, _)| *name == condition.field);
            read.and_then(|(_, read)| read(profile)).is_some_and(|number| range.contains(number))
        }
        PropertyTest::OneOf(values) | PropertyTest::AnyOf(values, _) => {
            let read = TEXTS.iter().find(|(name, _)| *name == condition.field);
            read.and_then(|(_, read)| read(profile)).is_some_and(|state| values.iter().any(|value| value == state))
        }
    }
}
