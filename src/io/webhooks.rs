//! Webhooks: published records posted to whoever wants them, at least once.
//!
//! Each webhook reads the service's own output topics, committed records only, in a consumer group of its own for each, and commits an offset when
//! every record before it was taken, given up or passed over. So publishing waits for no webhook, and no webhook for another.

mod endpoint;
mod lane;
mod retry;
mod secrets;
mod starts;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use self::endpoint::Endpoint;
use self::lane::{Delivery, Lane, News, Route};
pub use self::secrets::{SecretError, secrets};
use self::starts::{Start, since_text, starts};
use super::clock::Stopwatch;
use super::kafka::connection::Connection;
use super::kafka::consumer::{CommitOffset, ConsumeError, GroupConsumer, GroupEvent};
use super::kafka::producer::{ProduceError, Producer};
use super::kafka::{Entry, Outgoing, Record};
use super::observations::{Observations, WebhookKey};
use super::publication::Publication;
use super::worker::Pulse;
use crate::config::{TopicNames, WebhookSettings};
use crate::wire::dead_letter;
use crate::wire::webhook::{Place, RecordKind, SigningSecret, UNDELIVERED, id};

/// How long records are waited for before anything else is looked at.
const ROUND: Duration = Duration::from_millis(100);
/// How often offsets are committed.
const COMMIT: Duration = Duration::from_millis(200);
/// How long an attempt that is on its way may take when its partition goes to another process, or the service stops.
const LEAVE: Duration = Duration::from_secs(5);
/// The memory for records fetched ahead is divided by this: webhooks are not in a hurry.
const FETCH_SHARES: u32 = 64;

/// Why a webhook cannot be served at the moment. Trying again goes on from its last commit.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Its topic or its group cannot be read.
    #[error(transparent)]
    Consume(#[from] ConsumeError),
    /// A dead letter cannot be written.
    #[error("a record that was given up cannot be kept as a dead letter: {0}")]
    Produce(#[from] ProduceError),
    /// The HTTP client, TLS above all, cannot be set up.
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// A partition cannot be read on.
    #[error("partition {partition} cannot be read on: {reason}")]
    Partition {
        /// The partition.
        partition: i32,
        /// What the broker said.
        reason: String,
    },
    /// A task panicked.
    #[error("the task of partition {0} ended")]
    Task(i32),
}

impl WebhookError {
    /// Whether it passes by itself. If not, someone must act, though trying again does no harm.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Consume(error) => !matches!(error, ConsumeError::MissingTopic { .. } | ConsumeError::Failed { .. }),
            Self::Produce(error) => !matches!(error, ProduceError::MissingTopic { .. } | ProduceError::Fatal { .. }),
            Self::Partition { .. } => true,
            Self::Client(_) | Self::Task(_) => false,
        }
    }
}

/// The topic of a kind of records.
#[must_use]
pub fn topic_of(kind: RecordKind, topics: &TopicNames) -> &str {
    match kind {
        RecordKind::Transitions => &topics.transitions,
        RecordKind::ChurnRisk => &topics.churn_risk,
        RecordKind::Alerts => &topics.alerts,
    }
}

/// The consumer group that reads records of a kind for a webhook.
#[must_use]
pub fn webhook_group(group_id: &str, webhook: &str, kind: RecordKind) -> String {
    format!("{group_id}.webhook.{webhook}.{}", kind.name())
}

/// What a webhook needs for the records of one kind.
pub struct WebhookParts {
    /// How the brokers are reached.
    pub connection: Connection,
    /// How what was published looks.
    pub publication: Arc<Publication>,
    /// `kafka.group_id`
    pub group_id: String,
    /// `[topics]`
    pub topics: TopicNames,
    /// The webhook.
    pub settings: WebhookSettings,
    /// The records.
    pub kind: RecordKind,
    /// What signs.
    pub secrets: Vec<SigningSecret>,
    /// Where requests are made. This must not be run from one of its tasks.
    pub runtime: tokio::runtime::Handle,
    /// Where it is written what became of the records.
    pub observations: Arc<Observations>,
    /// Felt by the watchdog.
    pub pulse: Arc<Pulse>,
}

