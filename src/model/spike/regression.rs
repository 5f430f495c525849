//! The quasi-Poisson regression of a daily series on its weekday, its level and, when it is significant, its trend.

use super::DayCount;
use super::distribution::{Expectation, to_double};
use super::linear;
use crate::model::time::Day;

/// Past days whose Anscombe residual is beyond this weigh less (Noufaily et al. 2013; 1 % of a normal).
const OUTLIER: f64 = 2.58;
/// Rounds of weighting outliers down. The papers have one; with several outliers the spread of the first fit hides some of them.
const REWEIGHTINGS: u32 = 3;
/// A trend stays when its |estimate / standard error| is above this (5 %, Farrington et al. 1996).
const SIGNIFICANT: f64 = 1.96;
/// Days of one unit of the trend.
const TREND_DAYS: f64 = 28.0;
/// Columns before the optional ones: the level, and one for each weekday.
const FIXED_COLUMNS: usize = 8;
/// Precision of the prior around "no effect" of a weekday's logarithm: a standard deviation of 1, which 20 counts outweigh. It keeps weekdays without counts finite.
const WEEKDAY_PRECISION: f64 = 1.0;
/// The same for trend and shifts: a standard deviation of 10.
const LOOSE_PRECISION: f64 = 0.01;
/// Rounds of the fit; five are usual.
const ROUNDS: u32 = 30;
/// Bounds of the logarithm of an expected count.
const LOG_BOUND: f64 = 45.0;

/// Whether a trend may be part of the fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    /// When it is significant.
    WhenSignificant,
    /// Not at all: a slow decline is to be found, not explained away.
    Never,
}

/// What the past days say: `log E[count] = log exposure + level + weekday + shifts (+ trend)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    columns: Columns,
    coefficients: Vec<f64>,
    /// Inverse of the information, row by row; times the dispersion, it is the covariance of the coefficients.
    covariance: Vec<f64>,
    dispersion: f64,
}

impl Baseline {
    /// Fits the days as they are, then with outliers weighted down. `None` without a day of positive exposure.
    #[must_use]
    pub fn fit(days: &[DayCount], shifts: &[Day], trend: Trend) -> Option<Self> {
        let days: Vec<DayCount> = days.iter().filter(|day| day.exposure > 0.0 && day.exposure.is_finite()).copied().collect();
        let newest = days.iter().map(|day| day.day).max()?;
        let oldest = days.iter().map(|day| day.day).min()?;
        let shifts: Vec<Day> = shifts.iter().filter(|shift| (oldest < **shift) && **shift <= newest).copied().collect();
        // A shift and a trend explain the same days.
        let has_trend = trend == Trend::WhenSignificant && shifts.is_empty();
        let plain = Self::reweighted(&days, Columns { newest, shifts, has_trend })?;
        if !has_trend || plain.trend_is_significant() {
            return Some(plain);
        }
        Self::reweighted(&days, Columns { has_trend: false, ..plain.columns })
    }

    fn reweighted(days: &[DayCount], columns: Columns) -> Option<Self> {
        let rows = Rows::new(days, &columns);
        let mut fitted = rows.fit(&vec![1.0; days.len()], rows.start())?;
        for _ in 0..REWEIGHTINGS {
            let weights = rows.weights(&fitted);
            if weights.iter().all(|weight| *weight >= 1.0) {
                break;
            }
            fitted = rows.fit(&weights, fitted.coefficients)?;
        }
        Some(Self { columns, coefficients: fitted.coefficients, covariance: fitted.covariance, dispersion: fitted.dispersion })
    }

    fn trend_is_significant(&self) -> bool {
        let size = self.coefficients.len();
        let error = (self.covariance[size * size - 1] * self.dispersion.max(1.0)).sqrt();
        self.coefficients[size - 1].abs() > SIGNIFICANT * error
    }

    /// Variance over mean of the past days around the fit, with those weighted down that stand out; not floored at Poisson's 1.
    #[must_use]
    pub fn dispersion(&self) -> f64 {
        self.dispersion
    }

