//! Share of the top buyers in revenue, over values that change: logarithmic buckets that a value can leave again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::money::Money;

/// Width of a bucket: values in it differ by at most 1 %.
const GROWTH: f64 = 1.01;

/// Buyers with positive net revenue, by logarithmic bucket of 1 %: how many there are and what they spent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevenueBuckets {
    buckets: BTreeMap<i32, (i64, Money)>,
}

impl RevenueBuckets {
    /// Moves one buyer from one net revenue to another; those not above zero are in no bucket.
    pub fn change(&mut self, from: Money, to: Money) {
        if from != to {
            self.add(from, -1);
            self.add(to, 1);
        }
    }

    fn add(&mut self, value: Money, count: i64) {
        if value <= Money::ZERO {
            return;
        }
        let bucket = self.buckets.entry(bucket_of(value)).or_default();
        bucket.0 += count;
        if count > 0 {
            bucket.1 += value;
        } else {
            bucket.1 -= value;
        }
        if bucket.0 == 0 {
            self.buckets.remove(&bucket_of(value));
        }
    }

    /// Adds the buyers of another part of the population.
    pub fn absorb(&mut self, other: &Self) {
        for (index, (count, sum)) in &other.buckets {
            let bucket = self.buckets.entry(*index).or_default();
            bucket.0 += count;
            bucket.1 += *sum;
        }
    }

    /// Share of all revenue that the top `ceil(n / 5)` of the `n` buyers have; `None` without buyers. Within half a percentage point: the bucket that is cut counts by its mean.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share of counts far below 2^53")]
    pub fn top_fifth_share(&self) -> Option<f64> {
        let buyers: i64 = self.buckets.values().map(|(count, _)| count).sum();
        let total: Money = self.buckets.values().map(|(_, sum)| *sum).sum();
        let mut wanted = buyers.checked_add(4)? / 5;
        let mut top = 0.0;
        for (count, sum) in self.buckets.values().rev() {
            let taken = wanted.min(*count);
            top += sum.as_f64() * (taken as f64 / *count as f64);
            wanted -= taken;
            if wanted == 0 {
                break;
            }
        }
        (buyers > 0).then(|| top / total.as_f64())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the logarithm of any amount is a small number")]
fn bucket_of(value: Money) -> i32 {
    (value.as_f64().ln() / GROWTH.ln()).floor() as i32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn within_half_a_point_of_sorting(cents in prop::collection::vec(-100_i128..1_000_000, 1..200)) {
            let mut buckets = RevenueBuckets::default();
            let mut sorted = Vec::new();
            for cent in cents {
                let value = Money::from_millionths(cent * 10_000);
                buckets.change(Money::ZERO, Money::from_millionths(77));
                buckets.change(Money::from_millionths(77), value);
                if value > Money::ZERO {
                    sorted.push(value.as_f64());
                }
            }
            sorted.sort_by(|a, b| b.total_cmp(a));
            let top: f64 = sorted.iter().take(sorted.len().div_ceil(5)).sum();
            let exact = top / sorted.iter().sum::<f64>();
            match buckets.top_fifth_share() {
                None => prop_assert!(sorted.is_empty()),
                Some(share) => prop_assert!((share - exact).abs() <= 0.005, "{share} {exact}"),
            }
        }
    }

    /// Of five buyers the top one counts, who has 6 of 10; of six, the top two, who have 16 of 20.
    #[test]
    fn parts_of_the_population_are_one() {
        let of = |units: &[i128]| {
            let mut buckets = RevenueBuckets::default();
            for unit in units {
                buckets.change(Money::ZERO, Money::from_millionths(unit * 1_000_000));
            }
            buckets
        };
        let share = |parts: [&[i128]; 2]| {
            let mut both = of(parts[0]);
            both.absorb(&of(parts[1]));
            both.top_fifth_share().map(|share| format!("{share:.3}"))
        };
        assert_eq!(share([&[1, 6], &[1, 1, 1]]).as_deref(), Some("0.600"));
        assert_eq!(share([&[1, 1, 1, 1], &[6, 10]]).as_deref(), Some("0.800"));
        assert_eq!(share([&[], &[]]), None);
    }
}
