//! How long users stay in each stage of the life cycle, as JSON.

use serde_json::{Value, json};

use crate::engine::insights::Insights;
use crate::model::insights::survival::Survival;
use crate::model::loyalty::stage::LifeStage;

/// Stays by stage: those that are over, and those that go on.
pub(super) fn stages(insights: &Insights) -> Value {
    let one = |(stage, dwell): (LifeStage, &Survival)| {
        let curve = dwell.curve();
        let points = curve.iter().map(|step| {
            json!({ "days": step.days, "at_risk": step.at_risk, "left": step.events, "stay": step.without, "low": step.interval.0, "high": step.interval.1 })
        });
        json!({
            "life_stage": stage.name(), "stays": dwell.users(), "left": dwell.events(), "in_it": dwell.users() - dwell.events(),
            "median_days": dwell.median(), "curve": points.collect::<Vec<_>>(),
        })
    };
    LifeStage::ALL.into_iter().zip(&insights.dwells).map(one).collect()
}
