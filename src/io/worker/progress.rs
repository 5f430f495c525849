//! How far the restores of a worker are, for whoever watches the log and waits.

use std::time::Duration;

use super::partition::{Partition, Phase};
use super::{Processors, Worker};
use crate::io::clock::Stopwatch;

/// How often it is told.
const TELL: Duration = Duration::from_secs(10);

/// Restores that go on, as they were told last.
#[derive(Debug)]
pub(super) struct Restores {
    /// Since the first of them began.
    since_start: Stopwatch,
    /// Since they were told.
    since_told: Stopwatch,
    /// Records that were left then.
    left: u64,
}

impl<F: Processors> Worker<F> {
    /// Tells how many records restores have still to read, how fast that goes, and how long it will take; and when it is over.
    pub(super) fn tell_restores(&mut self) {
        let left: u64 = self.partitions.values().map(left).sum();
        let partitions = self.partitions.values().filter(|one| !one.is_live()).count();
        if left == 0 {
            let live = self.partitions.len();
            self.spans.iter_mut().for_each(|spans| spans.end_restore(live));
        }
        match &mut self.restores {
            None if left == 0 => {}
            None => {
                tracing::info!(partitions, left, "restoring: reading on from the snapshots to the last commits");
                self.restores = Some(Restores { since_start: Stopwatch::start(), since_told: Stopwatch::start(), left });
            }
            Some(restores) if left == 0 => {
                tracing::info!(elapsed = ?restores.since_start.elapsed(), "restored: all partitions are live");
                self.restores = None;
            }
            Some(restores) if restores.since_told.elapsed() >= TELL => {
                let pace = Pace::between(restores.left, left, restores.since_told.restart());
                restores.left = left;
                tracing::info!(partitions, left, per_second = pace.per_second, remaining_s = pace.remaining_s, "restoring");
            }
            Some(_) => {}
        }
    }
}

/// Records that a partition's restore has still to read.
fn left<P>(partition: &Partition<P>) -> u64 {
    match &partition.phase {
        Phase::Replaying { until, .. } => u64::try_from(until - partition.next_offset).unwrap_or(0).max(1),
        Phase::Live => 0,
    }
}

/// How fast restores are.
#[derive(Debug, PartialEq, Eq)]
struct Pace {
    per_second: u64,
    /// Seconds that it takes at this pace; nothing while it stands still, as it does when another partition has come.
    remaining_s: Option<u64>,
}

impl Pace {
    /// When `before` records were left, and `left` are after `elapsed`.
    fn between(before: u64, left: u64, elapsed: Duration) -> Self {
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        let per_second = before.saturating_sub(left).saturating_mul(1000) / millis;
        Self { per_second, remaining_s: left.checked_div(per_second) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_estimated_by_the_pace_since_it_was_told() {
        for (before, left, seconds, per_second, remaining_s) in
            [(5_000_000, 3_000_000, 10, 200_000, Some(15)), (100, 1, 10, 9, Some(0)), (100, 100, 10, 0, None), (100, 400, 10, 0, None)]
        {
            let expected = Pace { per_second, remaining_s };
            assert_eq!(Pace::between(before, left, Duration::from_secs(seconds)), expected, "{before} {left}");
        }
    }
}
