//! Whole histories, as fits read them, against the profiles of engines that saw the same events in the order of their time.

use proptest::prelude::*;
use stickiness::engine::settings::EngineSettings;
use stickiness::model::churn::ProcessKind;
use stickiness::model::event::{Event, EventType, Facts};
use stickiness::model::histories::{Days, HistoryReader};
use stickiness::model::money::Money;
use stickiness::model::time::{Calendar, Day};

use crate::cluster::Cluster;
use crate::generated::{Sketch, event, settings, sketches};

/// The events with their copies in the order of their time; contacts become deletions now and then.
fn by_time(sketches: &[Sketch]) -> Vec<Event<'static>> {
    let one = |(index, sketch): (usize, &Sketch)| {
        let mut event = event(index, sketch);
        if event.kind == EventType::ContactMade && sketch.number.is_multiple_of(3) {
            (event.kind, event.facts) = (EventType::UserDeleted, Facts::None);
        }
        vec![event; 1 + sketch.copies.len()]
    };
    let mut events: Vec<Event<'static>> = sketches.iter().enumerate().flat_map(one).collect();
    events.sort_by_key(|event| event.time);
    events
}

fn sum(days: &Days) -> Money {
    days.iter().map(|(_, money)| *money).sum()
}

/// As of the end of `cut`, all users: days, first and last, money, money of the first day.
fn agrees(settings: &EngineSettings, sketches: &[Sketch], cut: Day) -> Result<(), TestCaseError> {
    let calendar = Calendar::new(&settings.time_zone).expect("a zone");
    let events = by_time(sketches);
    let mut cluster = Cluster::new(settings, 1);
    for event in events.iter().filter(|event| calendar.day_of(event.time) <= cut) {
        cluster.handle(event);
    }
    // All of them, in another order: what came after the cut must not show, but for deletions, which take what was before them.
    let mut reader = HistoryReader::new(calendar.clone(), Vec::new());
    let kept = |event: &&Event<'_>| event.kind != EventType::UserDeleted || calendar.day_of(event.time) <= cut;
    for event in events.iter().rev().filter(kept) {
        reader.take(event);
    }
    let histories = reader.finish(settings.return_days.into());
    let mut ours: Vec<_> = histories
        .up_to(ProcessKind::Purchase, cut)
        .iter()
        .map(|days| (days.len(), days[0].0, days[days.len() - 1].0, sum(days), days[0].1))
        .collect();
    let profiles: Vec<_> = cluster.engines[0].profiles_on(cut).collect();
    let mut theirs: Vec<_> = profiles
        .iter()
        .filter_map(|profile| {
            let totals = &profile.purchases;
            let (first, last) = totals.span?;
            Some((totals.order_days as usize, first, last, totals.revenue, totals.first_day_revenue))
        })
        .collect();
    ours.sort();
    theirs.sort();
    prop_assert_eq!(ours, theirs);
    let mut ours: Vec<_> =
        histories.up_to(ProcessKind::Activity, cut).iter().map(|days| (days.len(), days[0].0, days[days.len() - 1].0)).collect();
    let active = profiles.iter().filter(|profile| profile.active_days > 0);
    let mut theirs: Vec<_> =
        active.map(|profile| (profile.active_days as usize, profile.first_active_day, profile.last_active_day)).collect();
    ours.sort();
    theirs.sort();
    let ours: Vec<_> = ours.into_iter().map(|(count, first, last)| (count, Some(first), Some(last))).collect();
    prop_assert_eq!(ours, theirs);
    Ok(())
}

proptest! {
    #[test]
    fn histories_are_those_of_an_engine(settings in settings(), sketches in sketches(90, 120, true), cut in 0..95_i32) {
        agrees(&settings, &sketches, Day::from_number(20_454 + cut))?;
    }
}
