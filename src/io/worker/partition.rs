//! One partition of a worker: its processor, where it stands, and how far a replay has come.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Processor;
use super::outputs::Outputs;
use crate::io::clock::Stopwatch;
use crate::io::failpoint::{Place, pass};
use crate::io::kafka::Record;
use crate::io::kafka::consumer::{CommitOffset, Progress};
use crate::io::kafka::metadata::{Barrier, CommitMetadata, MetadataError};
use crate::io::snapshots::SnapshotName;

/// What becomes of a partition's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Records before `until` were counted once already: they change the state and publish nothing.
    Replaying {
        /// The committed offset.
        until: i64,
        /// Closings by the clock that happened on the way, oldest first.
        barriers: VecDeque<Barrier>,
    },
    /// Records are counted and published.
    Live,
}

/// Records by outcome. There are few outcomes, so that a search of a short list is the fastest.
#[derive(Debug, Default)]
pub(super) struct Tally(Vec<(&'static str, u64)>);

impl Tally {
    pub(super) fn add(&mut self, outcome: &'static str) {
        match self.0.iter_mut().find(|(known, _)| std::ptr::eq(*known, outcome) || *known == outcome) {
            Some((_, count)) => *count += 1,
            None => self.0.push((outcome, 1)),
        }
    }

    pub(super) fn take(&mut self) -> BTreeMap<&'static str, u64> {
        self.0.drain(..).collect()
    }
}

/// The timestamps of records, in milliseconds since the epoch, with how many have each: many come in one millisecond.
#[derive(Debug, Default)]
pub(super) struct Arrivals(Vec<(i64, u64)>);

impl Arrivals {
    /// A record without a timestamp tells nothing.
    pub(super) fn add(&mut self, timestamp_ms: Option<i64>) {
        match (timestamp_ms, self.0.last_mut()) {
            (None, _) => {}
            (Some(at), Some((last, count))) if *last == at => *count += 1,
            (Some(at), _) => self.0.push((at, 1)),
        }
    }

    pub(super) fn take(&mut self) -> impl Iterator<Item = (i64, u64)> + '_ {
        self.0.drain(..)
    }
}

/// A partition that this worker reads.
pub(super) struct Partition<P> {
    pub(super) id: i32,
    pub(super) processor: P,
    /// What the newest commit says, or, while replaying, said.
    pub(super) metadata: CommitMetadata,
    /// The next offset to read.
    pub(super) next_offset: i64,
    /// The offset committed.
    pub(super) committed: i64,
    pub(super) phase: Phase,
    /// Whether the next commit has something to say about it.
    pub(super) dirty: bool,
    /// Whether every record before `next_offset` was there at the last look.
    pub(super) at_end: bool,
    /// Since the last batch with a record of it, or since the assignment.
    pub(super) quiet: Stopwatch,
    /// Whether the batch at hand has a record of it.
    pub(super) is_heard: bool,
    /// Since the last snapshot was begun.
    pub(super) since_snapshot: Stopwatch,
    /// Since a snapshot was last stored, or the partition was taken over.
    pub(super) since_stored: Stopwatch,
    /// Since it was last told that no snapshot is stored.
    pub(super) since_alarm: Option<Stopwatch>,
    /// Since new settings were last tried to be put in force.
    pub(super) since_barrier: Option<Stopwatch>,
    /// The commit that the newest snapshot, stored or on its way, is of.
    pub(super) snapshot_sequence: u64,
    /// The wall clock of the newest snapshot in the store, in milliseconds, and its size in bytes.
    pub(super) snapshot_stored: Option<(i64, usize)>,
}

impl<P: Processor> Partition<P> {
    /// Whether a day is being closed, and is to be gone on with.
    pub(super) fn is_closing(&self) -> bool {
        self.is_live() && self.processor.close_position().is_some()
    }

    /// Goes on with a close that is not over.
    pub(super) fn close_on(&mut self, users: usize, outputs: &mut Outputs) {
        outputs.set_source(self.id);
        self.processor.close_on(users, outputs);
        self.dirty = true;
    }

