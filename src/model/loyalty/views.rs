//! What a user looked at and through which channels, by day: repeats of an event change nothing, so that its id need not be remembered.

mod keys;
#[cfg(test)]
mod tests;

use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};
use smallvec::SmallVec;

use self::keys::{Keys, MOST_KEYS, places_for};
use super::super::complaints::Moment;
use super::super::seldom::Empty;
use super::super::time::{Day, EventTime};

/// What a view is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// A product, course or page.
    Item,
    /// The category of one.
    Category,
    /// A channel; not looked at, but come through.
    Channel,
}

/// All of them, as rows and [`View`] order them.
pub const DIMENSIONS: [Dimension; 3] = [Dimension::Item, Dimension::Category, Dimension::Channel];

/// What one event says of items, categories and channels, by [`Dimension`]; empty where it says nothing.
pub type View<'e> = [&'e str; 3];

/// Bits of a number of [`Keys`].
const KEY_BITS: u32 = 20;

/// The first event of a day that says the same of all dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    time: EventTime,
    /// Numbers of keys, the item's in the highest bits, and in the lowest two the day: how many days it is after the UTC day before that of `time`.
    packed: u64,
}

impl Row {
    fn new(numbers: [u32; 3], at: Moment) -> Self {
        let shift = (at.day.number() - utc_day(at.time) + 1).clamp(0, 3).unsigned_abs();
        let packed = numbers.into_iter().fold(0, |packed, number| packed << KEY_BITS | u64::from(number));
        Self { time: at.time, packed: packed << 2 | u64::from(shift) }
    }

    fn day(self) -> Day {
        let shift = (self.packed & 3) as i32;
        Day::from_number(utc_day(self.time) + shift - 1)
    }

    #[expect(clippy::cast_possible_truncation, reason = "twenty bits")]
    fn number(self, dimension: Dimension) -> u32 {
        let shift = 2 + KEY_BITS * (2 - dimension as u32);
        (self.packed >> shift) as u32 & MOST_KEYS
    }

    fn numbers(self) -> [u32; 3] {
        DIMENSIONS.map(|dimension| self.number(dimension))
    }

    /// Rows are sorted by this, and no two have the same.
    fn place(self) -> (Day, [u32; 3]) {
        (self.day(), self.numbers())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "an instant has less than 110,000 days")]
fn utc_day(time: EventTime) -> i32 {
    time.nanos().div_euclid(86_400_000_000_000) as i32
}

/// The first event of each day of what was looked at and come through. Takes 16 bytes a row, and each text once.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Stored<Box<str>>")]
pub struct Views {
    keys: Keys,
    rows: SmallVec<[Row; 1]>,
}

impl Empty for Views {
    const EMPTY: &'static Self = &Self { keys: Keys::NONE, rows: SmallVec::new_const() };
}

impl Views {
    /// Notes what an event says; tells whether that is news.
    pub fn see(&mut self, view: View<'_>, at: Moment) -> bool {
        let numbers = self.numbers(view);
        if numbers == [0; 3] {
            return false;
        }
        let row = Row::new(numbers, at);
        let place = (at.day, numbers);
        // Mostly events come in order.
        let found = match self.rows.last() {
            Some(last) if last.place() < place => Err(self.rows.len()),
            _ => self.rows.binary_search_by(|known| known.place().cmp(&place)),
        };
        match found {
            Ok(known) if self.rows[known].time <= row.time => return false,
            Ok(known) => self.rows[known] = row,
            Err(place) => {
                self.rows.reserve_exact(places_for::<Row>(1, self.rows.len(), self.rows.capacity()));
                self.rows.insert(place, row);
            }
        }
        true
    }

    /// Whether what an event says is no news: it was said on its day, not later than that.
    #[must_use]
    pub fn knows(&self, view: View<'_>, at: Moment) -> bool {
        let number = |text: &str| if text.is_empty() { Some(0) } else { self.keys.find(text) };
        let [Some(item), Some(category), Some(channel)] = view.map(number) else { return false };
        let place = (at.day, [item, category, channel]);
        let found = self.rows.binary_search_by(|known| known.place().cmp(&place));
        found.is_ok_and(|known| self.rows[known].time <= at.time)
    }

