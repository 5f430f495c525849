//! A worker: one thread that reads its share of the log, and publishes and commits what that calls for, exactly once.
//!
//! The loop: serve the group, consume a batch, let the partition's [`Processor`] handle each record, and each commit interval
//! or output limit send everything that waits, the offsets and what a recovery needs to know in one transaction. What is
//! published stays in memory until that transaction has committed. A rebalance is acted on between transactions.
//!
//! A worker that fails is dropped whole and another is started: the commit tells that one where to go on.

mod commit;
mod error;
mod house;
mod outputs;
mod partition;
mod processor;
mod progress;
mod pulse;
mod recovery;
mod resharding;
mod restore;
mod snapshot;
mod traced;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use smallvec::SmallVec;

pub use crate::config::Guarantee;
pub use error::WorkerError;
pub use outputs::{Cause, Destination, Header, Outputs, TopicIndex};
pub use processor::{Frozen, FrozenInsights, Processor, Processors, Undecodable};
pub use pulse::Pulse;
pub use recovery::{Refusal, candidates};
pub use resharding::ReshardFailure;

use self::partition::{Arrivals, Partition, Tally};
use self::progress::Restores;
use self::snapshot::Stored;
use self::traced::OpenSpans;
use crate::io::clock::Stopwatch;
use crate::io::failpoint::{Place, pass};
use crate::io::kafka::Entry;
use crate::io::kafka::connection::Connection;
use crate::io::kafka::consumer::{ConsumeError, GroupConsumer, GroupEvent};
use crate::io::kafka::producer::{ProduceError, Producer};
use crate::io::observations::Observations;
use crate::io::publication::Publication;
use crate::io::rest::Rest;
use crate::io::snapshots::{KeptName, Snapshots};
use crate::io::traces::Traces;

/// What is done beforehand takes a twentieth of a processor at most.
const AHEAD_SHARE: u32 = 20;
/// How long a batch is waited for.
const BATCH_WAIT: Duration = Duration::from_millis(20);
/// Records whose users are looked at ahead of them, all at once: what they need is then at hand, and not yet driven out by what others need.
const EXPECTED: usize = 32;
/// Users who are looked at between two batches when a day closes: up to some 10 ms of work. One where tests run, which have few.
pub const CLOSED_AT_ONCE: usize = if cfg!(debug_assertions) { 1 } else { 8_192 };
/// How long the brokers may take to answer a question.
const ASK: Duration = Duration::from_secs(30);
/// How long another's transaction may hold up the reading of a commit.
const FENCE: Duration = Duration::from_secs(60);
/// How often idle partitions, snapshots and gauges are looked after.
const HOUSEKEEPING: Duration = Duration::from_millis(500);
/// How often quiet partitions are looked at for whether they are at their end.
const ENDS: Duration = Duration::from_millis(50);
/// Bytes of outputs that force a commit.
const OUTPUT_BYTES: usize = 32 * 1024 * 1024;

/// How a worker runs.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// The group, which the workers of all processes share.
    pub group_id: String,
    /// The log.
    pub topic: String,
    /// Unlike that of any other worker that runs or ever ran.
    pub transactional_id: String,
    /// What is promised.
    pub guarantee: Guarantee,
    /// How often to commit.
    pub commit_interval: Duration,
    /// How often to tell the aggregator.
    pub partials_interval: Duration,
    /// Records waiting to be published that make a commit due at once.
    pub output_limit: usize,
    /// How long a partition is quiet before the clock closes its days.
    pub idle_after: Duration,
    /// How far apart the snapshots of a partition are.
    pub snapshot_interval: Duration,
    /// How long the log keeps its records: a snapshot of half that age is an alarm. `None` when it keeps them for good.
    pub retention: Option<Duration>,
    /// What a partition without a commit begins with.
    pub beginning: Beginning,
    /// How many partitions the states are of, if the topic may have more by now: the others are left alone.
    pub partitions: Option<u32>,
}

/// What a partition without a commit begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Nothing, and only if there is no snapshot of an old history: the commit may be lost.
    Unheard,
    /// Nothing, whatever there was.
    Empty,
    /// The state that is kept under a name.
    Kept(KeptName),
}

/// Partitions, and what each shows if it has had an event.
pub type FrozenShare = Vec<(i32, Option<FrozenInsights>)>;

