//! Writes sorted records, each transaction with how far it is.

use std::time::Duration;

use indicatif::ProgressBar;

use super::entry::{Entry, Turn};
use super::error::BackfillError;
use super::log::Log;
use super::position::{Plan, Stand};
use super::sorting::Sorted;
use crate::config::Settings;
use crate::io::clock::Stopwatch;
use crate::io::failpoint::{Place, pass};
use crate::io::kafka::connection::Connection;
use crate::io::kafka::producer::{ProduceError, Producer};
use crate::io::publication::Publication;
use crate::io::worker::{Destination, Header, Outputs, TopicIndex};
use crate::model::partition::partition_of;
use crate::wire::dead_letter;
use crate::wire::envelope::{Envelope, Forwarded};

const LOG: TopicIndex = TopicIndex(0);
const DEAD_LETTERS: TopicIndex = TopicIndex(1);

/// Records of one transaction.
const BATCH_RECORDS: u64 = 10_000;
/// Bytes of records that make a transaction due before that.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// How long the brokers may take to end what another process left open.
const FENCE: Duration = Duration::from_secs(60);
/// How long one transaction is tried.
const GIVE_UP: Duration = Duration::from_secs(300);
/// The pause before it is tried again.
const PAUSE: Duration = Duration::from_millis(200);
/// How often it is told how far it is, where there is no bar.
const TELL: Duration = Duration::from_secs(10);

/// The one writer of a history: it fences every other.
pub(super) struct Writer<'s> {
    connection: &'s Connection,
    log: Log,
    transactional_id: String,
    producer: Producer,
    /// The log and the dead letters, by index.
    topics: [String; 2],
    /// The inputs as arguments name them, by number.
    sources: Vec<String>,
    /// Whether what it does is committed.
    has_begun: bool,
    stand: Stand,
    /// Where each partition of the log ends.
    ends: Vec<i64>,
}

/// Records of one transaction on their way.
struct Batch {
    outputs: Outputs,
    count: u64,
    sent: Vec<u64>,
}

impl<'s> Writer<'s> {
    /// Fences other writers, and goes on where the last commit stands, or begins.
    pub(super) fn open(
        settings: &Settings,
        connection: &'s Connection,
        log: Log,
        plan: Plan,
        sources: Vec<String>,
    ) -> Result<Self, BackfillError> {
        let transactional_id = format!("{}-backfill", settings.kafka.group_id);
        let producer = make_producer(connection, &transactional_id)?;
        let topics = [log.target().topic.clone(), settings.topics.dead_letters.clone()];
        let (found, ends) = log.settle(&plan.topics())?;
        let is_other = found.as_ref().is_some_and(|found| found.plan != plan);
        // What left nothing but dead letters, as with a wrong mapping, is not in the way of another.
        if is_other && !log.is_empty()? {
            return Err(log.other_inputs());
        }
        // The service may have begun to count, and a log that is empty may have been full.
        if found.as_ref().is_none_or(|found| !found.is_complete()) || is_other {
            log.check_uncounted()?;
        }
        let found = found.filter(|_| !is_other);
        let has_begun = found.is_some();
        let nothing = vec![0; ends.len()];
        let stand = found.unwrap_or_else(|| Stand { plan, done: 0, bases: ends.clone(), sent: nothing.clone() });
        let mut writer = Self { connection, log, transactional_id, producer, topics, sources, has_begun, stand, ends };
        if !has_begun {
            writer.commit(Batch { outputs: Outputs::default(), count: 0, sent: nothing })?;
            pass(Place::BackfillBegun);
        }
        Ok(writer)
    }

    /// Records that are written.
    pub(super) fn done(&self) -> u64 {
        self.stand.done
    }

