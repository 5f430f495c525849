//! What a service is told of churn risk and of the value of buyers, validated.

use serde::{Deserialize, Serialize};

use super::{ChurnModel, ChurnParameters, ChurnProcess, ProcessKind, TimeUnit};
use crate::model::spend::{SpendParameters, Valuation};

/// `[churn]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChurnSettings {
    /// The process whose levels metrics and alerts count.
    pub process: ProcessKind,
    /// The lowest risk of level `medium`; between 0 and `high`.
    pub medium: f64,
    /// The lowest risk of level `high`; below 1.
    pub high: f64,
    /// Whether a process whose parameters are not set is fitted daily.
    pub refit: bool,
    /// Days that a complaint may be open before it raises the level.
    pub complaint_patience_days: u16,
    /// `[churn.activity]`
    pub activity: ProcessSettings,
    /// `[churn.purchase]`
    pub purchase: ProcessSettings,
}

impl ChurnSettings {
    /// The settings of a process.
    #[must_use]
    pub fn of(&self, kind: ProcessKind) -> &ProcessSettings {
        match kind {
            ProcessKind::Activity => &self.activity,
            ProcessKind::Purchase => &self.purchase,
        }
    }
}

/// `[churn.activity]` or `[churn.purchase]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessSettings {
    /// The process with its parameters: those set, or the prior of its model in its unit.
    pub process: ChurnProcess,
    /// Whether the parameters were set, so that nothing replaces them.
    pub parameters_set: bool,
}

/// `[clv]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClvSettings {
    /// Margin and discount.
    pub valuation: Valuation,
    /// What buyers spend: set, or the prior.
    pub spend: SpendParameters,
    /// Whether the parameters of what buyers spend were set, so that nothing replaces them.
    pub spend_set: bool,
}

impl Default for ChurnSettings {
    fn default() -> Self {
        let process = |kind, unit, horizon_days, lapse_days| {
            let model = ChurnModel::MbgNbd;
            let parameters = prior(kind, model, unit);
            ProcessSettings { process: ChurnProcess { model, unit, parameters, horizon_days, lapse_days }, parameters_set: false }
        };
        Self {
            process: ProcessKind::Activity,
            medium: 0.5,
            high: 0.8,
            refit: true,
            complaint_patience_days: 7,
            activity: process(ProcessKind::Activity, TimeUnit::Day, 30, 30),
            purchase: process(ProcessKind::Purchase, TimeUnit::Week, 90, 180),
        }
    }
}

impl Default for ClvSettings {
    fn default() -> Self {
        Self { valuation: Valuation { margin: 1.0, discount_annual: 0.10 }, spend: SPEND_PRIOR, spend_set: false }
    }
}

/// Gamma-Gamma fitted to the repeat days of CDNOW's 946 repeat buyers up to 1997-09-30, in dollars (Fader, Hardie 2013).
pub const SPEND_PRIOR: SpendParameters = SpendParameters { p: 6.25, q: 3.74, v: 15.44 };

/// The parameters of a process before anything is known of its users, in a unit of time.
///
/// Purchases: fits to the 2,357 customers of the CDNOW sample up to 1997-09-30, in weeks; MBG/NBD as published with lifetimes, BG/NBD by Fader, Hardie, Lee
/// (2005). Activity: fits to two real logs of daily activity taken together, in days: 2,192 contributors to three open-source projects, most of whom come
/// once, and 2,377 households of a grocer, who hardly ever leave. What a service's users are like lies between; a refit finds it.
#[must_use]
pub fn prior(kind: ProcessKind, model: ChurnModel, unit: TimeUnit) -> ChurnParameters {
    let (r, alpha, a, b, known_in) = match (kind, model) {
        (ProcessKind::Activity, ChurnModel::MbgNbd) => (1.26, 23.0, 0.124, 0.26, TimeUnit::Day),
        (ProcessKind::Activity, ChurnModel::BgNbd) => (0.243, 6.55, 0.145, 2.27, TimeUnit::Day),
        (ProcessKind::Purchase, ChurnModel::MbgNbd) => (0.525, 6.183, 0.891, 1.614, TimeUnit::Week),
        (ProcessKind::Purchase, ChurnModel::BgNbd) => (0.243, 4.414, 0.793, 2.426, TimeUnit::Week),
    };
    // Of the four, alpha alone is a time.
    ChurnParameters { r, alpha: alpha * known_in.days() / unit.days(), a, b }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::churn::History;

    #[test]
    fn a_prior_says_the_same_in_every_unit() {
        let history = History { repeats: 3, recency_days: 40, silent_days: 11 };
        for (kind, _) in ProcessKind::NAMES {
            for (model, _) in ChurnModel::NAMES {
                let risk = |unit| {
                    let parameters = prior(kind, model, unit);
                    ChurnProcess { model, unit, parameters, horizon_days: 30, lapse_days: 30 }.risk(&history)
                };
                assert!((risk(TimeUnit::Day) - risk(TimeUnit::Week)).abs() < 1e-12);
            }
        }
    }
}
