//! The settings as written: a TOML file, and environment variables over it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use toml::{Table, Value};

use super::mistakes::Mistake;
use super::section::{Variable, Written};

/// What the names of the environment variables begin with.
const PREFIX: &str = "STICKINESS__";

/// Reads the file's text and lays the environment over it.
pub(super) fn read(text: &str, environment: impl IntoIterator<Item = (String, String)>) -> Written {
    let mut mistakes = Vec::new();
    let root = text.parse::<Table>().unwrap_or_else(|error| {
        mistakes.push(syntax_mistake(text, &error));
        Table::new()
    });
    let mut written = Written { root, variables: BTreeMap::new(), mistakes: RefCell::new(mistakes) };
    // In the order of their names, so that a table comes before what overrides single keys of it.
    for (name, value) in environment.into_iter().collect::<BTreeMap<_, _>>() {
        if let Some(key) = name.strip_prefix(PREFIX) {
            lay_over(&mut written, &name, key, value);
        }
    }
    written
}

/// Where the file is not TOML; without the line itself, which may hold a secret.
fn syntax_mistake(text: &str, error: &toml::de::Error) -> Mistake {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
    let allowed = format!("line {line}, column {column}: not TOML: {}", error.message());
    Mistake { key: String::new(), found: None, allowed }
}

fn lay_over(written: &mut Written, name: &str, key: &str, text: String) {
    let path = path_of(key);
    let value = toml_value(&text);
    let mut table = &mut written.root;
    let Some((last, parents)) = path.split_last().filter(|_| path.iter().all(|part| !part.is_empty())) else {
        written.mistake(name, None, "must be named like STICKINESS__SECTION__KEY");
        return;
    };
    for (depth, parent) in parents.iter().enumerate() {
        let Value::Table(inner) = table.entry(parent.clone()).or_insert_with(|| Value::Table(Table::new())) else {
            let parent = path[..=depth].join(".");
            written.mistake(name, None, format!("sets a key of `{parent}`, which is not a table"));
            return;
        };
        table = inner;
    }
    table.insert(last.clone(), value);
    written.variables.insert(path.join("."), Variable { name: name.to_owned(), text });
}

/// The keys that a variable's name leads to. Names of client properties have dots, which shells do not allow: `_` stands for them there.
fn path_of(key: &str) -> Vec<String> {
    let mut path: Vec<String> = key.split("__").map(str::to_ascii_lowercase).collect();
    if let [section, table, property] = path.as_mut_slice()
        && section == "kafka"
        && table == "properties"
    {
        *property = property.replace('_', ".");
    }
    path
}

/// The text as a TOML value; text that is none is a text.
fn toml_value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok().filter(|table| table.len() == 1);
    parsed.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::String(text.to_owned()))
}
