//! What orders tell beyond day and money: prices, costs, products, and the gaps between order days.

use serde::{Deserialize, Serialize};

use super::orders::Order;
use crate::model::event::OrderDetails;
use crate::model::loyalty::facts::millionths;
use crate::model::money::Money;
use crate::model::time::Day;

/// Seconds of a wait that longer ones are taken for: a hundred years, of which a million can be added up.
const LONGEST_WAIT_S: f64 = 3_155_760_000.0;

/// What an order tells that no metric needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// Money at list prices.
    pub list_amount: Option<Money>,
    /// What it cost the business.
    pub cost: Option<Money>,
    /// Where it was placed; empty when absent.
    pub channel: Box<str>,
    /// Distinct products, sorted.
    pub items: Vec<Box<str>>,
    /// Milliseconds that the user waited for it.
    pub wait_ms: Option<i64>,
    /// Money that the user expected to pay.
    pub expected_amount: Option<Money>,
    /// Through whom it came; empty when absent.
    pub intermediary: Box<str>,
    /// Millionths of units of each of `items`, 0 where they are not told; empty when none are.
    pub units: Vec<i64>,
    /// The campaign or offer that it answers; empty when absent.
    pub campaign: Box<str>,
    /// Whether a reward was given out with it.
    pub reward_granted: bool,
}

impl From<&OrderDetails<'_>> for Details {
    fn from(details: &OrderDetails<'_>) -> Self {
        Self {
            list_amount: details.list_amount,
            cost: details.cost,
            channel: details.channel.as_ref().into(),
            items: details.items.iter().map(|item| item.as_ref().into()).collect(),
            wait_ms: details.wait_s.map(milliseconds),
            expected_amount: details.expected_amount,
            intermediary: details.intermediary.as_ref().into(),
            units: details.units.iter().copied().map(millionths).collect(),
            campaign: details.campaign.as_ref().into(),
            reward_granted: details.reward_granted,
        }
    }
}

/// Whole, so that sums of them do not depend on their order.
#[expect(clippy::cast_possible_truncation, reason = "a double beyond 64 bits is clamped, and this before")]
fn milliseconds(seconds: f64) -> i64 {
    (seconds.clamp(0.0, LONGEST_WAIT_S) * 1e3).round() as i64
}

/// Totals of what orders tell: whole numbers and exact money, so that they add up in any order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DetailTotals {
    /// Orders with a discount or a reward.
    pub assisted: u64,
    /// Orders without a discount whose amount is not below the list amount, where that is told.
    pub full_price: u64,
    /// Orders that tell their list amount.
    pub listed: u64,
    /// List amount less amount of those, in sum.
    pub saved: Money,
    /// Orders that tell their cost.
    pub costed: u64,
    /// Costs of those, in sum.
    pub cost: Money,
    /// Net money of those, in sum.
    pub costed_net: Money,
    /// Orders that tell how long the user waited.
    pub waited: u64,
    /// Milliseconds of those, in sum.
    pub wait_ms: i64,
    /// Orders that tell what the user expected to pay.
    pub expected: u64,
    /// Money expected less amount of those, in sum.
    pub expected_less_paid: Money,
    /// Orders with which a reward was given out.
    pub granted: u64,
    /// The first three distinct order days.
    pub first_days: [Option<Day>; 3],
    /// Gaps between one order day and the next.
    pub gaps: u64,
    /// Days of the gaps, in sum.
    pub gap_days: i64,
    /// Squares of the days of the gaps, in sum.
    pub gap_squares: i64,
}

impl DetailTotals {
    /// Of no orders.
    pub(super) const NONE: Self = Self {
        assisted: 0,
        full_price: 0,
        listed: 0,
        saved: Money::ZERO,
        costed: 0,
        cost: Money::ZERO,
        costed_net: Money::ZERO,
        waited: 0,
        wait_ms: 0,
        expected: 0,
        expected_less_paid: Money::ZERO,
        granted: 0,
        first_days: [None; 3],
        gaps: 0,
        gap_days: 0,
        gap_squares: 0,
    };

