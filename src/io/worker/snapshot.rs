//! When snapshots are taken, and what is done when one is stored.

use std::time::Duration;

use tokio::runtime::Handle;

use super::partition::Partition;
use super::{Frozen, Processor as _, Processors, Worker, WorkerError};
use crate::io::clock::{self, Stopwatch};
use crate::io::failpoint::{Place, pass};
use crate::io::kafka::metadata::Lineage;
use crate::io::snapshots::{SnapshotError, SnapshotName, Snapshots};
use crate::io::traces::now;

/// How often it is told that snapshots are too old.
const ALARM_AGAIN: Duration = Duration::from_secs(3600);
/// How long a barrier waits for the store before it is tried again.
const BARRIER_AGAIN: Duration = Duration::from_secs(5);

/// A snapshot that was stored, or was not.
pub(super) struct Stored {
    partition: i32,
    lineage: Lineage,
    name: SnapshotName,
    bytes: usize,
    /// When it was begun, in nanoseconds since the epoch.
    begun: i64,
    result: Result<(), SnapshotError>,
}

impl<F: Processors> Worker<F> {
    /// Begins the snapshot that is most overdue. One at a time, so that no step takes long.
    pub(super) fn begin_snapshots(&mut self) -> Result<(), WorkerError> {
        let interval = self.settings.snapshot_interval;
        let due = self
            .partitions
            .values()
            .filter(|partition| partition.is_live() && partition.since_snapshot.elapsed() >= interval)
            .filter(|partition| partition.dirty || partition.snapshot_sequence < partition.metadata.sequence)
            .max_by_key(|partition| partition.since_snapshot.elapsed())
            .map(|partition| partition.id);
        let Some(partition) = due else { return Ok(()) };
        // What a state does not hold, because it waits to be told, is told first.
        self.commit(true)?;
        self.begin_snapshot(partition);
        Ok(())
    }

    /// Tells, once an hour, of partitions whose newest snapshot is so old that their log may soon not reach back to it.
    pub(super) fn warn_of_old_snapshots(&mut self) {
        let retention = self.settings.retention;
        for one in self.partitions.values_mut().filter(|one| one.is_snapshot_overdue(retention)) {
            if one.since_alarm.as_ref().is_none_or(|since| since.elapsed() >= ALARM_AGAIN) {
                one.since_alarm = Some(Stopwatch::start());
                let age = one.since_stored.elapsed();
                tracing::error!(
                    partition = one.id,
                    ?age,
                    ?retention,
                    "no snapshot was stored for half of the log's retention: see to the snapshot store, or a restart will find too little of the log"
                );
            }
        }
    }

    /// Takes a snapshot of a partition of which nothing waits, and stores it beside the loop.
    pub(super) fn begin_snapshot(&mut self, partition: i32) {
        let Some((lineage, name, state)) = self.freeze(partition) else { return };
        let (snapshots, sender, runtime) = (self.snapshots.clone(), self.stored.0.clone(), self.runtime.clone());
        // Encoding takes a core for a while: not one of those that answer requests.
        let begun = now();
        self.runtime.spawn_blocking(move || {
            let (bytes, result) = encode_and_store(&runtime, &snapshots, (partition, lineage, name), state);
            // The worker may be gone.
            drop(sender.send(Stored { partition, lineage, name, bytes, begun, result }));
        });
    }

    /// Puts new settings in force, one partition at a time: everything before is committed, the state under the new settings is stored,
    /// and only then further records count. While the store fails, the old settings stay in force and records go on.
    pub(super) fn settle_settings(&mut self) -> Result<(), WorkerError> {
        let waits = |one: &&Partition<F::Processor>| one.is_live() && !one.processor.waiting_settings().is_empty();
        let due = |one: &&Partition<F::Processor>| one.since_barrier.as_ref().is_none_or(|since| since.elapsed() >= BARRIER_AGAIN);
        let Some(id) = self.partitions.values().filter(waits).find(due).map(|one| one.id) else { return Ok(()) };
        // A close that is not over is one by the settings of before.
        self.end_closes(&[id])?;
        if let Some(one) = self.partitions.get_mut(&id) {
            one.since_barrier = Some(Stopwatch::start());
            // A commit of its own, so that no snapshot on its way has the same name.
            one.dirty = true;
        }
        self.commit(true)?;
        let Some(one) = self.partitions.get_mut(&id).filter(|one| one.is_live() && !one.dirty) else { return Ok(()) };
        let keys = one.processor.waiting_settings().to_vec();
        one.processor.exchange_settings();
        let is_stored = self.store_snapshot(id);
        let Some(one) = self.partitions.get_mut(&id) else { return Ok(()) };
        if is_stored {
            one.processor.keep_settings();
            one.metadata.settings_since = one.metadata.sequence;
            one.dirty = true;
            tracing::info!(partition = id, offset = one.committed, ?keys, "new settings are in force");
        } else {
            one.processor.exchange_settings();
            self.observations.barriers_put_off.add(1);
            tracing::warn!(partition = id, ?keys, "new settings wait until a snapshot can be stored");
        }
        Ok(())
    }