/// A question about users, answered by the workers that know them.
pub enum Query {
    /// About one.
    Profile {
        /// Who.
        user_id: String,
        /// Where the answer goes: JSON, or `None`.
        reply: Sender<Option<Vec<u8>>>,
    },
    /// About all.
    Insights {
        /// Where the answer goes; `None` while a partition is restored.
        reply: Sender<Option<FrozenShare>>,
    },
}

/// One worker. It belongs to the thread that runs it.
pub struct Worker<F: Processors> {
    settings: WorkerSettings,
    connection: Connection,
    processors: Arc<F>,
    topics: Vec<String>,
    publication: Arc<Publication>,
    snapshots: Snapshots,
    runtime: tokio::runtime::Handle,
    observations: Arc<Observations>,
    queries: Receiver<Query>,
    consumer: GroupConsumer,
    producer: Producer,
    events: VecDeque<GroupEvent>,
    partitions: BTreeMap<i32, Partition<F::Processor>>,
    outputs: Outputs,
    /// Where outputs of a replay go, to be forgotten.
    scratch: Outputs,
    tally: Tally,
    partition_count: u32,
    stored: (Sender<Stored>, Receiver<Stored>),
    since_commit: Stopwatch,
    /// Between pieces of what is done beforehand.
    ahead: Rest,
    since_ends: Stopwatch,
    since_partials: Stopwatch,
    since_housekeeping: Stopwatch,
    /// The partition whose close was gone on with last.
    closed_last: i32,
    /// The timestamps of records that are not committed.
    arrivals: Arrivals,
    pulse: Arc<Pulse>,
    membership: Membership,
    /// Restores that go on and were told.
    restores: Option<Restores>,
    /// What is traced, if anything is.
    spans: Option<OpenSpans>,
}

/// Whether a worker has its share of the group; tells the observations while it has not.
struct Membership {
    observations: Arc<Observations>,
    is_outside: bool,
}

impl Membership {
    fn set_outside(&mut self, is_outside: bool) {
        if self.is_outside != is_outside {
            self.is_outside = is_outside;
            self.observations.count_outside(if is_outside { 1 } else { -1 });
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.set_outside(false);
    }
}

/// What a worker is made of, besides its settings.
pub struct WorkerParts<F> {
    /// Where the brokers are.
    pub connection: Connection,
    /// What is run.
    pub processors: Arc<F>,
    /// How what it publishes looks.
    pub publication: Arc<Publication>,
    /// Where snapshots go.
    pub snapshots: Snapshots,
    /// Runs what waits for the object store.
    pub runtime: tokio::runtime::Handle,
    /// What is observed.
    pub observations: Arc<Observations>,
    /// Questions about users.
    pub queries: Receiver<Query>,
    /// Where it says that it goes on.
    pub pulse: Arc<Pulse>,
    /// Which records are traced, if any are.
    pub traces: Option<Traces>,
}

impl<F: Processors> Worker<F> {
    /// Joins the group. Waits until the brokers answer, or `ASK` is over.
    pub fn new(settings: WorkerSettings, parts: WorkerParts<F>) -> Result<Self, WorkerError> {
        let WorkerParts { connection, processors, publication, snapshots, runtime, observations, queries, pulse, traces } = parts;
        pulse.wait_for("the brokers, to join the group");
        let found =
            GroupConsumer::alone(&connection, &settings.group_id, &settings.topic, crate::io::kafka::connection::Isolation::Committed)?
                .partition_count(ASK)?;
        let partition_count = settings.partitions.unwrap_or(found);
        observations.set_log_partitions(partition_count);
        let mut membership = Membership { observations: Arc::clone(&observations), is_outside: false };
        membership.set_outside(true);
        let producer = Self::make_producer(&settings, &connection, FENCE)?;
        let consumer = GroupConsumer::join(&connection, &settings.group_id, &settings.topic, partition_count)?;
        let topics = processors.topics();
        let spans = traces.map(|traces| OpenSpans::new(traces, (&settings.group_id, &settings.topic), &topics));
        Ok(Self {
            settings,
            connection,
            processors,
            topics,
            publication,
            snapshots,
            runtime,
            observations,
            queries,
            consumer,
            producer,
            events: VecDeque::new(),
            partitions: BTreeMap::new(),
            outputs: Outputs::default(),
            scratch: Outputs::default(),
            tally: Tally::default(),
            partition_count,
            stored: std::sync::mpsc::channel(),
            since_commit: Stopwatch::start(),
            ahead: Rest::none(AHEAD_SHARE),
            since_ends: Stopwatch::start(),
            since_partials: Stopwatch::start(),
            since_housekeeping: Stopwatch::start(),
            closed_last: 0,
            arrivals: Arrivals::default(),
            pulse,
            membership,
            restores: None,
            spans,
        })
    }

