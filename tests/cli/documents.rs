//! What the documents tell people to type works: settings are valid, commands and their options exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::golden::{run, run_with};

/// The pages that people read, with their text.
fn pages() -> Vec<(PathBuf, String)> {
    let docs = fs::read_dir("docs").expect("listed").map(|entry| entry.expect("read").path());
    let pages = docs.chain([PathBuf::from("README.md")]).filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    pages.map(|path| (path.clone(), fs::read_to_string(path).expect("read"))).collect()
}

/// The fenced blocks of a language.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

fn check(text: &str, place: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("settings.toml");
    fs::write(&path, text).expect("written");
    let done = run_with(&["check", "--offline", "--config", path.to_str().expect("UTF-8")], &[("STICKINESS__HTTP__TOKEN", "a-token")]);
    assert_eq!(done.status, 0, "{place}: {}", done.stderr);
}

#[test]
fn settings_in_documents_are_valid() {
    let mut found = 0;
    for (path, text) in pages() {
        for block in blocks(&text, "toml") {
            check(block, &path.display().to_string());
            found += 1;
        }
    }
    assert!(found >= 3, "{found} blocks");
}

#[test]
fn settings_to_start_from_are_short_and_valid() {
    for name in ["own-topic", "cdnow"] {
        let path = format!("config/examples/{name}.toml");
        let text = fs::read_to_string(&path).expect("read");
        check(&text, &path);
        assert!(text.lines().count() < 15, "{path} has {} lines", text.lines().count());
    }
}

#[test]
fn commands_in_documents_exist() {
    let mut found = BTreeSet::new();
    for (path, text) in pages() {
        let lines = blocks(&text, "sh").join("\n");
        for line in lines.replace("cargo run -- ", "stickiness ").lines() {
            let typed = line.split("  #").next().unwrap_or_default();
            for part in typed.split(['|', ';', '&']).filter_map(|part| part.trim().strip_prefix("stickiness ")) {
                check_command(part, &path.display().to_string());
                found.insert(part.split(' ').next().unwrap_or_default().to_owned());
            }
        }
    }
    assert!(found.len() > 6, "{found:?}");
}

/// Each option of a command line is one that the command's help tells of.
fn check_command(line: &str, place: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let depth = if words.first() == Some(&"alerts") { 2 } else { 1 };
    let done = run(&[&words[..depth.min(words.len())], &["--help"]].concat());
    assert_eq!(done.status, 0, "{place}: there is no command `{line}`");
    for option in words.iter().filter(|word| word.starts_with("--")) {
        let name = option.split('=').next().unwrap_or_default();
        assert!(done.stdout.contains(name), "{place}: `{line}`: there is no {name}");
    }
}
