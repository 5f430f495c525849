//! From bytes to nodes, in one pass.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{DEEPEST, JsonError, Node};

/// Up to this many keys are compared pairwise; more are put in a set, so that a wide object costs no more than its length.
const FEW_KEYS: usize = 16;

/// Reads one JSON value that fills `payload`.
pub(super) fn document(payload: &[u8]) -> Result<Vec<Node<'_>>, JsonError> {
    let text = std::str::from_utf8(payload).map_err(|error| JsonError { at: error.valid_up_to(), what: "not UTF-8" })?;
    let mut parser = Parser { text, bytes: payload, at: 0, nodes: Vec::with_capacity(32) };
    parser.skip_space();
    parser.value(0)?;
    parser.skip_space();
    if parser.at < payload.len() {
        return Err(parser.error("more than one JSON value"));
    }
    Ok(parser.nodes)
}

struct Parser<'a> {
    text: &'a str,
    /// The bytes of `text`.
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node<'a>>,
}

impl<'a> Parser<'a> {
    fn error(&self, what: &'static str) -> JsonError {
        JsonError { at: self.at, what }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => {
                let text = self.string()?;
                self.nodes.push(Node::Text(text));
                Ok(())
            }
            Some(b'{') => self.container(depth, Self::object),
            Some(b'[') => self.container(depth, Self::array),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Node::Bool(true)),
            Some(b'f') => self.word("false", Node::Bool(false)),
            Some(b'n') => self.word("null", Node::Null),
            Some(_) => Err(self.error("not a JSON value")),
            None => Err(self.error("the end of the text instead of a value")),
        }
    }

    fn word(&mut self, word: &str, node: Node<'a>) -> Result<(), JsonError> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.error("not a JSON value"));
        }
        self.at += word.len();
        self.nodes.push(node);
        Ok(())
    }

    fn container(&mut self, depth: usize, inside: fn(&mut Self, usize) -> Result<(), JsonError>) -> Result<(), JsonError> {
        if depth >= DEEPEST {
            return Err(self.error("nested too deep"));
        }
        self.at += 1;
        self.skip_space();
        inside(self, depth + 1)
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        let start = self.nodes.len();
        self.nodes.push(Node::Array(0));
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth)?;
            if self.comma_or(b']', "neither `,` nor `]` after an item")? {
                self.nodes[start] = Node::Array(self.nodes.len() - start - 1);
                return Ok(());
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), JsonError> {
        let start = self.nodes.len();
        self.nodes.push(Node::Object(0));
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut keys = 0;
        loop {
            self.key()?;
            keys += 1;
            self.value(depth)?;
            if self.comma_or(b'}', "neither `,` nor `}` after a member")? {
                self.nodes[start] = Node::Object(self.nodes.len() - start - 1);
                return self.check_keys(start + 1, keys);
            }
        }
    }

    fn key(&mut self) -> Result<(), JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("not a key"));
        }
        let key = self.string()?;
        self.nodes.push(Node::Text(key));
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.error("no `:` after a key"));
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    /// Passes a comma (false) or the closing bracket (true).
    fn comma_or(&mut self, close: u8, otherwise: &'static str) -> Result<bool, JsonError> {
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

    /// Refuses a key twice among the `count` keys of the object whose members start at node `first`.
    fn check_keys(&self, first: usize, count: usize) -> Result<(), JsonError> {
        let unique = if count > FEW_KEYS {
            let mut seen = HashSet::with_capacity(count);
            self.keys(first).all(|key| seen.insert(key))
        } else {
            let mut seen = [""; FEW_KEYS];
            self.keys(first).enumerate().all(|(index, key)| {
                seen[index] = key;
                !seen[..index].contains(&key)
            })
        };
        if unique { Ok(()) } else { Err(self.error("a key for the second time in the object that ends")) }
    }

    fn keys(&self, first: usize) -> impl Iterator<Item = &str> {
        let mut at = first;
        std::iter::from_fn(move || {
            let Node::Text(key) = self.nodes.get(at)? else { return None };
            at += 1 + self.nodes.get(at + 1)?.span();
            Some(key.as_ref())
        })
    }

    fn number(&mut self) -> Result<(), JsonError> {
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
        self.nodes.push(Node::Number(&self.text[start..self.at]));
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.error("not a digit where a number needs one")) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let start = self.at;
        self.plain_run();
        if self.peek() == Some(b'"') {
            let text = &self.text[start..self.at];
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        let mut text = self.text[start..self.at].to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(byte) if byte < 0x20 => return Err(self.error("a control character in a text")),
                Some(_) => {
                    let start = self.at;
                    self.plain_run();
                    text.push_str(&self.text[start..self.at]);
                }
                None => return Err(self.error("the end of the text inside quotes")),
            }
        }
    }

    /// Passes everything that stands for itself in a text.
    fn plain_run(&mut self) {
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

    fn escape(&mut self) -> Result<char, JsonError> {
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
