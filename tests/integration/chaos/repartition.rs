//! Inputs that are not keyed by user: whatever happens to the processes, each event is in the internal log once, and the metrics
//! are what engines make of that log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use stickiness::config::Settings;
use stickiness::engine::aggregator::Aggregator;
use stickiness::engine::partition::{PartitionEngine, Placement};
use stickiness::io::clock;
use stickiness::model::time::Calendar;
use stickiness::wire::envelope::Envelope;
use stickiness::wire::records;

use super::{Chaos, MORE, generator, wait_until_closed};
use crate::support::broker::Broker;
use crate::support::outputs::{assert_same, metrics};
use crate::support::process::{Group, Process};
use crate::support::records::{Input, Output, create_topic, produce, read_committed};

const INPUTS: [&str; 2] = ["chaos-web", "chaos-shop"];
const INPUT_PARTITIONS: i32 = 2;
const EVENTS: u64 = 20_000;
/// Events of each input that are produced at once.
const CHUNK: usize = 200;

/// Feeds every other event to each input, with no regard to its user.
fn feed(bootstrap: &str, fed: &AtomicU64) {
    let lines: Vec<String> = generator(EVENTS).map(|event| event.json()).collect();
    for chunk in lines.chunks(2 * CHUNK) {
        for (topic, parity) in INPUTS.into_iter().zip(0..) {
            let mine = chunk.iter().skip(parity).step_by(2).zip(0..);
            let inputs = mine.map(|(value, number)| Input {
                partition: number % INPUT_PARTITIONS,
                key: "none",
                value,
                timestamp_ms: clock::wall().millis(),
            });
            produce(bootstrap, topic, inputs);
        }
        fed.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Where a record came in: topic, partition, offset.
type Origin = (String, i32, i64);

/// The origins of the events in the internal log. None is twice in a partition; a user's way may lead through several.
fn origins(log: &[Output]) -> BTreeSet<Origin> {
    let mut seen = BTreeSet::new();
    for record in log {
        if let Ok(Envelope::Event(event)) = Envelope::decode(record.value.as_deref().expect("a value")) {
            let origin = (event.topic.to_owned(), event.partition, event.offset);
            assert!(seen.insert((record.partition, origin)), "{event:?} is twice in partition {}", record.partition);
        }
    }
    seen.into_iter().map(|(_, origin)| origin).collect()
}

fn origin_of(dead: &Output) -> Origin {
    let header = |name: &str| {
        let (_, value) = dead.headers.iter().find(|(key, _)| key == name).expect("a header");
        String::from_utf8(value.clone()).expect("text")
    };
    let number = |name: &str| header(name).parse::<i64>().expect("a number");
    (header("stickiness.topic"), i32::try_from(number("stickiness.partition")).expect("small"), number("stickiness.offset"))
}

/// What engines and an aggregator in this process make of the internal log.
fn counted(settings: &Settings, log: &[Output]) -> BTreeMap<String, Value> {
    let calendar = Arc::new(Calendar::new(&settings.engine.time_zone).expect("a zone"));
    let partitions = INPUT_PARTITIONS.cast_unsigned();
    let mut aggregator = Aggregator::new(partitions);
    for partition in 0..partitions {
        let placement = Placement { partition, partitions, transfers: true };
        let mut engine = PartitionEngine::new(settings.engine.clone(), placement, Arc::clone(&calendar), [0; 16]);
        for record in log.iter().filter(|record| record.partition.cast_unsigned() == partition) {
            match Envelope::decode(record.value.as_deref().expect("a value")).expect("an envelope") {
                Envelope::Event(event) => {
                    if let Ok(event) = settings.decoder().decode_json(event.value) {
                        engine.handle(&event, None);
                    }
                }
                Envelope::Transfer(transfer) => _ = engine.receive(*transfer),
            }
            // What it wants sent on is further down the log already.
            engine.drain_effects();
        }
        engine.close_by_clock(clock::wall());
        engine.take_partials().into_iter().for_each(|partial| aggregator.update(partition, partial));
    }
    let metric = |metric| {
        let mut record = records::metric(&metric, 0, &settings.engine);
        record["revision"] = Value::Null;
        (records::metric_key(&metric.segment, metric.day), record)
    };
    aggregator.take_changed().into_iter().map(metric).collect()
}

#[test]
fn events_forwarded_by_processes_that_are_killed_are_counted_once() {
    let bootstrap = Broker::shared().bootstrap();
    for input in INPUTS {
        create_topic(&bootstrap, input, INPUT_PARTITIONS);
    }
    let group = Group::new(&bootstrap, "chaos-forward", &INPUTS, &format!("kafka.repartition = true\n{MORE}"));
    let fed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| feed(&bootstrap, &fed));
        let chaos = Chaos { group: &group, bootstrap: bootstrap.clone(), kills: 3, events: EVENTS, fed: &fed };
        let mut processes = chaos.run();
        wait_until_closed(&bootstrap, &group, &mut processes, Duration::from_secs(120));
        processes.into_iter().for_each(Process::terminate);
    });
    let log = read_committed(&bootstrap, "chaos-forward.events");
    let mut arrived = origins(&log);
    arrived.extend(read_committed(&bootstrap, "chaos-forward-dead").iter().map(origin_of));
    assert_eq!(arrived.len() as u64, EVENTS, "each event is in the log or a dead letter");
    let transfers = log.len() - log.iter().filter(|record| is_event(record)).count();
    println!("{} records of the internal log, {transfers} of them transfers", log.len());
    assert!(transfers > 0, "users move");
    let settings = Settings::read(&group.settings(), []).expect("valid");
    assert_same(&metrics(&bootstrap, &group.name), &counted(&settings, &log));
}

fn is_event(record: &Output) -> bool {
    matches!(Envelope::decode(record.value.as_deref().expect("a value")), Ok(Envelope::Event(_)))
}