    pub(super) fn add(&mut self, order: &Order, net: Money) {
        self.assisted += u64::from(order.discounted || order.rewarded);
        let details = order.details.as_deref();
        let list = details.and_then(|details| details.list_amount);
        self.full_price += u64::from(!order.discounted && list.is_none_or(|list| order.amount >= list));
        if let Some(list) = list {
            self.listed += 1;
            self.saved += list - order.amount;
        }
        if let Some(cost) = details.and_then(|details| details.cost) {
            self.costed += 1;
            self.cost += cost;
            self.costed_net += net;
        }
        if let Some(wait) = details.and_then(|details| details.wait_ms) {
            self.waited += 1;
            self.wait_ms = self.wait_ms.saturating_add(wait);
        }
        if let Some(expected) = details.and_then(|details| details.expected_amount) {
            self.expected += 1;
            self.expected_less_paid += expected - order.amount;
        }
        self.granted += u64::from(details.is_some_and(|details| details.reward_granted));
    }

    /// Notes an order day, later than all before it.
    pub(super) fn add_day(&mut self, day: Day) {
        if let Some(free) = self.first_days.iter_mut().find(|known| known.is_none()) {
            *free = Some(day);
        }
    }

    pub(super) fn add_gap(&mut self, days: i32) {
        let mut rhythm = self.rhythm();
        rhythm.add_gap(days);
        Rhythm { gaps: self.gaps, days: self.gap_days, squares: self.gap_squares } = rhythm;
    }

    /// Joins the totals of another id of the same user.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.assisted += other.assisted;
        self.full_price += other.full_price;
        self.listed += other.listed;
        self.saved += other.saved;
        self.costed += other.costed;
        self.cost += other.cost;
        self.costed_net += other.costed_net;
        self.waited += other.waited;
        self.wait_ms = self.wait_ms.saturating_add(other.wait_ms);
        self.expected += other.expected;
        self.expected_less_paid += other.expected_less_paid;
        self.granted += other.granted;
        let mut days: Vec<Day> = self.first_days.into_iter().chain(other.first_days).flatten().collect();
        days.sort_unstable();
        days.dedup();
        self.first_days = [0, 1, 2].map(|at| days.get(at).copied());
        self.gaps += other.gaps;
        self.gap_days += other.gap_days;
        self.gap_squares += other.gap_squares;
    }

    /// Mean seconds of the waits that are told; `None` without any.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "waits are far below 2^53 milliseconds")]
    pub fn wait_s_mean(&self) -> Option<f64> {
        (self.waited > 0).then(|| self.wait_ms as f64 / 1e3 / self.waited as f64)
    }

    /// Coefficient of variation of the gaps between order days: standard deviation over mean, 0 of a rhythm without any deviation, 1 of orders at random;
    /// `None` with fewer than two gaps. Gaps of 2, 4 and 6 days: sqrt(3 x 56 - 12²) / 12 = 0.408.
    #[must_use]
    pub fn gap_variation(&self) -> Option<f64> {
        self.rhythm().variation()
    }

    /// The gaps alone.
    pub(super) fn rhythm(&self) -> Rhythm {
        Rhythm { gaps: self.gaps, days: self.gap_days, squares: self.gap_squares }
    }
}

/// The gaps between order days.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rhythm {
    gaps: u64,
    days: i64,
    squares: i64,
}

impl Rhythm {
    pub(super) fn add_gap(&mut self, days: i32) {
        self.gaps += 1;
        self.days += i64::from(days);
        self.squares += i64::from(days) * i64::from(days);
    }

