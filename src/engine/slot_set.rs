//! Slots that were noted for a day: a list while they are few, a bit for each slot there is once they are many.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::component::Slot;

/// Bits of a word.
const WORD: usize = 64;
/// Bits of a slot in the list: with one slot in so many noted, the bits of all are less than the list.
const SLOT_BITS: usize = 32;
/// No list is shorter than this when it becomes bits.
const FEW: usize = 1024;

/// A bit for each slot that there is. Read from bytes, it is a list until [`SlotBits::unpack`]: bits take as much memory as the last slot says, whoever wrote it.
#[derive(Clone, Debug, Default)]
pub(super) struct SlotBits {
    words: Vec<u64>,
    packed: Vec<Slot>,
}

impl SlotBits {
    /// None yet of `places`.
    pub(super) fn none_of(places: usize) -> Self {
        Self { words: vec![0; places.div_ceil(WORD)], packed: Vec::new() }
    }

    /// All of `places`.
    pub(super) fn all_of(places: usize) -> Self {
        let mut bits = Self { words: vec![u64::MAX; places.div_ceil(WORD)], packed: Vec::new() };
        let last = places % WORD;
        if let Some(word) = bits.words.last_mut().filter(|_| last > 0) {
            *word = (1 << last) - 1;
        }
        bits
    }

    pub(super) fn insert(&mut self, slot: Slot) {
        let word = slot as usize / WORD;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (slot as usize % WORD);
    }

    /// Adds all slots of a set.
    pub(super) fn insert_all(&mut self, set: &SlotSet) {
        if self.words.len() < set.many.words.len() {
            self.words.resize(set.many.words.len(), 0);
        }
        for (word, more) in self.words.iter_mut().zip(&set.many.words) {
            *word |= more;
        }
        for slot in &set.few {
            self.insert(*slot);
        }
    }

    pub(super) fn remove(&mut self, slot: Slot) {
        if let Some(word) = self.words.get_mut(slot as usize / WORD) {
            *word &= !(1 << (slot as usize % WORD));
        }
    }

    pub(super) fn contains(&self, slot: Slot) -> bool {
        self.words.get(slot as usize / WORD).is_some_and(|word| word >> (slot as usize % WORD) & 1 == 1)
    }

    /// The first of them that is not below `from`.
    pub(super) fn next_from(&self, from: Slot) -> Option<Slot> {
        let place = from as usize / WORD;
        let first = (self.words.get(place)? >> (from as usize % WORD)) << (from as usize % WORD);
        let rest = self.words.iter().copied().enumerate().skip(place + 1);
        std::iter::once((place, first)).chain(rest).find(|(_, word)| *word != 0).and_then(|word| slots_of(word).next())
    }

    /// Bytes of memory beside the value itself.
    pub(super) fn approximate_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    /// Whether all of them are below `count`.
    pub(super) fn are_below(&self, count: usize) -> bool {
        self.iter().all(|slot| (slot as usize) < count)
    }

    /// Makes bits of what was read, once it is known to be below what there is.
    pub(super) fn unpack(&mut self) {
        for slot in std::mem::take(&mut self.packed) {
            self.insert(slot);
        }
    }

    fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.packed.iter().copied().chain(self.bits())
    }

    fn bits(&self) -> impl Iterator<Item = Slot> + '_ {
        self.words.iter().copied().enumerate().flat_map(slots_of)
    }
}

/// Written as a sorted list.
impl Serialize for SlotBits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let slots: Vec<Slot> = self.iter().collect();
        slots.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SlotBits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { words: Vec::new(), packed: Vec::deserialize(deserializer)? })
    }
}

/// A set of slots. Many of them take an eighth of a byte for each slot there is, and need no sorting.
#[derive(Clone, Debug, Default)]
pub struct SlotSet {
    /// In the order of their coming, some several times; empty once there are bits.
    few: Vec<Slot>,
    many: SlotBits,
}

impl SlotSet {
    /// Adds a slot, one of `places` that there are.
    pub fn insert(&mut self, slot: Slot, places: usize) {
        if !self.many.words.is_empty() {
            return self.many.insert(slot);
        }
        if self.few.last() == Some(&slot) {
            return;
        }
        if self.few.len() == self.few.capacity() && self.few.len() >= (places / SLOT_BITS).max(FEW) {
            self.many = SlotBits::none_of(places);
            for known in std::mem::take(&mut self.few) {
                self.many.insert(known);
            }
            return self.many.insert(slot);
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
        self.many.contains(slot) || self.few.binary_search(&slot).is_ok()
    }

    /// Makes bits of them, `places` of which there are, to look up many.
    pub fn spread(&mut self, places: usize) {
        if self.many.words.is_empty() && !self.few.is_empty() {
            self.many = SlotBits::none_of(places);
        }
        for slot in std::mem::take(&mut self.few) {
            self.many.insert(slot);
        }
    }

    /// All of them in some order, some several times.
    pub fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.few.iter().copied().chain(self.many.iter())
    }

    /// Each of them once, ascending.
    pub fn into_ascending(mut self) -> impl Iterator<Item = Slot> {
        self.sort();
        self.few.into_iter().chain(self.many.words.into_iter().enumerate().flat_map(slots_of))
    }

    /// Bytes of memory beside the value itself.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        self.few.capacity() * size_of::<Slot>() + self.many.approximate_bytes()
    }
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
        Ok(Self { few: Vec::deserialize(deserializer)?, many: SlotBits::default() })
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

    #[test]
    fn bits_are_found_from_a_slot_on() {
        let mut bits = SlotBits::all_of(130);
        assert_eq!((bits.next_from(129), bits.next_from(130), bits.next_from(1_000)), (Some(129), None, None));
        (1..130).for_each(|slot| bits.remove(slot));
        bits.insert(200);
        bits.remove(7_000);
        assert!(bits.contains(0) && bits.contains(200) && !bits.contains(64) && !bits.contains(7_000));
        assert_eq!((bits.next_from(0), bits.next_from(1), bits.next_from(201)), (Some(0), Some(200), None));
        let bytes = postcard::to_stdvec(&bits).expect("written");
        assert_eq!(bytes, postcard::to_stdvec(&[0_u32, 200][..]).expect("written"));
        let mut read: SlotBits = postcard::from_bytes(&bytes).expect("read");
        assert!(read.are_below(201) && !read.are_below(200));
        assert_eq!(postcard::to_stdvec(&read).expect("written"), bytes);
        read.unpack();
        assert!(read.next_from(1) == Some(200) && read.are_below(201) && !read.are_below(200));
        let far: SlotBits = postcard::from_bytes(&postcard::to_stdvec(&[u32::MAX][..]).expect("written")).expect("read");
        assert!(far.approximate_bytes() < 100 && !far.are_below(1 << 29));
        assert_eq!(SlotBits::all_of(64).next_from(63), Some(63));
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
            let mut bits = SlotBits::none_of(7);
            bits.insert_all(&set);
            prop_assert!(bits.iter().eq(known.iter().copied()));
            for slot in 0..5_000 {
                prop_assert!(set.contains(slot) == known.contains(&slot) && read.contains(slot) == known.contains(&slot));
            }
            set.spread(places);
            prop_assert!((0..5_000).all(|slot| set.contains(slot) == known.contains(&slot)));
            prop_assert!(set.into_ascending().eq(known.into_iter()));
        }
    }
}
