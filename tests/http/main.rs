//! HTTP as a client meets it: a real socket, made-up figures.

mod client;
mod fake;
mod limits;
mod live;
mod nonsense;
mod openmetrics;
mod page_files;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use client::Running;
use fake::Fake;
use serde_json::{Value, json};
use stickiness::io::http::{HttpError, Limits, Server};
use stickiness::model::time::Day;

fn sample() -> Fake {
    Fake::new(Day::parse("2026-03-01").expect("a day"), 1_772_323_200_000)
}

fn plain() -> Running {
    Running::start(None, Limits::default(), sample())
}

#[test]
fn health_and_readiness() {
    let running = plain();
    assert_eq!(running.get("/healthz").status, 200);
    assert_eq!((running.get("/readyz").status, running.get("/readyz").json()), (200, json!({"ready": true})));
    running.view.is_ready.store(false, Ordering::Relaxed);
    let restoring = running.get("/readyz");
    assert_eq!((restoring.status, restoring.header("retry-after")), (503, Some("1")));
    assert_eq!(running.get("/healthz").status, 200);
}

#[test]
fn metrics_by_day() {
    let running = plain();
    let days = |path: &str| -> Vec<String> {
        let answer = running.get(path);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{path}");
        let Value::Array(records) = answer.json() else { panic!("{path}: no array") };
        records
            .iter()
            .map(|record| format!("{} {}", record["segment"].as_str().expect("text"), record["day"].as_str().expect("text")))
            .collect()
    };
    assert_eq!(days("/v1/metrics").len(), 120);
    assert_eq!(days("/v1/metrics?from=2026-02-28"), ["all 2026-02-28", "all 2026-03-01"]);
    assert_eq!(days("/v1/metrics?from=2026-02-27&to=2026-02-27&segment=channel%3Dapp"), ["channel=app 2026-02-27"]);
    assert_eq!(days("/v1/metrics?segment=channel%3Dfax"), [""; 0]);
    assert_eq!(days("/v1/metrics?to=1990-01-01"), [""; 0]);
    assert_eq!(running.get("/v1/segments").json(), json!(["all", "channel=app", "channel=web"]));
}

#[test]
fn schemas_come_by_name() {
    let running = plain();
    let names = running.get("/v1/schemas").json();
    let names: Vec<&str> = names.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(names, ["event", "metrics", "transitions", "churn-risk", "alerts", "profiles", "dead-letters"]);
    for name in names {
        let schema = running.get(&format!("/v1/schemas/{name}"));
        assert_eq!((schema.status, schema.header("content-type")), (200, Some("application/json")), "{name}");
        assert_eq!(schema.json(), stickiness::wire::schema::named(name).expect("a schema"), "{name}");
    }
    let unknown = running.get("/v1/schemas/nothing");
    assert_eq!(unknown.status, 404);
    assert!(unknown.body.contains("there are event, metrics"), "{}", unknown.body);
}

#[test]
fn insights_come_whole_and_one_by_one() {
    let running = plain();
    let all = running.get("/v1/insights").json();
    assert!(all["pareto"]["buyers"].as_u64() > Some(0));
    let expected = json!({
        "schema": "stickiness.insights.v1", "as_of": all["as_of"], "partitions": all["partitions"], "pareto": all["pareto"],
    });
    assert_eq!(running.get("/v1/insights/pareto").json(), expected);
    let departures = running.get("/v1/insights/departures").json();
    assert_eq!(departures["left_out"], json!({ "departures.reasons": 3 }), "of its own lists alone");
    let unknown = running.get("/v1/insights/paretto");
    assert_eq!(unknown.status, 404);
    assert!(unknown.json().to_string().contains("pareto"), "it says which there are");
    assert_eq!(Running::start(None, Limits::default(), Fake::empty()).get("/v1/insights").status, 503);
}

