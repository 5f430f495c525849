//! The aggregator: one thread in one of the processes adds up what the partitions tell, and publishes metrics.
//!
//! The one partition of a topic without records elects it. It keeps nothing of its own: on start it fences its predecessor, reads
//! the metrics that were published and everything that the partitions told, and publishes what differs.

mod alerting;
mod board;
mod histories;
mod scoring;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use self::histories::Histories;
use self::scoring::Scoring;
use super::clock::Stopwatch;
use super::failpoint::{Place, pass};
use super::kafka::connection::Connection;
use super::kafka::consumer::{ConsumeError, GroupConsumer, GroupEvent};
use super::kafka::producer::{ProduceError, Producer};
use super::kafka::reader::TopicReader;
use super::kafka::{Outgoing, Record};
use super::observations::Observations;
use super::publication::Publication;
use super::refitting::{ModelBoard, ModelFollower, Refitting, read_models};
use super::worker::Pulse;
use crate::config::Settings;
use crate::config::internal_topics::{election_topic, model_topic, partials_topic};
use crate::engine::aggregator::{ALL, Aggregator, Metric};
use crate::engine::settings::EngineSettings;
use crate::model::partition::partition_of;
use crate::model::time::{Calendar, Day, UnknownTimeZone};
use crate::wire::model::PublishedModel;
use crate::wire::partials::{self, Told};
use crate::wire::records;
use alerting::Alerting;
pub use board::MetricsBoard;

/// How long a batch is waited for.
const WAIT: Duration = Duration::from_millis(50);
/// How long the predecessor's transaction may take to end.
const FENCE: Duration = Duration::from_secs(60);
/// The longest that metrics wait for a quiet moment.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How long the last figures are read when the service stops.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Why the aggregator ended before it was told to. Another may go on.
#[derive(Debug, thiserror::Error)]
pub enum AggregationError {
    /// A topic cannot be read.
    #[error(transparent)]
    Consume(#[from] ConsumeError),
    /// Metrics cannot be published.
    #[error(transparent)]
    Produce(#[from] ProduceError),
    /// The time zone of the settings is unknown.
    #[error(transparent)]
    TimeZone(#[from] UnknownTimeZone),
}

/// Runs for election once the workers of this process have their share of the log, so that they have accepted its history by the settings; aggregates when
/// elected, until `stop`. What the partitions have told by then is published before it ends.
pub fn run(
    settings: &Settings,
    (connection, publication): (&Connection, &Publication),
    (board, models): (&MetricsBoard, &ModelBoard),
    observations: &Arc<Observations>,
    pulse: &Pulse,
    stop: &AtomicBool,
) -> Result<(), AggregationError> {
    pulse.wait_for("the brokers, to run for election");
    let topic = election_topic(&settings.kafka.group_id);
    let mut member = None;
    let follow = || {
        let read = |published: &str| TopicReader::start(connection, &topic, published);
        Ok::<_, ConsumeError>(Role::Follows(Box::new((read(&settings.topics.metrics)?, read(&settings.topics.alerts)?))))
    };
    let mut role = follow()?;
    let mut follower = ModelFollower::start(connection, &topic, &model_topic(&settings.kafka.group_id))?;
    while !stop.load(Ordering::Relaxed) {
        pulse.beat();
        if member.is_none() && observations.is_ready() {
            member = Some(GroupConsumer::join(connection, &topic, &topic, 1)?);
        }
        while let Some((member, event)) = next_event(&mut member)? {
            match event {
                GroupEvent::Assigned(partitions) => {
                    let starts: Vec<(i32, i64)> = partitions.iter().map(|partition| (*partition, 0)).collect();
                    member.assign(&starts)?;
                    if !partitions.is_empty() {
                        tracing::info!("elected to aggregate");
                        pulse.wait_for("the brokers, to read what was published");
                        role = Role::Aggregates(Box::new(Session::start(settings, (connection, publication), board, observations)?));
                    }
                }
                GroupEvent::Revoked(partitions) | GroupEvent::Lost(partitions) => {
                    // First, because to follow may take long, or fail while the brokers are away.
                    member.unassign(&partitions)?;
                    pulse.wait_for("the brokers, to follow what another publishes");
                    role = follow()?;
                }
            }
        }
        follower.follow(models, observations)?;
        match &mut role {
            Role::Aggregates(session) => session.step(observations, pulse)?,
            Role::Follows(published) => {
                published.0.read(WAIT, |record| show(publication, record, board))?;
                published.1.read(Duration::ZERO, |record| show_alert(publication, record, board))?;
            }
        }
    }
    if let Role::Aggregates(session) = &mut role {
        session.finish()?;
    }
    Ok(())
}

/// What happened in the group, with the member of it that this process is, if it is one.
fn next_event(member: &mut Option<GroupConsumer>) -> Result<Option<(&mut GroupConsumer, GroupEvent)>, ConsumeError> {
    let Some(member) = member else { return Ok(None) };
    Ok(member.poll()?.map(|event| (member, event)))
}

/// What this process does about metrics.
enum Role<'s> {
    /// Another process aggregates; the metrics and alerts that it publishes are read, to be shown here as well.
    Follows(Box<(TopicReader, TopicReader)>),
    /// This one does.
    Aggregates(Box<Session<'s>>),
}

/// Puts a published metric on the board.
fn show(publication: &Publication, record: &Record<'_>, board: &MetricsBoard) {
    if let Some((_, Ok(value))) = read_back(record, |value| publication.json_at_once(value)) {
        board.put(value);
    }
}

/// Puts a published alert on the board.
fn show_alert(publication: &Publication, record: &Record<'_>, board: &MetricsBoard) {
    if let Some((fingerprint, Ok(value))) = read_back(record, |value| publication.json_at_once(value)) {
        board.put_alert(&fingerprint, value);
    }
}

/// A published record cannot be read back.
struct Unreadable;

/// Key and value of a published record; `None` of a tombstone.
fn read_back<'r>(
    record: &Record<'r>,
    json: impl Fn(&'r [u8]) -> Result<Cow<'r, [u8]>, String>,
) -> Option<(String, Result<Value, Unreadable>)> {
    let (key, payload) = (record.key?, record.payload?);
    let value = json(payload).and_then(|json| serde_json::from_slice(&json).map_err(|error| error.to_string()));
    let value = value.map_err(|reason| {
        tracing::warn!(partition = record.partition, offset = record.offset, reason, "a record that was published cannot be read back");
        Unreadable
    });
    Some((String::from_utf8_lossy(key).into_owned(), value))
}

/// A metric as it was published last.
#[derive(Clone, Copy, Debug)]
struct Published {
    revision: u64,
    is_final: bool,
    /// Of the record without its revision; `None` when it could not be read, so that it is said again.
    digest: Option<u64>,
}

/// A topic, and its records by key.
type TopicRecords<'r> = (String, Vec<(&'r str, String)>);

/// One term of office.
struct Session<'s> {
    engine: &'s EngineSettings,
    board: &'s MetricsBoard,
    topic: String,
    producer: Producer,
    partials: TopicReader,
    aggregator: Aggregator,
    histories: Histories,
    refitting: Refitting,
    scoring: Scoring,
    model_topic: String,
    publication: &'s Publication,
    /// Everything that is in force, to begin again when a history does.
    told: BTreeMap<(i32, String), Told>,
    published: BTreeMap<String, Published>,
    alerts_topic: String,
    alerting: Alerting,
    since_publish: Stopwatch,
}

