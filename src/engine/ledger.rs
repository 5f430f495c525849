//! Counts by day of one segment in one partition, kept as differences so that a stretch of days costs two additions.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::model::money::Money;
use crate::model::time::Day;

/// Lengths in days of the lifecycle windows, shortest first.
pub const LIFECYCLE_DAYS: [u32; 3] = [1, 7, 30];
/// Days after the first active day on which retention is counted.
pub const RETENTION_DAYS: [i32; 5] = [1, 3, 7, 14, 30];
/// Length in days of the histogram of active days.
pub const HISTOGRAM_DAYS: usize = 30;

/// One of the whole numbers that a day of a segment is made of: an index into [`Counts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity(usize);

impl Quantity {
    /// Users active in the last `mau_days` days, when that is not 30.
    pub const MAU_CUSTOM: Self = Self(0);
    /// Orders of the day that stand.
    pub const ORDERS: Self = Self(1);
    /// Buyers whose first order ever is on the day.
    pub const NEW_BUYERS: Self = Self(2);
    /// Users with an order day in the last 30 days.
    pub const BUYERS: Self = Self(3);
    /// Users with two or more order days in the last 30 days.
    pub const REPEAT_BUYERS: Self = Self(4);
    /// Complaints opened on the day.
    pub const COMPLAINTS: Self = Self(5);
    /// Complaints open at the end of the day.
    pub const COMPLAINTS_OPEN: Self = Self(6);
    /// Users who opened a complaint in the last 30 days.
    pub const COMPLAINERS: Self = Self(7);
    /// Users whose last recommendation within 30 days is 9 or 10.
    pub const PROMOTERS: Self = Self(8);
    /// The same, 7 or 8.
    pub const PASSIVES: Self = Self(9);
    /// The same, 0 to 6.
    pub const DETRACTORS: Self = Self(10);

    /// Users in one of the four counted lifecycle states, for a window of [`LIFECYCLE_DAYS`].
    #[must_use]
    pub const fn lifecycle(window: usize, state: usize) -> Self {
        Self(11 + window * 4 + state)
    }

    /// Users whose first active day was [`RETENTION_DAYS`]`[index]` days before.
    #[must_use]
    pub const fn cohort(index: usize) -> Self {
        Self(23 + index)
    }

    /// Those of the cohort who are active on the day.
    #[must_use]
    pub const fn returned(index: usize) -> Self {
        Self(28 + index)
    }

    /// Users with exactly `days` active days in the last 30, from 1.
    #[must_use]
    pub const fn active_days(days: usize) -> Self {
        Self(33 + days - 1)
    }
}

/// How many quantities there are.
pub const QUANTITIES: usize = 33 + HISTOGRAM_DAYS;

/// The absolute figures of one day of one segment in one partition. They add up over partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    numbers: Vec<i64>,
    /// Money of the day's orders, net of what was returned of them.
    pub revenue: Money,
}

impl Default for Counts {
    fn default() -> Self {
        Self { numbers: vec![0; QUANTITIES], revenue: Money::ZERO }
    }
}

impl Counts {
    /// The count of one quantity.
    #[must_use]
    pub fn get(&self, quantity: Quantity) -> i64 {
        self.numbers[quantity.0]
    }

    /// Users in a lifecycle state, for a window of [`LIFECYCLE_DAYS`].
    #[must_use]
    pub fn lifecycle(&self, window: usize, state: usize) -> i64 {
        self.get(Quantity::lifecycle(window, state))
    }

    /// Users active in a window of [`LIFECYCLE_DAYS`]: new, retained and resurrected.
    #[must_use]
    pub fn active(&self, window: usize) -> i64 {
        (0..3).map(|state| self.lifecycle(window, state)).sum()
    }

    /// Whether anyone was active in the 60 days ending on the day.
    #[must_use]
    pub fn anyone_in_60_days(&self) -> bool {
        self.active(2) > 0 || self.lifecycle(2, 3) > 0
    }

