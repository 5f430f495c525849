//! Steps over JSON text that keep nothing of it: trees and flat views are both made with them.

use super::JsonError;

/// A place in a JSON text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    /// The bytes of `text`.
    bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Scanner<'a> {
    /// The start of `payload`, which must be UTF-8.
    pub(super) fn new(payload: &'a [u8]) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(payload).map_err(|error| JsonError { at: error.valid_up_to(), what: "not UTF-8" })?;
        Ok(Self { text, bytes: payload, at: 0 })
    }

    pub(super) fn error(&self, what: &'static str) -> JsonError {
        JsonError { at: self.at, what }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// What was passed since `start`.
    pub(super) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    /// Whether `literal` is next; it is passed then.
    pub(super) fn pass(&mut self, literal: &[u8]) -> bool {
        let is_next = self.bytes[self.at..].starts_with(literal);
        if is_next {
            self.at += literal.len();
        }
        is_next
    }

    /// Passes the space before the end.
    pub(super) fn end(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        if self.at < self.bytes.len() { Err(self.error("more than one JSON value")) } else { Ok(()) }
    }

    /// Passes the colon after a key, with the space around it.
    pub(super) fn colon(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.error("no `:` after a key"));
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    /// Passes a comma (false) or the closing bracket (true).
    pub(super) fn comma_or(&mut self, close: u8, otherwise: &'static str) -> Result<bool, JsonError> {
        self.skip_space();
        let closed = match self.peek() {
            Some(b',') => false,
            Some(byte) if byte == close => true,
            _ => return Err(self.error(otherwise)),
        };
        self.at += 1;
        if !closed {
            self.skip_space();
        }
        Ok(closed)
    }

    /// Passes a number and returns it as it is written.
    pub(super) fn number(&mut self) -> Result<&'a str, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(self.since(start))
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.error("not a digit where a number needs one")) } else { Ok(()) }
    }

    /// Passes everything that stands for itself in a text.
    pub(super) fn plain_run(&mut self) {
        while let Some(word) = self.bytes[self.at..].first_chunk() {
            let special = special_bytes(u64::from_le_bytes(*word));
            if special != 0 {
                self.at += special.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
        let plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
        self.at += self.bytes[self.at..].iter().take_while(|byte| plain(byte)).count();
    }

    /// Passes an escape and returns what it stands for.
    pub(super) fn escape(&mut self) -> Result<char, JsonError> {
        let escaped = self.bytes.get(self.at + 1).copied();
        let plain = match escaped {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.error("an unknown escape")),
        };
        self.at += 2;
        Ok(plain)
    }

    /// `\u` with four hexadecimal digits, or two of them that make a surrogate pair.
    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let first = self.code_unit()?;
        let code = match first {
            0xd800..=0xdbff => {
                let second = self.code_unit()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(self.error("half a surrogate pair"));
                }
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            _ => first,
        };
        char::from_u32(code).ok_or_else(|| self.error("half a surrogate pair"))
    }

    fn code_unit(&mut self) -> Result<u32, JsonError> {
        let hex = self.bytes.get(self.at..self.at + 6).and_then(|escape| escape.strip_prefix(b"\\u"));
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let code = hex.and_then(|hex| hex.iter().try_fold(0, |code, byte| Some(code * 16 + digit(byte)?)));
        let code = code.ok_or_else(|| self.error("an escape without four hex digits"))?;
        self.at += 6;
        Ok(code)
    }
}

/// The high bit of each byte that does not stand for itself in a text: controls, `"` and `\`. Exact up to the lowest one, which is the only one
/// that counts: what is subtracted from a byte may borrow from the bytes above it.
const fn special_bytes(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let below_space = word.wrapping_sub(EACH * 0x20) & !word;
    let (quote, backslash) = (word ^ (EACH * 0x22), word ^ (EACH * 0x5c));
    let is_quote = quote.wrapping_sub(EACH) & !quote;
    let is_backslash = backslash.wrapping_sub(EACH) & !backslash;
    (below_space | is_quote | is_backslash) & HIGH
}
