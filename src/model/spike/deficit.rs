//! Return deficit: fewer silent users come back than their habits promise.
//!
//! Counting users who lapsed tells of a day that lies the whole lapse window back. Each silent user has a probability to come back on a
//! given day, from the churn model; the sum over all of them is what a day's returns are compared with.

use super::distribution::{normal_tail, to_double};
use super::regression::{Baseline, Trend};
use super::{DayCount, SpikeRules, window};
use crate::model::time::Day;

/// Days before the judged one that its calibration does not look at, so that an exodus of some days is not taken for the habit.
pub const LAG_DAYS: i32 = 7;
/// A single day counts for at most so many standard deviations (a robust CUSUM, Lucas and Crosier 1982): one broken day is no exodus.
const LARGEST_DEFICIT: f64 = 4.0;
/// Mean overshoot of a normal random walk over a bound (Siegmund 1985).
const OVERSHOOT: f64 = 0.583;

/// The returns of one day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Returns {
    /// Users who were silent on the day before and may come back.
    pub silent: u64,
    /// Those of them who were active on the day.
    pub observed: u64,
    /// The sum of their probabilities to be active on the day.
    pub expected: f64,
    /// The sum of probability * (1 - probability): the variance when users decide on their own.
    pub variance: f64,
}

/// The rules of Page's CUSUM: its reference value and the bound at which it is an alarm, both in standard deviations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cusum {
    /// What is taken off each day's deficit; 0.5 is best for finding a shift of one standard deviation.
    pub k: f64,
    /// The bound of the sum. With k = 0.5, the sum of days without any shift passes 6 once in about 2,500 days.
    pub h: f64,
}

impl Default for Cusum {
    fn default() -> Self {
        Self { k: 0.5, h: 6.0 }
    }
}

impl Cusum {
    /// The sum after one more day: `max(0, sum + deficit - k)`. With k = 0.5, a sum of 1 and a deficit of 2 give 2.5.
    #[must_use]
    pub fn after(&self, sum: f64, deficit: f64) -> f64 {
        (sum + deficit.clamp(-LARGEST_DEFICIT, LARGEST_DEFICIT) - self.k).max(0.0)
    }

    /// The share of days without any shift on which the sum is at least `sum`: exp(-2 k (sum + 0.583)) (Siegmund 1985); 1 for a sum of 0.
    #[must_use]
    pub fn p_value(&self, sum: f64) -> f64 {
        if sum > 0.0 { (-2.0 * self.k * (sum + OVERSHOOT)).exp() } else { 1.0 }
    }
}

/// How a day's returns stand to what was expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeficitJudgement {
    /// Expected returns, after calibration.
    pub expected: f64,
    /// (expected - observed) / standard deviation; positive when too few came.
    pub deficit: f64,
    /// P(so few returns on such a day), of this day alone.
    pub p_value: f64,
}

/// Standardises a day's deficit. A model's probabilities know no weekday and may be off by some factor, so the expectation is calibrated on the
/// past days, whose `exposure` is what was expected of them and whose `count` what was observed; the days just before (`LAG_DAYS`) are left out. The standard deviation is the
/// larger of what the probabilities say and what the past days showed. In a group too small, or with fewer expected returns than the minimum count, the
/// deficit is 0. `None` while there is too little history.
#[must_use]
pub fn judge_returns(rules: &SpikeRules, past: &[DayCount], shifts: &[Day], today: Day, returns: &Returns) -> Option<DeficitJudgement> {
    let baseline = Baseline::fit(&window(rules, past, today, LAG_DAYS)?, shifts, Trend::Never)?;
    let expectation = baseline.expect(today, returns.expected)?;
    let own = (returns.variance / returns.expected).clamp(0.0, 1.0);
    let variance = expectation.mean * expectation.dispersion.max(own);
    let deficit = (expectation.mean - to_double(returns.observed)) / variance.sqrt().max(f64::MIN_POSITIVE);
    let is_small = returns.silent < rules.minimum_at_risk || expectation.mean < to_double(rules.minimum_count);
    let deficit = if deficit.is_finite() && !is_small { deficit } else { 0.0 };
    Some(DeficitJudgement { expected: expectation.mean, deficit, p_value: normal_tail(deficit) })
}
