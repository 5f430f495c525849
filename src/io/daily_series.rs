//! A daily series from a CSV file: `day,count` and perhaps `at_risk`, with a header.

use std::collections::BTreeMap;
use std::path::Path;

use crate::engine::aggregator::ALL;
use crate::engine::alerts::{Entries, SegmentDay};
use crate::model::spike::deficit::Returns;
use crate::model::time::Day;

/// A series cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SeriesError {
    /// The file cannot be read, or is no CSV.
    #[error("{file}")]
    Unreadable {
        /// The file.
        file: String,
        /// What went wrong.
        #[source]
        error: csv::Error,
    },
    /// The header lacks a column.
    #[error("{file}: the header must have the columns `day` and `count`, and may have `at_risk`")]
    Header {
        /// The file.
        file: String,
    },
    /// A row cannot be read.
    #[error("{file}, line {line}: {allowed}")]
    Row {
        /// The file.
        file: String,
        /// The line; the header is 1.
        line: u64,
        /// What is allowed.
        allowed: &'static str,
    },
}

/// The days of a series, in order, as entries into churned.
#[derive(Clone, Debug, PartialEq)]
pub struct DailySeries {
    /// Days that the file has; others have no data.
    pub days: Vec<(Day, SegmentDay)>,
    /// Whether the file says how many users were at risk.
    pub has_at_risk: bool,
}

impl DailySeries {
    /// Reads a file. Rows may be in any order, each day at most once.
    pub fn read(path: &Path) -> Result<Self, SeriesError> {
        let file = path.display().to_string();
        let unreadable = |error| SeriesError::Unreadable { file: file.clone(), error };
        let mut rows = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(unreadable)?;
        let header = rows.headers().map_err(unreadable)?.clone();
        let column = |name: &str| header.iter().position(|column| column == name);
        let (Some(day), Some(count)) = (column("day"), column("count")) else { return Err(SeriesError::Header { file }) };
        let at_risk = column("at_risk");
        let mut days = BTreeMap::new();
        for row in rows.records() {
            let row = row.map_err(unreadable)?;
            let line = row.position().map_or(0, csv::Position::line);
            let wrong = |allowed| SeriesError::Row { file: file.clone(), line, allowed };
            let cell = |column: usize| row.get(column).unwrap_or_default();
            let number = |column: usize| cell(column).parse::<u64>().map_err(|_| wrong("counts must be whole numbers from 0"));
            let day = Day::parse(cell(day)).ok_or_else(|| wrong("`day` must be YYYY-MM-DD"))?;
            let entries = Entries { count: number(count)?, at_risk: at_risk.map_or(Ok(1), number)? };
            if days.insert(day, segment_day(entries)).is_some() {
                return Err(wrong("this day was there before"));
            }
        }
        Ok(Self { days: days.into_iter().collect(), has_at_risk: at_risk.is_some() })
    }
}

fn segment_day(entered_churned: Entries) -> SegmentDay {
    let (entered_high, returns) = (Entries::default(), Returns::default());
    SegmentDay { segment: ALL.to_owned(), has_data: true, entered_high, entered_churned, returns }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DailySeries, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("disk");
        DailySeries::read(file.path()).map_err(|error| error.to_string().replace(&file.path().display().to_string(), "f"))
    }

    #[test]
    fn rows_are_read_in_any_order_and_mistakes_are_placed() {
        let series = read("at_risk, count,day\n50,3,2024-01-02\n40,2,2024-01-01\n").expect("a series");
        let found: Vec<(String, Entries)> = series.days.iter().map(|(day, told)| (day.to_string(), told.entered_churned)).collect();
        let expected = [("2024-01-01", Entries { count: 2, at_risk: 40 }), ("2024-01-02", Entries { count: 3, at_risk: 50 })];
        assert_eq!(found, expected.map(|(day, entries)| (day.to_owned(), entries)));
        assert_eq!(read("day,count\n2024-01-01,7\n").map(|series| (series.has_at_risk, series.days.len())), Ok((false, 1)));
        for (text, told) in [
            ("day\n", "f: the header must have the columns `day` and `count`, and may have `at_risk`"),
            ("day,count\n2024-01-01,1\nx,1\n", "f, line 3: `day` must be YYYY-MM-DD"),
            ("day,count\n2024-01-01,-1\n", "f, line 2: counts must be whole numbers from 0"),
            ("day,count\n2024-01-01,1\n2024-01-01,1\n", "f, line 3: this day was there before"),
        ] {
            assert_eq!(read(text), Err(told.to_owned()));
        }
    }
}
