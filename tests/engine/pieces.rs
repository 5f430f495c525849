//! Days that close in pieces, between events: what they come to is what closing at once does, wherever the pieces begin and end, and a recovery finds the
//! place that was committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;
use stickiness::engine::partition::{PartitionEngine, Placement};
use stickiness::engine::settings::EngineSettings;
use stickiness::model::event::Event;
use stickiness::model::time::Calendar;

use crate::cluster::Cluster;
use crate::generated::{Sketch, arrivals, settings, sketches};
use crate::properties::cases;
use crate::refit::{Offer, offer, offers};

/// Records by user, each user's in order.
fn by_user(records: &[Vec<Value>]) -> BTreeMap<(usize, String), Vec<Value>> {
    let mut by_user: BTreeMap<_, Vec<Value>> = BTreeMap::new();
    for (partition, records) in records.iter().enumerate() {
        for record in records {
            let user = record["user_id"].as_str().expect("a user").to_owned();
            by_user.entry((partition, user)).or_default().push(record.clone());
        }
    }
    by_user
}

fn state(engine: &PartitionEngine) -> Vec<u8> {
    postcard::to_stdvec(engine.state()).expect("encodes")
}

/// What else comes between events: models, work ahead of their closes, restores.
#[derive(Debug)]
struct Between {
    offers: Vec<Offer>,
    ahead: u32,
    restores: Vec<usize>,
}

fn agrees(
    settings: &EngineSettings,
    sketches: &[Sketch],
    partitions: u32,
    pieces: &[usize],
    between: &Between,
) -> Result<(), TestCaseError> {
    let events = arrivals(sketches);
    let mut clusters = [Cluster::new(settings, partitions), Cluster::in_pieces(settings, partitions, pieces.to_vec())];
    for (index, event) in events.iter().enumerate() {
        for cluster in &mut clusters {
            for engine in &mut cluster.engines {
                offer(engine, &between.offers, index);
                engine.work_ahead(between.ahead);
            }
            cluster.handle(event);
            if between.restores.contains(&(index % 50)) {
                cluster.publish();
                cluster.restore(index % partitions as usize);
            }
        }
    }
    let calendar = Calendar::new(&settings.time_zone).expect("a zone");
    let last = events.iter().map(|event| calendar.day_of(event.time)).max().expect("one") + 40;
    for cluster in &mut clusters {
        cluster.close_through(last);
        cluster.publish();
    }
    let [mut at_once, mut in_pieces] = clusters;
    prop_assert_eq!(by_user(&at_once.transitions), by_user(&in_pieces.transitions));
    prop_assert_eq!(by_user(&at_once.risks), by_user(&in_pieces.risks));
    prop_assert_eq!(&at_once.alerts, &in_pieces.alerts);
    for day in (0..200).map(|ago| last - ago) {
        prop_assert_eq!(at_once.decided(day), in_pieces.decided(day), "{}", day);
    }
    prop_assert_eq!(at_once.last_records(), in_pieces.last_records());
    for (one, other) in at_once.engines.iter().zip(&in_pieces.engines) {
        prop_assert!(state(one) == state(other), "the same, byte for byte");
        prop_assert_eq!(other.alert_ledger(), &other.recounted_alert_ledger());
    }
    Ok(())
}

fn engine(settings: &EngineSettings) -> PartitionEngine {
    let calendar = Arc::new(Calendar::new(&settings.time_zone).expect("a zone"));
    let mut engine = PartitionEngine::new(settings.clone(), Placement::ALONE, calendar, [7; 16]);
    engine.close_in_pieces();
    engine
}

/// What a commit names, of what was published.
fn commit(engine: &mut PartitionEngine) {
    engine.drain_effects();
    engine.take_partials();
}

/// One goes on after each event by the next piece; the other begins from its state after `from` events and is told where it was after `until`.
fn recovers(
    settings: &EngineSettings,
    events: &[Event<'static>],
    (pieces, offers): (&[usize], &[Offer]),
    (from, until): (usize, usize),
) -> Result<(), TestCaseError> {
    let mut switches = Vec::new();
    let mut one = engine(settings);
    let mut stored = one.frozen();
    for (index, event) in events[..until].iter().enumerate() {
        if index == from {
            commit(&mut one);
            stored = one.frozen();
            switches.clear();
        }
        switches.extend(offer(&mut one, offers, index));
        one.handle(event, None);
        one.close_on(pieces[index % pieces.len()]);
    }
    commit(&mut one);
    if from == until {
        stored = one.frozen();
    }
    let calendar = Arc::new(Calendar::new(&settings.time_zone).expect("a zone"));
    let bytes = postcard::to_stdvec(&stored).expect("encodes");
    let mut other = PartitionEngine::from_state(postcard::from_bytes(&bytes).expect("decodes"), calendar);
    other.close_in_pieces();
    for switch in switches.into_iter().filter(|_| from < until) {
        other.repeat_switch(switch);
    }
    for event in &events[from..until] {
        other.handle(event, None);
    }
    other.close_up_to(one.close_position());
    commit(&mut other);
    prop_assert_eq!(one.close_position(), other.close_position());
    prop_assert!(state(&one) == state(&other), "the same, byte for byte");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn in_pieces_and_at_once_come_to_the_same(
        settings in settings(),
        sketches in sketches(150, 120, true),
        partitions in 1..=3_u32,
        pieces in prop::collection::vec(0..4_usize, 1..9),
        (offers, ahead) in (offers(), 0..40_u32),
        restores in prop::collection::vec(0..50_usize, 0..3),
    ) {
        agrees(&settings, &sketches, partitions, &pieces, &Between { offers, ahead, restores })?;
    }

    #[test]
    fn a_recovery_comes_to_where_the_close_was(
        settings in settings(),
        sketches in sketches(60, 120, false),
        pieces in prop::collection::vec(0..3_usize, 1..9),
        offers in offers(),
        shares in (0..100_usize, 0..101_usize),
    ) {
        let events = arrivals(&sketches);
        let (from, until) = (shares.0.min(shares.1) * events.len() / 100, shares.0.max(shares.1) * events.len() / 100);
        recovers(&settings, &events, (&pieces, &offers), (from, until))?;
    }
}