    /// Whether its records are published.
    pub(super) fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    /// Takes a record. Says its outcome when it counted for the first time.
    pub(super) fn take(&mut self, record: &Record<'_>, outputs: &mut Outputs, scratch: &mut Outputs) -> Option<&'static str> {
        // A record handed out twice, after a seek or a repeated fetch, is taken once.
        if record.offset < self.next_offset {
            return None;
        }
        self.is_heard = true;
        self.at_end = false;
        self.replay_barriers(record.offset, scratch);
        let replayed = !self.is_live();
        self.next_offset = record.offset + 1;
        if replayed {
            self.processor.handle(record, scratch);
            scratch.clear();
            self.replay_barriers(self.next_offset, scratch);
            return None;
        }
        self.dirty = true;
        outputs.set_source(self.id);
        Some(self.processor.handle(record, outputs))
    }

    /// Notes that a batch is over. The clock is looked at here, and not for each record.
    pub(super) fn end_batch(&mut self) {
        if std::mem::take(&mut self.is_heard) {
            self.quiet.restart();
        }
    }

    /// Notes how far the partition was handed out. Past its last record there may be control records, which nobody sees.
    pub(super) fn reach(&mut self, progress: &Progress, scratch: &mut Outputs) {
        self.next_offset = self.next_offset.max(progress.next_offset.unwrap_or(0));
        self.at_end = progress.log_end.is_some_and(|end| self.next_offset >= end);
        self.replay_barriers(self.next_offset, scratch);
    }

    /// Applies the closings that happened before the record at `offset`, and goes live when the replay is over.
    pub(super) fn replay_barriers(&mut self, offset: i64, scratch: &mut Outputs) {
        let Phase::Replaying { until, barriers } = &mut self.phase else { return };
        while barriers.front().is_some_and(|barrier| barrier.offset <= offset) {
            if let Some(barrier) = barriers.pop_front() {
                self.processor.close_by_clock(barrier.now, scratch);
            }
        }
        if offset >= *until {
            self.processor.close_up_to(self.metadata.closing, scratch);
            // What else the replay wanted to publish is published already; changed partials stay to be written again.
            self.processor.flush(false, scratch);
            self.phase = Phase::Live;
            self.dirty = true;
            self.quiet.restart();
        }
        scratch.clear();
    }

    /// Whether no snapshot was stored for half of the time that the log keeps records, although there is something to store: a recovery
    /// might not find the records that it needs.
    pub(super) fn is_snapshot_overdue(&self, retention: Option<Duration>) -> bool {
        let stored = self.metadata.snapshot.as_deref().and_then(SnapshotName::parse);
        let behind = stored.is_none_or(|stored| stored.offset < self.committed);
        behind && retention.is_some_and(|retention| self.since_stored.elapsed() > retention / 2)
    }

    /// Whether a closing by the clock can be noted: a recovery from the newest snapshot must find all closings since.
    pub(super) fn has_room_for_barrier(&self) -> bool {
        let stored = self.metadata.snapshot.as_deref().and_then(SnapshotName::parse);
        stored.is_some_and(|stored| self.metadata.has_room_for_barrier(stored.offset))
    }

    /// Schedules models that came since, if they can be noted: a recovery from the newest snapshot must find all switches since.
    pub(super) fn schedule_switches(&mut self) {
        let stored = self.metadata.snapshot.as_deref().and_then(SnapshotName::parse);
        if !stored.is_some_and(|stored| self.metadata.has_room_for_switches(stored.sequence)) {
            return;
        }
        for switch in self.processor.schedule_switches() {
            let (model, process) = (switch.model.model_id(), switch.model.process.name());
            tracing::info!(partition = self.id, process, model, day = %switch.at_close_of, "a model takes over at the close of a day");
            self.metadata.push_switch(switch);
            self.dirty = true;
            pass(Place::ModelScheduled);
        }
    }

    /// What the next commit says about it, in the name of `owner`, or of nobody when it is given away.
    pub(super) fn commit_offset(&self, owner: Option<&str>) -> Result<CommitOffset, MetadataError> {
        let mut metadata = self.metadata.clone();
        metadata.owner = owner.map(str::to_owned);
        metadata.sequence += 1;
        metadata.closing = self.processor.close_position();
        Ok(CommitOffset { partition: self.id, offset: self.next_offset, metadata: metadata.encode()? })
    }

    /// Notes that the commit above happened.
    pub(super) fn note_commit(&mut self, engine_version: u32) {
        self.metadata.sequence += 1;
        self.metadata.engine_version = engine_version;
        self.metadata.closing = self.processor.close_position();
        self.committed = self.next_offset;
        self.dirty = false;
    }
}
