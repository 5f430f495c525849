//! Two groups beside each other: differences of means and of shares with intervals, and whether the groups are alike before anything was done.

pub mod arms;

use std::collections::BTreeMap;

use super::insights::proportion::Proportion;

/// Standard deviations of an interval that holds the truth 95 times in 100, with much known.
const Z: f64 = 1.959_963_984_540_054;
/// Independent values a group must have for an interval: of fewer, the quantile below is too far off.
const FEWEST: usize = 4;
/// How far apart two groups may be in something that was there before, in standard deviations; Austin (2009) and others take a tenth.
pub const LARGEST_IMBALANCE: f64 = 0.1;

/// A difference, the second group less the first, and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The difference.
    pub difference: f64,
    /// The interval; `None` with too few values.
    pub interval: Option<(f64, f64)>,
}

/// Mean, variance (over n - 1) and number of some values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// How many.
    pub count: usize,
    /// `None` without any.
    pub mean: Option<f64>,
    /// `None` of fewer than two.
    pub variance: Option<f64>,
}

impl Summary {
    /// Of these values.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn of(values: &[f64]) -> Self {
        let count = values.len();
        let mean = (count > 0).then(|| values.iter().sum::<f64>() / count as f64);
        let spread = |mean: f64| values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1) as f64;
        Self { count, mean, variance: mean.filter(|_| count > 1).map(spread) }
    }

    /// The variance of the mean, and how many independent values stand behind it.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    fn of_mean(&self, effective: f64) -> Option<(f64, f64)> {
        let enough = self.count >= FEWEST && effective >= FEWEST as f64;
        self.variance.filter(|_| enough).map(|variance| (variance / effective, effective.min(self.count as f64)))
    }
}

/// The same of whole numbers of which it is known how often each comes.
#[must_use]
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "counts are far below 2^53")]
pub fn of_counted_means(first: &BTreeMap<u64, u64>, second: &BTreeMap<u64, u64>) -> Option<Difference> {
    let summary = |counted: &BTreeMap<u64, u64>| {
        let count = counted.values().sum::<u64>() as usize;
        let sum: f64 = counted.iter().map(|(value, times)| *value as f64 * *times as f64).sum();
        let mean = (count > 0).then(|| sum / count as f64);
        let spread = |mean: f64| counted.iter().map(|(value, times)| (*value as f64 - mean).powi(2) * *times as f64).sum::<f64>();
        Summary { count, mean, variance: mean.filter(|_| count > 1).map(|mean| spread(mean) / (count - 1) as f64) }
    };
    let (first, second) = (summary(first), summary(second));
    welch((&first, first.count as f64), (&second, second.count as f64))
}

/// The difference of the means of independent values, by Welch (1947). `None` when a group has no values.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub fn of_means(first: &[f64], second: &[f64]) -> Option<Difference> {
    let (first, second) = (Summary::of(first), Summary::of(second));
    welch((&first, first.count as f64), (&second, second.count as f64))
}

/// The difference of the means of two stretches of days. Days are no independent values: each stretch counts for as many as its autocorrelation at one day leaves,
/// n (1 - r) / (1 + r) (Bayley and Hammersley 1946, of a first-order process), never for more than there are.
#[must_use]
pub fn of_series(first: &[f64], second: &[f64]) -> Option<Difference> {
    welch((&Summary::of(first), effective(first)), (&Summary::of(second), effective(second)))
}

fn welch((first, n_first): (&Summary, f64), (second, n_second): (&Summary, f64)) -> Option<Difference> {
    let difference = second.mean? - first.mean?;
    let interval = first.of_mean(n_first).zip(second.of_mean(n_second)).map(|((v_first, n_first), (v_second, n_second))| {
        let variance = v_first + v_second;
        let freedom = variance.powi(2) / (v_first.powi(2) / (n_first - 1.0) + v_second.powi(2) / (n_second - 1.0));
        let half = if variance > 0.0 { quantile(freedom) * variance.sqrt() } else { 0.0 };
        (difference - half, difference + half)
    });
    Some(Difference { difference, interval })
}