    fn make_producer(settings: &WorkerSettings, connection: &Connection, patience: Duration) -> Result<Producer, ProduceError> {
        let producer = match settings.guarantee {
            Guarantee::ExactlyOnce => Producer::transactional(connection, &settings.transactional_id)?,
            Guarantee::AtLeastOnce => Producer::at_least_once(connection)?,
        };
        producer.init(patience)?;
        Ok(producer)
    }

    /// Works until `stop`, then leaves in good order.
    pub fn run(mut self, stop: &AtomicBool) -> Result<(), WorkerError> {
        while !stop.load(Ordering::Relaxed) {
            self.step()?;
        }
        self.leave()
    }

    /// One round of the loop.
    fn step(&mut self) -> Result<(), WorkerError> {
        self.pulse.beat();
        self.poll_group()?;
        while let Some(event) = self.events.pop_front() {
            self.rebalance(event)?;
        }
        self.consume()?;
        self.close_on();
        if self.is_commit_due() {
            self.commit_due()?;
        }
        if self.since_housekeeping.elapsed() >= HOUSEKEEPING {
            self.since_housekeeping.restart();
            self.keep_house()?;
        }
        self.answer();
        Ok(())
    }

    /// Serves the group; what it wants done waits in `events`.
    fn poll_group(&mut self) -> Result<(), ConsumeError> {
        while let Some(event) = self.consumer.poll()? {
            self.events.push_back(event);
        }
        Ok(())
    }

    /// Goes on with one close that is not over, between batches: that of the next partition after the last that had a turn.
    fn close_on(&mut self) {
        let closing = |(_, partition): &(&i32, &Partition<F::Processor>)| partition.is_closing();
        let next = self.partitions.range(self.closed_last + 1..).find(closing).or_else(|| self.partitions.iter().find(closing));
        let Some(next) = next.map(|(id, _)| *id) else { return };
        self.closed_last = next;
        if let Some(closing) = self.partitions.get_mut(&next) {
            closing.close_on(CLOSED_AT_ONCE, &mut self.outputs);
            if closing.is_closing() {
                pass(Place::ClosePiece);
            }
        }
    }

    /// Ends the closes of partitions that are not over, with commits between as ever.
    fn end_closes(&mut self, partitions: &[i32]) -> Result<(), WorkerError> {
        for id in partitions {
            while let Some(one) = self.partitions.get_mut(id).filter(|one| one.is_closing()) {
                one.close_on(CLOSED_AT_ONCE, &mut self.outputs);
                self.pulse.beat();
                if self.is_commit_due() {
                    self.commit_due()?;
                }
            }
        }
        Ok(())
    }

    /// Takes in one batch.
    fn consume(&mut self) -> Result<(), WorkerError> {
        let Self { consumer, partitions, outputs, scratch, tally, observations, arrivals, spans, .. } = self;
        // Nothing is waited for while there is something to be done.
        let wait = if partitions.values().any(Partition::is_closing) { Duration::ZERO } else { BATCH_WAIT };
        let batch = consumer.next_batch(wait);
        if batch.is_empty() {
            drop(batch);
            return self.look_for_ends();
        }
        pass(Place::Consume);
        spans.iter_mut().for_each(OpenSpans::begin_batch);
        let mut replayed = 0;
        let mut entries = batch.iter();
        let mut coming = Vec::with_capacity(EXPECTED);
        loop {
            coming.clear();
            coming.extend(entries.by_ref().take(EXPECTED));
            if coming.is_empty() {
                break;
            }
            expect(&coming, partitions);
            for entry in &coming {
                let record = match entry {
                    Entry::Record(record) => record,
                    Entry::Failed { partition, code, reason } => {
                        return Err(WorkerError::Partition { partition: *partition, reason: format!("{code}: {reason}") });
                    }
                };
                let Some(partition) = partitions.get_mut(&record.partition) else { continue };
                let outcome = match spans {
                    Some(spans) => spans.take(partition, record, outputs, scratch),
                    None => partition.take(record, outputs, scratch),
                };
                match outcome {
                    Some(outcome) => {
                        tally.add(outcome);
                        arrivals.add(record.timestamp_ms);
                    }
                    None => replayed += 1,
                }
            }
        }
        partitions.values_mut().for_each(Partition::end_batch);
        observations.replayed.add(replayed);
        Ok(())
    }

