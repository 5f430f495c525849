//! Streaks: orders in a row without a break, and the days on which they make a user loyal.

use super::orders::{Order, Purchases};
use crate::model::time::Day;

/// When a streak breaks and how long it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoyaltyRule {
    /// Orders in a row that make a user loyal.
    pub loyal_orders: u64,
    /// Days without an order after which the streak breaks.
    pub lapse_days: i32,
}

impl LoyaltyRule {
    /// Orders since the last break, by event time, counting events up to and including `day`; 0 once `day` is more than `lapse_days` after the last order.
    #[must_use]
    pub fn streak(self, purchases: &Purchases, day: Day) -> u64 {
        match last_order_day(purchases, day) {
            Some(last) if day.days_since(last) <= self.lapse_days => self.streak_unlapsed(purchases, day),
            _ => 0,
        }
    }

    /// The streak as of the last order up to `day`, however long ago that was.
    #[must_use]
    pub fn streak_unlapsed(self, purchases: &Purchases, day: Day) -> u64 {
        let orders = upto(purchases.standing(), day);
        // A break comes before an order of the same timestamp, so orders from the break's time on count.
        let last_break = purchases.breaks().iter().rfind(|broken| broken.day <= day).map(|broken| broken.time);
        let after_break = last_break.map_or(0, |broken| orders.partition_point(|order| order.time < broken));
        let mut start = orders.len();
        let mut later = None;
        // Day by day back to the last gap: orders of one day have none between them.
        while let Some(last) = start.checked_sub(1).and_then(|at| orders.get(at)).filter(|_| start > after_break) {
            if self.is_gap(last.day, later) {
                return (orders.len() - start) as u64;
            }
            start = orders[..start].partition_point(|order| order.day < last.day).max(after_break);
            later = Some(last.day);
        }
        let streak = (orders.len() - start) as u64;
        let folded = purchases.folded();
        match folded.last_day {
            Some(last) if last_break.is_none() && !self.is_gap(last, later) => streak + folded.streak,
            _ => streak,
        }
    }

    fn is_gap(self, earlier: Day, later: Option<Day>) -> bool {
        later.is_some_and(|later| later.days_since(earlier) > self.lapse_days)
    }

    /// Whether the user is loyal at the end of `day`.
    #[must_use]
    pub fn is_loyal(self, purchases: &Purchases, day: Day) -> bool {
        // Most have too few orders for any streak to do.
        purchases.standing_total().0 >= self.loyal_orders && self.streak(purchases, day) >= self.loyal_orders
    }

    /// The first day after `day` on which the streak has lapsed, when the user is loyal on `day` and nothing more happens.
    #[must_use]
    pub fn lapses_on(self, purchases: &Purchases, day: Day) -> Option<Day> {
        self.is_loyal(purchases, day).then(|| last_order_day(purchases, day)).flatten().map(|last| last + self.lapse_days + 1)
    }

    /// The days from `from` on at whose end the user is loyal, as first and last day of each stretch, ascending.
    #[must_use]
    pub fn loyal_days(self, purchases: &Purchases, from: Day) -> Vec<(Day, Day)> {
        let mut changes = purchases.order_days_from(from + 1, None);
        changes.extend(purchases.breaks().iter().map(|broken| broken.day).filter(|day| *day > from));
        changes.push(from);
        changes.sort_unstable();
        changes.dedup();
        let mut stretches: Vec<(Day, Day)> = Vec::new();
        for (index, day) in changes.iter().enumerate() {
            let Some(lapse) = self.lapses_on(purchases, *day) else { continue };
            let end = changes.get(index + 1).map_or(lapse - 1, |next| (*next - 1).min(lapse - 1));
            match stretches.last_mut() {
                Some(last) if last.1 + 1 == *day => last.1 = end,
                _ => stretches.push((*day, end)),
            }
        }
        stretches
    }
}

/// The orders up to and including a day.
fn upto(orders: &[Order], day: Day) -> &[Order] {
    &orders[..orders.partition_point(|order| order.day <= day)]
}

/// The day of the last standing order up to and including `day`.
fn last_order_day(purchases: &Purchases, day: Day) -> Option<Day> {
    upto(purchases.standing(), day).last().map(|order| order.day).or(purchases.folded().last_day)
}
