//! Lifecycle cases by day, as `PostHog`'s tests state them: input events and expected numbers, with the time zone of the case.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use stickiness::config::Settings;
use stickiness::io::replay::Partitions;
use stickiness::model::time::{Calendar, Day};

use crate::{Named, data};

pub(crate) fn add(tests: &mut Vec<Named>) {
    tests.push(("posthog lifecycle by day".into(), Box::new(lifecycle)));
}

fn lifecycle() {
    let cases = std::fs::read_to_string(data().join("posthog-cases/lifecycle.json")).expect("the cases");
    let cases: Value = serde_json::from_str(&cases).expect("JSON");
    let by_day = cases["cases"].as_array().expect("a list").iter().filter(|case| case["interval"] == "day");
    let mut checked = 0;
    for case in by_day {
        check(case);
        checked += 1;
    }
    assert!(checked >= 9, "{checked} cases");
}

/// Whether an event belongs to the case: its filters, and users that are to be left out.
fn counts(case: &Value, event: &Value) -> bool {
    let excluded = case["exclude_users"].as_array().is_some_and(|users| users.contains(&event["id"]));
    let event_matches = case["event_filter"].as_str().is_none_or(|name| event["event"] == name);
    let property_matches =
        case["prop_filter"].as_object().is_none_or(|filter| filter.iter().all(|(name, value)| event["props"][name] == *value));
    !excluded && event_matches && property_matches
}

fn check(case: &Value) {
    let zone = case["timezone"].as_str().expect("a zone");
    let settings = Settings::read(&format!("time.time_zone = \"{zone}\""), []).expect("valid settings");
    let decoder = settings.decoder();
    let mut partitions = Partitions::new(&settings, 2, &Arc::new(Calendar::new(zone).expect("a zone")));
    let events = case["events"].as_array().expect("a list").iter().filter(|event| counts(case, event));
    let user = |id: &Value| case["aliases"][id.as_str().expect("an id")].as_str().map_or_else(|| id.clone(), Into::into);
    let mut values: Vec<Value> =
        events.map(|event| serde_json::json!({"user_id": user(&event["id"]), "type": "activity", "timestamp": event["ts"]})).collect();
    values.sort_by_key(|value| value["timestamp"].to_string());
    for value in values {
        let bytes = value.to_string();
        partitions.handle(&decoder.decode_json(bytes.as_bytes()).expect("an event"), None);
    }
    let day = |field: &str| Day::parse(&case[field].as_str().expect("a day")[..10]).expect("a day");
    partitions.close_through(day("date_to"));
    partitions.look_for_the_last_time();
    let records: BTreeMap<String, Value> = partitions
        .last_metrics()
        .iter()
        .filter(|((segment, _), _)| segment == "all")
        .map(|((_, day), record)| (day.to_string(), record.clone()))
        .collect();
    for (state, field, sign) in
        [("new", "new_1d", 1), ("returning", "retained_1d", 1), ("resurrecting", "resurrected_1d", 1), ("dormant", "dormant_1d", -1)]
    {
        let missing = case["expected"].is_object() && case["expected"][state].is_null();
        let series = case["expected"][state].as_array();
        assert!(missing || series.is_some() || case["expected_people"].is_object(), "{} expects nothing", case["id"]);
        for (index, expected) in (0..).zip(series.into_iter().flatten()) {
            let at = (day("date_from") + index).to_string();
            let ours = records.get(&at).map_or(0, |record| record[field].as_i64().expect("a count"));
            assert_eq!(Some(ours * sign), expected.as_i64(), "{} {state} on {at}", case["id"]);
        }
        for (at, people) in case["expected_people"].as_object().into_iter().flatten() {
            let Some(at) = at.strip_prefix(&format!("{state}@")) else { continue };
            let people = people.as_array().map_or_else(|| people.as_i64().expect("a count"), |people| people.len() as i64);
            assert_eq!(records[at][field], people, "{} {state} on {at}", case["id"]);
        }
    }
}
