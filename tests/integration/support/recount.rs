//! What a group's topics must say, counted again from the log by engines in this process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use stickiness::config::Settings;
use stickiness::engine::aggregator::Aggregator;
use stickiness::engine::alerts::AlertBook;
use stickiness::engine::effect::{Admission, Effect};
use stickiness::engine::models::Switch;
use stickiness::engine::partition::{PartitionEngine, Placement};
use stickiness::engine::resharding::reshard;
use stickiness::io::clock;
use stickiness::model::event::Event;
use stickiness::model::partition::partition_of;
use stickiness::model::rejection::{Reason, Rejection};
use stickiness::model::time::{Calendar, Day, EventTime};
use stickiness::wire::envelope::{Envelope, Forwarded};
use stickiness::wire::records;

use super::outputs::{Dead, Outputs, assert_same};
use super::process::Group;
use super::records::{Output, committed_metadata, read_committed};

/// Where a record came in: topic, partition, offset.
pub(crate) type Origin = (String, i32, i64);

/// How often each event is in each partition of the internal log.
type Ways = BTreeMap<(Origin, u32), u32>;

/// Whether the wall clock has closed every day that it could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// No partition was ever idle.
    ByEvents,
    /// All are idle.
    ByTheClock,
}

/// Everything that a log calls for.
#[derive(Default)]
struct Recount {
    metrics: BTreeMap<String, Value>,
    /// By user, then by the partition that says it: across partitions the order is nobody's.
    transitions: BTreeMap<String, BTreeMap<u32, Vec<String>>>,
    /// The same of churn risk.
    risks: BTreeMap<String, BTreeMap<u32, Vec<String>>>,
    /// By fingerprint, in the order of the days.
    alerts: BTreeMap<String, Vec<String>>,
    /// The last of each partition.
    profiles: BTreeMap<String, BTreeMap<u32, Option<String>>>,
    dead: Vec<Dead>,
    ways: Ways,
    transfers: BTreeMap<u32, u32>,
}

/// Checks everything that a group has published against its one input, keyed by user.
pub(crate) fn assert_counts_input(bootstrap: &str, group: &Group, input: &str, closing: Closing) {
    assert_counts_grown_input(bootstrap, group, input, (closing, None));
}

/// The same for an input that got more partitions when those before ended at `grown.1`.
pub(crate) fn assert_counts_grown_input(bootstrap: &str, group: &Group, input: &str, grown: (Closing, Option<&[i64]>)) {
    let settings = Settings::read(&group.settings(), []).expect("valid");
    let log = read_committed(bootstrap, input);
    let mut recount = Recount::default();
    let switches = switches(bootstrap, group, input);
    recount.count(&settings, &switches, grown, &log, |run, engine, record| {
        let outcome = match record.value.as_deref() {
            None => Err(Rejection::new(Reason::Malformed, "a tombstone")),
            Some(payload) => settings.decoder().decode_json(payload).map(|event| {
                let arrival = Some(EventTime::from_millis(record.timestamp_ms));
                engine.handle(&event, arrival)
            }),
        };
        run.note_effects(&settings, engine, record.partition.cast_unsigned(), None);
        if let Some(rejection) = rejection_of(outcome) {
            run.dead.push(dead_letter(input, record.partition, record.offset, record.key.clone(), record.value.clone(), &rejection));
        }
    });
    recount.assert_published(&Outputs::read(bootstrap, &group.name));
}

/// Checks everything that a group has published, and its internal log, against inputs that are not keyed by user.
pub(crate) fn assert_counts_forwarded(bootstrap: &str, group: &Group, inputs: &[&str], closing: Closing) {
    assert_counts_grown_log(bootstrap, group, inputs, (closing, None));
}

/// The same for an internal log that got more partitions when those before ended at `grown.1`.
pub(crate) fn assert_counts_grown_log(bootstrap: &str, group: &Group, inputs: &[&str], grown: (Closing, Option<&[i64]>)) {
    let recount = recount_log(bootstrap, group, inputs, grown);
    recount.assert_published(&Outputs::read(bootstrap, &group.name));
}

/// Checks the internal log and the metrics alone, when an earlier history has left other records of its own.
pub(crate) fn assert_metrics_forwarded(bootstrap: &str, group: &Group, inputs: &[&str]) {
    let recount = recount_log(bootstrap, group, inputs, (Closing::ByEvents, None));
    assert_same(&Outputs::read(bootstrap, &group.name).metrics, &recount.metrics);
}

