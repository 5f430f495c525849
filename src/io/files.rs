//! Events from files, and records to files.

mod input;
mod lines;
mod output;
mod progress;
mod records;

pub use input::{Input, InputError};
pub use output::{LineFile, OutputError};
pub use progress::Progress;
pub use records::{FileRecord, FileRecords};
