//! Sorts more records than memory holds: parts that fit are sorted there and go to temporary files, which are then read side by side.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};
use std::path::PathBuf;
use std::vec::IntoIter;

use sha2::{Digest as _, Sha256};

use super::entry::{TURN_BYTES, Turn};
use super::error::BackfillError;

/// What a record takes in memory besides its bytes.
const RECORD_OVERHEAD: usize = 64;
/// Files that are read side by side, each with a megabyte or less of memory. As many become one before there are more.
const RUNS: usize = 128;
/// Much smaller, at a cost that is small beside decoding.
const COMPRESSION: i32 = 1;

/// A record: its turn, and what it is, encoded.
pub(super) type Sortable = (Turn, Box<[u8]>);

/// Takes records in any order.
pub(super) struct Sorter {
    memory_bytes: usize,
    folder: PathBuf,
    /// Whether records are wanted back, or only their digest.
    keeps: bool,
    taken_bytes: usize,
    records: Vec<Sortable>,
    runs: Vec<File>,
    digest: u128,
    count: u64,
}

impl Sorter {
    /// A sorter that takes `memory_bytes` of memory at most, and one record more.
    pub(super) fn new(memory_bytes: usize, folder: PathBuf, keeps: bool) -> Self {
        Self { memory_bytes, folder, keeps, taken_bytes: 0, records: Vec::new(), runs: Vec::new(), digest: 0, count: 0 }
    }

    /// Takes one record.
    pub(super) fn push(&mut self, turn: Turn, body: &[u8]) -> Result<(), BackfillError> {
        let hash = Sha256::new().chain_update(turn.encode()).chain_update(body).finalize();
        // A sum, because records of a topic come in any order of its partitions.
        self.digest = hash.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte)).wrapping_add(self.digest);
        self.count += 1;
        if !self.keeps {
            return Ok(());
        }
        self.taken_bytes += body.len() + RECORD_OVERHEAD;
        self.records.push((turn, body.into()));
        if self.taken_bytes < self.memory_bytes {
            return Ok(());
        }
        self.spill().map_err(|error| BackfillError::Scratch { folder: self.folder.clone(), error })
    }

    /// What the records are, whatever order they came in: 32 hexadecimal digits.
    pub(super) fn digest(&self) -> String {
        format!("{:032x}", self.digest)
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    fn spill(&mut self) -> io::Result<()> {
        self.taken_bytes = 0;
        self.records.sort_unstable_by_key(|(turn, _)| *turn);
        let records = std::mem::take(&mut self.records);
        let run = self.write_run(records.into_iter().map(Ok))?;
        self.runs.push(run);
        if self.runs.len() == RUNS {
            let all = Merge::new(std::mem::take(&mut self.runs), Vec::new())?;
            let run = self.write_run(all)?;
            self.runs.push(run);
        }
        Ok(())
    }

    fn write_run(&self, records: impl Iterator<Item = io::Result<Sortable>>) -> io::Result<File> {
        let file = tempfile::tempfile_in(&self.folder)?;
        let mut writer = zstd::stream::write::Encoder::new(BufWriter::new(file), COMPRESSION)?;
        for record in records {
            let (turn, body) = record?;
            writer.write_all(&turn.encode())?;
            writer.write_all(&(body.len() as u64).to_le_bytes())?;
            writer.write_all(&body)?;
        }
        let mut file = writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(file)
    }

    /// All records, sorted.
    pub(super) fn finish(mut self) -> Result<Sorted, BackfillError> {
        self.records.sort_unstable_by_key(|(turn, _)| *turn);
        match Merge::new(self.runs, self.records) {
            Ok(merge) => Ok(Sorted { merge, folder: self.folder }),
            Err(error) => Err(BackfillError::Scratch { folder: self.folder, error }),
        }
    }
}

