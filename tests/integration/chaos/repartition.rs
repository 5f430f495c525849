//! Inputs that are not keyed by user: whatever happens to the processes, each event is in the internal log once, and the metrics
//! are what engines make of that log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use stickiness::config::Settings;
use stickiness::engine::aggregator::Aggregator;
use stickiness::engine::effect::Effect;
use stickiness::engine::partition::{PartitionEngine, Placement};
use stickiness::io::clock;
use stickiness::model::partition::partition_of;
use stickiness::model::time::Calendar;
use stickiness::wire::envelope::{Envelope, Forwarded};
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

/// What engines and an aggregator in this process make of the internal log.
#[derive(Default)]
struct Counted {
    /// The last record of each key.
    metrics: BTreeMap<String, Value>,
    /// How often each event is to be in each partition: once where its forwarder put it, and once more for every engine that passed it on.
    ways: BTreeMap<(Origin, u32), u32>,
    /// How many users' states are to be in each partition.
    transfers: BTreeMap<u32, u32>,
}

impl Counted {
    /// Notes where the effects of an event, or of a transfer, are to be found in the log.
    fn expect(&mut self, effects: Vec<Effect>, event: Option<&Forwarded<'_>>) {
        let partitions = INPUT_PARTITIONS.cast_unsigned();
        for effect in effects {
            match effect {
                Effect::ForwardEvent { user_id } => {
                    let way = (origin(event.expect("an event at hand")), partition_of(user_id.as_bytes(), partitions));
                    *self.ways.entry(way).or_default() += 1;
                }
                Effect::Transfer { to, .. } => *self.transfers.entry(partition_of(to.as_bytes(), partitions)).or_default() += 1,
                Effect::Transition(_) | Effect::ProfileChanged(_) | Effect::ProfileRemoved(_) => {}
            }
        }
    }
}

fn origin(event: &Forwarded<'_>) -> Origin {
    (event.topic.to_owned(), event.partition, event.offset)
}

/// What is in the internal log: how often each event is in each partition, and the users' states of each. Each event came in once.
fn found(log: &[Output]) -> (BTreeMap<(Origin, u32), u32>, BTreeMap<u32, u32>) {
    let (mut ways, mut transfers, mut arrived) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    for record in log {
        let partition = record.partition.cast_unsigned();
        match Envelope::decode(record.value.as_deref().expect("a value")).expect("an envelope") {
            Envelope::Event(event) => {
                assert!(event.passed_on || arrived.insert(origin(&event)), "{:?} came in twice", origin(&event));
                *ways.entry((origin(&event), partition)).or_default() += 1;
            }
            Envelope::Transfer(_) => *transfers.entry(partition).or_default() += 1,
        }
    }
    (ways, transfers)
}

fn origin_of(dead: &Output) -> Origin {
    let header = |name: &str| {
        let (_, value) = dead.headers.iter().find(|(key, _)| key == name).expect("a header");
        String::from_utf8(value.clone()).expect("text")
    };
    let number = |name: &str| header(name).parse::<i64>().expect("a number");
    (header("stickiness.topic"), i32::try_from(number("stickiness.partition")).expect("small"), number("stickiness.offset"))
}

/// Counts the internal log.
fn count(settings: &Settings, log: &[Output]) -> Counted {
    let calendar = Arc::new(Calendar::new(&settings.engine.time_zone).expect("a zone"));
    let partitions = INPUT_PARTITIONS.cast_unsigned();
    let (mut counted, mut aggregator) = (Counted::default(), Aggregator::new(partitions));
    for partition in 0..partitions {
        let placement = Placement { partition, partitions, transfers: true };
        let mut engine = PartitionEngine::new(settings.engine.clone(), placement, Arc::clone(&calendar), [0; 16]);
        for record in log.iter().filter(|record| record.partition.cast_unsigned() == partition) {
            match Envelope::decode(record.value.as_deref().expect("a value")).expect("an envelope") {
                Envelope::Event(forwarded) => {
                    if !forwarded.passed_on {
                        *counted.ways.entry((origin(&forwarded), partition)).or_default() += 1;
                    }
                    let event = settings.decoder().decode_json(forwarded.value).expect("its forwarder read it");
                    _ = if forwarded.passed_on { engine.handle_passed_on(&event) } else { engine.handle(&event, None) };
                    counted.expect(engine.drain_effects(), Some(&forwarded));
                }
                Envelope::Transfer(transfer) => {
                    engine.receive(*transfer);
                    counted.expect(engine.drain_effects(), None);
                }
            }
        }
        engine.close_by_clock(clock::wall());
        engine.take_partials().into_iter().for_each(|partial| aggregator.update(partition, partial));
    }
    let metric = |metric| {
        let mut record = records::metric(&metric, 0, &settings.engine);
        record["revision"] = Value::Null;
        (records::metric_key(&metric.segment, metric.day), record)
    };
    counted.metrics = aggregator.take_changed().into_iter().map(metric).collect();
    counted
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
    let settings = Settings::read(&group.settings(), []).expect("valid");
    let (counted, (ways, transfers)) = (count(&settings, &log), found(&log));
    let mut arrived: BTreeSet<Origin> = ways.keys().map(|(origin, _)| origin.clone()).collect();
    arrived.extend(read_committed(&bootstrap, "chaos-forward-dead").iter().map(origin_of));
    assert_eq!(arrived.len() as u64, EVENTS, "each event is in the log or a dead letter");
    // A user may move away and back, so that an event rightly comes by the same partition twice; only the engines know how often.
    for way in ways.keys().chain(counted.ways.keys()) {
        assert_eq!(ways.get(way), counted.ways.get(way), "how often {way:?} is in the log, and is to be");
    }
    assert_eq!(transfers, counted.transfers, "users' states by partition");
    println!("{} records of the internal log, {transfers:?} transfers", log.len());
    assert!(!transfers.is_empty(), "users move");
    assert_same(&metrics(&bootstrap, &group.name), &counted.metrics);
}
