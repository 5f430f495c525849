//! The log gets more partitions: everything before is counted, every user moves to the partition that the id now belongs to, and one transaction
//! says so. Before that transaction nothing has changed but the log's partitions; after it the states of before are not used again.

use std::time::Duration;

use super::partition::Phase;
use super::restore::restored;
use super::{ASK, Processor as _, Processors, Worker, WorkerError};
use crate::engine::resharding::Resharded;
use crate::io::clock::{self, Stopwatch};
use crate::io::failpoint::{Place, pass};
use crate::io::kafka::connection::Isolation;
use crate::io::kafka::consumer::{GroupConsumer, GroupEvent};
use crate::io::kafka::metadata::{Barrier, CommitMetadata, Lineage};
use crate::io::snapshots::SnapshotName;
use crate::model::time::EventTime;

/// How often it is told how far the log has been read.
const TELL: Duration = Duration::from_secs(5);

/// Why users were not moved. Unless told otherwise, all is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReshardFailure {
    /// The log could not be read, or the states not written.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// Another process of the group has come.
    #[error(
        "another process of the group is running, or was killed and its session is not over: stop every one, wait a minute, and try again"
    )]
    NotAlone,
    /// The states cannot be divided.
    #[error("{0}")]
    Refused(String),
    /// The topics did not get their partitions.
    #[error("{0}")]
    Topics(String),
    /// The log has its new partitions, and users have not moved.
    #[error(
        "{0}; the log has its new partitions already, which the service refuses until users have moved: run `stickiness reshard` again"
    )]
    Grown(WorkerError),
}

impl<F: Processors> Worker<F> {
    /// Counts what the log has, closes days by the clock, and moves all users from those partitions to `after`. Once their states are stored, `grow`
    /// adds the partitions to the log, which has `found` before. For a worker that is alone in its group, with the number of partitions of the states
    /// in its settings.
    pub fn reshard(mut self, (found, after): (u32, u32), grow: impl FnOnce() -> Result<(), String>) -> Result<Resharded, ReshardFailure> {
        self.read_all()?;
        self.close_together();
        self.commit(true)?;
        let done = self.move_users(after)?;
        self.find_starts(found)?;
        self.store_moved()?;
        grow().map_err(ReshardFailure::Topics)?;
        pass(Place::ReshardBefore);
        if !self.commit_moved().map_err(ReshardFailure::Grown)? {
            return Err(ReshardFailure::NotAlone);
        }
        pass(Place::ReshardAfter);
        let read: Vec<i32> = (0..self.partition_count.cast_signed()).collect();
        self.consumer.give_back(&read).map_err(WorkerError::from)?;
        Ok(done)
    }

    /// One transaction of all partitions. Whether there was one: the group may have given the worker up.
    fn commit_moved(&mut self) -> Result<bool, WorkerError> {
        // It asks anew how many partitions topics have.
        self.replace_producer()?;
        let all: Vec<i32> = self.partitions.keys().copied().collect();
        let before = self.observations.commits.get();
        self.transact(all.clone(), false)?;
        Ok(self.observations.commits.get() > before && self.partitions.len() == all.len())
    }

    /// Reads until every record of the partitions with states is counted and committed.
    fn read_all(&mut self) -> Result<(), ReshardFailure> {
        let mut since_told = Stopwatch::start();
        loop {
            self.step_alone()?;
            let live = self.partitions.len() == self.partition_count as usize
                && self.partitions.values().all(|one| one.is_live() && one.processor.waiting_settings().is_empty());
            if live && self.partitions.values().all(|one| one.at_end) {
                let ids: Vec<i32> = self.partitions.keys().copied().collect();
                let mut ended = true;
                for id in ids {
                    ended &= self.is_at_log_end(id)?;
                }
                if ended {
                    return Ok(());
                }
            }
            if since_told.elapsed() >= TELL {
                since_told.restart();
                let behind = self.partitions.values().filter(|one| !one.at_end || !one.is_live()).count();
                tracing::info!(partitions = self.partitions.len(), behind, "reading what the log has, before users move");
            }
        }
    }

