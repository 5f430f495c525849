//! What the documents say of the code is so.

mod house;
mod lengths;
mod links;
mod logs;
mod names;
mod traces;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a directory with an ending.
fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("listed").map(|entry| entry.expect("read").path());
    let deeper = |path: PathBuf| if path.is_dir() { files(&path, ending) } else { vec![path] };
    entries.flat_map(deeper).filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}

/// Names of functions that are tests, `#[test]` or within `proptest!`.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for path in files(&root().join("tests"), ".rs").into_iter().chain(files(&root().join("src"), ".rs")) {
        let text = std::fs::read_to_string(&path).expect("read");
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            let name = line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            if let Some(name) = name.filter(|_| is_test) {
                names.insert(name.to_owned());
                is_test = false;
            }
        }
    }
    names
}

#[test]
fn every_guarantee_names_tests_that_exist() {
    let text = std::fs::read_to_string(root().join("docs/guarantees.md")).expect("read");
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise"));
    let tests = tests();
    let mut promises = 0;
    for row in rows {
        let held_by = row.trim_end_matches('|').rsplit('|').next().expect("a last column");
        let names: Vec<&str> = held_by.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "a promise that nothing holds: {row}");
        for name in names {
            let function = name.rsplit("::").next().expect("a name");
            assert!(tests.contains(function), "no test is called {name}");
        }
        promises += 1;
    }
    assert!(promises > 20, "{promises} promises are found");
}

#[test]
fn every_exported_metric_is_in_the_operators_page() {
    let mut sources = files(&root().join("src/io/http/openmetrics"), ".rs");
    sources.push(root().join("src/io/http/openmetrics.rs"));
    let source: String = sources.iter().map(|path| std::fs::read_to_string(path).expect("read")).collect();
    let page = std::fs::read_to_string(root().join("docs/operating.md")).expect("read");
    let families = ["page.family(", "page.counter(", "page.each(", "page.durations(", "page.of_each("];
    let mut found = 0;
    for family in families {
        for rest in source.split(family).skip(1) {
            let Some(name) = rest.split('"').nth(1).filter(|_| rest.trim_start().starts_with('"')) else { continue };
            assert!(page.contains(&format!("stickiness_{name}")), "docs/operating.md does not tell of stickiness_{name}");
            found += 1;
        }
    }
    assert!(found > 15, "{found} families are found");
}

#[test]
fn clocks_are_read_in_one_place() {
    for path in files(&root().join("src"), ".rs") {
        let text = std::fs::read_to_string(&path).expect("read");
        let is_clock = path.ends_with("io/clock.rs");
        for clock in ["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now"] {
            assert!(is_clock || !text.contains(clock), "{} reads a clock", path.display());
        }
    }
}
