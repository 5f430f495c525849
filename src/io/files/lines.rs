//! Lines of any length in memory of a fixed size.

use std::io::{self, BufRead, Cursor, Read};

use crate::wire::dead_letter::CUT_VALUE_BYTES;
use crate::wire::decode::LARGEST_RECORD_BYTES;

/// Reads lines, and counts them.
pub(super) struct Lines {
    reader: Box<dyn BufRead + Send>,
    /// Whole lines that were put back, to be read before `reader`.
    unread: Cursor<Vec<u8>>,
    /// The number of the line that was read last; the first is 1.
    pub(super) number: u64,
}

impl Lines {
    pub(super) fn new(reader: Box<dyn BufRead + Send>) -> Self {
        Self { reader, unread: Cursor::default(), number: 0 }
    }

    /// Reads the next line, without its end, into `row`, and returns its length in bytes; `None` at the end of the input. Of a line that is longer
    /// than a record may be, `row` has only the beginning.
    pub(super) fn read(&mut self, row: &mut Vec<u8>) -> io::Result<Option<u64>> {
        row.clear();
        let room = LARGEST_RECORD_BYTES + 2;
        let has_unread = self.unread.position() < self.unread.get_ref().len() as u64;
        let reader: &mut dyn BufRead = if has_unread { &mut self.unread } else { &mut self.reader };
        let read = reader.take(room as u64).read_until(b'\n', row)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        let mut length = row.len() as u64;
        if row.last() == Some(&b'\n') {
            row.pop();
            if row.last() == Some(&b'\r') {
                row.pop();
            }
            length = row.len() as u64;
        } else if read == room {
            length += self.skip_line()?;
        }
        if length > LARGEST_RECORD_BYTES as u64 {
            row.truncate(CUT_VALUE_BYTES);
        }
        Ok(Some(length))
    }

    /// Puts back the newest `count` lines, so that they are read next.
    pub(super) fn put_back(&mut self, mut lines: Vec<u8>, count: u64) {
        self.unread.read_to_end(&mut lines).unwrap_or_default();
        self.unread = Cursor::new(lines);
        self.number -= count;
    }

    /// Passes the rest of a line and returns its length in bytes, without the line end.
    fn skip_line(&mut self) -> io::Result<u64> {
        let mut length = 0;
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(length);
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let passed = end.map_or(buffer.len(), |end| end + 1);
            length += end.unwrap_or(buffer.len()) as u64;
            self.reader.consume(passed);
            if end.is_some() {
                return Ok(length);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: Vec<u8>) -> Vec<(usize, u64)> {
        let mut lines = Lines::new(Box::new(io::Cursor::new(text)));
        let mut row = Vec::new();
        let mut found = Vec::new();
        while let Some(length) = lines.read(&mut row).expect("memory") {
            found.push((row.len(), length));
        }
        found
    }

    #[test]
    fn line_ends() {
        assert_eq!(read(b"a\nbc\r\n\n\rd".to_vec()), [(1, 1), (2, 2), (0, 0), (2, 2)]);
        assert_eq!(read(Vec::new()), []);
        assert_eq!(read(b"a\n".to_vec()), [(1, 1)]);
    }

    #[test]
    fn long_lines_are_passed() {
        let largest = LARGEST_RECORD_BYTES;
        for (length, kept) in [(largest, largest), (largest + 1, CUT_VALUE_BYTES), (3 * largest, CUT_VALUE_BYTES)] {
            let text = [vec![b'x'; length], b"\nnext".to_vec()].concat();
            assert_eq!(read(text), [(kept, length as u64), (4, 4)], "{length}");
            assert_eq!(read(vec![b'x'; length]), [(kept, length as u64)], "{length}");
        }
    }
}
