//! A process that ends, as by a power cut, at each place of the code at which it could matter, and at random ones: whatever it had
//! in hand, the topics say in the end what the input says, record for record.
//!
//! `STICKINESS_CRASHES=200` runs the long form of the random crashes; `STICKINESS_SEED` chooses other ones.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use stickiness::io::clock::{self, Stopwatch};
use stickiness::io::failpoint::Place;
use stickiness::io::generate::{Generator, GeneratorSettings};
use stickiness::model::partition::partition_of;
use stickiness::model::time::Day;

use crate::support::broker::Broker;
use crate::support::outputs::metrics;
use crate::support::process::{Group, Process};
use crate::support::records::{Input, create_topic, produce};
use crate::support::recount::{Closing, assert_counts_forwarded, assert_counts_input};

/// How long a process may take to come to a place, or to publish what it has.
const PATIENCE: Duration = Duration::from_secs(60);
/// Settings of all groups. A death is noticed soon, and no partition is idle unless a test says so.
const MORE: &str = "time.idle_after = \"1d\"\nsnapshots.interval = \"1s\"\nworkers.threads = 2\n\
                    kafka.properties.\"session.timeout.ms\" = \"2000\"\nkafka.properties.\"heartbeat.interval.ms\" = \"400\"\n\
                    breakdowns.properties = [\"channel\", \"plan\"]";

/// Today in UTC.
fn today() -> Day {
    Day::from_number(i32::try_from(clock::wall().millis().div_euclid(86_400_000)).expect("a day"))
}

/// Events of all kinds up to three days ago, to be fed piece by piece.
struct Feed {
    bootstrap: String,
    topic: String,
    partitions: u32,
    keyed: bool,
    generator: Generator,
    fed: u64,
}

impl Feed {
    fn new(bootstrap: &str, topic: &str, partitions: u32, keyed: bool, seed: u64) -> Self {
        create_topic(bootstrap, topic, partitions.cast_signed());
        let settings = GeneratorSettings {
            events: 100_000,
            users: 300,
            days: 90,
            start: today() - 93,
            late_share: 0.05,
            late_days: 40,
            duplicate_share: 0.05,
            poison_share: 0.01,
            merge_share: 0.01,
            delete_share: 0.002,
            seed,
            ..GeneratorSettings::default()
        };
        let generator = Generator::new(settings).expect("settings in their ranges");
        Self { bootstrap: bootstrap.to_owned(), topic: topic.to_owned(), partitions, keyed, generator, fed: 0 }
    }

    /// Produces the next events: to the partition of their user, or, when they are not keyed, to any.
    fn feed(&mut self, count: usize) {
        let events: Vec<(String, String)> =
            self.generator.by_ref().take(count).map(|event| (event.user_id().clone(), event.json().clone())).collect();
        let (partitions, keyed, fed) = (self.partitions, self.keyed, self.fed);
        let inputs = events.iter().zip(fed..).map(|((user, value), number)| {
            let partition = if keyed { u64::from(partition_of(user.as_bytes(), partitions)) } else { number % u64::from(partitions) };
            let partition = i32::try_from(partition).expect("few");
            Input { partition, key: user, value, timestamp_ms: clock::wall().millis() }
        });
        produce(&self.bootstrap, &self.topic, inputs);
        self.fed += events.len() as u64;
    }
}

/// Waits until a process ends at its failpoint.
fn wait_until_it_fails(mut process: Process, failpoint: &str) {
    let status = process.wait(PATIENCE);
    assert!(!status.success() && status.code().is_none(), "{failpoint}: {status}\n{}", process.log());
}

/// Waits until everything fed so far is committed, by what `/readyz` and the lag say.
fn wait_until_it_has_counted(process: &mut Process, bootstrap: &str, group: &Group, inputs: &[&str]) {
    let stopwatch = Stopwatch::start();
    while !group.has_committed_all(bootstrap, inputs) {
        process.assert_runs();
        assert!(stopwatch.elapsed() < PATIENCE, "everything is counted\n{}", process.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn wait_until_closed(process: &mut Process, bootstrap: &str, group: &Group) {
    let (stopwatch, yesterday) = (Stopwatch::start(), format!("all|{}", today() - 1));
    while metrics(bootstrap, &group.name).get(&yesterday).is_none_or(|record| record["final"] != true) {
        process.assert_runs();
        assert!(stopwatch.elapsed() < PATIENCE, "yesterday closes\n{}", process.log());
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_process_killed_at_each_place_publishes_what_its_input_says() {
    let bootstrap = Broker::shared().bootstrap();
    let mut feed = Feed::new(&bootstrap, "crash-places", 2, false, 3);
    let group = Group::new(&bootstrap, "crash-places", &["crash-places"], &format!("kafka.repartition = true\n{MORE}"));
    let (closings, others): (Vec<_>, Vec<_>) = Place::ALL.into_iter().partition(|(name, _)| name.starts_with("closing."));
    for (name, place) in others {
        feed.feed(600);
        let process = group.start_to_fail(name);
        if place == Place::ReleaseBefore {
            process.wait_for_log("state restored", PATIENCE);
            process.signal("-TERM");
        }
        wait_until_it_fails(process, name);
    }
    feed.feed(600);
    let mut process = group.start();
    let log = format!("{}.events", group.name);
    wait_until_it_has_counted(&mut process, &bootstrap, &group, &["crash-places"]);
    wait_until_it_has_counted(&mut process, &bootstrap, &group, &[&log]);
    process.terminate();
    // From now on nothing comes, and every partition is idle.
    group.write_settings(&group.settings().replace("idle_after = \"1d\"", "idle_after = \"1s\""));
    for (name, _) in closings {
        wait_until_it_fails(group.start_to_fail(name), name);
    }
    let mut process = group.start();
    wait_until_closed(&mut process, &bootstrap, &group);
    process.terminate();
    assert_counts_forwarded(&bootstrap, &group, &["crash-places"], Closing::ByTheClock);
}

#[test]
fn a_process_killed_at_random_publishes_what_its_input_says() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (crashes, seed) = (number("STICKINESS_CRASHES", 20), number("STICKINESS_SEED", 11));
    println!("{crashes} crashes, seed {seed}");
    let bootstrap = Broker::shared().bootstrap();
    let mut feed = Feed::new(&bootstrap, "crash-random", 3, true, seed);
    let group = Group::new(&bootstrap, "crash-random", &["crash-random"], MORE);
    for crash in 0..crashes {
        // Of its own, so that crash n of a seed is the same whatever came before it.
        let mut dice = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(1_000_003) + crash);
        feed.feed(dice.random_range(1..400));
        let (name, _) = Place::ALL[dice.random_range(0..Place::ALL.len())];
        let failpoint = format!("{name}@{}", dice.random_range(1..6));
        let mut process = group.start_to_fail(&failpoint);
        // A place that is not come to in time: killed wherever it is then.
        let (stopwatch, patience) = (Stopwatch::start(), Duration::from_millis(dice.random_range(200..4_000)));
        while !process.has_ended() && stopwatch.elapsed() < patience {
            feed.feed(dice.random_range(1..60));
            std::thread::sleep(Duration::from_millis(50));
        }
        println!("crash {crash}: {failpoint}{}", if process.has_ended() { "" } else { ", not reached" });
        process.end();
    }
    let mut process = group.start();
    wait_until_it_has_counted(&mut process, &bootstrap, &group, &["crash-random"]);
    process.terminate();
    println!("{} events", feed.fed);
    assert_counts_input(&bootstrap, &group, "crash-random", Closing::ByEvents);
}
