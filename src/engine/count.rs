//! From what is known about a user to the counts of each day: the figures of a stretch of days, added or taken away.

mod append;

use crate::engine::habit::{Activity, Habit, Rare};
use crate::engine::ledger::{LIFECYCLE_DAYS, Ledger, Quantity, RETENTION_DAYS};
use crate::model::lifecycle::LifecycleMasks;
use crate::model::money::Money;
use crate::model::purchases::Purchases;
use crate::model::survey::Recommendation;
use crate::model::time::Day;
use crate::model::windows::{any_in_window, range_mask, runs, two_in_window};

/// A day later than any that is counted.
pub const FOREVER: Day = Day::from_number(1 << 24);

/// A stretch of days, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Era {
    /// First day.
    pub from: Day,
    /// Last day; [`FOREVER`] when it does not end.
    pub through: Day,
}

impl Era {
    /// From a day on.
    #[must_use]
    pub const fn from(from: Day) -> Self {
        Self { from, through: FOREVER }
    }

    fn contains(self, day: Day) -> bool {
        self.from <= day && day <= self.through
    }

    fn clipped(self, from: Day, through: Day) -> (Day, Day) {
        (self.from.max(from), self.through.min(through))
    }
}

/// The settings that counting depends on.
#[derive(Clone, Copy, Debug)]
pub struct CountRule {
    /// Length of the monthly window.
    pub mau_days: u32,
    /// Days within which an order can be returned.
    pub return_days: i32,
}

/// The ledgers of a partition: 0 is everything, the others are breakdown segments.
pub type Ledgers = [Ledger];

/// Adds (`sign` 1) or takes away (-1) all that a user counts for on the days of an era.
pub fn count_habit(ledgers: &mut Ledgers, habit: &Habit, era: Era, rule: CountRule, sign: i32) {
    count_activity(&mut ledgers[0], &habit.activity, era, rule, sign);
    let Some(rare) = &habit.rare else { return };
    for (segment, activity) in &rare.segments {
        count_activity(&mut ledgers[*segment as usize], activity, era, rule, sign);
    }
    count_purchases(ledgers, &rare.purchases, era, rule, sign);
    count_complaints(ledgers, rare, era, sign);
    count_surveys(&mut ledgers[0], rare, era, sign);
}

fn count_activity(ledger: &mut Ledger, activity: &Activity, era: Era, rule: CountRule, sign: i32) {
    let nothing = Activity::default();
    if sign > 0 {
        restate_activity(ledger, &nothing, activity, era, rule);
    } else {
        restate_activity(ledger, activity, &nothing, era, rule);
    }
}

/// Counts a new active day of a user from that day on: `after` is `before` with it.
pub fn add_active_day(ledger: &mut Ledger, before: &Activity, after: &Activity, day: Day, rule: CountRule) {
    if append::is_later(before, day, ledger) {
        append::append(ledger, before, day, rule);
    } else {
        restate_activity(ledger, before, after, Era::from(day), rule);
    }
}

/// Restates what an activity counts for on the days of an era, from what it was to what it is.
pub fn restate_activity(ledger: &mut Ledger, before: &Activity, after: &Activity, era: Era, rule: CountRule) {
    let Some(newest) = before.days.newest().max(after.days.newest()) else { return };
    // Two windows of the longest lifecycle after the newest day, nothing of it is left.
    let (from, through) = era.clipped(ledger.base(), newest + 60);
    for (base, valid) in chunks(from, through, 60) {
        let old = (before.days.window(base), offset(before.first(), base));
        let new = (after.days.window(base), offset(after.first(), base));
        change_lifecycles(ledger, old, new, base, valid);
        change_histogram(ledger, old.0, new.0, base, valid);
    }
    if rule.mau_days != 30 {
        let (from, through) = era.clipped(ledger.base(), newest + rule.mau_days.cast_signed());
        for (base, valid) in chunks(from, through, rule.mau_days.cast_signed()) {
            let old = any_in_window(before.days.window(base), rule.mau_days);
            let new = any_in_window(after.days.window(base), rule.mau_days);
            change_runs(ledger, Quantity::MAU_CUSTOM, old, new, base, valid);
        }
    }
    change_retention(ledger, before, after, era);
}

