//! History goes into the log before live events do: in the order of time, each record once, from files or other topics.
//!
//! Everything is read, judged as the service would judge its arrival, and sorted. Then it is written in transactions, each of which commits, for a group of
//! its own that nobody joins, how many records are done. What is sorted is a function of the inputs, so that a later run goes on where the last commit stood.

mod entry;
mod error;
mod log;
mod position;
mod reading;
mod report;
mod sorting;
mod writing;

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

pub use self::error::BackfillError;
use self::log::Log;
use self::position::Plan;
use self::reading::{Read, Sources};
pub use self::report::Report;
use self::sorting::Sorter;
use self::writing::Writer;
use super::clock;
use super::files::{Input, Progress};
use super::input::InputReader;
use super::kafka::connection::Connection;
use crate::config::Settings;
use crate::model::time::EventTime;

/// Who notes how far a backfill is: the group commits, and nobody joins it.
#[must_use]
pub fn backfill_group(group_id: &str) -> String {
    format!("{group_id}.backfill")
}

/// What a history is made of, and how it is gone about.
#[derive(Clone, Debug)]
pub struct Backfill {
    /// Files, or standard input.
    pub inputs: Vec<Input>,
    /// Topics of the same cluster, each to its end as it was when the backfill began.
    pub topics: Vec<String>,
    /// Events at this instant or after it are left out.
    pub before: Option<EventTime>,
    /// Nothing is written; what would be is told.
    pub dry_run: bool,
    /// Bytes of records that are sorted in memory; more than that goes through temporary files.
    pub memory_bytes: usize,
    /// Where these files are. They have no names, and are gone with the process.
    pub folder: PathBuf,
}

/// The log that history goes into.
#[derive(Clone, Debug)]
pub struct Target {
    /// The topic that the engines read.
    pub topic: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// Whether it is the internal log, whose records are envelopes.
    pub internal: bool,
}

/// Writes a history into the log, or what an earlier run of the same left to be written.
pub fn backfill(
    settings: &Settings,
    connection: &Connection,
    reader: &InputReader,
    (target, work): (&Target, &Backfill),
) -> Result<Report, BackfillError> {
    let log = Log::new(connection, &settings.kafka.group_id, target)?;
    // Told before everything is read. Another process may still be writing, so that it is looked at again once that is fenced.
    let mut plan = match log.look(&work.topics)? {
        Some(stand) => stand.plan,
        None => Plan::beginning(clock::wall(), log.spans(&work.topics)?),
    };
    let sorter = Sorter::new(work.memory_bytes, work.folder.clone(), !work.dry_run);
    let sources = Sources { settings, connection, reader, group_id: log.group(), target, work, plan: &plan };
    let Read { tally, sorter } = reading::read(&sources, sorter, Progress::new(&work.inputs))?;
    plan.describe(&sorter.digest(), sorter.count(), target.partitions);
    let mut report = Report::new(target, tally);
    if work.dry_run || plan.of == 0 {
        return Ok(report);
    }
    let (records, total) = (sorter.finish()?, plan.of);
    let mut writer = Writer::open(settings, connection, log, plan, work.names())?;
    let before = writer.done();
    writer.write(records, &bar(total))?;
    report.note_written(before, writer.done());
    Ok(report)
}

impl Backfill {
    /// The inputs by number, as they are called.
    fn names(&self) -> Vec<String> {
        self.inputs.iter().map(Input::name).chain(self.topics.iter().map(String::as_str)).map(str::to_owned).collect()
    }
}

/// A bar of records, on standard error when that is a terminal.
fn bar(total: u64) -> ProgressBar {
    let template = "{elapsed_precise} {bar:30} {human_pos}/{human_len} records written, {per_sec} ETA {eta}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style)
}
