//! Why a backfill does not go on.

use std::path::PathBuf;
use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode;

use crate::io::files::InputError;
use crate::io::kafka::consumer::ConsumeError;
use crate::io::kafka::producer::ProduceError;
use crate::model::time::UnknownTimeZone;

/// Why a history is not, or not wholly, in the log.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// A file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The time zone of the settings is unknown.
    #[error(transparent)]
    TimeZone(#[from] UnknownTimeZone),
    /// Temporary files cannot be written or read.
    #[error("cannot sort in {}: {error}; --temporary names another folder, --memory takes more at once", folder.display())]
    Scratch {
        /// Where they are.
        folder: PathBuf,
        /// What went wrong.
        error: std::io::Error,
    },
    /// A topic cannot be read.
    #[error(transparent)]
    Consume(#[from] ConsumeError),
    /// A topic cannot be written.
    #[error(transparent)]
    Produce(#[from] ProduceError),
    /// Nothing came of a topic that has more records.
    #[error("nothing was read of topic `{topic}` for {waited:?}, and it has more records")]
    Stalled {
        /// The topic.
        topic: String,
        /// How long was waited.
        waited: Duration,
    },
    /// Writing would do harm.
    #[error("{0}")]
    Refused(String),
}

impl BackfillError {
    /// Whether trying again can help.
    pub(super) fn passes(&self) -> bool {
        use ProduceError::{Abortable, Indeterminate, Unavailable};
        match self {
            Self::Produce(error) => matches!(error, Abortable { .. } | Indeterminate { .. } | Unavailable { .. }),
            Self::Consume(error) => matches!(error, ConsumeError::Unavailable { .. }),
            Self::Stalled { .. } => true,
            Self::Input(_) | Self::TimeZone(_) | Self::Scratch { .. } | Self::Refused(_) => false,
        }
    }

    /// Whether the brokers refused a record for its size.
    pub(super) fn is_too_large(&self) -> bool {
        matches!(self, Self::Produce(ProduceError::Abortable { code: RDKafkaErrorCode::MessageSizeTooLarge, .. }))
    }
}
