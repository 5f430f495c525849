//! Taking partitions over, and giving them up.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::thread;

use tokio::runtime::Handle;

use super::partition::{Partition, Phase};
use super::recovery::{Plan, Refusal, candidates, plan, replayable};
use super::{ASK, Beginning, FENCE, Guarantee, Processor as _, Processors, Undecodable, Worker, WorkerError};
use crate::io::clock::Stopwatch;
use crate::io::failpoint::{Place, pass};
use crate::io::kafka::connection::Isolation;
use crate::io::kafka::consumer::{Committed, GroupConsumer, Watermarks};
use crate::io::kafka::metadata::{CommitMetadata, Lineage};
use crate::io::kafka::producer::Producer;
use crate::io::snapshots::{KeptName, SnapshotError, SnapshotName, Snapshots};

/// A partition as it comes back, and the offset to read it from.
type Restored<P> = (Partition<P>, i64);

/// A state, and the snapshot that it comes from.
type Loaded<P> = (SnapshotName, P);

/// What states are loaded with.
struct Loader<'w, F> {
    snapshots: &'w Snapshots,
    processors: &'w F,
    runtime: &'w Handle,
}

impl<F: Processors> Loader<'_, F> {
    /// The newest snapshot that is whole.
    fn load(&self, partition: i32, offset: i64, metadata: &CommitMetadata) -> Result<Loaded<F::Processor>, WorkerError> {
        let lineage = metadata.lineage;
        let names = self.runtime.block_on(self.snapshots.list(partition, lineage))?;
        for name in candidates(&names, offset, metadata) {
            let state = match self.runtime.block_on(self.snapshots.get(partition, lineage, name)) {
                Ok(state) => state,
                Err(error @ SnapshotError::Damaged { .. }) => {
                    tracing::error!(partition, %name, %error, "a snapshot is damaged, taking the one before it");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            match self.processors.decode(partition, metadata.partitions, lineage, &state) {
                Ok(processor) => return Ok((name, processor)),
                Err(Undecodable::OtherSettings(changed)) => return Err(Refusal::OtherSettings { partition, changed }.into()),
                Err(Undecodable::OtherVersion { theirs, ours }) => {
                    return Err(Refusal::OtherVersion { partition, theirs, ours }.into());
                }
                Err(Undecodable::Damaged(reason)) => {
                    tracing::error!(partition, %name, reason, "a snapshot cannot be read, taking the one before it");
                }
            }
        }
        let newest = metadata.snapshot.clone().unwrap_or_else(|| "none".to_owned());
        Err(Refusal::NoSnapshot { partition, newest }.into())
    }
}

impl<F: Processors> Worker<F> {
    /// Takes over partitions: ends what their last owner left open, loads their states, and reads on where those end.
    pub(super) fn restore(&mut self, partitions: &[i32]) -> Result<(), WorkerError> {
        let mine = |partition: &i32| self.settings.partitions.is_none_or(|states| partition.cast_unsigned() < states);
        let partitions: Vec<i32> = partitions.iter().copied().filter(mine).collect();
        let partitions = &partitions[..];
        if !partitions.is_empty() {
            self.check_partition_count(partitions)?;
            self.fence_owners(partitions)?;
        }
        self.pulse.wait_for("the brokers and the snapshot store, to take partitions over");
        let mut starts = Vec::with_capacity(partitions.len());
        let committed = if partitions.is_empty() { Vec::new() } else { self.consumer.committed(partitions, FENCE)? };
        let plan = |committed: &Committed| self.plan(committed).map(|plan| (committed.partition, plan));
        let plans = committed.iter().map(plan).collect::<Result<Vec<_>, _>>()?;
        let mut loaded = self.load_all(&plans);
        for (partition, plan) in plans {
            let (partition, start) = match plan {
                Plan::Fresh => self.begin_lineage(partition)?,
                Plan::Resume { committed, metadata } => {
                    let missing = || Err(WorkerError::Partition { partition, reason: "its state was not loaded".to_owned() });
                    let loaded = loaded.remove(&partition).unwrap_or_else(missing)?;
                    self.resume((partition, committed), metadata, loaded)?
                }
            };
            pass(Place::Restored);
            tracing::info!(partition = partition.id, start, committed = partition.committed, "state restored, reading on");
            starts.push((partition.id, start));
            self.partitions.insert(partition.id, partition);
        }
        self.pulse.beat();
        Ok(self.consumer.assign(&starts)?)
    }

    fn plan(&self, committed: &Committed) -> Result<Plan, WorkerError> {
        let any = self.runtime.block_on(self.snapshots.any_history(committed.partition))?;
        Ok(plan(committed, any, self.settings.beginning != Beginning::Unheard, self.partition_count)?)
    }

    /// The states of partitions with history; several at once, for they are decoded for longer than they are fetched.
    fn load_all(&self, plans: &[(i32, Plan)]) -> BTreeMap<i32, Result<Loaded<F::Processor>, WorkerError>> {
        let loader = Loader { snapshots: &self.snapshots, processors: &*self.processors, runtime: &self.runtime };
        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(plans.len());
        let load = |(partition, plan): &(i32, Plan)| match plan {
            Plan::Fresh => None,
            Plan::Resume { committed, metadata } => Some((*partition, loader.load(*partition, *committed, metadata))),
        };
        thread::scope(|scope| {
            let share = |first| plans.iter().skip(first).step_by(threads).filter_map(load).collect::<Vec<_>>();
            let shares: Vec<_> = (0..threads).map(|first| scope.spawn(move || share(first))).collect();
            shares.into_iter().flat_map(|share| share.join().unwrap_or_default()).collect()
        })
    }

    /// A topic that grew while this worker ran sends users to partitions that do not know them.
    fn check_partition_count(&self, partitions: &[i32]) -> Result<(), WorkerError> {
        let known = self.partition_count;
        if partitions.iter().all(|partition| partition.cast_unsigned() < known) {
            return Ok(());
        }
        let now = self.consumer.partition_count(ASK)?;
        Err(Refusal::OtherPartitionCount { before: known, now }.into())
    }

    /// An owner that died may have left a transaction open, which would hold up everyone for ten seconds and more.
    fn fence_owners(&self, partitions: &[i32]) -> Result<(), WorkerError> {
        self.pulse.wait_for("the brokers, to end what the last owners left open");
        if self.settings.guarantee == Guarantee::AtLeastOnce {
            return Ok(());
        }
        // Reading committed offsets as a reader of committed records would wait for just that transaction.
        let onlooker = GroupConsumer::alone(&self.connection, &self.settings.group_id, &self.settings.topic, Isolation::Uncommitted)?;
        let owners: BTreeSet<String> = onlooker
            .committed(partitions, ASK)?
            .into_iter()
            .filter_map(|committed| CommitMetadata::parse(&committed.metadata).ok()?.owner)
            .filter(|owner| *owner != self.settings.transactional_id)
            .collect();
        for owner in owners {
            tracing::info!(owner, "the last owner left without a word, ending what it left open");
            Producer::transactional(&self.connection, &owner)?.init(FENCE)?;
        }
        Ok(())
    }

    /// A partition without history, or with one that is left: its first state is stored before its first commit names it.
    fn begin_lineage(&self, partition: i32) -> Result<Restored<F::Processor>, WorkerError> {
        let lineage = Lineage::random();
        let (processor, start) = match &self.settings.beginning {
            Beginning::Kept(name) => self.adopt(name, partition, lineage)?,
            Beginning::Unheard | Beginning::Empty => {
                let start = self.consumer.watermarks(partition, ASK)?.low;
                (self.processors.empty(partition, self.partition_count, lineage), start)
            }
        };
        let name = SnapshotName { offset: start, sequence: 0 };
        let state = super::Processor::freeze(&processor, start)()
            .map_err(|reason| WorkerError::Partition { partition, reason: format!("its first state cannot be encoded: {reason}") })?;
        self.runtime.block_on(self.snapshots.put(partition, lineage, name, state))?;
        tracing::info!(partition, %lineage, start, "a new history begins");
        let metadata = CommitMetadata {
            snapshot: Some(name.to_string()),
            partitions: self.partition_count,
            ..CommitMetadata::beginning(lineage, self.processors.version())
        };
        let mut one = restored(partition, processor, metadata, name, start);
        one.phase = Phase::Live;
        one.dirty = true;
        Ok((one, start))
    }

    /// Goes on from a state that is kept under a name.
    fn adopt(&self, name: &KeptName, partition: i32, lineage: Lineage) -> Result<(F::Processor, i64), WorkerError> {
        let state = self.runtime.block_on(self.snapshots.get_kept(name, partition))?;
        let refused = |reason| Refusal::Kept { partition, name: name.to_string(), reason };
        let (processor, start) =
            self.processors.adopt(partition, self.partition_count, lineage, &state).map_err(|error| refused(error.to_string()))?;
        let Watermarks { low, high } = self.consumer.watermarks(partition, ASK)?;
        if low > start || high < start {
            return Err(refused(format!("it is read on from offset {start}, and the log has those from {low} to {high}")).into());
        }
        Ok((processor, start))
    }

    /// A partition with history: the newest good snapshot, and a replay up to the commit.
    fn resume(
        &mut self,
        (partition, offset): (i32, i64),
        metadata: CommitMetadata,
        (name, mut processor): Loaded<F::Processor>,
    ) -> Result<Restored<F::Processor>, WorkerError> {
        let low = self.consumer.watermarks(partition, ASK)?.low;
        replayable(partition, name, offset, &metadata, self.processors.version(), low)?;
        // At their days' closes they come about by themselves.
        metadata.switches_after(name.sequence).for_each(|switch| processor.repeat_switch(switch));
        let barriers = metadata.barriers.iter().filter(|barrier| barrier.offset >= name.offset).copied().collect();
        let mut one = restored(partition, processor, metadata, name, offset);
        one.next_offset = name.offset;
        one.phase = Phase::Replaying { until: offset, barriers };
        // Without records between, the state is the committed one already.
        one.replay_barriers(name.offset, &mut self.scratch);
        Ok((one, name.offset))
    }

    /// Gives partitions up in good order: commit, snapshot, and a commit that says so. Those still replayed change nothing.
    pub(super) fn release(&mut self, partitions: &[i32]) -> Result<(), WorkerError> {
        // A service that was stopped has told all of its days.
        self.end_closes(partitions)?;
        self.commit(true)?;
        let live: Vec<i32> = partitions.iter().copied().filter(|id| self.partitions.get(id).is_some_and(Partition::is_live)).collect();
        self.store_snapshots(&live);
        pass(Place::ReleaseBefore);
        self.transact(live, false)?;
        self.forget(partitions);
        Ok(())
    }
}

pub(super) fn restored<P>(id: i32, processor: P, metadata: CommitMetadata, name: SnapshotName, committed: i64) -> Partition<P> {
    Partition {
        id,
        processor,
        metadata,
        next_offset: name.offset,
        committed,
        phase: Phase::Live,
        dirty: false,
        at_end: false,
        quiet: Stopwatch::start(),
        is_heard: false,
        since_snapshot: Stopwatch::start(),
        since_stored: Stopwatch::start(),
        since_alarm: None,
        since_barrier: None,
        snapshot_sequence: name.sequence,
        snapshot_stored: None,
    }
}
