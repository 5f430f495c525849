//! Users who move while the logs of partitions are long: what partitions send each other waits behind events, as in a service that catches up.

use std::collections::VecDeque;

use proptest::prelude::*;
use stickiness::engine::effect::Effect;
use stickiness::engine::settings::EngineSettings;
use stickiness::engine::transfer::Transfer;
use stickiness::model::event::Event;
use stickiness::model::partition::partition_of;
use stickiness::model::time::Calendar;

use crate::cluster::Cluster;
use crate::generated::{Sketch, arrivals, settings, sketches};
use crate::naive::Naive;
use crate::properties::{cases, counts_agree};

/// Days of events: none is ever too late, whenever a partition comes to it.
const DAYS: i64 = 34;

/// A record of a log.
enum Waiting {
    Event { event: Box<Event<'static>>, passed_on: bool },
    Transfer(Box<Transfer>),
}

/// Reads the logs of all partitions to their ends, one record at a time, as `turns` say which partition is next.
fn catch_up(cluster: &mut Cluster, events: Vec<Event<'static>>, turns: &[usize]) -> Result<(), TestCaseError> {
    let partitions = u32::try_from(cluster.engines.len()).expect("few");
    let place = |id: &str| partition_of(id.as_bytes(), partitions) as usize;
    let mut logs: Vec<VecDeque<Waiting>> = cluster.engines.iter().map(|_| VecDeque::new()).collect();
    for event in events {
        logs[place(&event.user_id)].push_back(Waiting::Event { event: Box::new(event), passed_on: false });
    }
    for step in 0.. {
        let waiting: Vec<usize> = (0..logs.len()).filter(|at| !logs[*at].is_empty()).collect();
        if waiting.is_empty() {
            break;
        }
        prop_assert!(step < 100_000, "records go in a circle");
        // Each turn lasts for a while, so that partitions get far ahead of each other.
        let at = waiting[turns[step / 7 % turns.len()] % waiting.len()];
        let engine = &mut cluster.engines[at];
        let at_hand = match logs[at].pop_front().expect("not empty") {
            Waiting::Event { event, passed_on } => {
                let admission = if passed_on { engine.handle_passed_on(&event) } else { engine.handle(&event, None) };
                let refused = matches!(admission, stickiness::engine::effect::Admission::Rejected(_));
                prop_assert!(!refused, "{:?} for {:?}", admission, event);
                Some(event)
            }
            Waiting::Transfer(transfer) => {
                engine.receive(*transfer);
                None
            }
        };
        for effect in cluster.engines[at].drain_effects() {
            match effect {
                Effect::ForwardEvent { user_id } => {
                    let event = at_hand.clone().expect("an event is at hand");
                    logs[place(&user_id)].push_back(Waiting::Event { event, passed_on: true });
                }
                Effect::Transfer { to, transfer } => logs[place(&to)].push_back(Waiting::Transfer(transfer)),
                _ => {}
            }
        }
    }
    Ok(())
}

fn agrees(settings: &EngineSettings, sketches: &[Sketch], partitions: u32, turns: &[usize]) -> Result<(), TestCaseError> {
    let events = arrivals(sketches);
    let mut cluster = Cluster::new(settings, partitions);
    catch_up(&mut cluster, events.clone(), turns)?;
    let calendar = Calendar::new(&settings.time_zone).expect("a zone");
    let last = events.iter().map(|event| calendar.day_of(event.time)).max().expect("one") + 40;
    cluster.close_through(last);
    counts_agree(&mut cluster, &Naive::new(settings, &events), last)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn users_who_move_behind_long_logs_are_counted_once(
        settings in settings(),
        sketches in sketches(DAYS, 60, true),
        partitions in 2..=5_u32,
        turns in prop::collection::vec(0..100_usize, 1..40),
    ) {
        agrees(&settings, &sketches, partitions, &turns)?;
    }
}
