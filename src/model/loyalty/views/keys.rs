//! The texts that one user's views name, each kept once in one piece of memory and called by a number.

use smallvec::SmallVec;

/// Bytes of texts, and numbers, that take no memory of their own: as much as a pointer and a capacity would. Few users come through more than a channel or two.
const TEXTS_IN_PLACE: usize = 16;
const KEYS_IN_PLACE: usize = 4;

/// Bytes that a list grows by at least.
const LEAST_BYTES: usize = 32;

/// The most texts that are kept, so that three of their numbers and a day fit in 64 bits. A user with more within the days that are looked back at is no person.
pub(super) const MOST_KEYS: u32 = (1 << 20) - 1;

/// Texts by number; numbers start at 1, so that 0 stands for none.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    /// All texts, one after the other.
    texts: SmallVec<[u8; TEXTS_IN_PLACE]>,
    /// Where each ends.
    ends: SmallVec<[u32; KEYS_IN_PLACE]>,
    /// Their numbers, sorted by text.
    sorted: SmallVec<[u32; KEYS_IN_PLACE]>,
}

impl Keys {
    /// Without any.
    pub(super) const NONE: Self = Self { texts: SmallVec::new_const(), ends: SmallVec::new_const(), sorted: SmallVec::new_const() };

    /// The text of a number; empty for 0.
    pub(super) fn text(&self, number: u32) -> &str {
        std::str::from_utf8(self.bytes_of(number)).unwrap_or_default()
    }

    fn bytes_of(&self, number: u32) -> &[u8] {
        let Some(index) = (number as usize).checked_sub(1) else { return &[] };
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.texts[start as usize..self.ends[index] as usize]
    }

    /// Whether a number stands for a text.
    pub(super) fn is(&self, number: u32, text: &str) -> bool {
        // Two empty texts must not be compared byte by byte: with a pointer to nothing, that takes the processor a hundred times as long as with one to something.
        if number == 0 { text.is_empty() } else { self.bytes_of(number) == text.as_bytes() }
    }

    /// The number of a text; `None` when it is not known, or empty.
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.place(text).ok().map(|at| self.sorted[at])
    }

    /// The number of a text, which is kept from now on; 0 for an empty one, and when there is no room.
    pub(super) fn number(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        match self.place(text) {
            Ok(at) => self.sorted[at],
            Err(at) => self.insert(at, text),
        }
    }

    fn place(&self, text: &str) -> Result<usize, usize> {
        // Texts and their bytes have the same order.
        self.sorted.binary_search_by(|number| self.bytes_of(*number).cmp(text.as_bytes()))
    }

    fn insert(&mut self, at: usize, text: &str) -> u32 {
        let (Ok(end), Ok(number)) = (u32::try_from(self.texts.len() + text.len()), u32::try_from(self.ends.len() + 1)) else { return 0 };
        if number > MOST_KEYS {
            return 0;
        }
        self.texts.reserve_exact(places_for::<u8>(text.len(), self.texts.len(), self.texts.capacity()));
        self.texts.extend_from_slice(text.as_bytes());
        self.ends.reserve_exact(places_for::<u32>(1, self.ends.len(), self.ends.capacity()));
        self.ends.push(end);
        self.sorted.reserve_exact(places_for::<u32>(1, self.sorted.len(), self.sorted.capacity()));
        self.sorted.insert(at, number);
        number
    }

    /// The texts, sorted.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &str> {
        self.sorted.iter().map(|number| self.text(*number))
    }

    /// Whether numbers are places of [`Keys::in_order`], as of texts that came in order.
    pub(super) fn are_in_order(&self) -> bool {
        (1..).zip(&self.sorted).all(|(place, number)| place == *number)
    }

    /// By number, the place of its text in [`Keys::in_order`], counted from 1; 0 stays 0.
    pub(super) fn ranks(&self) -> Vec<u32> {
        let mut ranks = vec![0; self.sorted.len() + 1];
        for (rank, number) in (1..).zip(&self.sorted) {
            ranks[*number as usize] = rank;
        }
        ranks
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        let apart = |numbers: &SmallVec<[u32; KEYS_IN_PLACE]>| if numbers.spilled() { numbers.capacity() * size_of::<u32>() } else { 0 };
        let texts = if self.texts.spilled() { self.texts.capacity() } else { 0 };
        texts + apart(&self.ends) + apart(&self.sorted)
    }
}

/// How many places are to be made for `more` in a list; none while it has room. It grows by a quarter where a vector would double: there are as many of these as users.
pub(super) fn places_for<T>(more: usize, length: usize, capacity: usize) -> usize {
    if capacity - length >= more { 0 } else { more.max(length / 4).max(LEAST_BYTES / size_of::<T>().max(1)) }
}
