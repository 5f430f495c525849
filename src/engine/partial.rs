//! What a partition tells the aggregator: absolute figures, so that telling them twice is harmless.

use serde::{Deserialize, Serialize};

use super::ledger::Counts;
use crate::model::churn::ProcessKind;
use crate::model::churn::refit::Holdout;
use crate::model::revenue_share::RevenueBuckets;
use crate::model::time::Day;

/// How figures go on after a day when nothing more happens: each later day on which one differs from the day before, with the differences.
pub type Outlook = Vec<(Day, Vec<(u16, i64)>)>;

/// Users by level of churn risk at the end of a day, of the process that is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskCounts {
    /// Users at each level, in the order of [`crate::model::churn::level::RiskLevel::ALL`].
    pub levels: [i64; 4],
    /// Users who are at level high and were at another at the end of the day before.
    pub became_high: i64,
    /// Users who are churned and were not at the end of the day before.
    pub became_churned: i64,
    /// Users who were churned at the end of the day before and have a day of the process on this one.
    pub reactivated: i64,
}

impl RiskCounts {
    /// Adds those of another partition.
    pub fn absorb(&mut self, other: &Self) {
        for (level, more) in self.levels.iter_mut().zip(other.levels) {
            *level += more;
        }
        self.became_high += other.became_high;
        self.became_churned += other.became_churned;
        self.reactivated += other.reactivated;
    }
}

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
        /// Users by level of churn risk.
        risk: RiskCounts,
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
    /// Histories of users for a fit, of the newest closed day that was counted.
    Histories {
        /// The process.
        process: ProcessKind,
        /// The last of the days that are held back.
        day: Day,
        /// Users by what was known before those days, and by whether they came in them.
        holdout: Holdout,
    },
}