    /// What is expected of a day. The dispersion holds what the fit does not know too: variance = dispersion * mean + Var(mean).
    /// `None` when the exposure is not above 0.
    #[must_use]
    pub fn expect(&self, day: Day, exposure: f64) -> Option<Expectation> {
        if !(exposure > 0.0 && exposure.is_finite()) {
            return None;
        }
        let mut row = vec![0.0; self.coefficients.len()];
        self.columns.fill(day, &mut row);
        let log_rate: f64 = row.iter().zip(&self.coefficients).map(|(value, coefficient)| value * coefficient).sum();
        let mean = (exposure.ln() + log_rate).clamp(-LOG_BOUND, LOG_BOUND).exp();
        let leverage = mean * linear::quadratic(&self.covariance, &row).max(0.0);
        Some(Expectation { mean, dispersion: self.dispersion * (1.0 + leverage) })
    }
}

/// What the columns of the design stand for.
#[derive(Clone, Debug, PartialEq)]
struct Columns {
    newest: Day,
    shifts: Vec<Day>,
    has_trend: bool,
}

impl Columns {
    fn count(&self) -> usize {
        FIXED_COLUMNS + self.shifts.len() + usize::from(self.has_trend)
    }

    /// Writes the columns of a day: level, weekdays, shifts, trend.
    fn fill(&self, day: Day, row: &mut [f64]) {
        row[0] = 1.0;
        let weekday = usize::try_from(day.number().rem_euclid(7)).unwrap_or(0);
        row[1 + weekday] = 1.0;
        for (cell, shift) in row[FIXED_COLUMNS..].iter_mut().zip(&self.shifts) {
            *cell = f64::from(u8::from(day >= *shift));
        }
        if let Some(last) = row.last_mut().filter(|_| self.has_trend) {
            *last = f64::from(day.number().saturating_sub(self.newest.number())) / TREND_DAYS;
        }
    }
}

/// The precision of the prior around 0 of a column's coefficient.
fn precision(column: usize) -> f64 {
    match column {
        0 => 1e-9,
        1..FIXED_COLUMNS => WEEKDAY_PRECISION,
        _ => LOOSE_PRECISION,
    }
}

/// The past days as the fit sees them.
struct Rows {
    width: usize,
    design: Vec<f64>,
    counts: Vec<f64>,
    /// Logarithms of the exposures.
    offsets: Vec<f64>,
    precisions: Vec<f64>,
}

/// One fit with given weights.
struct Fitted {
    coefficients: Vec<f64>,
    covariance: Vec<f64>,
    means: Vec<f64>,
    leverages: Vec<f64>,
    dispersion: f64,
}