/// Splits `from..=through` into pieces that fit 128 bits with `lookback` days before them: the day of bit 0, and the bits of the piece.
fn chunks(from: Day, through: Day, lookback: i32) -> impl Iterator<Item = (Day, u128)> {
    let mut start = from;
    std::iter::from_fn(move || {
        if start > through {
            return None;
        }
        let base = start - lookback;
        let end = through.min(base + 127);
        start = end + 1;
        Some((base, range_mask(lookback, end.days_since(base))))
    })
}

/// A first day as a bit; far outside when there is none.
fn offset(first: Option<Day>, base: Day) -> i32 {
    first.map_or(1 << 20, |first| first.days_since(base))
}

fn change_lifecycles(ledger: &mut Ledger, old: (u128, i32), new: (u128, i32), base: Day, valid: u128) {
    for (window, length) in LIFECYCLE_DAYS.into_iter().enumerate() {
        let old = LifecycleMasks::new(old.0, old.1, length);
        let new = LifecycleMasks::new(new.0, new.1, length);
        for state in 0..4 {
            change_runs(ledger, Quantity::lifecycle(window, state), old.states[state], new.states[state], base, valid);
        }
    }
}

/// Adds 1 where a mask came to be set and takes 1 away where it no longer is.
fn change_runs(ledger: &mut Ledger, quantity: Quantity, old: u128, new: u128, base: Day, valid: u128) {
    for (mask, difference) in [(new & !old & valid, 1), (old & !new & valid, -1)] {
        for (start, end) in runs(mask) {
            ledger.add(quantity, base + start, base + end, difference);
        }
    }
}

fn change_histogram(ledger: &mut Ledger, old: u128, new: u128, base: Day, valid: u128) {
    let days = old | new;
    let start = valid.trailing_zeros().cast_signed();
    let end = 127 - valid.leading_zeros().cast_signed();
    // A count changes only on an active day and 30 days after one.
    let mut steps = (days | days << 30) & range_mask(start + 1, end);
    let mut from = start;
    loop {
        let next = if steps == 0 { end + 1 } else { steps.trailing_zeros().cast_signed() };
        let window = range_mask(from - 29, from);
        let counts = [((old & window).count_ones(), -1), ((new & window).count_ones(), 1)];
        if counts[0].0 != counts[1].0 {
            for (count, difference) in counts.into_iter().filter(|(count, _)| *count > 0) {
                ledger.add(Quantity::active_days(count as usize), base + from, base + (next - 1), difference);
            }
        }
        if steps == 0 {
            return;
        }
        from = next;
        steps &= steps - 1;
    }
}

fn change_retention(ledger: &mut Ledger, before: &Activity, after: &Activity, era: Era) {
    for (index, days) in RETENTION_DAYS.into_iter().enumerate() {
        for (activity, difference) in [(before, -1), (after, 1)] {
            let Some(day) = activity.first().map(|first| first + days).filter(|day| era.contains(*day)) else { continue };
            let same_cohort = before.first() == after.first();
            if !same_cohort {
                ledger.add(Quantity::cohort(index), day, day, difference);
            }
            if activity.days.contains(day) && !(same_cohort && before.days.contains(day) && after.days.contains(day)) {
                ledger.add(Quantity::returned(index), day, day, difference);
            }
        }
    }
}

/// Adds or takes away what the purchases of a user count for on the days of an era.
pub fn count_purchases(ledgers: &mut Ledgers, purchases: &Purchases, era: Era, rule: CountRule, sign: i32) {
    if purchases.is_empty() {
        return;
    }
    for order in purchases.standing_from(era.from).iter().take_while(|order| order.day <= era.through) {
        let net = purchases.net(order, rule.return_days).unwrap_or_default();
        count_order(ledgers, order.day, net, &order.segments, sign);
    }
    let segments: Vec<u32> = purchases.segments().into_iter().collect();
    count_buying_days(ledgers, purchases, &segments, era, sign);
}

