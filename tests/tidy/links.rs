//! Links between the documents lead somewhere.

use std::path::{Path, PathBuf};

use crate::{files, root};

fn documents() -> Vec<PathBuf> {
    let top = std::fs::read_dir(root()).expect("listed").map(|entry| entry.expect("read").path());
    top.filter(|path| path.extension().is_some_and(|ending| ending == "md")).chain(files(&root().join("docs"), ".md")).collect()
}

/// The text without what is fenced as code.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// Where the links lead: `[text](here)`.
fn targets(text: &str) -> Vec<String> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned).collect()
}

/// A heading as it is linked to: small letters, `-` for spaces, and no other signs.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars().filter(|sign| sign.is_alphanumeric() || " -_".contains(*sign)).map(|sign| if sign == ' ' { '-' } else { sign }).collect()
}

fn has_heading(document: &Path, wanted: &str) -> bool {
    let text = std::fs::read_to_string(document).unwrap_or_default();
    prose(&text).lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == wanted)
}

#[test]
fn every_document_is_in_the_index() {
    let index = std::fs::read_to_string(root().join("docs/README.md")).expect("read");
    let linked = targets(&index);
    for document in std::fs::read_dir(root().join("docs")).expect("listed").map(|entry| entry.expect("read").file_name()) {
        let name = document.to_string_lossy();
        assert!(
            name == "README.md" || !name.ends_with(".md") || linked.iter().any(|target| *target == name),
            "docs/README.md lacks {name}"
        );
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut found = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("read");
        for target in targets(&prose(&text)).into_iter().filter(|target| !target.contains("://")) {
            let (path, heading) = target.split_once('#').unwrap_or((&target, ""));
            let path = if path.is_empty() { document.clone() } else { document.parent().expect("a folder").join(path) };
            assert!(path.exists(), "{} leads to {target}", document.display());
            assert!(
                heading.is_empty() || has_heading(&path, heading),
                "{} leads to {target}, where no such heading is",
                document.display()
            );
            found += 1;
        }
    }
    assert!(found > 40, "{found} links");
}
