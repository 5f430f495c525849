//! Processes killed with -9 while a generated log is fed, and one more joining, publish what one undisturbed process does.
//!
//! `STICKINESS_CHAOS_EVENTS=1000000` runs a million events, at most `STICKINESS_CHAOS_RATE` a second.

mod repartition;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use stickiness::io::clock::Stopwatch;
use stickiness::io::feed::Feed;
use stickiness::io::generate::{Generator, GeneratorSettings};

use crate::support;
use crate::support::broker::Broker;
use crate::support::feed::{last_closed_day, today};
use crate::support::outputs::{Batches, Outputs, metrics};
use crate::support::process::{Group, Process};
use crate::support::records::{create_topic, read_committed, written};

const PARTITIONS: i32 = 4;
const KILLS: u64 = 5;
/// How long a group may take to notice a death and work again.
const PATIENCE: Duration = Duration::from_secs(60);
/// Settings of both groups. Idle partitions close by the clock soon after the feed has ended, and not before. Which day takes a refitted model may
/// differ between two runs, which are compared here: see `refits`.
const MORE: &str = "churn.refit = false\ntime.idle_after = \"12s\"\nsnapshots.interval = \"3s\"\nworkers.threads = 2\n\
                    kafka.properties.\"session.timeout.ms\" = \"6000\"\n\
                    breakdowns.properties = [\"channel\", \"plan\"]";

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Events of all kinds up to three days ago, some late, some too late.
fn generator(events: u64) -> Generator {
    let days = 90;
    let settings = GeneratorSettings {
        events,
        days,
        start: today() - i32::from(days) - 3,
        users: u32::try_from(events / 50).expect("few"),
        late_share: 0.03,
        late_days: 40,
        merge_share: 0.001,
        ..GeneratorSettings::default()
    };
    Generator::new(settings).expect("settings in their ranges")
}

/// Feeds events, each to the partition of its user, at most `rate` a second, and counts them.
fn feed(bootstrap: &str, topic: &str, events: u64, rate: u64, fed: &AtomicU64) {
    let mut sender = Feed::new(&support::connection(bootstrap), topic).expect("a feed");
    let stopwatch = Stopwatch::start();
    for event in generator(events) {
        sender.push(event.user_id(), event.json()).expect("fed");
        let so_far = fed.fetch_add(1, Ordering::Relaxed) + 1;
        let due = Duration::from_millis(so_far * 1_000 / rate);
        if due > stopwatch.elapsed() + Duration::from_millis(20) {
            sender.send().expect("fed");
            std::thread::sleep(due.saturating_sub(stopwatch.elapsed()));
        }
    }
    sender.finish().expect("fed");
}

/// Feeds `events` while two processes work, one of them is killed `kills` times, each time in the middle of a transaction or
/// soon after one, and a third joins.
struct Chaos<'c> {
    group: &'c Group,
    bootstrap: String,
    kills: u64,
    events: u64,
    fed: &'c AtomicU64,
}

impl Chaos<'_> {
    /// The processes that are left.
    fn run(&self) -> Vec<Process> {
        let mut processes = vec![self.group.start(), self.group.start()];
        for kill in 1..=self.kills {
            while self.fed.load(Ordering::Relaxed) < self.events * kill / (self.kills + 1) {
                processes.iter_mut().for_each(Process::assert_runs);
                std::thread::sleep(Duration::from_millis(20));
            }
            let works = self.wait_until_one_works(&mut processes);
            processes.remove(works).kill9();
            std::thread::sleep(Duration::from_millis(200 * kill));
            processes.push(self.group.start());
            if kill == 3 {
                processes.push(self.group.start());
            }
        }
        processes
    }

    /// Waits until a process has partitions, and a transaction writes; tells which process that is, of several the oldest. One may have none: with fewer partitions
    /// than threads, another that joined first keeps them.
    fn wait_until_one_works(&self, processes: &mut [Process]) -> usize {
        let stopwatch = Stopwatch::start();
        let works = |process: &Process| process.log().contains("state restored");
        let one = loop {
            if let Some(one) = processes.iter().position(works) {
                break one;
            }
            processes.iter_mut().for_each(Process::assert_runs);
            assert!(stopwatch.elapsed() < PATIENCE, "one gets partitions\n{}", self.group.log());
            std::thread::sleep(Duration::from_millis(50));
        };
        let topic = format!("{}-transitions", self.group.name);
        let before = written(&self.bootstrap, &topic);
        while written(&self.bootstrap, &topic) == before && stopwatch.elapsed() < PATIENCE {}
        one
    }
}

