//! More input than can be processed: the lag is told, memory stays within bounds, and nothing is lost.
//!
//! `STICKINESS_SOAK_SECONDS=3600` is the long form.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use stickiness::io::clock::Stopwatch;
use stickiness::io::feed::Feed as Sender;
use stickiness::io::generate::{Generator, GeneratorSettings};

use crate::support;
use crate::support::broker::Broker;
use crate::support::feed::{MORE, PATIENCE};
use crate::support::process::{Group, Process};
use crate::support::records::create_topic;

/// Memory that a process may take while it lags, in bytes: the state of its users is a small part of it.
const MEMORY_BYTES: u64 = 700 << 20;
/// Records that are fed to find out how fast they are processed.
const FIRST: u64 = 60_000;

fn events(seconds: u64) -> Generator {
    // More than are fed in the time: as many a day whatever the number of days. Nobody has two ids: each event of who has costs more the longer their history is, so that
    // what can be processed would be no constant.
    let days = u16::try_from(60 + 15 * seconds).unwrap_or(u16::MAX);
    let settings = GeneratorSettings {
        events: u64::from(days) * 10_000,
        users: 5_000,
        days,
        poison_share: 0.0,
        merge_share: 0.0,
        ..GeneratorSettings::default()
    };
    Generator::new(settings).expect("settings in their ranges")
}

fn handled(process: &Process) -> f64 {
    let outcomes = ["accepted", "duplicate", "deleted", "invalid_value", "too_late", "future"];
    outcomes.iter().filter_map(|outcome| process.metric(&format!("stickiness_events_total{{outcome=\"{outcome}\"}}"))).sum()
}

/// Waits until as many records are handled; how many a second that was.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn wait_until_handled(process: &mut Process, count: u64, patience: Duration) {
    let stopwatch = Stopwatch::start();
    while handled(process) < count as f64 {
        process.assert_runs();
        assert!(stopwatch.elapsed() < patience, "{} of {count} handled", handled(process));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "rates are small and positive")]
fn half_again_as_much_as_can_be_processed_is_lag_and_nothing_worse() {
    let seconds = std::env::var("STICKINESS_SOAK_SECONDS").map_or(20, |text| text.parse().expect("a number"));
    let bootstrap = Broker::shared().bootstrap();
    create_topic(&bootstrap, "load", 2);
    let group = Group::new(&bootstrap, "load", &["load"], MORE);
    let mut sender = Sender::new(&support::connection(&bootstrap), "load").expect("a feed");
    let mut generator = events(seconds);
    for event in generator.by_ref().take(FIRST as usize) {
        sender.push(event.user_id(), event.json()).expect("fed");
    }
    sender.send().expect("fed");
    let mut process = group.start();
    process.wait_for_log("state restored", PATIENCE);
    let stopwatch = Stopwatch::start();
    wait_until_handled(&mut process, FIRST, PATIENCE);
    let rate = FIRST as f64 / stopwatch.elapsed().as_secs_f64();
    let (fed, stop) = (AtomicU64::new(FIRST), AtomicBool::new(false));
    let (mut largest_lag, mut largest_memory) = (0.0_f64, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let stopwatch = Stopwatch::start();
            for event in generator {
                sender.push(event.user_id(), event.json()).expect("fed");
                let so_far = fed.fetch_add(1, Ordering::Relaxed) + 1 - FIRST;
                let due = Duration::from_secs_f64(so_far as f64 / (1.5 * rate));
                if due > stopwatch.elapsed() {
                    sender.send().expect("fed");
                    std::thread::sleep(due.saturating_sub(stopwatch.elapsed()));
                }
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
            sender.finish().expect("fed");
        });
        let stopwatch = Stopwatch::start();
        while stopwatch.elapsed() < Duration::from_secs(seconds) {
            let lag = |partition: u32| process.metric(&format!("stickiness_partition_lag_records{{partition=\"{partition}\"}}"));
            largest_lag = largest_lag.max((0..2).filter_map(lag).sum());
            largest_memory = largest_memory.max(process.memory_bytes());
            std::thread::sleep(Duration::from_millis(200));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let fed = fed.into_inner();
    println!("{rate:.0} a second processed, {fed} fed, lag up to {largest_lag:.0}, memory up to {} MiB", largest_memory >> 20);
    assert!(largest_lag > 0.0, "the lag is told");
    assert!(largest_memory < MEMORY_BYTES, "{} MiB", largest_memory >> 20);
    wait_until_handled(&mut process, fed, Duration::from_secs(300 + seconds));
    assert!((handled(&process) - fed as f64).abs() < 0.5, "each is counted once");
    process.terminate();
}
