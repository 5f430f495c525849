//! Event time, calendar days, and the calendar that turns one into the other.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// Nanoseconds in one second.
const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// Nanoseconds in a day of 24 hours.
const NANOS_PER_DAY: i64 = 86_400 * NANOS_PER_SECOND;

/// An instant of event time: nanoseconds since 1970-01-01T00:00:00Z. Covers 1677 to 2262.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventTime(i64);

impl EventTime {
    /// The smallest instant.
    pub const MIN: Self = Self(i64::MIN);

    /// The largest instant.
    pub const MAX: Self = Self(i64::MAX);

    /// The instant `nanos` nanoseconds after the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The instant `millis` milliseconds after the epoch, clamped to what nanoseconds can hold.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the epoch, rounded down.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This instant moved by `nanos` nanoseconds, clamped at the ends.
    #[must_use]
    pub const fn plus_nanos(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

/// RFC 3339 in UTC with as many decimals as the instant has, such as `1997-01-01T00:00:00Z`.
impl fmt::Display for EventTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        jiff::Timestamp::from_nanosecond(i128::from(self.0)).map_err(|_| fmt::Error)?.fmt(formatter)
    }
}

/// A calendar day: days since 1970-01-01. What instants it covers is told by a [`Calendar`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Day(i32);

impl Day {
    /// The day `number` days after 1970-01-01.
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Reads `YYYY-MM-DD`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let date: jiff::civil::Date = text.parse().ok()?;
        (text.len() == 10).then(|| Self::from_date(date))
    }

    /// The day of a civil date.
    #[must_use]
    pub fn from_date(date: jiff::civil::Date) -> Self {
        let epoch = jiff::civil::date(1970, 1, 1);
        Self((date - epoch).get_days())
    }

    /// The civil date of this day; days beyond the years -9999 to 9999 are clamped.
    #[must_use]
    pub fn date(self) -> jiff::civil::Date {
        let epoch = jiff::civil::date(1970, 1, 1);
        epoch.saturating_add(jiff::Span::new().days(self.0.clamp(-4_000_000, 2_900_000)))
    }

    /// Days from `earlier` to this day; negative when `earlier` is later.
    #[must_use]
    pub const fn days_since(self, earlier: Self) -> i32 {
        self.0 - earlier.0
    }
}

impl Add<i32> for Day {
    type Output = Self;
    fn add(self, days: i32) -> Self {
        Self(self.0 + days)
    }
}

impl Sub<i32> for Day {
    type Output = Self;
    fn sub(self, days: i32) -> Self {
        Self(self.0 - days)
    }
}

/// ISO 8601, such as `1997-01-01`.
impl fmt::Display for Day {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.date().fmt(formatter)
    }
}

/// A time zone is not in the IANA database.
#[derive(Debug, thiserror::Error)]
#[error("no time zone `{0}` in the IANA database")]
pub struct UnknownTimeZone(String);

/// The days of one time zone: half-open intervals of instants that follow the zone's rules, so that a day may have 23 or 25 hours.
///
/// Holds the start of every day from 1899-12-30 to 2100-01-04; no event is allowed to be before 1900 or from 2100 on.
#[derive(Clone, Debug)]
pub struct Calendar {
    time_zone: String,
    first: Day,
    /// `starts[i]` is the first nanosecond of day `first + i`.
    starts: Vec<i64>,
}

impl Calendar {
    /// The calendar of an IANA time zone.
    ///
    /// # Errors
    /// When the zone is unknown.
    pub fn new(time_zone: &str) -> Result<Self, UnknownTimeZone> {
        let unknown = || UnknownTimeZone(time_zone.to_owned());
        let zone = jiff::tz::TimeZone::get(time_zone).map_err(|_| unknown())?;
        let first = Day::from_date(jiff::civil::date(1899, 12, 30));
        let last = Day::from_date(jiff::civil::date(2100, 1, 4));
        let mut starts = Vec::with_capacity(usize::try_from(last.days_since(first)).unwrap_or(0) + 1);
        for number in first.number()..=last.number() {
            let midnight = Day(number).date().to_zoned(zone.clone()).map_err(|_| unknown())?;
            starts.push(i64::try_from(midnight.timestamp().as_nanosecond()).map_err(|_| unknown())?);
        }
        Ok(Self { time_zone: time_zone.to_owned(), first, starts })
    }

    /// The IANA name of the time zone.
    #[must_use]
    pub fn time_zone(&self) -> &str {
        &self.time_zone
    }

    /// The day that contains `time`, clamped to the days the calendar holds.
    #[must_use]
    pub fn day_of(&self, time: EventTime) -> Day {
        let last = self.starts.len() - 1;
        let guess = (time.0.saturating_sub(self.starts[0])).div_euclid(NANOS_PER_DAY);
        let mut index = usize::try_from(guess).unwrap_or(0).min(last);
        while index > 0 && self.starts[index] > time.0 {
            index -= 1;
        }
        while index < last && self.starts[index + 1] <= time.0 {
            index += 1;
        }
        self.first + i32::try_from(index).unwrap_or(i32::MAX)
    }