impl Rows {
    fn new(days: &[DayCount], columns: &Columns) -> Self {
        let width = columns.count();
        let mut design = vec![0.0; days.len() * width];
        for (row, day) in design.chunks_exact_mut(width).zip(days) {
            columns.fill(day.day, row);
        }
        let counts: Vec<f64> = days.iter().map(|day| to_double(day.count)).collect();
        let offsets = days.iter().map(|day| day.exposure.ln().clamp(-LOG_BOUND, LOG_BOUND)).collect();
        Self { width, design, counts, offsets, precisions: (0..width).map(precision).collect() }
    }

    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.design.chunks_exact(self.width)
    }

    /// The overall rate; half a count when there is none, so that its logarithm is finite (Jeffreys).
    fn start(&self) -> Vec<f64> {
        let exposure: f64 = self.offsets.iter().map(|offset| offset.exp()).sum();
        let mut coefficients = vec![0.0; self.width];
        coefficients[0] = (self.total() / exposure).ln();
        coefficients
    }

    fn total(&self) -> f64 {
        self.counts.iter().sum::<f64>().max(0.5)
    }

    /// Logarithms of the expected counts.
    fn logs(&self, coefficients: &[f64]) -> Vec<f64> {
        let log = |(row, offset): (&[f64], &f64)| offset + row.iter().zip(coefficients).map(|(value, factor)| value * factor).sum::<f64>();
        self.rows().zip(&self.offsets).map(log).map(|log| log.clamp(-LOG_BOUND, LOG_BOUND)).collect()
    }

    /// The log-likelihood with the priors, but for a constant.
    fn likelihood(&self, weights: &[f64], coefficients: &[f64]) -> f64 {
        let logs = self.logs(coefficients);
        let days: f64 = logs.iter().zip(&self.counts).zip(weights).map(|((log, count), weight)| weight * (count * log - log.exp())).sum();
        let priors: f64 = coefficients.iter().zip(&self.precisions).map(|(value, precision)| precision * value * value / 2.0).sum();
        days - priors
    }

    /// Newton's method with halved steps.
    fn fit(&self, weights: &[f64], start: Vec<f64>) -> Option<Fitted> {
        let mut coefficients = start;
        if self.counts.iter().all(|count| *count == 0.0) {
            // Without a single count the likelihood has no maximum: the start is the answer.
            return self.finish(weights, coefficients);
        }
        let mut likelihood = self.likelihood(weights, &coefficients);
        for _ in 0..ROUNDS {
            let (information, mut step) = self.equations(weights, &coefficients);
            linear::solve(&information, self.width, &mut step)?;
            let mut scale = 1.0;
            let mut gained = 0.0;
            while scale > 1e-4 {
                let moved: Vec<f64> = coefficients.iter().zip(&step).map(|(value, step)| value + scale * step).collect();
                let reached = self.likelihood(weights, &moved);
                if reached >= likelihood {
                    gained = reached - likelihood;
                    (coefficients, likelihood) = (moved, reached);
                    break;
                }
                scale /= 2.0;
            }
            if gained <= 1e-10 * (1.0 + likelihood.abs()) {
                break;
            }
        }
        self.finish(weights, coefficients)
    }

    /// The lower triangle of the information matrix, and the gradient, at `coefficients`.
    fn equations(&self, weights: &[f64], coefficients: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let width = self.width;
        let mut information = vec![0.0; width * width];
        let mut gradient = vec![0.0; width];
        let logs = self.logs(coefficients);
        for (((row, log), count), weight) in self.rows().zip(&logs).zip(&self.counts).zip(weights) {
            let mean = log.exp();
            for (column, value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                gradient[column] += weight * (count - mean) * value;
                for (other, factor) in row[..=column].iter().enumerate() {
                    information[column * width + other] += weight * mean * value * factor;
                }
            }
        }
        for column in 0..width {
            gradient[column] -= self.precisions[column] * coefficients[column];
            information[column * width + column] += self.precisions[column];
        }
        (information, gradient)
    }

    /// Covariance, leverages and dispersion: Pearson's statistic over the degrees of freedom.
    fn finish(&self, weights: &[f64], coefficients: Vec<f64>) -> Option<Fitted> {
        let (information, _) = self.equations(weights, &coefficients);
        let covariance = linear::inverse(&information, self.width)?;
        let means: Vec<f64> = self.logs(&coefficients).iter().map(|log| log.exp()).collect();
        let leverage = |((row, mean), weight): ((&[f64], &f64), &f64)| weight * mean * linear::quadratic(&covariance, row);
        let leverages: Vec<f64> = self.rows().zip(&means).zip(weights).map(leverage).collect();
        let pearson = |((count, mean), weight): ((&f64, &f64), &f64)| weight * (count - mean) * (count - mean) / mean;
        let statistic: f64 = self.counts.iter().zip(&means).zip(weights).map(pearson).sum();
        let freedom = (weights.iter().sum::<f64>() - leverages.iter().sum::<f64>()).max(1.0);
        let dispersion = (statistic / freedom).clamp(1e-6, 1e18);
        Some(Fitted { coefficients, covariance, means, leverages, dispersion })
    }

    /// Noufaily's weights: 1, and the inverse square of the residual beyond the limit, on either side; their sum stays the count of days.
    fn weights(&self, fitted: &Fitted) -> Vec<f64> {
        let root = fitted.dispersion.max(1.0).sqrt();
        let weight = |((count, mean), leverage): ((&f64, &f64), &f64)| {
            let scale = root * (1.0 - leverage).max(1e-3).sqrt() * mean.powf(1.0 / 6.0);
            let residual = 1.5 * (count.powf(2.0 / 3.0) - mean.powf(2.0 / 3.0)) / scale;
            if residual.abs() > OUTLIER { 1.0 / (residual * residual) } else { 1.0 }
        };
        let weights: Vec<f64> = self.counts.iter().zip(&fitted.means).zip(&fitted.leverages).map(weight).collect();
        #[expect(clippy::cast_precision_loss, reason = "a count of days")]
        let share = weights.len() as f64 / weights.iter().sum::<f64>();
        weights.iter().map(|weight| weight * share).collect()
    }
}
