//! Reading sections of the settings key by key, so that every mistake is found and every key that nobody asked for is known.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::{Table, Value};

use super::duration;
use super::mistakes::{Mistake, did_you_mean, shown};

/// An environment variable.
pub(super) struct Variable {
    pub(super) name: String,
    /// As it is set: texts need no quotes there, even when they look like numbers.
    pub(super) text: String,
}

/// The settings as written, with the mistakes found so far.
pub(super) struct Written {
    /// The file, with what the environment overrides.
    pub(super) root: Table,
    /// The environment variables by the key that they set.
    pub(super) variables: BTreeMap<String, Variable>,
    /// All mistakes so far.
    pub(super) mistakes: RefCell<Vec<Mistake>>,
}

impl Written {
    /// Notes a mistake in the value of `key`.
    pub(super) fn mistake(&self, key: &str, value: Option<&Value>, allowed: impl Into<String>) {
        let found = value.map(|value| shown(key, value));
        let mut allowed = allowed.into();
        if let Some(variable) = self.variables.get(key) {
            allowed = format!("{allowed} (set by {})", variable.name);
        }
        self.mistakes.borrow_mut().push(Mistake { key: key.to_owned(), found, allowed });
    }

    /// The section at the top.
    pub(super) fn top(&self) -> Section<'_> {
        Section { written: self, path: String::new(), table: Some(&self.root), known: RefCell::default() }
    }
}

/// One table of the settings.
pub(super) struct Section<'w> {
    written: &'w Written,
    /// Its key, or nothing at the top.
    path: String,
    /// Nothing when it is not written.
    table: Option<&'w Table>,
    /// The keys that were asked for.
    known: RefCell<Vec<&'static str>>,
}

impl<'w> Section<'w> {
    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Notes a mistake in the value of `key`, or in what its absence means.
    pub(super) fn mistake(&self, key: &str, allowed: impl Into<String>) {
        let value = self.table.and_then(|table| table.get(key));
        self.written.mistake(&self.path_of(key), value, allowed);
    }

    /// Notes a mistake in the value of `key`, which may hold a secret and is not shown.
    pub(super) fn secret_mistake(&self, key: &str, allowed: impl Into<String>) {
        self.written.mistake(&self.path_of(key), None, allowed);
    }

    /// Notes a mistake in one item of the list or table at `key`.
    pub(super) fn item_mistake(&self, key: &str, item: &str, value: Option<&Value>, allowed: impl Into<String>) {
        self.written.mistake(&format!("{}.{item}", self.path_of(key)), value, allowed);
    }

    /// The value of `key`, whatever it is; the key is known from now on.
    pub(super) fn value(&self, key: &'static str) -> Option<&'w Value> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        self.table?.get(key)
    }

    /// The table of `key`.
    pub(super) fn section(&self, key: &'static str) -> Section<'w> {
        let table = self.value(key).and_then(|value| self.expect(key, value.as_table(), "a table"));
        Section { written: self.written, path: self.path_of(key), table, known: RefCell::default() }
    }

    /// `read`, or a mistake.
    fn expect<T>(&self, key: &str, read: Option<T>, allowed: &str) -> Option<T> {
        if read.is_none() {
            self.mistake(key, format!("must be {allowed}"));
        }
        read
    }

    /// A text.
    pub(super) fn optional_text(&self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        let bare = || self.written.variables.get(&self.path_of(key)).map(|variable| variable.text.clone());
        let text = value.as_str().map(str::to_owned).or_else(bare);
        self.expect(key, text, "text")
    }

    /// A text, not empty.
    pub(super) fn text(&self, key: &'static str, default: &str) -> String {
        let text = self.optional_text(key).unwrap_or_else(|| default.to_owned());
        if text.is_empty() {
            self.mistake(key, "must not be empty");
        }
        text
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &'static str, default: bool) -> bool {
        self.value(key).and_then(|value| self.expect(key, value.as_bool(), "true or false")).unwrap_or(default)
    }

    /// A whole number in a range.
    pub(super) fn whole<T>(&self, key: &'static str, range: RangeInclusive<T>, default: T) -> T
    where
        T: TryFrom<i64> + PartialOrd + Copy + Display,
    {
        let Some(value) = self.value(key) else { return default };
        let number = value.as_integer().and_then(|number| T::try_from(number).ok()).filter(|number| range.contains(number));
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        self.expect(key, number, &allowed).unwrap_or(default)
    }

    /// A number, whole or not, in a range.
    pub(super) fn number(&self, key: &'static str, range: RangeInclusive<f64>, default: f64) -> f64 {
        let Some(value) = self.value(key) else { return default };
        #[expect(clippy::cast_precision_loss, reason = "settings are small numbers")]
        let number = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
        let allowed = format!("a number from {} to {}", range.start(), range.end());
        self.expect(key, number.filter(|number| range.contains(number)), &allowed).unwrap_or(default)
    }

    /// A duration in a range; all three as text.
    pub(super) fn duration(&self, key: &'static str, range: RangeInclusive<&str>, default: &str) -> Duration {
        let known = |text: &str| duration::parse(text).unwrap_or_default();
        let Some(value) = self.value(key) else { return known(default) };
        let (low, high) = (known(range.start()), known(range.end()));
        let read = value.as_str().and_then(duration::parse).filter(|read| (low..=high).contains(read));
        let allowed = format!("a duration from \"{}\" to \"{}\", in ms, s, min, h or d", range.start(), range.end());
        self.expect(key, read, &allowed).unwrap_or_else(|| known(default))
    }

    /// One of the names.
    pub(super) fn one_of<T: Copy>(&self, key: &'static str, names: &[(T, &'static str)], default: T) -> T {
        let Some(value) = self.value(key) else { return default };
        let chosen = names.iter().find(|(_, name)| value.as_str() == Some(*name)).map(|(chosen, _)| *chosen);
        let names: Vec<_> = names.iter().map(|(_, name)| format!("\"{name}\"")).collect();
        self.expect(key, chosen, &format!("one of {}", names.join(", "))).unwrap_or(default)
    }

    /// A list of texts; `None` when it is not written.
    pub(super) fn texts(&self, key: &'static str) -> Option<Vec<String>> {
        let value = self.value(key)?;
        let texts = value.as_array().and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect());
        self.expect(key, texts, "a list of texts")
    }

    /// The keys and values of a table whose keys are the user's own.
    pub(super) fn entries(&self, key: &'static str) -> impl Iterator<Item = (&'w String, &'w Value)> {
        let table = self.value(key).and_then(|value| self.expect(key, value.as_table(), "a table"));
        table.into_iter().flatten()
    }

    /// Ends the reading: each key that nobody asked for is a mistake.
    pub(super) fn finish(self) {
        let known = self.known.borrow();
        for (key, _) in self.table.into_iter().flatten() {
            if known.contains(&key.as_str()) {
                continue;
            }
            let path = self.path_of(key);
            let allowed = match did_you_mean(key, known.iter().copied()) {
                Some(meant) => format!("unknown key; did you mean `{meant}`?"),
                None => format!("unknown key; known here: {}", known.join(", ")),
            };
            self.written.mistake(&path, None, allowed);
        }
    }
}
