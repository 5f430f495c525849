//! Fields of the log, which programs read, are those that docs/logs.md tells of.

use std::collections::BTreeSet;

use crate::{files, root};

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// What stands between the parentheses that `text` begins within.
fn within(text: &str) -> &str {
    let mut depth = 1;
    let mut quoted = false;
    let mut before = ' ';
    for (at, sign) in text.char_indices() {
        match sign {
            '"' if before != '\\' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..at];
        }
        before = sign;
    }
    text
}

/// The arguments, parted by the commas that are in no parentheses and no text.
fn arguments(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut quoted, mut from) = (0, false, 0);
    for (at, sign) in text.char_indices() {
        match sign {
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth -= 1,
            ',' if depth == 0 && !quoted => {
                parts.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[from..].trim());
    parts
}

/// The field that an argument of a macro writes: `name = value`, `%name`, `?name` or `name`; none for the message and the target.
fn field(argument: &str) -> Option<String> {
    let name = argument.split('=').next().unwrap_or_default().trim().trim_start_matches(['%', '?']);
    let is_name = !name.is_empty() && name.chars().all(|sign| sign.is_ascii_lowercase() || sign == '_');
    (is_name && !argument.starts_with("target:")).then(|| name.to_owned())
}

fn written() -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for path in files(&root().join("src"), ".rs") {
        let text = std::fs::read_to_string(&path).expect("read");
        for level in LEVELS {
            for rest in text.split(&format!("tracing::{level}!(")).skip(1) {
                fields.extend(arguments(within(rest)).into_iter().filter_map(field));
            }
        }
    }
    fields
}

#[test]
fn fields_of_the_log_are_documented_and_documented_fields_are_written() {
    let page = std::fs::read_to_string(root().join("docs/logs.md")).expect("read");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeSet<String> = rows.filter_map(|row| row.split('`').next()).map(str::to_owned).collect();
    let always = ["timestamp", "level", "target", "message"].map(str::to_owned);
    let mut written = written();
    assert!(written.len() > 25, "{written:?}");
    written.extend(always);
    assert_eq!(documented, written);
}

#[test]
fn arguments_of_macros_are_read() {
    let text = within("partition = one.id, ?age, %name, published = list(1, 2).len(), target: \"a\", \"a, b ({c})\"); more(");
    let found: Vec<String> = arguments(text).into_iter().filter_map(field).collect();
    assert_eq!(found, ["partition", "age", "name", "published"]);
}
