//! Threads that read and decode: what comes out is in the order of the files.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

use super::batch::PackedEvent;
use crate::io::files::{Block, FileRecords, InputError};
use crate::model::partition::partition_of;
use crate::model::rejection::Rejection;
use crate::model::time::{Calendar, Day};
use crate::wire::decode::Decoder;

/// Blocks that wait for each other.
const WAITING_BLOCKS: usize = 8;

/// A block with what its records mean.
pub(super) struct ReadBlock {
    pub(super) block: Arc<Block>,
    /// By row.
    pub(super) events: Vec<PackedEvent>,
    /// Records that are no events, by row.
    pub(super) letters: Vec<(u32, Rejection)>,
    /// Events after the last day asked for.
    pub(super) after_until: u64,
}

/// What is asked of every event.
#[derive(Clone, Copy)]
pub(super) struct Ask<'s> {
    pub(super) decoder: &'s Decoder,
    pub(super) calendar: &'s Calendar,
    pub(super) until: Option<Day>,
    pub(super) partitions: u32,
}

/// A block that is being decoded, or why there is none.
type Promise = Result<Receiver<ReadBlock>, InputError>;

/// Blocks in the order of the files, decoded.
pub(super) struct Reading {
    promises: Receiver<Promise>,
}

/// A block to be decoded, and where it goes then.
type Job = (Block, SyncSender<ReadBlock>);

impl Reading {
    /// Starts a thread that reads and `decoders` threads that decode. They end with the records, or when this value is dropped.
    pub(super) fn start<'scope, 'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        records: FileRecords<'env>,
        ask: Ask<'env>,
        decoders: usize,
    ) -> Self {
        let (promise, promises) = sync_channel(WAITING_BLOCKS);
        let (job, jobs) = sync_channel::<Job>(WAITING_BLOCKS);
        let jobs = Arc::new(Mutex::new(jobs));
        scope.spawn(move || read(records, &promise, &job));
        for _ in 0..decoders {
            let jobs = Arc::clone(&jobs);
            scope.spawn(move || {
                while let Some((block, to)) = next(&jobs) {
                    // Nobody waits for it when the replay has failed.
                    _ = to.send(ask.decode(block));
                }
            });
        }
        Self { promises }
    }

    /// The next block; `None` after the last.
    pub(super) fn next_block(&self) -> Result<Option<ReadBlock>, InputError> {
        let Ok(promise) = self.promises.recv() else { return Ok(None) };
        Ok(promise?.recv().ok())
    }
}

/// Takes the next job, as soon as there is one; `None` when there will be none.
fn next(jobs: &Mutex<Receiver<Job>>) -> Option<Job> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Reads until the end, a failure, or until nobody listens.
fn read(mut records: FileRecords<'_>, promises: &SyncSender<Promise>, jobs: &SyncSender<Job>) {
    loop {
        let block = match records.next_block() {
            Ok(Some(block)) => block,
            Ok(None) => return,
            Err(error) => {
                _ = promises.send(Err(error));
                return;
            }
        };
        let (to, decoded) = sync_channel(1);
        if promises.send(Ok(decoded)).is_err() || jobs.send((block, to)).is_err() {
            return;
        }
    }
}

impl Ask<'_> {
    fn decode(&self, block: Block) -> ReadBlock {
        let mut events = Vec::with_capacity(block.len());
        let mut letters = Vec::new();
        let mut after_until = 0;
        for (row, at) in (0..block.len()).zip(0..) {
            match block.decode(self.decoder, row) {
                Ok(decoded) if self.until.is_some_and(|until| self.calendar.day_of(decoded.event.time) > until) => after_until += 1,
                Ok(decoded) => {
                    let partition = partition_of(decoded.event.user_id.as_bytes(), self.partitions);
                    events.push(PackedEvent::new(at, partition, decoded, &block));
                }
                Err(rejection) => letters.push((at, rejection)),
            }
        }
        ReadBlock { block: Arc::new(block), events, letters, after_until }
    }
}
