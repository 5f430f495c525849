//! The newest records that were no events, for whoever looks into why: a few of each reason, cut short.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::wire::dead_letter;

/// Samples kept of each reason; the oldest goes first.
const KEPT: usize = 8;
/// Bytes kept of a key, and of a detail.
const SHORT_BYTES: usize = 256;
/// Bytes kept of a value.
const VALUE_BYTES: usize = 1024;

/// The beginning of a dead letter. What is no UTF-8 has a replacement character in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Why it was no event, by name.
    pub reason: String,
    /// What was wrong with it.
    pub detail: String,
    /// The topic that it came from.
    pub topic: String,
    /// Its partition there.
    pub partition: String,
    /// Its offset there.
    pub offset: String,
    /// The beginning of its key, if it had one.
    pub key: Option<String>,
    /// The beginning of its value; `None` for a tombstone.
    pub value: Option<String>,
    /// Bytes of the whole value.
    pub length: usize,
}

impl DeadLetter {
    /// One with the headers that it is published with. Values are told by `header`, by the names of headers.
    #[must_use]
    pub fn new<'h>(header: impl Fn(&str) -> Option<&'h [u8]>, key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        let told = |name: &str| header(name).map(|bytes| beginning(bytes, SHORT_BYTES)).unwrap_or_default();
        Self {
            reason: told(dead_letter::REASON),
            detail: told(dead_letter::DETAIL),
            topic: told(dead_letter::TOPIC),
            partition: told(dead_letter::PARTITION),
            offset: told(dead_letter::OFFSET),
            key: key.map(|key| beginning(key, SHORT_BYTES)),
            value: value.map(|value| beginning(value, VALUE_BYTES)),
            length: value.map_or(0, <[u8]>::len),
        }
    }
}

/// The first bytes as text, without a character that is cut in two.
fn beginning(bytes: &[u8], most: usize) -> String {
    let text = &bytes[..bytes.len().min(most)];
    match std::str::from_utf8(text) {
        Ok(text) => text.to_owned(),
        Err(error) if error.error_len().is_none() && text.len() < bytes.len() => {
            String::from_utf8_lossy(&text[..error.valid_up_to()]).into_owned()
        }
        Err(_) => String::from_utf8_lossy(text).into_owned(),
    }
}

/// Dead letters of this process since it started.
#[derive(Debug, Default)]
pub struct DeadLetters(Mutex<BTreeMap<String, VecDeque<DeadLetter>>>);

impl DeadLetters {
    /// How many of the newest are worth telling at once: more of one reason would only drive each other out.
    pub const WORTH_TELLING: usize = 64;

    /// Notes one that was published.
    pub fn note(&self, letter: DeadLetter) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_reason = kept.entry(letter.reason.clone()).or_default();
        if of_reason.len() == KEPT {
            of_reason.pop_front();
        }
        of_reason.push_back(letter);
    }

    /// The samples, by reason, the newest of each first.
    #[must_use]
    pub fn samples(&self) -> Vec<DeadLetter> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.values().flat_map(|of_reason| of_reason.iter().rev().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(reason: &'static str, value: &[u8]) -> DeadLetter {
        DeadLetter::new(|name| (name == "stickiness.reason").then_some(reason.as_bytes()), None, Some(value))
    }

    #[test]
    fn the_newest_of_each_reason_stay() {
        let letters = DeadLetters::default();
        letters.note(letter("future", b"one"));
        for number in 0..100 {
            letters.note(letter("malformed", number.to_string().as_bytes()));
        }
        let samples = letters.samples();
        let told: Vec<(&str, Option<&str>)> = samples.iter().map(|letter| (letter.reason.as_str(), letter.value.as_deref())).collect();
        assert_eq!(told.len(), 1 + KEPT);
        assert_eq!(&told[..3], [("future", Some("one")), ("malformed", Some("99")), ("malformed", Some("98"))]);
    }

    #[test]
    fn long_and_odd_values_are_cut_between_characters() {
        let long = letter("malformed", "é".repeat(VALUE_BYTES).as_bytes());
        assert_eq!((long.length, long.value.map(|value| value.len())), (2 * VALUE_BYTES, Some(VALUE_BYTES)));
        let odd = letter("malformed", format!("x{}", "é".repeat(VALUE_BYTES)).as_bytes());
        assert_eq!(odd.value.map(|value| value.len()), Some(VALUE_BYTES - 1));
        assert_eq!(letter("malformed", b"a\xffb").value.as_deref(), Some("a\u{fffd}b"));
        assert_eq!(letter("malformed", b"a\xc3").value.as_deref(), Some("a\u{fffd}"), "the end of the value, not of what is kept");
    }
}
