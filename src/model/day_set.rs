//! The set of days on which something happened to a user, over the last 192 days.

use serde::{Deserialize, Serialize};

use super::time::Day;

/// Days that a set remembers, counted back from its newest.
pub const SPAN: i32 = 192;
/// The bit of the newest day, in the last word.
const NEWEST: u32 = 1 << 31;

/// A set of days: the newest one and the 191 before it. Older days are forgotten when a newer one comes.
///
/// 192 days are enough for every figure that can still change: two windows of 30 days, the late horizon of 35 days, and the 35 days that a late merge reaches back (130 days).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaySet {
    /// Bit `j` (of word `j / 32`) is the day `newest - 191 + j`; all zero when the set is empty. Words of 32 bits leave no gap beside the day.
    words: [u32; 6],
    newest: Day,
}

impl Default for DaySet {
    fn default() -> Self {
        Self { words: [0; 6], newest: Day::from_number(0) }
    }
}

impl DaySet {
    /// Whether the set holds no day.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words == [0; 6]
    }

    /// The same bits in words of 64.
    fn wide(&self) -> [u64; 3] {
        let wide = |word: usize| u64::from(self.words[word]) | u64::from(self.words[word + 1]) << 32;
        [wide(0), wide(2), wide(4)]
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    fn set_wide(&mut self, [a, b, c]: [u64; 3]) {
        self.words = [a as u32, (a >> 32) as u32, b as u32, (b >> 32) as u32, c as u32, (c >> 32) as u32];
    }

    /// The newest day, or `None` of an empty set.
    #[must_use]
    pub fn newest(&self) -> Option<Day> {
        (!self.is_empty()).then_some(self.newest)
    }

    /// Adds a day and tells whether it is new to the set. A day too old to be remembered is not added, and `false` is returned.
    pub fn insert(&mut self, day: Day) -> bool {
        if self.is_empty() {
            self.newest = day;
            self.words = [0, 0, 0, 0, 0, NEWEST];
            return true;
        }
        let ahead = day.days_since(self.newest);
        if ahead > 0 {
            self.shift_down(ahead.unsigned_abs());
            self.newest = day;
            self.words[5] |= NEWEST;
            return true;
        }
        let Some(bit) = self.bit_of(day) else { return false };
        let word = &mut self.words[bit / 32];
        let before = *word;
        *word |= 1 << (bit % 32);
        *word != before
    }

    /// Adds the days of another set and returns how many both had; those too old to be remembered beside the newest of both are left out.
    pub fn unite(&mut self, other: &Self) -> u32 {
        if self.is_empty() || other.is_empty() {
            if self.is_empty() {
                *self = *other;
            }
            return 0;
        }
        let mut older = *other;
        if older.newest > self.newest {
            std::mem::swap(self, &mut older);
        }
        older.shift_down(self.newest.days_since(older.newest).unsigned_abs());
        let mut common = 0;
        for (word, more) in self.words.iter_mut().zip(older.words) {
            common += (*word & more).count_ones();
            *word |= more;
        }
        common
    }

    /// The days after `day`.
    #[must_use]
    pub fn after(&self, day: Day) -> Self {
        let later = self.later(day);
        if later == [0; 3] {
            return Self::default();
        }
        let mut set = *self;
        set.set_wide(later);
        set
    }

    /// The bits of the days after `day`, in words of 64.
    fn later(&self, day: Day) -> [u64; 3] {
        let passed = day.days_since(self.newest - SPAN).clamp(0, SPAN).unsigned_abs();
        let [a, b, c] = self.wide();
        let after = |word: u64, first: u32| word & u64::MAX.checked_shl(passed.saturating_sub(first)).unwrap_or(0);
        [after(a, 0), after(b, 64), after(c, 128)]
    }

    /// Number of days after `day`.
    #[must_use]
    pub fn count_after(&self, day: Day) -> u32 {
        self.later(day).into_iter().map(u64::count_ones).sum()
    }

    /// The first day after `day`.
    #[must_use]
    pub fn first_after(&self, day: Day) -> Option<Day> {
        let bit = match self.later(day) {
            [0, 0, 0] => return None,
            [0, 0, word] => 128 + word.trailing_zeros(),
            [0, word, _] => 64 + word.trailing_zeros(),
            [word, _, _] => word.trailing_zeros(),
        };
        Some(self.newest - (SPAN - 1) + bit.cast_signed())
    }

    /// The last day up to and including `day`, as far as the set remembers.
    #[must_use]
    pub fn last_through(&self, day: Day) -> Option<Day> {
        let (all, later) = (self.wide(), self.later(day));
        let silent = match [all[0] & !later[0], all[1] & !later[1], all[2] & !later[2]] {
            [0, 0, 0] => return None,
            [word, 0, 0] => 128 + word.leading_zeros(),
            [_, word, 0] => 64 + word.leading_zeros(),
            [_, _, word] => word.leading_zeros(),
        };
        Some(self.newest - silent.cast_signed())
    }

    /// Whether `day` is in the set, as far as it remembers.
    #[must_use]
    pub fn contains(&self, day: Day) -> bool {
        !self.is_empty() && self.bit_of(day).is_some_and(|bit| self.words[bit / 32] >> (bit % 32) & 1 == 1)
    }

    /// Number of days in `from..=through`.
    #[must_use]
    pub fn count_between(&self, from: Day, through: Day) -> u32 {
        let mut count = 0;
        let mut start = from;
        while start <= through {
            let width = through.days_since(start).min(127) + 1;
            let mask = u128::MAX >> (128 - width.unsigned_abs());
            count += (self.window(start) & mask).count_ones();
            start = start + width;
        }
        count
    }

    /// Number of days that the set remembers.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// The 128 days from `from` as bits: bit `j` is the day `from + j`.
    #[must_use]
    pub fn window(&self, from: Day) -> u128 {
        let [first, second, third] = self.wide();
        let low = u128::from(first) | u128::from(second) << 64;
        let offset = from.days_since(self.newest - (SPAN - 1));
        match offset {
            ..=-128 | SPAN.. => 0,
            -127..=0 => low << offset.unsigned_abs(),
            1.. => {
                let shift = offset.unsigned_abs();
                let high = u128::from(third);
                let below = if shift < 128 { low >> shift } else { 0 };
                let above = if shift <= 128 { high.checked_shl(128 - shift).unwrap_or(0) } else { high >> (shift - 128) };
                below | above
            }
        }
    }

    /// The 60 days ending on `day`, which is not before the newest: bit 59 is `day`.
    #[must_use]
    pub fn recent(&self, day: Day) -> u64 {
        let silent = day.days_since(self.newest);
        let [_, _, top] = self.wide();
        if self.is_empty() || silent >= 60 { 0 } else { top >> 4 >> silent.unsigned_abs() }
    }

    /// The days of the set, ascending.
    pub fn days(&self) -> impl Iterator<Item = Day> + '_ {
        let oldest = self.newest - (SPAN - 1);
        (0..).zip(self.words).flat_map(move |(index, mut word)| {
            std::iter::from_fn(move || {
                let bit = (word != 0).then_some(word.trailing_zeros())?;
                word &= word - 1;
                Some(oldest + (index * 32 + bit.cast_signed()))
            })
        })
    }

    fn bit_of(&self, day: Day) -> Option<usize> {
        usize::try_from(day.days_since(self.newest - (SPAN - 1))).ok().filter(|bit| *bit < 192)
    }

    /// Moves every day `by` bits towards the forgotten end.
    fn shift_down(&mut self, by: u32) {
        let [a, b, c] = self.wide();
        let join = |low: u64, high: u64, shift: u32| if shift == 0 { low } else { low >> shift | high << (64 - shift) };
        self.set_wide(match by {
            0..=63 => [join(a, b, by), join(b, c, by), c >> by],
            64..=127 => [join(b, c, by - 64), c >> (by - 64), 0],
            128..=191 => [c >> (by - 128), 0, 0],
            _ => [0; 3],
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_tree(days in prop::collection::vec(0_i32..500, 1..60), from in -200_i32..700) {
            let mut set = DaySet::default();
            let mut tree = BTreeSet::new();
            for number in days {
                let newest = tree.last().copied().unwrap_or(number).max(number);
                let fresh = number > newest - SPAN && tree.insert(number);
                tree.retain(|day| *day > newest - SPAN);
                prop_assert_eq!(set.insert(Day::from_number(number)), fresh);
            }
            let listed: Vec<i32> = set.days().map(Day::number).collect();
            prop_assert_eq!(&listed, &tree.iter().copied().collect::<Vec<_>>());
            let window = set.window(Day::from_number(from));
            let after = Day::from_number(tree.last().copied().unwrap_or(0) + from.rem_euclid(80));
            for back in 0..64 {
                let contained = back < 60 && tree.contains(&(after - back).number());
                prop_assert_eq!(back < 60 && set.recent(after) >> (59 - back) & 1 == 1, contained, "{} - {}", after, back);
            }
            for offset in 0..128 {
                prop_assert_eq!(window >> offset & 1 == 1, tree.contains(&(from + offset)), "{} + {}", from, offset);
            }
            let (mut even, mut odd) = (DaySet::default(), DaySet::default());
            for number in &tree {
                if number % 2 == 0 { even.insert(Day::from_number(*number)) } else { odd.insert(Day::from_number(*number)) };
            }
            even.unite(&odd);
            prop_assert_eq!(even, set);
            let cut = Day::from_number(from);
            prop_assert_eq!(set.count_after(cut) as usize, tree.range(from + 1..).count());
            prop_assert_eq!(set.first_after(cut).map(Day::number), tree.range(from + 1..).next().copied());
            prop_assert_eq!(set.last_through(cut).map(Day::number), tree.range(..=from).next_back().copied());
            prop_assert_eq!(set.after(cut).days().map(Day::number).collect::<Vec<_>>(), tree.range(from + 1..).copied().collect::<Vec<_>>());
            let counted = set.count_between(Day::from_number(from), Day::from_number(from + 150));
            prop_assert_eq!(counted as usize, tree.range(from..=from + 150).count());
        }
    }
}
