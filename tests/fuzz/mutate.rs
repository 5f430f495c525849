//! Seeded mutations of bytes.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// The longest input that is made, in bytes.
const LONGEST: usize = 64 * 1024;

/// Makes inputs out of others.
pub(crate) struct Mutator {
    dice: ChaCha8Rng,
    tokens: &'static [&'static [u8]],
}

impl Mutator {
    /// Equal seeds make equal inputs. `tokens` are pieces that mean something to the reader.
    pub(crate) fn new(seed: u64, tokens: &'static [&'static [u8]]) -> Self {
        Self { dice: ChaCha8Rng::seed_from_u64(seed), tokens }
    }

    /// One of the corpus, changed in up to eight places.
    pub(crate) fn next(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = corpus[self.dice.random_range(0..corpus.len())].clone();
        for _ in 0..self.dice.random_range(1..=8) {
            self.change(&mut bytes, corpus);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.dice.random_range(0..=bytes.len());
        let end = (at + self.dice.random_range(0..32)).min(bytes.len());
        match self.dice.random_range(0..8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.dice.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = self.dice.random(),
            2 => _ = bytes.drain(at..end),
            3 => {
                let piece = bytes[at..end].repeat(self.dice.random_range(1..200));
                _ = bytes.splice(at..at, piece);
            }
            4 => bytes.truncate(at),
            5 => {
                let other = &corpus[self.dice.random_range(0..corpus.len())];
                let from = self.dice.random_range(0..=other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ if !self.tokens.is_empty() => {
                let token = self.tokens[self.dice.random_range(0..self.tokens.len())];
                let times = if self.dice.random_range(0..20) == 0 { 3_000 } else { 1 };
                _ = bytes.splice(at..end, token.repeat(times));
            }
            _ => bytes.insert(at, self.dice.random()),
        }
    }
}
