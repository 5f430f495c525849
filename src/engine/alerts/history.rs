//! Daily series out of users' active days, for a replay that has no churn model at hand.
//!
//! Silence stands in for risk. With a lapse window of L days, a user whose last active day is s days before the end of day D is *likely to leave*
//! from s = L/2 + 1 on and *churned* from s = L + 1 on. A silent user's probability to come back on a day is the share of those of the same silence
//! who did, on all days before.

use std::collections::BTreeMap;

use super::{Entries, SegmentDay};
use crate::engine::aggregator::ALL;
use crate::model::spike::deficit::Returns;
use crate::model::time::Day;

/// The shortest silence that a return ends, in days between the two active days: one whole silent day.
const SHORTEST: i32 = 2;

/// What one day brought, by the days since the last active one.
#[derive(Clone, Debug, Default)]
struct DayOfSilence {
    /// Users whose last active day was so many days before; index 0 is unused.
    silent: Vec<u32>,
    /// Those of them who were active on the day.
    returned: Vec<u32>,
}

/// Counts the silences of users, in any order of users.
#[derive(Clone, Debug)]
pub struct SilenceHistory {
    lapse_days: i32,
    last: Day,
    days: BTreeMap<Day, DayOfSilence>,
}

impl SilenceHistory {
    /// Of the days up to `last`, with a lapse window of 2 to 3650 days (clamped).
    #[must_use]
    pub fn new(lapse_days: u16, last: Day) -> Self {
        Self { lapse_days: i32::from(lapse_days.clamp(2, 3650)), last, days: BTreeMap::new() }
    }

    /// Takes in one user's active days, each once, in order.
    pub fn add_user(&mut self, active: &[Day]) {
        for (index, day) in active.iter().enumerate().filter(|(_, day)| **day <= self.last) {
            let next = active.get(index + 1).filter(|next| **next <= self.last);
            // The day on which the silence passes the lapse window still counts as an entry.
            let end = next.copied().unwrap_or(self.last).min(*day + self.lapse_days + 1);
            self.days.entry(*day).or_default();
            for silence in 1..=end.days_since(*day) {
                let width = self.width();
                let counts = self.days.entry(*day + silence).or_default();
                counts.silent.resize(width, 0);
                counts.returned.resize(width, 0);
                let index = usize::try_from(silence).unwrap_or(0);
                counts.silent[index] += 1;
                counts.returned[index] += u32::from(next == Some(&(*day + silence)));
            }
        }
    }

    /// Silences from 0 to one day past the lapse window.
    fn width(&self) -> usize {
        usize::try_from(self.lapse_days + 2).unwrap_or(0)
    }

    /// The days in order, from the first active one on. `has_data` says of which days the events are there.
    #[must_use]
    pub fn segment_days(&self, has_data: impl Fn(Day) -> bool) -> Vec<(Day, SegmentDay)> {
        let mut known = vec![(0_u64, 0_u64); self.width()];
        let mut told = Vec::new();
        for (day, counts) in &self.days {
            let segment = SegmentDay {
                segment: ALL.to_owned(),
                has_data: has_data(*day),
                entered_high: entries(counts, 1..=self.lapse_days / 2 + 1),
                entered_churned: entries(counts, self.lapse_days / 2 + 2..=self.lapse_days + 1),
                returns: returns(counts, &known, SHORTEST..=self.lapse_days),
            };
            told.push((*day, segment));
            if has_data(*day) {
                for ((silent, returned), known) in counts.silent.iter().zip(&counts.returned).zip(&mut known) {
                    *known = (known.0 + u64::from(*silent), known.1 + u64::from(*returned));
                }
            }
        }
        told
    }
}

/// Users who could pass the last of these silences some day soon, and those who do today by not being active.
fn entries(counts: &DayOfSilence, silences: std::ops::RangeInclusive<i32>) -> Entries {
    let at = |silence: i32| usize::try_from(silence).unwrap_or(usize::MAX);
    let silent = |silence: i32| u64::from(counts.silent.get(at(silence)).copied().unwrap_or(0));
    let returned = |silence: i32| u64::from(counts.returned.get(at(silence)).copied().unwrap_or(0));
    let entered = *silences.end();
    Entries { count: silent(entered) - returned(entered), at_risk: silences.map(silent).sum() }
}

/// Returns of the day, and what the shares of the days before make of those who were silent.
#[expect(clippy::cast_precision_loss, reason = "counts of users are far below 2^53")]
fn returns(counts: &DayOfSilence, known: &[(u64, u64)], silences: std::ops::RangeInclusive<i32>) -> Returns {
    let mut sum = Returns::default();
    for index in silences.filter_map(|silence| usize::try_from(silence).ok()) {
        let (Some(silent), Some(returned)) = (counts.silent.get(index), counts.returned.get(index)) else { continue };
        let (silent_before, returned_before) = known[index];
        let share = if silent_before == 0 { 0.0 } else { returned_before as f64 / silent_before as f64 };
        sum.silent += u64::from(*silent);
        sum.observed += u64::from(*returned);
        sum.expected += share * f64::from(*silent);
        sum.variance += share * (1.0 - share) * f64::from(*silent);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(numbers: &[i32]) -> Vec<Day> {
        numbers.iter().map(|number| Day::from_number(*number)).collect()
    }

    #[test]
    fn silences_are_counted_day_by_day() {
        let mut history = SilenceHistory::new(4, Day::from_number(12));
        history.add_user(&days(&[0, 1, 4, 6]));
        history.add_user(&days(&[0]));
        let told: BTreeMap<i32, SegmentDay> = history.segment_days(|_| true).into_iter().map(|(day, told)| (day.number(), told)).collect();
        assert_eq!(told.keys().copied().collect::<Vec<_>>(), (0..=11).collect::<Vec<_>>(), "the last silence has passed by 11");
        // Silence 3 is likely to leave, silence 5 churned: the second user is there on 3 and 5, the first on 9 and 11.
        let at = |pick: fn(&SegmentDay) -> u64| told.iter().filter(|(_, day)| pick(day) > 0).map(|(day, _)| *day).collect::<Vec<_>>();
        assert_eq!(at(|day| day.entered_high.count), [3, 9]);
        assert_eq!(at(|day| day.entered_churned.count), [5, 11]);
        assert_eq!(at(|day| day.entered_churned.at_risk), [4, 5, 10, 11]);
        assert_eq!(at(|day| day.returns.observed), [4, 6]);
        // On 6 the first user has been silent for 2 days; of two such days before (2 of the second user, 3 of the first) none ended in a return.
        assert_eq!((told[&6].returns.silent, told[&6].returns.expected.to_bits()), (1, 0.0_f64.to_bits()));
        // On 8, one in three did.
        let eighth = told[&8].returns;
        assert!((eighth.expected - 1.0 / 3.0).abs() < 1e-12 && (eighth.variance - 2.0 / 9.0).abs() < 1e-12, "{eighth:?}");
    }

    #[test]
    fn a_last_day_that_is_near_ends_the_count() {
        let mut history = SilenceHistory::new(30, Day::from_number(5));
        history.add_user(&days(&[3, 9]));
        assert_eq!(history.segment_days(|_| true).len(), 3);
    }
}
