//! Responses of many users together.

use super::super::loyalty::occasions::Response;
use super::proportion::Proportion;

/// Standard deviations of a 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// The 95 % interval of the odds ratio of a response, on the log scale (Woolf 1955) with half an occasion added to each cell; occasions before and after are
/// taken for independent, which makes it too wide rather than too narrow when users keep to their habits. `None` without occasions.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub fn interval_of_odds(response: &Response) -> Option<(f64, f64)> {
    let ratio = response.odds_ratio()?;
    let cells = [response.after, response.occasions - response.after, response.before, response.occasions - response.before];
    let spread = Z * cells.iter().map(|cell| 1.0 / (*cell as f64 + 0.5)).sum::<f64>().sqrt();
    Some((ratio * (-spread).exp(), ratio * spread.exp()))
}

/// The odds of those with something over the odds of those without it, and its 95 % interval (Woolf 1955), half a user added to each cell; `None` where one of both groups is empty.
/// Of 100 with it 40, of 100 without it 20: (40.5 / 60.5) / (20.5 / 80.5) = 2.63.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub fn odds_ratio(with: &Proportion, without: &Proportion) -> Option<(f64, (f64, f64))> {
    if with.whole == 0 || without.whole == 0 {
        return None;
    }
    let cells = [with.part, with.whole - with.part, without.part, without.whole - without.part].map(|cell| cell as f64 + 0.5);
    let ratio = cells[0] / cells[1] / (cells[2] / cells[3]);
    let spread = Z * cells.iter().map(|cell| 1.0 / cell).sum::<f64>().sqrt();
    Some((ratio, (ratio * (-spread).exp(), ratio * spread.exp())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_response_is_recovered() {
        // Of a thousand occasions, four in ten had an order before and two in ten after: odds of 0.25 over 0.667.
        let planted = Response { occasions: 1_000, before: 400, after: 200 };
        let (low, high) = interval_of_odds(&planted).expect("occasions");
        assert!(low < 0.375 && 0.375 < high && high < 0.5, "{low} to {high}");
        assert_eq!(interval_of_odds(&Response::default()), None);
    }

    #[test]
    fn a_planted_interest_is_recovered() {
        // Four in ten of those who looked at competitors left, two in ten of the others: odds of 0.667 over 0.25.
        let (with, without) = (Proportion { part: 400, whole: 1_000 }, Proportion { part: 2_000, whole: 10_000 });
        let (ratio, (low, high)) = odds_ratio(&with, &without).expect("both groups");
        assert!((ratio - 8.0 / 3.0).abs() < 0.01 && 2.2 < low && low < ratio && ratio < high && high < 3.2, "{low} to {ratio} to {high}");
        assert_eq!(odds_ratio(&with, &Proportion::default()), None, "nothing to compare with");
    }

    /// Of ten occasions, two with an order after and five with one before: 0.294, over and times exp(1.96 sqrt(1 / 2.5 + 1 / 8.5 + 2 / 5.5)) = 6.296.
    #[test]
    fn half_an_occasion_is_added_to_each_cell() {
        let (low, high) = interval_of_odds(&Response { occasions: 10, before: 5, after: 2 }).expect("occasions");
        assert_eq!((format!("{low:.4}"), format!("{high:.3}")), ("0.0467".to_owned(), "1.852".to_owned()));
    }
}
