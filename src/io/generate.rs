//! Synthetic events with realistic habits, for demos, tests and load: equal settings and seed give equal bytes.
//!
//! Each user has a weekly rhythm of their own, joins on some day, may lapse and come back. How much of the whole each user does follows
//! Zipf's law. Events come in the order of their arrival; some arrive days after they happened, some twice, some are no events at all.

mod event;
mod habit;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

pub use event::{CSV_HEADER, Generated};

use crate::model::time::{Day, EventTime};
use event::{Body, Order};
use habit::{Dice, Habits};

const MILLIS_PER_DAY: i64 = 86_400_000;
/// How many of the newest events, orders and complaints repeats, returns and resolutions are chosen from.
const REMEMBERED: usize = 512;

/// What is generated.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratorSettings {
    /// Count of records, poison and repeats included.
    pub events: u64,
    /// Count of users, at least 1.
    pub users: u32,
    /// Days that events happen on, at least 1.
    pub days: u16,
    /// The first of them, in UTC.
    pub start: Day,
    /// Zipf's exponent of the users' shares of events: 0 is equal shares; at most 5.
    pub skew: f64,
    /// Share of records that arrive an hour to `late_days` after they happened.
    pub late_share: f64,
    /// Most days of lateness, at least 1.
    pub late_days: u16,
    /// Share of records that repeat an earlier event.
    pub duplicate_share: f64,
    /// Share of records that are no events.
    pub poison_share: f64,
    /// Share of `user_merged`.
    pub merge_share: f64,
    /// Share of `user_deleted`.
    pub delete_share: f64,
    /// Share of `order_placed`.
    pub order_share: f64,
    /// Share of `order_returned`.
    pub return_share: f64,
    /// Decides everything else.
    pub seed: u64,
}

impl Default for GeneratorSettings {
    /// Ten thousand events of a thousand users in the 90 days from 2024-01-01.
    fn default() -> Self {
        Self {
            events: 10_000,
            users: 1_000,
            days: 90,
            start: Day::from_date(jiff::civil::date(2024, 1, 1)),
            skew: 0.8,
            late_share: 0.02,
            late_days: 7,
            duplicate_share: 0.01,
            poison_share: 0.001,
            merge_share: 0.0005,
            delete_share: 0.0005,
            order_share: 0.1,
            return_share: 0.005,
            seed: 1,
        }
    }
}

/// A setting is out of its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GeneratorError {
    /// Of `users`, `days` or `late_days`.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// Of `skew`.
    #[error("skew must be from 0 to 5")]
    Skew,
    /// Of one of the shares.
    #[error("{0} must be from 0 to 1")]
    Share(&'static str),
    /// Of all shares but `late_share`.
    #[error("the shares of duplicates, poison, merges, deletions, orders and returns must not be more than 1 together")]
    Shares,
}

impl GeneratorSettings {
    fn shares(&self) -> [(&'static str, f64); 6] {
        [
            ("poison_share", self.poison_share),
            ("duplicate_share", self.duplicate_share),
            ("merge_share", self.merge_share),
            ("delete_share", self.delete_share),
            ("order_share", self.order_share),
            ("return_share", self.return_share),
        ]
    }

    fn check(&self) -> Result<(), GeneratorError> {
        let counts = [("users", self.users), ("days", u32::from(self.days)), ("late_days", u32::from(self.late_days))];
        if let Some((name, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err(GeneratorError::Zero(name));
        }
        if !(0.0..=5.0).contains(&self.skew) {
            return Err(GeneratorError::Skew);
        }
        let all = self.shares().into_iter().chain([("late_share", self.late_share)]);
        if let Some((name, _)) = all.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
            return Err(GeneratorError::Share(name));
        }
        let sum: f64 = self.shares().iter().map(|(_, share)| share).sum();
        if sum > 1.0 + 1e-9 { Err(GeneratorError::Shares) } else { Ok(()) }
    }
}

/// What a record is made to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Poison,
    Duplicate,
    Merge,
    Delete,
    Order,
    Return,
    Other,
}