/// Delivers until `stop`, then leaves in good order.
pub fn run(parts: &WebhookParts, stop: &AtomicBool) -> Result<(), WebhookError> {
    let mut courier = Courier::new(parts)?;
    let ended = courier.work(stop);
    // What was done meanwhile need not be done again, whatever went wrong.
    let lanes: Vec<i32> = courier.lanes.keys().copied().collect();
    courier.leave(&lanes, if ended.is_ok() { LEAVE } else { Duration::ZERO });
    parts.observations.change_webhook(&courier.key, |readings| readings.oldest_ms = None);
    ended
}

/// Carries the records of one topic to one webhook.
struct Courier<'p> {
    parts: &'p WebhookParts,
    topic: &'p str,
    key: WebhookKey,
    consumer: GroupConsumer,
    route: Route,
    news: Receiver<News>,
    lanes: BTreeMap<i32, Lane>,
    /// What commits say beside the offset.
    metadata: String,
    since_commit: Stopwatch,
    /// Made when the first record is given up.
    dead_letters: Option<Producer>,
}

impl<'p> Courier<'p> {
    fn new(parts: &'p WebhookParts) -> Result<Self, WebhookError> {
        let WebhookParts { settings, kind, .. } = parts;
        let topic = topic_of(*kind, &parts.topics);
        let group = webhook_group(&parts.group_id, &settings.name, *kind);
        let endpoint = Arc::new(Endpoint::new(settings, parts.secrets.clone())?);
        let consumer = GroupConsumer::join(&parts.connection, &group, topic, FETCH_SHARES)?;
        let (sender, news): (Sender<News>, Receiver<News>) = channel();
        let route =
            Route { endpoint, news: sender, retry_for: settings.retry_for, webhook: settings.name.as_str().into(), topic: topic.into() };
        Ok(Self {
            parts,
            topic,
            key: (settings.name.clone(), kind.name()),
            consumer,
            route,
            news,
            lanes: BTreeMap::new(),
            metadata: String::new(),
            since_commit: Stopwatch::start(),
            dead_letters: None,
        })
    }

    fn work(&mut self, stop: &AtomicBool) -> Result<(), WebhookError> {
        while !stop.load(Ordering::Relaxed) {
            self.parts.pulse.beat();
            while let Some(event) = self.consumer.poll()? {
                self.rebalance(event)?;
            }
            self.read()?;
            self.hear()?;
            self.pace()?;
            if self.since_commit.elapsed() > COMMIT {
                self.commit();
            }
            self.observe();
        }
        Ok(())
    }

    fn rebalance(&mut self, event: GroupEvent) -> Result<(), WebhookError> {
        self.parts.pulse.wait_for("the group of a webhook");
        match event {
            GroupEvent::Assigned(partitions) => self.begin(&partitions)?,
            GroupEvent::Revoked(partitions) => {
                self.leave(&partitions, LEAVE);
                self.consumer.unassign(&partitions)?;
            }
            GroupEvent::Lost(partitions) => {
                // Another posts them already.
                self.end_tasks(&partitions, Duration::ZERO);
                self.lanes.retain(|partition, _| !partitions.contains(partition));
                self.consumer.unassign(&partitions)?;
            }
        }
        self.parts.pulse.beat();
        Ok(())
    }

    /// Begins with partitions where they were left, or where a new webhook begins; that is committed at once, so that it is the beginning for good.
    fn begin(&mut self, partitions: &[i32]) -> Result<(), WebhookError> {
        if partitions.is_empty() {
            return Ok(self.consumer.assign(&[])?);
        }
        let (since_ms, starts) = starts(&self.consumer, partitions, self.parts.settings.from)?;
        self.metadata = since_text(since_ms);
        let offsets: Vec<(i32, i64)> = starts.iter().map(|start| (start.partition, start.offset)).collect();
        self.consumer.assign(&offsets)?;
        tracing::info!(webhook = self.parts.settings.name, topic = self.topic, ?partitions, "records are delivered to a webhook");
        for Start { partition, offset, committed, lost } in starts {
            if lost > 0 {
                let webhook = &self.parts.settings.name;
                tracing::error!(webhook, topic = self.topic, partition, offset, lost, "records for a webhook are gone from their topic");
                self.parts.observations.change_webhook(&self.key, |readings| readings.lost += lost);
            }
            self.lanes.insert(partition, Lane::start(offset, committed, self.route.clone(), &self.parts.runtime));
        }
        self.commit();
        Ok(())
    }

