//! Event times as they are written: RFC 3339 with an offset, or integers in one unit since 1970-01-01T00:00:00Z.

use crate::model::time::EventTime;

/// What an integer timestamp counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    #[default]
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl TimestampUnit {
    /// Every unit with its name in the settings.
    pub const ALL: [(Self, &'static str); 4] =
        [(Self::Seconds, "s"), (Self::Milliseconds, "ms"), (Self::Microseconds, "us"), (Self::Nanoseconds, "ns")];

    /// Nanoseconds in one.
    const fn nanos(self) -> i64 {
        match self {
            Self::Seconds => 1_000_000_000,
            Self::Milliseconds => 1_000_000,
            Self::Microseconds => 1_000,
            Self::Nanoseconds => 1,
        }
    }
}

/// The instant `count` units after the epoch; `None` beyond what [`EventTime`] holds (1677 to 2262).
#[must_use]
pub fn from_integer(count: i64, unit: TimestampUnit) -> Option<EventTime> {
    count.checked_mul(unit.nanos()).map(EventTime::from_nanos)
}

/// An instant from text: digits are an integer in `unit`, everything else must be RFC 3339. `None` when it is neither or beyond [`EventTime`].
#[must_use]
pub fn from_text(text: &str, unit: TimestampUnit) -> Option<EventTime> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return from_integer(text.parse().ok()?, unit);
    }
    rfc3339(text)
}

/// RFC 3339: `1997-01-01T00:00:00Z`, with `t`, `z` and a space as the standard allows, decimals beyond nanoseconds cut, and a leap second read
/// as the second before it. An offset is required.
fn rfc3339(text: &str) -> Option<EventTime> {
    let bytes = text.as_bytes();
    let (clock, rest) = bytes.split_first_chunk::<19>()?;
    let separators =
        clock[4] == b'-' && clock[7] == b'-' && matches!(clock[10], b'T' | b't' | b' ') && clock[13] == b':' && clock[16] == b':';
    // Looked at all at once: a byte that is no digit is above 9 here, and only then is what follows thrown away.
    let digit = |at: usize| clock[at].wrapping_sub(b'0');
    let highest = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18].into_iter().fold(0, |highest, at| digit(at).max(highest));
    if !separators || highest > 9 {
        return None;
    }
    let two = |at: usize| i64::from(digit(at)) * 10 + i64::from(digit(at + 1));
    let (year, month, day) = (two(0) * 100 + two(2), two(5), two(8));
    let (hour, minute, second) = (two(11), two(14), two(17));
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (nanos, offset) = fraction(rest)?;
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second.min(59) - offset_seconds(offset)?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos).map(EventTime::from_nanos)
}

/// Decimals of a second as nanoseconds, and what follows them.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(decimals) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let count = decimals.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let kept = count.min(9);
    let scale = 10_i64.pow(9 - u32::try_from(kept).ok()?);
    Some((number(&decimals[..kept])? * scale, &decimals[count..]))
}

/// Seconds that the offset is ahead of UTC.
fn offset_seconds(offset: &[u8]) -> Option<i64> {
    match offset {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
            let ahead = hours * 3600 + minutes * 60;
            (hours <= 23 && minutes <= 59).then_some(if *sign == b'-' { -ahead } else { ahead })
        }
        _ => None,
    }
}

/// Digits, and nothing else, as a number.
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar, counted in years that start in March and eras of 400 of them.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts() {
        for (text, expected) in [
            ("1997-01-01T00:00:00Z", Some("1997-01-01T00:00:00Z")),
            ("1997-01-01t00:00:00z", Some("1997-01-01T00:00:00Z")),
            ("1997-01-01 00:00:00Z", Some("1997-01-01T00:00:00Z")),
            ("2024-02-29T23:59:60Z", Some("2024-02-29T23:59:59Z")),
            ("2024-02-29T12:30:00.5+05:45", Some("2024-02-29T06:45:00.5Z")),
            ("2024-02-29T12:30:00.123456789999-00:00", Some("2024-02-29T12:30:00.123456789Z")),
            ("1600-01-01T00:00:00Z", None),
            ("0001-01-01T00:00:00Z", None),
            ("9999-12-31T23:59:59Z", None),
            ("2023-02-29T00:00:00Z", None),
            ("2023-13-01T00:00:00Z", None),
            ("2023-00-01T00:00:00Z", None),
            ("2023-01-00T00:00:00Z", None),
            ("2023-01-01T24:00:00Z", None),
            ("2023-01-01T00:60:00Z", None),
            ("2023-01-01T00:00:61Z", None),
            ("2023-01-01T00:00:00", None),
            ("2023-01-01T00:00Z", None),
            ("2023-01-01", None),
            ("2023-01-01T00:00:00.Z", None),
            ("2023-01-01T00:00:00+0100", None),
            ("2023-01-01T00:00:00+24:00", None),
            ("2023-01-01T00:00:00Z ", None),
            ("2023-01-01T00:00:00Zé", None),
            ("2023-01-01T00:00:00ééé", None),
            ("", None),
            ("-", None),
            ("yesterday", None),
            ("1.5e12", None),
            ("86400000", Some("1970-01-02T00:00:00Z")),
            ("-1", Some("1969-12-31T23:59:59.999Z")),
            ("99999999999999999999", None),
            ("9223372036854775807", None),
        ] {
            let found = from_text(text, TimestampUnit::Milliseconds).map(|time| time.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn units() {
        for (unit, count) in [
            (TimestampUnit::Seconds, 852_076_800),
            (TimestampUnit::Milliseconds, 852_076_800_000),
            (TimestampUnit::Microseconds, 852_076_800_000_000),
            (TimestampUnit::Nanoseconds, 852_076_800_000_000_000),
        ] {
            assert_eq!(from_integer(count, unit).map(|time| time.to_string()).as_deref(), Some("1997-01-01T00:00:00Z"));
        }
    }

    proptest! {
        #[test]
        fn agrees_with_jiff(nanos in any::<i64>(), hours in -23_i64..=23, minutes in 0_i64..60) {
            let ahead = i32::try_from(hours * 3600 + hours.signum() * minutes * 60).expect("small");
            let offset = jiff::tz::Offset::from_seconds(ahead).expect("an offset");
            let timestamp = jiff::Timestamp::from_nanosecond(i128::from(nanos)).expect("in range");
            let text = timestamp.display_with_offset(offset).to_string();
            prop_assert_eq!(rfc3339(&text), Some(EventTime::from_nanos(nanos)), "{}", text);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = from_text(&text, TimestampUnit::Seconds);
        }
    }
}