/// Yields [`GeneratorSettings::events`] records in the order of their arrival.
pub struct Generator {
    settings: GeneratorSettings,
    habits: Habits,
    dice: Dice,
    /// The next day to be lived, counted from the start.
    next_day: u16,
    /// Sum of the weights of all users' active days: the whole that `events` is divided by.
    whole_weight: u128,
    /// The part of it that has been lived.
    lived_weight: u128,
    /// Records made so far.
    made: u64,
    /// Records that have not arrived, the next one on top.
    pending: BinaryHeap<Reverse<Generated>>,
    /// Whom a merged user is now.
    merged: HashMap<u32, u32>,
    recent: VecDeque<Generated>,
    orders: VecDeque<Order>,
    complaints: VecDeque<(u32, u64)>,
}

impl Generator {
    /// A generator of what `settings` say.
    ///
    /// # Errors
    /// When one of them is out of its range.
    pub fn new(settings: GeneratorSettings) -> Result<Self, GeneratorError> {
        settings.check()?;
        let habits = Habits::new(&settings);
        let mut rehearsal = habits.clone();
        let whole_weight =
            (0..settings.days).map(|day| rehearsal.live(day).iter().map(|(_, weight)| u128::from(*weight)).sum::<u128>()).sum();
        Ok(Self {
            dice: Dice::new(settings.seed ^ 0x5bd1_e995),
            habits,
            next_day: 0,
            whole_weight,
            lived_weight: 0,
            made: 0,
            pending: BinaryHeap::new(),
            merged: HashMap::new(),
            recent: VecDeque::new(),
            orders: VecDeque::new(),
            complaints: VecDeque::new(),
            settings,
        })
    }

    /// The first millisecond of a day counted from the start.
    fn start_of(&self, day: u16) -> i64 {
        (i64::from(self.settings.start.number()) + i64::from(day)) * MILLIS_PER_DAY
    }

    /// Makes the records that happen on the next day.
    fn live(&mut self) {
        let day = self.next_day;
        self.next_day += 1;
        for (user, weight) in self.habits.live(day) {
            self.lived_weight += u128::from(weight);
            let due = u128::from(self.settings.events) * self.lived_weight / self.whole_weight.max(1);
            let due = u64::try_from(due).unwrap_or(u64::MAX);
            while self.made < due {
                let time = self.start_of(day) + self.habits.time_of_day(user, &mut self.dice);
                self.make(user, time);
            }
        }
    }

    fn make(&mut self, user: u32, time: i64) {
        let slot = self.slot();
        let user = self.now_known_as(user);
        let (user, time, body) = match slot {
            Slot::Poison => (user, time, Body::Poison(self.dice.below(event::POISONS))),
            Slot::Duplicate => return self.repeat(user, time),
            Slot::Merge => (user, time, self.merge(user)),
            Slot::Delete => (user, time, Body::Deletion),
            Slot::Order => (user, time, self.order(user, time)),
            Slot::Return => self.give_back(user, time),
            Slot::Other => self.other(user, time),
        };
        let body = if self.habits.sign_up(user) && matches!(body, Body::Activity { .. }) { Body::Signup } else { body };
        let late = self.dice.share() < self.settings.late_share;
        let arrival = time + self.delay(late);
        let record = Generated { arrival, number: self.made, id: self.made, user, time, body };
        remember(&mut self.recent, record.clone());
        self.push(record);
    }

    fn push(&mut self, record: Generated) {
        self.made += 1;
        self.pending.push(Reverse(record));
    }

    fn slot(&mut self) -> Slot {
        let slots = [Slot::Poison, Slot::Duplicate, Slot::Merge, Slot::Delete, Slot::Order, Slot::Return];
        let mut rest = self.dice.share();
        for (slot, (_, share)) in slots.into_iter().zip(self.settings.shares()) {
            if rest < share {
                return slot;
            }
            rest -= share;
        }
        Slot::Other
    }