/// Records that are sorted already.
enum Run {
    Memory(IntoIter<Sortable>),
    File(Box<zstd::stream::read::Decoder<'static, BufReader<File>>>),
}

impl Run {
    fn next(&mut self) -> io::Result<Option<Sortable>> {
        let reader = match self {
            Self::Memory(records) => return Ok(records.next()),
            Self::File(reader) => reader,
        };
        let mut turn = [0; TURN_BYTES];
        match reader.read_exact(&mut turn) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let mut length = [0; 8];
        reader.read_exact(&mut length)?;
        let length = usize::try_from(u64::from_le_bytes(length)).map_err(io::Error::other)?;
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(Some((Turn::decode(turn), body.into_boxed_slice())))
    }
}

/// All records in their order.
pub(super) struct Sorted {
    merge: Merge,
    folder: PathBuf,
}

impl Sorted {
    /// The next record; `None` after the last.
    pub(super) fn next_record(&mut self) -> Result<Option<Sortable>, BackfillError> {
        self.merge.next().transpose().map_err(|error| BackfillError::Scratch { folder: self.folder.clone(), error })
    }
}

/// The first record of a run: its turn, the run, and what it is.
type Head = (Turn, usize, Box<[u8]>);

/// Runs that are read side by side.
struct Merge {
    runs: Vec<Run>,
    /// Of each run that is not at its end.
    heads: BinaryHeap<Reverse<Head>>,
}

impl Merge {
    fn new(files: Vec<File>, records: Vec<Sortable>) -> io::Result<Self> {
        let mut runs = vec![Run::Memory(records.into_iter())];
        for file in files {
            runs.push(Run::File(Box::new(zstd::stream::read::Decoder::new(file)?)));
        }
        let mut merge = Self { heads: BinaryHeap::with_capacity(runs.len()), runs };
        (0..merge.runs.len()).try_for_each(|run| merge.advance(run))?;
        Ok(merge)
    }

    fn advance(&mut self, run: usize) -> io::Result<()> {
        if let Some((turn, body)) = self.runs[run].next()? {
            self.heads.push(Reverse((turn, run, body)));
        }
        Ok(())
    }
}

impl Iterator for Merge {
    type Item = io::Result<Sortable>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((turn, run, body)) = self.heads.pop()?;
        Some(self.advance(run).map(|()| (turn, body)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_order(records: &[Sortable], memory_bytes: usize) -> (Vec<Sortable>, String) {
        let mut sorter = Sorter::new(memory_bytes, std::env::temp_dir(), true);
        for (turn, body) in records {
            sorter.push(*turn, body).expect("disk");
        }
        let (digest, count) = (sorter.digest(), sorter.count());
        let mut whole = sorter.finish().expect("disk");
        let found: Vec<Sortable> = std::iter::from_fn(|| whole.next_record().expect("disk")).collect();
        assert_eq!(found.len() as u64, count);
        (found, digest)
    }

    fn record(nanos: i64, place: i64) -> Sortable {
        let length = usize::try_from(place.unsigned_abs() % 300).expect("small");
        (Turn { nanos, source: 0, partition: 0, place }, vec![b'x'; length].into())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn files_change_nothing(times in prop::collection::vec(-5_i64..5, 0..600), memory_bytes in 100_usize..20_000) {
            let records: Vec<Sortable> = times.iter().zip(0..).map(|(nanos, place)| record(*nanos, place)).collect();
            let mut expected = records.clone();
            expected.sort();
            let (found, digest) = in_order(&records, memory_bytes);
            prop_assert_eq!(found, expected);
            let other_order: Vec<Sortable> = records.iter().rev().cloned().collect();
            prop_assert_eq!(&in_order(&other_order, usize::MAX).1, &digest);
            if let Some((last, others)) = records.split_last() {
                prop_assert_ne!(&in_order(others, usize::MAX).1, &digest);
                let other = (last.0, [&last.1, b"y".as_slice()].concat().into());
                prop_assert_ne!(&in_order(&[others, &[other]].concat(), usize::MAX).1, &digest);
            }
        }
    }

    #[test]
    fn more_files_than_are_read_side_by_side() {
        // A file for every record, more than twice as many as may be open.
        let records: Vec<Sortable> = (0..300).map(|number| record(number * 37 % 300, number)).collect();
        let mut expected = records.clone();
        expected.sort();
        assert_eq!(in_order(&records, 1).0, expected);
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let mut sorter = Sorter::new(1, PathBuf::from("/nowhere/at/all"), true);
        let error = sorter.push(record(1, 1).0, b"x").expect_err("no folder").to_string();
        assert!(error.starts_with("cannot sort in /nowhere/at/all: ") && error.contains("--temporary"), "{error}");
    }
}
