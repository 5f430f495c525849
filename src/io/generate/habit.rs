//! Who is active on which day, and when in the day.

use std::collections::VecDeque;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::GeneratorSettings;

/// Chances, of 65,536, that a user is active on each day of the week, by rhythm: daily, workdays, weekends, now and then.
const RHYTHMS: [[u32; 7]; 4] = [
    [52_000, 52_000, 52_000, 52_000, 50_000, 44_000, 44_000],
    [30_000, 34_000, 34_000, 32_000, 26_000, 3_000, 2_000],
    [3_000, 3_000, 3_000, 4_000, 12_000, 32_000, 30_000],
    [6_000, 5_000, 5_000, 5_000, 6_000, 8_000, 8_000],
];
/// Chance, of 65,536, that a user lapses on a day.
const LAPSE: u32 = 500;
/// Chance, of 65,536, that a lapsed user comes back on a day.
const RETURN: u32 = 600;

/// Chance, in a way that does not change with the version of a library: seeds promise bytes.
#[derive(Clone)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A whole number from 0 to below `end`.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        let scaled = u64::from(self.0.next_u32()) * u64::from(end);
        u32::try_from(scaled >> 32).unwrap_or(0)
    }

    /// A number from 0 to below 1.
    pub(super) fn share(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / 4_294_967_296.0
    }

    /// One of `items`.
    pub(super) fn pick<'i, T>(&mut self, items: &'i VecDeque<T>) -> Option<&'i T> {
        let end = u32::try_from(items.len()).unwrap_or(u32::MAX);
        items.get(self.below(end) as usize)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    NotYet,
    Regular,
    Lapsed,
}

#[derive(Clone)]
struct User {
    state: State,
    signed_up: bool,
    rhythm: u8,
    /// Hour of the day around which the user is active.
    hour: u8,
    /// The day of the first activity, counted from the start.
    joins: u16,
    /// Share of the events on an active day.
    weight: u32,
}

/// All users, day by day.
#[derive(Clone)]
pub(super) struct Habits {
    users: Vec<User>,
    dice: Dice,
    /// Days from a Monday to the start.
    weekday: u16,
}

impl Habits {
    pub(super) fn new(settings: &GeneratorSettings) -> Self {
        let mut dice = Dice::new(settings.seed);
        let users = (0..settings.users).map(|rank| user(rank, settings, &mut dice)).collect();
        // 1970-01-01 was a Thursday.
        let weekday = u16::try_from((settings.start.number() + 3).rem_euclid(7)).unwrap_or(0);
        Self { users, dice, weekday }
    }

    /// The users who are active on a day, with their weights. To be called for each day, in order.
    pub(super) fn live(&mut self, day: u16) -> Vec<(u32, u32)> {
        let weekday = usize::from((self.weekday + day % 7) % 7);
        let dice = &mut self.dice;
        let active = |(index, user): (u32, &mut User)| user.lives(day, weekday, dice).then_some((index, user.weight));
        (0..).zip(&mut self.users).filter_map(active).collect()
    }

    /// A moment of the day around the user's hour, in milliseconds from its start.
    pub(super) fn time_of_day(&self, user: u32, dice: &mut Dice) -> i64 {
        const HOUR: u32 = 3_600_000;
        let hour = self.users.get(user as usize).map_or(12, |user| u32::from(user.hour));
        let around = dice.below(3 * HOUR) + dice.below(3 * HOUR);
        i64::from((hour * HOUR + 21 * HOUR + around) % (24 * HOUR))
    }

    /// Whether this is the user's first event; from now on it is not.
    pub(super) fn sign_up(&mut self, user: u32) -> bool {
        self.users.get_mut(user as usize).is_some_and(|user| !std::mem::replace(&mut user.signed_up, true))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a weight is from 1 to a million")]
fn user(rank: u32, settings: &GeneratorSettings, dice: &mut Dice) -> User {
    let weight = 1_000_000.0 / f64::from(rank + 1).powf(settings.skew);
    let joins_later = dice.below(10) < 6;
    let day = dice.below(u32::from(settings.days));
    User {
        state: State::NotYet,
        signed_up: false,
        rhythm: u8::try_from(dice.below(4)).unwrap_or(0),
        hour: u8::try_from(7 + dice.below(16)).unwrap_or(12),
        joins: if joins_later { u16::try_from(day).unwrap_or(0) } else { 0 },
        weight: weight.max(1.0) as u32,
    }
}

impl User {
    fn lives(&mut self, day: u16, weekday: usize, dice: &mut Dice) -> bool {
        let (change, activity) = (dice.below(65_536), dice.below(65_536));
        match self.state {
            State::NotYet if day == self.joins => {
                self.state = State::Regular;
                true
            }
            State::Regular if change < LAPSE => {
                self.state = State::Lapsed;
                false
            }
            State::Regular => activity < RHYTHMS[usize::from(self.rhythm)][weekday],
            State::Lapsed if change < RETURN => {
                self.state = State::Regular;
                true
            }
            State::NotYet | State::Lapsed => false,
        }
    }
}
