//! What groups of users show, as JSON.

pub mod bounds;
mod cross_sell;
mod groups;
mod handling;
pub mod ranks;
mod rivals;
pub mod share;
mod stages;
mod trade;
mod voices;
mod worth;

use serde_json::{Value, json};

use crate::engine::insights::{Insights, QUICK_DAYS, STAY_DAYS};
use crate::model::insights::curve::Breakpoints;
use crate::model::insights::proportion::Proportion;
use crate::model::insights::survival::Survival;
use crate::model::loyalty::states::LoyaltyType;
use crate::model::time::Day;

/// The names of all insights.
pub const NAMES: [&str; 23] = [
    "funnel",
    "recovery",
    "satisfaction",
    "pareto",
    "rfm",
    "types",
    "departures",
    "attributes",
    "channels",
    "virality",
    "cross_sell",
    "economics",
    "responses",
    "silence",
    "tolerance",
    "tenure",
    "complaints",
    "intermediaries",
    "decisions",
    "campaigns",
    "competitor_interest",
    "stages",
    "competitors",
];

/// All insights as of a day, by name: `stickiness.insights.v1`. `silent_ratio` is how many are taken to be silent for each who complains, before anything is known.
/// `left_out` says of which lists how many names are left out.
#[must_use]
pub fn insights(insights: &Insights, day: Day, silent_ratio: u32) -> Value {
    let mut told = all(insights, day, silent_ratio);
    let mut left_out = bounds::shorten(&mut told);
    let pairs = cross_sell::pairs_left_out(&insights.groups);
    if pairs > 0 {
        left_out.insert("cross_sell.pairs".to_owned(), json!(pairs));
    }
    told["left_out"] = left_out.into();
    told
}

fn all(insights: &Insights, day: Day, silent_ratio: u32) -> Value {
    json!({
        "schema": "stickiness.insights.v1",
        "as_of": day.to_string(),
        "funnel": funnel(insights),
        "recovery": recovery(insights),
        "satisfaction": satisfaction(insights),
        "pareto": pareto(insights),
        "rfm": rfm(insights),
        "types": types(insights),
        "departures": groups::departures(&insights.groups),
        "attributes": groups::attributes(&insights.groups),
        "channels": groups::channels(&insights.groups),
        "virality": groups::virality(&insights.groups),
        "cross_sell": cross_sell::cross_sell(&insights.groups, &insights.trade.depth),
        "economics": worth::economics(insights),
        "responses": groups::responses(&insights.groups),
        "silence": voices::silence(&insights.voices, silent_ratio),
        "tolerance": voices::tolerance(&insights.voices),
        "tenure": voices::tenure(insights),
        "complaints": handling::complaints(&insights.handling),
        "intermediaries": trade::intermediaries(&insights.trade),
        "decisions": trade::decisions(&insights.trade),
        "campaigns": trade::campaigns(&insights.trade),
        "competitor_interest": trade::competitor_interest(&insights.trade),
        "stages": stages::stages(insights),
        "competitors": rivals::competitors(&insights.rivals),
    })
}

fn proportion(counted: &Proportion) -> Value {
    let (low, high) = counted.interval().unzip();
    json!({ "part": counted.part, "users": counted.whole, "share": counted.share(), "low": low, "high": high })
}

fn funnel(insights: &Insights) -> Value {
    let step = |name: &str, survival: &Survival| {
        let curve = survival.curve();
        let points = curve.iter().map(|step| {
            json!({
                "days": step.days, "at_risk": step.at_risk, "converted": step.events, "share": 1.0 - step.without,
                "low": 1.0 - step.interval.1, "high": 1.0 - step.interval.0,
            })
        });
        json!({
            "step": name,
            "users": survival.users(),
            "converted": survival.events(),
            "share": curve.last().map(|last| 1.0 - last.without),
            "median_days": survival.median(),
            "curve": points.collect::<Vec<_>>(),
        })
    };
    json!([step("first_to_second", &insights.funnel[0]), step("second_to_third", &insights.funnel[1])])
}

fn recovery(insights: &Insights) -> Value {
    let [unresolved, slow, quick] = &insights.recovery;
    json!({
        "stay_days": STAY_DAYS,
        "quick_days": QUICK_DAYS,
        "unresolved": proportion(unresolved),
        "slow": proportion(slow),
        "quick": proportion(quick),
        "habits": voices::habits(&insights.voices),
        "remedies": handling::remedies(&insights.handling),
        // Article E: 81 % leave when a complaint is not resolved, 82 % stay when it is resolved quickly.
        "article": { "unresolved": 0.19, "quick": 0.82 },
    })
}

#[expect(clippy::cast_precision_loss, reason = "scores are small")]
fn satisfaction(insights: &Insights) -> Value {
    let score = |millionths: i64| millionths as f64 / 1e6;
    let rising = insights.satisfaction.rising();
    let point = |((at, counted), (_, smooth)): ((i64, &Proportion), &(i64, f64))| {
        let mut point = proportion(counted);
        point["score"] = json!(score(at));
        point["rising"] = json!(smooth);
        point
    };
    let zones = |found: Breakpoints| {
        let [defection, indifference, affection] = &found.zones;
        json!({
            "defection_below": score(found.defection_below),
            "affection_from": score(found.affection_from),
            "defection": proportion(defection),
            "indifference": proportion(indifference),
            "affection": proportion(affection),
            // Rates of leaving against those of the indifferent: dissatisfaction drives leaving more than satisfaction staying (article B).
            "leaving_rate_ratio": {
                "defection": voices::leaving_ratio(defection, indifference),
                "affection": voices::leaving_ratio(affection, indifference),
            },
        })
    };
    json!({
        "stay_days": STAY_DAYS,
        "curve": insights.satisfaction.scores().zip(&rising).map(point).collect::<Vec<_>>(),
        "breakpoints": insights.satisfaction.breakpoints().map(zones),
        "second_order": voices::second_order(&insights.voices),
    })
}

fn pareto(insights: &Insights) -> Value {
    let points = insights.buyers.pareto(10).into_iter().zip(1..);
    let point = |((buyers, revenue, share), tenth): ((u64, crate::model::money::Money, Option<f64>), u32)| json!({ "top_share": f64::from(tenth) / 10.0, "buyers": buyers, "revenue": revenue.as_f64(), "revenue_share": share });
    json!({ "buyers": insights.buyers.users(), "curve": points.map(point).collect::<Vec<_>>(), "profit": worth::profit(insights) })
}

fn rfm(insights: &Insights) -> Value {
    let Some(cuts) = insights.buyers.cuts() else { return Value::Null };
    let grid = insights.buyers.grid(&cuts);
    let mut cells = Vec::new();
    for (row, recency) in grid.iter().zip(1..) {
        for ((users, orders, revenue), frequency) in row.iter().zip(1..) {
            let (recency, frequency): (u32, u32) = (recency, frequency);
            cells.push(json!({
                "recency": recency, "frequency": frequency, "users": users, "orders": orders, "revenue": revenue.as_f64(),
            }));
        }
    }
    json!({ "cuts": { "recency_days": cuts.recency, "orders": cuts.frequency, "revenue": cuts.monetary }, "grid": cells })
}

fn types(insights: &Insights) -> Value {
    let one = |(kind, (users, orders, revenue)): (&Option<LoyaltyType>, &(u64, u64, crate::model::money::Money))| json!({ "loyalty_type": kind.map(LoyaltyType::name), "users": users, "orders": orders, "revenue": revenue.as_f64() });
    insights.types.iter().map(one).collect()
}
