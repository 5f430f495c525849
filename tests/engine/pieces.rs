//! Days that close in pieces, between events: what they come to is what closing at once does, wherever the pieces begin and end, and a recovery finds the
//! place that was committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use stickiness::engine::partition::{PartitionEngine, Placement};
use stickiness::engine::settings::EngineSettings;
use stickiness::model::event::Event;
use stickiness::model::time::Calendar;

use crate::alerts::with_deletions;
use crate::cluster::Cluster;
use crate::generated::{Sketch, arrivals, sketches};
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

/// Where two states that are not the same, byte for byte, begin to differ.
fn difference(one: &PartitionEngine, other: &PartitionEngine) -> Option<[String; 2]> {
    let bytes = |engine: &PartitionEngine| postcard::to_stdvec(engine.state()).expect("encodes");
    if bytes(one) == bytes(other) {
        return None;
    }
    // What is of no snapshot, such as the seeds of the index, differs anyway.
    let written = |engine: &PartitionEngine| {
        let text = format!("{:?}", engine.frozen());
        let (before, rest) = text.split_once("index: Index").expect("an index");
        format!("{before}{}", rest.split_once(", visits: ").expect("visits").1).chars().collect::<Vec<char>>()
    };
    let [one, other] = [one, other].map(written);
    let at = one.iter().zip(&other).position(|(one, other)| one != other).unwrap_or_default();
    Some([one, other].map(|text| text[at.saturating_sub(300)..text.len().min(at + 100)].iter().collect()))
}

/// Settings without rules that look at profiles: under those, days close at once.
fn settings() -> impl Strategy<Value = EngineSettings> {
    (crate::generated::settings(), 0..60_i64).prop_map(|(mut settings, grace_hours)| {
        settings.segments.retain(|rule| rule.name != "mixed");
        EngineSettings { grace_ms: grace_hours * 3_600_000, ..settings }
    })
}

/// Events, and what else comes between them: models, work ahead of their closes, restores.
#[derive(Debug)]
struct Run {
    settings: EngineSettings,
    sketches: Vec<Sketch>,
    partitions: u32,
    pieces: Vec<usize>,
    offers: Vec<Offer>,
    ahead: u32,
    restores: Vec<usize>,
}

fn runs() -> impl Strategy<Value = Run> {
    let between = (offers(), 0..40_u32, prop::collection::vec(0..50_usize, 0..3));
    (settings(), sketches(150, 120, true), 1..=3_u32, prop::collection::vec(0..4_usize, 1..9), between).prop_map(
        |(settings, sketches, partitions, pieces, (offers, ahead, restores))| Run {
            settings,
            sketches,
            partitions,
            pieces,
            offers,
            ahead,
            restores,
        },
    )
}

/// Closes in pieces and at once; how often a close was not over between two events.
fn agrees(run: &Run) -> Result<usize, TestCaseError> {
    let Run { settings, sketches, partitions, pieces, offers, ahead, restores } = run;
    let (partitions, events) = (*partitions, with_deletions(arrivals(sketches)));
    let mut clusters = [Cluster::new(settings, partitions), Cluster::in_pieces(settings, partitions, pieces.clone())];
    let mut open = 0;
    for (index, event) in events.iter().enumerate() {
        for cluster in &mut clusters {
            for engine in &mut cluster.engines {
                offer(engine, offers, index);
                engine.work_ahead(*ahead);
            }
            cluster.handle(event);
            if restores.contains(&(index % 50)) {
                cluster.publish();
                cluster.restore(index % partitions as usize);
            }
        }
        prop_assert!(clusters[0].engines.iter().all(|engine| engine.close_position().is_none()));
        open += clusters[1].engines.iter().filter(|engine| engine.close_position().is_some()).count();
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
        prop_assert_eq!(difference(one, other), None);
        prop_assert_eq!(other.alert_ledger(), &other.recounted_alert_ledger());
    }
    Ok(open)
}

fn engine(settings: &EngineSettings) -> PartitionEngine {
    let calendar = Arc::new(Calendar::new(&settings.time_zone).expect("a zone"));
    let mut engine = PartitionEngine::new(settings.clone(), Placement::ALONE, calendar, [7; 16]);
    engine.close_in_pieces();
    engine
}

/// Closes the newest day, as if the partition had been idle until then.
fn close_by_clock(engine: &mut PartitionEngine) {
    if let Some(newest) = engine.newest_day() {
        engine.close_through(newest);
        assert_eq!(engine.close_position(), None);
    }
}

/// What a commit names, of what was published.
fn commit(engine: &mut PartitionEngine) {
    engine.drain_effects();
    engine.take_partials();
}

/// One goes on after each event by the next piece; the other begins from its state after `from` events and is told where it was after `until`: whether in a close that was not over.
fn recovers(
    settings: &EngineSettings,
    events: &[Event<'static>],
    (pieces, offers): (&[usize], &[Offer]),
    (from, until, barrier): (usize, usize, usize),
) -> Result<bool, TestCaseError> {
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
        if index == barrier {
            close_by_clock(&mut one);
        }
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
    for (event, index) in events[from..until].iter().zip(from..) {
        if index == barrier {
            close_by_clock(&mut other);
        }
        other.handle(event, None);
    }
    let position = one.close_position();
    other.close_up_to(position);
    commit(&mut other);
    prop_assert_eq!(position, other.close_position());
    // What is left of the close comes of both alike. (Who was noted for the day and then for another is still in the close of the one, and found not to be due.)
    one.finish_close();
    other.finish_close();
    prop_assert_eq!(one.drain_effects(), other.drain_effects());
    prop_assert_eq!(one.take_partials(), other.take_partials());
    prop_assert_eq!(difference(&one, &other), None);
    Ok(position.is_some())
}

/// What a recovery is of: settings, events, pieces, models, and the shares of the events after which the state is kept, the commit is, and the clock closes a day, if
/// at all.
type Recovery = (EngineSettings, Vec<Sketch>, Vec<usize>, Vec<Offer>, (usize, usize, usize));

fn recoveries() -> impl Strategy<Value = Recovery> {
    (settings(), sketches(60, 120, true), prop::collection::vec(0..3_usize, 1..9), offers(), (0..101_usize, 0..101_usize, 0..200_usize))
}

fn recovery_agrees((settings, sketches, pieces, offers, shares): &Recovery) -> Result<bool, TestCaseError> {
    let events = with_deletions(arrivals(sketches));
    let after = |share: usize| share * events.len() / 100;
    recovers(settings, &events, (pieces, offers), (after(shares.0.min(shares.1)), after(shares.0.max(shares.1)), after(shares.2)))
}

/// The first `count` of a strategy, the same each time.
fn first<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Value> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("one").current()).collect()
}

/// What the properties below are about happens.
#[test]
fn closes_are_not_over_between_events() {
    let open: usize = first(&runs(), 12).iter().map(|run| agrees(run).expect("agrees")).sum();
    let recovered = first(&recoveries(), 40).iter().filter(|recovery| recovery_agrees(recovery).expect("agrees")).count();
    assert!(open > 300 && recovered > 8, "{open} {recovered}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn in_pieces_and_at_once_come_to_the_same(run in runs()) {
        agrees(&run)?;
    }

    #[test]
    fn a_recovery_comes_to_where_the_close_was(recovery in recoveries()) {
        recovery_agrees(&recovery)?;
    }
}
