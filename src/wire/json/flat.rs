//! An object as it stands in its text, for records that are as most are: no tree is made of it.
//!
//! What is read is checked as a [`super::Document`] checks it. Where this view gives up (`None`) nothing is said about the text: it may be no JSON, or have
//! a key that is escaped or there twice, an object of many members, or deep nesting.

use smallvec::SmallVec;

use super::scan::Scanner;

/// The most members of an object; their keys are compared pairwise.
const MOST_MEMBERS: usize = 16;
/// How deep arrays and objects may be nested.
const DEEPEST: usize = 8;

/// A value as far as it can be told without making anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::wire) enum Flat<'a> {
    /// There is none.
    #[default]
    Absent,
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// The number as it was written.
    Number(&'a str),
    /// A text without its quotes.
    Text(&'a str),
    /// A text with escapes.
    Escaped,
    /// An array.
    Array,
    /// An object as it was written.
    Object(&'a str),
}

/// Keys that differ.
type Keys<'a> = SmallVec<[&'a str; MOST_MEMBERS]>;

/// Members of an object whose keys differ, at most 16.
#[derive(Default)]
pub(in crate::wire) struct Members<'a> {
    members: SmallVec<[(&'a str, Flat<'a>); MOST_MEMBERS]>,
}

impl<'a> Members<'a> {
    /// The value of `key`.
    pub(in crate::wire) fn get(&self, key: &str) -> Flat<'a> {
        self.members.iter().find(|(name, _)| *name == key).map_or(Flat::Absent, |(_, value)| *value)
    }

    /// Adds a member; `None` when its key is there or there are too many.
    pub(in crate::wire) fn add(&mut self, key: &'a str, value: Flat<'a>) -> Option<()> {
        if self.members.len() == MOST_MEMBERS || self.members.iter().any(|(name, _)| *name == key) {
            return None;
        }
        self.members.push((key, value));
        Some(())
    }
}

/// Reads the members of one object, one after the other.
pub(in crate::wire) struct FlatReader<'a> {
    scan: Scanner<'a>,
}

impl<'a> FlatReader<'a> {
    /// At the first key of the object that `payload` is.
    pub(in crate::wire) fn new(payload: &'a [u8]) -> Option<Self> {
        let mut reader = Self { scan: Scanner::new(payload).ok()? };
        reader.scan.skip_space();
        reader.open(b"{")?;
        Some(reader)
    }

    fn open(&mut self, bracket: &[u8]) -> Option<()> {
        let opened = self.scan.pass(bracket);
        self.scan.skip_space();
        opened.then_some(())
    }

    /// Passes a key with its colon if it is written just so: `"key":`.
    #[inline]
    pub(in crate::wire) fn pass_key(&mut self, quoted: &[u8]) -> bool {
        let passed = self.scan.pass(quoted);
        if passed {
            self.scan.skip_space();
        }
        passed
    }

    /// Passes any key with its colon.
    pub(in crate::wire) fn key(&mut self) -> Option<&'a str> {
        if self.scan.peek() != Some(b'"') {
            return None;
        }
        let Flat::Text(key) = self.text()? else { return None };
        self.scan.colon().ok()?;
        Some(key)
    }

    /// Passes what follows a value: `true` at a comma, `false` at the end of the object.
    #[inline]
    pub(in crate::wire) fn goes_on(&mut self) -> Option<bool> {
        self.scan.comma_or(b'}', "").ok().map(|closed| !closed)
    }

    /// Passes the end of the payload.
    pub(in crate::wire) fn end(&mut self) -> Option<()> {
        self.scan.end().ok()
    }

    /// Passes a value.
    #[inline]
    pub(in crate::wire) fn value(&mut self) -> Option<Flat<'a>> {
        self.value_at(1)
    }

    /// Passes an object and keeps its members, or any other value.
    pub(in crate::wire) fn members(&mut self, into: &mut Members<'a>) -> Option<Flat<'a>> {
        if self.scan.peek() != Some(b'{') {
            return self.value();
        }
        self.object(|reader, key| {
            let value = reader.value_at(2)?;
            into.add(key, value)
        })
    }

    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<Flat<'a>> {
        let start = self.scan.at;
        self.open(b"{")?;
        if !self.scan.pass(b"}") {
            loop {
                let key = self.key()?;
                member(self, key)?;
                if !self.goes_on()? {
                    break;
                }
            }
        }
        Some(Flat::Object(self.scan.since(start)))
    }

    fn value_at(&mut self, depth: usize) -> Option<Flat<'a>> {
        match self.scan.peek()? {
            b'"' => self.text(),
            b'-' | b'0'..=b'9' => self.scan.number().ok().map(Flat::Number),
            b'{' if depth < DEEPEST => self.skipped_object(depth + 1),
            b'[' if depth < DEEPEST => self.skipped_array(depth + 1),
            b't' => self.scan.pass(b"true").then_some(Flat::Bool(true)),
            b'f' => self.scan.pass(b"false").then_some(Flat::Bool(false)),
            b'n' => self.scan.pass(b"null").then_some(Flat::Null),
            _ => None,
        }
    }

    fn skipped_object(&mut self, depth: usize) -> Option<Flat<'a>> {
        let mut keys = Keys::new();
        self.object(|reader, key| {
            if keys.len() == MOST_MEMBERS || keys.contains(&key) {
                return None;
            }
            keys.push(key);
            reader.value_at(depth).map(|_| ())
        })
    }

    fn skipped_array(&mut self, depth: usize) -> Option<Flat<'a>> {
        self.open(b"[")?;
        if !self.scan.pass(b"]") {
            loop {
                self.value_at(depth)?;
                if self.scan.comma_or(b']', "").ok()? {
                    break;
                }
            }
        }
        Some(Flat::Array)
    }

    #[inline]
    fn text(&mut self) -> Option<Flat<'a>> {
        self.scan.at += 1;
        let start = self.scan.at;
        self.scan.plain_run();
        let text = self.scan.since(start);
        if self.scan.pass(b"\"") {
            return Some(Flat::Text(text));
        }
        while !self.scan.pass(b"\"") {
            if self.scan.peek() != Some(b'\\') {
                return None;
            }
            self.scan.escape().ok()?;
            self.scan.plain_run();
        }
        Some(Flat::Escaped)
    }
}
