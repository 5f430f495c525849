//! Inputs that are not keyed by user: whatever happens to the processes, each event is in the internal log once, and everything that is
//! published is what engines make of that log.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stickiness::io::clock;

use super::{Chaos, MORE, generator, wait_until_closed};
use crate::support::broker::Broker;
use crate::support::process::{Group, Process};
use crate::support::records::{Input, create_topic, produce};
use crate::support::recount::{Closing, assert_counts_forwarded};

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

/// The series of the inputs' lags that the processes tell Prometheus.
fn forwarding_lags(processes: &[Process]) -> BTreeSet<String> {
    let pages = processes.iter().filter_map(Process::metrics_page).collect::<String>();
    let series = pages.lines().filter_map(|line| line.split(' ').next());
    series.filter(|name| name.starts_with("stickiness_forwarding_lag_records{")).map(str::to_owned).collect()
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
        assert_eq!(
            forwarding_lags(&processes).len(),
            INPUTS.len() * 2,
            "the lag of each partition of each input is shown by whoever forwards it"
        );
        processes.into_iter().for_each(Process::terminate);
    });
    assert_counts_forwarded(&bootstrap, &group, &INPUTS, Closing::ByTheClock);
}
