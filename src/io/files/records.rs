//! Records of several files, one after the other, decoded as they are read.

use std::io;
use std::sync::Arc;
use std::vec::IntoIter;

use super::block::Block;
use super::input::{Input, InputError};
use super::lines::Lines;
use super::progress::Progress;
use crate::model::rejection::Rejection;
use crate::wire::csv::{Header, RowState};
use crate::wire::decode::{Decoded, Decoder, LARGEST_RECORD_BYTES, oversized};
use crate::wire::mapping::Format;

/// The longest record, in bytes.
const LARGEST: u64 = LARGEST_RECORD_BYTES as u64;

/// One record of a file.
#[derive(Debug)]
pub struct FileRecord<'r> {
    /// The file as its argument names it; `-` is standard input.
    pub source: &'r str,
    /// The line in which the record begins; the first line of a file is 1.
    pub line: u64,
    /// The bytes of the record without the line end; of an oversized one, the first 64 KiB.
    pub value: &'r [u8],
    /// The length of the whole record in bytes.
    pub length: u64,
    /// Of a CSV file.
    pub header: Option<&'r Header>,
    /// The event with its arrival, or why it is none.
    pub outcome: Result<Decoded<'r>, Rejection>,
}

/// Reads records without ever holding more than one, or than one block. Empty lines are no records.
pub struct FileRecords<'s> {
    decoder: &'s Decoder,
    waiting: IntoIter<Input>,
    current: Option<OpenFile>,
    row: Vec<u8>,
    progress: Progress,
    /// What made an end after the last block.
    failure: Option<InputError>,
}

struct OpenFile {
    input: Input,
    name: Arc<str>,
    lines: Lines,
    /// Of a CSV file, once read.
    header: Option<Arc<Header>>,
}

/// Where a record is that has been read into the row buffer.
struct Found {
    line: u64,
    length: u64,
}

impl<'s> FileRecords<'s> {
    /// The records of `inputs`, in their order.
    #[must_use]
    pub fn new(inputs: Vec<Input>, decoder: &'s Decoder, progress: Progress) -> Self {
        Self { decoder, waiting: inputs.into_iter(), current: None, row: Vec::new(), progress, failure: None }
    }

    /// What records are decoded with.
    #[must_use]
    pub fn decoder(&self) -> &'s Decoder {
        self.decoder
    }

    /// The next record; `None` after the last of the last file.
    ///
    /// # Errors
    /// When a file cannot be opened, read or decompressed, or a CSV file has no header.
    pub fn next_record(&mut self) -> Result<Option<FileRecord<'_>>, InputError> {
        let Some(found) = self.next_row()? else { return Ok(None) };
        Ok(self.decode(found))
    }

    /// The next records, of one file, to be decoded elsewhere; `None` after the last of the last file.
    ///
    /// # Errors
    /// As [`Self::next_record`], after the records before the failure.
    pub fn next_block(&mut self) -> Result<Option<Block>, InputError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let Some(first) = self.next_row()? else { return Ok(None) };
        let Some(file) = self.current.as_ref() else { return Ok(None) };
        let mut block = Block::new(file.name.clone(), file.header.clone());
        self.fill(&mut block, first);
        Ok(Some(block))
    }

    /// Adds the row that was read and those that follow it in the same file, as many as the block has room for.
    fn fill(&mut self, block: &mut Block, first: Found) {
        let mut found = first;
        loop {
            block.push(&self.row, found.line, found.length);
            self.progress.count(block.source());
            let Some(file) = self.current.as_mut().filter(|_| !block.is_full()) else { return };
            match file.read_row(&mut self.row) {
                Ok(Some(next)) => found = next,
                Ok(None) => {
                    self.current = None;
                    return;
                }
                Err(error) => {
                    self.progress.finish();
                    self.failure = Some(unreadable(&file.input, error));
                    return;
                }
            }
        }
    }

    /// Reads the next row into the row buffer, of the next file where one ends.
    fn next_row(&mut self) -> Result<Option<Found>, InputError> {
        loop {
            if self.current.is_none() {
                let Some(input) = self.waiting.next() else {
                    self.progress.finish();
                    return Ok(None);
                };
                self.current = Some(OpenFile::open(input, &self.progress)?);
            }
            let Some(file) = self.current.as_mut() else { continue };
            match file.read_row(&mut self.row) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => self.current = None,
                Err(error) => {
                    self.progress.finish();
                    return Err(unreadable(&file.input, error));
                }
            }
        }
    }

    fn decode(&mut self, Found { line, length }: Found) -> Option<FileRecord<'_>> {
        let OpenFile { input, header, .. } = self.current.as_ref()?;
        self.progress.count(input.name());
        let outcome = decode(self.decoder, header.as_deref(), &self.row, length);
        Some(FileRecord { source: input.name(), line, value: &self.row, length, header: header.as_deref(), outcome })
    }
}

