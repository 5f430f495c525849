//! Days and instants as records have them, written without a detour: there are several in each record.

use serde::{Serialize, Serializer};

use crate::model::time::{Day, EventTime};

/// Nanoseconds in a second.
const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// Seconds in a day.
const SECONDS_PER_DAY: i64 = 86_400;
/// 1000-01-01: days before it are left to the calendar.
const FIRST: i32 = -354_285;
/// 9900-01-01 or so: days after it as well.
const LAST: i32 = 2_896_000;

/// A day as ISO 8601, such as `1997-01-01`.
#[derive(Clone, Copy)]
pub(super) struct DayText(pub(super) Day);

/// An instant as RFC 3339 in UTC, with as many decimals as it has, such as `1997-01-01T00:00:00.5Z`.
#[derive(Clone, Copy)]
pub(super) struct TimeText(pub(super) EventTime);

impl Serialize for DayText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [b'-'; 10];
        if !(FIRST..=LAST).contains(&self.0.number()) {
            return serializer.collect_str(&self.0);
        }
        write_day(&mut text, self.0.number());
        serializer.serialize_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl Serialize for TimeText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (seconds, nanos) = (self.0.nanos().div_euclid(NANOS_PER_SECOND), self.0.nanos().rem_euclid(NANOS_PER_SECOND));
        let (day, second) = (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY));
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        if let Some((date, clock)) = text.split_first_chunk_mut::<10>() {
            // Instants are of the years 1677 to 2262.
            write_day(date, i32::try_from(day).unwrap_or(0));
            write_digits(&mut clock[1..3], second / 3600);
            write_digits(&mut clock[4..6], second / 60 % 60);
            write_digits(&mut clock[7..9], second % 60);
            write_digits(&mut clock[10..19], nanos);
        }
        // Zeros at the end are not written, nor is the point before nothing.
        let end = if nanos == 0 { 19 } else { text.iter().rposition(|byte| (b'1'..=b'9').contains(byte)).map_or(19, |last| last + 1) };
        text[end] = b'Z';
        serializer.serialize_str(std::str::from_utf8(&text[..=end]).unwrap_or_default())
    }
}

/// Writes a day of the years 1000 to 9999, counted in years that start in March and eras of 400 of them.
fn write_day(text: &mut [u8; 10], day: i32) {
    let shifted = i64::from(day) + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    write_digits(&mut text[0..4], year);
    text[4] = b'-';
    write_digits(&mut text[5..7], month);
    text[7] = b'-';
    write_digits(&mut text[8..10], day_of_year - (153 * month_from_march + 2) / 5 + 1);
}

/// Writes a number that is not negative, with zeros before it.
fn write_digits(text: &mut [u8], number: i64) {
    let mut rest = number;
    for digit in text.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(text: impl Serialize) -> String {
        serde_json::to_string(&text).expect("text")
    }

    #[test]
    fn days_of_all_kinds() {
        for number in
            [i32::MIN, FIRST - 1, FIRST, -719_468, -1, 0, 59, 60, 10_956, 11_016, 11_017, 19_782, 19_783, LAST, LAST + 1, i32::MAX]
        {
            let day = Day::from_number(number);
            assert_eq!(json(DayText(day)), format!("\"{day}\""));
        }
    }

    proptest! {
        #[test]
        fn days_are_written_as_the_calendar_writes_them(number in -1_000_000..4_000_000) {
            let day = Day::from_number(number);
            prop_assert_eq!(json(DayText(day)), format!("\"{day}\""));
        }

        #[test]
        fn instants_are_written_as_the_calendar_writes_them(nanos in any::<i64>(), unit in prop::sample::select(vec![1, 1_000, 1_000_000, NANOS_PER_SECOND])) {
            let time = EventTime::from_nanos(nanos / unit * unit);
            prop_assert_eq!(json(TimeText(time)), format!("\"{time}\""));
        }
    }
}
