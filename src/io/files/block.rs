//! Records that were read together, to be decoded and counted on other threads.

use std::sync::Arc;

use super::records::decode;
use crate::model::rejection::Rejection;
use crate::wire::csv::Header;
use crate::wire::decode::{Decoded, Decoder};

/// A block takes no more records beyond this many bytes; one record may be much longer.
const BLOCK_BYTES: usize = 256 * 1024;
/// The most records of a block.
const BLOCK_RECORDS: usize = 4096;

/// Some records of one file, as they stand there.
#[derive(Debug)]
pub struct Block {
    source: Arc<str>,
    /// Of a CSV file.
    header: Option<Arc<Header>>,
    bytes: Vec<u8>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    start: usize,
    end: usize,
    line: u64,
    length: u64,
}

impl Block {
    pub(super) fn new(source: Arc<str>, header: Option<Arc<Header>>) -> Self {
        Self { source, header, bytes: Vec::with_capacity(BLOCK_BYTES + BLOCK_BYTES / 8), rows: Vec::with_capacity(BLOCK_RECORDS / 2) }
    }

    /// Adds a record that begins in `line` and is `length` bytes long, of which `value` may be only the beginning.
    pub(super) fn push(&mut self, value: &[u8], line: u64, length: u64) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.rows.push(Row { start, end: self.bytes.len(), line, length });
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= BLOCK_BYTES || self.rows.len() >= BLOCK_RECORDS
    }

    /// The file as its argument names it; `-` is standard input.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Never: a block has a record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All bytes of all records, one after the other.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes of a record without the line end; of an oversized one, the first 64 KiB.
    #[must_use]
    pub fn value(&self, row: usize) -> &[u8] {
        &self.bytes[self.rows[row].start..self.rows[row].end]
    }

    /// The line in which a record begins; the first line of a file is 1.
    #[must_use]
    pub fn line(&self, row: usize) -> u64 {
        self.rows[row].line
    }

    /// The length of a whole record in bytes.
    #[must_use]
    pub fn length(&self, row: usize) -> u64 {
        self.rows[row].length
    }

    /// The event of a record with its arrival, or why it is none.
    pub fn decode(&self, decoder: &Decoder, row: usize) -> Result<Decoded<'_>, Rejection> {
        decode(decoder, self.header.as_deref(), self.value(row), self.length(row))
    }
}
