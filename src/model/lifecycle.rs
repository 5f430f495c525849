//! New, retained, resurrected, dormant, absent: how a window of days compares with the one before it.

use serde::{Deserialize, Serialize};

use super::windows::{any_in_window, range_mask};

/// Where a user stands at the end of a day, with W the window ending on it and V the window of the same length before W.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Lifecycle {
    /// First active day ever in W.
    New,
    /// Active in V and in W.
    Retained,
    /// Active in W, not in V, not new.
    Resurrected,
    /// Active in V, not in W.
    Dormant,
    /// Active in neither.
    Absent,
}

impl Lifecycle {
    /// The four states that metrics count, in the order of the records.
    pub const COUNTED: [Self; 4] = [Self::New, Self::Retained, Self::Resurrected, Self::Dormant];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Retained => "retained",
            Self::Resurrected => "resurrected",
            Self::Dormant => "dormant",
            Self::Absent => "absent",
        }
    }
}

/// For 128 days from a base, on which of them a user is in each of the four counted states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LifecycleMasks {
    /// Active days in the window: new, retained and resurrected together.
    pub active: u128,
    /// One mask for each state of [`Lifecycle::COUNTED`].
    pub states: [u128; 4],
}

impl LifecycleMasks {
    /// The masks of active `days` (bit `j` is the day `base + j`) for windows of `length` days, when the first active day ever is
    /// `base + first`. True for bits from `2 * length` up: earlier ones would need days before the base.
    #[must_use]
    pub fn new(days: u128, first: i32, length: u32) -> Self {
        let active = any_in_window(days, length);
        let before = active << length;
        let new = range_mask(first, first.saturating_add(length.cast_signed()) - 1);
        Self { active, states: [new, active & before & !new, active & !before & !new, before & !active] }
    }

    /// The state on the day `base + bit`.
    #[must_use]
    pub fn state(&self, bit: u32) -> Lifecycle {
        let found = (0..4).find(|state| self.states[*state] >> bit & 1 == 1);
        found.map_or(Lifecycle::Absent, |state| Lifecycle::COUNTED[state])
    }

    /// The first bit after `bit` whose state differs, if one does within the 128 days.
    #[must_use]
    pub fn next_change(&self, bit: u32) -> Option<u32> {
        let same = match self.state(bit) {
            Lifecycle::New => self.states[0],
            Lifecycle::Retained => self.states[1],
            Lifecycle::Resurrected => self.states[2],
            Lifecycle::Dormant => self.states[3],
            Lifecycle::Absent => !(self.states[0] | self.states[1] | self.states[2] | self.states[3]),
        };
        let changed = !same & range_mask(bit.cast_signed() + 1, 127);
        (changed != 0).then(|| changed.trailing_zeros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_of_one_day_is_new_then_dormant_then_absent() {
        let masks = LifecycleMasks::new(1 << 60, 60, 30);
        for (bit, state) in [(59, Lifecycle::Absent), (60, Lifecycle::New), (89, Lifecycle::New), (90, Lifecycle::Dormant)] {
            assert_eq!(masks.state(bit), state, "{bit}");
        }
        assert_eq!(masks.state(119), Lifecycle::Dormant);
        assert_eq!(masks.state(120), Lifecycle::Absent);
        assert_eq!(masks.next_change(59), Some(60));
        assert_eq!(masks.next_change(60), Some(90));
        assert_eq!(masks.next_change(90), Some(120));
        assert_eq!(masks.next_change(120), None);
    }

    #[test]
    fn a_return_after_a_silent_window_is_a_resurrection() {
        let masks = LifecycleMasks::new(1 << 64 | 1 << 80 | 1 << 81, 0, 7);
        assert_eq!(masks.state(80), Lifecycle::Resurrected);
        assert_eq!(masks.state(86), Lifecycle::Resurrected);
        assert_eq!(masks.state(87), Lifecycle::Retained);
        assert_eq!(masks.state(88), Lifecycle::Dormant);
        let changes = [64, 71, 78, 80, 87, 88].map(|bit| (masks.state(bit), masks.next_change(bit)));
        let [absent, resurrected, retained, dormant] = [Lifecycle::Absent, Lifecycle::Resurrected, Lifecycle::Retained, Lifecycle::Dormant];
        let ends = [71, 78, 80, 87, 88, 95].map(Some);
        assert_eq!(changes.map(|(_, next)| next), ends);
        assert_eq!(changes.map(|(state, _)| state), [resurrected, dormant, absent, resurrected, retained, dormant]);
    }
}
