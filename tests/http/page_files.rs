//! The page's files: what they are, that all are served, and that they ask no one else.

use std::path::Path;

use super::plain;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/io/http/page");

#[test]
fn files_of_the_page() {
    let running = plain();
    for (path, kind, begin) in [
        ("/", "text/html; charset=utf-8", "<!doctype html>"),
        ("/page.css", "text/css; charset=utf-8", ":root"),
        ("/page.js", "text/javascript; charset=utf-8", "// The page"),
        ("/icon.svg", "image/svg+xml", "<svg"),
        ("/page/vendor/uPlot.css", "text/css; charset=utf-8", ".uplot"),
        ("/page/vendor/uPlot.js", "text/javascript; charset=utf-8", "/**\n* Copyright (c)"),
    ] {
        let answer = running.get(path);
        assert_eq!((answer.status, answer.header("content-type"), answer.body.starts_with(begin)), (200, Some(kind), true), "{path}");
    }
    for path in ["/page", "/page/", "/page/index.html", "/page/../page.js", "/page/vendor/uPlot.LICENSE", "/page.js/"] {
        assert_eq!(running.get(path).status, 404, "{path}");
    }
}

/// Every script that a script of the page imports is served, and every script that lies there is imported by one.
#[test]
fn every_module_is_served() {
    let running = plain();
    let mut waiting = vec!["/page.js".to_owned()];
    let mut served = Vec::new();
    while let Some(path) = waiting.pop() {
        let answer = running.get(&path);
        assert_eq!(answer.status, 200, "{path}");
        let folder = url::Url::parse("http://localhost").and_then(|url| url.join(&path)).expect("a path");
        let imports = answer.body.lines().filter(|line| line.starts_with("import ")).filter_map(|line| line.split('"').nth(1));
        let paths: Vec<String> = imports.map(|name| folder.join(name).expect("a path").path().to_owned()).collect();
        served.push(path);
        waiting.extend(paths.into_iter().filter(|path| !served.contains(path)));
    }
    served.sort();
    served.dedup();
    let lying = ["", "panels", "vendor"].iter().flat_map(|folder| std::fs::read_dir(Path::new(PAGE).join(folder)).expect("listed"));
    let scripts = lying.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|ending| ending == "js")));
    assert_eq!(served.len(), scripts.count(), "{served:?}");
}

#[test]
fn no_file_asks_others_or_makes_markup_of_values() {
    let own = ["", "panels"].iter().flat_map(|folder| std::fs::read_dir(Path::new(PAGE).join(folder)).expect("listed"));
    let mut count = 0;
    for path in own.map(|entry| entry.expect("read").path()).filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(&path).expect("text");
        let outside = text.replace("http://www.w3.org/", "");
        assert!(!outside.contains("http://") && !outside.contains("https://"), "{} asks others", path.display());
        for forbidden in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", " style=", "onclick=", "<script>"]
        {
            assert!(!text.contains(forbidden), "{} has {forbidden}", path.display());
        }
        assert!(text.lines().count() < 400, "{} is long", path.display());
        count += 1;
    }
    assert!(count > 15, "{count} files are found");
    let vendored = std::fs::read_to_string(Path::new(PAGE).join("vendor/uPlot.LICENSE")).expect("the licence is kept");
    assert!(vendored.starts_with("The MIT License"), "{vendored}");
}

#[test]
fn files_are_sent_once() {
    let running = plain();
    let first = running.get("/page/vendor/uPlot.js");
    let tag = first.header("etag").expect("a tag").to_owned();
    assert_eq!(first.header("cache-control"), Some("no-cache"), "asked for each time");
    let again = running.get_with("/page/vendor/uPlot.js", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(running.get_with("/page.js", &format!("If-None-Match: {tag}\r\n")).status, 200);
}

#[test]
fn headers_of_every_answer() {
    let running = plain();
    for path in [
        "/",
        "/page.js",
        "/page/vendor/uPlot.js",
        "/healthz",
        "/metrics",
        "/v1/metrics",
        "/v1/metrics?from=x",
        "/v1/users/nobody",
        "/nothing",
    ] {
        let answer = running.get(path);
        let policy = answer.header("content-security-policy").unwrap_or_default();
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert!(answer.header("cache-control").is_some(), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
}