impl<'s> Session<'s> {
    /// Fences the predecessor and reads what it published.
    fn start(
        settings: &'s Settings,
        (connection, publication): (&Connection, &'s Publication),
        board: &'s MetricsBoard,
        observations: &Arc<Observations>,
    ) -> Result<Self, AggregationError> {
        let group_id = election_topic(&settings.kafka.group_id);
        let mut producer = Producer::transactional(connection, &group_id)?;
        producer.init(FENCE)?;
        producer.prepare(&settings.topics.metrics)?;
        let calendar = Arc::new(Calendar::new(&settings.engine.time_zone)?);
        let mut alerting = Alerting::new(settings, calendar, Arc::clone(observations));
        let mut published = BTreeMap::new();
        read_all(connection, &group_id, &settings.topics.metrics, |record| {
            let known = read_back(record, |value| publication.json(value));
            if let Some(day) = known.and_then(|(key, value)| note_published(key, value, &mut published, board)) {
                alerting.note_final(day);
            }
        })?;
        read_all(connection, &group_id, &settings.topics.alerts, |record| {
            if let Some((fingerprint, Ok(value))) = read_back(record, |value| publication.json(value)) {
                alerting.note(&fingerprint, &value);
                board.put_alert(&fingerprint, value);
            }
        })?;
        let partials = TopicReader::start(connection, &group_id, &partials_topic(&settings.kafka.group_id))?;
        let aggregator = Aggregator::new(partials.partitions());
        let model_topic = model_topic(&settings.kafka.group_id);
        let models = read_models(connection, &group_id, &model_topic)?;
        let refitting = Refitting::new(&settings.engine.churn, partials.partitions(), models);
        let scoring = Scoring::new(partials.partitions(), Arc::clone(observations));
        tracing::info!(published = published.len(), "aggregating");
        Ok(Self {
            engine: &settings.engine,
            board,
            topic: settings.topics.metrics.clone(),
            producer,
            partials,
            aggregator,
            histories: Histories::default(),
            refitting,
            scoring,
            model_topic,
            publication,
            told: BTreeMap::new(),
            published,
            alerts_topic: settings.topics.alerts.clone(),
            alerting,
            since_publish: Stopwatch::start(),
        })
    }

    /// Reads a batch; publishes when there is a moment without records, so that half a transaction is hardly ever shown.
    fn step(&mut self, observations: &Observations, pulse: &Pulse) -> Result<(), AggregationError> {
        let mut batch = Vec::new();
        let count = self.partials.read(WAIT, |record| batch.extend(told(record)))?;
        for (partition, key, told) in batch {
            self.take(partition, key, told);
        }
        if self.partials.caught_up() && (count == 0 || self.since_publish.elapsed() >= LONGEST_WAIT) {
            self.since_publish.restart();
            pulse.wait_for("the brokers, to take metrics");
            self.publish()?;
            self.scoring.observe();
            if let Some(model) = self.refitting.step(observations) {
                self.publish_model(&model)?;
            }
        }
        self.alerting.observe_requests();
        Ok(())
    }

    /// Publishes what was told until now. Should that take long, whoever is elected next does it.
    fn finish(&mut self) -> Result<(), AggregationError> {
        let stopwatch = Stopwatch::start();
        self.partials.look_again()?;
        while !self.partials.caught_up() && stopwatch.elapsed() < LAST_WORDS {
            let mut batch = Vec::new();
            self.partials.read(WAIT, |record| batch.extend(told(record)))?;
            for (partition, key, told) in batch {
                self.take(partition, key, told);
            }
        }
        if self.partials.caught_up() {
            self.publish()?;
        }
        self.alerting.finish();
        Ok(())
    }

    fn take(&mut self, partition: i32, key: String, told: Told) {
        let begun_again = self.histories.note(partition, &told);
        self.refitting.update(partition, &told.partial);
        self.scoring.update(partition, &told.partial);
        if !self.alerting.is_past(&told.partial) {
            self.aggregator.update(partition.cast_unsigned(), told.partial.clone());
            self.told.insert((partition, key), told);
        }
        if begun_again {
            self.begin_again(partition);
        }
    }

    /// A partition began a new history: what the old one told is forgotten, unless the new one stands on it.
    fn begin_again(&mut self, partition: i32) {
        tracing::warn!(partition, "a partition began a new history, figures of the old one are forgotten");
        let histories = &self.histories;
        self.told.retain(|(partition, _), told| histories.is_in_force(*partition, told));
        self.aggregator = Aggregator::new(self.partials.partitions());
        self.refitting.begin_again();
        self.scoring.begin_again();
        for ((partition, _), told) in &self.told {
            self.aggregator.update(partition.cast_unsigned(), told.partial.clone());
            self.refitting.update(*partition, &told.partial);
            self.scoring.update(*partition, &told.partial);
        }
    }

    /// Publishes a model. It counts once it is read back.
    fn publish_model(&mut self, model: &PublishedModel) -> Result<(), AggregationError> {
        let value = match model.encode() {
            Ok(value) => value,
            Err(error) => {
                tracing::error!(%error, "a model cannot be encoded");
                return Ok(());
            }
        };
        pass(Place::ModelBefore);
        self.transact(&[(self.model_topic.clone(), vec![(model.key(), String::from_utf8_lossy(&value).into_owned())])])?;
        pass(Place::ModelAfter);
        Ok(())
    }

    /// Publishes the metrics that differ from what was published last, and the alerts of the days that became final, in one transaction.
    fn publish(&mut self) -> Result<(), AggregationError> {
        let changed: Vec<(String, Published, Value)> =
            self.aggregator.take_changed().into_iter().filter_map(|metric| self.news(metric)).collect();
        let closed = self.alerting.closed_through();
        let alerts = self.alerting.close(&mut self.aggregator);
        if self.alerting.closed_through() > closed {
            let alerting = &self.alerting;
            self.told.retain(|_, told| !alerting.is_past(&told.partial));
        }
        if !changed.is_empty() || !alerts.is_empty() {
            let metrics: Vec<(&str, String)> = changed.iter().map(|(key, _, value)| (key.as_str(), value.to_string())).collect();
            let raised: Vec<(&str, String)> = alerts.iter().map(|(key, value)| (key.as_str(), value.to_string())).collect();
            let topics = [(self.topic.clone(), metrics), (self.alerts_topic.clone(), raised)];
            pass(Place::MetricsBefore);
            self.transact(&topics)?;
            pass(Place::MetricsAfter);
        }
        for (key, published, value) in changed {
            self.published.insert(key, published);
            self.board.put(value);
        }
        for (key, value) in &alerts {
            self.board.put_alert(key, value.clone());
        }
        self.alerting.committed(alerts);
        Ok(())
    }

    /// One transaction; once more when it was aborted. Anything else ends the session, and another reads what became of it, with a new producer: this one may
    /// have records wait for a connection that it took down.
    fn transact(&mut self, topics: &[TopicRecords<'_>]) -> Result<(), ProduceError> {
        let mut batches = Vec::new();
        for (topic, values) in topics.iter().filter(|(_, values)| !values.is_empty()) {
            let partitions = self.producer.prepare(topic)?;
            batches.push((topic, values.iter().map(|(key, value)| outgoing(key, value, partitions)).collect::<Vec<_>>()));
        }
        match self.attempt(&batches) {
            Err(ProduceError::Abortable { reason, .. }) => {
                tracing::info!(reason, "metrics were not committed, sending them again");
                self.producer.abort()?;
                self.attempt(&batches)
            }
            outcome => outcome,
        }
    }

    fn attempt(&mut self, batches: &[(&String, Vec<Outgoing<'_>>)]) -> Result<(), ProduceError> {
        self.producer.begin()?;
        let (publication, producer) = (self.publication, &mut self.producer);
        batches.iter().try_for_each(|(topic, records)| publication.send(producer, topic, records))?;
        self.producer.commit()
    }

    /// The record of a metric, if it says something new.
    fn news(&self, mut metric: Metric) -> Option<(String, Published, Value)> {
        let key = records::metric_key(&metric.segment, metric.day);
        let before = self.published.get(&key);
        // What was final once stays final.
        metric.is_final |= before.is_some_and(|before| before.is_final);
        let revision = before.map_or(0, |before| before.revision + 1);
        let mut value = records::metric(&metric, revision, self.engine);
        let published = Published { revision, is_final: metric.is_final, digest: Some(digest(&mut value, revision)) };
        let same = before.is_some_and(|before| before.digest == published.digest);
        (!same).then_some((key, published, value))
    }
}

/// Reads a topic to its end.
fn read_all(connection: &Connection, group_id: &str, topic: &str, mut take: impl FnMut(&Record<'_>)) -> Result<(), ConsumeError> {
    let mut reader = TopicReader::start(connection, group_id, topic)?;
    while !reader.caught_up() {
        reader.read(WAIT, &mut take)?;
    }
    Ok(())
}

fn outgoing<'r>(key: &'r str, value: &'r str, partitions: u32) -> Outgoing<'r> {
    let partition = i32::try_from(partition_of(key.as_bytes(), partitions)).unwrap_or(-1);
    Outgoing { partition, key: Some(key.as_bytes()), value: Some(value.as_bytes()) }
}

/// A record of the partials topic. What cannot be read is of another version, and is told again by this one.
fn told(record: &Record<'_>) -> Option<(i32, String, Told)> {
    let key = String::from_utf8_lossy(record.key?).into_owned();
    match partials::decode(record.payload?) {
        Ok(told) => Some((record.partition, key, told)),
        Err(error) => {
            tracing::warn!(partition = record.partition, offset = record.offset, %error, "figures that cannot be read are passed over");
            None
        }
    }
}

/// Takes in a published metric; its day, if it is of everything and final.
fn note_published(
    key: String,
    value: Result<Value, Unreadable>,
    published: &mut BTreeMap<String, Published>,
    board: &MetricsBoard,
) -> Option<Day> {
    let Ok(mut value) = value else {
        let unread = |revision, is_final| Published { revision, is_final, digest: None };
        published.entry(key).and_modify(|before| *before = unread(before.revision + 1, before.is_final)).or_insert(unread(0, false));
        return None;
    };
    let revision = value["revision"].as_u64().unwrap_or(0);
    let is_final = value["final"].as_bool().unwrap_or(false);
    let digest = Some(digest(&mut value, revision));
    published.insert(key, Published { revision, is_final, digest });
    let day = value["day"].as_str().and_then(Day::parse).filter(|_| is_final && value["segment"] == ALL);
    board.put(value);
    day
}

/// Of everything but the revision, which is put back.
fn digest(value: &mut Value, revision: u64) -> u64 {
    value["revision"] = Value::from(0);
    let digest = foldhash::quality::FixedState::default().hash_one(value.to_string());
    value["revision"] = Value::from(revision);
    digest
}
