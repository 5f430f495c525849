//! What a buyer spends on an order day (Gamma-Gamma), and the value that is expected of a buyer.
//!
//! A buyer's order days have amounts Gamma(p, ν) with ν ~ Gamma(q, v) over buyers, independent of how often they buy. As in the profile, the first
//! order day is left out: x is the number of repeat days, m the mean net money on them.
//!
//! Source: Fader, Hardie (2013), The Gamma-Gamma model of monetary value.

pub mod fit;

use serde::{Deserialize, Serialize};

use super::churn::{ChurnProcess, History};
use super::gamma::ln_gamma;

/// Days of a month in the customer lifetime value: a twelfth of 365.25.
const MONTH_DAYS: f64 = 30.4375;
/// Months that the customer lifetime value looks ahead.
const MONTHS: u8 = 12;

/// Parameters of the Gamma-Gamma model: `p` and `q` without unit, `v` in money. A mean of all buyers exists for `q > 1` only.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpendParameters {
    /// Shape of a buyer's amounts.
    pub p: f64,
    /// Shape of the buyers' scales.
    pub q: f64,
    /// Scale of the buyers' scales.
    pub v: f64,
}

/// What is known of a buyer's money: repeat order days and their mean net money.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spend {
    /// x: order days after the first.
    pub repeats: u32,
    /// m: mean net money on them; without repeats it does not matter.
    pub mean: f64,
}

impl SpendParameters {
    /// Money expected on a buyer's next order day: `p (v + x m) / (p x + q - 1)`, between the buyer's own mean and that of all.
    ///
    /// Worked number: p = 6.25, q = 3.74, v = 15.44 with x = 2, m = 22.35 gives 6.25 x 60.14 / 15.24 = 24.66, without repeats 35.22.
    #[must_use]
    pub fn expected(&self, spend: &Spend) -> f64 {
        let repeats = f64::from(spend.repeats);
        let total = if spend.repeats == 0 { 0.0 } else { repeats * spend.mean.max(0.0) };
        self.p * (self.v + total) / (self.p * repeats + self.q - 1.0)
    }

    /// The logarithm of the likelihood of a mean over `repeats` days, all constants included; for `repeats >= 1` and `mean > 0`.
    #[must_use]
    pub fn log_likelihood(&self, spend: &Spend) -> f64 {
        let Self { p, q, v } = *self;
        let (x, m) = (f64::from(spend.repeats), spend.mean);
        let px = p * x;
        ln_gamma(px + q) - ln_gamma(px) - ln_gamma(q) + q * libm::log(v) + (px - 1.0) * libm::log(m) + px * libm::log(x)
            - (px + q) * libm::log(x * m + v)
    }
}

/// How future money is valued.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Valuation {
    /// Share of net money that is kept.
    pub margin: f64,
    /// Discount of a year, such as 0.10.
    pub discount_annual: f64,
}

impl Valuation {
    /// The value expected of a buyer within twelve months: `margin` x expected spend x the sum over k = 1..12 of the order days expected in month k
    /// (30.4375 days) / `(1 + discount)^(k / 12)`, in money.
    #[must_use]
    pub fn lifetime_value(&self, process: &ChurnProcess, history: &History, parameters: &SpendParameters, spend: &Spend) -> f64 {
        let up_to = (1..=MONTHS).map(|month| process.expected_days(history, f64::from(month) * MONTH_DAYS));
        self.margin * parameters.expected(spend) * self.discounted(up_to)
    }

    /// The sum of what is added in each month, discounted at its end, from what is expected up to the end of the first month, the second, ….
    #[must_use]
    pub fn discounted(&self, up_to: impl IntoIterator<Item = f64>) -> f64 {
        let (mut sum, mut before, mut month) = (0.0, 0.0, 0.0);
        for expected in up_to {
            month += 1.0;
            sum += (expected - before) * libm::exp(-libm::log1p(self.discount_annual) * month / 12.0);
            before = expected;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::churn::{ChurnModel, ChurnParameters, TimeUnit};

    const CDNOW: SpendParameters = SpendParameters { p: 6.25, q: 3.74, v: 15.44 };

    #[test]
    fn spend_lies_between_the_buyers_mean_and_that_of_all() {
        let expected = |repeats, mean| CDNOW.expected(&Spend { repeats, mean });
        assert!((expected(2, 22.35) - 24.6637).abs() < 5e-5);
        assert!((expected(0, f64::NAN) - 35.2190).abs() < 5e-5);
        assert!((expected(100_000, 22.35) - 22.35).abs() < 1e-3);
        assert!((expected(1, -5.0) - expected(1, 0.0)).abs() < f64::EPSILON, "returns beyond the order are no spend");
    }

    /// Against the density itself: over all means it integrates to one.
    #[test]
    fn the_likelihood_is_that_of_a_density() {
        for repeats in [1, 3] {
            let density = |mean: f64| CDNOW.log_likelihood(&Spend { repeats, mean }).exp();
            let step = 0.001_f64;
            let integral: f64 = (1..15_000).map(|index| (f64::from(index) * step).exp()).map(|mean| density(mean) * mean * step).sum();
            // What is below 1 and above e^15 is out of the sum.
            assert!((integral - 1.0).abs() < 1e-4, "{integral}");
        }
    }

    #[test]
    fn value_discounts_each_month() {
        let parameters = ChurnParameters { r: 0.525, alpha: 6.183, a: 0.891, b: 1.614 };
        let process = ChurnProcess { model: ChurnModel::MbgNbd, unit: TimeUnit::Week, parameters, horizon_days: 90, lapse_days: 180 };
        let history = History { repeats: 6, recency_days: 142, silent_days: 10 };
        let spend = Spend { repeats: 6, mean: 20.0 };
        let value = |margin, discount_annual| Valuation { margin, discount_annual }.lifetime_value(&process, &history, &CDNOW, &spend);
        let undiscounted = process.expected_days(&history, 365.25) * CDNOW.expected(&spend);
        assert!((value(1.0, 0.0) - undiscounted).abs() < 1e-9);
        assert!((value(0.5, 0.1) * 2.0 - value(1.0, 0.1)).abs() < 1e-9);
        let (low, high) = (undiscounted / 1.1, undiscounted / 1.1_f64.powf(1.0 / 12.0));
        assert!((low..high).contains(&value(1.0, 0.1)));
        let steady = Valuation { margin: 1.0, discount_annual: 0.21 }.discounted((1..=12).map(f64::from));
        let expected: f64 = (1..=12).map(|month| 1.21_f64.powf(-f64::from(month) / 12.0)).sum();
        assert!((steady - expected).abs() < 1e-12);
    }
}
