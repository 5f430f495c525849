//! The engine over files: records in, the last record of every metric and every transition out.

mod batch;
mod engines;
mod lanes;
mod partitions;
mod profiles;
mod reading;
mod report;
mod totals;
mod writing;

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, channel, sync_channel};
use std::thread;

pub use partitions::Partitions;
pub use report::Summary;

use super::files::{Block, FileRecords, InputError, LineFile, OutputError};
use crate::config::Settings;
use crate::model::rejection::Rejection;
use crate::model::time::{Calendar, Day, UnknownTimeZone};
use batch::{Blocks, Letter, PackedEvent, Place};
use engines::{Engines, Outcome};
use lanes::Lanes;
use reading::{Ask, ReadBlock, Reading};
use totals::Totals;
use writing::{Work, Writer};

/// In which order records reach the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they stand in the files.
    File,
    /// By event time; records of the same time as they stand. All are held in memory.
    EventTime,
}

/// What a replay is asked for.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// Where the outputs go; made when it is not there.
    pub output: PathBuf,
    /// Leaves out events after this day and closes every day up to it.
    pub until: Option<Day>,
    /// How many partitions users are spread over; at least 1.
    pub partitions: u32,
    /// In which order records reach the engine.
    pub order: Order,
}

/// A replay failed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// An output cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The output folder cannot be made.
    #[error("{0}")]
    Folder(PathBuf, #[source] std::io::Error),
    /// The time zone of the settings is unknown.
    #[error(transparent)]
    TimeZone(#[from] UnknownTimeZone),
}

/// Records between two looks at what changed, which keeps what engines have to tell from piling up.
const RECORDS_BETWEEN_LOOKS: u64 = 20_000;
/// Events of a batch in the order of time.
const BATCH_EVENTS: usize = 4096;
/// Batches that wait to be written.
const WAITING_BATCHES: usize = 16;

/// Reads all records, and writes `metrics.ndjson`, `transitions.ndjson`, `churn-risk.ndjson`, `alerts.ndjson`, `dead-letters.ndjson`, `profiles.ndjson` and `summary.json` to the output folder. Each file comes into being when it is complete.
///
/// Reading, decoding, counting and writing are on threads of their own; what is written does not depend on how many there are.
pub fn replay(settings: &Settings, options: &ReplayOptions, records: FileRecords<'_>) -> Result<Summary, ReplayError> {
    std::fs::create_dir_all(&options.output).map_err(|error| ReplayError::Folder(options.output.clone(), error))?;
    let calendar = Arc::new(Calendar::new(&settings.engine.time_zone)?);
    let totals = Totals::new(settings, options.partitions);
    let writer = Writer::create(&options.output, totals, calendar.clone())?;
    let engines = Engines::new(settings, options.partitions, &calendar);
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let ask = Ask { decoder: records.decoder(), calendar: &calendar, until: options.until, partitions: options.partitions };
    let (counted, engines, writer) = thread::scope(|scope| {
        let reading = Reading::start(scope, records, ask, cores);
        let lanes = Lanes::start(scope, engines, cores.min(options.partitions as usize));
        let (work, works) = sync_channel(WAITING_BATCHES);
        let writing = scope.spawn(move || writer.run(&works));
        let run = Run { lanes, work, counted: Counted { records: 0, after_until: 0 } };
        let counted = run.count(&reading, options);
        // What stops the writer stops everything, and is what is told.
        let writer = writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (counted, engines) = counted?;
        Ok::<_, ReplayError>((counted, engines, writer?))
    })?;
    let day = options.until.or(engines.newest_day()).unwrap_or(Day::from_number(0));
    let (summary, users) = thread::scope(|scope| {
        let finishing = scope.spawn(|| writer.finish(&options.output));
        let users = profiles::write(engines.all(), day, &options.output.join("profiles.ndjson"), cores);
        (finishing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), users)
    });
    let mut summary = summary?;
    (summary.records, summary.after_until, summary.users) = (counted.records, counted.after_until, users?);
    let mut file = LineFile::create(&options.output.join("summary.json"))?;
    file.write_json(&summary.to_json())?;
    file.finish()?;
    Ok(summary)
}

/// How many records there were.
struct Counted {
    records: u64,
    after_until: u64,
}