    /// The numbers of texts, which are kept from now on. Mostly they are those of the last row.
    fn numbers(&mut self, view: View<'_>) -> [u32; 3] {
        let last = self.rows.last().map(|last| last.numbers());
        let is_same = |numbers: &[u32; 3]| numbers.iter().zip(view).all(|(number, text)| self.keys.is(*number, text));
        last.filter(is_same).unwrap_or_else(|| view.map(|text| self.keys.number(text)))
    }

    /// Looks at what the next event is placed by. The answer says nothing.
    #[must_use]
    pub fn look(&self) -> bool {
        self.rows.last().is_some_and(|last| last.packed > 0)
    }

    /// Days with a view of each key, from `from` to `through`, added up over the keys.
    #[must_use]
    pub fn seen_between(&self, dimension: Dimension, from: Day, through: Day) -> u64 {
        self.days_of_keys(dimension, from, through).iter().map(|(_, days)| days).sum()
    }

    /// How many of some days had a view of one key.
    #[must_use]
    pub fn days_of(&self, dimension: Dimension, key: &str, from: Day, through: Day) -> u64 {
        let seen = self.days_of_keys(dimension, from, through);
        seen.into_iter().find(|(known, _)| *known == key).map_or(0, |(_, days)| days)
    }

    /// How many keys were seen from `from` to `through`.
    #[must_use]
    pub fn keys_between(&self, dimension: Dimension, from: Day, through: Day) -> u64 {
        self.days_of_keys(dimension, from, through).len() as u64
    }

    /// The channels used from `from` to `through`, each with how many days.
    pub fn channels_between(&self, from: Day, through: Day) -> impl Iterator<Item = (&str, u64)> {
        self.days_of_keys(Dimension::Channel, from, through).into_iter()
    }

    /// The key seen on most days from `from` to `through`; of several, the first in the order of their bytes.
    #[must_use]
    pub fn commonest(&self, dimension: Dimension, from: Day, through: Day) -> Option<&str> {
        let keys = self.days_of_keys(dimension, from, through).into_iter();
        keys.max_by(|(one, days), (other, more)| days.cmp(more).then_with(|| other.cmp(one))).map(|(key, _)| key)
    }

    /// The keys seen from `from` to `through`, each with how many days.
    fn days_of_keys(&self, dimension: Dimension, from: Day, through: Day) -> Vec<(&str, u64)> {
        let rows = self.rows_between(from, through).iter();
        let mut seen: Vec<(u32, Day)> = rows.map(|row| (row.number(dimension), row.day())).filter(|(number, _)| *number > 0).collect();
        seen.sort_unstable();
        seen.dedup();
        let same = seen.chunk_by(|(one, _), (other, _)| one == other);
        same.map(|days| (self.keys.text(days[0].0), days.len() as u64)).collect()
    }

    /// The hour in which something was looked at for the first time of its day on most of some days, of equals the earliest; `hour_of` gives the hour of an instant.
    #[must_use]
    pub fn favourite_hour(&self, from: Day, through: Day, hour_of: impl Fn(EventTime) -> u8) -> Option<u8> {
        let mut days = [0_u32; 24];
        let (mut today, mut seen) = (None, 0_u32);
        // In the order of their days, so that hours need be kept of one day alone.
        for row in self.rows_between(from, through) {
            let (day, hour) = (Some(row.day()), hour_of(row.time));
            if today != day {
                (today, seen) = (day, 0);
            }
            if let Some(count) = days.get_mut(usize::from(hour)).filter(|_| seen >> hour & 1 == 0) {
                *count += 1;
                seen |= 1 << hour;
            }
        }
        (0..24).zip(days).rev().max_by_key(|(_, days)| *days).filter(|(_, days)| *days > 0).map(|(hour, _)| hour)
    }

    fn rows_between(&self, from: Day, through: Day) -> &[Row] {
        let end = self.rows.partition_point(|row| row.day() <= through);
        let start = self.rows[..end].partition_point(|row| row.day() < from);
        &self.rows[start..end]
    }

