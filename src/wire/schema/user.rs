//! What is told of one user: transitions, churn risk and the profile.

use serde_json::{Value, json};

use super::Shape::{Between, Constant, Count, Day, Flag, Instant, Number, OneOf, OrNull, State, Text, Texts};
use super::loyalty::LOYALTY_FIELDS;
use super::{CHURN_RISK, COUNT_OR_NULL, Field, PROFILES, RATIO, TRANSITIONS, names, properties, record};
use crate::model::loyalty::stage::LifeStage;
use crate::model::loyalty::states::{ComplaintRisk, LoyaltyKind, LoyaltyStep, LoyaltyType};
use crate::model::rules::facts::ActionState;

pub(super) const TRANSITION_FIELDS: &[Field] = &[
    ("schema", Constant(TRANSITIONS), "name and version of this schema"),
    ("user_id", Text, "the user, as key too"),
    (
        "kind",
        OneOf(&[
            "lifecycle",
            "loyal",
            "purchase",
            "loyalty_type",
            "loyalty_step",
            "loyalty_kind",
            "life_stage",
            "brand",
            "complaint_risk",
            "segment",
            "action",
        ]),
        "`lifecycle` is the 30-day lifecycle; `loyal` whether the streak of orders reaches purchases.loyal_orders; `purchase` tells of one order; `segment` of a rule that the user began or ended to fulfil, `action` of what it wants done by its `deadline`; the others are states of loyalty",
    ),
    ("from", State, "the state before; null when there was none"),
    ("to", State, "the state now"),
    ("at", OrNull(&Instant), "timestamp of the event that caused it; null when time passing did"),
    ("as_of", Day, "the day that the new state is as of"),
    ("cause", Text, "what changed the state: `event`, `late_event`, `clock` or `merge`"),
];

/// Fields of purchases alone, and of each.
pub(super) const OF_PURCHASES: &[Field] =
    &[("order_id", OrNull(&Text), "the order; null when it has no id"), ("orders", Count, "orders that stand now")];

/// Fields of actions alone, and of each.
pub(super) const OF_ACTIONS: &[Field] =
    &[("segment", Text, "the segment that asks for it"), ("deadline", Instant, "until when it is in time")];

pub(super) fn transition() -> Value {
    let description =
        "One user's state changed. Changes are told in the order in which the user's partition saw them, none merged with the next.";
    let mut schema = record("stickiness.transitions", description, TRANSITION_FIELDS);
    let lifecycle = json!({ "enum": ["new", "retained", "resurrected", "dormant", "absent", null] });
    let states = |from: Value, to: Value| json!({ "properties": { "from": from, "to": to } });
    let when = |kind: &str, then: Value| json!({ "if": { "properties": { "kind": { "const": kind } } }, "then": then });
    let or_null = |names: &[&str]| json!({ "enum": names.iter().map(|name| json!(name)).chain([Value::Null]).collect::<Vec<_>>() });
    let loyal = json!({ "enum": [true, false, "true", "false", null] });
    let with = |mut states: Value, fields: &[Field]| {
        states["properties"].as_object_mut().into_iter().for_each(|known| known.extend(properties(fields)));
        states
    };
    let mut action = with(states(json!({ "enum": ["due", "overdue", null] }), json!({ "enum": ActionState::NAMES })), OF_ACTIONS);
    action["required"] = json!(names(OF_ACTIONS));
    let purchase = states(json!({ "type": "null" }), json!({ "enum": ["first_order", "repeat_order", "order_fell"] }));
    let mut purchase = with(purchase, OF_PURCHASES);
    let order_id = json!({ "type": ["string", "null"], "description": purchase["properties"]["order_id"]["description"] });
    purchase["properties"]["order_id"] = order_id;
    schema["allOf"] = json!([
        when("lifecycle", states(lifecycle.clone(), lifecycle)),
        when("loyal", states(loyal.clone(), loyal)),
        when("loyalty_type", states(or_null(LoyaltyType::NAMES), or_null(LoyaltyType::NAMES))),
        when("loyalty_step", states(or_null(LoyaltyStep::NAMES), or_null(LoyaltyStep::NAMES))),
        when("loyalty_kind", states(or_null(LoyaltyKind::NAMES), or_null(LoyaltyKind::NAMES))),
        when("life_stage", states(or_null(LifeStage::NAMES), or_null(LifeStage::NAMES))),
        when("complaint_risk", states(or_null(ComplaintRisk::NAMES), or_null(ComplaintRisk::NAMES))),
        when("brand", states(json!({ "type": ["string", "null"] }), json!({ "type": ["string", "null"] }))),
        when("segment", states(json!({ "type": ["string", "null"] }), json!({ "type": ["string", "null"] }))),
        when("action", action),
        when("purchase", purchase),
    ]);
    schema
}