#[test]
fn wrong_parameters_are_told() {
    let running = plain();
    for (query, error) in [
        ("from=yesterday", "`from` must be a day such as 2026-01-31, both ends included; it is `yesterday`"),
        ("to=2026-02-30", "`to` must be a day such as 2026-01-31, both ends included; it is `2026-02-30`"),
        ("from=2026-03-02&to=2026-03-01", "from=2026-03-02 is after to=2026-03-01"),
        ("form=2026-03-02", "`form` is no parameter; known are from, to and segment"),
        ("to=2026-03-02&to=2026-03-02", "`to` is given twice"),
    ] {
        let answer = running.get(&format!("/v1/metrics?{query}"));
        assert_eq!((answer.status, answer.json()), (400, json!({ "error": error })), "{query}");
    }
}

#[test]
fn asking_again_costs_little() {
    let running = plain();
    let first = running.get("/v1/metrics");
    let tag = first.header("etag").expect("a tag").to_owned();
    let again = running.get_with("/v1/metrics", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(running.get_with("/v1/metrics?to=2026-02-01", &format!("If-None-Match: {tag}\r\n")).status, 200);
}

#[test]
fn ranks_of_a_user_come_when_they_are_asked_for() {
    let running = plain();
    assert_eq!(running.get("/v1/users/a").json()["ranks"], json!(null));
    let ranked = running.get("/v1/users/a?ranks=true").json();
    assert_eq!((&ranked["user_id"], ranked["ranks"].is_object()), (&json!("a"), true));
    let without = Running::start(None, Limits::default(), Fake::empty());
    assert_eq!(without.get("/v1/users/a?ranks=true").status, 503, "there is nobody to be ranked among yet");
}

#[test]
fn users() {
    let running = plain();
    for (path, id) in [
        ("/v1/users/anna", "anna"),
        ("/v1/users/a/b", "a/b"),
        ("/v1/users/a%2Fb%2f", "a/b/"),
        ("/v1/users//a", "/a"),
        ("/v1/users/%E4%BD%A0%20%F0%9F%98%80", "你 😀"),
        ("/v1/users/a+b%2Bc%3F%23%25", "a+b+c?#%"),
        ("/v1/users/a?from=1", "a"),
        ("/v1/users/../../etc/passwd", "../../etc/passwd"),
        ("/v1/users/%2e%2e", ".."),
        ("/v1/users/%00", "\0"),
    ] {
        let answer = running.get(path);
        assert_eq!((answer.status, &answer.json()["user_id"]), (200, &json!(id)), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    for (path, status) in [
        ("/v1/users/a?ranks=perhaps", 400),
        ("/v1/users/nobody?ranks=true", 404),
        ("/v1/users/nobody", 404),
        ("/v1/users/", 404),
        ("/v1/users", 404),
        ("/v1/users/%FF", 400),
        ("/v1/users/busy", 503),
        ("/v1/users/elsewhere", 421),
        ("/v1/users/unreachable", 502),
        ("/v1/users/panic", 500),
    ] {
        let answer = running.get(path);
        assert_eq!((answer.status, answer.json()["error"].is_string()), (status, true), "{path}");
    }
    running.view.is_ready.store(false, Ordering::Relaxed);
    assert_eq!(running.get("/v1/users/anna").status, 503);
}

#[test]
fn other_processes_are_told_what_this_one_knows() {
    let running = plain();
    for (id, status) in [("anna", 200), ("a%2Fb", 200), ("..", 200), ("nobody", 404), ("busy", 503), ("afar", 421)] {
        assert_eq!(running.get(&format!("/v1/peers/user?id={id}")).status, status, "{id}");
    }
    assert_eq!(running.get("/v1/peers/user?id=..").json()["user_id"], "..");
    assert_eq!(running.get("/v1/users/afar").status, 200, "whom it asks another about");
    assert_eq!(running.get("/v1/peers/user").status, 400);
    assert_eq!(running.get("/v1/peers/insights").body, "any");
    assert_eq!(running.get("/v1/peers/insights?as_of=2026-01-31").body, "2026-01-31");
    assert_eq!(running.get("/v1/peers/insights?as_of=soon").status, 400);
    assert_eq!(running.get("/v1/peers/insights?as_of=2099-12-31").status, 400);
    let guarded = Running::start(Some("secret"), Limits::default(), Fake::empty());
    assert_eq!(guarded.get("/v1/peers/user?id=anna").status, 401);
    assert_eq!(guarded.get_with("/v1/peers/insights", "Authorization: Bearer secret\r\n").status, 503);
}

#[test]
fn partitions() {
    let Value::Array(rows) = plain().get("/v1/partitions").json() else { panic!("no array") };
    assert_eq!(rows.len(), 4);
    let row = &rows[1];
    assert_eq!((&row["partition"], &row["phase"], &row["lag"], &row["users"]), (&json!(1), &json!("live"), &json!(3), &json!(600)));
    assert!(row["snapshot_age_s"].is_number() && rows[0]["snapshot_age_s"].is_null(), "{rows:?}");
}

#[test]
fn a_token_guards_v1_alone() {
    let running = Running::start(Some("s3cret-token"), Limits::default(), sample());
    for path in ["/", "/page.js", "/healthz", "/readyz", "/metrics"] {
        assert_eq!(running.get(path).status, 200, "{path}");
    }
    for path in
        ["/v1", "/v1/metrics", "/v1/live", "/v1/state", "/v1/segments", "/v1/users/anna", "/v1/alerts", "/v1/dead-letters", "/v1/nothing"]
    {
        for headers in [
            "",
            "Authorization: Bearer\r\n",
            "Authorization: Bearer s3cret-toke\r\n",
            "Authorization: Bearer s3cret-token2\r\n",
            "Authorization: Basic s3cret-token\r\n",
            "Authorization: s3cret-token\r\n",
            "Authorization: Bearer \u{e9}\r\n",
        ] {
            let answer = running.get_with(path, headers);
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{path} {headers} {}", answer.body);
            assert!(!answer.body.contains("s3cret"), "{}", answer.body);
        }
    }
    for headers in ["Authorization: Bearer s3cret-token\r\n", "authorization: bearer s3cret-token\r\n"] {
        assert_eq!(running.get_with("/v1/metrics", headers).status, 200);
        assert_eq!(running.get_with("/v1/nothing", headers).status, 404);
    }
    for path in ["/v1/", "/%761/metrics", "//v1/metrics", "/./v1/metrics", "/v1/../v1/metrics", "/V1/metrics", "/page.js/../v1/metrics"] {
        assert!(matches!(running.get(path).status, 401 | 404), "{path}");
    }
}

#[test]
fn other_names_are_refused_without_a_token() {
    let running = plain();
    for (host, status) in
        [("localhost:8080", 200), ("127.0.0.1", 200), ("[::1]:8080", 200), ("evil.example", 403), ("evil.example:8080", 403)]
    {
        let answer = running.send(&format!("GET /v1/segments HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        assert_eq!(answer.status, status, "{host}");
    }
    let guarded = Running::start(Some("t"), Limits::default(), sample());
    let named = guarded.send("GET /v1/segments HTTP/1.1\r\nHost: figures.example\r\nAuthorization: Bearer t\r\nConnection: close\r\n\r\n");
    assert_eq!(named.status, 200);
}

#[test]
fn paths_and_methods() {
    let running = plain();
    for path in ["/nothing", "/v1/nothing", "/page.js/", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "/page.js%00", "/.git/config"] {
        let answer = running.get(path);
        assert_eq!((answer.status, answer.json()["error"].is_string()), (404, true), "{path}");
    }
    for (method, path) in
        [("POST", "/"), ("DELETE", "/v1/users/anna"), ("PUT", "/metrics"), ("OPTIONS", "/v1/metrics"), ("TRACE", "/healthz")]
    {
        let answer = running.send(&format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")), "{method} {path}");
        assert_eq!(answer.json(), json!({ "error": format!("this path does not take {method}; use GET") }));
    }
    let head = running.send("HEAD /v1/metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn a_taken_port_is_told() {
    let running = plain();
    let mut settings = fake::settings(None);
    settings.listen = running.address;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let error = runtime.block_on(Server::bind(&settings, Arc::new(Fake::empty()))).expect_err("the port is taken");
    assert!(matches!(error, HttpError::Taken { .. }));
    let expected =
        format!("http.listen: {} is taken by another program; stop it, or set another port (0 takes a free one)", running.address);
    assert_eq!(error.to_string(), expected);
}