/// Adds or takes away one order.
pub fn count_order(ledgers: &mut Ledgers, day: Day, net: Money, segments: &[u32], sign: i32) {
    for ledger in std::iter::once(0).chain(segments.iter().map(|segment| *segment as usize)) {
        ledgers[ledger].add(Quantity::ORDERS, day, day, sign);
        ledgers[ledger].add_revenue(day, if sign > 0 { net } else { -net });
    }
}

/// Adds or takes away a buyer, in everything and in some breakdown segments: the first order day, and the windows over order days.
pub fn count_buying_days(ledgers: &mut Ledgers, purchases: &Purchases, segments: &[u32], era: Era, sign: i32) {
    for segment in std::iter::once(None).chain(segments.iter().map(|segment| Some(*segment))) {
        let ledger = &mut ledgers[segment.unwrap_or(0) as usize];
        if let Some(first) = purchases.first_order_day(segment).filter(|day| era.contains(*day)) {
            ledger.add(Quantity::NEW_BUYERS, first, first, sign);
        }
        let days = purchases.order_days_from(era.from.max(ledger.base()) - 29, segment);
        count_windows(ledger, &days, era, sign, &[(Quantity::BUYERS, any_in_window), (Quantity::REPEAT_BUYERS, two_in_window)]);
    }
}

type Window = fn(u128, u32) -> u128;

/// Counts a user on each day of an era whose 30-day window over `days` (ascending) a rule accepts.
fn count_windows(ledger: &mut Ledger, days: &[Day], era: Era, sign: i32, rules: &[(Quantity, Window)]) {
    let Some(last) = days.last() else { return };
    let (from, through) = era.clipped(ledger.base(), *last + 29);
    for (base, valid) in chunks(from, through, 30) {
        let mut bits = 0_u128;
        for day in days {
            let bit = day.days_since(base);
            bits |= range_mask(bit, bit);
        }
        for (quantity, rule) in rules {
            for (start, end) in runs(rule(bits, 30) & valid) {
                ledger.add(*quantity, base + start, base + end, sign);
            }
        }
    }
}

/// Adds or takes away what the complaints of a user count for on the days of an era.
pub fn count_complaints(ledgers: &mut Ledgers, rare: &Rare, era: Era, sign: i32) {
    if rare.complaints.is_empty() {
        return;
    }
    let all = rare.complaints.all();
    let mut segments: Vec<u32> = all.iter().flat_map(|complaint| complaint.opening.segments.iter().copied()).collect();
    segments.sort_unstable();
    segments.dedup();
    for segment in std::iter::once(None).chain(segments.into_iter().map(Some)) {
        let ledger = &mut ledgers[segment.unwrap_or(0) as usize];
        let mut opened = Vec::new();
        for complaint in all.iter().filter(|complaint| complaint.counts_in(segment)) {
            let day = complaint.opening.at.day;
            opened.push(day);
            if era.contains(day) {
                ledger.add(Quantity::COMPLAINTS, day, day, sign);
            }
            let end = complaint.resolved.map_or(FOREVER, |end| end.day - 1);
            match era.clipped(day, end) {
                (from, FOREVER) => ledger.add_from(Quantity::COMPLAINTS_OPEN, from, sign),
                (from, through) => ledger.add(Quantity::COMPLAINTS_OPEN, from, through, sign),
            }
        }
        opened.sort_unstable();
        count_windows(ledger, &opened, era, sign, &[(Quantity::COMPLAINERS, any_in_window)]);
    }
}

/// Adds or takes away what the survey answers of a user count for on the days of an era.
pub fn count_surveys(ledger: &mut Ledger, rare: &Rare, era: Era, sign: i32) {
    for (class, from, through) in rare.surveys.recommendation_days() {
        let quantity = match class {
            Recommendation::Promoter => Quantity::PROMOTERS,
            Recommendation::Passive => Quantity::PASSIVES,
            Recommendation::Detractor => Quantity::DETRACTORS,
        };
        let (from, through) = era.clipped(from, through);
        ledger.add(quantity, from, through, sign);
    }
}
