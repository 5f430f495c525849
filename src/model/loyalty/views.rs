//! What a user looked at and through which channels, by day: repeats of an event change nothing, so that its id need not be remembered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::complaints::Moment;
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

/// The days on which something was seen, each with the first time; ascending.
type Days = Vec<(Day, EventTime)>;

/// The first view of each day of each item and category, and the first use of each channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Views([BTreeMap<Box<str>, Days>; 3]);

/// Bytes of a text and its place in a map, as most are.
const BYTES_OF_A_KEY: usize = 64;

impl Views {
    /// Notes that something was seen; tells whether that is news.
    pub fn see(&mut self, dimension: Dimension, key: &str, at: Moment) -> bool {
        let keys = &mut self.0[dimension as usize];
        let days = match keys.get_mut(key) {
            Some(days) => days,
            None => keys.entry(key.into()).or_default(),
        };
        match days.binary_search_by_key(&at.day, |(day, _)| *day) {
            Ok(known) if days[known].1 <= at.time => return false,
            Ok(known) => days[known].1 = at.time,
            Err(place) => days.insert(place, (at.day, at.time)),
        }
        true
    }

    /// Days with a view of each key, from `from` to `through`, added up over the keys.
    #[must_use]
    pub fn seen_between(&self, dimension: Dimension, from: Day, through: Day) -> u64 {
        self.0[dimension as usize].values().map(|days| days_between(days, from, through)).sum()
    }

    /// How many keys were seen from `from` to `through`.
    #[must_use]
    pub fn keys_between(&self, dimension: Dimension, from: Day, through: Day) -> u64 {
        self.0[dimension as usize].values().filter(|days| days_between(days, from, through) > 0).count() as u64
    }

    /// The channels used from `from` to `through`, each with how many days.
    pub fn channels_between(&self, from: Day, through: Day) -> impl Iterator<Item = (&str, u64)> {
        let used = move |days: &Days| days_between(days, from, through);
        self.0[Dimension::Channel as usize].iter().map(move |(key, days)| (&**key, used(days))).filter(|(_, days)| *days > 0)
    }

    /// The key seen on most days from `from` to `through`; of several, the first in the order of their bytes.
    #[must_use]
    pub fn commonest(&self, dimension: Dimension, from: Day, through: Day) -> Option<&str> {
        let mut commonest: Option<(u64, &str)> = None;
        for (key, days) in &self.0[dimension as usize] {
            let count = days_between(days, from, through);
            if count > commonest.map_or(0, |(most, _)| most) {
                commonest = Some((count, key));
            }
        }
        commonest.map(|(_, key)| key)
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
        let [known_items, known_categories, _] = &self.0;
        let items = items.iter().filter_map(|item| known_items.get(item));
        let seen = items.chain(categories.iter().filter_map(|category| known_categories.get(category)));
        let times = seen.flat_map(|days| {
            let start = days.partition_point(|(day, _)| *day < at.day - lookback);
            days[start..].iter().map(|(_, time)| *time).filter(|time| Some(*time) > after && *time < at.time)
        });
        times.min()
    }

    /// Forgets days of before `day`.
    pub fn forget_before(&mut self, day: Day) {
        for keys in &mut self.0 {
            keys.retain(|_, days| {
                days.retain(|(known, _)| *known >= day);
                !days.is_empty()
            });
        }
    }

    /// Joins the views of another id of the same user.
    pub fn absorb(&mut self, other: &Self) {
        for dimension in [Dimension::Item, Dimension::Category, Dimension::Channel] {
            for (key, days) in &other.0[dimension as usize] {
                for (day, time) in days {
                    self.see(dimension, key, Moment { time: *time, day: *day });
                }
            }
        }
    }

    /// The part after a day.
    #[must_use]
    pub fn after(&self, day: Day) -> Self {
        let mut later = self.clone();
        later.forget_before(day + 1);
        later
    }

    /// Bytes of memory, estimated.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        let of = |days: &Days| BYTES_OF_A_KEY + days.capacity() * size_of::<(Day, EventTime)>();
        self.0.iter().flat_map(BTreeMap::values).map(of).sum()
    }
}

fn days_between(days: &Days, from: Day, through: Day) -> u64 {
    let end = days.partition_point(|(day, _)| *day <= through);
    (end - days[..end].partition_point(|(day, _)| *day < from)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Moment {
        Moment { time: EventTime::from_nanos(hour), day: Day::from_number(i32::try_from(hour.div_euclid(24)).expect("small")) }
    }

    #[test]
    fn the_first_view_of_each_day_is_known_whatever_comes_last() {
        let mut views = Views::default();
        let news = [30, 40, 26, 26, 80].map(|hour| views.see(Dimension::Item, "tea", at(hour)));
        assert_eq!(news, [true, false, true, false, true]);
        assert!(views.see(Dimension::Item, "cake", at(50)) && views.see(Dimension::Category, "food", at(5)));
        let (tea, cake): (Box<str>, Box<str>) = ("tea".into(), "cake".into());
        let first = |items: &[Box<str>], categories: &[Box<str>], after: Option<i64>, hour, lookback| {
            views.first_of((items, categories), after.map(EventTime::from_nanos), at(hour), lookback).map(EventTime::nanos)
        };
        let both = [tea.clone(), cake];
        assert_eq!(first(&both, &[], None, 90, 9), Some(26));
        assert_eq!(first(&both, &["food".into()], None, 90, 9), Some(5));
        assert_eq!(first(&both, &["food".into()], None, 90, 2), Some(26), "the food was seen three days before");
        assert_eq!(first(&both, &[], Some(26), 90, 9), Some(50), "after the order before");
        assert_eq!(first(&[tea], &[], None, 26, 9), None, "not before the order");
        let (from, through) = (Day::from_number(1), Day::from_number(2));
        assert_eq!(views.seen_between(Dimension::Item, from, through), 2);
        assert_eq!(views.commonest(Dimension::Item, from, Day::from_number(9)), Some("tea"));
        assert_eq!(views.commonest(Dimension::Item, from, through), Some("cake"), "of equals the first by name");
        assert_eq!(views.keys_between(Dimension::Item, from, through), 2);
    }
}