/// The 0.975 quantile of Student's distribution: Abramowitz and Stegun 26.7.5. From 3 degrees of freedom on less than 1 % off, which is why fewer values have no interval.
fn quantile(freedom: f64) -> f64 {
    let z = Z;
    let terms = [
        (z.powi(3) + z) / 4.0,
        (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0,
        (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0,
    ];
    terms.iter().rev().fold(0.0, |sum, term| (sum + term) / freedom) + z
}

/// How many independent values some successive ones are worth.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn effective(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let Some(mean) = Summary::of(values).mean else { return 0.0 };
    let total: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let lagged: f64 = values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
    let r = if total > 0.0 { (lagged / total).clamp(0.0, 0.99) } else { 0.0 };
    count * (1.0 - r) / (1.0 + r)
}

/// The difference of two shares, by Newcombe (1998, method 10): the Wilson intervals of both, joined. `None` when a group is empty.
#[must_use]
pub fn of_shares(first: &Proportion, second: &Proportion) -> Option<Difference> {
    let (p_first, p_second) = (first.share()?, second.share()?);
    let ((low_first, high_first), (low_second, high_second)) = (first.interval()?, second.interval()?);
    let difference = p_second - p_first;
    let below = ((p_second - low_second).powi(2) + (high_first - p_first).powi(2)).sqrt();
    let above = ((high_second - p_second).powi(2) + (p_first - low_first).powi(2)).sqrt();
    Some(Difference { difference, interval: Some((difference - below, difference + above)) })
}

/// How far two groups are apart, in pooled standard deviations; `None` when nothing varies.
#[must_use]
pub fn imbalance(first: &[f64], second: &[f64]) -> Option<f64> {
    let (first, second) = (Summary::of(first), Summary::of(second));
    let pooled = f64::midpoint(first.variance?, second.variance?).sqrt();
    (pooled > 0.0).then(|| (second.mean.unwrap_or_default() - first.mean.unwrap_or_default()) / pooled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(difference: Option<Difference>) -> String {
        let Some(Difference { difference, interval }) = difference else { return "none".to_owned() };
        let interval = interval.map_or("none".to_owned(), |(low, high)| format!("{low:.4} to {high:.4}"));
        format!("{difference:.4}: {interval}")
    }

    /// As scipy has it: `ttest_ind(second, first, equal_var=False).confidence_interval()`, of 27.908 degrees of freedom; 26.7.5 is within some millionths of it here.
    #[test]
    fn means_are_compared_as_welch_does() {
        let first = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4];
        let second = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 25.0];
        let Difference { difference, interval } = of_means(&first, &second).expect("values");
        let (low, high) = interval.expect("enough");
        assert!((difference - 2.873_333).abs() < 1e-5, "{difference}");
        assert!((low - 0.832_671_4).abs() < 1e-5 && (high - 4.913_995_3).abs() < 1e-5, "{low} {high}");
        assert_eq!(shown(of_means(&[1.0, 2.0], &[3.0])), "1.5000: none", "too few for an interval");
        assert_eq!(shown(of_means(&[], &[3.0])), "none");
    }

    /// Known quantiles of Student's distribution.
    #[test]
    fn counted_values_are_compared_as_values() {
        let values = |counted: &[(u64, u64)]| -> Vec<f64> {
            counted
                .iter()
                .flat_map(|(value, times)| {
                    std::iter::repeat_n(f64::from(u32::try_from(*value).expect("small")), usize::try_from(*times).expect("small"))
                })
                .collect()
        };
        let (first, second) = (vec![(0, 5), (1, 3), (4, 2)], vec![(0, 1), (2, 7), (3, 4)]);
        let counted = of_counted_means(&first.iter().copied().collect(), &second.iter().copied().collect());
        assert_eq!(shown(counted), shown(of_means(&values(&first), &values(&second))));
        assert_eq!(of_counted_means(&BTreeMap::new(), &BTreeMap::new()), None);
    }

    #[test]
    fn quantiles_are_near() {
        for (freedom, known) in [(3.0, 3.1824), (5.0, 2.5706), (10.0, 2.2281), (30.0, 2.0423), (1e9, 1.96)] {
            assert!((quantile(freedom) / known - 1.0).abs() < 0.01, "{freedom}: {}", quantile(freedom));
        }
    }

    /// Newcombe (1998), table II (a): 56 of 70 against 48 of 80, 0.0524 to 0.3339.
    #[test]
    fn shares_are_compared_as_newcombe_does() {
        let (first, second) = (Proportion { part: 48, whole: 80 }, Proportion { part: 56, whole: 70 });
        assert_eq!(shown(of_shares(&first, &second)), "0.2000: 0.0524 to 0.3339");
        assert_eq!(of_shares(&Proportion::default(), &second), None);
    }

    #[test]
    fn days_that_follow_each_other_count_for_less() {
        let rising: Vec<f64> = (0..28).map(f64::from).collect();
        assert!(effective(&rising) < 4.0);
        let alternating: Vec<f64> = (0..28).map(|day| f64::from(day % 2)).collect();
        assert!((effective(&alternating) - 28.0).abs() < 1e-9, "never for more than there are");
        let constant = [7.0; 9];
        assert_eq!(shown(of_series(&constant, &[9.0; 9])), "2.0000: 2.0000 to 2.0000");
    }

    #[test]
    fn imbalance_is_in_standard_deviations() {
        let first = [1.0, 2.0, 3.0];
        assert!((imbalance(&first, &[2.0, 3.0, 4.0]).expect("varies") - 1.0).abs() < 1e-12);
        assert_eq!(imbalance(&[1.0, 1.0], &[1.0, 1.0]), None);
    }
}
