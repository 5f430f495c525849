//! What a worker looks after beside records: days of idle partitions that the clock closes, gauges, questions.

use std::time::Duration;

use super::partition::Partition;
use super::processor::{Processor as _, Processors};
use super::{Query, Worker, WorkerError};
use crate::io::clock;
use crate::io::failpoint::{Place, pass};
use crate::io::kafka::consumer::ConsumeError;
use crate::io::kafka::metadata::Barrier;
use crate::io::observations::{PartitionGauges, PartitionPhase};
use crate::model::time::EventTime;

impl<F: Processors> Worker<F> {
    /// Looks after what is due now and then: snapshots, idle partitions, gauges.
    pub(super) fn keep_house(&mut self) -> Result<(), WorkerError> {
        self.note_stored();
        self.begin_snapshots()?;
        self.warn_of_old_snapshots();
        self.settle_settings()?;
        self.close_idle_partitions()?;
        self.set_gauges();
        self.tell_restores();
        Ok(())
    }

    /// Closes days of idle partitions by the clock, one barrier each.
    fn close_idle_partitions(&mut self) -> Result<(), WorkerError> {
        let now = EventTime::from_millis(clock::wall().millis());
        let idle: Vec<(i32, bool)> = self
            .partitions
            .values()
            .filter(|partition| partition.is_live() && partition.at_end && partition.quiet.elapsed() >= self.settings.idle_after)
            .filter(|partition| partition.processor.next_clock_close().is_none_or(|close| close <= now))
            .map(|partition| (partition.id, partition.has_room_for_barrier()))
            .collect();
        for (partition, has_room) in idle {
            if !has_room {
                self.observations.barriers_put_off.add(1);
                tracing::warn!(partition, "closing by the clock waits until a snapshot can be stored");
            } else if self.is_at_log_end(partition)? {
                self.close_by_clock(partition, now)?;
            }
        }
        Ok(())
    }

    /// Whether the broker confirms that there is nothing more, not even in an open transaction.
    pub(super) fn is_at_log_end(&self, partition: i32) -> Result<bool, WorkerError> {
        let Some(next_offset) = self.partitions.get(&partition).map(|partition| partition.next_offset) else { return Ok(false) };
        self.pulse.wait_for("the brokers, to tell the end of a partition");
        let end = match self.consumer.watermarks(partition, Duration::from_secs(10)) {
            Ok(watermarks) => watermarks.high,
            Err(ConsumeError::Unavailable { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let fetched = self.consumer.fetched_watermarks(partition).map_or(end, |watermarks| watermarks.high);
        Ok(next_offset >= end.max(fetched))
    }

    /// The barrier: everything before it is committed, then it is, and a snapshot is stored.
    fn close_by_clock(&mut self, partition: i32, now: EventTime) -> Result<(), WorkerError> {
        self.commit(true)?;
        let Some(one) = self.partitions.get_mut(&partition) else { return Ok(()) };
        tracing::info!(partition, %now, "closing by the clock: the partition is idle");
        self.outputs.set_source(partition);
        one.processor.close_by_clock(now, &mut self.outputs);
        one.metadata.push_barrier(Barrier { offset: one.next_offset, now });
        one.dirty = true;
        pass(Place::ClosingBefore);
        self.commit(true)?;
        pass(Place::ClosingAfter);
        self.begin_snapshot(partition);
        Ok(())
    }

    pub(super) fn set_gauges(&self) {
        for partition in self.partitions.values() {
            let fetched = self.consumer.fetched_watermarks(partition.id);
            let phase = if partition.is_live() { PartitionPhase::Live } else { PartitionPhase::Restoring };
            let gauges = PartitionGauges {
                phase,
                next_offset: partition.next_offset,
                committed_offset: partition.committed,
                log_end: fetched.map(|watermarks| watermarks.high),
                watermark_ms: partition.processor.watermark().map(EventTime::millis),
                snapshot_at_ms: partition.snapshot_stored.map(|(at, _)| at),
                snapshot_bytes: partition.snapshot_stored.map_or(0, |(_, bytes)| bytes),
                snapshot_overdue: partition.is_snapshot_overdue(self.settings.retention),
            };
            self.observations.set_partition(partition.id, gauges);
            self.observations.set_size(partition.id, partition.processor.size());
            self.observations.set_rule_costs(partition.id, partition.processor.rule_costs());
        }
    }

    /// Answers what was asked.
    pub(super) fn answer(&self) {
        while let Ok(query) = self.queries.try_recv() {
            // Whoever asked may be gone.
            match query {
                Query::Profile { user_id, reply } => {
                    drop(reply.send(self.partitions.values().find_map(|partition| partition.processor.profile(&user_id))));
                }
                Query::Insights { reply } => {
                    let frozen = || self.partitions.iter().map(|(id, partition)| (*id, partition.processor.freeze_insights())).collect();
                    drop(reply.send(self.partitions.values().all(Partition::is_live).then(frozen)));
                }
            }
        }
    }
}
