//! What a file is, by its name, and its bytes, decompressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use super::progress::Progress;
use crate::wire::csv::RowError;
use crate::wire::mapping::Format;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// Endings of names, without that of the compression, and the format they mean.
const FORMATS: [(&str, Format); 4] = [(".csv", Format::Csv), (".ndjson", Format::Json), (".jsonl", Format::Json), (".json", Format::Json)];

/// A file cannot be read as events.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The name does not say a format.
    #[error("{0}: the name must end in .csv, .ndjson, .jsonl or .json, then .gz or .zst when compressed; `-` is standard input")]
    UnknownFormat(String),
    /// Opening, reading or decompressing failed.
    #[error("{name}")]
    Unreadable {
        /// The file.
        name: String,
        /// What went wrong.
        #[source]
        error: io::Error,
    },
    /// The first row of a CSV file is no header.
    #[error("{name}")]
    BadHeader {
        /// The file.
        name: String,
        /// What went wrong.
        #[source]
        error: RowError,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstandard,
}

/// A file, or standard input, whose format is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    name: String,
    pub(super) format: Format,
    compression: Compression,
}

impl Input {
    /// The input that an argument names: a path whose ending says the format, or `-` for standard input in the format of the settings.
    ///
    /// # Errors
    /// When the ending is not known. The file itself is opened later.
    pub fn from_argument(argument: &str, standard_input: Format) -> Result<Self, InputError> {
        if argument == "-" {
            return Ok(Self { name: argument.to_owned(), format: standard_input, compression: Compression::None });
        }
        let lower = argument.to_ascii_lowercase();
        let (stem, compression) = match (lower.strip_suffix(".gz"), lower.strip_suffix(".zst")) {
            (Some(stem), _) => (stem, Compression::Gzip),
            (_, Some(stem)) => (stem, Compression::Zstandard),
            (None, None) => (lower.as_str(), Compression::None),
        };
        let format = FORMATS.iter().find(|(ending, _)| stem.ends_with(ending)).map(|(_, format)| *format);
        let format = format.ok_or_else(|| InputError::UnknownFormat(argument.to_owned()))?;
        Ok(Self { name: argument.to_owned(), format, compression })
    }

    /// As the argument wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Length of the file as it is stored, in bytes; `None` for standard input and what is no regular file.
    pub(super) fn stored_bytes(&self) -> Option<u64> {
        let metadata = std::fs::metadata(&self.name).ok().filter(|_| self.name != "-")?;
        metadata.is_file().then_some(metadata.len())
    }

    pub(super) fn open(&self, progress: &Progress) -> io::Result<Box<dyn BufRead + Send>> {
        let stored: Box<dyn Read + Send> = if self.name == "-" { Box::new(io::stdin()) } else { Box::new(File::open(&self.name)?) };
        let stored = BufReader::with_capacity(BUFFER_BYTES, progress.watch(stored));
        Ok(match self.compression {
            Compression::None => Box::new(stored),
            Compression::Gzip => buffered(flate2::bufread::MultiGzDecoder::new(stored)),
            Compression::Zstandard => buffered(zstd::stream::read::Decoder::with_buffer(stored)?),
        })
    }
}

fn buffered(reader: impl Read + Send + 'static) -> Box<dyn BufRead + Send> {
    Box::new(BufReader::with_capacity(BUFFER_BYTES, reader))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_the_format() {
        for (name, expected) in [
            ("a.csv", Some((Format::Csv, Compression::None))),
            ("dir.v1/A.CSV.GZ", Some((Format::Csv, Compression::Gzip))),
            ("a.ndjson", Some((Format::Json, Compression::None))),
            ("a.jsonl.zst", Some((Format::Json, Compression::Zstandard))),
            ("a.json.gz", Some((Format::Json, Compression::Gzip))),
            ("-", Some((Format::Csv, Compression::None))),
            ("a.parquet", None),
            ("a.gz", None),
            ("events", None),
        ] {
            let input = Input::from_argument(name, Format::Csv).ok();
            assert_eq!(input.map(|input| (input.format, input.compression)), expected, "{name}");
        }
    }
}
