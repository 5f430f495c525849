//! Alerts that a replay writes, of an exodus that was planted.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::exodus::{SETTINGS, events};
use crate::golden::run;

fn replayed(partitions: &str) -> Vec<Value> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    fs::write(path("settings.toml"), SETTINGS).expect("disk");
    fs::write(path("events.ndjson"), events().into_iter().map(|line| line.2 + "\n").collect::<String>()).expect("disk");
    let done = run(&[
        "replay",
        "--config",
        &path("settings.toml"),
        "--output",
        &path("out"),
        "--order",
        "event-time",
        "--partitions",
        partitions,
        &path("events.ndjson"),
    ]);
    assert_eq!(done.status, 0, "{}", done.stderr);
    let text = fs::read_to_string(path("out/alerts.ndjson")).expect("the file");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_replay_writes_the_alerts_of_a_planted_exodus() {
    let alerts = replayed("1");
    let early: Vec<&Value> = alerts.iter().filter(|alert| alert["day"].as_str() < Some("2026-03-12")).collect();
    assert!(early.is_empty(), "nothing was amiss before: {early:?}");
    for (segment, found) in [("channel=web", "2026-03-13"), ("all", "2026-03-14")] {
        let own = |alert: &&Value| alert["name"] == "return_deficit" && alert["labels"]["segment"] == segment;
        let (first, last) = (alerts.iter().find(own).expect("a deficit"), alerts.iter().rfind(own).expect("a deficit"));
        // Found on the second and on the third day, and dated to about when it began: where the sum of deficits left 0.
        let starts_at = first["starts_at"].as_str().expect("a time");
        assert_eq!(first["day"], found);
        assert!(("2026-03-05T00:00:00Z"..="2026-03-12T00:00:00Z").contains(&starts_at), "{starts_at}");
        assert_eq!(
            (&first["labels"]["process"], &first["status"], &last["status"]),
            (&"activity".into(), &"firing".into(), &"resolved".into())
        );
        assert!(first["observed"].as_f64() < first["expected"].as_f64());
        assert_eq!(first["top_segments"][0]["segment"] == "channel=web", segment == "all", "{first}");
    }
    let keys: BTreeSet<(&str, &str)> =
        alerts.iter().map(|alert| (alert["fingerprint"].as_str().expect("text"), alert["day"].as_str().expect("text"))).collect();
    assert_eq!(keys.len(), alerts.len(), "an alert is told once a day");
    assert_eq!(replayed("4"), alerts, "partitions add up");
}
