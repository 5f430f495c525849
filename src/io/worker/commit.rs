//! One transaction after another: what waits is sent until it is committed, and then no more.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::RDKafkaErrorCode;

use super::traced::OpenSpans;
use super::{ASK, FENCE, Guarantee, Processor as _, Processors, Worker, WorkerError};
use crate::io::clock::{self, Stopwatch};
use crate::io::failpoint::{Place, pass};
use crate::io::kafka::consumer::{CommitOffset, ConsumeError, GroupEvent};
use crate::io::kafka::metadata::CommitMetadata;
use crate::io::kafka::producer::ProduceError;
use crate::io::observations::DeadLetters;

/// How long one commit is tried before the worker gives up; another then goes on from the last commit.
const GIVE_UP: Duration = Duration::from_secs(300);
/// How long a worker that is in no group tries to commit for one: its partitions are others' by then.
const OUTSIDE: Duration = Duration::from_secs(3);
/// How long a new producer may take to end what another left open before one more is made.
const NEW_PRODUCER: Duration = Duration::from_secs(15);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Records that nobody takes. A new producer asks anew whether their topic is there and who leads it: after a broker was fenced, the old one may have
/// them wait for a connection that it took down.
const UNDELIVERED: [RDKafkaErrorCode; 5] = [
    RDKafkaErrorCode::OperationTimedOut,
    RDKafkaErrorCode::UnknownTopic,
    RDKafkaErrorCode::UnknownTopicOrPartition,
    RDKafkaErrorCode::Inconsistent,
    RDKafkaErrorCode::DestroyBroker,
];

/// What is to be done after an attempt that failed.
enum Next {
    /// The same again, after a pause.
    Retry,
    /// Nothing: it had committed.
    Done,
}

impl<F: Processors> Worker<F> {
    /// Commits what waits, and with `partials` tells the aggregator what changed. Does nothing when there is nothing.
    pub(super) fn commit(&mut self, partials: bool) -> Result<(), WorkerError> {
        self.since_commit.restart();
        self.work_ahead();
        for partition in self.partitions.values_mut().filter(|partition| partition.is_live()) {
            partition.schedule_switches();
            let waiting = self.outputs.len();
            self.outputs.set_source(partition.id);
            partition.processor.flush(partials, &mut self.outputs);
            partition.dirty |= self.outputs.len() > waiting;
        }
        let dirty: Vec<i32> = self.partitions.values().filter(|partition| partition.dirty).map(|partition| partition.id).collect();
        self.transact(dirty, true)
    }

    /// Has partitions do beforehand what can be done beforehand, a piece at a time.
    fn work_ahead(&mut self) {
        if !self.ahead.is_over() {
            return;
        }
        let stopwatch = Stopwatch::start();
        for partition in self.partitions.values_mut().filter(|partition| partition.is_live()) {
            partition.processor.work_ahead();
        }
        self.ahead.begin_after(stopwatch.elapsed());
    }