    /// The first instant of `day`, clamped to the days the calendar holds.
    #[must_use]
    pub fn start_of(&self, day: Day) -> EventTime {
        let index = usize::try_from(day.days_since(self.first)).unwrap_or(0);
        EventTime(self.starts[index.min(self.starts.len() - 1)])
    }

    /// The hour of the day that contains `time`, 0 to 23, counted from the first instant of the day: where the clock changes, the hours after that are off by what it changes.
    #[must_use]
    #[expect(clippy::cast_sign_loss, reason = "0 to 23")]
    pub fn hour_of(&self, time: EventTime) -> u8 {
        let since = time.0 - self.start_of(self.day_of(time)).0;
        since.div_euclid(NANOS_PER_DAY / 24).clamp(0, 23) as u8
    }

    /// The first instant after `day`.
    #[must_use]
    pub fn end_of(&self, day: Day) -> EventTime {
        self.start_of(day + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> EventTime {
        let timestamp: jiff::Timestamp = text.parse().expect("a timestamp");
        EventTime::from_nanos(i64::try_from(timestamp.as_nanosecond()).expect("in range"))
    }

    #[test]
    fn days_follow_the_zone() {
        for (zone, time, day) in [
            ("UTC", "1997-01-01T00:00:00Z", "1997-01-01"),
            ("UTC", "1996-12-31T23:59:59.999999999Z", "1996-12-31"),
            ("America/New_York", "2026-03-08T04:59:59Z", "2026-03-07"),
            ("America/New_York", "2026-03-08T05:00:00Z", "2026-03-08"),
            ("America/New_York", "2026-03-09T03:59:59Z", "2026-03-08"),
            ("America/New_York", "2026-03-09T04:00:00Z", "2026-03-09"),
            ("America/New_York", "2026-11-02T04:59:59Z", "2026-11-01"),
            ("America/New_York", "2026-11-02T05:00:00Z", "2026-11-02"),
            ("Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29"),
            ("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31"),
            ("Asia/Kathmandu", "2020-01-01T18:14:59Z", "2020-01-01"),
            ("Asia/Kathmandu", "2020-01-01T18:15:00Z", "2020-01-02"),
        ] {
            let calendar = Calendar::new(zone).expect("a zone");
            assert_eq!(calendar.day_of(instant(time)).to_string(), day, "{zone} {time}");
        }
    }

    #[test]
    fn a_day_has_23_or_25_hours_when_the_clock_changes() {
        let calendar = Calendar::new("Europe/Berlin").expect("a zone");
        for (day, hours) in [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-22", 24)] {
            let day = Day::parse(day).expect("a day");
            let nanos = calendar.end_of(day).nanos() - calendar.start_of(day).nanos();
            assert_eq!(nanos, hours * 3600 * NANOS_PER_SECOND, "{day}");
        }
    }

    #[test]
    fn hours_are_those_of_the_zone() {
        for (zone, time, hour) in [
            ("UTC", "2026-01-01T23:59:59Z", 23),
            ("Asia/Kathmandu", "2026-01-01T18:15:00Z", 0),
            ("America/New_York", "2026-01-01T04:59:59Z", 23),
            ("Europe/Berlin", "2026-10-25T22:59:59Z", 23),
        ] {
            assert_eq!(Calendar::new(zone).expect("a zone").hour_of(instant(time)), hour, "{zone} {time}");
        }
    }

    #[test]
    fn a_day_is_read_and_written() {
        assert_eq!(Day::parse("1970-01-02"), Some(Day::from_number(1)));
        assert_eq!(Day::parse("1970-1-2"), None);
        assert_eq!(Day::from_number(-1).to_string(), "1969-12-31");
    }

    #[test]
    fn a_calendar_knows_its_zone() {
        assert_eq!(Calendar::new("Asia/Kathmandu").expect("a zone").time_zone(), "Asia/Kathmandu");
        let unknown = Calendar::new("Mars/Olympus").expect_err("no zone");
        assert_eq!(unknown.to_string(), "no time zone `Mars/Olympus` in the IANA database");
    }

    #[test]
    fn days_beyond_the_calendar_begin_with_its_first_or_last() {
        let calendar = Calendar::new("UTC").expect("a zone");
        let starts = |day: &str| calendar.start_of(Day::parse(day).expect("a day"));
        assert_eq!(starts("2100-01-04"), instant("2100-01-04T00:00:00Z"));
        assert_eq!([starts("2100-01-05"), starts("2101-01-01")], [starts("2100-01-04"); 2]);
        assert_eq!([starts("1899-12-30"), starts("1899-12-29")], [instant("1899-12-30T00:00:00Z"); 2]);
    }
}
