//! Loyalty: facts of users that the measures of loyalty are made of, and the formulas of those measures.
//!
//! Facts are dated and kept as a sorted set, so that neither the order of arrival nor repeats matter; those too old to change are folded into totals.

pub mod facts;
pub mod occasions;
pub mod scores;
pub mod settings;
pub mod stage;
pub mod states;
pub mod views;

use serde::{Deserialize, Serialize};

use self::facts::Facts;
use self::occasions::Occasions;
use self::views::Views;
use super::complaints::Moment;
use super::month_day::MonthDay;
use super::seldom::Seldom;
use super::time::{Day, EventTime};

/// Everything about a user that only the measures of loyalty need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Loyalty {
    /// What the user looked at, and through which channels.
    pub views: Views,
    /// The brands of what the user looked at, as if they were items: few events tell them.
    pub brands: Seldom<Views>,
    /// Contacts, competitors, feedback and the like.
    pub facts: Seldom<Facts>,
    /// Rises of prices, offers of competitors, and failures of quality.
    pub occasions: Seldom<Occasions>,
    /// The birthday that was told last.
    pub birthday: Option<Box<Birthday>>,
}

/// A birthday as it was told. The later one of two is the larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Birthday {
    /// When it was told.
    pub told: EventTime,
    /// The day.
    pub day: MonthDay,
}

impl Loyalty {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Joins the facts of another id of the same user: an event known to both counts once.
    pub fn absorb(&mut self, other: &Self) {
        self.views.absorb(&other.views);
        self.brands.absorb(&other.brands, Views::absorb);
        self.facts.absorb(&other.facts, Facts::absorb);
        self.occasions.absorb(&other.occasions, Occasions::absorb);
        if let Some(birthday) = other.birthday.as_deref() {
            self.tell_birthday(*birthday);
        }
    }

    /// Whether something may be folded or forgotten by now, as far as the first of each list tells; of what few have, it may. Views reach back `decision_days` more.
    #[must_use]
    pub fn holds_before(&self, days: FoldDays, decision_days: i32) -> bool {
        let seldom = self.brands.bytes() + self.occasions.bytes() > 0;
        seldom || self.views.holds_before(days.orders_before - decision_days) || self.facts.holds_before(days.facts_before)
    }

    /// Gives back the memory of what was folded or forgotten.
    pub fn shrink(&mut self) {
        self.views.shrink();
        self.brands.drop_empty();
        self.facts.drop_empty();
        self.occasions.drop_empty();
    }

    /// Takes in a birthday: the one that was told last stays.
    pub fn tell_birthday(&mut self, birthday: Birthday) {
        if self.birthday.as_deref() < Some(&birthday) {
            self.birthday = Some(Box::new(birthday));
        }
    }

    /// The part after an instant, as that of a user of its own. What was looked at is told apart by day, as active days are.
    #[must_use]
    pub fn after(&self, at: Moment) -> Self {
        Self {
            views: self.views.after(at.day),
            brands: self.brands.after(at.day).into(),
            facts: self.facts.after(at.time).into(),
            occasions: self.occasions.after(at.time).into(),
            birthday: self.birthday.clone().filter(|birthday| birthday.told > at.time),
        }
    }

    /// Bytes of memory that the facts take, estimated: texts are taken for as long as most are.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        let apart = self.facts.bytes() + self.facts.approximate_bytes() + self.occasions.bytes() + self.occasions.approximate_bytes();
        size_of::<Self>() + self.views.approximate_bytes() + self.brands.bytes() + self.brands.approximate_bytes() + apart
    }
}

/// The last days of which something is folded or forgotten, once no event can reach them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldDays {
    /// Orders of before this day are about to be folded.
    pub orders_before: Day,
    /// Nothing of before this day can change.
    pub changeable_from: Day,
    /// Facts of before this day are counted, but not dated any more.
    pub facts_before: Day,
}

#[cfg(test)]
mod tests {
    use super::facts::{Fact, What};
    use super::occasions::{Occasion, OccasionKind};
    use super::*;

    /// Longer than what is kept in place.
    const TEXT: &str = "tea of the first flush";
    const AT: Moment = Moment { time: EventTime::from_nanos(5), day: Day::from_number(0) };

    #[test]
    fn the_birthday_that_was_told_last_stays() {
        let birthday = |told, day| Birthday { told: EventTime::from_nanos(told), day: MonthDay::parse(day).expect("a day") };
        let mut loyalty = Loyalty::default();
        for (told, day, stays) in [(5, "03-01", "03-01"), (4, "12-31", "03-01"), (6, "02-01", "02-01")] {
            loyalty.tell_birthday(birthday(told, day));
            assert_eq!(loyalty.birthday.as_deref().map(|known| known.day), MonthDay::parse(stays), "after {told}");
        }
        let mut other = Loyalty::default();
        other.absorb(&loyalty);
        assert_eq!(other.birthday.as_deref(), Some(&birthday(6, "02-01")));
    }

    #[test]
    fn each_part_takes_memory_beside_the_value_itself() {
        let taken = |fill: &dyn Fn(&mut Loyalty)| {
            let mut loyalty = Loyalty::default();
            fill(&mut loyalty);
            loyalty.approximate_bytes() - size_of::<Loyalty>()
        };
        let views = taken(&|loyalty| assert!(loyalty.views.see([TEXT, "", ""], AT)));
        let brands = taken(&|loyalty| assert!(loyalty.brands.make().see([TEXT, "", ""], AT)));
        let facts = taken(&|loyalty| loyalty.facts.make().add(Fact { at: AT, event: [0; 16], what: What::ReferralSent }));
        let occasion = Occasion { at: AT, event: [0; 16], kind: OccasionKind::PriceRise };
        let occasions = taken(&|loyalty| loyalty.occasions.make().add(occasion));
        assert_eq!(taken(&|_| {}), 0);
        assert!(views >= TEXT.len(), "{views}: the first row is kept in place");
        assert_eq!(brands, views + size_of::<Views>(), "set apart");
        assert!(facts > size_of::<Facts>() && occasions > size_of::<Occasions>(), "{facts} {occasions}");
    }
}
