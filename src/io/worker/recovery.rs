//! How a partition's state comes back: the committed offset and its metadata, the newest good snapshot, and what to replay.

use crate::io::kafka::consumer::Committed;
use crate::io::kafka::metadata::{CommitMetadata, MetadataError};
use crate::io::snapshots::SnapshotName;

/// Why a partition must not be counted, and what to do. Counting on would give wrong numbers without anyone noticing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// State without a commit.
    #[error(
        "partition {partition} has snapshots, but the group has committed nothing for it: the offsets were removed or expired; \
         count the log again from its start with `run --new-lineage`"
    )]
    SnapshotsWithoutCommit {
        /// The partition.
        partition: i32,
    },
    /// A commit that says nothing that is understood.
    #[error("partition {partition}: {reason}; count the log again from its start with `run --new-lineage`")]
    Metadata {
        /// The partition.
        partition: i32,
        /// What is wrong with it.
        reason: MetadataError,
    },
    /// A commit without the state that it names.
    #[error(
        "partition {partition} was committed with snapshot {newest}, and no snapshot of its lineage that can be read is in the store: \
         is snapshots.url the same place for every process? If the snapshots are gone, count the log again from its start with \
         `run --new-lineage`"
    )]
    NoSnapshot {
        /// The partition.
        partition: i32,
        /// The snapshot that the commit names, or `none`.
        newest: String,
    },
    /// Records that a replay needs are gone.
    #[error(
        "partition {partition} must be replayed from offset {needed}, and its log begins at {log_start}: retention is shorter than the \
         snapshots are apart; count the log again from its start with `run --new-lineage`"
    )]
    LogTooShort {
        /// The partition.
        partition: i32,
        /// The first offset of the replay.
        needed: i64,
        /// The oldest offset in the log.
        log_start: i64,
    },
    /// The history was counted under other settings.
    #[error(
        "partition {partition} was counted with other settings ({changed}): put the old values back, or count the log again from its start \
         under the new ones with `run --new-lineage`"
    )]
    OtherSettings {
        /// The partition.
        partition: i32,
        /// The keys that differ.
        changed: String,
    },
    /// The state is of a format that this version does not read.
    #[error(
        "partition {partition}: its state was stored by a version with format {theirs}, and this one reads {ours}: run a version that reads \
         it, or count the log again from its start with `run --new-lineage`"
    )]
    OtherVersion {
        /// The partition.
        partition: i32,
        /// The format of the snapshot.
        theirs: u32,
        /// The format of this version.
        ours: u32,
    },
    /// Users live in other partitions than their states.
    #[error(
        "the topic had {before} partitions when its users were counted and has {now}: users may now be in \
         other partitions; stop every process of the group and move them with `stickiness reshard`, or count the log again from its start with \
         `run --new-lineage`"
    )]
    OtherPartitionCount {
        /// How many there were.
        before: u32,
        /// How many there are.
        now: u32,
    },
    /// A state kept under a name is of no use.
    #[error("partition {partition} cannot go on from its snapshot kept as {name}: {reason}")]
    Kept {
        /// The partition.
        partition: i32,
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Records that another version counted would be counted by this one.
    #[error(
        "partition {partition} must be replayed from {needed} to {committed} by engine version {theirs}, and this is {ours}: start the \
         old version once and stop it, which stores a snapshot at the committed offset"
    )]
    OtherEngine {
        /// The partition.
        partition: i32,
        /// The first offset of the replay.
        needed: i64,
        /// The offset after its last.
        committed: i64,
        /// The version that counted the records.
        theirs: u32,
        /// This version.
        ours: u32,
    },
}

/// What a partition's commit calls for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing is committed: a new lineage, from the start of the log or a state that is kept.
    Fresh,
    /// Continue from a snapshot at or before the committed offset.
    Resume {
        /// The committed offset.
        committed: i64,
        /// What was committed with it.
        metadata: CommitMetadata,
    },
}

/// Decides from the commit alone.
/// With `anew`, snapshots without a commit are passed over.
pub(super) fn plan(committed: &Committed, any_snapshot: bool, anew: bool, partitions: u32) -> Result<Plan, Refusal> {
    let partition = committed.partition;
    match committed.offset {
        None if any_snapshot && !anew => Err(Refusal::SnapshotsWithoutCommit { partition }),
        None => Ok(Plan::Fresh),
        Some(offset) => {
            let metadata = CommitMetadata::parse(&committed.metadata).map_err(|reason| Refusal::Metadata { partition, reason })?;
            if metadata.partitions != partitions {
                return Err(Refusal::OtherPartitionCount { before: metadata.partitions, now: partitions });
            }
            Ok(Plan::Resume { committed: offset, metadata })
        }
    }
}

