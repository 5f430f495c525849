//! What the synthetic events promise.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::model::event::Event;
use crate::model::rejection::Reason;
use crate::wire::csv::Header;
use crate::wire::decode::{Decoder, DecoderLimits};
use crate::wire::mapping::{InputMapping, Location};

fn generated(settings: &GeneratorSettings) -> Vec<Generated> {
    Generator::new(settings.clone()).expect("settings").collect()
}

fn decoder() -> Decoder {
    let mut mapping = InputMapping::default();
    mapping.fields.arrived_at = Location::parse("arrived_at");
    Decoder::new(&mapping, DecoderLimits::default())
}

#[test]
fn equal_seeds_give_equal_bytes() {
    let settings = GeneratorSettings { events: 2_000, ..GeneratorSettings::default() };
    let text = |settings: &GeneratorSettings| generated(settings).iter().map(Generated::json).collect::<Vec<_>>();
    assert_eq!(text(&settings), text(&settings));
    assert_ne!(text(&settings), text(&GeneratorSettings { seed: 2, ..settings.clone() }));
}

#[test]
fn exactly_so_many_in_the_order_of_arrival() {
    for (events, users, days) in [(0, 1, 1), (1, 1, 1), (10_000, 1, 1), (5_000, 300, 30), (7, 10_000, 10), (10_000, 1_000, 365)] {
        let settings = GeneratorSettings { events, users, days, ..GeneratorSettings::default() };
        let records = generated(&settings);
        assert_eq!(records.len() as u64, events);
        assert!(records.is_sorted_by_key(Generated::arrived_at));
    }
}

#[test]
fn shares_are_kept() {
    let settings = GeneratorSettings {
        events: 50_000,
        poison_share: 0.02,
        duplicate_share: 0.03,
        merge_share: 0.001,
        delete_share: 0.002,
        order_share: 0.2,
        return_share: 0.05,
        late_share: 0.1,
        ..GeneratorSettings::default()
    };
    let (mut kinds, mut reasons, mut ids) = (BTreeMap::<_, f64>::new(), BTreeSet::new(), BTreeSet::new());
    let (mut late, mut repeats) = (0.0, 0.0);
    for record in generated(&settings) {
        let json = record.json();
        match decoder().decode_json_line(json.as_bytes()) {
            Ok(decoded) => {
                assert!(!record.is_poison(), "{json}");
                let Event { event_id, user_id, kind, time, .. } = decoded.event;
                let arrival = decoded.arrived_at.expect("an arrival");
                let lateness = arrival.millis() - time.millis();
                assert!((0..=8 * MILLIS_PER_DAY).contains(&lateness), "{json}");
                *kinds.entry(kind.name()).or_default() += 1.0;
                let is_new = ids.insert((user_id.into_owned(), event_id.into_owned()));
                late += f64::from(u8::from(is_new && lateness > 3_600_000));
                repeats += f64::from(u8::from(!is_new));
            }
            Err(rejection) => {
                assert!(record.is_poison(), "{json}: {}", rejection.detail);
                reasons.insert(rejection.reason);
                *kinds.entry("poison").or_default() += 1.0;
            }
        }
    }
    let near = |found: f64, share: f64| (found / 50_000.0 - share).abs() < 0.1 * share + 0.001;
    for (kind, share) in
        [("poison", 0.02), ("order_placed", 0.2), ("order_returned", 0.05), ("user_merged", 0.001), ("user_deleted", 0.002)]
    {
        assert!(near(kinds[kind], share), "{kind}: {}", kinds[kind]);
    }
    assert!(near(late, 0.1), "{late}");
    assert!(near(repeats, 0.03), "{repeats}");
    let expected = [Reason::Malformed, Reason::MissingField, Reason::InvalidValue, Reason::UnknownType, Reason::BadTimestamp];
    assert_eq!(reasons, expected.into());
    assert!(kinds.len() > 10, "{kinds:?}");
}

#[test]
fn rows_say_the_same_as_objects() {
    let header = Header::parse(CSV_HEADER.as_bytes()).expect("a header");
    for record in generated(&GeneratorSettings { order_share: 0.5, ..GeneratorSettings::default() }) {
        let (json, csv) = (record.json(), record.csv());
        match decoder().decode_json_line(json.as_bytes()) {
            Ok(decoded) => assert_eq!(decoder().decode_row(&header, csv.as_bytes()).expect(&csv), decoded),
            Err(_) => assert!(decoder().decode_row(&header, csv.as_bytes()).is_err(), "{csv}"),
        }
    }
}

#[test]
fn habits_have_weeks_and_churn() {
    let settings =
        GeneratorSettings { events: 200_000, users: 2_000, days: 120, skew: 0.3, late_share: 0.0, ..GeneratorSettings::default() };
    let mut days = BTreeMap::<u32, BTreeSet<i64>>::new();
    for record in generated(&settings) {
        days.entry(record.user).or_default().insert(record.time / MILLIS_PER_DAY);
    }
    let last = days.values().filter_map(BTreeSet::last).max().expect("a day");
    let silent = days.values().filter(|days| days.last().is_some_and(|day| last - day > 30)).count();
    let gap = |days: &BTreeSet<i64>| days.iter().zip(days.iter().skip(1)).any(|(one, next)| next - one > 30);
    let back = days.values().filter(|days| gap(days)).count();
    assert!(silent > 200 && back > 100, "{silent} silent, {back} back after a month");
}

#[test]
fn ranges() {
    let default = GeneratorSettings::default;
    for (settings, error) in [
        (GeneratorSettings { users: 0, ..default() }, GeneratorError::Zero("users")),
        (GeneratorSettings { days: 0, ..default() }, GeneratorError::Zero("days")),
        (GeneratorSettings { skew: -1.0, ..default() }, GeneratorError::Skew),
        (GeneratorSettings { skew: f64::NAN, ..default() }, GeneratorError::Skew),
        (GeneratorSettings { late_share: 1.5, ..default() }, GeneratorError::Share("late_share")),
        (GeneratorSettings { order_share: 0.9, return_share: 0.2, ..default() }, GeneratorError::Shares),
    ] {
        assert_eq!(Generator::new(settings).err(), Some(error));
    }
}
