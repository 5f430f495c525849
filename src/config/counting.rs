//! The sections that decide the figures: time, activity, purchases, complaints, deletion, breakdowns, profiles.

use std::time::Duration;

use toml::Value;

use super::input::not_a_type;
use super::section::Section;
use super::service::scalar_text;
use crate::engine::settings::{Breakdown, DeletionPast, EngineSettings};
use crate::model::event::EventType;
use crate::model::time::Day;

/// The most days that the longest window and the late horizon may be together. (The days that are held of a user are more, for merges that come late:
/// docs/decisions/0004.)
const LONGEST_REACH: u16 = 128;
/// Days that the two 30-day windows of a day's lifecycle reach back.
const LIFECYCLE_DAYS: u16 = 60;

/// What these sections say beside the engine's settings.
pub(super) struct Counting {
    pub(super) earliest: Day,
    pub(super) idle_after: Duration,
    pub(super) currency: Option<String>,
}

pub(super) fn counting(top: &Section<'_>) -> (EngineSettings, Counting) {
    let mut engine = EngineSettings::default();
    let (earliest, idle_after) = time(top.section("time"), &mut engine);
    activity(top.section("activity"), &mut engine);
    let currency = purchases(top.section("purchases"), &mut engine);
    let complaints = top.section("complaints");
    engine.silent_ratio = complaints.whole("silent_ratio", 0..=10_000, engine.silent_ratio);
    complaints.finish();
    let deletion = top.section("deletion");
    let pasts = [(DeletionPast::Keep, "keep"), (DeletionPast::Decrement, "decrement")];
    engine.deletion_past = deletion.one_of("past", &pasts, engine.deletion_past);
    deletion.finish();
    breakdowns(top.section("breakdowns"), &mut engine);
    let profiles = top.section("profiles");
    engine.publish_profiles = profiles.flag("publish", engine.publish_profiles);
    profiles.finish();
    (engine, Counting { earliest, idle_after, currency })
}

fn time(section: Section<'_>, engine: &mut EngineSettings) -> (Day, Duration) {
    engine.time_zone = section.text("time_zone", &engine.time_zone);
    match jiff::tz::TimeZone::get(&engine.time_zone) {
        // Names are found in any case; records carry the one of the database.
        Ok(zone) => engine.time_zone = zone.iana_name().unwrap_or(&engine.time_zone).to_owned(),
        Err(_) => section.mistake("time_zone", "must be the IANA name of a time zone, such as \"UTC\" or \"Europe/Berlin\""),
    }
    let earliest = earliest(&section);
    engine.mau_days = section.whole("mau_days", 1..=LONGEST_REACH, engine.mau_days);
    engine.late_horizon_days = section.whole("late_horizon_days", 0..=LONGEST_REACH - LIFECYCLE_DAYS, engine.late_horizon_days);
    let held = engine.mau_days.max(LIFECYCLE_DAYS) + engine.late_horizon_days;
    if held > LONGEST_REACH {
        let longest = LONGEST_REACH - engine.mau_days.max(LIFECYCLE_DAYS);
        let sum = format!("max({LIFECYCLE_DAYS}, time.mau_days) + time.late_horizon_days is {held}, at most {LONGEST_REACH} are allowed");
        section.mistake("mau_days", format!("{sum}: with it, time.late_horizon_days may be {longest}"));
    }
    engine.grace_ms = millis(section.duration("grace", "0s"..="30d", "1h"));
    engine.future_tolerance_ms = millis(section.duration("future_tolerance", "0s"..="365d", "5min"));
    let idle_after = section.duration("idle_after", "1s"..="7d", "15min");
    section.finish();
    (earliest, idle_after)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A day as text or as a TOML date.
fn earliest(section: &Section<'_>) -> Day {
    let default = Day::from_date(jiff::civil::date(1990, 1, 1));
    let Some(value) = section.value("earliest") else { return default };
    let text = match value {
        Value::Datetime(date) => date.to_string(),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    let years = Day::from_date(jiff::civil::date(1900, 1, 1))..=Day::from_date(jiff::civil::date(2099, 12, 31));
    Day::parse(&text).filter(|day| years.contains(day)).unwrap_or_else(|| {
        section.mistake("earliest", format!("must be a day from {} to {}", years.start(), years.end()));
        default
    })
}

fn activity(section: Section<'_>, engine: &mut EngineSettings) {
    let mut excluded = section.texts("exclude").unwrap_or_default();
    for name in excluded.iter().filter(|name| EventType::from_name(name).is_none()) {
        section.mistake("exclude", format!("`{name}`: {}", not_a_type(name)));
    }
    excluded.sort();
    excluded.dedup();
    engine.excluded_types = excluded;
    section.finish();
}

fn purchases(section: Section<'_>, engine: &mut EngineSettings) -> Option<String> {
    engine.loyal_orders = section.whole("loyal_orders", 1..=10_000, engine.loyal_orders);
    engine.lapse_days = section.whole("lapse_days", 1..=3650, engine.lapse_days);
    engine.return_days = section.whole("return_days", 0..=3650, engine.return_days);
    let currency = section.optional_text("currency");
    if currency.as_ref().is_some_and(String::is_empty) {
        section.mistake("currency", "must be the currency as orders name it, such as \"EUR\"");
    }
    section.finish();
    currency
}

fn breakdowns(section: Section<'_>, engine: &mut EngineSettings) {
    let properties = section.texts("properties").unwrap_or_default();
    engine.max_values = section.whole("max_values", 1..=100_000, engine.max_values);
    for (index, property) in properties.iter().enumerate() {
        if property.is_empty() || property.contains(['=', '|']) {
            section.mistake("properties", format!("`{property}`: a name must not be empty nor contain `=` or `|`"));
        } else if properties[..index].contains(property) {
            section.mistake("properties", format!("names `{property}` twice"));
        }
    }
    if properties.len() > 64 {
        section.mistake("properties", "at most 64 properties");
    }
    let lists: Vec<(&String, Vec<String>)> =
        section.entries("values").map(|(property, value)| (property, values(&section, property, value))).collect();
    for (property, _) in &lists {
        if !properties.contains(property) {
            section.item_mistake("values", property, None, "is not in breakdowns.properties");
        }
    }
    let list_of = |property: &String| lists.iter().find(|(listed, _)| *listed == property).map(|(_, values)| values.clone());
    engine.breakdowns = properties.iter().map(|property| Breakdown { property: property.clone(), values: list_of(property) }).collect();
    section.finish();
}

/// The values of one property: texts, or the texts of numbers and booleans.
fn values(section: &Section<'_>, property: &str, value: &Value) -> Vec<String> {
    let values: Option<Vec<String>> = value.as_array().and_then(|items| items.iter().map(scalar_text).collect());
    let values = values.filter(|values| !values.is_empty());
    let Some(mut values) = values else {
        section.item_mistake("values", property, Some(value), "must be a list of texts, numbers or booleans, at least one");
        return Vec::new();
    };
    let count = values.len();
    values.sort();
    values.dedup();
    if values.len() < count {
        section.item_mistake("values", property, Some(value), "names a value twice");
    }
    values
}
