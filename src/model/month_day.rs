//! A day of the year: birthdays and holidays.

use serde::{Deserialize, Serialize};

use super::time::Day;

/// A month, 1 to 12, and a day of it that there is in some year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MonthDay {
    month: i8,
    day: i8,
}

impl MonthDay {
    /// Reads `MM-DD`, or the month and day of `YYYY-MM-DD`, also with a time after it (`T…`), which says nothing; `None` of anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.split_once('T').map_or(text, |(date, _)| date);
        let date = match text.len() {
            // A year that has all days.
            5 => format!("2000-{text}").parse::<jiff::civil::Date>(),
            // Not by the number of the day, which does not reach to the end of the last year.
            10 => text.parse(),
            _ => return None,
        };
        date.ok().map(|date| Self { month: date.month(), day: date.day() })
    }

    /// The first such day from `from` on; of 29 February, the day before 1 March.
    #[must_use]
    pub fn next_from(self, from: Day) -> Day {
        let year = from.date().year();
        let of = |year: i16| {
            let date =
                jiff::civil::Date::new(year, self.month, self.day).or_else(|_| jiff::civil::Date::new(year, self.month, self.day - 1));
            date.map_or(from, Day::from_date)
        };
        let this = of(year);
        if this >= from { this } else { of(year + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_day_of_the_year() {
        for (day, from, next) in [
            ("03-01", "2026-03-01", "2026-03-01"),
            ("1980-03-01", "2026-03-02", "2027-03-01"),
            ("12-31", "2026-01-01", "2026-12-31"),
            ("1980-03-01T00:00:00.000Z", "2026-01-31", "2026-03-01"),
            ("02-29", "2026-01-01", "2026-02-28"),
            ("02-29", "2026-03-01", "2027-02-28"),
            ("2000-02-29", "2027-12-01", "2028-02-29"),
            ("9999-12-31", "2026-01-01", "2026-12-31"),
            ("9990-03-01", "2026-01-01", "2026-03-01"),
            ("0000-02-29", "2026-01-01", "2026-02-28"),
        ] {
            let found = MonthDay::parse(day).expect(day).next_from(Day::parse(from).expect(from));
            assert_eq!(found.to_string(), next, "{day} from {from}");
        }
        for text in ["", "13-01", "1980-02-30", "02-30", "1.3.1980", "1980-3-1", "March"] {
            assert_eq!(MonthDay::parse(text), None, "{text}");
        }
    }
}
