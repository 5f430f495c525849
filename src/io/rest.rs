//! Work that can wait, kept to a share of the time.

use std::time::Duration;

use super::clock::Stopwatch;

/// The time between two pieces of work of one kind.
#[derive(Debug)]
pub(super) struct Rest {
    share: u32,
    since: Stopwatch,
    length: Duration,
}

impl Rest {
    /// None before the first. The most that the work takes is one `share`-th of a processor.
    pub(super) fn none(share: u32) -> Self {
        Self { share, since: Stopwatch::start(), length: Duration::ZERO }
    }

    /// Whether the next piece may begin.
    pub(super) fn is_over(&self) -> bool {
        self.since.elapsed() >= self.length
    }

    /// Begins after a piece of work that has just ended.
    pub(super) fn begin_after(&mut self, took: Duration) {
        self.since.restart();
        self.length = took * (self.share - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_worked_long_rests_many_times_as_long() {
        let mut rest = Rest::none(20);
        assert!(rest.is_over());
        rest.begin_after(Duration::from_secs(3600));
        assert!(!rest.is_over());
        assert_eq!(rest.length, Duration::from_secs(19 * 3600));
        rest.begin_after(Duration::ZERO);
        assert!(rest.is_over());
    }
}
