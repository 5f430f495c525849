//! The page's files: what they are, and that they ask no one else.

use super::plain;

#[test]
fn files_of_the_page() {
    let running = plain();
    for (path, kind, begin) in [
        ("/", "text/html; charset=utf-8", "<!doctype html>"),
        ("/page.css", "text/css; charset=utf-8", ":root"),
        ("/page.js", "text/javascript; charset=utf-8", "\"use strict\";"),
        ("/icon.svg", "image/svg+xml", "<svg"),
    ] {
        let answer = running.get(path);
        assert_eq!((answer.status, answer.header("content-type"), answer.body.starts_with(begin)), (200, Some(kind), true), "{path}");
        let outside = answer.body.replace("http://www.w3.org/", "");
        assert!(!outside.contains("http://") && !outside.contains("https://"), "{path} asks others");
        for forbidden in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", " style=", "onclick="] {
            assert!(!answer.body.contains(forbidden), "{path} has {forbidden}");
        }
    }
}

#[test]
fn headers_of_every_answer() {
    let running = plain();
    for path in ["/", "/page.js", "/healthz", "/metrics", "/v1/metrics", "/v1/metrics?from=x", "/v1/users/nobody", "/nothing"] {
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