/// Hands what is read to those who count, and what they say to the writer, in order.
struct Run {
    lanes: Lanes,
    work: SyncSender<Work>,
    counted: Counted,
}

impl Run {
    /// Reads and counts everything, and returns the engines.
    fn count(mut self, reading: &Reading, options: &ReplayOptions) -> Result<(Counted, Engines), ReplayError> {
        match options.order {
            Order::File => self.in_file_order(reading)?,
            Order::EventTime => self.in_event_time_order(reading)?,
        }
        let engines = self.finish(options.until);
        Ok((self.counted, engines))
    }

    fn in_file_order(&mut self, reading: &Reading) -> Result<(), InputError> {
        while let Some(read) = reading.next_block()? {
            let before = self.counted.records;
            let (blocks, letters, events) = self.take(read);
            let turn = u32::try_from(RECORDS_BETWEEN_LOOKS - 1 - before % RECORDS_BETWEEN_LOOKS).unwrap_or(u32::MAX);
            // The others have seen as much when this event is counted, whatever blocks are made of.
            let look = events.binary_search_by_key(&turn, |event| event.place.at).is_ok().then_some(turn);
            if self.hand_over(blocks, letters, events, look).is_none() {
                break;
            }
        }
        Ok(())
    }

    fn in_event_time_order(&mut self, reading: &Reading) -> Result<(), InputError> {
        let mut all: Vec<Arc<Block>> = Vec::new();
        let mut waiting: Vec<PackedEvent> = Vec::new();
        while let Some(read) = reading.next_block()? {
            let (blocks, letters, mut events) = self.take(read);
            let number = u32::try_from(all.len()).unwrap_or(u32::MAX);
            for event in &mut events {
                event.place.block = number;
            }
            waiting.append(&mut events);
            all.extend(blocks.iter().cloned());
            if self.hand_over(blocks, letters, Vec::new(), None).is_none() {
                return Ok(());
            }
        }
        waiting.sort_by_key(|event| event.time);
        let blocks: Blocks = all.into();
        let mut since_look = 0;
        let mut rest = waiting.into_iter();
        while rest.len() > 0 {
            let mut events: Vec<PackedEvent> = rest.by_ref().take(BATCH_EVENTS).collect();
            for (at, event) in (0..).zip(&mut events) {
                event.place.at = at;
            }
            since_look += events.len() as u64;
            let look = events.last().map(|event| event.place.at).filter(|_| since_look >= RECORDS_BETWEEN_LOOKS);
            since_look = if look.is_some() { 0 } else { since_look };
            if self.hand_over(blocks.clone(), Vec::new(), events, look).is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Counts the records of a block.
    fn take(&mut self, ReadBlock { block, events, letters, after_until }: ReadBlock) -> (Blocks, Vec<Letter>, Vec<PackedEvent>) {
        self.counted.records += block.len() as u64;
        self.counted.after_until += after_until;
        let letter = |(row, rejection): (u32, Rejection)| Letter { place: Place { at: row, block: 0, row }, rejection };
        let blocks: Blocks = Arc::new([block]);
        (blocks, letters.into_iter().map(letter).collect(), events)
    }

    /// Lets a batch be counted and written. `None` when nothing is written any more.
    fn hand_over(&mut self, blocks: Blocks, letters: Vec<Letter>, events: Vec<PackedEvent>, look: Option<u32>) -> Option<()> {
        let outcomes = self.lanes.count(&blocks, events, look);
        self.work.send(Work { blocks, letters, outcomes }).ok()
    }

    /// Closes days, and lets all partitions tell the last that there is to tell. Nothing comes for partitions that never had a record.
    fn finish(&mut self, until: Option<Day>) -> Engines {
        let mut engines = self.lanes.bring_home();
        if let Some(until) = until {
            self.say(engines.close_through(until));
        }
        self.say(Outcome { told: engines.tell(), ..Outcome::default() });
        if engines.close_the_empty() {
            self.say(Outcome { told: engines.tell(), ..Outcome::default() });
        }
        engines
    }

    fn say(&self, outcome: Outcome) {
        let (to, outcomes) = channel();
        _ = to.send(outcome);
        // Where nothing is written any more, the writer tells why.
        _ = self.work.send(Work { blocks: Arc::new([]), letters: Vec::new(), outcomes: vec![outcomes] });
    }
}
