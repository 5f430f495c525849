//! Input that would make an engine grow without end, did it not keep within its limits.

use std::sync::Arc;

use stickiness::engine::partition::{PartitionEngine, Placement};
use stickiness::engine::settings::{Breakdown, EngineSettings};
use stickiness::model::event::{Event, EventType, Facts};
use stickiness::model::time::{Calendar, EventTime};

use crate::generated::{HOUR, START};

fn engine(settings: EngineSettings) -> PartitionEngine {
    let calendar = Arc::new(Calendar::new("UTC").expect("a zone"));
    PartitionEngine::new(settings, Placement::ALONE, calendar, [0; 16])
}

fn event(user: String, number: i64, value: Option<String>) -> Event<'static> {
    Event {
        user_id: user.into(),
        event_id: format!("e{number}").into(),
        kind: EventType::Activity,
        time: EventTime::from_millis(START + number * 10),
        facts: Facts::None,
        breakdowns: value.into_iter().map(|value| (0, value.into())).collect(),
    }
}

#[test]
fn a_hundred_thousand_values_of_a_breakdown_are_a_hundred_segments_and_other() {
    let breakdown = Breakdown { property: "channel".to_owned(), values: None };
    let mut engine = engine(EngineSettings { breakdowns: vec![breakdown], ..EngineSettings::default() });
    for number in 0..100_000 {
        engine.handle(&event(format!("u{}", number % 500), number, Some(format!("value-{number}"))), None);
    }
    let partials = engine.take_partials();
    let segments: std::collections::BTreeSet<String> = partials
        .iter()
        .filter_map(|partial| match partial {
            stickiness::engine::partial::Partial::Figures { segment, .. } => Some(segment.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(segments.len(), 102, "`all`, a hundred values, and the rest");
    assert!(segments.contains("channel=other"));
    assert_eq!(engine.overflows(), 100_000 - 100, "each event beyond the limit is counted");
    let bytes = engine.approximate_bytes();
    assert!(bytes < 2_000_000, "{bytes} bytes for 500 users");
}

#[test]
fn a_user_with_a_million_events_takes_no_more_than_one_with_as_many_days() {
    let (mut many, mut few) = (engine(EngineSettings::default()), engine(EngineSettings::default()));
    for number in 0..1_000_000 {
        many.handle(&event("busy".to_owned(), number, None), None);
    }
    let days = 1_000_000 * 10 / (24 * HOUR) + 1;
    for day in 0..days {
        few.handle(&event("busy".to_owned(), day * 24 * HOUR / 10, None), None);
    }
    let size = |engine: &PartitionEngine| engine.approximate_bytes();
    assert_eq!(size(&many), size(&few));
    let profile = many.profile("busy").expect("known");
    assert_eq!(i64::from(profile.active_days), days);
}
