//! The measures of loyalty in a profile record.

use serde_json::{Map, Value, json};

use crate::engine::loyalty::LoyaltyProfile;
use crate::engine::profile::Profile;
use crate::model::loyalty::states::{Evidence, LoyaltyKind, LoyaltyType};
use crate::model::money::Money;

/// Adds the measures of loyalty to a profile record.
pub(super) fn add_loyalty(record: &mut Map<String, Value>, loyalty: &LoyaltyProfile) {
    add_purchases(record, loyalty);
    add_competitors(record, loyalty);
    add_attitude(record, loyalty);
    add_contacts(record, loyalty);
}

fn add_purchases(record: &mut Map<String, Value>, loyalty: &LoyaltyProfile) {
    let [item, category, channel] = &loyalty.favourites;
    let mut put = |name: &str, value: Value| _ = record.insert(name.to_owned(), value);
    put("assisted_share", json!(loyalty.assisted_share));
    put("full_price_share", json!(loyalty.full_price_share));
    put("saving_mean", json!(loyalty.saving_mean));
    put("margin_share", json!(loyalty.margin_share));
    put("repeat_orders_30d", json!(loyalty.repeat_orders_30d));
    put("category_entropy", json!(loyalty.category_entropy));
    put("gap_variation", json!(loyalty.gap_variation));
    put("decision_s_mean", json!(loyalty.decision_s_mean));
    put("wait_s_mean", json!(loyalty.wait_s_mean));
    put("expected_less_paid_mean", json!(loyalty.expected_less_paid_mean));
    put("favourite_brand", json!(loyalty.favourite_brand));
    put("favourite_brand_view_share", json!(loyalty.favourite_brand_view_share));
    put("favourite_item", json!(item));
    put("favourite_category", json!(category));
    put("favourite_channel", json!(channel));
    put("favourite_hour", json!(loyalty.favourite_hour));
    put("birthday_due_day", json!(loyalty.birthday_due_day.map(|day| day.to_string())));
    put("holiday_due_day", json!(loyalty.holiday_due_day.map(|day| day.to_string())));
    put("channels", json!(loyalty.channels));
    let [acquire, retain, serve] = loyalty.costs.map(Money::as_f64);
    put("cost_acquire", json!(acquire));
    put("cost_retain", json!(retain));
    put("cost_serve", json!(serve));
    put("rewards_redeemed", json!(loyalty.rewards_redeemed));
    put("reward_amount", json!(loyalty.reward_amount.as_f64()));
    put("rewards_granted", json!(loyalty.rewards_granted));
    put("redemption_rate", json!(loyalty.redemption_rate));
    put("offers_90d", json!(loyalty.offers_90d));
    put("offer_following", json!(loyalty.offer_following));
    put("switching_cost", json!(loyalty.switching_cost));
}

fn add_competitors(record: &mut Map<String, Value>, loyalty: &LoyaltyProfile) {
    let [price, offer, quality] = &loyalty.responses;
    let mut put = |name: &str, value: Value| _ = record.insert(name.to_owned(), value);
    put("own_view_share", json!(loyalty.own_view_share));
    put("competitor_views", json!(loyalty.competitor_views));
    put("competitor_purchases", json!(loyalty.competitor_purchases));
    put("competitor_spend", json!(loyalty.competitor_spend.as_f64()));
    put("customer_share", json!(loyalty.customer_share));
    put("dependence", json!(loyalty.dependence));
    put("price_rises", json!(price.occasions));
    put("price_response", json!(price.odds_ratio()));
    put("competitor_offers", json!(offer.occasions));
    put("offer_resistance", json!(offer.share()));
    put("quality_issues", json!(quality.occasions));
    put("tolerance", json!(quality.share()));
}

fn add_attitude(record: &mut Map<String, Value>, loyalty: &LoyaltyProfile) {
    let [intention, trust, satisfaction, responsiveness, effort] = loyalty.answers;
    let mut put = |name: &str, value: Value| _ = record.insert(name.to_owned(), value);
    put("repurchase_intention", json!(intention));
    put("trust", json!(trust));
    put("satisfaction", json!(satisfaction));
    put("responsiveness", json!(responsiveness));
    put("effort", json!(effort));
    put("satisfaction_zone", json!(loyalty.satisfaction_zone));
    put("value_minimum", json!(loyalty.value_minimum));
    put("attention", json!(loyalty.attention));
    put("names_brand", json!(loyalty.names_brand));
    put("disconfirmation", json!(loyalty.disconfirmation));
    put("delivered_value", json!(loyalty.delivered_value));
    put("satisfaction_balance", json!(loyalty.satisfaction_balance));
    put("relative_attitude", json!(loyalty.relative_attitude));
    put("sentiment", json!(loyalty.sentiment));
    put("emotion", json!(loyalty.emotion));
    put("loyal_rule", json!(loyalty.loyal_rule));
    put("referrals_sent", json!(loyalty.referrals_sent));
    put("referral_conversion", json!(loyalty.referral_conversion));
    put("suggestions", json!(loyalty.suggestions));
    put("reviews", json!(loyalty.reviews));
}

fn add_contacts(record: &mut Map<String, Value>, loyalty: &LoyaltyProfile) {
    let mut put = |name: &str, value: Value| _ = record.insert(name.to_owned(), value);
    put("interactions_30d", json!(loyalty.interactions_30d));
    put("peers", json!(loyalty.peers));
    put("contacts_30d", json!(loyalty.contacts_30d));
    put("contact_response_rate", json!(loyalty.contact_response_rate));
    put("two_way_ratio", json!(loyalty.two_way_ratio));
    put("contact_due_day", json!(loyalty.contact_due_day.map(|day| day.to_string())));
    put("last_thanked_day", json!(loyalty.last_thanked_day.map(|day| day.to_string())));
    put("cooling", json!(loyalty.cooling));
    put("cooling_p", json!(loyalty.cooling_p));
    put("repeated_problems", json!(loyalty.repeated_problems));
    put("complaint_signals", json!(loyalty.complaint_signals));
}

/// Adds the states of loyalty, with what they are decided by.
pub(super) fn add_states(record: &mut Map<String, Value>, profile: &Profile) {
    let states = &profile.states.states;
    let mut put = |name: &str, value: Value| _ = record.insert(name.to_owned(), value);
    put("loyalty_type", json!(states.loyalty_type.map(LoyaltyType::name)));
    put("loyalty_step", json!(states.step.name()));
    put("loyalty_kind", json!(states.kind.map(LoyaltyKind::name)));
    put("life_stage", json!(profile.states.stage.name()));
    put("brand", json!(states.brand));
    put("complaint_risk", json!(states.complaint_risk.name()));
    put("loyalty_evidence", profile.states.evidence.as_ref().map_or(Value::Null, evidence));
}

fn evidence(evidence: &Evidence) -> Value {
    let [impulsive, emotional, cognitive, behavioural] = evidence.kinds;
    json!({
        "attitude": evidence.attitude,
        "activity": evidence.activity,
        "buying": evidence.buying,
        "attitude_margin": evidence.attitude_margin(),
        "behaviour_margin": evidence.behaviour_margin(),
        "reward_share": evidence.reward_share,
        "bought_during_offer": evidence.bought_during_offer,
        "one_brand": evidence.one_brand,
        "kinds": { "impulsive": impulsive, "emotional": emotional, "cognitive": cognitive, "behavioural": behavioural },
    })
}
