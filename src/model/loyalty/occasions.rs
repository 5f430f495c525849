//! What a user did around an occasion: whether there was an order within some days before and after a rise of prices, an offer of a competitor, or a
//! failure of quality.

use serde::{Deserialize, Serialize};

use super::super::complaints::Moment;
use super::super::purchases::Order;
use super::super::seldom::Empty;
use super::super::time::{Day, EventTime};

/// What kind of occasion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OccasionKind {
    /// `price_changed` with `new` above `old`.
    PriceRise,
    /// `competitor_offer`
    CompetitorOffer,
    /// `quality_issue`
    QualityIssue,
}

/// One occasion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Occasion {
    /// When.
    pub at: Moment,
    /// What its event is recognised by across the ids of a user; zero when it cannot be.
    pub event: [u8; 16],
    /// What.
    pub kind: OccasionKind,
}

/// Occasions of one kind, and how many of them had an order before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// Occasions whose days after are over.
    pub occasions: u64,
    /// Those with an order within the days before.
    pub before: u64,
    /// Those with an order within the days after.
    pub after: u64,
}

impl Response {
    /// Share of the occasions with an order after; `None` without any.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn share(&self) -> Option<f64> {
        (self.occasions > 0).then(|| self.after as f64 / self.occasions as f64)
    }

    /// Odds of an order after over odds of one before, half an occasion added to each cell (Haldane and Anscombe) so that none is 0; `None` without any.
    /// Of ten occasions, two with an order after and five with one before: (2.5 / 8.5) / (5.5 / 5.5) = 0.294.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn odds_ratio(&self) -> Option<f64> {
        let odds = |with: u64| (with as f64 + 0.5) / ((self.occasions - with) as f64 + 0.5);
        (self.occasions > 0).then(|| odds(self.after) / odds(self.before))
    }

    /// Adds those of another user, or of another part of the population.
    pub fn absorb(&mut self, other: &Self) {
        self.occasions += other.occasions;
        self.before += other.before;
        self.after += other.after;
    }
}

/// The occasions of a user: those that can still change one by one, and counts of the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Occasions {
    /// Sorted.
    recent: Vec<Occasion>,
    older: [Response; 3],
}

impl Empty for Occasions {
    const EMPTY: &'static Self = &Self { recent: Vec::new(), older: [Response { occasions: 0, before: 0, after: 0 }; 3] };
}

impl Occasions {
    /// Takes one in.
    pub fn add(&mut self, occasion: Occasion) {
        let at = self.recent.partition_point(|known| *known < occasion);
        self.recent.insert(at, occasion);
    }

    /// Responses by kind, of occasions whose `days` days after are over at the end of `day`. `orders` are those that stand, by time.
    #[must_use]
    pub fn responses(&self, orders: &[Order], day: Day, days: i32) -> [Response; 3] {
        let mut responses = self.older;
        for occasion in self.recent.iter().filter(|occasion| occasion.at.day + days <= day) {
            respond(&mut responses[occasion.kind as usize], occasion, orders, days);
        }
        responses
    }

    /// Counts, once and for all, occasions whose `days` days after are before `day`, which no event can reach any more. `orders` must reach as far back as they do.
    pub fn fold_before(&mut self, day: Day, orders: &[Order], days: i32) {
        let end = self.recent.partition_point(|occasion| occasion.at.day + days < day);
        for occasion in self.recent.drain(..end) {
            respond(&mut self.older[occasion.kind as usize], &occasion, orders, days);
        }
    }

    /// Joins the occasions of another id of the same user: those of one event count once.
    pub fn absorb(&mut self, other: &Self) {
        for (known, theirs) in self.older.iter_mut().zip(&other.older) {
            known.absorb(theirs);
        }
        for occasion in &other.recent {
            if occasion.event == [0; 16] || self.recent.binary_search(occasion).is_err() {
                self.add(*occasion);
            }
        }
    }

