//! When users cannot be moved to more partitions, it is told why.

use std::sync::Arc;

use stickiness::engine::partition::{PartitionEngine, Placement};
use stickiness::engine::resharding::{ReshardError, Resharded, reshard};
use stickiness::engine::settings::EngineSettings;
use stickiness::model::event::{Event, EventType, Facts};
use stickiness::model::partition::partition_of;
use stickiness::model::time::Calendar;

use crate::scenarios::{day, event};

/// An engine of two whose users do not move by themselves, with an active day of each of some ids.
fn engine(partition: u32, ids: &[&str], settings: EngineSettings) -> PartitionEngine {
    let calendar = Arc::new(Calendar::new("UTC").expect("a zone"));
    let mut engine = PartitionEngine::new(settings, Placement { partition, partitions: 2, transfers: false }, calendar, [7; 16]);
    for id in ids {
        engine.handle(&event(id, EventType::Activity, "2026-01-01"), None);
    }
    engine.close_through(day("2026-01-01"));
    engine.take_partials();
    engine.drain_effects();
    engine
}

/// An id that belongs to the first partition of two, and to the third of four where it is one that moves.
fn id(moves: bool) -> String {
    let fits = |id: &String| partition_of(id.as_bytes(), 2) == 0 && partition_of(id.as_bytes(), 4) == if moves { 2 } else { 0 };
    (0..1_000).map(|number| format!("u{number}")).find(fits).expect("one in four")
}

/// What comes of two more partitions.
fn four(engines: Vec<PartitionEngine>) -> Result<Resharded, ReshardError> {
    reshard(engines, &[[1; 16], [2; 16]]).map(|(_, done)| done)
}

#[test]
fn ids_where_their_hash_does_not_name_them_are_counted() {
    let settings = EngineSettings::default;
    let (stays, moves) = (id(false), id(true));
    let right = vec![engine(0, &[&stays, &moves], settings()), engine(1, &[], settings())];
    assert_eq!(four(right), Ok(Resharded { users: 2, moved: 1 }));
    let wrong = vec![engine(0, &[&stays], settings()), engine(1, &[&moves], settings())];
    let example = "one of partition 1 that belongs to 0".to_owned();
    assert_eq!(four(wrong), Err(ReshardError::PlacedOtherwise { elsewhere: 1, ids: 2, example }));
}

#[test]
fn a_user_whose_ids_would_part_stays() {
    let (stays, moves) = (id(false), id(true));
    let mut first = engine(0, &[&stays, &moves], EngineSettings::default());
    let merge = Event { facts: Facts::MergedInto(moves.into()), ..event(&stays, EventType::UserMerged, "2026-01-02") };
    first.handle(&merge, None);
    first.take_partials();
    first.drain_effects();
    let engines = vec![first, engine(1, &[], EngineSettings::default())];
    assert_eq!(four(engines), Err(ReshardError::WouldPart { users: 1 }));
}

#[test]
fn partitions_that_are_no_more_or_do_not_fit_each_other_are_refused() {
    let settings = EngineSettings::default;
    let none = reshard(vec![engine(0, &[], settings())], &[]).map(|(_, done)| done);
    assert_eq!(none, Err(ReshardError::NotMore { before: 1, after: 1 }));
    let other = EngineSettings { mau_days: 28, ..settings() };
    assert_eq!(four(vec![engine(0, &[], settings()), engine(1, &[], other)]), Err(ReshardError::OtherSettings));
    let mut ahead = engine(1, &["u"], settings());
    ahead.close_through(day("2026-01-03"));
    let apart = four(vec![engine(0, &["u"], settings()), ahead]);
    assert_eq!(apart, Err(ReshardError::Apart { first: day("2026-01-01"), last: day("2026-01-03") }));
}
