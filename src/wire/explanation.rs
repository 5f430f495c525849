//! What explains a user's levels of churn risk, as data and in words: a part of the answer about a user, of no record.

use serde_json::{Map, Value, json};

use super::records::ReasonText;
use crate::engine::explanation::{Explanation, Forecast};
use crate::model::churn::ProcessKind;

/// Explanations by the name of their process; a process without a level is null.
#[must_use]
pub fn explain(explanations: &[Explanation]) -> Value {
    let of = |kind| explanations.iter().find(|explanation| explanation.process == kind).map(process);
    let named = ProcessKind::NAMES.iter().map(|(kind, name)| ((*name).to_owned(), of(*kind).unwrap_or(Value::Null)));
    Value::Object(named.collect::<Map<_, _>>())
}

fn process(explanation: &Explanation) -> Value {
    let Explanation { now, history, .. } = explanation;
    let (raises, lowers) = words(explanation);
    let silent: Vec<Value> = explanation.if_silent.iter().map(|forecast| forecast_from(explanation, forecast)).collect();
    json!({
        "as_of": explanation.as_of.to_string(),
        "level": now.level.name(),
        "risk": now.risk,
        "p_alive": explanation.p_alive,
        "horizon_days": explanation.horizon_days,
        "days_silent": history.silent_days,
        "days_seen": history.repeats + 1,
        "reasons": explanation.reasons.iter().map(ReasonText).collect::<Vec<_>>(),
        "raises": raises,
        "lowers": lowers,
        "next": silent.first(),
        "if_silent": silent,
        "curve": explanation.curve,
        "if_seen_tomorrow": forecast_from(explanation, &explanation.if_seen),
        "if_resolved": explanation.if_resolved.map(|level| json!({ "level": level.name() })),
        "model_id": &*explanation.model_id,
    })
}

fn forecast_from(explanation: &Explanation, forecast: &Forecast) -> Value {
    json!({
        "day": forecast.day.to_string(),
        "in_days": forecast.day.days_since(explanation.as_of),
        "level": forecast.level.name(),
        "risk": forecast.risk,
        "by_complaint": forecast.raised,
    })
}

/// What raises the level and what lowers it, in words.
fn words(explanation: &Explanation) -> (Vec<String>, Vec<String>) {
    let (now, seen) = (&explanation.now, &explanation.if_seen);
    let mut before = *now;
    let (mut raises, mut lowers) = (Vec::new(), Vec::new());
    for change in &explanation.if_silent {
        let side = if change.level > before.level { &mut raises } else { &mut lowers };
        side.push(change_in_words(explanation, &before, change));
        before = *change;
    }
    if let Some(level) = explanation.if_resolved {
        lowers.push(format!("once no complaint is open it is {}", level.name()));
    }
    let event = match explanation.process {
        ProcessKind::Activity => "activity",
        ProcessKind::Purchase => "an order",
    };
    let side = if seen.level > now.level || seen.level == now.level && seen.risk >= now.risk { &mut raises } else { &mut lowers };
    side.push(format!("{event} tomorrow gives {:.2}, {}", seen.risk, seen.level.name()));
    (raises, lowers)
}

fn change_in_words(explanation: &Explanation, before: &Forecast, change: &Forecast) -> String {
    let days = change.day.days_since(explanation.as_of);
    let (plural, level) = (if days == 1 { "" } else { "s" }, change.level.name());
    if change.level < before.level {
        format!("in {days} day{plural} it is {level}")
    } else if change.raised && !before.raised {
        format!("a complaint that is still open in {days} day{plural} makes it {level}")
    } else {
        format!("{days} more silent day{plural} {} {level}", if days == 1 { "reaches" } else { "reach" })
    }
}