    /// Milliseconds until a record arrives.
    fn delay(&mut self, late: bool) -> i64 {
        const HOUR: u32 = 3_600_000;
        if late {
            let hours = u32::from(self.settings.late_days) * 24;
            i64::from(self.dice.below(hours)) * i64::from(HOUR) + i64::from(self.dice.below(HOUR)) + 1
        } else {
            i64::from(self.dice.below(3_000))
        }
    }

    fn now_known_as(&self, mut user: u32) -> u32 {
        while let Some(into) = self.merged.get(&user) {
            user = *into;
        }
        user
    }

    /// An earlier record once more, a little after this moment.
    fn repeat(&mut self, user: u32, time: i64) {
        let Some(earlier) = self.dice.pick(&self.recent).cloned() else {
            let body = self.activity();
            let record = Generated { arrival: time, number: self.made, id: self.made, user, time, body };
            return self.push(record);
        };
        let arrival = earlier.arrival.max(time) + self.delay(false);
        self.push(Generated { arrival, number: self.made, ..earlier });
    }

    fn merge(&mut self, user: u32) -> Body {
        let other = self.dice.below(self.settings.users);
        let into = self.now_known_as(other);
        if into == user {
            return self.activity();
        }
        self.merged.insert(user, into);
        Body::Merge { into }
    }

    fn order(&mut self, user: u32, time: i64) -> Body {
        let cents = 500 + self.dice.below(4_000) + self.dice.below(4_000) * self.dice.below(6);
        let order = Order { number: self.made, user, time, cents, product: self.dice.below(60), flags: self.dice.below(256) };
        remember(&mut self.orders, order);
        Body::Order(order)
    }

    /// A return of a recent order, by its user, after it.
    fn give_back(&mut self, user: u32, time: i64) -> (u32, i64, Body) {
        let Some(order) = self.dice.pick(&self.orders).copied() else { return (user, time, self.activity()) };
        let partly = self.dice.below(4) == 0;
        let cents = partly.then_some(order.cents / 2);
        (order.user, time.max(order.time + 60_000), Body::Return { order: order.number, cents })
    }

    fn activity(&mut self) -> Body {
        Body::Activity { what: self.dice.below(256), duration_s: 1 + self.dice.below(600) }
    }

    /// Mostly plain activity, and some of the rest of the vocabulary.
    fn other(&mut self, user: u32, time: i64) -> (u32, i64, Body) {
        let body = match self.dice.below(1_000) {
            0..20 => Body::Survey { recommend: 10 - self.dice.below(11) * self.dice.below(11) / 10, trust: 1 + self.dice.below(5) },
            20..30 => {
                remember(&mut self.complaints, (user, self.made));
                Body::Complaint { number: self.made, resolved: false }
            }
            30..38 => match self.dice.pick(&self.complaints).copied() {
                Some((complainer, number)) => return (complainer, time, Body::Complaint { number, resolved: true }),
                None => self.activity(),
            },
            38..48 => Body::Referral,
            48..60 => Body::Feedback { sentiment: self.dice.below(21) },
            60..63 => Body::CompetitorPurchase { cents: 500 + self.dice.below(5_000) },
            63..64 => Body::Cancellation,
            _ => self.activity(),
        };
        (user, time, body)
    }
}

fn remember<T>(newest: &mut VecDeque<T>, item: T) {
    if newest.len() == REMEMBERED {
        newest.pop_front();
    }
    newest.push_back(item);
}

impl Iterator for Generator {
    type Item = Generated;

    fn next(&mut self) -> Option<Generated> {
        // What happens on later days arrives on later days.
        while self.next_day < self.settings.days
            && self.pending.peek().is_none_or(|Reverse(next)| next.arrival >= self.start_of(self.next_day))
        {
            self.live();
        }
        self.pending.pop().map(|Reverse(record)| record)
    }
}

impl Generated {
    /// When the record arrives.
    #[must_use]
    pub fn arrived_at(&self) -> EventTime {
        EventTime::from_millis(self.arrival)
    }
}

#[cfg(test)]
mod tests;
