//! What a partition tells the aggregator: absolute figures, so that telling them twice is harmless.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ledger::Counts;
use crate::model::churn::ProcessKind;
use crate::model::churn::calibration::Calibration;
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

/// How far a history that began in the middle of another stands on what that one told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continuation {
    /// The history that it goes on from.
    pub lineage: String,
    /// Figures of days before this one are those that the other told; `None` when it had told none.
    pub figures_before: Option<Day>,
    /// What was decided at the close of days up to this one is what the other told; `None` when it had closed none.
    pub closed_through: Option<Day>,
}

/// What a day that closed brought in a segment, for alerts. Users are counted in the segments that they belonged to at the end of the day before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertInputs {
    /// Users who are at level high, and were low or medium at the end of the day before.
    pub entered_high: i64,
    /// Users who were low or medium at the end of the day before.
    pub could_enter_high: i64,
    /// Users who are churned, and had another level at the end of the day before.
    pub entered_churned: i64,
    /// Users who were high at the end of the day before, and those who are churned from a lower level.
    pub could_enter_churned: i64,
    /// Users who were silent on the day before, for no more than the lapse window, and had not departed.
    pub silent: i64,
    /// Those of them with a day of the process on this one.
    pub returned: i64,
    /// The sum of their probabilities to have one, in billionths.
    pub expected_billionths: i64,
    /// The sum of probability x (1 - probability), in billionths.
    pub variance_billionths: i64,
}

impl AlertInputs {
    /// Adds those of another partition.
    pub fn absorb(&mut self, other: &Self) {
        self.entered_high += other.entered_high;
        self.could_enter_high += other.could_enter_high;
        self.entered_churned += other.entered_churned;
        self.could_enter_churned += other.could_enter_churned;
        self.silent += other.silent;
        self.returned += other.returned;
        self.expected_billionths += other.expected_billionths;
        self.variance_billionths += other.variance_billionths;
    }

    /// Whether there was nobody to be counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
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
    /// What a day that closed brought, for alerts.
    Alerts {
        /// The day.
        day: Day,
        /// Whether anybody was active on it here.
        has_data: bool,
        /// By `all` or `property=value`; nobody is in those that are left out.
        segments: BTreeMap<String, AlertInputs>,
    },
    /// The history goes on from the middle of another. The first thing that it tells.
    Continues(Continuation),
    /// Histories of users for a fit, of the newest closed day that was counted.
    Histories {
        /// The process.
        process: ProcessKind,
        /// The last of the days that are held back.
        day: Day,
        /// Users by what was known before those days, and by whether they came in them.
        holdout: Holdout,
    },
    /// How predictions whose horizon is over compare with what came, of the newest closed day that was scored.
    Calibration {
        /// The process.
        process: ProcessKind,
        /// The last day of the horizon.
        day: Day,
        /// Users by what was predicted and by whether they came.
        scores: Box<Calibration>,
    },
}