fn recount_log(bootstrap: &str, group: &Group, inputs: &[&str], grown: (Closing, Option<&[i64]>)) -> Recount {
    let settings = Settings::read(&group.settings(), []).expect("valid");
    let topic = format!("{}.events", group.name);
    let log = read_committed(bootstrap, &topic);
    let mut recount = Recount::default();
    let mut arrives = BTreeSet::new();
    for input in inputs {
        for record in read_committed(bootstrap, input) {
            match forwarded(&settings, &record) {
                Ok(()) => _ = arrives.insert(((*input).to_owned(), record.partition, record.offset)),
                Err(rejection) => {
                    recount.dead.push(dead_letter(input, record.partition, record.offset, record.key, record.value, &rejection));
                }
            }
        }
    }
    let switches = switches(bootstrap, group, &topic);
    recount.count(&settings, &switches, grown, &log, |run, engine, record| run.take_envelope(&settings, engine, record));
    recount.assert_internal_log(&log, &arrives);
    recount
}

/// The switches of models of each partition of the log: which day takes a new model is no function of it, and the commits say so.
fn switches(bootstrap: &str, group: &Group, topic: &str) -> Vec<Vec<Switch>> {
    let committed = committed_metadata(bootstrap, &group.name, topic);
    let count = i32::try_from(super::records::partition_count(bootstrap, topic)).expect("few");
    let of = |partition| {
        let Some(metadata) = committed.get(&partition) else { return Vec::new() };
        assert_eq!(metadata.switches_since, 0, "the commits say all");
        metadata.switches_after(0).collect()
    };
    (0..count).map(of).collect()
}

/// What a forwarder says about a record.
fn forwarded(settings: &Settings, record: &Output) -> Result<(), Rejection> {
    let payload = record.value.as_deref().ok_or_else(|| Rejection::new(Reason::Malformed, "a tombstone"))?;
    let event = settings.decoder().decode_json(payload)?;
    let tolerance = settings.engine.future_tolerance_ms;
    if event.time > EventTime::from_millis(record.timestamp_ms + tolerance) {
        return Err(Rejection::new(Reason::Future, format!("{} is more than {tolerance} ms after its arrival", event.time)));
    }
    Ok(())
}

fn rejection_of(outcome: Result<Admission, Rejection>) -> Option<Rejection> {
    match outcome {
        Err(rejection) | Ok(Admission::Rejected(rejection)) => Some(rejection),
        Ok(Admission::Accepted | Admission::Duplicate | Admission::Deleted | Admission::Forwarded) => None,
    }
}

fn dead_letter(topic: &str, partition: i32, offset: i64, key: Option<String>, value: Option<Vec<u8>>, rejection: &Rejection) -> Dead {
    let headers = [
        ("stickiness.reason", rejection.reason.name().to_owned()),
        ("stickiness.detail", rejection.detail.clone()),
        ("stickiness.topic", topic.to_owned()),
        ("stickiness.partition", partition.to_string()),
        ("stickiness.offset", offset.to_string()),
    ];
    (key, value, headers.map(|(name, text)| (name.to_owned(), text.into_bytes())).into())
}

pub(crate) fn origin(event: &Forwarded<'_>) -> Origin {
    (event.topic.to_owned(), event.partition, event.offset)
}