    /// Writes what is not written yet.
    pub(super) fn write(&mut self, mut sorted: Sorted, bar: &ProgressBar) -> Result<(), BackfillError> {
        let mut told = (Stopwatch::start(), self.done());
        let mut skip = self.done();
        let mut batch = self.batch();
        bar.set_position(skip);
        while let Some((turn, body)) = sorted.next_record()? {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            self.add(turn, &body, &mut batch)?;
            if batch.count >= BATCH_RECORDS || batch.outputs.bytes() >= BATCH_BYTES {
                let full = std::mem::replace(&mut batch, self.batch());
                self.commit(full)?;
                bar.set_position(self.done());
                if bar.is_hidden() {
                    self.tell(&mut told);
                }
            }
        }
        if batch.count > 0 {
            self.commit(batch)?;
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Tells how far it is, every now and then.
    fn tell(&self, (since, done_then): &mut (Stopwatch, u64)) {
        let elapsed = since.elapsed();
        if elapsed < TELL {
            return;
        }
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        let per_second = (self.done() - *done_then).saturating_mul(1000) / millis;
        let left = self.stand.plan.of - self.done();
        tracing::info!(left, per_second, remaining_s = left / per_second.max(1), "writing history");
        (*since, *done_then) = (Stopwatch::start(), self.done());
    }

    fn batch(&self) -> Batch {
        Batch { outputs: Outputs::default(), count: 0, sent: vec![0; self.ends.len()] }
    }

    /// Adds a record: an event to the partition of its user, or a dead letter.
    fn add(&self, turn: Turn, body: &[u8], batch: &mut Batch) -> Result<(), BackfillError> {
        let damaged = |error: String| BackfillError::Refused(format!("a record that was sorted cannot be read: {error}"));
        let source = self.sources.get(turn.source as usize).map_or("", String::as_str);
        batch.count += 1;
        match postcard::from_bytes(body).map_err(|error| damaged(error.to_string()))? {
            Entry::Event { user_id, key, value } => {
                let target = self.log.target();
                let partition = partition_of(user_id.as_bytes(), target.partitions);
                batch.sent[partition as usize] += 1;
                let forwarded = Forwarded { topic: source, partition: turn.partition, offset: turn.place, key, value, passed_on: false };
                let envelope = target.internal.then(|| Envelope::Event(forwarded).encode()).transpose();
                let envelope = envelope.map_err(|error| damaged(error.to_string()))?;
                let to = Destination::Partition(partition.cast_signed());
                batch
                    .outputs
                    .push(LOG, to, Some(user_id.as_bytes()), |bytes| bytes.extend_from_slice(envelope.as_deref().unwrap_or(value)));
            }
            Entry::Refused { reason, detail, key, value, length } => {
                let own = dead_letter::headers(reason, detail, (source, turn.partition, turn.place));
                let mut headers: Vec<Header> = own.map(|(name, value)| (name.into(), value)).into();
                if value.is_some_and(|value| value.len() as u64 != length) {
                    headers.push((dead_letter::LENGTH.into(), length.to_string().into_bytes()));
                }
                batch.outputs.push_verbatim(DEAD_LETTERS, key, value, headers);
            }
        }
        Ok(())
    }

    /// Commits a batch, as often as it takes.
    fn commit(&mut self, mut batch: Batch) -> Result<(), BackfillError> {
        let stopwatch = Stopwatch::start();
        let done = self.done() + batch.count;
        let mut again = false;
        loop {
            let Err(error) = self.try_to_commit(&batch, done, again) else { return Ok(()) };
            if !error.passes() || stopwatch.elapsed() > GIVE_UP {
                return Err(error);
            }
            if error.is_too_large() && !batch.outputs.cut_large() {
                let topic = &self.log.target().topic;
                let larger =
                    format!("topic `{topic}` does not take a record as large as an event of the history: raise its max.message.bytes");
                return Err(BackfillError::Refused(larger));
            }
            tracing::info!(%error, "a transaction failed, trying again");
            std::thread::sleep(PAUSE);
            again = true;
        }
    }

    fn try_to_commit(&mut self, batch: &Batch, done: u64, again: bool) -> Result<(), BackfillError> {
        if again && self.had_committed(done)? {
            return Ok(());
        }
        self.ends = self.log.settled_ends(&self.ends, self.done())?;
        let next = Stand { plan: self.stand.plan.clone(), done, bases: self.ends.clone(), sent: batch.sent.clone() };
        self.attempt(&batch.outputs, &next)?;
        for (end, sent) in self.ends.iter_mut().zip(&next.sent) {
            // The marker of the transaction takes an offset too.
            *end = end.saturating_add_unsigned(*sent + u64::from(*sent > 0));
        }
        (self.stand, self.has_begun) = (next, true);
        Ok(())
    }

    /// One transaction.
    fn attempt(&mut self, outputs: &Outputs, next: &Stand) -> Result<(), BackfillError> {
        let committer = self.log.committer()?;
        self.producer.begin()?;
        outputs.send(&mut self.producer, &self.topics, &Publication::default())?;
        for (topic, offsets) in self.log.offsets(next) {
            self.producer.send_offsets(&topic, &offsets, &committer)?;
        }
        pass(Place::BackfillBefore);
        self.producer.commit()?;
        pass(Place::BackfillAfter);
        Ok(())
    }

    /// After a transaction whose end nobody saw: ends it with another producer, and finds out whether it had committed.
    fn had_committed(&mut self, done: u64) -> Result<bool, BackfillError> {
        self.producer = make_producer(self.connection, &self.transactional_id)?;
        let (found, ends) = self.log.settle(&self.stand.plan.topics())?;
        let found = found.filter(|found| found.plan == self.stand.plan);
        match found {
            Some(found) if found.done == done => {
                (self.stand, self.ends, self.has_begun) = (found, ends, true);
                Ok(true)
            }
            Some(found) if self.has_begun && found.done == self.done() => {
                self.ends = ends;
                Ok(false)
            }
            None if !self.has_begun => {
                self.ends = ends;
                Ok(false)
            }
            _ => Err(self.log.overtaken()),
        }
    }
}

/// A producer of the id, when it has ended what others of the id left open.
fn make_producer(connection: &Connection, transactional_id: &str) -> Result<Producer, ProduceError> {
    let producer = Producer::transactional(connection, transactional_id)?;
    producer.init(FENCE)?;
    Ok(producer)
}
