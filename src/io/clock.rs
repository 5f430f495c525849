//! The only reader of clocks. Everything else is given the time, so that a replay decides alike.
#![expect(clippy::disallowed_methods, reason = "this is the one place that reads clocks")]

use std::time::{Duration, Instant, SystemTime};

use crate::model::time::EventTime;

/// The wall clock, UTC. A clock set before 1970 reads as 1970.
#[must_use]
pub fn wall() -> EventTime {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    EventTime::from_nanos(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX)).plus_nanos(jump_nanos())
}

/// How far a test has set the wall clock ahead, or back: the milliseconds in the file that `STICKINESS_CLOCK` names. Release builds have none of this.
#[cfg(debug_assertions)]
fn jump_nanos() -> i64 {
    static FILE: std::sync::LazyLock<Option<std::ffi::OsString>> = std::sync::LazyLock::new(|| std::env::var_os("STICKINESS_CLOCK"));
    let written = FILE.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    written.and_then(|text| text.trim().parse::<i64>().ok()).map_or(0, |millis| millis.saturating_mul(1_000_000))
}

#[cfg(not(debug_assertions))]
const fn jump_nanos() -> i64 {
    0
}

/// Measures time since it was started on the monotonic clock, which no change of the wall clock moves.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts at zero.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Time since the start, which becomes now.
    pub fn restart(&mut self) -> Duration {
        let now = Instant::now();
        let elapsed = now - self.0;
        self.0 = now;
        elapsed
    }

    /// What is left of `limit`; zero when it is over.
    #[must_use]
    pub fn remaining(&self, limit: Duration) -> Duration {
        limit.saturating_sub(self.elapsed())
    }
}