impl Recount {
    /// Runs an engine a partition over a log.
    /// Of a log that got more partitions, up to `grown`: before each of those ends, users were in as many partitions as there are ends.
    fn count(
        &mut self,
        settings: &Settings,
        switches: &[Vec<Switch>],
        (closing, grown): (Closing, Option<&[i64]>),
        log: &[Output],
        mut take: impl FnMut(&mut Self, &mut PartitionEngine, &Output),
    ) {
        let calendar = Arc::new(Calendar::new(&settings.engine.time_zone).expect("a zone"));
        let partitions = u32::try_from(switches.len()).expect("few");
        let mut aggregator = Aggregator::new(partitions);
        let salt = |partition: u32| [u8::try_from(partition).expect("few"); 16];
        let first = grown.map_or(partitions, |ends| u32::try_from(ends.len()).expect("few"));
        let engine = |partition| {
            let placement = Placement { partition, partitions: first, transfers: settings.kafka.repartition };
            let mut engine = PartitionEngine::new(settings.engine.clone(), placement, Arc::clone(&calendar), salt(partition));
            switches[partition as usize].iter().for_each(|switch| engine.repeat_switch(*switch));
            engine
        };
        let mut engines: Vec<PartitionEngine> = (0..first).map(engine).collect();
        let is_before = |record: &Output| {
            grown.is_some_and(|ends| ends.get(usize::try_from(record.partition).expect("a number")).is_some_and(|end| record.offset < *end))
        };
        if grown.is_some() {
            for (partition, engine) in (0..).zip(&mut engines) {
                log.iter()
                    .filter(|record| record.partition == partition && is_before(record))
                    .for_each(|record| take(self, engine, record));
                engine.close_by_clock(clock::wall());
                self.note_effects(settings, engine, partition.cast_unsigned(), None);
                engine.take_partials().into_iter().for_each(|partial| aggregator.update(partition.cast_unsigned(), partial));
            }
            let salts: Vec<[u8; 16]> = (first..partitions).map(salt).collect();
            engines = reshard(engines, &salts).expect("resharded").0;
        }
        for (partition, mut engine) in (0..).zip(engines) {
            log.iter()
                .filter(|record| record.partition == partition && !is_before(record))
                .for_each(|record| take(self, &mut engine, record));
            let partition = partition.cast_unsigned();
            if closing == Closing::ByTheClock {
                engine.close_by_clock(clock::wall());
                self.note_effects(settings, &mut engine, partition, None);
            }
            engine.take_partials().into_iter().for_each(|partial| aggregator.update(partition, partial));
        }
        self.note_alerts(settings, &calendar, &mut aggregator);
        let metric = |metric| {
            let mut record = records::metric(&metric, 0, &settings.engine);
            record["revision"] = Value::Null;
            (records::metric_key(&metric.segment, metric.day), record)
        };
        self.metrics = aggregator.take_changed().into_iter().map(metric).collect();
    }

    /// Judges the days that every partition has closed.
    fn note_alerts(&mut self, settings: &Settings, calendar: &Calendar, aggregator: &mut Aggregator) {
        let Some(mut book) = settings.alerts.clone().map(AlertBook::new) else { return };
        for (day, segments) in aggregator.take_alert_days() {
            for change in book.close_day(day, &segments) {
                let record = records::alert(&change.alert, calendar).to_string();
                self.alerts.entry(change.alert.fingerprint).or_default().push(record);
            }
        }
    }

    fn take_envelope(&mut self, settings: &Settings, engine: &mut PartitionEngine, record: &Output) {
        let partition = record.partition.cast_unsigned();
        match Envelope::decode(record.value.as_deref().expect("a value")).expect("an envelope") {
            Envelope::Event(forwarded) => {
                if !forwarded.passed_on {
                    *self.ways.entry((origin(&forwarded), partition)).or_default() += 1;
                }
                let event: Event<'_> = settings.decoder().decode_json(forwarded.value).expect("its forwarder read it");
                let admission = if forwarded.passed_on { engine.handle_passed_on(&event) } else { engine.handle(&event, None) };
                self.note_effects(settings, engine, partition, Some(&forwarded));
                if let Some(rejection) = rejection_of(Ok(admission)) {
                    let key = forwarded.key.map(|key| String::from_utf8_lossy(key).into_owned());
                    let (topic, at, offset) = origin(&forwarded);
                    self.dead.push(dead_letter(&topic, at, offset, key, Some(forwarded.value.to_vec()), &rejection));
                }
            }
            Envelope::Transfer(transfer) => {
                engine.receive(*transfer);
                self.note_effects(settings, engine, partition, None);
            }
        }
    }