    /// One round of the loop, for a worker that must have all partitions.
    fn step_alone(&mut self) -> Result<(), ReshardFailure> {
        let has_all = !self.partitions.is_empty();
        self.poll_group().map_err(WorkerError::from)?;
        let taken = |event: &GroupEvent| match event {
            GroupEvent::Assigned(_) => false,
            GroupEvent::Revoked(partitions) | GroupEvent::Lost(partitions) => !partitions.is_empty(),
        };
        if has_all && self.events.iter().any(taken) {
            return Err(ReshardFailure::NotAlone);
        }
        self.step()?;
        // Another member of the group has the rest, or all.
        let is_assigned = self.observations.assignments.get() > 0;
        if is_assigned && self.partitions.len() < self.partition_count as usize { Err(ReshardFailure::NotAlone) } else { Ok(()) }
    }

    /// Closes days by the clock in all partitions alike, as their being idle would.
    fn close_together(&mut self) {
        let wall = EventTime::from_millis(clock::wall().millis());
        let reached = self
            .partitions
            .values()
            .flat_map(|one| one.processor.watermark().into_iter().chain(one.metadata.barriers.iter().map(|barrier| barrier.now)));
        let now = reached.fold(wall, EventTime::max);
        let ids: Vec<i32> = self.partitions.keys().copied().collect();
        for id in ids {
            let Some(one) = self.partitions.get_mut(&id) else { continue };
            self.outputs.set_source(id);
            one.processor.close_by_clock(now, &mut self.outputs);
            one.metadata.push_barrier(Barrier { offset: one.next_offset, now });
            one.dirty = true;
        }
    }

    /// Puts processors of as many partitions as there will be in place of those there are.
    fn move_users(&mut self, after: u32) -> Result<Resharded, ReshardFailure> {
        let before = std::mem::take(&mut self.partitions);
        let (mut kept, mut processors) = (Vec::new(), Vec::new());
        for (_, one) in before {
            kept.push((one.metadata, one.next_offset));
            processors.push(one.processor);
        }
        let (first_new, version) = (kept.len(), self.processors.version());
        kept.extend((first_new..after as usize).map(|_| (CommitMetadata::beginning(Lineage::random(), version), 0)));
        let lineages: Vec<Lineage> = kept[first_new..].iter().map(|(metadata, _)| metadata.lineage).collect();
        let (processors, done) = self.processors.reshard(processors, &lineages).map_err(ReshardFailure::Refused)?;
        for ((id, processor), (mut metadata, offset)) in (0..).zip(processors).zip(kept) {
            metadata.partitions = after;
            // Snapshots of before are of other users.
            metadata.settings_since = metadata.sequence + 1;
            metadata.barriers = Vec::new();
            let name = SnapshotName { offset, sequence: metadata.settings_since };
            let mut one = restored(id, processor, metadata, name, offset);
            one.phase = Phase::Live;
            one.dirty = true;
            self.partitions.insert(id, one);
        }
        Ok(done)
    }

    /// The first offsets of the new partitions that the log has already; the others will begin at 0.
    fn find_starts(&mut self, found: u32) -> Result<(), WorkerError> {
        let is_new = |id: &i32| (self.partition_count..found).contains(&id.cast_unsigned());
        let new: Vec<i32> = self.partitions.keys().copied().filter(is_new).collect();
        for id in new {
            let start = self.first_offset(id)?;
            if let Some(one) = self.partitions.get_mut(&id) {
                one.next_offset = start;
                one.committed = start;
            }
        }
        Ok(())
    }

    /// The first offset of a new partition, which may not have a leader yet. The consumer does not know of it.
    fn first_offset(&self, partition: i32) -> Result<i64, WorkerError> {
        let stopwatch = Stopwatch::start();
        loop {
            let onlooker = GroupConsumer::alone(&self.connection, &self.settings.group_id, &self.settings.topic, Isolation::Committed)?;
            match onlooker.watermarks(partition, ASK) {
                Ok(watermarks) => return Ok(watermarks.low),
                Err(error) if stopwatch.elapsed() > ASK => return Err(error.into()),
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        }
    }

    /// Stores the states that the next commit names, and has their figures wait for it.
    fn store_moved(&mut self) -> Result<(), WorkerError> {
        for (id, one) in &mut self.partitions {
            self.outputs.set_source(*id);
            one.processor.flush(true, &mut self.outputs);
            let state = one.processor.freeze(one.next_offset)().map_err(|reason| WorkerError::Partition { partition: *id, reason })?;
            let name = SnapshotName { offset: one.next_offset, sequence: one.metadata.settings_since };
            one.metadata.snapshot = Some(name.to_string());
            self.runtime.block_on(self.snapshots.put(*id, one.metadata.lineage, name, state))?;
        }
        Ok(())
    }
}
