//! The probability that a silent user comes back on the next day, in a form that counts of users by their history can be multiplied with.

use super::{ChurnProcess, History};

/// Probabilities are told in billionths, so that sums of them are the same in any order.
pub const BILLION: f64 = 1e9;

/// Rounds to four significant binary digits, halves up: exact to 16, within 1/17 or so from there on. What users are told apart by when the returns of very many of them
/// are expected together: a year of history gives some 2,000 pairs of repeats and recency, however many users there are.
#[must_use]
pub fn rounded(number: u32) -> u32 {
    let dropped = (32 - number.leading_zeros()).saturating_sub(4);
    let half = (1_u32 << dropped) >> 1;
    (number.saturating_add(half) >> dropped) << dropped
}

impl ChurnProcess {
    /// The probability of a day of the process on the day after the as-of day, in billionths: `p_alive (1 - ((α + T) / (α + T + 1 day))^(r + x))`.
    ///
    /// Worked number: in the example of [`ChurnProcess`], a day is 1/7 week: .7062 (1 - (45.043 / 45.186)^2.525) = .00564, 5.6 million billionths.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a probability times a billion")]
    pub fn next_day_billionths(&self, history: &History) -> i64 {
        let silent = self.closed_form().risk(&history.span(self.unit), 1.0 / self.unit.days());
        (((1.0 - silent).clamp(0.0, 1.0)) * BILLION).round() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::churn::{ChurnModel, ChurnParameters, TimeUnit};

    #[test]
    fn small_numbers_are_exact_and_large_ones_nearly() {
        for number in 0..=16 {
            assert_eq!(rounded(number), number);
        }
        assert_eq!([17, 18, 19, 31, 33, 34, 100, 1000].map(rounded), [18, 18, 20, 32, 32, 36, 104, 1024]);
        for number in 1..5000 {
            assert!(rounded(number).abs_diff(number) * 16 <= number, "{number}");
        }
        assert_eq!(rounded(u32::MAX), 0xf000_0000);
    }

    #[test]
    fn the_worked_number_is_so() {
        let parameters = ChurnParameters { r: 0.525, alpha: 6.183, a: 0.891, b: 1.614 };
        let process = ChurnProcess { model: ChurnModel::MbgNbd, unit: TimeUnit::Week, parameters, horizon_days: 90, lapse_days: 180 };
        let told = process.next_day_billionths(&History { repeats: 2, recency_days: 213, silent_days: 59 });
        assert!((5_600_000..5_680_000).contains(&told), "{told}");
    }
}
