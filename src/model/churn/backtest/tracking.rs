//! Days of a whole population by week, as they came and as a model expected them.

use serde::Serialize;

use crate::model::churn::{ChurnProcess, History};
use crate::model::histories::Judged;
use crate::model::time::Day;

/// Days in a week.
const WEEK: i32 = 7;

/// The end of a week since the first day of all.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TrackedWeek {
    /// The first is 1.
    pub week: u32,
    /// Repeat days so far, before the end of the week.
    pub actual: u64,
    /// Those the model expected of users, each from its first day on.
    pub expected: f64,
}

/// Whole weeks from the first day of all up to and including `until`.
pub(super) fn track(judged: &[Judged], process: &ChurnProcess, until: Day) -> Vec<TrackedWeek> {
    let Some(start) = judged.iter().filter_map(|user| user.before.first()).map(|(day, _)| *day).min() else { return Vec::new() };
    let weeks = usize::try_from((until.days_since(start) + 1) / WEEK).unwrap_or(0);
    let week_of = |day: Day| usize::try_from(day.days_since(start) / WEEK).unwrap_or(0);
    let mut repeats = vec![0_u64; weeks];
    let mut first_days = std::collections::BTreeMap::<i32, f64>::new();
    for user in judged {
        let mut days = user.before.iter().chain(&user.after).map(|(day, _)| *day);
        let Some(first) = days.next() else { continue };
        *first_days.entry(first.days_since(start)).or_default() += 1.0;
        for week in days.map(week_of).filter(|week| *week < weeks) {
            repeats[week] += 1;
        }
    }
    let new = History { repeats: 0, recency_days: 0, silent_days: 0 };
    // What is expected depends on the age alone, which is a whole number of days.
    let by_age: Vec<f64> = (0..until.days_since(start) + 2).map(|age| process.expected_days(&new, f64::from(age))).collect();
    let expected = |days: i32| {
        let of_age = |age: i32| usize::try_from(age).ok().and_then(|age| by_age.get(age)).copied().unwrap_or(0.0);
        first_days.iter().map(|(first, users)| users * of_age(days - first)).sum()
    };
    let mut actual = 0;
    let week = |(week, repeats): (u32, u64)| {
        actual += repeats;
        TrackedWeek { week, actual, expected: expected(WEEK * i32::try_from(week).unwrap_or(i32::MAX)) }
    };
    (1..).zip(repeats).map(week).collect()
}