    /// Whether every figure is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.revenue == Money::ZERO && self.numbers.iter().all(|number| *number == 0)
    }

    /// Goes on to the next day, by its differences.
    fn step(&mut self, differences: &[i32]) {
        for (number, difference) in self.numbers.iter_mut().zip(differences) {
            *number += i64::from(*difference);
        }
    }

    /// Adds the figures of another part of the population.
    pub fn absorb(&mut self, other: &Self) {
        for (number, more) in self.numbers.iter_mut().zip(&other.numbers) {
            *number += more;
        }
        self.revenue += other.revenue;
    }

    /// Applies differences, as (index, difference), of [`Ledger::outlook`]; an index that does not exist is passed over.
    pub fn apply(&mut self, changes: &[(u16, i64)]) {
        for (index, difference) in changes {
            if let Some(number) = self.numbers.get_mut(usize::from(*index)) {
                *number += difference;
            }
        }
    }
}

/// The days of one segment that can still change, as differences.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ledger {
    /// The first day that can still change.
    base: Day,
    /// The figures of the day before `base`.
    level: Counts,
    /// For each day from `base` on, the difference of each quantity to the day before: rows of [`QUANTITIES`], side by side.
    steps: Vec<i32>,
    /// The revenue of each of these days, their own.
    revenue: VecDeque<Money>,
    /// Days whose figures changed since they were last taken, as first and last; those between may or may not have.
    changed: Option<(Day, Day)>,
}

impl Ledger {
    /// An empty ledger whose first day is `base`.
    #[must_use]
    pub fn new(base: Day) -> Self {
        Self { base, level: Counts::default(), steps: Vec::new(), revenue: VecDeque::new(), changed: None }
    }

    /// Whether every day has every quantity.
    pub(super) fn is_whole(&self) -> bool {
        self.level.numbers.len() == QUANTITIES && self.steps.len() == self.revenue.len() * QUANTITIES
    }

    /// The first day that can still change.
    #[must_use]
    pub fn base(&self) -> Day {
        self.base
    }

    /// Adds `difference` to a quantity on the days `from..=through`; days before the base are final and stay.
    pub fn add(&mut self, quantity: Quantity, from: Day, through: Day, difference: i32) {
        let from = from.max(self.base);
        if from > through {
            return;
        }
        let (first, end) = (self.row(from), self.row(through + 1));
        self.steps[first + quantity.0] += difference;
        self.steps[end + quantity.0] -= difference;
        self.mark(from, through);
    }

    /// Adds `difference` to a quantity from a day on, for good.
    pub fn add_from(&mut self, quantity: Quantity, from: Day, difference: i32) {
        let from = from.max(self.base);
        let first = self.row(from);
        self.steps[first + quantity.0] += difference;
        self.mark(from, super::count::FOREVER);
    }

    /// Adds money to a day's revenue; a day before the base is final and stays.
    pub fn add_revenue(&mut self, day: Day, amount: Money) {
        if day >= self.base {
            let index = self.row(day) / QUANTITIES;
            self.revenue[index] += amount;
            self.mark(day, day);
        }
    }

    fn mark(&mut self, from: Day, through: Day) {
        self.changed = Some(self.changed.map_or((from, through), |(first, last)| (first.min(from), last.max(through))));
    }

    /// Where the row of a day begins, made when there is none yet; days before the base have that of the base.
    fn row(&mut self, day: Day) -> usize {
        let index = usize::try_from(day.days_since(self.base)).unwrap_or(0);
        if self.revenue.len() <= index {
            self.revenue.resize(index + 1, Money::ZERO);
            self.steps.resize((index + 1) * QUANTITIES, 0);
        }
        index * QUANTITIES
    }