    /// Takes in what was published.
    fn read(&mut self) -> Result<(), WebhookError> {
        let Self { consumer, lanes, parts, topic, .. } = self;
        let batch = consumer.next_batch(ROUND);
        let mut filtered = 0;
        for entry in batch.iter() {
            match entry {
                Entry::Record(record) => {
                    let Some(lane) = lanes.get_mut(&record.partition).filter(|lane| lane.expects(record.offset)) else { continue };
                    if let Some(delivery) = delivery(parts, topic, &record) {
                        lane.take(delivery, record.timestamp_ms);
                    } else {
                        lane.pass_over(record.offset);
                        filtered += 1;
                    }
                }
                Entry::Failed { partition, code, reason } => {
                    return Err(WebhookError::Partition { partition, reason: format!("{code:?} {reason}") });
                }
            }
        }
        drop(batch);
        if filtered > 0 {
            self.parts.observations.change_webhook(&self.key, |readings| readings.filtered += filtered);
        }
        let broken = self.lanes.iter().find(|(_, lane)| lane.is_broken());
        broken.map_or(Ok(()), |(partition, _)| Err(WebhookError::Task(*partition)))
    }

    /// Hears what became of records. One that was given up is dealt with once it is a dead letter.
    fn hear(&mut self) -> Result<(), WebhookError> {
        let news: Vec<News> = self.news.try_iter().collect();
        // What was taken before is settled even if what is given up cannot be kept.
        let given_up = news.iter().position(|one| matches!(one, News::GivenUp(..))).unwrap_or(news.len());
        let (before, rest) = news.split_at(given_up);
        self.settle(before);
        self.keep(rest)?;
        self.settle(rest);
        Ok(())
    }

    /// Notes how records ended.
    fn settle(&mut self, news: &[News]) {
        let (mut delivered, mut given_up, mut failures) = (0, 0, 0);
        for one in news {
            let (partition, offset) = match one {
                News::Failed => {
                    failures += 1;
                    continue;
                }
                News::Delivered(partition, offset) => {
                    delivered += 1;
                    (*partition, *offset)
                }
                News::GivenUp(delivery, _) => {
                    given_up += 1;
                    (delivery.partition, delivery.offset)
                }
            };
            if let Some(lane) = self.lanes.get_mut(&partition) {
                lane.settle(offset);
            }
        }
        self.parts.observations.change_webhook(&self.key, |readings| {
            readings.delivered += delivered;
            readings.given_up += given_up;
            readings.failures += failures;
        });
    }

    /// Writes what was given up to the dead letters, and waits until the brokers have it.
    fn keep(&mut self, news: &[News]) -> Result<(), WebhookError> {
        let given_up =
            || news.iter().filter_map(|one| if let News::GivenUp(delivery, detail) = one { Some((delivery, detail)) } else { None });
        let Some((first, reason)) = given_up().next() else { return Ok(()) };
        let WebhookParts { settings, topics, connection, pulse, .. } = self.parts;
        if self.route.endpoint.given_up.tells() {
            let (webhook, partition, offset, count) = (&settings.name, first.partition, first.offset, given_up().count());
            tracing::error!(
                webhook,
                topic = self.topic,
                partition,
                offset,
                reason,
                count,
                "a webhook did not take records, they are dead letters"
            );
        }
        pulse.wait_for("the brokers to take dead letters of a webhook");
        let producer = match &mut self.dead_letters {
            Some(producer) => producer,
            none => none.insert(Producer::at_least_once(connection)?),
        };
        for (delivery, detail) in given_up() {
            let record = Outgoing { partition: -1, key: delivery.key.as_deref(), value: Some(delivery.as_published()) };
            let own = dead_letter::headers(UNDELIVERED, detail, (self.topic, delivery.partition, delivery.offset));
            let own = own.iter().map(|(name, value)| (*name, value.as_slice()));
            let headers: Vec<(&str, &[u8])> = own.chain([(dead_letter::WEBHOOK, settings.name.as_bytes())]).collect();
            producer.send_with_headers(&topics.dead_letters, &record, &headers)?;
        }
        producer.commit()?;
        pulse.beat();
        Ok(())
    }

