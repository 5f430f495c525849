//! Everybody's profile, at the end of a replay.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::engine::partition::PartitionEngine;
use crate::engine::profile::Profile;
use crate::io::files::{LineFile, OutputError};
use crate::model::time::Day;
use crate::wire::records::ProfileRecord;

/// Profiles that are encoded at a time.
const CHUNK_PROFILES: usize = 1024;
/// Chunks that wait to be written, of each thread.
const WAITING_CHUNKS: usize = 4;

/// Writes every user's profile by id, as of the end of `day`, and returns how many there are. `threads` threads work on it.
pub(super) fn write(engines: &[PartitionEngine], day: Day, path: &Path, threads: usize) -> Result<u64, OutputError> {
    let mut file = LineFile::create(path)?;
    let profiles = sorted(engines, day, threads);
    thread::scope(|scope| {
        let mut encoded: Vec<Receiver<Vec<u8>>> = Vec::with_capacity(threads);
        for first in 0..threads {
            let (chunk, chunks) = sync_channel(WAITING_CHUNKS);
            encoded.push(chunks);
            let profiles = &profiles;
            scope.spawn(move || encode(profiles.chunks(CHUNK_PROFILES).skip(first).step_by(threads), &chunk));
        }
        // Chunks come from the threads in turn; the first that has none left had the last.
        for chunks in encoded.iter().cycle() {
            let Ok(lines) = chunks.recv() else { break };
            file.write_lines(&lines)?;
        }
        Ok(())
    })?;
    file.finish()?;
    Ok(profiles.len() as u64)
}

/// All profiles by id.
fn sorted(engines: &[PartitionEngine], day: Day, threads: usize) -> Vec<Profile> {
    let of = |engines: &[PartitionEngine]| engines.iter().flat_map(|engine| engine.profiles_on(day)).collect::<Vec<Profile>>();
    let mut profiles: Vec<Profile> = thread::scope(|scope| {
        let some = |engines| scope.spawn(move || of(engines));
        let threads: Vec<_> = engines.chunks(engines.len().div_ceil(threads).max(1)).map(some).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    profiles.sort_unstable_by(|one, other| one.user_id.cmp(&other.user_id));
    profiles
}

fn encode<'p>(chunks: impl Iterator<Item = &'p [Profile]>, to: &SyncSender<Vec<u8>>) {
    for chunk in chunks {
        let mut lines = Vec::with_capacity(CHUNK_PROFILES * 1024);
        for profile in chunk {
            // A profile is made of texts and numbers, which memory takes.
            _ = serde_json::to_writer(&mut lines, &ProfileRecord::new(profile));
            lines.push(b'\n');
        }
        if to.send(lines).is_err() {
            return;
        }
    }
}
