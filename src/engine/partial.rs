//! What a partition tells the aggregator: absolute figures, so that telling them twice is harmless.

use serde::{Deserialize, Serialize};

use super::ledger::Counts;
use crate::model::revenue_share::RevenueBuckets;
use crate::model::time::Day;

/// How figures go on after a day when nothing more happens: each later day on which one differs from the day before, with the differences.
pub type Outlook = Vec<(Day, Vec<(u16, i64)>)>;

/// One thing that a partition tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Partial {
    /// The figures of a day of a segment.
    Figures {
        /// `all`, or `property=value`.
        segment: String,
        /// The day.
        day: Day,
        /// Its figures.
        counts: Counts,
        /// How they go on; given for the partition's newest day alone.
        outlook: Option<Outlook>,
    },
    /// The figures that are decided when a day closes.
    Close {
        /// The day.
        day: Day,
        /// Users whose streak makes them loyal at its end.
        loyal_buyers: i64,
        /// Buyers by net revenue to date.
        revenue: RevenueBuckets,
    },
    /// How far the partition has come.
    Progress {
        /// The newest day of an accepted event.
        newest: Option<Day>,
        /// Every day up to this one is closed.
        closed_through: Day,
        /// Properties of which some values are counted as `other`.
        limited: Vec<String>,
    },
}
