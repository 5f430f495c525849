//! Recency, frequency and money: each user's fifth among all buyers, as the package `rfm` for R cuts them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::money::Money;

/// What is known of one buyer: days since the last order, orders, money.
pub type Buyer = (i32, u64, Money);

/// Buyers by what is known of them; equal ones are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buyers(BTreeMap<Buyer, u64>);

/// The values that part the fifths, of days, orders and money: a value below the first is of the lowest fifth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cuts {
    /// Days since the last order.
    pub recency: [f64; 4],
    /// Orders.
    pub frequency: [f64; 4],
    /// Money, in units.
    pub monetary: [f64; 4],
}

/// The values that part the fifths of buyers by money, in units: up to the first is the lowest fifth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tiers([f64; 4]);

impl Tiers {
    /// The fifth of a buyer of so much money, 5 the highest; of a value that parts two the lower one.
    #[must_use]
    pub fn of(&self, money: Money) -> u8 {
        self.0.iter().map(|cut| u8::from(money.as_f64() > *cut)).sum::<u8>() + 1
    }
}

impl Buyers {
    /// Counts one.
    pub fn count(&mut self, buyer: Buyer) {
        *self.0.entry(buyer).or_default() += 1;
    }

    /// Adds those of another part of the population.
    pub fn absorb(&mut self, other: &Self) {
        for (buyer, count) in &other.0 {
            *self.0.entry(*buyer).or_default() += count;
        }
    }

    /// How many there are.
    #[must_use]
    pub fn users(&self) -> u64 {
        self.0.values().sum()
    }

    /// The cuts: quantiles at fifths (interpolated, R's type 7) plus 1, as the package has it; `None` without buyers.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn cuts(&self) -> Option<Cuts> {
        let of = |value: fn(&Buyer) -> f64| {
            let mut values: Vec<(f64, u64)> = self.0.iter().map(|(buyer, count)| (value(buyer), *count)).collect();
            values.sort_by(|one, other| one.0.total_cmp(&other.0));
            [0.2, 0.4, 0.6, 0.8].map(|share| quantile(&values, share) + 1.0)
        };
        (!self.0.is_empty()).then(|| Cuts {
            recency: of(|buyer| f64::from(buyer.0)),
            frequency: of(|buyer| buyer.1 as f64),
            monetary: of(|buyer| buyer.2.as_f64()),
        })
    }

    /// What parts the fifths of buyers by money alone: the quantiles themselves. The 1 of the package is one of counts; added to money, it would part by the unit that money is in.
    #[must_use]
    pub fn tiers(&self) -> Option<Tiers> {
        let mut values: Vec<(f64, u64)> = self.0.iter().map(|(buyer, count)| (buyer.2.as_f64(), *count)).collect();
        values.sort_by(|one, other| one.0.total_cmp(&other.0));
        (!values.is_empty()).then(|| Tiers([0.2, 0.4, 0.6, 0.8].map(|share| quantile(&values, share))))
    }

    /// Users by score of recency and frequency, with their orders and money: `grid[recency - 1][frequency - 1]`.
    #[must_use]
    pub fn grid(&self, cuts: &Cuts) -> [[(u64, u64, Money); 5]; 5] {
        let mut grid = [[(0, 0, Money::ZERO); 5]; 5];
        for (buyer, count) in &self.0 {
            let [recency, frequency, _] = cuts.scores(buyer);
            let cell = &mut grid[usize::from(recency) - 1][usize::from(frequency) - 1];
            cell.0 += count;
            cell.1 += buyer.1 * count;
            cell.2 += Money::from_millionths(buyer.2.millionths() * i128::from(*count));
        }
        grid
    }

    /// Share of all money that the best buyers have, for each of `shares` of the buyers, as (buyers, money, share of money); those of no money count as buyers.
    #[must_use]
    pub fn pareto(&self, tenths: u64) -> Vec<(u64, Money, Option<f64>)> {
        let mut money: BTreeMap<Money, u64> = BTreeMap::new();
        for (buyer, count) in &self.0 {
            *money.entry(buyer.2).or_default() += count;
        }
        top_shares(&money, tenths)
    }
}

/// What the best of some users have, for each of `parts` of them, as (users, money, share of all money); `None` where all together have none. Where some have less than nothing,
/// the best may have more than all.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub fn top_shares(money: &BTreeMap<Money, u64>, parts: u64) -> Vec<(u64, Money, Option<f64>)> {
    let users: u64 = money.values().sum();
    let total: Money = money.iter().map(|(amount, count)| times(*amount, *count)).sum();
    let share_of = |part: Money| (total > Money::ZERO).then(|| part.millionths() as f64 / total.millionths() as f64);
    let mut points = Vec::new();
    for part in 1..=parts {
        let wanted = (users * part).div_ceil(parts);
        let (mut left, mut sum) = (wanted, Money::ZERO);
        for (amount, count) in money.iter().rev() {
            let taken = left.min(*count);
            sum += times(*amount, taken);
            left -= taken;
        }
        points.push((wanted, sum, share_of(sum)));
    }
    points
}

