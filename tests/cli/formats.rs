//! Records of other tools, by the examples that ship: what becomes of each.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::golden::run;

/// The profiles by user, and the dead letters, of these records under an example.
fn replayed(example: &str, records: &[&str]) -> (BTreeMap<String, Value>, Vec<Value>) {
    let directory = tempfile::tempdir().expect("a folder");
    let (events, output) = (directory.path().join("events.ndjson"), directory.path().join("out"));
    std::fs::write(&events, records.join("\n")).expect("written");
    let text = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let config = format!("config/examples/{example}.toml");
    let done = run(&["replay", "--config", &config, "--output", &text(&output), "--order", "event-time", &text(&events)]);
    assert_eq!(done.status, 0, "{}", done.stderr);
    let lines = |name: &str| -> Vec<Value> {
        let written = std::fs::read_to_string(output.join(name)).expect("an output");
        written.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let profiles = lines("profiles.ndjson").into_iter().map(|profile| (profile["user_id"].as_str().expect("text").to_owned(), profile));
    (profiles.collect(), lines("dead-letters.ndjson"))
}

#[test]
fn calls_of_the_segment_spec() {
    let (profiles, dead) = replayed(
        "segment",
        &[
            r#"{"type":"page","anonymousId":"anon","messageId":"1","timestamp":"2026-01-01T10:00:00Z","name":"Home","context":{"channel":"web"}}"#,
            r#"{"type":"track","event":"Signed Up","anonymousId":"anon","userId":null,"messageId":"2","timestamp":"2026-01-01T10:01:00Z"}"#,
            r#"{"type":"identify","userId":"ada","messageId":"3","timestamp":"2026-01-01T10:02:00Z","traits":{"plan":"pro"}}"#,
            r#"{"type":"alias","previousId":"anon","userId":"ada","messageId":"4","timestamp":"2026-01-01T10:03:00Z"}"#,
            r#"{"type":"track","event":"Order Completed","userId":"ada","messageId":"5","timestamp":"2026-01-02T10:00:00.000Z","properties":{"order_id":"o","revenue":12.5,"products":[{"product_id":"p","category":"tea","price":12.5}]}}"#,
            r#"{"type":"track","event":"Whatever Else","userId":"ada","messageId":"6","originalTimestamp":"2026-01-03T10:00:00Z"}"#,
            r#"{"type":"track","event":"Trial Cancelled","userId":"bob","messageId":"7","timestamp":"2026-01-03T10:00:00Z"}"#,
            r#"{"type":"track","userId":"bob","messageId":"8","timestamp":"2026-01-03T10:00:00Z"}"#,
            r#"{"type":"alias","previousId":"cy","messageId":"9","timestamp":"2026-01-03T10:00:00Z"}"#,
            r#"{"event":"Signed Up","userId":"bob","messageId":"10","timestamp":"2026-01-03T10:00:00Z"}"#,
        ],
    );
    let ada = &profiles["ada"];
    assert_eq!((&ada["active_days"], &ada["orders"], &ada["revenue"], &ada["categories"]), (&3.into(), &1.into(), &12.5.into(), &1.into()));
    assert_eq!(
        (&ada["favourite_channel"], &ada["first_active_day"]),
        (&"web".into(), &"2026-01-01".into()),
        "what the anonymous id did is hers"
    );
    assert!(!profiles.contains_key("anon") && profiles["bob"]["active_days"] == 0);
    let reasons: Vec<&str> = dead.iter().map(|letter| letter["reason"].as_str().expect("text")).collect();
    assert_eq!(reasons, ["missing_field"; 3], "a track without an event, an alias without a user, a call without a type: {dead:?}");
}

#[test]
fn cloudevents_in_structured_mode() {
    let (profiles, dead) = replayed(
        "cloudevents",
        &[
            r#"{"specversion":"1.0","id":"1","source":"/shop","type":"com.example.shop.order.placed","subject":"ada","time":"2026-01-01T10:00:00Z","datacontenttype":"application/json","data":{"order_id":"o","amount":9.99}}"#,
            r#"{"specversion":"1.0","id":"2","source":"/app","type":"com.example.app.opened","subject":"ada","time":"2026-01-02T10:00:00+01:00"}"#,
            r#"{"specversion":"1.0","id":"3","source":"/cron","type":"com.example.cleanup","subject":"ada","time":"2026-01-02T10:00:00Z"}"#,
            r#"{"specversion":"1.0","id":"4","source":"/app","type":"com.example.app.opened","time":"2026-01-02T10:00:00Z"}"#,
        ],
    );
    assert_eq!(
        (&profiles["ada"]["orders"], &profiles["ada"]["revenue"], &profiles["ada"]["active_days"]),
        (&1.into(), &9.99.into(), &2.into())
    );
    let reasons: Vec<&str> = dead.iter().map(|letter| letter["reason"].as_str().expect("text")).collect();
    assert_eq!(reasons, ["unknown_type", "missing_field"]);
}

#[test]
fn exports_of_posthog_and_snowplow() {
    let (profiles, dead) = replayed(
        "posthog",
        &[
            r#"{"uuid":"1","distinct_id":"ada","event":"user signed up","timestamp":"2026-01-01T10:00:00Z","properties":{"$lib":"web"}}"#,
            r#"{"uuid":"2","distinct_id":"ada","event":"$pageview","timestamp":"2026-01-02T10:00:00Z","properties":{"$current_url":"/a","$lib":"web"}}"#,
            r#"{"uuid":"3","distinct_id":"bob","event":"$set","timestamp":"2026-01-02T10:00:00Z","properties":{}}"#,
        ],
    );
    assert_eq!((&profiles["ada"]["active_days"], &profiles["ada"]["favourite_channel"]), (&2.into(), &"web".into()));
    assert!(dead.is_empty() && profiles["bob"]["active_days"] == 0, "{dead:?}");
    let (profiles, dead) = replayed(
        "snowplow",
        &[
            r#"{"event_id":"1","user_id":"ada","event_name":"page_view","collector_tstamp":"2026-01-01T10:00:00.123Z","platform":"web","page_urlpath":"/"}"#,
            r#"{"event_id":"2","user_id":"ada","event_name":"transaction","collector_tstamp":"2026-01-02T10:00:00.123Z","tr_orderid":"o","tr_total":20,"tr_currency":"EUR"}"#,
            r#"{"event_id":"3","user_id":null,"event_name":"page_view","collector_tstamp":"2026-01-01T10:00:00.123Z"}"#,
        ],
    );
    assert_eq!(
        (&profiles["ada"]["orders"], &profiles["ada"]["revenue"], &profiles["ada"]["active_days"]),
        (&1.into(), &20.0.into(), &2.into())
    );
    assert_eq!(dead[0]["reason"], "missing_field", "nobody is known by it");
}
