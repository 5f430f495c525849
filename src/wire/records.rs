//! Records out: metrics, transitions, alerts and profiles as JSON, one object a record.

mod loyalty;
mod profile;

use std::fmt;

pub use profile::{ProfileRecord, profile};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::schema::{ALERTS, CHURN_RISK, METRICS, TRANSITIONS};
use super::written::{DayText, TimeText};

use crate::engine::aggregator::{ALL, Metric};
use crate::engine::alerts::{Alert, TopSegment};
use crate::engine::effect::{Change, RiskChange, Transition};
use crate::engine::ledger::{HISTOGRAM_DAYS, LIFECYCLE_DAYS, Quantity, RETENTION_DAYS};
use crate::engine::settings::EngineSettings;
use crate::model::churn::level::{RiskLevel, RiskReason};
use crate::model::lifecycle::Lifecycle;
use crate::model::time::{Calendar, Day};

/// The key of a metrics record: `segment|day`.
#[must_use]
pub fn metric_key(segment: &str, day: Day) -> String {
    format!("{segment}|{day}")
}

/// A metrics record, `stickiness.metrics.v1`. `revision` counts up from 0 for each key.
#[must_use]
pub fn metric(metric: &Metric, revision: u64, settings: &EngineSettings) -> Value {
    let mut record = Map::new();
    record.insert("schema".into(), json!(METRICS));
    record.insert("day".into(), json!(metric.day.to_string()));
    record.insert("time_zone".into(), json!(settings.time_zone));
    record.insert("segment".into(), json!(metric.segment));
    record.insert("revision".into(), json!(revision));
    record.insert("final".into(), json!(metric.is_final));
    add_activity(&mut record, metric, settings);
    add_lifecycles(&mut record, metric);
    add_purchases(&mut record, metric);
    add_complaints(&mut record, metric, settings);
    if metric.segment == ALL {
        add_recommendations(&mut record, metric);
        record.insert("top20_revenue_share".into(), json!(metric.top20_revenue_share));
        add_risk(&mut record, metric);
    } else if metric.limited {
        record.insert("values_limited".into(), json!(true));
    }
    Value::Object(record)
}

fn add_activity(record: &mut Map<String, Value>, metric: &Metric, settings: &EngineSettings) {
    let counts = &metric.counts;
    let (dau, wau, mau) = (counts.active(0), counts.active(1), counts.active(2));
    record.insert("dau".into(), json!(dau));
    record.insert("wau_7d".into(), json!(wau));
    record.insert("mau_30d".into(), json!(mau));
    let custom = if settings.mau_days == 30 { mau } else { counts.get(Quantity::MAU_CUSTOM) };
    if settings.mau_days != 30 {
        record.insert(format!("mau_{}d", settings.mau_days), json!(custom));
    }
    let histogram: Vec<i64> = (1..=HISTOGRAM_DAYS).map(|days| counts.get(Quantity::active_days(days))).collect();
    let user_days: i64 = histogram.iter().zip(1..).map(|(users, days)| users * days).sum();
    record.insert("dau_mau_ratio".into(), ratio(dau, custom));
    record.insert("dau_wau_ratio".into(), ratio(dau, wau));
    record.insert("active_days_mean_30d".into(), ratio(user_days, mau));
    record.insert("active_days_histogram_30d".into(), json!(histogram));
}

fn add_lifecycles(record: &mut Map<String, Value>, metric: &Metric) {
    let counts = &metric.counts;
    for (window, length) in LIFECYCLE_DAYS.iter().enumerate() {
        for (state, lifecycle) in Lifecycle::COUNTED.iter().enumerate() {
            record.insert(format!("{}_{length}d", lifecycle.name()), json!(counts.lifecycle(window, state)));
        }
    }
    let states = |window| [0, 1, 2, 3].map(|state| counts.lifecycle(window, state));
    let [new, _, resurrected, dormant] = states(1);
    record.insert("quick_ratio_7d".into(), ratio(new + resurrected, dormant));
    let [new, retained, resurrected, dormant] = states(2);
    record.insert("quick_ratio_30d".into(), ratio(new + resurrected, dormant));
    record.insert("retention_rate_30d".into(), ratio(retained, retained + dormant));
    record.insert("churn_rate_30d".into(), ratio(dormant, retained + dormant));
    let retention = RETENTION_DAYS.iter().enumerate().map(|(index, days)| {
        json!({"after_days": days, "cohort": counts.get(Quantity::cohort(index)), "returned": counts.get(Quantity::returned(index))})
    });
    record.insert("retention".into(), retention.collect());
}

fn add_purchases(record: &mut Map<String, Value>, metric: &Metric) {
    let counts = &metric.counts;
    let (orders, new_buyers) = (counts.get(Quantity::ORDERS), counts.get(Quantity::NEW_BUYERS));
    let (buyers, repeat) = (counts.get(Quantity::BUYERS), counts.get(Quantity::REPEAT_BUYERS));
    record.insert("orders".into(), json!(orders));
    record.insert("repeat_orders".into(), json!(orders - new_buyers));
    record.insert("new_buyers".into(), json!(new_buyers));
    record.insert("revenue".into(), json!(counts.revenue.as_f64()));
    record.insert("buyers_30d".into(), json!(buyers));
    record.insert("repeat_buyers_30d".into(), json!(repeat));
    record.insert("repeat_purchase_rate_30d".into(), ratio(repeat, buyers));
    if metric.segment == ALL {
        record.insert("loyal_buyers".into(), json!(metric.loyal_buyers));
    }
}

