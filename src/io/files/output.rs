//! Files of records that are complete when they are there.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{}", path.display())]
pub struct OutputError {
    path: PathBuf,
    #[source]
    error: io::Error,
}

/// A file of one record a line. It is written under a temporary name beside its own, and takes its own when it is complete; what stood
/// there before stays until then.
#[derive(Debug)]
pub struct LineFile {
    path: PathBuf,
    temporary: PathBuf,
    /// Nothing once finished.
    file: Option<File>,
    /// Records that are not in the file yet.
    buffer: Vec<u8>,
}

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 256 * 1024;

impl LineFile {
    /// Begins a file at `path`; its folder is made when it is not there.
    ///
    /// # Errors
    /// When the folder or the file cannot be made.
    pub fn create(path: &Path) -> Result<Self, OutputError> {
        let temporary = PathBuf::from([path.as_os_str(), ".partial".as_ref()].into_iter().collect::<std::ffi::OsString>());
        let begin = || {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            File::create(&temporary)
        };
        let file = begin().map_err(|error| OutputError { path: path.to_owned(), error })?;
        Ok(Self { path: path.to_owned(), file: Some(file), temporary, buffer: Vec::with_capacity(BUFFER_BYTES + BUFFER_BYTES / 8) })
    }

    fn failed(&self, error: io::Error) -> OutputError {
        OutputError { path: self.path.clone(), error }
    }

    /// Writes one record, which has no line end.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write(&mut self, record: &[u8]) -> Result<(), OutputError> {
        self.buffer.extend_from_slice(record);
        self.end_line()
    }

    /// Writes one record as JSON.
    ///
    /// # Errors
    /// When it is no JSON or writing fails.
    pub fn write_json(&mut self, record: &impl serde::Serialize) -> Result<(), OutputError> {
        let length = self.buffer.len();
        if let Err(error) = serde_json::to_writer(&mut self.buffer, record) {
            self.buffer.truncate(length);
            return Err(self.failed(error.into()));
        }
        self.end_line()
    }

    /// Writes records that have their line ends.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write_lines(&mut self, lines: &[u8]) -> Result<(), OutputError> {
        self.buffer.extend_from_slice(lines);
        self.make_room()
    }

    fn end_line(&mut self) -> Result<(), OutputError> {
        self.buffer.push(b'\n');
        self.make_room()
    }

    fn make_room(&mut self) -> Result<(), OutputError> {
        if self.buffer.len() < BUFFER_BYTES {
            return Ok(());
        }
        self.empty_buffer().map_err(|error| self.failed(error))
    }

    fn empty_buffer(&mut self) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(&self.buffer)?;
        }
        self.buffer.clear();
        Ok(())
    }

    /// Completes the file: everything is on the disk, under its own name.
    ///
    /// # Errors
    /// When writing or renaming fails.
    pub fn finish(mut self) -> Result<(), OutputError> {
        self.complete().map_err(|error| self.failed(error))
    }

    fn complete(&mut self) -> io::Result<()> {
        self.empty_buffer()?;
        if let Some(file) = self.file.take() {
            file.sync_all()?;
            fs::rename(&self.temporary, &self.path)?;
        }
        Ok(())
    }
}

impl Drop for LineFile {
    /// An unfinished file leaves nothing behind.
    fn drop(&mut self) {
        if self.file.take().is_some() {
            _ = fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_when_it_is_complete() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("deep/records.ndjson");
        let mut file = LineFile::create(&path).expect("a file");
        file.write(b"{}").expect("disk");
        file.write_json(&serde_json::json!({"a": 1})).expect("disk");
        assert!(!path.exists());
        file.finish().expect("disk");
        assert_eq!(fs::read_to_string(&path).expect("the file"), "{}\n{\"a\":1}\n");
        LineFile::create(&path).expect("a file").write(b"other").expect("disk");
        assert_eq!(fs::read_to_string(&path).expect("the file"), "{}\n{\"a\":1}\n");
        assert_eq!(fs::read_dir(directory.path().join("deep")).expect("the folder").count(), 1);
    }
}
