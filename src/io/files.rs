//! Events from files, and records to files.

mod block;
mod by_time;
mod input;
mod lines;
mod output;
mod progress;
mod records;

pub use block::Block;
pub use by_time::by_time;
pub use input::{Input, InputError};
pub use output::{LineFile, OutputError};
pub use progress::Progress;
pub use records::{FileRecord, FileRecords};
