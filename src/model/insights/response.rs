//! Responses of many users together.

use super::super::loyalty::occasions::Response;

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
}
