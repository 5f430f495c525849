//! From bytes to nodes, in one pass.

use std::borrow::Cow;
use std::collections::HashSet;

use super::scan::Scanner;
use super::{DEEPEST, JsonError, Node};

/// Up to this many keys are compared pairwise; more are put in a set, so that a wide object costs no more than its length.
const FEW_KEYS: usize = 16;

/// Reads one JSON value that fills `payload`.
pub(super) fn document(payload: &[u8]) -> Result<Vec<Node<'_>>, JsonError> {
    let mut parser = Parser { scan: Scanner::new(payload)?, nodes: Vec::with_capacity(32) };
    parser.scan.skip_space();
    parser.value(0)?;
    parser.scan.end()?;
    Ok(parser.nodes)
}

struct Parser<'a> {
    scan: Scanner<'a>,
    nodes: Vec<Node<'a>>,
}

impl<'a> Parser<'a> {
    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        match self.scan.peek() {
            Some(b'"') => {
                let text = self.string()?;
                self.nodes.push(Node::Text(text));
                Ok(())
            }
            Some(b'{') => self.container(depth, Self::object),
            Some(b'[') => self.container(depth, Self::array),
            Some(b'-' | b'0'..=b'9') => {
                let digits = self.scan.number()?;
                self.nodes.push(Node::Number(digits));
                Ok(())
            }
            Some(b't') => self.word("true", Node::Bool(true)),
            Some(b'f') => self.word("false", Node::Bool(false)),
            Some(b'n') => self.word("null", Node::Null),
            Some(_) => Err(self.scan.error("not a JSON value")),
            None => Err(self.scan.error("the end of the text instead of a value")),
        }
    }

    fn word(&mut self, word: &str, node: Node<'a>) -> Result<(), JsonError> {
        if !self.scan.pass(word.as_bytes()) {
            return Err(self.scan.error("not a JSON value"));
        }
        self.nodes.push(node);
        Ok(())
    }

    fn container(&mut self, depth: usize, inside: fn(&mut Self, usize) -> Result<(), JsonError>) -> Result<(), JsonError> {
        if depth >= DEEPEST {
            return Err(self.scan.error("nested too deep"));
        }
        self.scan.at += 1;
        self.scan.skip_space();
        inside(self, depth + 1)
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        let start = self.nodes.len();
        self.nodes.push(Node::Array(0));
        if self.scan.peek() == Some(b']') {
            self.scan.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth)?;
            if self.scan.comma_or(b']', "neither `,` nor `]` after an item")? {
                self.nodes[start] = Node::Array(self.nodes.len() - start - 1);
                return Ok(());
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), JsonError> {
        let start = self.nodes.len();
        self.nodes.push(Node::Object(0));
        if self.scan.peek() == Some(b'}') {
            self.scan.at += 1;
            return Ok(());
        }
        let mut keys = 0;
        loop {
            self.key()?;
            keys += 1;
            self.value(depth)?;
            if self.scan.comma_or(b'}', "neither `,` nor `}` after a member")? {
                self.nodes[start] = Node::Object(self.nodes.len() - start - 1);
                return self.check_keys(start + 1, keys);
            }
        }
    }

    fn key(&mut self) -> Result<(), JsonError> {
        if self.scan.peek() != Some(b'"') {
            return Err(self.scan.error("not a key"));
        }
        let key = self.string()?;
        self.nodes.push(Node::Text(key));
        self.scan.colon()
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
        if unique { Ok(()) } else { Err(self.scan.error("a key for the second time in the object that ends")) }
    }

    fn keys(&self, first: usize) -> impl Iterator<Item = &str> {
        let mut at = first;
        std::iter::from_fn(move || {
            let Node::Text(key) = self.nodes.get(at)? else { return None };
            at += 1 + self.nodes.get(at + 1)?.span();
            Some(key.as_ref())
        })
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.scan.at += 1;
        let start = self.scan.at;
        self.scan.plain_run();
        if self.scan.peek() == Some(b'"') {
            let text = self.scan.since(start);
            self.scan.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        let mut text = self.scan.since(start).to_owned();
        loop {
            match self.scan.peek() {
                Some(b'"') => {
                    self.scan.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => text.push(self.scan.escape()?),
                Some(byte) if byte < 0x20 => return Err(self.scan.error("a control character in a text")),
                Some(_) => {
                    let start = self.scan.at;
                    self.scan.plain_run();
                    text.push_str(self.scan.since(start));
                }
                None => return Err(self.scan.error("the end of the text inside quotes")),
            }
        }
    }
}