fn times(amount: Money, count: u64) -> Money {
    Money::from_millionths(amount.millionths() * i128::from(count))
}

impl Cuts {
    /// Scores from 1 to 5 of recency (5 the latest), frequency and money.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn scores(&self, buyer: &Buyer) -> [u8; 3] {
        let recency = 6 - fifth(&self.recency, f64::from(buyer.0));
        [recency, fifth(&self.frequency, buyer.1 as f64), fifth(&self.monetary, buyer.2.as_f64())]
    }
}

/// 1 below the first cut, 5 from the last on.
fn fifth(cuts: &[f64; 4], value: f64) -> u8 {
    cuts.iter().map(|cut| u8::from(value >= *cut)).sum::<u8>() + 1
}

/// The quantile of counted values, ascending, interpolated between order statistics: that at `(n - 1) * share`.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are far below 2^53")]
fn quantile(values: &[(f64, u64)], share: f64) -> f64 {
    let users: u64 = values.iter().map(|(_, count)| count).sum();
    let place = users.saturating_sub(1) as f64 * share;
    let at = |wanted: u64| {
        let mut seen = 0;
        let found = values.iter().find(|(_, count)| {
            seen += count;
            seen > wanted
        });
        found.or(values.last()).map_or(0.0, |(value, _)| *value)
    };
    let (low, rest) = (place.floor(), place.fract());
    let (below, above) = (at(low as u64), at(low as u64 + 1));
    below + (above - below) * rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_scores() {
        let values: Vec<(f64, u64)> = [1.0, 2.0, 3.0, 4.0, 10.0].map(|value| (value, 1)).into();
        for (share, expected) in [(0.2, "1.80"), (0.5, "3.00"), (0.8, "5.20"), (1.0, "10.00")] {
            assert_eq!(format!("{:.2}", quantile(&values, share)), expected, "as quantile(c(1, 2, 3, 4, 10), {share}) in R");
        }
        let mut buyers = Buyers::default();
        for (days, orders) in [(0, 10), (10, 8), (20, 6), (30, 4), (40, 2)] {
            buyers.count((days, orders, Money::from_millionths(i128::from(orders) * 100_000_000)));
        }
        let cuts = buyers.cuts().expect("buyers");
        let best = (0, 10, Money::from_millionths(1_000_000_000));
        assert_eq!(cuts.scores(&best), [5, 5, 5]);
        let pareto = buyers.pareto(5);
        assert_eq!((pareto[0].0, pareto[0].2, pareto[4].2), (1, Some(1.0 / 3.0), Some(1.0)), "1,000 of 3,000");
        assert_eq!(buyers.grid(&cuts).iter().flatten().map(|cell| cell.0).sum::<u64>(), 5);
    }

    #[test]
    fn a_cell_has_the_orders_and_the_money_of_all_its_buyers() {
        let money = |units: i128| Money::from_millionths(units * 1_000_000);
        let mut buyers = Buyers::default();
        for buyer in [(0, 10, money(1_000)), (0, 10, money(1_000)), (0, 10, money(1_000)), (40, 2, money(300))] {
            buyers.count(buyer);
        }
        let grid = buyers.grid(&buyers.cuts().expect("buyers"));
        let cells: Vec<_> = grid.into_iter().flatten().filter(|cell| cell.0 > 0).collect();
        assert_eq!(cells, [(1, 2, money(300)), (3, 30, money(3_000))]);
    }

    #[test]
    fn tiers_do_not_depend_on_the_unit_of_money() {
        for unit in [10_000, 1_000_000, 1_000_000_000] {
            let mut buyers = Buyers::default();
            for amount in 1..=50 {
                buyers.count((1, 1, Money::from_millionths(amount * unit)));
            }
            let tiers = buyers.tiers().expect("buyers");
            let found: Vec<u8> = (1..=50).map(|amount| tiers.of(Money::from_millionths(amount * unit))).collect();
            let expected: Vec<u8> = (1..=5).flat_map(|tier| [tier; 10]).collect();
            assert_eq!(found, expected, "amounts of 1 to 50 times {unit} millionths");
        }
        assert_eq!(Buyers::default().tiers(), None);
    }
}