    /// The first view of any of these items or categories, of those on the `lookback` days up to `at` that are later than `after` and before `at`; of each day the
    /// first view alone is known.
    #[must_use]
    pub fn first_of(
        &self,
        (items, categories): (&[Box<str>], &[Box<str>]),
        after: Option<EventTime>,
        at: Moment,
        lookback: i32,
    ) -> Option<EventTime> {
        let numbers = |texts: &[Box<str>]| -> Vec<u32> { texts.iter().filter_map(|text| self.keys.find(text)).collect() };
        let (items, categories) = (numbers(items), numbers(categories));
        if items.is_empty() && categories.is_empty() {
            return None;
        }
        let rows = &self.rows[self.rows.partition_point(|row| row.day() < at.day - lookback)..];
        // Of each key and day the first time alone counts, even when that is before `after`.
        let first = |dimension: Dimension, number: u32| {
            let of_key = rows.iter().filter(move |row| row.number(dimension) == number);
            let mut firsts: Vec<(Day, EventTime)> = of_key.map(|row| (row.day(), row.time)).collect();
            firsts.sort_unstable();
            firsts.dedup_by_key(|(day, _)| *day);
            firsts.into_iter().map(|(_, time)| time).filter(|time| Some(*time) > after && *time < at.time).min()
        };
        let items = items.into_iter().filter_map(|number| first(Dimension::Item, number));
        items.chain(categories.into_iter().filter_map(|number| first(Dimension::Category, number))).min()
    }

    /// Whether a view of before `day` is known.
    #[must_use]
    pub fn holds_before(&self, day: Day) -> bool {
        self.rows.first().is_some_and(|row| row.day() < day)
    }

    /// Forgets days of before `day`.
    pub fn forget_before(&mut self, day: Day) {
        if self.holds_before(day) {
            *self = self.later_than(day - 1);
        }
    }

    /// Gives back the memory of what was forgotten.
    pub fn shrink(&mut self) {
        self.rows.shrink_to_fit();
    }

    fn later_than(&self, day: Day) -> Self {
        let mut later = Self::default();
        for (view, at) in self.resolved().filter(|(_, at)| at.day > day) {
            later.see(view, at);
        }
        later
    }

    fn resolved(&self) -> impl Iterator<Item = (View<'_>, Moment)> {
        self.rows.iter().map(|row| (row.numbers().map(|number| self.keys.text(number)), Moment { time: row.time, day: row.day() }))
    }

    /// Joins the views of another id of the same user.
    pub fn absorb(&mut self, other: &Self) {
        for (view, at) in other.resolved() {
            self.see(view, at);
        }
    }

    /// The part after a day.
    #[must_use]
    pub fn after(&self, day: Day) -> Self {
        self.later_than(day)
    }

    /// Bytes of memory beside the value itself.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        self.keys.bytes() + if self.rows.spilled() { self.rows.capacity() * size_of::<Row>() } else { 0 }
    }
}

/// Numbers depend on the order of arrival, what is known does not.
impl PartialEq for Views {
    fn eq(&self, other: &Self) -> bool {
        Stored::of(self) == Stored::of(other)
    }
}

impl Serialize for Views {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.keys.are_in_order() {
            return Stored::of(self).serialize(serializer);
        }
        // As most are: what is stored is what there is.
        let mut stored = serializer.serialize_struct("Stored", 2)?;
        stored.serialize_field("keys", &Listed(|| self.keys.in_order()))?;
        stored.serialize_field("rows", &Listed(|| self.rows.iter().map(|row| (row.day(), row.numbers(), row.time))))?;
        stored.end()
    }
}

/// A sequence that is made as it is written.
struct Listed<F>(F);

impl<I: IntoIterator<Item: Serialize>, F: Fn() -> I> Serialize for Listed<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0())
    }
}

/// How views are written: without numbers that depend on the order of arrival, so that equal views are equal bytes.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Stored<K> {
    /// Sorted.
    keys: Vec<K>,
    /// Indices into `keys`, counted from 1, with day and time; sorted.
    rows: Vec<(Day, [u32; 3], EventTime)>,
}

impl<'v> Stored<&'v str> {
    fn of(views: &'v Views) -> Self {
        let ranks = views.keys.ranks();
        let stored = |row: &Row| (row.day(), row.numbers().map(|number| ranks[number as usize]), row.time);
        let mut rows: Vec<_> = views.rows.iter().map(stored).collect();
        rows.sort_unstable();
        Self { keys: views.keys.in_order().collect(), rows }
    }
}

impl From<Stored<Box<str>>> for Views {
    fn from(stored: Stored<Box<str>>) -> Self {
        let mut views = Self::default();
        for (day, numbers, time) in &stored.rows {
            let text = |number: u32| (number as usize).checked_sub(1).and_then(|index| stored.keys.get(index)).map_or("", |key| key);
            views.see(numbers.map(text), Moment { time: *time, day: *day });
        }
        views
    }
}