    /// Fetches no more for partitions whose endpoint is slow, and more for those that have caught up.
    fn pace(&mut self) -> Result<(), WebhookError> {
        for (partition, lane) in &mut self.lanes {
            if !lane.is_paused && lane.is_full() {
                self.consumer.pause(&[*partition])?;
                lane.is_paused = true;
                tracing::debug!(webhook = self.parts.settings.name, topic = self.topic, partition, "so much waits that no more is fetched");
            } else if lane.is_paused && lane.is_low() {
                self.consumer.resume(&[*partition])?;
                lane.is_paused = false;
            }
        }
        Ok(())
    }

    /// Commits what is dealt with. What could not be committed is tried again, here or by the next owner.
    fn commit(&mut self) {
        self.since_commit.restart();
        let due = |(partition, lane): (&i32, &Lane)| {
            let metadata = self.metadata.clone();
            lane.due().map(|offset| CommitOffset { partition: *partition, offset, metadata })
        };
        let offsets: Vec<CommitOffset> = self.lanes.iter().filter_map(due).collect();
        if offsets.is_empty() {
            return;
        }
        self.parts.pulse.wait_for("the brokers to commit offsets of a webhook");
        match self.consumer.commit(&offsets) {
            Ok(()) => {
                for one in offsets {
                    if let Some(lane) = self.lanes.get_mut(&one.partition) {
                        lane.note_committed(one.offset);
                    }
                }
            }
            Err(error) => {
                tracing::warn!(webhook = self.parts.settings.name, topic = self.topic, %error, "offsets of a webhook are not committed, trying again");
            }
        }
        self.parts.pulse.beat();
    }

    /// Leaves partitions: attempts that are on their way may end, what they come to is noted and committed.
    fn leave(&mut self, partitions: &[i32], patience: Duration) {
        self.end_tasks(partitions, patience);
        if let Err(error) = self.hear() {
            tracing::warn!(webhook = self.parts.settings.name, topic = self.topic, %error, "records of a webhook will be posted again");
        }
        self.commit();
        self.lanes.retain(|partition, _| !partitions.contains(partition));
    }

    fn end_tasks(&mut self, partitions: &[i32], patience: Duration) {
        self.parts.pulse.wait_for("a webhook to answer");
        let of_these = |(partition, lane)| if partitions.contains(partition) { Some(lane) } else { None };
        let lanes: Vec<&mut Lane> = self.lanes.iter_mut().filter_map(of_these).collect();
        for lane in &lanes {
            lane.leave();
        }
        let since = Stopwatch::start();
        self.parts.runtime.block_on(async {
            for lane in lanes {
                lane.end(since.remaining(patience)).await;
            }
        });
    }

    fn observe(&self) {
        let oldest_ms = self.lanes.values().filter_map(Lane::oldest_ms).min();
        self.parts.observations.change_webhook(&self.key, |readings| readings.oldest_ms = oldest_ms);
    }
}

/// What is posted of a record, as JSON; `None` when it is passed over, as are tombstones. What cannot be read is given up.
fn delivery(parts: &WebhookParts, topic: &str, record: &Record<'_>) -> Option<Delivery> {
    let published = record.payload?;
    parts.pulse.wait_for("the schema registry, to read what was published");
    let json = parts.publication.json(published);
    parts.pulse.beat();
    let (value, unreadable) = match json {
        Ok(value) if !parts.settings.filter.accepts(&value) => return None,
        Ok(value) => (value, None),
        Err(reason) => (Cow::Borrowed(published), Some(format!("it cannot be read: {reason}"))),
    };
    let timestamp_ms = record.timestamp_ms.unwrap_or(0);
    let place = Place { kind: parts.kind, topic, partition: record.partition, offset: record.offset, timestamp_ms };
    Some(Delivery {
        id: id(&place, &value),
        partition: record.partition,
        offset: record.offset,
        key: record.key.map(<[u8]>::to_vec),
        published: matches!(value, Cow::Owned(_)).then(|| published.to_vec()),
        value: value.into_owned(),
        unreadable,
    })
}