    /// See [`DetailTotals::gap_variation`].
    #[expect(clippy::cast_precision_loss, reason = "days are far below 2^53")]
    pub(super) fn variation(self) -> Option<f64> {
        if self.gaps < 2 || self.days == 0 {
            return None;
        }
        let spread = i128::from(self.gaps) * i128::from(self.squares) - i128::from(self.days) * i128::from(self.days);
        Some((spread as f64).sqrt() / self.days as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::purchases::OrderKey;
    use crate::model::time::EventTime;

    #[test]
    fn a_steady_rhythm_does_not_vary() {
        for (gaps, variation) in [
            (vec![7], None),
            (vec![2, 4], Some("0.333")),
            (vec![7, 7, 7], Some("0.000")),
            (vec![2, 4, 6], Some("0.408")),
            (vec![1, 1, 1, 97], Some("1.663")),
        ] {
            let mut totals = DetailTotals::default();
            for days in &gaps {
                totals.add_gap(*days);
            }
            assert_eq!(totals.gap_variation().map(|value| format!("{value:.3}")).as_deref(), variation, "{gaps:?}");
        }
    }

    #[test]
    fn only_orders_that_tell_a_wait_have_a_mean() {
        let waits = |waited, wait_ms| DetailTotals { waited, wait_ms, ..DetailTotals::NONE }.wait_s_mean();
        assert_eq!((waits(0, 0), waits(1, 0), waits(2, 5_000)), (None, Some(0.0), Some(2.5)));
    }

    #[test]
    fn an_order_adds_what_it_tells() {
        let money = |units: i128| Money::from_millionths(units * 1_000_000);
        let order = |amount, discounted, details: Option<Details>| Order {
            time: EventTime::from_nanos(0),
            day: Day::from_number(0),
            key: OrderKey::OrderId("".into()),
            event_id: "".into(),
            amount: money(amount),
            brands: vec![],
            categories: vec![],
            discounted,
            rewarded: false,
            decision_log: None,
            details: details.map(Box::new),
            segments: vec![],
        };
        let told = |list, expected| Details {
            list_amount: Some(money(list)),
            cost: Some(money(4)),
            wait_ms: Some(1_500),
            expected_amount: Some(money(expected)),
            ..Details::default()
        };
        let mut totals = DetailTotals::default();
        totals.add(&order(10, false, Some(told(10, 9))), money(10));
        totals.add(&order(7, true, Some(told(10, 12))), money(5));
        totals.add(&order(8, false, Some(told(9, 8))), money(8));
        totals.add(&order(3, false, None), money(3));
        let expected = DetailTotals {
            assisted: 1,
            full_price: 2,
            listed: 3,
            saved: money(4),
            costed: 3,
            cost: money(12),
            costed_net: money(23),
            waited: 3,
            wait_ms: 4_500,
            expected: 3,
            expected_less_paid: money(4),
            ..DetailTotals::NONE
        };
        assert_eq!(totals, expected);
    }

    /// Two ids of one user, of whom one bought on days 0, 3 and 10, and the other on days 3 and 5.
    #[test]
    fn totals_of_two_ids_are_those_of_all_their_orders() {
        let money = |units: i128| Money::from_millionths(units * 1_000_000);
        let of = |days: [Option<i32>; 3], count: u64, units: i128, gaps: (u64, i64, i64)| DetailTotals {
            assisted: count,
            full_price: count + 1,
            listed: count + 2,
            saved: money(units),
            costed: count + 3,
            cost: money(units + 1),
            costed_net: money(units + 2),
            waited: count + 4,
            wait_ms: 1_000 * gaps.1,
            granted: count + 6,
            expected: count + 5,
            expected_less_paid: money(units + 3),
            first_days: days.map(|day| day.map(Day::from_number)),
            gaps: gaps.0,
            gap_days: gaps.1,
            gap_squares: gaps.2,
        };
        let mut both = of([Some(0), Some(3), Some(10)], 3, 20, (2, 10, 58));
        both.absorb(&of([Some(3), Some(5), None], 2, 7, (1, 2, 4)));
        let expected = DetailTotals {
            assisted: 5,
            full_price: 7,
            listed: 9,
            saved: money(27),
            costed: 11,
            cost: money(29),
            costed_net: money(31),
            waited: 13,
            wait_ms: 12_000,
            granted: 17,
            expected: 15,
            expected_less_paid: money(33),
            first_days: [0, 3, 5].map(|day| Some(Day::from_number(day))),
            gaps: 3,
            gap_days: 12,
            gap_squares: 62,
        };
        assert_eq!(both, expected);
    }
}
