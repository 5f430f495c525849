//! Slots that were noted for a day: a list while they are few, a bit for each slot there is once they are many.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::component::Slot;

/// Bits of a word.
const WORD: usize = 64;
/// Bits of a slot in the list: with one slot in so many noted, the bits of all are less than the list.
const SLOT_BITS: usize = 32;
/// No list is shorter than this when it becomes bits.
const FEW: usize = 1024;

/// A set of slots. Many of them take an eighth of a byte for each slot there is, and need no sorting.
#[derive(Clone, Debug, Default)]
pub struct SlotSet {
    /// In the order of their coming, some several times; empty once there are bits.
    few: Vec<Slot>,
    many: Vec<u64>,
}

impl SlotSet {
    /// Adds a slot, one of `places` that there are.
    pub fn insert(&mut self, slot: Slot, places: usize) {
        if !self.many.is_empty() {
            return set(&mut self.many, slot);
        }
        if self.few.last() == Some(&slot) {
            return;
        }
        if self.few.len() == self.few.capacity() && self.few.len() >= (places / SLOT_BITS).max(FEW) {
            self.many = vec![0; places.div_ceil(WORD)];
            for known in std::mem::take(&mut self.few) {
                set(&mut self.many, known);
            }
            return set(&mut self.many, slot);
        }
        self.few.push(slot);
    }

    /// Sorts what is looked up with [`SlotSet::contains`].
    pub fn sort(&mut self) {
        self.few.sort_unstable();
        self.few.dedup();
    }

    /// Whether a slot is among them. They must have been sorted since the last came.
    #[must_use]
    pub fn contains(&self, slot: Slot) -> bool {
        let word = self.many.get(slot as usize / WORD).copied().unwrap_or_default();
        word >> (slot as usize % WORD) & 1 == 1 || self.few.binary_search(&slot).is_ok()
    }

    /// All of them in some order, some several times.
    pub fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.few.iter().copied().chain(self.many.iter().copied().enumerate().flat_map(slots_of))
    }

    /// Each of them once, ascending.
    pub fn into_ascending(mut self) -> impl Iterator<Item = Slot> {
        self.sort();
        self.few.into_iter().chain(self.many.into_iter().enumerate().flat_map(slots_of))
    }

    /// Bytes of memory beside the value itself.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        self.few.capacity() * size_of::<Slot>() + self.many.capacity() * size_of::<u64>()
    }
}

fn set(bits: &mut Vec<u64>, slot: Slot) {
    let word = slot as usize / WORD;
    if bits.len() <= word {
        bits.resize(word + 1, 0);
    }
    bits[word] |= 1 << (slot as usize % WORD);
}

/// The slots of a word of bits, by its place.
fn slots_of((place, mut word): (usize, u64)) -> impl Iterator<Item = Slot> {
    let first = Slot::try_from(place * WORD).unwrap_or(Slot::MAX);
    std::iter::from_fn(move || {
        let next = (word != 0).then(|| word.trailing_zeros())?;
        word &= word - 1;
        Some(first + next)
    })
}

/// Written as a sorted list, so that equal sets are equal bytes however they are kept.
impl Serialize for SlotSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let slots: Vec<Slot> = self.clone().into_ascending().collect();
        slots.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SlotSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Grows into bits with what comes next, if they are many.
        Ok(Self { few: Vec::deserialize(deserializer)?, many: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn many_take_a_bit_each() {
        let mut set = SlotSet::default();
        for slot in (0..1_000_000).rev() {
            set.insert(slot, 1_000_000);
        }
        assert!(set.approximate_bytes() <= 1_000_064 / 8, "{}", set.approximate_bytes());
        assert!(set.clone().into_ascending().eq(0..1_000_000));
        set.insert(1_000_070, 1_000_071);
        assert!(set.contains(1_000_070) && set.contains(7) && !set.contains(1_000_069));
    }

    proptest! {
        /// However many there are, they are those of a set.
        #[test]
        fn agrees_with_a_set(slots in prop::collection::vec(0_u32..5_000, 0..4_000), places in 1_usize..200_000) {
            let mut set = SlotSet::default();
            let known: BTreeSet<Slot> = slots.iter().copied().collect();
            for slot in slots {
                set.insert(slot, places);
            }
            prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), known.clone());
            let bytes = postcard::to_stdvec(&set).expect("written");
            prop_assert_eq!(&bytes, &postcard::to_stdvec(&known.iter().collect::<Vec<_>>()).expect("written"));
            let read: SlotSet = postcard::from_bytes(&bytes).expect("read");
            set.sort();
            for slot in 0..5_000 {
                prop_assert!(set.contains(slot) == known.contains(&slot) && read.contains(slot) == known.contains(&slot));
            }
            prop_assert!(set.into_ascending().eq(known.into_iter()));
        }
    }
}
