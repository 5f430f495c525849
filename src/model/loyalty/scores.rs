//! Scores of one user: numbers out of what is known, each `None` where nothing is.

use std::collections::BTreeMap;

use super::super::day_set::DaySet;
use super::super::purchases::Order;
use super::super::time::Day;

/// Days of the long window of cooling.
const LONG_DAYS: i32 = 84;
/// Days of the short one.
const SHORT_DAYS: i32 = 28;
/// Halvings after which an order weighs nothing for a brand.
const HALVINGS: i32 = 4;

/// Rate of active days in the 28 days that end with `day` over their rate in 84 days: 1 steady, below 1 cooling, 0 silent for four weeks, at most 3.
/// `None` before the user is known for 84 days, and without an active day in them. Of 12 active days, 1 in the last 28: (1 / 28) / (12 / 84) = 0.25.
#[must_use]
pub fn cooling(active: &DaySet, first: Option<Day>, day: Day) -> Option<f64> {
    let known = first.is_some_and(|first| day.days_since(first) + 1 >= LONG_DAYS);
    let long = active.count_between(day - (LONG_DAYS - 1), day);
    let short = active.count_between(day - (SHORT_DAYS - 1), day);
    (known && long > 0).then(|| f64::from(short) / f64::from(SHORT_DAYS) / (f64::from(long) / f64::from(LONG_DAYS)))
}

/// Probability that the gaps between active days of the 84 days that end with `day` would lengthen as they do if there were no trend: the sign test of Cox and Stuart (1955), one-sided.
/// Each gap of the earlier half is compared with the one half the gaps later; equal ones say nothing. `None` where no two differ.
/// Gaps of 1, 1, 2, 5, 6, 9 days: three of three longer, 1/8.
#[must_use]
pub fn lengthening(active: &DaySet, day: Day) -> Option<f64> {
    let days: Vec<Day> = active.days().filter(|known| *known <= day && *known > day - LONG_DAYS && active.contains(*known)).collect();
    let gaps: Vec<i32> = days.windows(2).map(|pair| pair[1].days_since(pair[0])).collect();
    let half = gaps.len() / 2;
    let later = &gaps[gaps.len() - half..];
    let (mut longer, mut differing) = (0_u32, 0_u32);
    for (earlier, later) in gaps.iter().zip(later) {
        longer += u32::from(later > earlier);
        differing += u32::from(later != earlier);
    }
    (differing > 0).then(|| upper_half(differing, longer))
}

/// P(X >= k) of n tosses of a fair coin.
fn upper_half(n: u32, k: u32) -> f64 {
    let (mut term, mut sum) = (0.5_f64.powi(n.cast_signed()), 0.0);
    for successes in 0..=n {
        if successes >= k {
            sum += term;
        }
        term = term * f64::from(n - successes) / f64::from(successes + 1);
    }
    sum.min(1.0)
}

/// Shannon entropy in bits of counts: 0 of one kind alone, 1 of two as often as each other; `None` without any. Counts of 3 and 1: 0.811.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub fn entropy(counts: &[u64]) -> Option<f64> {
    let total: u64 = counts.iter().sum();
    let share = |count: &u64| *count as f64 / total as f64;
    let bits: f64 = counts.iter().filter(|count| **count > 0).map(|count| -share(count) * share(count).log2()).sum();
    // Nothing is added to lose the sign of zero, of which `max` may return either.
    (total > 0).then(|| bits.max(0.0) + 0.0)
}

/// The weight of each brand at the end of `day`: an order counts 8 for each of its brands, half as much after each `half_life` days, and nothing after four of them.
#[must_use]
pub fn brand_weights(orders: &[Order], day: Day, half_life: i32) -> BTreeMap<&str, u64> {
    let mut weights: BTreeMap<&str, u64> = BTreeMap::new();
    let start = orders.partition_point(|order| order.day <= day - HALVINGS * half_life);
    for order in orders[start..].iter().filter(|order| order.day <= day) {
        let weight = 1 << (HALVINGS - 1 - day.days_since(order.day) / half_life);
        for brand in &order.brands {
            *weights.entry(brand).or_default() += weight;
        }
    }
    weights
}

/// The brand of the largest weight; of several, the first in the order of their bytes.
#[must_use]
pub fn heaviest<'b>(weights: &BTreeMap<&'b str, u64>) -> Option<(&'b str, u64)> {
    let mut heaviest: Option<(&str, u64)> = None;
    for (brand, weight) in weights {
        if *weight > heaviest.map_or(0, |(_, most)| most) {
            heaviest = Some((brand, *weight));
        }
    }
    heaviest
}

