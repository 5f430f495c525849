//! Spans and their attributes, which others search by, are those that docs/tracing.md tells of.

use std::collections::BTreeSet;

use crate::root;

#[test]
fn spans_and_attributes_are_documented_and_what_is_documented_is_made() {
    let source = std::fs::read_to_string(root().join("src/io/traces/names.rs")).expect("read");
    let named = source.lines().filter_map(|line| line.split_once(": &str = \"")?.1.strip_suffix("\";"));
    let (attributes, spans): (BTreeSet<&str>, BTreeSet<&str>) = named.partition(|name| name.contains('.'));
    assert!(attributes.len() > 10 && spans.len() > 5, "{attributes:?} {spans:?}");

    let page = std::fs::read_to_string(root().join("docs/tracing.md")).expect("read");
    let rows = |heading: &str| -> BTreeSet<String> {
        let section = page.split("\n## ").find(|section| section.starts_with(heading)).expect("the section");
        let firsts = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        firsts.map(|first| first.split(' ').next().unwrap_or_default().to_owned()).collect()
    };
    let owned = |names: BTreeSet<&str>| -> BTreeSet<String> { names.into_iter().map(str::to_owned).collect() };
    assert_eq!(rows("Spans"), owned(spans));
    assert_eq!(rows("Attributes"), owned(attributes));
}

#[test]
fn the_default_build_has_no_more_dependencies() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("read");
    let section = |name: &str| manifest.split("\n[").find_map(|section| section.strip_prefix(name)).expect("the section").to_owned();
    let dependencies = section("dependencies]");
    let ours: Vec<&str> = dependencies.lines().filter(|line| line.starts_with("opentelemetry")).collect();
    assert!(ours.len() >= 3, "{ours:?}");
    assert!(ours.iter().all(|line| line.contains("optional = true")), "{ours:?}");
    assert!(!section("features]").lines().any(|line| line.starts_with("default")), "no feature is on by itself");
}
