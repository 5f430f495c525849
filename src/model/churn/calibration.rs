//! How predictions of risk compare with what came, by bins of equal width: sums that add up over users in any order.

use serde::{Deserialize, Serialize};

/// How many bins there are: each is .05 wide.
pub const BINS: usize = 20;

/// One, in billionths.
const BILLION: i64 = 1_000_000_000;
/// The width of a bin, in billionths.
const WIDTH: i64 = 50_000_000;

/// Predictions of one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// Users predicted.
    pub users: i64,
    /// The sum of the risks that were predicted, in billionths.
    pub predicted_billionths: i64,
    /// Users of whom nothing came.
    pub silent: i64,
    /// The sum of the squared differences of each prediction and what came, in billionths.
    pub squared_billionths: i64,
}

impl CalibrationBin {
    /// The mean risk that was predicted, 0 to 1; `None` without users.
    #[must_use]
    pub fn predicted(&self) -> Option<f64> {
        (self.users > 0).then(|| precise(self.predicted_billionths) / precise(BILLION) / precise(self.users))
    }

    /// The share of users of whom nothing came, 0 to 1; `None` without users.
    #[must_use]
    pub fn observed(&self) -> Option<f64> {
        (self.users > 0).then(|| precise(self.silent) / precise(self.users))
    }
}

/// Predictions of risk by what they said: bin `i` has those from `i / 20` to below `(i + 1) / 20`, the last those of 1 as well.
///
/// Worked example: of .12 (somebody who came), .14 (who did not) and .92 (who did not), bin 2 has predicted .13 and observed .5, and bin 18 .92 and 1. The
/// calibration error is (2 x .37 + .08) / 3 = .2733, and the Brier score (.0144 + .7396 + .0064) / 3 = .2535.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calibration {
    bins: [CalibrationBin; BINS],
}

impl Calibration {
    /// Scores a prediction, 0 to 1, by whether something came of the user.
    #[expect(clippy::cast_possible_truncation, reason = "a probability in billionths")]
    pub fn add(&mut self, risk: f64, came: bool) {
        let predicted = (risk.clamp(0.0, 1.0) * precise(BILLION)).round() as i64;
        let missed = if came { risk } else { 1.0 - risk };
        let index = usize::try_from(predicted / WIDTH).unwrap_or(0).min(BINS - 1);
        let bin = &mut self.bins[index];
        bin.users += 1;
        bin.predicted_billionths += predicted;
        bin.silent += i64::from(!came);
        bin.squared_billionths += (missed * missed * precise(BILLION)).round() as i64;
    }

    /// Adds the predictions of another part of the population.
    pub fn absorb(&mut self, other: &Self) {
        for (bin, more) in self.bins.iter_mut().zip(&other.bins) {
            bin.users += more.users;
            bin.predicted_billionths += more.predicted_billionths;
            bin.silent += more.silent;
            bin.squared_billionths += more.squared_billionths;
        }
    }

    /// The bins, by rising risk.
    #[must_use]
    pub fn bins(&self) -> &[CalibrationBin; BINS] {
        &self.bins
    }

    /// Users predicted.
    #[must_use]
    pub fn users(&self) -> i64 {
        self.bins.iter().map(|bin| bin.users).sum()
    }

    /// The calibration error: the mean absolute difference of predicted and observed share over the bins, each weighted by its users, 0 to 1; `None` without users.
    #[must_use]
    pub fn error(&self) -> Option<f64> {
        let differences = self.bins.iter().filter_map(|bin| Some((bin.predicted()? - bin.observed()?).abs() * precise(bin.users)));
        let sum: f64 = differences.sum();
        (self.users() > 0).then(|| sum / precise(self.users()))
    }

    /// The Brier score: the mean squared difference of prediction and what came (1 for nothing), 0 to 1; `None` without users.
    #[must_use]
    pub fn brier(&self) -> Option<f64> {
        let sum: i64 = self.bins.iter().map(|bin| bin.squared_billionths).sum();
        (self.users() > 0).then(|| precise(sum) / precise(BILLION) / precise(self.users()))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits of a sum")]
fn precise(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(told: Option<f64>, expected: f64) {
        assert!(told.is_some_and(|told| (told - expected).abs() < 1e-9), "{told:?} is not {expected}");
    }

    fn of(predictions: &[(f64, bool)]) -> Calibration {
        let mut calibration = Calibration::default();
        for (risk, came) in predictions {
            calibration.add(*risk, *came);
        }
        calibration
    }

    #[test]
    fn the_worked_example_is_so() {
        let (mut one, other) = (of(&[(0.12, true), (0.92, false)]), of(&[(0.14, false)]));
        one.absorb(&other);
        assert_eq!(one, of(&[(0.92, false), (0.14, false), (0.12, true)]), "in any order");
        near(one.bins()[2].predicted(), 0.13);
        near(one.bins()[2].observed(), 0.5);
        near(one.bins()[18].predicted(), 0.92);
        near(one.bins()[18].observed(), 1.0);
        near(one.error(), (2.0 * 0.37 + 0.08) / 3.0);
        near(one.brier(), (0.0144 + 0.7396 + 0.0064) / 3.0);
        assert_eq!(one.users(), 3);
    }

    #[test]
    fn a_bound_belongs_to_the_bin_above_it() {
        for (risk, bin) in [(0.0, 0), (0.049_999, 0), (0.05, 1), (0.15, 3), (0.95, 19), (1.0, 19)] {
            assert_eq!(of(&[(risk, true)]).bins()[bin].users, 1, "{risk}");
        }
    }

    #[test]
    fn what_happens_as_often_as_was_said_has_no_error_but_a_brier_score() {
        let said: Vec<(f64, bool)> = (0..100).map(|number| (0.3, number >= 30)).collect();
        near(of(&said).error(), 0.0);
        near(of(&said).brier(), 0.21);
    }

    #[test]
    fn of_nobody_nothing_is_said() {
        let nobody = Calibration::default();
        assert_eq!((nobody.users(), nobody.error(), nobody.brier()), (0, None, None));
        assert_eq!((nobody.bins()[0].predicted(), nobody.bins()[0].observed()), (None, None));
    }
}