/// The mean of those that are known; `None` when none is.
#[must_use]
pub fn mean_known(scores: &[Option<f64>]) -> Option<f64> {
    let known = scores.iter().flatten();
    let (sum, count) = known.fold((0.0, 0.0), |(sum, count), score| (sum + score, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

/// A count as a share of what is enough, at most 1.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub fn share_of(count: u64, enough: u64) -> f64 {
    (count as f64 / enough.max(1) as f64).min(1.0)
}

/// `part / whole`; `None` when `whole` is not above 0.
#[must_use]
pub fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::money::Money;
    use crate::model::time::EventTime;

    fn set(days: &[i32]) -> DaySet {
        let mut set = DaySet::default();
        for day in days {
            set.insert(Day::from_number(*day));
        }
        set
    }

    fn text(value: Option<f64>) -> String {
        value.map_or("-".to_owned(), |value| format!("{value:.3}"))
    }

    #[test]
    fn cooling_compares_four_weeks_with_twelve() {
        let twelve: Vec<i32> = (0..11).map(|week| week * 5).chain([80]).collect();
        for (days, day, cooling_is) in [
            (twelve.clone(), 83, "0.250"),
            (twelve, 82, "-"),
            (vec![0, 83], 83, "1.500"),
            (vec![0], 83, "0.000"),
            (vec![0], 84, "-"),
            ((0..84).collect(), 83, "1.000"),
        ] {
            let first = days.first().copied().map(Day::from_number);
            assert_eq!(text(cooling(&set(&days), first, Day::from_number(day))), cooling_is, "{days:?}");
        }
    }

    #[test]
    fn gaps_that_lengthen_are_told_from_chance() {
        for (days, p) in [
            (vec![0, 1, 2, 4, 9, 15, 24], "0.125"),
            (vec![0, 9, 15, 20, 22, 23, 24], "1.000"),
            (vec![0, 7, 14, 21], "-"),
            (vec![0, 1], "-"),
            (vec![], "-"),
            (vec![0, 1, 5], "0.500"),
            // Of 1 and 1 nothing is said; 3 is longer than 2.
            (vec![0, 1, 3, 4, 7], "0.500"),
        ] {
            assert_eq!(text(lengthening(&set(&days), Day::from_number(30))), p, "{days:?}");
        }
        assert_eq!(lengthening(&set(&[0, 9, 10, 11]), Day::from_number(84)), None, "day 0 is none of the 84 days through day 84");
    }

    #[test]
    fn entropy_in_bits() {
        for (counts, bits) in
            [(vec![], "-"), (vec![0], "-"), (vec![4], "0.000"), (vec![2, 2], "1.000"), (vec![3, 0, 1], "0.811"), (vec![1; 8], "3.000")]
        {
            assert_eq!(text(entropy(&counts)), bits, "{counts:?}");
        }
    }

    #[test]
    fn means_leave_out_what_is_not_known() {
        assert_eq!(mean_known(&[None, Some(1.0), Some(0.5)]), Some(0.75));
        assert_eq!(mean_known(&[None, None]), None);
        assert_eq!((share_of(3, 6), share_of(9, 6)), (0.5, 1.0));
        assert_eq!((ratio(1.0, 4.0), ratio(1.0, 0.0)), (Some(0.25), None));
    }

    #[test]
    fn a_brand_weighs_less_the_longer_ago_it_was_ordered() {
        let ordered = |day: i32, brand: &str| {
            let day = Day::from_number(day);
            Order { brands: vec![brand.into()], ..Order::bare("", (EventTime::from_nanos(0), day), Money::ZERO) }
        };
        // With ten days to a half, 40 days ago weigh nothing, 39 days 1, 10 days 4 and 9 days 8; what comes later does not count yet.
        let orders = [ordered(0, "south"), ordered(1, "north"), ordered(30, "north"), ordered(31, "south"), ordered(41, "north")];
        let weights = brand_weights(&orders, Day::from_number(40), 10);
        assert_eq!(weights, BTreeMap::from([("north", 5), ("south", 8)]));
        assert_eq!(heaviest(&weights), Some(("south", 8)));
        assert_eq!(heaviest(&BTreeMap::from([("north", 5), ("south", 5)])), Some(("north", 5)));
        assert_eq!(heaviest(&brand_weights(&orders[..1], Day::from_number(40), 10)), None);
    }
}