pub(super) const CHURN_RISK_FIELDS: &[Field] = &[
    ("schema", Constant(CHURN_RISK), "name and version of this schema"),
    ("user_id", Text, "the user, as key too"),
    ("process", OneOf(&["activity", "purchase"]), "`activity` is of distinct active days, `purchase` of distinct order days"),
    ("from", OrNull(&LEVEL), "the level before; null when there was none"),
    ("to", OrNull(&LEVEL), "the level now; null when returns took back the last day of the process"),
    ("as_of", Day, "the day that the new level is as of"),
    ("risk", OrNull(&Between(0, 1)), "probability of no further day of the process within horizon_days; null without a level"),
    ("p_alive", OrNull(&Between(0, 1)), "probability that the habit has not ended; null without a level"),
    ("horizon_days", Count, "how far the risk looks ahead"),
    ("days_silent", COUNT_OR_NULL, "days since the last day of the process; null without a level"),
    ("days_seen", Count, "distinct days of the process so far"),
    ("reasons", Texts, "why, in words for people, the weightiest first; empty when the level is low"),
    ("model_id", Text, "the model and its parameters; equal parameters have equal ids"),
    ("cause", Text, "what changed the level: `event`, `late_event`, `clock`, `complaint`, `cancelled`, `merge` or `model`"),
];

/// From 0 to 1, or null.
const PROBABILITY: super::Shape = OrNull(&Between(0, 1));

/// Levels of churn risk.
const LEVEL: super::Shape = OneOf(&["low", "medium", "high", "churned"]);

pub(super) fn churn_risk() -> Value {
    let description = "One user's level of churn risk changed. Changes are told in the order in which the user's partition saw them, none merged with the next.";
    record("stickiness.churn-risk", description, CHURN_RISK_FIELDS)
}

pub(super) const PROFILE_FIELDS: &[Field] = &[
    ("schema", Constant(PROFILES), "name and version of this schema"),
    ("user_id", Text, "the user, as key too"),
    ("as_of", Day, "the newest accepted day of the user's partition; windows end with it"),
    ("first_active_day", OrNull(&Day), "first day with an activity event, ever"),
    ("last_active_day", OrNull(&Day), "last day with an activity event"),
    ("active_days", Count, "days with an activity event, ever"),
    ("active_days_7d", Count, "active days among the 7 that end with as_of"),
    ("active_days_30d", Count, "active days among the 30 that end with as_of"),
    (
        "lifecycle_30d",
        OneOf(&["new", "retained", "resurrected", "dormant", "absent"]),
        "with W the 30 days that end with as_of and V the 30 before: new: first active day in W; retained: active in both; resurrected: in W, not in V, not new; dormant: in V, not in W; absent: in neither",
    ),
    ("orders", Count, "orders that stand"),
    ("repeat_orders", Count, "orders but the first"),
    ("order_days", Count, "distinct days with an order"),
    ("revenue", Number, "money of the orders, net of returns"),
    ("mean_order_value", RATIO, "revenue / orders"),
    (
        "streak",
        Count,
        "orders since the last break: a competitor purchase, a cancellation, a loss, or more than purchases.lapse_days without an order",
    ),
    ("loyal", Flag, "whether streak is at least purchases.loyal_orders"),
    ("frequency", COUNT_OR_NULL, "order_days - 1; null without orders"),
    ("recency_days", COUNT_OR_NULL, "days from the first to the last order day; null without orders"),
    ("age_days", COUNT_OR_NULL, "days from the first order day to as_of; null without orders"),
    ("monetary_mean", RATIO, "mean net money per order day, without the first order day; null when frequency is 0"),
    ("categories", Count, "distinct product categories in the orders"),
    ("brand_share", RATIO, "share of the commonest brand in the orders"),
    ("discount_share", RATIO, "orders with a discount over orders"),
    ("reward_share", RATIO, "orders that used a reward over orders"),
    ("referrals", Count, "referrals by the user"),
    (
        "attitude",
        OrNull(&Between(0, 1)),
        "mean of the latest survey answers within 180 days, each rescaled to 0..1; null without any; high from 0.5",
    ),
    ("behaviour", Between(0, 1), "the larger of active_days_30d / 30 and min(1, streak / (2 x purchases.loyal_orders)); high from 0.5"),
    ("open_complaints", Count, "complaints without a resolution"),
    ("recommend", OrNull(&Between(0, 10)), "the latest answer to `recommend`"),
    ("risk_activity", PROBABILITY, "probability of no active day within churn.activity.horizon_days; null without an active day"),
    ("risk_purchase", PROBABILITY, "probability of no order day within churn.purchase.horizon_days; null without an order"),
    ("p_alive_activity", PROBABILITY, "probability that the habit of activity has not ended; null without an active day"),
    ("p_alive_purchase", PROBABILITY, "probability that the habit of buying has not ended; null without an order"),
    ("risk_level", OrNull(&LEVEL), "the level of churn.process; null without a day of it"),
    ("expected_orders_30d", RATIO, "order days expected in the next 30 days; null without an order"),
    ("expected_orders_365d", RATIO, "order days expected in the next 365 days; null without an order"),
    ("clv_365d", RATIO, "money expected in the next twelve months, with clv.margin and clv.discount_annual; null without an order"),
    ("segments", Texts, "the segments of [[segments]] that the user is in, in the order of the settings"),
];

pub(super) fn profile() -> Value {
    let description = "One user as of the newest accepted day of their partition. A tombstone means that the user is deleted or merged.";
    record("stickiness.profiles", description, &[PROFILE_FIELDS, LOYALTY_FIELDS].concat())
}