    /// Commits the offsets of partitions with all that waits. `keep` says whether this worker goes on with them.
    pub(super) fn transact(&mut self, mut partitions: Vec<i32>, keep: bool) -> Result<(), WorkerError> {
        let stopwatch = Stopwatch::start();
        let mut pause = Duration::from_millis(10);
        let mut outside: Option<Stopwatch> = None;
        // Every call below has a time limit of its own, and all together have GIVE_UP.
        self.pulse.wait_for("the brokers, to take a transaction");
        loop {
            partitions.retain(|partition| self.partitions.contains_key(partition));
            if partitions.is_empty() {
                return Ok(());
            }
            let offsets = self.offsets(&partitions, keep)?;
            // While the group is joined again, nothing can be committed, and partitions may be lost: `drop_lost` finds out.
            match self.consumer.group_metadata() {
                Some(group) => {
                    outside = None;
                    let Err(error) = self.attempt(&offsets, &group) else { break };
                    self.spans.iter_mut().for_each(|spans| spans.note_failure(error.to_string()));
                    if let Next::Done = self.after(error, &offsets)? {
                        break;
                    }
                }
                // The library tells that partitions are lost only after an event that may be the very one acted on now.
                None if outside.get_or_insert_with(Stopwatch::start).elapsed() > OUTSIDE => return Err(ConsumeError::GivenUp.into()),
                None => {}
            }
            if stopwatch.elapsed() > GIVE_UP {
                return Err(ProduceError::Unavailable { waited: GIVE_UP, reason: "no commit succeeded".to_owned() }.into());
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
            self.drop_lost()?;
        }
        self.pulse.beat();
        self.note_commit(&partitions, &stopwatch);
        Ok(())
    }

    fn offsets(&self, partitions: &[i32], keep: bool) -> Result<Vec<CommitOffset>, WorkerError> {
        let owner = keep.then_some(self.settings.transactional_id.as_str());
        let committed = partitions.iter().filter_map(|partition| self.partitions.get(partition));
        Ok(committed.map(|partition| partition.commit_offset(owner)).collect::<Result<_, _>>()?)
    }

    /// One transaction.
    fn attempt(&mut self, offsets: &[CommitOffset], group: &Arc<ConsumerGroupMetadata>) -> Result<(), ProduceError> {
        self.spans.iter_mut().for_each(OpenSpans::note_attempt);
        self.producer.begin()?;
        pass(Place::ProduceBefore);
        self.outputs.send(&mut self.producer, &self.topics, &self.publication)?;
        pass(Place::OffsetsBefore);
        self.producer.send_offsets(&self.settings.topic, offsets, group)?;
        pass(Place::CommitBefore);
        self.producer.commit()?;
        pass(Place::CommitAfter);
        if self.settings.guarantee == Guarantee::AtLeastOnce {
            let committed = self.consumer.commit(offsets);
            committed.map_err(|error| ProduceError::Unavailable { waited: Duration::ZERO, reason: error.to_string() })?;
        }
        Ok(())
    }

    /// Sorts out an attempt that failed.
    fn after(&mut self, error: ProduceError, offsets: &[CommitOffset]) -> Result<Next, WorkerError> {
        match error {
            ProduceError::Abortable { reason, code } => {
                self.observations.count_abort(&format!("{code:?}"));
                tracing::info!(reason, ?code, "transaction aborted, sending the same again");
                if code == RDKafkaErrorCode::MessageSizeTooLarge && !self.outputs.cut_large() {
                    return Err(ProduceError::Fatal { reason }.into());
                }
                if UNDELIVERED.contains(&code) { self.replace_producer() } else { self.abort() }?;
                Ok(Next::Retry)
            }
            ProduceError::Indeterminate { reason } => {
                self.observations.count_abort("indeterminate");
                tracing::warn!(reason, "nothing tells how a transaction ended, asking the brokers");
                self.replace_producer()?;
                self.did_commit(offsets)
            }
            ProduceError::Unavailable { reason, .. } => {
                self.observations.count_abort("unavailable");
                tracing::warn!(reason, brokers = self.connection.bootstrap_servers(), "cannot commit, trying on");
                self.abort()?;
                Ok(Next::Retry)
            }
            error @ (ProduceError::Fenced { .. } | ProduceError::MissingTopic { .. } | ProduceError::Fatal { .. }) => Err(error.into()),
        }
    }

    /// Aborts the open transaction, by a new producer if the old one cannot.
    fn abort(&mut self) -> Result<(), WorkerError> {
        match self.producer.abort() {
            Ok(()) => Ok(()),
            Err(error @ ProduceError::Fenced { .. }) => Err(error.into()),
            Err(error) => {
                tracing::info!(%error, "the producer cannot abort, a new one does");
                self.replace_producer()
            }
        }
    }

    /// A new producer of the same id: it ends what the old one left open, and fences it. One that hears nothing for long is given up for
    /// another: after an outage a client may wait for an answer that does not come.
    pub(super) fn replace_producer(&mut self) -> Result<(), WorkerError> {
        let stopwatch = Stopwatch::start();
        loop {
            match Self::make_producer(&self.settings, &self.connection, NEW_PRODUCER) {
                Err(ProduceError::Unavailable { .. }) if stopwatch.elapsed() < FENCE => {}
                made => {
                    self.producer = made?;
                    return Ok(());
                }
            }
        }
    }

    /// Whether a transaction whose end nobody saw has committed: all of its offsets have, or none.
    fn did_commit(&self, offsets: &[CommitOffset]) -> Result<Next, WorkerError> {
        let Some(first) = offsets.first() else { return Ok(Next::Retry) };
        let read = self.consumer.committed(&[first.partition], ASK)?;
        let found = read.first().and_then(|read| CommitMetadata::parse(&read.metadata).ok());
        let sent = CommitMetadata::parse(&first.metadata)?;
        let committed = found.is_some_and(|found| found.lineage == sent.lineage && found.sequence >= sent.sequence);
        Ok(if committed { Next::Done } else { Next::Retry })
    }

    /// Serves the group between attempts, and drops what it took away without asking. Other events wait for the loop.
    fn drop_lost(&mut self) -> Result<(), ConsumeError> {
        self.poll_group()?;
        let lost: Vec<i32> = self
            .events
            .iter()
            .filter_map(|event| match event {
                GroupEvent::Lost(partitions) => Some(partitions.clone()),
                GroupEvent::Assigned(_) | GroupEvent::Revoked(_) => None,
            })
            .flatten()
            .collect();
        self.forget(&lost);
        Ok(())
    }

    fn note_commit(&mut self, partitions: &[i32], stopwatch: &Stopwatch) {
        let version = self.processors.version();
        for partition in partitions {
            if let Some(partition) = self.partitions.get_mut(partition) {
                partition.note_commit(version);
            }
        }
        self.observations.commits.add(1);
        self.observations.published.add(self.outputs.len() as u64);
        self.observations.commit_time.record(stopwatch.elapsed(), 1);
        let outcomes = self.tally.take();
        let now_ms = clock::wall().millis();
        for (arrived_ms, count) in self.arrivals.take() {
            // A producer's clock may be ahead.
            let waited = Duration::from_millis(u64::try_from(now_ms - arrived_ms).unwrap_or(0));
            self.observations.publish_time.record(waited, count);
        }
        self.observations.count_outcomes(&outcomes);
        self.spans.iter_mut().for_each(|spans| spans.note_commit(&self.outputs));
        for letter in self.outputs.dead_letters(DeadLetters::WORTH_TELLING) {
            self.observations.dead_letters.note(letter);
        }
        self.outputs.clear();
    }
}
