//! Whether a day's count is higher than its own past explains, and whether fewer users come back than their habits promise.
//!
//! Two detectors, both functions of a daily series:
//! - [`judge`]: a quasi-Poisson regression on the past days with weekday factors, a negative-binomial tail for the day
//!   (Farrington et al. 1996, *J. R. Statist. Soc. A* 159; improved by Noufaily et al. 2013, *Statistics in Medicine* 32).
//! - [`deficit`]: a CUSUM (Page 1954, *Biometrika* 41) of standardised shortfalls of returning users.

pub mod deficit;
pub mod distribution;
mod linear;
pub mod regression;

use self::distribution::{Expectation, to_double};
use self::regression::{Baseline, Trend};
use super::time::Day;

/// One day of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DayCount {
    /// The day.
    pub day: Day,
    /// What was counted on it.
    pub count: u64,
    /// What the count is expected to be proportional to: users at risk, expected returns, or 1. A day whose exposure is not above 0 says nothing.
    pub exposure: f64,
}

/// What a series must have before it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpikeRules {
    /// Days before the judged one that the baseline looks at.
    pub history_days: u16,
    /// Least days among them that have data, before which nothing is judged.
    pub minimum_history_days: u16,
    /// A day with a smaller count is never an alarm.
    pub minimum_count: u64,
    /// A group with fewer users at risk is never an alarm. 0 for series whose exposure is no group of users.
    pub minimum_at_risk: u64,
}

impl Default for SpikeRules {
    /// 16 weeks of history, 4 of them needed; at least 5 (Farrington's limit) of at least 50 users.
    fn default() -> Self {
        Self { history_days: 112, minimum_history_days: 28, minimum_count: 5, minimum_at_risk: 50 }
    }
}

/// How a day's count stands to its past.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    /// What the past says about the day.
    pub expectation: Expectation,
    /// P(a count at least as high as the day's), from 0 to 1; 1 when the count or the group is below the minimum.
    pub p_value: f64,
}

/// Judges `today` by the days before it. `past` holds the days that may be learnt from, in any order; those outside of the history are passed over.
/// `shifts` are days from which on another level was accepted. `None` when there is too little history, or the day says nothing.
///
/// ```text
/// log E[count] = log exposure + level + weekday (+ trend, when |t| > 1.96) (+ accepted shifts)
/// P(count >= y) of a negative binomial with that mean and variance = dispersion * mean + variance of the fitted mean
/// ```
#[must_use]
pub fn judge(rules: &SpikeRules, past: &[DayCount], shifts: &[Day], today: DayCount) -> Option<Judgement> {
    let baseline = Baseline::fit(&window(rules, past, today.day, 0)?, shifts, Trend::WhenSignificant)?;
    let expectation = baseline.expect(today.day, today.exposure)?.at_least_poisson();
    let is_small = today.count < rules.minimum_count || today.exposure < to_double(rules.minimum_at_risk);
    let p_value = if is_small { 1.0 } else { expectation.at_least(today.count) };
    Some(Judgement { expectation, p_value })
}

/// The days of `past` that end `lag` days before the day before `today`; `None` when they are too few.
fn window(rules: &SpikeRules, past: &[DayCount], today: Day, lag: i32) -> Option<Vec<DayCount>> {
    let ages = 1 + lag..=i32::from(rules.history_days) + lag;
    let counts = |day: &&DayCount| ages.contains(&today.number().saturating_sub(day.day.number())) && day.exposure > 0.0;
    let days: Vec<DayCount> = past.iter().filter(counts).copied().collect();
    (days.len() >= usize::from(rules.minimum_history_days.max(1))).then_some(days)
}

#[cfg(test)]
mod tests;
