use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use stickiness::engine::effect::Admission;
use stickiness::engine::insights::Insights;
use stickiness::engine::settings::EngineSettings;
use stickiness::model::event::{Event, EventType, Facts};
use stickiness::model::time::{Calendar, Day};

use crate::cluster::Cluster;
use crate::generated::{HOUR, Sketch, arrivals, settings, sketches};
use crate::naive::Naive;

/// Runs the events through engines and compares the last records and profiles with the naive recompute.
pub(crate) fn agrees(settings: &EngineSettings, sketches: &[Sketch], partitions: u32, restores: &[usize]) -> Result<(), TestCaseError> {
    agrees_when(settings, sketches, partitions, restores, None).map(drop)
}

/// The same; after `reshard.0` events there are `reshard.1` more partitions.
fn agrees_when(
    settings: &EngineSettings,
    sketches: &[Sketch],
    partitions: u32,
    restores: &[usize],
    reshard: Option<(usize, u8)>,
) -> Result<(Cluster, Day), TestCaseError> {
    let events = arrivals(sketches);
    let mut cluster = Cluster::new(settings, partitions);
    for (index, event) in events.iter().enumerate() {
        if let Some((_, more)) = reshard.filter(|(after, _)| *after == index) {
            cluster.reshard(more);
        }
        let admission = cluster.handle(event);
        prop_assert!(matches!(admission, Admission::Accepted | Admission::Duplicate), "{admission:?} for {event:?}");
        if restores.contains(&(index % 50)) {
            cluster.publish();
            cluster.restore(index % partitions as usize);
        }
    }
    let calendar = Calendar::new(&settings.time_zone).expect("a zone");
    let last = events.iter().map(|event| calendar.day_of(event.time)).max().expect("one") + 40;
    cluster.close_through(last);
    for engine in &cluster.engines {
        prop_assert_eq!(engine.forgotten_states(), Vec::<String>::new(), "looked at when they change, and by nobody else");
    }
    let naive = Naive::new(settings, &events);
    counts_agree(&mut cluster, &naive, last)?;
    let merged = events.iter().any(|event| event.kind == EventType::UserMerged);
    let segments = naive.rule_segments(last);
    for (id, profile) in cluster.profiles(last) {
        // What an id without an anchor did before the late horizon is not kept for one that it is merged with later.
        let is_told = |name: &&str| !merged || !["starter", "back"].contains(name);
        let ours: Vec<&str> = profile["segments"].as_array().expect("a list").iter().filter_map(Value::as_str).filter(is_told).collect();
        let theirs: Vec<&str> = segments[&id].iter().map(String::as_str).filter(is_told).collect();
        prop_assert_eq!(ours, theirs, "segments of {}", id);
    }
    // Across partitions nobody knows which of the records of a merged user is the last.
    if !merged || partitions == 1 && reshard.is_none() {
        levels_agree(&cluster, &naive, last)?;
    }
    Ok((cluster, last))
}

/// Compares the last records, insights and profiles with the naive recompute.
pub(crate) fn counts_agree(cluster: &mut Cluster, naive: &Naive<'_>, last: Day) -> Result<(), TestCaseError> {
    let (ours, theirs) = (cluster.last_records(), naive.records(last));
    let surplus: Vec<_> = ours.iter().filter(|(key, _)| !theirs.contains_key(*key)).collect();
    prop_assert!(surplus.is_empty(), "records that should not be: {:?}", surplus);
    prop_assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (key, record) in &theirs {
        for (field, value) in record {
            prop_assert_eq!(ours[key].get(field), Some(value), "{} of {} on {}", field, key.0, key.1);
        }
        prop_assert_eq!(ours[key].len(), record.len(), "fields of {:?}", key);
    }
    for day in [last, last - 40, last - 33] {
        prop_assert_eq!(insights(cluster, day), naive.insights(day), "insights on {}", day);
        profiles_agree(cluster, naive, day)?;
        loyalty_agrees(cluster, naive, day)?;
    }
    Ok(())
}

/// The level that was published last, of each user and process, is that of the day.
pub(crate) fn levels_agree(cluster: &Cluster, naive: &Naive<'_>, day: Day) -> Result<(), TestCaseError> {
    let mut published: BTreeMap<(&str, &str), &Value> = BTreeMap::new();
    for record in cluster.earlier_risks.iter().chain(cluster.risks.iter().flatten()) {
        let text = |field: &str| record[field].as_str().expect("text");
        let before = published.insert((text("user_id"), text("process")), &record["to"]);
        prop_assert!(before.is_none_or(|before| record["from"].is_null() || *before == record["from"]), "{record} after {before:?}");
        prop_assert!(record["from"] != record["to"], "{record}");
    }
    for (id, levels) in naive.levels(day) {
        for (process, level) in levels {
            let said = published.get(&(id.as_str(), process)).and_then(|level| level.as_str());
            prop_assert_eq!(said, level, "{} of {}", process, id);
        }
    }
    Ok(())
}