    /// The part after an instant, as that of a user of its own.
    #[must_use]
    pub fn after(&self, time: EventTime) -> Self {
        Self { recent: self.recent.iter().filter(|occasion| occasion.at.time > time).copied().collect(), older: Default::default() }
    }

    /// Bytes of memory, estimated.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        self.recent.capacity() * size_of::<Occasion>()
    }
}

fn respond(response: &mut Response, occasion: &Occasion, orders: &[Order], days: i32) {
    let at = orders.partition_point(|order| order.time <= occasion.at.time);
    // Orders of the very instant are neither before nor after.
    let before = orders[..at].iter().rfind(|order| order.time < occasion.at.time);
    response.occasions += 1;
    response.before += u64::from(before.is_some_and(|order| order.day >= occasion.at.day - days));
    response.after += u64::from(orders.get(at).is_some_and(|order| order.day <= occasion.at.day + days));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::money::Money;

    fn at(day: i32, second: i64) -> Moment {
        let time = EventTime::from_nanos((i64::from(day) * 86_400 + second) * 1_000_000_000);
        Moment { time, day: Day::from_number(day) }
    }

    fn order((day, second): (i32, i64)) -> Order {
        let Moment { time, day } = at(day, second);
        Order::bare("", (time, day), Money::ZERO)
    }

    fn occasions(moments: &[(i32, i64)]) -> Occasions {
        let mut occasions = Occasions::default();
        for (day, second) in moments {
            occasions.add(Occasion { at: at(*day, *second), event: [0; 16], kind: OccasionKind::CompetitorOffer });
        }
        occasions
    }

    /// An offer on day 20 at second 100, looked at when 14 days have passed.
    #[test]
    fn an_order_is_before_or_after_within_the_days() {
        for (orders, before, after) in [
            (vec![], 0, 0),
            (vec![(20, 100)], 0, 0),
            (vec![(20, 99), (20, 101)], 1, 1),
            (vec![(6, 0), (34, 0)], 1, 1),
            (vec![(5, 0), (35, 0)], 0, 0),
            (vec![(19, 0), (20, 100)], 1, 0),
            (vec![(2, 0), (20, 100), (21, 0)], 0, 1),
        ] {
            let placed: Vec<Order> = orders.iter().copied().map(order).collect();
            let expected = Response { occasions: 1, before, after };
            let mut offers = occasions(&[(20, 100)]);
            assert_eq!(offers.responses(&placed, Day::from_number(34), 14)[1], expected, "{orders:?}");
            assert_eq!(offers.responses(&placed, Day::from_number(33), 14)[1], Response::default(), "its days are not over");
            offers.fold_before(Day::from_number(35), &placed, 14);
            assert!(offers.recent.is_empty());
            assert_eq!(offers.responses(&[], Day::from_number(35), 14)[1], expected, "as it was when it was folded");
        }
    }

    #[test]
    fn each_occasion_takes_memory() {
        assert_eq!(Occasions::default().approximate_bytes(), 0);
        assert!(occasions(&[(1, 0), (2, 0), (3, 0)]).approximate_bytes() >= 3 * (16 + 16));
    }

    #[test]
    fn shares_and_odds() {
        for (occasions, before, after, share, odds) in
            [(0, 0, 0, "-", "-"), (10, 5, 2, "0.200", "0.294"), (10, 5, 5, "0.500", "1.000"), (1, 0, 1, "1.000", "9.000")]
        {
            let response = Response { occasions, before, after };
            let text = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
            assert_eq!((text(response.share()).as_str(), text(response.odds_ratio()).as_str()), (share, odds), "{response:?}");
        }
    }

    #[test]
    fn an_occasion_of_the_instant_itself_is_not_after_it() {
        assert_eq!(occasions(&[(1, 0), (2, 0), (2, 1)]).after(at(2, 0).time), occasions(&[(2, 1)]));
    }
}