    /// Notes what an engine wants done, and where what it sends on is to be found in the log.
    fn note_effects(&mut self, settings: &Settings, engine: &mut PartitionEngine, partition: u32, event: Option<&Forwarded<'_>>) {
        let partitions = engine.state().placement().partitions;
        for effect in engine.drain_effects() {
            match effect {
                Effect::Transition(transition) => {
                    let (kind, to) = records::transition_selector(&transition);
                    if settings.publish.wants_transition(kind, to) {
                        let said = self.transitions.entry(transition.user_id.clone()).or_default().entry(partition).or_default();
                        said.push(records::transition(&transition).to_string());
                    }
                }
                Effect::RiskChanged(change) => {
                    if settings.publish.wants_risk(change.to) {
                        let said = self.risks.entry(change.user_id.clone()).or_default().entry(partition).or_default();
                        said.push(records::churn_risk(&change).to_string());
                    }
                }
                Effect::ProfileChanged(user_id) => {
                    let day: Option<Day> = engine.newest_day();
                    let profile = day.map_or_else(|| engine.profile(&user_id), |day| engine.profile_on(&user_id, day));
                    self.note_profile(user_id, partition, profile.map(|profile| records::profile(&profile).to_string()));
                }
                Effect::ProfileRemoved(user_id) => self.note_profile(user_id, partition, None),
                Effect::ForwardEvent { user_id } => {
                    let way = (origin(event.expect("an event at hand")), partition_of(user_id.as_bytes(), partitions));
                    *self.ways.entry(way).or_default() += 1;
                }
                Effect::Transfer { to, .. } => *self.transfers.entry(partition_of(to.as_bytes(), partitions)).or_default() += 1,
            }
        }
    }

    fn note_profile(&mut self, user_id: String, partition: u32, profile: Option<String>) {
        self.profiles.entry(user_id).or_default().insert(partition, profile);
    }

    /// Each event came in once, and was passed on as often as engines wanted.
    fn assert_internal_log(&self, log: &[Output], arrives: &BTreeSet<Origin>) {
        let (mut ways, mut transfers, mut came) = (Ways::new(), BTreeMap::new(), BTreeSet::new());
        for record in log {
            let partition = record.partition.cast_unsigned();
            match Envelope::decode(record.value.as_deref().expect("a value")).expect("an envelope") {
                Envelope::Event(event) => {
                    assert!(event.passed_on || came.insert(origin(&event)), "{:?} came in twice", origin(&event));
                    *ways.entry((origin(&event), partition)).or_default() += 1;
                }
                Envelope::Transfer(_) => *transfers.entry(partition).or_default() += 1,
            }
        }
        assert_eq!(came.len(), arrives.len(), "events in the log, and events that came in well-formed");
        assert!(came == *arrives, "the events in the log are others");
        // A user may move away and back, so that an event rightly comes by the same partition twice; only engines know how often.
        for way in ways.keys().chain(self.ways.keys()) {
            assert_eq!(ways.get(way), self.ways.get(way), "how often {way:?} is in the log, and is to be");
        }
        assert_eq!(transfers, self.transfers, "users' states by partition");
        assert!(!transfers.is_empty(), "users move");
    }

    fn assert_published(mut self, published: &Outputs) {
        self.dead.sort();
        for ((one, expected), number) in published.dead.iter().zip(&self.dead).zip(0..) {
            assert_eq!(one, expected, "dead letter {number}");
        }
        assert_eq!(published.dead.len(), self.dead.len(), "dead letters");
        assert_same(&published.metrics, &self.metrics);
        assert_same(&published.alerts, &self.alerts);
        for (published, said) in [(&published.transitions, &self.transitions), (&published.risks, &self.risks)] {
            let users: BTreeSet<&String> = published.keys().chain(said.keys()).collect();
            for user in users {
                let expected = said.get(user).map_or_else(Vec::new, |said| said.values().cloned().collect());
                assert_interleaves(user, &published.get(user).cloned().unwrap_or_default(), &expected);
            }
        }
        for (user, by_partition) in &self.profiles {
            let found = published.profiles.get(user).cloned().flatten();
            assert!(by_partition.values().any(|profile| *profile == found), "{user}: {found:?}, not one of {by_partition:#?}");
        }
        let unknown: Vec<&String> = published.profiles.keys().filter(|user| !self.profiles.contains_key(*user)).collect();
        assert!(unknown.is_empty(), "profiles of {unknown:?}");
    }
}

/// What was said is all that each partition says, and what one of them says is in its order.
fn assert_interleaves(user: &str, said: &[String], by_partition: &[Vec<String>]) {
    let (mut sorted, mut expected) = (said.to_vec(), by_partition.concat());
    sorted.sort();
    expected.sort();
    assert_eq!(sorted, expected, "records of {user}, in any order");
    for one in by_partition {
        let mut rest = said.iter();
        let is_in_order = one.iter().all(|record| rest.any(|found| found == record));
        assert!(is_in_order, "records of {user}: {one:#?} in this order within {said:#?}");
    }
}
