//! The breakdown values that a user belongs to: of each property that of the last activity event that carries it, by event time.

use serde::{Deserialize, Serialize};

use crate::model::seldom::Empty;
use crate::model::time::{Day, EventTime};

/// A value by property, time and day of its event, and the segment that it counts in.
pub type Value = (u16, EventTime, Day, u32);

/// The last value of each property on each day that is not closed yet, and the last before those; sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastValues(Vec<Value>);

impl Empty for LastValues {
    const EMPTY: &'static Self = &Self(Vec::new());
}

impl LastValues {
    /// Takes in a value; those that it makes worthless when the days through `closed` are closed are forgotten.
    pub fn note(&mut self, value: Value, closed: Option<Day>) {
        let Err(at) = self.0.binary_search(&value) else { return };
        self.0.insert(at, value);
        self.0.dedup_by(|next, kept| {
            // The later one of two that nothing can tell apart any more stays.
            let replaces = next.0 == kept.0 && (next.2 == kept.2 || Some(next.2) <= closed);
            if replaces {
                *kept = *next;
            }
            replaces
        });
    }

    /// The segments that the user belongs to at the end of `day`, ascending.
    #[must_use]
    pub fn on(&self, day: Day) -> Vec<u32> {
        let mut segments = Vec::new();
        if self.0.is_empty() {
            return segments;
        }
        for properties in self.0.chunk_by(|one, other| one.0 == other.0) {
            segments.extend(properties.iter().rfind(|value| value.2 <= day).map(|value| value.3));
        }
        segments.sort_unstable();
        segments
    }

    /// The days after `day` on which a value came.
    pub fn days_after(&self, day: Day) -> impl Iterator<Item = Day> + '_ {
        self.0.iter().map(|value| value.2).filter(move |at| *at > day)
    }

    /// The segments of all values.
    pub fn segments(&self) -> impl Iterator<Item = &u32> {
        self.0.iter().map(|value| &value.3)
    }

    /// Joins those of another id of the same user.
    pub fn absorb(&mut self, other: &Self) {
        other.0.iter().for_each(|value| self.note(*value, None));
    }

    /// The part after an instant, as that of a user of its own.
    #[must_use]
    pub fn after(&self, time: EventTime) -> Self {
        Self(self.0.iter().filter(|value| value.1 > time).copied().collect())
    }

    /// Changes the numbers of segments.
    pub fn renumber_segments(&mut self, here: impl Fn(u32) -> u32) {
        self.0.iter_mut().for_each(|value| value.3 = here(value.3));
        self.0.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(property: u16, hour: i64, segment: u32) -> Value {
        let day = Day::from_number(i32::try_from(hour / 24).expect("small"));
        (property, EventTime::from_nanos(hour), day, segment)
    }

    #[test]
    fn the_last_value_by_time_counts_whatever_comes_last() {
        let mut values = LastValues::default();
        for (hour, segment) in [(30, 1), (10, 2), (80, 3), (78, 4), (31, 5)] {
            values.note(value(0, hour, segment), None);
        }
        values.note(value(1, 50, 9), None);
        let on = |values: &LastValues, day| values.on(Day::from_number(day));
        assert_eq!([on(&values, -1), on(&values, 0), on(&values, 1), on(&values, 3)], [vec![], vec![2], vec![5], vec![3, 9]]);
        values.note(value(0, 20, 7), Some(Day::from_number(2)));
        assert_eq!([on(&values, 1), on(&values, 2), on(&values, 3)], [vec![5], vec![5, 9], vec![3, 9]], "the last before an open day");
        assert_eq!(values.segments().count(), 3);
    }
}
