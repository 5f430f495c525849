//! A new active day after all others, the case of nearly every event: what it adds to the figures, in closed form.
//!
//! With L the days of a window, k the new day, p the newest before it and g = k - p: what the user counts for changes on k .. k + 2L - 1 alone. Where p is still in
//! the window, nothing changes; from p + L on, dormant becomes retained while p is in the window before, and absent becomes resurrected after that.
//! From k + L on, the user is dormant, which they would have been up to p + 2L - 1 anyway.

use crate::engine::count::CountRule;
use crate::engine::habit::Activity;
use crate::engine::ledger::{LIFECYCLE_DAYS, Ledger, Quantity, RETENTION_DAYS, Rows};
use crate::model::time::Day;

/// Days from the new one on that can change: two of the longest windows.
const REACH: i32 = 60;
/// Length of the histogram's window.
const HISTOGRAM: i32 = 30;
/// The states of [`crate::model::lifecycle::Lifecycle::COUNTED`].
const NEW: usize = 0;
const RETAINED: usize = 1;
const RESURRECTED: usize = 2;
const DORMANT: usize = 3;

/// Whether [`append`] may be asked: `day` is later than all days before.
pub(super) fn is_later(before: &Activity, day: Day, ledger: &Ledger) -> bool {
    before.days.newest().is_none_or(|newest| newest < day) && day >= ledger.base()
}

/// Adds what `day` adds to the figures of a user who was active on the days of `before`, all earlier.
pub(super) fn append(ledger: &mut Ledger, before: &Activity, day: Day, rule: CountRule) {
    let gap = before.days.newest().map(|newest| day.days_since(newest));
    let custom = rule.mau_days.cast_signed();
    let mut rows = ledger.rows(day, REACH.max(custom) + 1);
    for (window, length) in LIFECYCLE_DAYS.into_iter().enumerate() {
        append_lifecycles(&mut rows, window, length.cast_signed(), gap);
    }
    append_histogram(&mut rows, before.days.window(day - (HISTOGRAM - 1)));
    if custom != HISTOGRAM {
        let still = gap.map_or(0, |gap| (custom - gap).max(0));
        rows.add_range((still, custom), Quantity::MAU_CUSTOM, 1);
    }
    for (index, days) in RETENTION_DAYS.into_iter().enumerate() {
        match before.first() {
            None => rows.add_range((days, days + 1), Quantity::cohort(index), 1),
            Some(first) if day.days_since(first) == days => rows.add_range((0, 1), Quantity::returned(index), 1),
            Some(_) => {}
        }
    }
}

fn append_lifecycles(rows: &mut Rows<'_>, window: usize, length: i32, gap: Option<i32>) {
    let quantity = |state| Quantity::lifecycle(window, state);
    let gap_or_long = gap.unwrap_or(2 * length).min(2 * length);
    // The window before holds p on these days, and no later one does.
    let held = ((length - gap_or_long).max(0), length.min(2 * length - gap_or_long));
    if held.0 < held.1 {
        rows.add_range(held, quantity(DORMANT), -1);
        rows.add_range(held, quantity(RETAINED), 1);
    }
    if held.1 < length {
        let state = if gap.is_none() { NEW } else { RESURRECTED };
        rows.add_range((held.1.max(0), length), quantity(state), 1);
    }
    rows.add_range((length.max(2 * length - gap_or_long), 2 * length), quantity(DORMANT), 1);
}

/// The count of active days goes up by one on the 30 days from the new one on; it goes down where one of the days before leaves the window. Bit 28 of these is the
/// day before the new one.
fn append_histogram(rows: &mut Rows<'_>, mut days: u128) {
    let mut count = days.count_ones() as usize;
    rows.add(0, Quantity::active_days(count + 1), 1);
    if count > 0 {
        rows.add(0, Quantity::active_days(count), -1);
    }
    while count > 1 {
        let leaves = days.trailing_zeros().cast_signed() + 1;
        days &= days - 1;
        rows.add_around(leaves, Quantity::active_days(count), [-1, 2, -1]);
        count -= 1;
    }
    if count == 1 {
        let leaves = days.trailing_zeros().cast_signed() + 1;
        rows.add(leaves, Quantity::active_days(2), -1);
        rows.add(leaves, Quantity::active_days(1), 2);
    }
    rows.add(HISTOGRAM, Quantity::active_days(1), -1);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::count::{Era, restate_activity};

    proptest! {
        /// A day appended is a day restated.
        #[test]
        fn agrees_with_restating(gaps in prop::collection::vec(prop_oneof![1_i32..4, 1_i32..70, 100_i32..250], 1..40), mau_days in 1_u32..=93) {
            let (mut appended, mut restated) = (Ledger::new(Day::from_number(-5)), Ledger::new(Day::from_number(-5)));
            let rule = CountRule { mau_days, return_days: 90 };
            let mut activity = Activity::default();
            let mut day = Day::from_number(0);
            for gap in gaps {
                day = day + gap;
                let before = activity;
                activity.insert(day);
                append(&mut appended, &before, day, rule);
                restate_activity(&mut restated, &before, &activity, Era::from(day), rule);
            }
            let from = Day::from_number(-5);
            prop_assert_eq!(appended.figures(from, day + 130), restated.figures(from, day + 130));
        }
    }
}