/// The event of a row of this length, of which a long one has only its beginning here.
pub(super) fn decode<'r>(decoder: &Decoder, header: Option<&Header>, row: &'r [u8], length: u64) -> Result<Decoded<'r>, Rejection> {
    match header {
        _ if length > LARGEST => Err(oversized(length)),
        Some(header) => decoder.decode_row(header, row),
        None => decoder.decode_json_line(row),
    }
}

fn unreadable(input: &Input, error: io::Error) -> InputError {
    InputError::Unreadable { name: input.name().to_owned(), error }
}

impl OpenFile {
    fn open(input: Input, progress: &Progress) -> Result<Self, InputError> {
        let reader = input.open(progress).map_err(|error| unreadable(&input, error))?;
        let mut file = Self { lines: Lines::new(reader), header: None, name: input.name().into(), input };
        if file.input.format == Format::Csv {
            let mut row = Vec::new();
            file.read_row(&mut row).map_err(|error| unreadable(&file.input, error))?;
            let bad = |error| InputError::BadHeader { name: file.input.name().to_owned(), error };
            file.header = Some(Arc::new(Header::parse(&row).map_err(bad)?));
        }
        Ok(file)
    }

    /// Reads one record into `row`: a line, or in CSV as many as its quotes hold together.
    fn read_row(&mut self, row: &mut Vec<u8>) -> io::Result<Option<Found>> {
        loop {
            let Some(mut length) = self.lines.read(row)? else { return Ok(None) };
            let line = self.lines.number;
            if line == 1 && row.starts_with(b"\xef\xbb\xbf") {
                row.drain(..3);
                length -= 3;
            }
            if row.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if self.input.format == Format::Csv && length <= LARGEST {
                let state = RowState::default().after(row);
                if state.is_open() {
                    length = self.complete(row, state)?;
                }
            }
            return Ok(Some(Found { line, length }));
        }
    }

