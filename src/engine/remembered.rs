//! Events that are recognised when they come again.

use serde::{Deserialize, Serialize};

use crate::model::seldom::Empty;
use crate::model::time::Day;

/// An event whose repeat would change something, by the first 16 bytes of a SHA-256 of its id and type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Remembered {
    /// The day of the event.
    pub day: Day,
    /// The digest.
    pub digest: [u8; 16],
}

impl Remembered {
    /// Whether the event is told from others.
    #[must_use]
    pub fn is_known_again(&self) -> bool {
        self.digest != [0; 16]
    }
}

impl Empty for Referrals {
    const EMPTY: &'static Self = &Self { older: 0, recent: Vec::new() };
}

/// Converted referrals: those of days that can still change by their events, so that they count once across the ids of a user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Referrals {
    older: u64,
    recent: Vec<Remembered>,
}

impl Referrals {
    /// Adds one.
    pub fn add(&mut self, event: Remembered) {
        let at = self.recent.partition_point(|known| *known < event);
        self.recent.insert(at, event);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.older + self.recent.len() as u64
    }

    /// Keeps only the number of those of before `day`.
    pub fn fold_before(&mut self, day: Day) {
        let end = self.recent.partition_point(|event| event.day < day);
        self.older += self.recent.drain(..end).count() as u64;
    }

    /// The part after a day, as that of a user of its own.
    #[must_use]
    pub fn after(&self, day: Day) -> Self {
        Self { older: 0, recent: self.recent.iter().filter(|event| event.day > day).copied().collect() }
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        self.older += other.older;
        for event in &other.recent {
            if event.digest == [0; 16] || self.recent.binary_search(event).is_err() {
                self.add(*event);
            }
        }
    }
}