/// The snapshots that a recovery may start from, newest first: those at or before the commit, since which the settings were the same
/// and every closing by the clock and every switch of models is known.
#[must_use]
pub fn candidates(names: &[SnapshotName], committed: i64, metadata: &CommitMetadata) -> Vec<SnapshotName> {
    let usable = |name: &&SnapshotName| {
        let sequences = metadata.settings_since.max(metadata.switches_since)..=metadata.sequence;
        name.offset <= committed && sequences.contains(&name.sequence) && metadata.knows_barriers_from(name.offset)
    };
    let mut names: Vec<SnapshotName> = names.iter().filter(usable).copied().collect();
    names.sort_unstable();
    names.reverse();
    names
}

/// Whether the records from a snapshot to the commit can be counted again as they were.
pub(super) fn replayable(
    partition: i32,
    from: SnapshotName,
    committed: i64,
    metadata: &CommitMetadata,
    ours: u32,
    log_start: i64,
) -> Result<(), Refusal> {
    // At the same offset nothing is counted again, but what of a close came since.
    if from.offset >= committed && (metadata.closing.is_none() || metadata.engine_version == ours) {
        return Ok(());
    }
    if metadata.engine_version != ours {
        let theirs = metadata.engine_version;
        return Err(Refusal::OtherEngine { partition, needed: from.offset, committed, theirs, ours });
    }
    if log_start > from.offset {
        return Err(Refusal::LogTooShort { partition, needed: from.offset, log_start });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::kafka::metadata::Lineage;

    fn metadata() -> CommitMetadata {
        CommitMetadata {
            lineage: Lineage::from_bytes([1; 16]),
            owner: None,
            snapshot: None,
            engine_version: 3,
            partitions: 4,
            sequence: 9,
            barriers: Vec::new(),
            settings_since: 1,
            switches: Vec::new(),
            switches_since: 0,
            closing: None,
        }
    }

    fn committed(offset: Option<i64>, metadata: &str) -> Committed {
        Committed { partition: 2, offset, metadata: metadata.to_owned() }
    }

    #[test]
    fn the_commit_decides_what_is_called_for() {
        let text = metadata().encode().expect("short");
        assert_eq!(plan(&committed(None, ""), false, false, 4), Ok(Plan::Fresh));
        assert_eq!(plan(&committed(None, ""), true, true, 4), Ok(Plan::Fresh));
        assert_eq!(plan(&committed(None, ""), true, false, 4), Err(Refusal::SnapshotsWithoutCommit { partition: 2 }));
        assert_eq!(plan(&committed(Some(5), &text), true, true, 4), Ok(Plan::Resume { committed: 5, metadata: metadata() }));
        let more = plan(&committed(Some(5), &text), true, false, 5);
        assert_eq!(more, Err(Refusal::OtherPartitionCount { before: 4, now: 5 }));
        let refused = plan(&committed(Some(5), ""), true, false, 4).expect_err("nothing to go by");
        assert_eq!(refused, Refusal::Metadata { partition: 2, reason: MetadataError::Absent });
    }

    #[test]
    fn snapshots_after_the_commit_and_of_other_settings_are_left_alone() {
        let names = [(1, 1), (5, 9), (5, 8), (5, 10), (6, 9), (1, 0)].map(|(offset, sequence)| SnapshotName { offset, sequence });
        let found: Vec<(i64, u64)> = candidates(&names, 5, &metadata()).into_iter().map(|name| (name.offset, name.sequence)).collect();
        assert_eq!(found, [(5, 9), (5, 8), (1, 1)]);
    }

    #[test]
    fn snapshots_of_before_a_switch_that_is_forgotten_are_left_alone() {
        let names = [(1, 4), (5, 5), (5, 9)].map(|(offset, sequence)| SnapshotName { offset, sequence });
        let metadata = CommitMetadata { switches_since: 5, ..metadata() };
        let found: Vec<u64> = candidates(&names, 5, &metadata).into_iter().map(|name| name.sequence).collect();
        assert_eq!(found, [9, 5]);
    }

    #[test]
    fn a_replay_needs_the_same_engine_and_the_log() {
        let from = |offset| SnapshotName { offset, sequence: 1 };
        for (start, committed, ours, log_start, refused) in
            [(5, 5, 4, 100, false), (4, 5, 4, 0, true), (4, 5, 3, 4, false), (4, 5, 3, 5, true)]
        {
            let result = replayable(2, from(start), committed, &metadata(), ours, log_start);
            assert_eq!(result.is_err(), refused, "{start} {committed} {ours} {log_start}: {result:?}");
        }
    }
}
