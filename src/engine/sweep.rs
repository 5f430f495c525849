//! A look at every slot, in slices between events, once for each day that closes.

use std::ops::Range;

use super::component::Slot;
use crate::model::time::Day;

/// How far a look has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sweep {
    /// The day whose close it is of.
    of: Option<Day>,
    /// The next slot; `None` when all were looked at.
    next: Option<Slot>,
}

impl Sweep {
    /// Begins the look at a day that closed.
    pub(super) fn begin(closed: Day) -> Self {
        Self { of: Some(closed), next: Some(0) }
    }

    /// Whether the look at `closed` is to begin: none was of it, and none that has begun goes on.
    pub(super) fn is_due(&self, closed: Day) -> bool {
        self.is_over() && self.of < Some(closed)
    }

    /// Whether all slots were looked at.
    pub(super) fn is_over(&self) -> bool {
        self.next.is_none()
    }

    /// The day, and the next slots of `all`, at most `users`. `None` while nothing is to be looked at.
    pub(super) fn slice(&mut self, users: u32, all: usize) -> Option<(Day, Range<Slot>)> {
        let (of, from) = (self.of?, self.next?);
        let all = Slot::try_from(all).unwrap_or(Slot::MAX);
        let end = all.min(from.saturating_add(users));
        self.next = (end < all).then_some(end);
        Some((of, from..end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_is_looked_at_once_for_each_day() {
        let day = Day::from_number(7);
        assert!(Sweep::default().is_due(day) && Sweep::default().slice(9, 9).is_none());
        let mut sweep = Sweep::begin(day);
        assert!(!sweep.is_due(day + 1), "one that has begun is ended first");
        assert_eq!([sweep.slice(2, 3), sweep.slice(2, 4)], [Some((day, 0..2)), Some((day, 2..4))], "also of those who came meanwhile");
        assert!(sweep.is_over() && sweep.slice(2, 5).is_none() && !sweep.is_due(day) && sweep.is_due(day + 1));
    }
}