    /// The rows of the `days` days from `from` on, which is not before the base, to be changed: their figures are told anew, all but the last day's.
    pub(super) fn rows(&mut self, from: Day, days: i32) -> Rows<'_> {
        let last = from + (days - 1);
        let end = self.row(last) + QUANTITIES;
        let start = self.row(from);
        self.mark(from, last - 1);
        Rows(&mut self.steps[start..end])
    }

    /// The figures of `from..=through`, by day; days before the base are left out.
    #[must_use]
    pub fn figures(&self, from: Day, through: Day) -> Vec<(Day, Counts)> {
        let mut figures = Vec::new();
        let mut running = self.level.clone();
        let mut day = self.base;
        while day <= through {
            let index = usize::try_from(day.days_since(self.base)).unwrap_or(usize::MAX);
            running.revenue = self.revenue.get(index).copied().unwrap_or(Money::ZERO);
            if let Some(steps) = self.steps.chunks_exact(QUANTITIES).nth(index) {
                running.step(steps);
            }
            if day >= from {
                figures.push((day, running.clone()));
            }
            day = day + 1;
        }
        figures
    }

    /// How the figures go on after `through` when nothing more happens: for each later day on which one differs from the day before, the day and the differences.
    #[must_use]
    pub fn outlook(&self, through: Day) -> Vec<(Day, Vec<(u16, i64)>)> {
        let start = usize::try_from((through + 1).days_since(self.base)).unwrap_or(0);
        let steps = self.steps.chunks_exact(QUANTITIES).enumerate().skip(start);
        let sparse = |step: &[i32]| -> Vec<(u16, i64)> {
            let numbers = step.iter().zip(0_u16..);
            numbers.filter(|(number, _)| **number != 0).map(|(number, index)| (index, i64::from(*number))).collect()
        };
        let days = steps.map(|(index, step)| (self.base + i32::try_from(index).unwrap_or(i32::MAX), sparse(step)));
        days.filter(|(_, differences)| !differences.is_empty()).collect()
    }

    /// Has all days up to `front` told again.
    pub fn change_all(&mut self, front: Day) {
        self.changed = Some((self.base, front.max(self.base)));
    }

    /// Takes the first and last day whose figures may have changed since the last call.
    pub fn take_changed(&mut self) -> Option<(Day, Day)> {
        self.changed.take()
    }

    /// The days before `first` whose figures may have changed since they were last taken, as first and last.
    #[must_use]
    pub fn changed_before(&self, first: Day) -> Option<(Day, Day)> {
        self.changed.map(|(from, through)| (from, through.min(first - 1))).filter(|(from, through)| from <= through)
    }

    /// Makes every day before `base` final.
    pub fn advance(&mut self, base: Day) {
        let passed = usize::try_from(base.days_since(self.base)).unwrap_or(0).min(self.revenue.len());
        for steps in self.steps.drain(..passed * QUANTITIES).as_slice().chunks_exact(QUANTITIES) {
            self.level.step(steps);
        }
        self.revenue.drain(..passed);
        self.base = self.base.max(base);
    }
}

/// Some days of a ledger, as differences to the day before.
pub(super) struct Rows<'a>(&'a mut [i32]);

impl Rows<'_> {
    /// Adds to the difference of a quantity on the day `offset` days after the first.
    pub(super) fn add(&mut self, offset: i32, quantity: Quantity, difference: i32) {
        let row = usize::try_from(offset).unwrap_or(0) * QUANTITIES;
        self.0[row + quantity.0] += difference;
    }

    /// Adds to the differences of a quantity and its neighbours on the day `offset` days after the first.
    pub(super) fn add_around(&mut self, offset: i32, quantity: Quantity, differences: [i32; 3]) {
        let first = usize::try_from(offset).unwrap_or(0) * QUANTITIES + quantity.0 - 1;
        for (number, difference) in self.0[first..first + 3].iter_mut().zip(differences) {
            *number += difference;
        }
    }

    /// Adds `difference` to a quantity on the days `from..end`, by their offset.
    pub(super) fn add_range(&mut self, (from, end): (i32, i32), quantity: Quantity, difference: i32) {
        self.add(from, quantity, difference);
        self.add(end, quantity, -difference);
    }
}

#[cfg(test)]
#[expect(clippy::cast_sign_loss, reason = "small numbers")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_an_array(operations in prop::collection::vec((0_i32..80, 0_i32..40, -3_i32..4, 0_i32..30), 1..40)) {
            let day = Day::from_number;
            let mut ledger = Ledger::new(day(0));
            let mut plain = vec![0_i64; 200];
            let mut base = 0;
            for (from, length, difference, advance) in operations {
                ledger.add(Quantity::ORDERS, day(from), day(from + length - 1), difference);
                for number in from.max(base)..from + length {
                    plain[number as usize] += i64::from(difference);
                }
                if advance > 27 {
                    base += 3;
                    ledger.advance(day(base));
                }
            }
            for (day, counts) in ledger.figures(day(base), day(150)) {
                prop_assert_eq!(counts.get(Quantity::ORDERS), plain[day.number() as usize], "{}", day);
            }
            let mut rebuilt = ledger.figures(day(base + 5), day(base + 5))[0].1.clone();
            for (_, differences) in ledger.outlook(day(base + 5)) {
                rebuilt.apply(&differences);
            }
            prop_assert_eq!(rebuilt.get(Quantity::ORDERS), 0);
        }
    }
}
