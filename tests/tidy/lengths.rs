//! Files and functions stay as long as a reader can hold; what is longer is listed, with its reason.

use std::path::Path;

use crate::{files, root};

/// Lines that hardly any file has more of.
const FILE_LINES: usize = 500;
/// Lines that a function of the product has at most.
const FUNCTION_LINES: usize = 50;
/// Functions that are longer, and why.
const LONG_FUNCTIONS: &[(&str, &str)] = &[
    ("io/aggregation.rs: run", "the loop over election, following and aggregating: each arm is a line or two of one story"),
    ("io/aggregation.rs: start", "a term of office begins by reading five topics, each into its own part"),
];

/// The part of a file before its tests.
fn product(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

/// The functions of a file as it is formatted, each with how many lines it has.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let declared = line.trim_start();
        let indent = &line[..line.len() - declared.len()];
        let declared = declared.split("fn ").nth(1).filter(|_| is_declaration(declared));
        let Some(name) = declared.and_then(|rest| rest.split(['(', '<']).next()) else { continue };
        let end = format!("{indent}}}");
        let Some(length) =
            lines[at..].iter().position(|line| *line == end || (line.starts_with(indent) && line.ends_with(';') && line.contains("fn ")))
        else {
            continue;
        };
        found.push((name.to_owned(), length + 1));
    }
    found
}

fn is_declaration(line: &str) -> bool {
    let before = line.split("fn ").next().unwrap_or_default();
    !before.starts_with("//")
        && before
            .split_whitespace()
            .all(|word| word.starts_with("pub") || ["const", "async", "unsafe", "in"].contains(&word) || word.ends_with(')'))
}

fn within(path: &Path) -> String {
    path.strip_prefix(root().join("src")).unwrap_or(path).display().to_string()
}

#[test]
fn files_and_functions_are_short_or_listed() {
    let mut lengths = Vec::new();
    let mut listed = 0;
    let mut long_files = 0;
    let sources = files(&root().join("src"), ".rs");
    for path in &sources {
        let text = std::fs::read_to_string(path).expect("read");
        let lines = text.lines().count();
        assert!(lines <= FILE_LINES, "{} has {lines} lines", path.display());
        long_files += usize::from(lines > 400);
        if path.ends_with("tests.rs") || path.parent().is_some_and(|folder| folder.ends_with("tests")) {
            continue;
        }
        for (name, length) in functions(product(&text)) {
            let known = LONG_FUNCTIONS.iter().any(|(function, _)| *function == format!("{}: {name}", within(path)));
            assert!(length <= FUNCTION_LINES || known, "{name} of {} has {length} lines", path.display());
            listed += usize::from(known);
            lengths.push(length);
        }
    }
    assert_eq!(listed, LONG_FUNCTIONS.len(), "an exception that is not needed any more");
    assert!(lengths.len() > 2000, "{} functions are found", lengths.len());
    let short = lengths.iter().filter(|length| **length <= 25).count();
    assert!(short * 100 >= lengths.len() * 90, "{short} of {} functions have up to 25 lines", lengths.len());
    assert!(long_files * 100 <= sources.len() * 10, "{long_files} of {} files have more than 400 lines", sources.len());
}

#[test]
fn functions_are_measured() {
    let text = "fn one() {\n    two();\n}\n\nimpl A {\n    pub(super) const fn three(\n        a: u8,\n    ) -> u8 {\n        a\n    }\n}\n// fn not() {\n";
    assert_eq!(functions(text), [("one".to_owned(), 3), ("three".to_owned(), 5)]);
}

/// Sources of our own: neither what is vendored nor what is built.
#[test]
fn nothing_is_left_to_do_without_a_reason() {
    let mut looked_at = 0;
    let folders = ["src", "tests", "benches", "scripts", "deploy", "docs", "config"];
    for folder in folders {
        for path in files(&root().join(folder), "")
            .into_iter()
            .filter(|path| !path.components().any(|part| part.as_os_str() == "vendor" || part.as_os_str() == "node_modules"))
        {
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            looked_at += 1;
            for marker in [concat!("TO", "DO"), concat!("FIX", "ME")] {
                let bare = text.lines().find(|line| line.contains(marker) && !line.contains(&format!("{marker}(")));
                assert_eq!(bare, None, "{} of {} needs its reason in brackets", marker, path.display());
            }
        }
    }
    assert!(looked_at > 500, "{looked_at} files are looked at");
}
