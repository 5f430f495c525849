//! A made-up user, alerts, and what groups show.

use std::sync::Arc;

use serde_json::{Value, json};
use stickiness::model::time::Day;

/// Texts that would do something if they were taken for markup, a link, a formula or a property.
pub(crate) const HOSTILE: [&str; 7] = [
    "<img src=x onerror=\"document.title='owned'\">",
    "<script>document.title='owned'</script>",
    "\"><svg onload=document.title='owned'>",
    "javascript:document.title='owned'",
    "=HYPERLINK(\"http://example.com\",\"x\")",
    "__proto__",
    "&lt;b&gt; \u{202e}desrever\u{0} \u{1f600}",
];

/// What `stickiness insights` printed of 60,000 generated events, with made-up answers, complaints and losses among them.
const INSIGHTS: &str = include_str!("insights.json");

/// As of a day.
pub(crate) fn insights(day: Day) -> String {
    let mut insights: Value = serde_json::from_str(INSIGHTS).expect("JSON");
    insights["as_of"] = json!(day.to_string());
    insights.to_string()
}

pub(crate) fn alerts(newest: Day) -> Vec<Arc<str>> {
    let at = |days: i32| format!("{}T00:00:00Z", newest - days);
    let firing = json!({
        "schema": "stickiness.alerts.v1", "fingerprint": "5f0c2d8e", "name": "churn_spike", "status": "firing", "severity": "critical",
        "labels": { "segment": "all", "process": "activity", "level": "high" }, "starts_at": at(4), "ends_at": null,
        "day": (newest - 2).to_string(), "observed": 96, "expected": 31.4, "upper": 52, "p_value": 3.1e-7, "at_risk": 1043,
        "top_segments": [
            { "segment": "channel=app", "observed": 71, "expected": 14.2, "p_value": 8.0e-9 },
            { "segment": "channel=web", "observed": 25, "expected": 17.0, "p_value": 0.009 },
        ],
        "summary": "96 users became high risk, 31.4 were to be expected; most of the excess is in channel=app",
    });
    let resolved = json!({
        "schema": "stickiness.alerts.v1", "fingerprint": "91be77a0", "name": "return_deficit", "status": "resolved", "severity": "warning",
        "labels": { "segment": "channel=web", "process": "activity" }, "starts_at": at(41), "ends_at": at(36),
        "day": (newest - 37).to_string(), "observed": 118, "expected": 151.7, "upper": null, "p_value": 0.0021, "at_risk": 640,
        "top_segments": [], "summary": "118 silent users came back, 151.7 were to be expected",
    });
    [firing, resolved].map(|alert| Arc::from(alert.to_string())).to_vec()
}

pub(crate) fn profile(id: &str) -> Value {
    let last = Day::parse("2026-03-01").expect("a day");
    let active: Vec<String> = (0..120).filter(|day| day * day % 7 < 3).map(|day| (last - day).to_string()).rev().collect();
    let order = |(number, days): (i32, i32)| {
        let day = last - days;
        json!({ "order_id": format!("o{number}"), "timestamp": format!("{day}T10:00:00Z"), "day": day.to_string(), "amount": 31.5 + f64::from(number) })
    };
    let mut told = json!({
        "schema": "stickiness.profiles.v1", "user_id": id, "as_of": "2026-03-01", "first_active_day": "2025-11-02",
        "last_active_day": "2026-03-01", "active_days": 64, "active_days_7d": 5, "active_days_30d": 19, "lifecycle_30d": "retained",
        "orders": 7, "repeat_orders": 6, "order_days": 6, "revenue": 318.75, "mean_order_value": 45.535_714, "streak": 4, "loyal": true,
        "frequency": 5, "recency_days": 98, "age_days": 119, "monetary_mean": 52.1, "categories": 3, "brand_share": 0.571_428,
        "referrals": 1, "discount_share": 0.142_857, "reward_share": 0.0, "decision_s_mean": 912.4, "attitude": 0.83,
        "behaviour": 0.666_667, "open_complaints": 0, "recommend": 9, "risk_activity": 0.18, "risk_purchase": 0.41,
        "p_alive_activity": 0.97, "p_alive_purchase": 0.88, "risk_level": "low", "expected_orders_30d": 1.2,
        "expected_orders_365d": 11.9, "clv_365d": 540.25,
    });
    for (name, state) in [
        ("loyalty_type", "committed"),
        ("loyalty_step", "satisfied"),
        ("loyalty_kind", "emotional"),
        ("life_stage", "growth"),
        ("brand", "acme"),
        ("complaint_risk", "low"),
    ] {
        told[name] = json!(state);
    }
    told["explain"] = json!({ "activity": explained("activity", 0.18, 31), "purchase": explained("an order", 0.41, 88) });
    let orders = [(1, 98), (2, 71), (3, 40), (4, 12)].map(order);
    told["recent"] = json!({ "from": "2025-11-02", "active_days": active, "orders": orders });
    told
}

/// Why a user's risk is low, and when it will not be.
fn explained(event: &str, risk: f64, high_in: i32) -> Value {
    let curve: Vec<f64> = (0..=90).map(|ahead| 1.0 - (1.0 - risk) * (-f64::from(ahead) / f64::from(high_in) * 1.2).exp()).collect();
    let forecast = |days: i32, level: &str, risk: f64| json!({ "day": (Day::parse("2026-03-01").expect("a day") + days).to_string(), "in_days": days, "level": level, "risk": risk, "by_complaint": false });
    let silent = [forecast(high_in / 2, "medium", 0.55), forecast(high_in, "high", 0.8)];
    json!({
        "as_of": "2026-03-01", "level": "low", "risk": risk, "p_alive": 0.97, "horizon_days": 30, "days_silent": 0, "days_seen": 64,
        "reasons": ["silent for 0 days, usually back after 1.9"],
        "raises": [format!("{} more silent days reach medium", high_in / 2), format!("{high_in} more silent days reach high")],
        "lowers": [format!("{event} tomorrow gives 0.17, low")],
        "next": silent[0], "if_silent": silent, "curve": curve, "if_seen_tomorrow": forecast(1, "low", 0.17), "if_resolved": null,
        "model_id": "mbg-nbd-day-0a1b2c",
    })
}

/// Alerts all of whose texts are hostile.
pub(crate) fn hostile_alerts(newest: Day) -> Vec<Arc<str>> {
    let told = |(text, sample): (&str, Arc<str>)| {
        let mut alert: Value = serde_json::from_str(&sample).expect("JSON");
        alert["summary"] = json!(text);
        alert["name"] = json!(text);
        alert["severity"] = json!(text);
        alert["labels"] = json!({ "segment": text, "process": text, "level": text });
        alert["top_segments"] = json!([{ "segment": text, "observed": 3, "expected": 1.5, "p_value": 0.01 }]);
        Arc::from(alert.to_string())
    };
    HOSTILE.into_iter().zip(alerts(newest).into_iter().cycle()).map(told).collect()
}

/// A user all of whose texts are hostile.
pub(crate) fn hostile_profile() -> Value {
    let mut told = profile(HOSTILE[0]);
    told["brand"] = json!(HOSTILE[1]);
    told[HOSTILE[2]] = json!(HOSTILE[3]);
    told["recent"]["orders"][0]["order_id"] = json!(HOSTILE[4]);
    told["explain"]["activity"]["reasons"] = json!(HOSTILE);
    told
}
