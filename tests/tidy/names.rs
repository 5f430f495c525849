//! What the documents call by a name exists: metrics that are exported, and settings.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::{files, root};

/// Documents for users.
fn documents() -> Vec<PathBuf> {
    let mut all = files(&root().join("docs"), ".md");
    all.extend(["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"].map(|name| root().join(name)));
    all
}

/// Names in code style, `so`.
pub(crate) fn in_code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn metrics_that_are_documented_are_exported() {
    let mut sources = files(&root().join("src/io/http/openmetrics"), ".rs");
    sources.push(root().join("src/io/http/openmetrics.rs"));
    let source: String = sources.iter().map(|path| std::fs::read_to_string(path).expect("read")).collect();
    // Units and the endings of OpenMetrics come after the name of a family.
    let endings = ["", "_total", "_info", "_bytes", "_seconds", "_seconds_bucket", "_seconds_count", "_seconds_sum", "_quantile_seconds"];
    let is_exported = |name: &str| {
        endings.iter().filter_map(|ending| name.strip_suffix(ending)).any(|family| {
            let family = family.trim_start_matches("stickiness_");
            source.contains(&format!("\"{family}\""))
        })
    };
    let mut found = BTreeSet::new();
    for path in documents() {
        let text = std::fs::read_to_string(&path).expect("read");
        for name in in_code(&text).flat_map(|code| code.split(|one: char| !(one.is_ascii_alphanumeric() || one == '_'))) {
            if name.starts_with("stickiness_") && !name.ends_with('_') {
                assert!(is_exported(name), "{} tells of {name}, which nothing exports", path.display());
                found.insert(name.to_owned());
            }
        }
    }
    assert!(found.len() > 40, "{} names are found", found.len());
}

/// Every key of the settings by its whole name, of lists of tables without their place.
fn keys(table: &toml::Table, prefix: &str, all: &mut BTreeSet<String>) {
    for (name, value) in table {
        let whole = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => keys(inner, &whole, all),
            toml::Value::Array(values) => values.iter().filter_map(toml::Value::as_table).for_each(|inner| keys(inner, &whole, all)),
            _ => {}
        }
        all.insert(whole);
    }
}

#[test]
fn settings_that_are_documented_exist() {
    let reference = std::fs::read_to_string(root().join("config/stickiness.toml")).expect("read");
    // What is not set by default is shown in a comment: a line that would be a setting, or the heading of some.
    let shown: String =
        reference.lines().map(|line| line.strip_prefix("# ").filter(|rest| is_setting(rest)).unwrap_or(line).to_owned() + "\n").collect();
    let table: toml::Table = toml::from_str(&shown).unwrap_or_else(|error| panic!("{error}\n{shown}"));
    let mut known = BTreeSet::new();
    keys(&table, "", &mut known);
    let sections: BTreeSet<&str> = table.keys().map(String::as_str).collect();
    let mut found = BTreeSet::new();
    for path in documents() {
        let text = std::fs::read_to_string(&path).expect("read");
        for code in in_code(&text) {
            let name = code.split([' ', '=']).next().unwrap_or_default();
            let Some((section, rest)) = name.split_once('.') else { continue };
            let is_name = rest.chars().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_' || one == '.');
            if sections.contains(section) && is_name && !rest.is_empty() && !is_file(rest) {
                assert!(known.contains(name), "{} tells of {name}, which is no setting", path.display());
                found.insert(name.to_owned());
            }
        }
    }
    assert!(found.len() > 40, "{} settings are found", found.len());
}

fn is_file(rest: &str) -> bool {
    ["rs", "md", "toml", "ndjson", "json", "html", "csv"].contains(&rest.rsplit('.').next().unwrap_or_default())
}

fn is_setting(line: &str) -> bool {
    let key = line.split(" = ").next().filter(|key| line.len() > key.len() + 3);
    let named =
        |key: &str| !key.is_empty() && key.chars().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || "_.\"".contains(one));
    key.is_some_and(named) || (line.starts_with('[') && line.trim_end().ends_with(']') && !line.contains(' '))
}
