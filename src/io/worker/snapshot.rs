//! When snapshots are taken, and what is done when one is stored.

use super::{Processor as _, Processors, Worker, WorkerError};
use crate::io::clock;
use crate::io::kafka::metadata::Lineage;
use crate::io::snapshots::{SnapshotError, SnapshotName, Snapshots};

/// A snapshot that was stored, or was not.
pub(super) struct Stored {
    partition: i32,
    lineage: Lineage,
    name: SnapshotName,
    bytes: usize,
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

    /// Takes a snapshot of a partition of which nothing waits, and stores it beside the loop.
    pub(super) fn begin_snapshot(&mut self, partition: i32) {
        let Some((lineage, name, state)) = self.encode(partition) else { return };
        let (snapshots, sender) = (self.snapshots.clone(), self.stored.0.clone());
        self.runtime.spawn(async move {
            let result = store(&snapshots, partition, lineage, name, &state).await;
            // The worker may be gone.
            drop(sender.send(Stored { partition, lineage, name, bytes: state.len(), result }));
        });
    }

    /// Takes snapshots of partitions of which nothing waits, and waits until they are stored. A store that fails is no reason
    /// to keep a partition: its next owner replays more.
    pub(super) fn store_snapshots(&mut self, partitions: &[i32]) {
        for &partition in partitions {
            let Some((lineage, name, state)) = self.encode(partition) else { continue };
            let result = self.runtime.block_on(store(&self.snapshots, partition, lineage, name, &state));
            self.note(Stored { partition, lineage, name, bytes: state.len(), result });
        }
    }

    fn encode(&mut self, partition: i32) -> Option<(Lineage, SnapshotName, Vec<u8>)> {
        let one = self.partitions.get_mut(&partition).filter(|one| one.is_live() && !one.dirty)?;
        one.since_snapshot.restart();
        let name = SnapshotName { offset: one.committed, sequence: one.metadata.sequence };
        match one.processor.encode(one.committed) {
            Ok(state) => {
                one.snapshot_sequence = name.sequence;
                Some((one.metadata.lineage, name, state))
            }
            Err(reason) => {
                tracing::error!(partition, reason, "a state cannot be encoded: recovery will replay more");
                self.observations.snapshot_failures.add(1);
                None
            }
        }
    }

    /// Notes what was stored since the last look.
    pub(super) fn note_stored(&mut self) {
        while let Ok(stored) = self.stored.1.try_recv() {
            self.note(stored);
        }
    }

    fn note(&mut self, stored: Stored) {
        let Stored { partition, lineage, name, bytes, result } = stored;
        let one = self.partitions.get_mut(&partition).filter(|one| one.metadata.lineage == lineage);
        match (result, one) {
            (Ok(()), Some(one)) => {
                tracing::debug!(partition, %name, bytes, "snapshot stored");
                one.metadata.snapshot = Some(name.to_string());
                one.snapshot_stored = Some((clock::wall().millis(), bytes));
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

async fn store(snapshots: &Snapshots, partition: i32, lineage: Lineage, name: SnapshotName, state: &[u8]) -> Result<(), SnapshotError> {
    snapshots.put(partition, lineage, name, state).await?;
    snapshots.prune(partition, lineage).await
}