fn profiles_agree(cluster: &Cluster, naive: &Naive<'_>, day: Day) -> Result<(), TestCaseError> {
    let (ours, theirs) = (cluster.profiles(day), naive.profiles(day));
    prop_assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (id, profile) in theirs {
        for (field, value) in profile.as_object().expect("an object") {
            prop_assert_eq!(&ours[&id][field], value, "{} of {}", field, id);
        }
    }
    Ok(())
}

/// Profiles over so long a time that most of what is known was folded into totals.
fn folds(settings: &EngineSettings, sketches: &[Sketch], restores: &[usize]) -> Result<(), TestCaseError> {
    let mut events = arrivals(sketches);
    for event in &mut events {
        // An id that comes again when its order was folded is another order.
        let period = event.time.millis() / (40 * 24 * HOUR);
        match &mut event.facts {
            Facts::Order(facts) if !facts.order_id.is_empty() => facts.order_id = format!("{period} {}", facts.order_id).into(),
            Facts::Return(facts) => facts.order_id = format!("{period} {}", facts.order_id).into(),
            _ => {}
        }
    }
    let mut cluster = Cluster::new(settings, 1);
    for (index, event) in events.iter().enumerate() {
        cluster.handle(event);
        if restores.contains(&(index % 50)) {
            cluster.publish();
            cluster.restore(0);
        }
    }
    let calendar = Calendar::new(&settings.time_zone).expect("a zone");
    let newest = events.iter().map(|event| calendar.day_of(event.time)).max().expect("one");
    let naive = Naive::new(settings, &events);
    for day in [newest, newest + 10] {
        cluster.close_through(day);
        loyalty_agrees(&cluster, &naive, day)?;
    }
    prop_assert_eq!(cluster.engines[0].forgotten_states(), Vec::<String>::new());
    Ok(())
}

/// What the users of all partitions show, without types, which depend on the log.
fn insights(cluster: &Cluster, day: Day) -> Insights {
    let mut all = Insights::default();
    for engine in &cluster.engines {
        all.absorb(&engine.insights(day));
    }
    all.types.clear();
    all.tenure.clear();
    // So do the days in a stage: `stages` counts them.
    all.dwells = Default::default();
    all
}

/// The measures of loyalty of every user, floats to the last digits: logarithms are kept in fixed point.
fn loyalty_agrees(cluster: &Cluster, naive: &Naive<'_>, day: Day) -> Result<(), TestCaseError> {
    let ours = cluster.profiles(day);
    for (id, profile) in naive.loyalty(day) {
        for (field, value) in profile.as_object().expect("an object") {
            let found = ours[&id].get(field);
            let close = |found: f64, value: f64| (found - value).abs() <= 1e-9 * value.abs().max(1.0);
            let same = match (found.and_then(Value::as_f64), value.as_f64()) {
                (Some(found), Some(value)) => close(found, value),
                _ => found == Some(value),
            };
            prop_assert!(same, "{} of {} on {}: {:?}, not {}", field, id, day, found, value);
        }
    }
    Ok(())
}

