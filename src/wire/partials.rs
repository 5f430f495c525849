//! What partitions tell the aggregator, as records of the internal partials topic.

use serde::{Deserialize, Serialize};

use crate::engine::partial::Partial;

/// The version of the records.
const VERSION: u8 = 2;

/// A partial with the lineage that it belongs to: partials of an abandoned history must not be added to those of the new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The unbroken history of the partition.
    pub lineage: String,
    /// What it tells.
    pub partial: Partial,
}

/// Why a record of the partials topic cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PartialError {
    /// Empty, or of another version.
    #[error("version {0:?} of a partial, this program reads version {VERSION}")]
    Version(Option<u8>),
    /// Not decodable.
    #[error("a partial cannot be decoded: {0}")]
    Undecodable(#[from] postcard::Error),
}

/// The key under which a partial replaces the one before it.
#[must_use]
pub fn key(partial: &Partial) -> String {
    match partial {
        Partial::Figures { segment, day, .. } => format!("{segment}|{day}"),
        Partial::Close { day, .. } => format!("|close|{day}"),
        // Of each history that was ever gone on from.
        Partial::Continues(continuation) => format!("|continues|{}", continuation.lineage),
        Partial::Alerts { day, .. } => format!("|alerts|{day}"),
        Partial::Progress { .. } => "|progress".to_owned(),
        Partial::Histories { process, .. } => format!("|histories|{}", process.name()),
        Partial::Calibration { process, .. } => format!("|calibration|{}", process.name()),
    }
}

/// The value of a record.
pub fn encode(told: &Told) -> Result<Vec<u8>, PartialError> {
    Ok(postcard::to_extend(told, vec![VERSION])?)
}

/// The partial of a record.
pub fn decode(value: &[u8]) -> Result<Told, PartialError> {
    match value.split_first() {
        Some((&VERSION, body)) => Ok(postcard::from_bytes(body)?),
        other => Err(PartialError::Version(other.map(|(version, _)| *version))),
    }
}