fn add_complaints(record: &mut Map<String, Value>, metric: &Metric, settings: &EngineSettings) {
    let counts = &metric.counts;
    let complainers = counts.get(Quantity::COMPLAINERS);
    record.insert("complaints".into(), json!(counts.get(Quantity::COMPLAINTS)));
    record.insert("complaints_open".into(), json!(counts.get(Quantity::COMPLAINTS_OPEN)));
    record.insert("complainers_30d".into(), json!(complainers));
    record.insert("silent_unhappy_30d".into(), json!(complainers * i64::from(settings.silent_ratio)));
}

fn add_recommendations(record: &mut Map<String, Value>, metric: &Metric) {
    let [promoters, passives, detractors] =
        [Quantity::PROMOTERS, Quantity::PASSIVES, Quantity::DETRACTORS].map(|quantity| metric.counts.get(quantity));
    record.insert("promoters_30d".into(), json!(promoters));
    record.insert("passives_30d".into(), json!(passives));
    record.insert("detractors_30d".into(), json!(detractors));
    record.insert("nps_30d".into(), ratio(100 * (promoters - detractors), promoters + passives + detractors));
}

fn add_risk(record: &mut Map<String, Value>, metric: &Metric) {
    for (at, level) in RiskLevel::ALL.into_iter().enumerate() {
        record.insert(format!("risk_{}", level.name()), json!(metric.risk.map(|risk| risk.levels[at])));
    }
    record.insert("became_high".into(), json!(metric.risk.map(|risk| risk.became_high)));
    record.insert("became_churned".into(), json!(metric.risk.map(|risk| risk.became_churned)));
    record.insert("reactivated".into(), json!(metric.risk.map(|risk| risk.reactivated)));
}

/// A ratio as an unrounded double; `null` when the denominator is 0.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn ratio(numerator: i64, denominator: i64) -> Value {
    if denominator == 0 { Value::Null } else { json!(numerator as f64 / denominator as f64) }
}

/// A transition record, `stickiness.transitions.v1`, to be written without a detour by [`Value`]: there are many.
#[derive(Serialize)]
#[expect(clippy::option_option, reason = "an order's id may be absent, null or a text")]
pub struct TransitionRecord<'t> {
    schema: &'static str,
    user_id: &'t str,
    kind: &'static str,
    from: State<'t>,
    to: State<'t>,
    at: Option<TimeText>,
    as_of: DayText,
    cause: &'static str,
    /// Of an order alone, and then there even when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<Option<&'t str>>,
    /// Of an order alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    orders: Option<u64>,
    /// Of an action alone: the segment that asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    segment: Option<&'t str>,
    /// Of an action alone: until when it is in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<TimeText>,
}

/// A state by name, or whether it is so.
#[derive(Serialize)]
#[serde(untagged)]
enum State<'t> {
    Named(&'t str),
    Is(bool),
    Nothing,
}

impl<'t> TransitionRecord<'t> {
    /// The record of a transition.
    #[must_use]
    pub fn new(transition: &'t Transition) -> Self {
        let named = |state: Option<Lifecycle>| state.map_or(State::Nothing, |state| State::Named(state.name()));
        let (kind, from, to, order) = match &transition.change {
            Change::Lifecycle { from, to } => ("lifecycle", named(*from), named(Some(*to)), None),
            Change::Loyal { to } => ("loyal", State::Is(!to), State::Is(*to), None),
            Change::Loyalty { state, from, to } => {
                let text = |state: &'t Option<std::borrow::Cow<'static, str>>| state.as_deref().map_or(State::Nothing, State::Named);
                (state.name(), text(from), text(to), None)
            }
            Change::Segment { segment, to } => {
                let name = |is: bool| if is { State::Named(segment) } else { State::Nothing };
                ("segment", name(!to), name(*to), None)
            }
            Change::Action { from, to, .. } => {
                ("action", from.map_or(State::Nothing, |from| State::Named(from.name())), State::Named(to.name()), None)
            }
            Change::Purchase { to, order_id, orders } => {
                ("purchase", State::Nothing, State::Named(to.name()), Some((order_id.as_deref(), *orders)))
            }
        };
        let action = if let Change::Action { segment, deadline, .. } = &transition.change { Some((&**segment, *deadline)) } else { None };
        Self {
            schema: TRANSITIONS,
            user_id: &transition.user_id,
            kind,
            from,
            to,
            at: transition.at.map(TimeText),
            as_of: DayText(transition.as_of),
            cause: transition.cause.name(),
            order_id: order.map(|(order_id, _)| order_id),
            orders: order.map(|(_, orders)| orders),
            segment: action.map(|(segment, _)| segment),
            deadline: action.map(|(_, deadline)| TimeText(deadline)),
        }
    }
}