/// Waits until the last days are closed by the clock.
fn wait_until_closed(bootstrap: &str, group: &Group, processes: &mut [Process], patience: Duration) -> BTreeMap<String, Value> {
    let stopwatch = Stopwatch::start();
    let last = format!("all|{}", last_closed_day());
    loop {
        processes.iter_mut().for_each(Process::assert_runs);
        let published = metrics(bootstrap, &group.name);
        if published.get(&last).is_some_and(|record| record["final"] == true) {
            return published;
        }
        assert!(stopwatch.elapsed() < patience, "{last} closes within {patience:?}\n{}", group.log());
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn processes_killed_publish_what_one_undisturbed_process_does() {
    let events = number("STICKINESS_CHAOS_EVENTS", 100_000);
    let rate = number("STICKINESS_CHAOS_RATE", 2_000);
    let patience = Duration::from_secs(120 + events / 2_000);
    let broker = Broker::shared();
    let bootstrap = broker.bootstrap();
    create_topic(&bootstrap, "chaos", PARTITIONS);
    let killed = Group::new(&bootstrap, "chaos-killed", &["chaos"], MORE);
    let (fed, stopwatch) = (AtomicU64::new(0), Stopwatch::start());
    std::thread::scope(|scope| {
        scope.spawn(|| feed(&bootstrap, "chaos", events, rate, &fed));
        let chaos = Chaos { group: &killed, bootstrap: bootstrap.clone(), kills: KILLS, events, fed: &fed };
        let mut processes = chaos.run();
        println!("{KILLS} killed after {:?}", stopwatch.elapsed());
        wait_until_closed(&bootstrap, &killed, &mut processes, patience);
        println!("closed after {:?}", stopwatch.elapsed());
        processes.into_iter().for_each(Process::terminate);
    });
    let undisturbed = Group::new(&bootstrap, "chaos-undisturbed", &["chaos"], MORE);
    let mut process = undisturbed.start();
    wait_until_closed(&bootstrap, &undisturbed, std::slice::from_mut(&mut process), patience);
    process.terminate();
    println!("undisturbed closed after {:?}", stopwatch.elapsed());
    let (one, other) = (Outputs::read(&bootstrap, &killed.name), Outputs::read(&bootstrap, &undisturbed.name));
    one.assert_equals(&other);
    let transitions = one.transitions.values().map(Vec::len).sum::<usize>();
    println!("{} metrics, {transitions} transitions, {} profiles, {} dead letters", one.metrics.len(), one.profiles.len(), one.dead.len());
    for reason in ["malformed", "too_late", "invalid_value"] {
        let named = |(_, _, headers): &&(_, _, Vec<(String, Vec<u8>)>)| headers.iter().any(|(_, value)| value == reason.as_bytes());
        assert!(one.dead.iter().any(|dead| named(&dead)), "some are {reason}");
    }
    assert_transactional(broker, &killed.name);
}

/// Every batch of the outputs is part of a transaction, and of what was aborted nothing is read.
fn assert_transactional(broker: &Broker, group: &str) {
    for topic in ["metrics", "transitions", "profiles", "dead"] {
        let topic = format!("{group}-{topic}");
        let partitions = broker.log_directories(&topic);
        let mut aborts = 0;
        for directory in &partitions {
            let batches = Batches::count(directory);
            assert_eq!(batches.plain, 0, "{topic}: {batches:?}");
            assert!(batches.commits > 0 && batches.transactional > 0, "{topic}: {batches:?}");
            aborts += batches.aborts;
        }
        let (written, committed) = (written(&broker.bootstrap(), &topic), read_committed(&broker.bootstrap(), &topic).len());
        eprintln!("{topic}: {written} offsets, {committed} records, {aborts} aborts");
        assert!(i64::try_from(committed).expect("few") < written, "markers take offsets");
    }
}
