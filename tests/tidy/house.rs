//! What ARCHITECTURE.md and CONTRIBUTING.md say of the house is so, and the floors keep apart.

use std::collections::BTreeSet;

use crate::names::in_code;
use crate::{files, root};

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).expect("read")
}

#[test]
fn places_that_the_map_and_the_lists_name_exist() {
    let mut found = 0;
    for document in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = read(document);
        for code in in_code(&text).filter(|code| !code.contains([' ', '*', '{', '<'])) {
            let is_path = code.contains('/') && !code.starts_with(['/', '.', '-']) && !code.contains("://");
            let is_file = [".rs", ".toml", ".md", ".sh", ".js", ".json"].iter().any(|ending| code.ends_with(ending));
            if is_path && (is_file || code.ends_with('/') || !code.contains('.')) {
                let is_there = ["", "src", "src/io", "src/model", "scripts"].iter().any(|folder| root().join(folder).join(code).exists());
                // A module that is a file, and what a run makes.
                let is_module = ["src", "src/io"].iter().any(|folder| root().join(folder).join(format!("{code}.rs")).exists());
                assert!(is_there || is_module || code.starts_with("target/"), "{document} names {code}, which is not there");
                found += 1;
            }
        }
    }
    assert!(found > 60, "{found} places are found");
}

#[test]
fn every_module_of_the_floors_is_in_the_map() {
    let text = read("ARCHITECTURE.md");
    let map = text.split("## Invariants").next().expect("a map");
    let words: BTreeSet<&str> = map.split(|one: char| !(one.is_ascii_alphanumeric() || one == '_')).collect();
    for floor in ["model", "engine", "wire", "io"] {
        let entries = std::fs::read_dir(root().join("src").join(floor)).expect("listed");
        for name in entries.map(|entry| entry.expect("read").file_name().to_string_lossy().replace(".rs", "")) {
            // What a module shares with its tests alone.
            assert!(words.contains(name.as_str()) || name == "answering", "the map lacks {floor}/{name}");
        }
    }
}

#[test]
fn every_endpoint_is_in_the_operators_page() {
    let (source, page) = (read("src/io/http/api.rs"), read("docs/operating.md"));
    let routes: Vec<&str> = source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(routes.len() > 10, "{routes:?}");
    for route in routes {
        // Those for other processes of the group are told together.
        let shown = if route.starts_with("/peers/") { "/peers/…".to_owned() } else { route.replace("{*id}", "{id}") };
        assert!(page.contains(&format!("`/v1{shown}")), "docs/operating.md lacks /v1{shown}");
    }
}

#[test]
fn dependencies_between_floors_go_down() {
    let floors: [(&str, &[&str]); 5] = [
        ("model", &["engine", "wire", "config", "io", "service", "cli"]),
        ("engine", &["wire", "config", "io", "service", "cli"]),
        ("wire", &["config", "io", "service", "cli"]),
        ("config", &["io", "service", "cli"]),
        ("io", &["service", "cli"]),
    ];
    for (floor, above) in floors {
        let whole = root().join("src").join(format!("{floor}.rs"));
        for path in files(&root().join("src").join(floor), ".rs").into_iter().chain([whole]) {
            let text = std::fs::read_to_string(&path).expect("read");
            // Unit tests may read their settings as users write them.
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for upper in above {
                let looks_up = text.contains(&format!("crate::{upper}::")) || text.contains(&format!("use crate::{upper};"));
                assert!(!looks_up, "{} looks up to {upper}", path.display());
            }
        }
    }
}

#[test]
fn the_lower_floors_know_values_alone() {
    for path in ["src/model", "src/engine"].into_iter().flat_map(|floor| files(&root().join(floor), ".rs")) {
        let text = std::fs::read_to_string(&path).expect("read");
        for word in ["std::thread", "std::fs", "std::net", "Mutex", "RwLock", "tracing::", "serde_json", "rdkafka", "tokio"] {
            assert!(!text.contains(word), "{} knows {word}", path.display());
        }
    }
}
