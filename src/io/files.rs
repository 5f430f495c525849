//! Events from files, and records to files.

mod block;
mod input;
mod lines;
mod output;
mod progress;
mod records;

pub use block::Block;
pub use input::{Input, InputError};
pub use output::{LineFile, OutputError};
pub use progress::Progress;
pub use records::{FileRecord, FileRecords};