/// The transitions of each partition, in order, then the changes of churn risk, of events in the order of their arrival.
pub(crate) fn transitions(settings: &EngineSettings, events: &[Event<'static>], partitions: u32, restores: &[usize]) -> Vec<Vec<Value>> {
    let mut cluster = Cluster::new(settings, partitions);
    for (index, event) in events.iter().enumerate() {
        cluster.handle(event);
        if restores.contains(&(index % 20)) {
            cluster.publish();
            cluster.restore(index % partitions as usize);
        }
    }
    let calendar = Calendar::new(&settings.time_zone).expect("a zone");
    let last = events.iter().map(|event| calendar.day_of(event.time)).max().expect("one") + 200;
    cluster.close_through(last);
    cluster.transitions.into_iter().chain(cluster.risks).collect()
}

/// What the closes of days decided about levels, against all users judged at each close by what was known then.
fn decides(settings: &EngineSettings, events: &[Event<'static>], restores: &[usize]) -> Result<(), TestCaseError> {
    let mut cluster = Cluster::new(settings, 1);
    let mut before = BTreeMap::new();
    let mut expected = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let closed = cluster.engines[0].closed_through();
        cluster.handle(event);
        if restores.contains(&(index % 50)) {
            cluster.publish();
            cluster.restore(0);
        }
        let (Some(mut day), Some(through)) = (closed, cluster.engines[0].closed_through()) else { continue };
        let naive = Naive::new(settings, &events[..index]);
        while day < through {
            day = day + 1;
            let counts = naive.decided(day, &mut before);
            // Of a departure and an activity of one day, the engine does not know which came first once it knows of a later active day.
            if !naive.blurred(day) && !naive.blurred(day - 1) {
                expected.push((day, counts));
            }
        }
    }
    for (day, expected) in expected {
        // The record is there from the first active day on.
        let Some(decided) = cluster.decided_risk(day) else { continue };
        // An id that another one is merged into may be new, or take over: its level is then a first one.
        let compared = if events.iter().any(|event| event.kind == EventType::UserMerged) { 4 } else { 7 };
        prop_assert_eq!(&decided[..compared], &expected[..compared], "{}", day);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_duplication(settings in settings(), sketches in sketches(150, 120, false), restores in prop::collection::vec(0..50_usize, 0..3)) {
        agrees(&settings, &sketches, 1, &restores)?;
    }

    #[test]
    fn levels_are_decided_when_their_day_closes(
        settings in settings(), sketches in sketches(45, 70, false), restores in prop::collection::vec(0..50_usize, 0..2), grace_hours in 0..60_i64
    ) {
        let settings = EngineSettings { grace_ms: grace_hours * 3_600_000, ..settings };
        decides(&settings, &arrivals(&sketches), &restores)?;
    }

    #[test]
    fn levels_of_merged_users_are_decided_once(
        settings in settings(), sketches in sketches(45, 60, true), restores in prop::collection::vec(0..50_usize, 0..2), grace_hours in 0..60_i64
    ) {
        let settings = EngineSettings { grace_ms: grace_hours * 3_600_000, ..settings };
        decides(&settings, &arrivals(&sketches), &restores)?;
    }

    #[test]
    fn what_is_folded_counts_as_before(
        settings in settings(), sketches in sketches(500, 150, false), restores in prop::collection::vec(0..50_usize, 0..3), return_days in prop::sample::select(vec![0_u16, 20, 90])
    ) {
        folds(&EngineSettings { return_days, ..settings }, &sketches, &restores)?;
    }

    #[test]
    fn any_partition_count(settings in settings(), sketches in sketches(120, 80, false), partitions in 1..=8_u32) {
        agrees(&settings, &sketches, partitions, &[])?;
    }

    #[test]
    fn merges_anywhere(settings in settings(), sketches in sketches(120, 60, true), restores in prop::collection::vec(0..50_usize, 0..2)) {
        agrees(&settings, &sketches, 1, &restores)?;
    }

    #[test]
    fn merges_across_partitions(settings in settings(), sketches in sketches(100, 50, true), partitions in 2..=8_u32) {
        agrees(&settings, &sketches, partitions, &[3])?;
    }

    #[test]
    fn users_move_to_more_partitions(
        settings in settings(), sketches in sketches(120, 80, false), partitions in 1..=4_u32, more in 1..=4_u8, after in 0..120_usize,
    ) {
        let (mut resharded, last) = agrees_when(&settings, &sketches, partitions, &[], Some((after, more)))?;
        let (mut alone, _) = agrees_when(&settings, &sketches, 1, &[], None)?;
        prop_assert_eq!(resharded.decided(last), alone.decided(last));
    }

    #[test]
    fn merged_users_move_to_more_partitions(
        settings in settings(), sketches in sketches(100, 50, true), partitions in 1..=4_u32, more in 1..=4_u8, after in 0..100_usize,
    ) {
        agrees_when(&settings, &sketches, partitions, &[], Some((after, more)))?;
    }

    #[test]
    fn transitions_do_not_know_of_duplicates_and_restores(
        settings in settings(), sketches in sketches(120, 100, false), partitions in 1..=4_u32, restores in prop::collection::vec(0..20_usize, 0..3)
    ) {
        let events = arrivals(&sketches);
        prop_assert_eq!(transitions(&settings, &events, partitions, &restores), transitions(&settings, &once(&events), partitions, &[]));
    }

    #[test]
    fn transitions_of_merged_users_neither(settings in settings(), sketches in sketches(120, 100, true), restores in prop::collection::vec(0..20_usize, 0..3)) {
        let events = arrivals(&sketches);
        prop_assert_eq!(transitions(&settings, &events, 1, &restores), transitions(&settings, &once(&events), 1, &[]));
    }
}

/// The first copy of each event.
pub(crate) fn once(events: &[Event<'static>]) -> Vec<Event<'static>> {
    let mut seen = Vec::new();
    let first = events.iter().filter(|event| {
        let fresh = !seen.contains(&event.event_id);
        seen.push(event.event_id.clone());
        fresh
    });
    first.cloned().collect()
}

/// How many cases are tried: `PROPTEST_CASES`, or a number that suits every run of the tests.
pub(crate) fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(96)
}