    /// Takes snapshots of partitions of which nothing waits, and waits until they are stored. A store that fails is no reason
    /// to keep a partition: its next owner replays more.
    pub(super) fn store_snapshots(&mut self, partitions: &[i32]) {
        for &partition in partitions {
            self.store_snapshot(partition);
        }
    }

    /// The same for one. Whether it is stored.
    fn store_snapshot(&mut self, partition: i32) -> bool {
        let Some((lineage, name, state)) = self.freeze(partition) else { return false };
        self.pulse.wait_for("the snapshot store");
        let begun = now();
        let (bytes, result) = encode_and_store(&self.runtime, &self.snapshots, (partition, lineage, name), state);
        self.pulse.beat();
        let is_stored = result.is_ok();
        self.note(Stored { partition, lineage, name, bytes, begun, result });
        is_stored
    }

    fn freeze(&mut self, partition: i32) -> Option<(Lineage, SnapshotName, Frozen)> {
        let one = self.partitions.get_mut(&partition).filter(|one| one.is_live() && !one.dirty)?;
        one.since_snapshot.restart();
        let name = SnapshotName { offset: one.committed, sequence: one.metadata.sequence };
        one.snapshot_sequence = name.sequence;
        Some((one.metadata.lineage, name, one.processor.freeze(one.committed)))
    }

    /// Notes what was stored since the last look.
    pub(super) fn note_stored(&mut self) {
        while let Ok(stored) = self.stored.1.try_recv() {
            self.note(stored);
        }
    }

    fn note(&mut self, stored: Stored) {
        let Stored { partition, lineage, name, bytes, begun, result } = stored;
        if let Some(spans) = &self.spans {
            spans.note_snapshot(partition, begun, bytes, result.as_ref().err().map(ToString::to_string));
        }
        let one = self.partitions.get_mut(&partition).filter(|one| one.metadata.lineage == lineage);
        match (result, one) {
            (Ok(()), Some(one)) => {
                tracing::debug!(partition, %name, bytes, "snapshot stored");
                one.metadata.snapshot = Some(name.to_string());
                one.since_stored.restart();
                one.since_alarm = None;
                one.snapshot_stored = Some((clock::wall().millis(), bytes));
                pass(Place::SnapshotNamed);
            }
            (Ok(()), None) => {}
            (Err(error), one) => {
                tracing::warn!(partition, %error, "a snapshot was not stored, records go on");
                self.observations.snapshot_failures.add(1);
                if let Some(one) = one {
                    one.snapshot_sequence = 0;
                }
            }
        }
    }
}

/// Encodes a state and stores it; the bytes it has, and what became of it.
fn encode_and_store(
    runtime: &Handle,
    snapshots: &Snapshots,
    (partition, lineage, name): (i32, Lineage, SnapshotName),
    state: Frozen,
) -> (usize, Result<(), SnapshotError>) {
    let state = match state() {
        Ok(state) => state,
        Err(reason) => return (0, Err(SnapshotError::Unencodable(reason))),
    };
    (state.len(), runtime.block_on(store(snapshots, partition, lineage, name, state)))
}

async fn store(snapshots: &Snapshots, partition: i32, lineage: Lineage, name: SnapshotName, state: Vec<u8>) -> Result<(), SnapshotError> {
    pass(Place::SnapshotBefore);
    snapshots.put(partition, lineage, name, state).await?;
    pass(Place::SnapshotStored);
    snapshots.prune(partition, lineage).await
}
