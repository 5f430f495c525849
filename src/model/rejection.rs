//! Why an event was not accepted.

use super::time::EventTime;

/// The reason that a dead letter carries. Reasons are checked in the order of the variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Over 1 MiB.
    Oversized,
    /// Not what the format says, duplicate keys, or a tombstone.
    Malformed,
    /// A required field is absent or empty.
    MissingField,
    /// A field cannot be read or is out of its range.
    InvalidValue,
    /// A type outside the vocabulary, without a default.
    UnknownType,
    /// Not a timestamp, or before `time.earliest` or from 2100.
    BadTimestamp,
    /// More than `time.future_tolerance` after its arrival.
    Future,
    /// Its day is more than `time.late_horizon_days` before the newest accepted day of its partition.
    TooLate,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Oversized,
        Self::Malformed,
        Self::MissingField,
        Self::InvalidValue,
        Self::UnknownType,
        Self::BadTimestamp,
        Self::Future,
        Self::TooLate,
    ];

    /// The text of the header `stickiness.reason`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Oversized => "oversized",
            Self::Malformed => "malformed",
            Self::MissingField => "missing_field",
            Self::InvalidValue => "invalid_value",
            Self::UnknownType => "unknown_type",
            Self::BadTimestamp => "bad_timestamp",
            Self::Future => "future",
            Self::TooLate => "too_late",
        }
    }
}

/// A reason with what exactly was wrong, in words for the person who reads the dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The class of the mistake.
    pub reason: Reason,
    /// What was found and what is allowed.
    pub detail: String,
}

impl Rejection {
    /// A rejection for `reason`, explained by `detail`.
    #[must_use]
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// Why an event of `time` is refused that arrived at `arrival`: it is dated later by more than so many milliseconds.
    #[must_use]
    pub fn of_future(time: EventTime, arrival: EventTime, tolerance_ms: i64) -> Option<Self> {
        let is_future = time > arrival.plus_nanos(tolerance_ms.saturating_mul(1_000_000));
        is_future.then(|| Self::new(Reason::Future, format!("{time} is more than {tolerance_ms} ms after its arrival")))
    }
}
