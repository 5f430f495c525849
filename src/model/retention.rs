//! Retention by weeks: cohorts of first active weeks, and how many of each came back in later ones.

use std::collections::BTreeMap;

use super::time::Day;

/// The Monday of a day's week (ISO 8601).
#[must_use]
pub fn monday_of(day: Day) -> Day {
    // 1970-01-01 was a Thursday.
    day - (day.number() + 3).rem_euclid(7)
}

/// Users by cohort (the Monday of their first active week) and offset in weeks from it; only pairs with users.
///
/// `users` gives each user's active days, in any order, repeats allowed.
pub fn weekly<D: IntoIterator<Item = Day>>(users: impl IntoIterator<Item = D>) -> BTreeMap<(Day, u32), u64> {
    let mut counts = BTreeMap::new();
    for days in users {
        let mut weeks: Vec<Day> = days.into_iter().map(monday_of).collect();
        weeks.sort_unstable();
        weeks.dedup();
        let Some(cohort) = weeks.first().copied() else { continue };
        for week in weeks {
            *counts.entry((cohort, week.days_since(cohort).unsigned_abs() / 7)).or_default() += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_start_on_monday() {
        for (day, monday) in
            [("1997-01-01", "1996-12-30"), ("1996-12-30", "1996-12-30"), ("1997-01-05", "1996-12-30"), ("1969-12-28", "1969-12-22")]
        {
            assert_eq!(monday_of(Day::parse(day).expect("a day")).to_string(), monday);
        }
    }

    #[test]
    fn a_user_counts_once_a_week() {
        let day = Day::from_number;
        let counts = weekly([vec![day(4), day(5), day(18)], vec![day(6)]]);
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), [((day(4), 0), 2), ((day(4), 2), 1)]);
    }
}
