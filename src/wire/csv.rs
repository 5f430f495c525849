//! Rows of comma-separated values (RFC 4180), cells borrowed from the row.

use std::borrow::Cow;
use std::collections::HashMap;

/// A header or a row is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// Not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// A quoted cell never ends, or goes on after its closing quote.
    #[error("a quoted cell does not end with its quote")]
    BadQuotes,
    /// Another count of cells than the header has.
    #[error("{found} cells where the header has {expected}")]
    CellCount {
        /// Cells of the row.
        found: usize,
        /// Cells of the header.
        expected: usize,
    },
    /// Two columns of one name.
    #[error("the header has the column `{0}` twice")]
    TwiceNamed(String),
}

/// The names of the columns.
#[derive(Clone, Debug)]
pub struct Header {
    columns: HashMap<String, usize>,
    count: usize,
}

impl Header {
    /// Reads the first row of a file, with or without a byte order mark.
    ///
    /// # Errors
    /// When it is not a row, or a name comes twice; columns without a name are ignored.
    pub fn parse(row: &[u8]) -> Result<Self, RowError> {
        let cells = cells(row.strip_prefix(b"\xef\xbb\xbf").unwrap_or(row))?;
        let mut columns = HashMap::with_capacity(cells.len());
        for (index, name) in cells.iter().map(|name| name.trim()).enumerate() {
            if !name.is_empty() && columns.insert(name.to_owned(), index).is_some() {
                return Err(RowError::TwiceNamed(name.to_owned()));
            }
        }
        Ok(Self { columns, count: cells.len() })
    }

    /// The position of a column.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<usize> {
        self.columns.get(name).copied()
    }

    /// The names of the columns that have one, with their positions, from left to right.
    #[must_use]
    pub fn names(&self) -> Vec<(usize, &str)> {
        let mut names: Vec<(usize, &str)> = self.columns.iter().map(|(name, index)| (*index, name.as_str())).collect();
        names.sort_unstable();
        names
    }

    /// The cells of a row under this header.
    ///
    /// # Errors
    /// When it is not a row, or has not one cell for each column.
    pub fn cells<'a>(&self, row: &'a [u8]) -> Result<Vec<Cow<'a, str>>, RowError> {
        let cells = cells(row)?;
        let counts = RowError::CellCount { found: cells.len(), expected: self.count };
        if cells.len() == self.count { Ok(cells) } else { Err(counts) }
    }
}

/// Where in a row its bytes so far end, so that it is known whether the row goes on in the next line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowState {
    /// At the start of a cell.
    #[default]
    Start,
    /// In a cell without quotes.
    Plain,
    /// Between the quotes of a cell.
    Quoted,
    /// After a quote in a quoted cell: it ends, or the quote is doubled.
    Closing,
}

impl RowState {
    /// The state after more bytes of the row.
    #[must_use]
    pub fn after(self, bytes: &[u8]) -> Self {
        if self != Self::Quoted && !bytes.contains(&b'"') {
            return Self::Plain;
        }
        bytes.iter().fold(self, |state, byte| match (state, byte) {
            (Self::Quoted, b'"') => Self::Closing,
            (Self::Start | Self::Closing, b'"') | (Self::Quoted, _) => Self::Quoted,
            (Self::Start | Self::Plain | Self::Closing, b',') => Self::Start,
            (Self::Start | Self::Plain | Self::Closing, _) => Self::Plain,
        })
    }

    /// Whether a quoted cell is open, so that a line end belongs to it.
    #[must_use]
    pub fn is_open(self) -> bool {
        self == Self::Quoted
    }
}

/// Splits a row, without its line end, into cells.
///
/// # Errors
/// When it is not UTF-8 or its quotes do not match.
pub fn cells(row: &[u8]) -> Result<Vec<Cow<'_, str>>, RowError> {
    let mut rest = std::str::from_utf8(row).map_err(|_| RowError::NotUtf8)?;
    let mut cells = Vec::with_capacity(8);
    loop {
        let after = if let Some(quoted) = rest.strip_prefix('"') {
            let end = closing_quote(quoted.as_bytes()).ok_or(RowError::BadQuotes)?;
            cells.push(unquoted(&quoted[..end]));
            &quoted[end + 1..]
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            cells.push(Cow::Borrowed(&rest[..end]));
            &rest[end..]
        };
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(cells),
            None => return Err(RowError::BadQuotes),
        }
    }
}

/// The quote that closes a cell, which a doubled one does not.
fn closing_quote(quoted: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += quoted[at..].iter().position(|byte| *byte == b'"')?;
        if quoted.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

fn unquoted(cell: &str) -> Cow<'_, str> {
    if cell.contains('"') { Cow::Owned(cell.replace("\"\"", "\"")) } else { Cow::Borrowed(cell) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows() {
        for (row, expected) in [
            ("a,b,c", Ok(vec!["a", "b", "c"])),
            ("", Ok(vec![""])),
            (",", Ok(vec!["", ""])),
            ("\"a,b\",\"c\"\"d\",\"\"", Ok(vec!["a,b", "c\"d", ""])),
            ("a\"b,c", Ok(vec!["a\"b", "c"])),
            ("\"two\nlines\",x", Ok(vec!["two\nlines", "x"])),
            ("\"open", Err(RowError::BadQuotes)),
            ("\"a\"b,c", Err(RowError::BadQuotes)),
        ] {
            let expected = expected.map(|cells| cells.into_iter().map(Cow::Borrowed).collect::<Vec<_>>());
            assert_eq!(cells(row.as_bytes()), expected, "{row}");
        }
        assert_eq!(cells(b"\xff"), Err(RowError::NotUtf8));
    }

    #[test]
    fn a_row_goes_on_while_a_quote_is_open() {
        for (row, open) in
            [("a,\"b", true), ("\"a\"\"", true), ("\"a\"\"\"", false), ("a\"b,c", false), ("\"a\",\"b\"", false), ("a,\"", true)]
        {
            assert_eq!(RowState::default().after(row.as_bytes()).is_open(), open, "{row}");
            assert!(RowState::Quoted.after(row.as_bytes()) == RowState::Quoted || row.contains('"'), "{row}");
        }
    }

    #[test]
    fn headers() {
        let header = Header::parse("\u{feff}user_id, type,".as_bytes()).expect("a header");
        assert_eq!((header.index("user_id"), header.index("type"), header.index("")), (Some(0), Some(1), None));
        assert_eq!(header.cells(b"1,2"), Err(RowError::CellCount { found: 2, expected: 3 }));
        assert_eq!(Header::parse(b"a,b,a").expect_err("twice"), RowError::TwiceNamed("a".to_owned()));
    }

    proptest! {
        #[test]
        fn reads_what_the_csv_crate_writes(row in prop::collection::vec("[a-z,\"\n é]{0,6}", 1..6)) {
            let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
            writer.write_record(&row).expect("a row");
            let bytes = writer.into_inner().expect("bytes");
            let line = bytes.strip_suffix(b"\n").expect("a line");
            prop_assert!(!RowState::default().after(line).is_open());
            let read: Vec<String> = cells(line).expect("cells").into_iter().map(Cow::into_owned).collect();
            prop_assert_eq!(read, row);
        }
    }
}