    /// Notes which partitions have no more records: a replay may end there, and idle is what stays there.
    fn look_for_ends(&mut self) -> Result<(), WorkerError> {
        if self.since_ends.elapsed() < ENDS {
            return Ok(());
        }
        self.since_ends.restart();
        for progress in self.consumer.progress()? {
            if let Some(partition) = self.partitions.get_mut(&progress.partition) {
                partition.reach(&progress, &mut self.scratch);
            }
        }
        Ok(())
    }

    fn is_commit_due(&self) -> bool {
        self.outputs.len() >= self.settings.output_limit
            || self.outputs.bytes() >= OUTPUT_BYTES
            || self.since_commit.elapsed() >= self.settings.commit_interval
    }

    fn commit_due(&mut self) -> Result<(), WorkerError> {
        let partials = self.since_partials.elapsed() >= self.settings.partials_interval;
        if partials {
            self.since_partials.restart();
        }
        self.commit(partials)
    }

    /// Acts on a rebalance.
    fn rebalance(&mut self, event: GroupEvent) -> Result<(), WorkerError> {
        match event {
            GroupEvent::Assigned(partitions) => {
                tracing::info!(?partitions, "partitions assigned");
                self.commit(false)?;
                self.spans.iter_mut().for_each(OpenSpans::begin_restore);
                self.restore(&partitions)?;
                self.tell_restores();
                self.set_gauges();
                self.observations.assignments.add(1);
                self.membership.set_outside(false);
                Ok(())
            }
            GroupEvent::Revoked(partitions) => {
                tracing::info!(?partitions, "partitions revoked");
                self.release(&partitions)?;
                Ok(self.consumer.unassign(&partitions)?)
            }
            GroupEvent::Lost(partitions) => {
                tracing::warn!(?partitions, "partitions lost");
                self.membership.set_outside(true);
                self.forget(&partitions);
                Ok(self.consumer.unassign(&partitions)?)
            }
        }
    }

    /// Drops partitions and what waits of them.
    fn forget(&mut self, partitions: &[i32]) {
        self.spans.iter_mut().for_each(|spans| spans.forget(partitions));
        for partition in partitions {
            self.partitions.remove(partition);
            self.outputs.forget_source(*partition);
            self.observations.remove_partition(*partition);
        }
    }

    /// Gives up everything in good order: commit, snapshot, release, leave the group.
    fn leave(mut self) -> Result<(), WorkerError> {
        let mine: Vec<i32> = self.partitions.keys().copied().collect();
        self.release(&mine)?;
        // The client leaves when it is dropped, and a coordinator that shares out partitions just then may let it wait.
        self.pulse.wait_for("the brokers, to leave the group");
        self.consumer.give_back(&mine)?;
        tracing::info!(partitions = ?mine, "left the group");
        Ok(())
    }
}

/// Tells the partitions of what is about to come.
fn expect<P: Processor>(coming: &[Entry<'_>], partitions: &BTreeMap<i32, Partition<P>>) {
    let mut keys: SmallVec<[&[u8]; EXPECTED]> = SmallVec::new();
    for of_one in coming.chunk_by(|one, other| number_of(one) == number_of(other)) {
        let Some(partition) = of_one.first().and_then(number_of).and_then(|number| partitions.get(&number)) else { continue };
        keys.clear();
        keys.extend(of_one.iter().filter_map(|entry| if let Entry::Record(record) = entry { record.key } else { None }));
        partition.processor.expect(&keys);
    }
}

fn number_of(entry: &Entry<'_>) -> Option<i32> {
    if let Entry::Record(record) = entry { Some(record.partition) } else { None }
}
