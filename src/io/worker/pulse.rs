//! The pulse of a thread: when it last came round, and what it waits for, so that one that hangs is found out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::io::clock::Stopwatch;

/// Shared between a thread and whoever watches it.
#[derive(Debug)]
pub struct Pulse(Mutex<Reading>);

/// What a pulse says.
#[derive(Clone, Copy, Debug)]
struct Reading {
    since: Stopwatch,
    waits_for: Option<&'static str>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self(Mutex::new(Reading { since: Stopwatch::start(), waits_for: None }))
    }
}

impl Pulse {
    /// The thread goes on by itself: it must beat again within the limit of a step.
    pub fn beat(&self) {
        self.set(None);
    }

    /// The thread waits for another's doing, which has limits of its own and may rightly take long.
    pub fn wait_for(&self, what: &'static str) {
        self.set(Some(what));
    }

    /// What the thread does began now, as far as anyone can tell: the whole process was held up.
    pub fn begin_again(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).since = Stopwatch::start();
    }

    fn set(&self, waits_for: Option<&'static str>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Reading { since: Stopwatch::start(), waits_for };
    }

    /// How long ago it last said something, and what it waits for, if it does.
    #[must_use]
    pub fn read(&self) -> (Duration, Option<&'static str>) {
        let reading = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (reading.since.elapsed(), reading.waits_for)
    }
}
