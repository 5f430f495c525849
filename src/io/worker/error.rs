//! Why a worker ends, and whether another can go on.

use super::recovery::Refusal;
use crate::io::kafka::consumer::ConsumeError;
use crate::io::kafka::metadata::MetadataError;
use crate::io::kafka::producer::ProduceError;
use crate::io::snapshots::SnapshotError;

/// Why a worker ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The log or the group cannot be read.
    #[error(transparent)]
    Consume(#[from] ConsumeError),
    /// Outputs cannot be published.
    #[error(transparent)]
    Produce(#[from] ProduceError),
    /// Snapshots cannot be read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A partition must not be counted. Someone must act: another worker would be refused as well.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// More than a commit can carry.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// A partition cannot be read on.
    #[error("partition {partition} cannot be read on: {reason}")]
    Partition {
        /// The partition.
        partition: i32,
        /// What the broker said.
        reason: String,
    },
}

impl WorkerError {
    /// Whether another worker can go on where this one ended.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Metadata(_) => false,
            Self::Consume(error) => !matches!(error, ConsumeError::MissingTopic { .. }),
            Self::Produce(error) => !matches!(error, ProduceError::MissingTopic { .. }),
            Self::Snapshot(_) | Self::Partition { .. } => true,
        }
    }
}