    /// Appends the lines that a quoted cell goes on in, and returns the length of the row. When the quote is never closed within what a record may
    /// have, its first line alone is the row, to be refused, and the others are read as if nothing had happened.
    fn complete(&mut self, row: &mut Vec<u8>, mut state: RowState) -> io::Result<u64> {
        let (first, mut line, mut count) = (row.len(), Vec::new(), 0);
        while state.is_open() {
            let length = self.lines.read(&mut line)?;
            count += u64::from(length.is_some());
            let whole = row.len() as u64 + 1 + length.unwrap_or(0);
            if length.is_some_and(|length| length > LARGEST) {
                return Ok(whole);
            }
            if length.is_none() || whole > LARGEST {
                let mut others = row.split_off(first);
                others.push(b'\n');
                others.append(&mut line);
                others.push(b'\n');
                self.lines.put_back(others.split_off(1), count);
                break;
            }
            state = state.after(b"\n").after(&line);
            row.push(b'\n');
            row.append(&mut line);
        }
        Ok(row.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;

    use super::*;
    use crate::wire::decode::DecoderLimits;
    use crate::wire::mapping::InputMapping;

    const NDJSON: &str = "\u{feff}{\"user_id\":\"a\",\"type\":\"activity\",\"timestamp\":1714564800000}\r\n\nnot json\n{\"user_id\":\"b\",\"type\":\"signup\",\"timestamp\":1714564800000}";
    const CSV: &str =
        "\u{feff}user_id,type,timestamp,note\na,activity,1714564800000,\"two\n\nlines\"\n\nb,activity\nc,signup,1714564800000,\n";

    /// Source, line and user or reason of each record.
    fn read(paths: &[&Path]) -> Vec<String> {
        let decoder = Decoder::new(&InputMapping::default(), DecoderLimits::default());
        let input = |path: &&Path| Input::from_argument(path.to_str().expect("UTF-8"), Format::Json).expect("a known ending");
        let mut records = FileRecords::new(paths.iter().map(input).collect(), &decoder, Progress::hidden());
        let mut found = Vec::new();
        while let Some(record) = records.next_record().expect("readable") {
            let outcome = match &record.outcome {
                Ok(read) => read.event.user_id.to_string(),
                Err(rejection) => rejection.reason.name().to_owned(),
            };
            let name = Path::new(record.source).file_name().and_then(|name| name.to_str()).expect("a name");
            found.push(format!("{name}:{} {outcome}", record.line));
        }
        found
    }

    fn stored(directory: &Path, name: &str, text: &str) -> std::path::PathBuf {
        let path = directory.join(name);
        let mut bytes = text.as_bytes().to_vec();
        if path.extension().is_some_and(|ending| ending == "gz") {
            // Two members one after the other, as `cat a.gz b.gz` makes them.
            let (head, tail) = text.split_at(40);
            bytes = [head, tail].map(gzip).concat();
        } else if path.extension().is_some_and(|ending| ending == "zst") {
            bytes = zstd::encode_all(text.as_bytes(), 1).expect("memory");
        }
        std::fs::write(&path, bytes).expect("a temporary file");
        path
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn every_format_in_every_compression() {
        let directory = tempfile::tempdir().expect("a directory");
        for ending in ["", ".gz", ".zst"] {
            let ndjson = stored(directory.path(), &format!("a.ndjson{ending}"), NDJSON);
            let csv = stored(directory.path(), &format!("a.csv{ending}"), CSV);
            let expected = ["ndjson:1 a", "ndjson:3 malformed", "ndjson:4 b", "csv:2 a", "csv:6 malformed", "csv:7 c"];
            let expected = expected.map(|line| format!("a.{}", line.replace(':', &format!("{ending}:"))));
            assert_eq!(read(&[&ndjson, &csv]), expected, "{ending}");
        }
    }

    #[test]
    fn a_quote_that_never_closes_costs_one_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let rest = "\nb,activity,1714564800000,".repeat(59_999);
        let path = stored(directory.path(), "a.csv", &format!("user_id,type,timestamp,note\na,activity,1714564800000,\"{rest}"));
        let found = read(&[&path]);
        assert_eq!(found.len(), 60_000);
        assert_eq!((found[0].as_str(), found[1].as_str(), found[59_999].as_str()), ("a.csv:2 malformed", "a.csv:3 b", "a.csv:60001 b"));
        let path = stored(directory.path(), "b.csv", "user_id,type,timestamp\na,activity,\"1714564800000\nb,signup,1714564800000\n");
        assert_eq!(read(&[&path]), ["b.csv:2 malformed", "b.csv:3 b"]);
        let path = stored(directory.path(), "c.csv", "user_id,type,timestamp\na,\"");
        assert_eq!(read(&[&path]), ["c.csv:2 malformed"]);
        let path =
            stored(directory.path(), "d.csv", &format!("user_id,type,timestamp\na,\"\n{}\nb,signup,1714564800000", "x".repeat(2_000_000)));
        assert_eq!(read(&[&path]), ["d.csv:2 oversized", "d.csv:4 b"]);
    }

    #[test]
    fn errors_name_the_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let broken = stored(directory.path(), "a.ndjson", NDJSON).with_extension("ndjson.gz");
        std::fs::write(&broken, b"not gzip").expect("a temporary file");
        let header = stored(directory.path(), "b.csv", "a,a\n");
        let decoder = Decoder::new(&InputMapping::default(), DecoderLimits::default());
        for (path, message) in [
            (broken, "unexpected end of file"),
            (header, "the header has the column `a` twice"),
            (directory.path().join("none.csv"), "No such file"),
        ] {
            let name = path.to_str().expect("UTF-8");
            let inputs = vec![Input::from_argument(name, Format::Json).expect("a known ending")];
            let error = FileRecords::new(inputs, &decoder, Progress::hidden()).next_record().expect_err("an error");
            let error = format!("{:#}", anyhow::Error::from(error));
            assert!(error.starts_with(name) && error.contains(message), "{error}");
        }
    }
}