/// A transition record, `stickiness.transitions.v1`, as a value.
#[must_use]
pub fn transition(transition: &Transition) -> Value {
    json!(TransitionRecord::new(transition))
}

/// The name by which `[publish] transitions` selects a transition: kind and state, such as `("lifecycle", "new")`.
#[must_use]
pub fn transition_selector(transition: &Transition) -> (&'static str, &str) {
    match &transition.change {
        Change::Lifecycle { to, .. } => ("lifecycle", to.name()),
        Change::Loyal { to: true } => ("loyal", "true"),
        Change::Loyal { to: false } => ("loyal", "false"),
        Change::Loyalty { state, to, .. } => (state.name(), to.as_deref().unwrap_or("null")),
        Change::Segment { segment, to: true } => ("segment", segment),
        Change::Segment { to: false, .. } => ("segment", "null"),
        Change::Action { to, .. } => ("action", to.name()),
        Change::Purchase { to, .. } => ("purchase", to.name()),
    }
}

/// A churn-risk record, `stickiness.churn-risk.v1`, to be written without a detour by [`Value`].
#[derive(Serialize)]
pub struct ChurnRiskRecord<'c> {
    schema: &'static str,
    user_id: &'c str,
    process: &'static str,
    from: Option<&'static str>,
    to: Option<&'static str>,
    as_of: DayText,
    risk: Option<f64>,
    p_alive: Option<f64>,
    horizon_days: u16,
    days_silent: Option<i32>,
    days_seen: u32,
    #[serde(serialize_with = "risk_reasons")]
    reasons: &'c [RiskReason],
    model_id: &'c str,
    cause: &'static str,
}

impl<'c> ChurnRiskRecord<'c> {
    /// The record of a change.
    #[must_use]
    pub fn new(change: &'c RiskChange) -> Self {
        Self {
            schema: CHURN_RISK,
            user_id: &change.user_id,
            process: change.process.name(),
            from: change.from.map(RiskLevel::name),
            to: change.to.map(RiskLevel::name),
            as_of: DayText(change.as_of),
            risk: change.risk,
            p_alive: change.p_alive,
            horizon_days: change.horizon_days,
            days_silent: change.days_silent,
            days_seen: change.days_seen,
            reasons: &change.reasons,
            model_id: change.model_id.as_ref(),
            cause: change.cause.name(),
        }
    }
}

/// A churn-risk record, `stickiness.churn-risk.v1`, as a value.
#[must_use]
pub fn churn_risk(change: &RiskChange) -> Value {
    json!(ChurnRiskRecord::new(change))
}

/// A reason in words that someone can act on.
pub(super) struct ReasonText<'r>(pub(super) &'r RiskReason);

impl fmt::Display for ReasonText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = |count: i32| (count, if count == 1 { "day" } else { "days" });
        match self.0 {
            RiskReason::Cancelled(day) => write!(formatter, "cancelled on {day}"),
            RiskReason::Lost(day) => write!(formatter, "noted as lost on {day}"),
            RiskReason::Lapsed { lapse_days } => {
                let (count, unit) = days((*lapse_days).into());
                write!(formatter, "silent for more than the {count} {unit} that are allowed")
            }
            RiskReason::ComplaintOpen { days: open } => {
                let (count, unit) = days(*open);
                write!(formatter, "a complaint is open for {count} {unit}")
            }
            RiskReason::LongerThanUsual { silent_days, usual_days } => {
                let (count, unit) = days(*silent_days);
                write!(formatter, "silent for {count} {unit}, usually back after {usual_days:.1}")
            }
            RiskReason::SeenOnce => formatter.write_str("seen on one day only"),
        }
    }
}

impl Serialize for ReasonText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn risk_reasons<S: Serializer>(reasons: &[RiskReason], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(reasons.iter().map(ReasonText))
}

/// An alert record, `stickiness.alerts.v1`, whose key is the fingerprint. The days of its start and end are told by their bounds.
#[must_use]
pub fn alert(alert: &Alert, calendar: &Calendar) -> Value {
    let labels: Map<String, Value> = alert.labels.pairs().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    let top_segment =
        |top: &TopSegment| json!({"segment": top.segment, "observed": top.observed, "expected": top.expected, "p_value": top.p_value});
    json!({
        "schema": ALERTS,
        "fingerprint": alert.fingerprint,
        "name": alert.name.name(),
        "status": alert.status.name(),
        "severity": alert.severity.name(),
        "labels": labels,
        "starts_at": calendar.start_of(alert.starts).to_string(),
        "ends_at": alert.ends.map(|ends| calendar.start_of(ends).to_string()),
        "day": alert.day.to_string(),
        "observed": alert.observed,
        "expected": alert.expected,
        "upper": alert.upper,
        "p_value": alert.p_value,
        "at_risk": alert.at_risk,
        "top_segments": alert.top_segments.iter().map(top_segment).collect::<Vec<_>>(),
        "summary": alert.summary,
    })
}
