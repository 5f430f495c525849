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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::Counts;
    use crate::engine::partial::{AlertInputs, Continuation, RiskCounts};
    use crate::model::churn::ProcessKind;
    use crate::model::churn::refit::Holdout;
    use crate::model::revenue_share::RevenueBuckets;
    use crate::model::time::Day;

    /// One of each.
    fn partials() -> [Partial; 7] {
        let (day, process) = (Day::from_number(20_454), ProcessKind::Purchase);
        let continuation = Continuation { lineage: "00".into(), figures_before: Some(day), closed_through: Some(day) };
        [
            Partial::Figures { segment: "all".into(), day, counts: Counts::default(), outlook: Some(vec![(day, vec![(1, -1)])]) },
            Partial::Close { day, loyal_buyers: 3, revenue: RevenueBuckets::default(), risk: RiskCounts::default() },
            Partial::Progress { newest: Some(day), closed_through: day, limited: vec!["plan".into()] },
            Partial::Alerts { day, has_data: true, segments: [("all".to_owned(), AlertInputs::default())].into() },
            Partial::Continues(continuation),
            Partial::Histories { process, day, holdout: Holdout::default() },
            Partial::Calibration { process, day, scores: Box::default() },
        ]
    }

    #[test]
    fn there_and_back() {
        for partial in partials() {
            let told = Told { lineage: "11".into(), partial };
            let bytes = encode(&told).expect("encodes");
            assert_eq!(decode(&bytes).expect("decodes"), told);
            assert!(decode(&bytes[..bytes.len() - 1]).is_err() && decode(&[&[VERSION + 1], &bytes[1..]].concat()).is_err());
        }
    }

    /// Fields that come or go without another version would be read as one another by an aggregator of the version before: a count more moves all after it.
    #[test]
    fn bytes_of_this_version() {
        let bytes: Vec<u8> =
            partials().into_iter().flat_map(|partial| encode(&Told { lineage: "11".into(), partial }).expect("encodes")).collect();
        assert_eq!(
            (VERSION, bytes.len(), crc32fast::hash(&bytes)),
            (2, 258, 404_879_253),
            "if fields changed: raise the version, then this"
        );
    }
}
