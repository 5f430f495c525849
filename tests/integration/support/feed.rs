//! Generated events of all kinds, fed piece by piece, and waiting until they are counted.

use std::time::Duration;

use stickiness::io::clock::{self, Stopwatch};
use stickiness::io::generate::{Generator, GeneratorSettings};
use stickiness::model::partition::partition_of;
use stickiness::model::time::Day;

use super::outputs::metrics;
use super::process::{Group, Process};
use super::records::{Input, create_topic, produce};

/// How long a process may take to come to a place, or to publish what it has.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Settings of all groups. A death is noticed soon, and no partition is idle unless a test says so.
pub(crate) const MORE: &str = "time.idle_after = \"1d\"\nsnapshots.interval = \"1s\"\nworkers.threads = 2\n\
                    kafka.properties.\"session.timeout.ms\" = \"2000\"\nkafka.properties.\"heartbeat.interval.ms\" = \"400\"\n\
                    breakdowns.properties = [\"channel\", \"plan\"]";

/// Today in UTC.
pub(crate) fn today() -> Day {
    Day::from_number(i32::try_from(clock::wall().millis().div_euclid(86_400_000)).expect("a day"))
}

/// The last day that the clock can have closed: its end and the grace of an hour are over. In the first hour of a day that is not yesterday.
pub(crate) fn last_closed_day() -> Day {
    let hour_ago = clock::wall().millis() - 3_600_000;
    Day::from_number(i32::try_from(hour_ago.div_euclid(86_400_000)).expect("a day")) - 1
}

/// Events of all kinds up to three days ago, to be fed piece by piece.
pub(crate) struct Feed {
    bootstrap: String,
    topic: String,
    partitions: u32,
    keyed: bool,
    generator: Generator,
    pub(crate) fed: u64,
}

impl Feed {
    /// Creates the topic. Events that are not keyed go to any partition.
    pub(crate) fn new(bootstrap: &str, topic: &str, partitions: u32, keyed: bool, seed: u64) -> Self {
        create_topic(bootstrap, topic, partitions.cast_signed());
        Self::onto(bootstrap, topic, partitions, keyed, seed)
    }

    /// The same for a topic that is there.
    pub(crate) fn onto(bootstrap: &str, topic: &str, partitions: u32, keyed: bool, seed: u64) -> Self {
        Self::with(bootstrap, topic, (partitions, keyed), GeneratorSettings { seed, ..Self::all_kinds() })
    }

    /// 4,000 events of all kinds over most of a year, but nobody has two ids.
    pub(crate) fn without_merges(bootstrap: &str, topic: &str, partitions: u32, seed: u64) -> Self {
        create_topic(bootstrap, topic, partitions.cast_signed());
        let year = GeneratorSettings { events: 4_000, days: 300, start: today() - 303, merge_share: 0.0, ..Self::all_kinds() };
        Self::with(bootstrap, topic, (partitions, true), GeneratorSettings { seed, ..year })
    }

    /// The topic has more partitions from now on.
    pub(crate) fn set_partitions(&mut self, partitions: u32) {
        self.partitions = partitions;
    }

    fn all_kinds() -> GeneratorSettings {
        GeneratorSettings {
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
            ..GeneratorSettings::default()
        }
    }

    fn with(bootstrap: &str, topic: &str, (partitions, keyed): (u32, bool), settings: GeneratorSettings) -> Self {
        let generator = Generator::new(settings).expect("settings in their ranges");
        Self { bootstrap: bootstrap.to_owned(), topic: topic.to_owned(), partitions, keyed, generator, fed: 0 }
    }

    /// Produces the next events: to the partition of their user, or, when they are not keyed, to any.
    pub(crate) fn feed(&mut self, count: usize) {
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

/// Waits until everything fed so far is committed.
pub(crate) fn wait_until_counted(process: &mut Process, bootstrap: &str, group: &Group, inputs: &[&str]) {
    let stopwatch = Stopwatch::start();
    while !group.has_committed_all(bootstrap, inputs) {
        process.assert_runs();
        assert!(stopwatch.elapsed() < PATIENCE, "everything is counted\n{}", process.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until everything fed so far is committed and the last process of a group aggregates, then stops it: what it leaves is complete.
pub(crate) fn finish(mut process: Process, bootstrap: &str, group: &Group, inputs: &[&str]) {
    wait_until_counted(&mut process, bootstrap, group, inputs);
    process.wait_for_log("io::aggregation: aggregating", PATIENCE);
    process.terminate();
}

/// Waits until the clock has closed what it can.
pub(crate) fn wait_until_closed(process: &mut Process, bootstrap: &str, group: &Group) {
    let (stopwatch, last) = (Stopwatch::start(), format!("all|{}", last_closed_day()));
    while metrics(bootstrap, &group.name).get(&last).is_none_or(|record| record["final"] != true) {
        process.assert_runs();
        assert!(stopwatch.elapsed() < PATIENCE, "{last} closes\n{}", process.log());
        std::thread::sleep(Duration::from_millis(200));
    }
}
