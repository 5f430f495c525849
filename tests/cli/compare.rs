//! `stickiness compare`, on logs with planted differences.

use std::fmt::Write as _;

use serde_json::Value;

use crate::golden::run;

/// Events of `users` users over 56 days from 2026-01-05, a Monday: in the second half, users with an even number are active on twice as many days, and those of them who
/// are told of the campaign buy. Users are exposed on the 29th day, by threes: held out, treated, treated.
fn log(directory: &tempfile::TempDir, users: usize) -> String {
    let mut lines = String::new();
    let mut number = 0;
    let mut add = |user: usize, kind: &str, day: usize, properties: &str| {
        number += 1;
        let date = jiff::civil::date(2026, 1, 5).saturating_add(jiff::Span::new().days(i64::try_from(day).expect("small")));
        writeln!(
            lines,
            r#"{{"event_id":"{number}","user_id":"u{user}","type":"{kind}","timestamp":"{date}T12:00:00Z","properties":{properties}}}"#
        )
        .expect("memory");
    };
    for user in 0..users {
        for day in 0..56 {
            let every = if day >= 28 && user % 2 == 0 { 2 } else { 4 };
            if (day + user) % every == 0 {
                add(user, "activity", day, "{}");
            }
        }
        let arm = if user % 3 == 0 { "held_out" } else { "treated" };
        add(user, "campaign_exposed", 28, &format!(r#"{{"campaign":"spring","arm":"{arm}"}}"#));
        if arm == "treated" && user % 4 == 1 {
            add(user, "order_placed", 30, r#"{"amount":10}"#);
        }
    }
    let path = directory.path().join("events.ndjson");
    std::fs::write(&path, lines).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

fn compared(arguments: &[&str]) -> Value {
    let done = run(arguments);
    assert_eq!(done.status, 0, "{}", done.stderr);
    serde_json::from_str(&done.stdout).expect("one object")
}

fn measure<'v>(compared: &'v Value, name: &str) -> &'v Value {
    compared["measures"].as_array().expect("a list").iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn periods_differ_by_what_was_planted() {
    let directory = tempfile::tempdir().expect("a folder");
    let path = log(&directory, 40);
    let compared = compared(&["compare", "--before", "2026-01-05..2026-02-01", "--after", "2026-02-02..2026-03-01", &path]);
    assert_eq!((&compared["schema"], &compared["by"]), (&"stickiness.compare.v1".into(), &"period".into()));
    let dau = measure(&compared, "dau");
    assert_eq!((&dau["first"]["mean"], &dau["second"]["count"]), (&10.0.into(), &28.into()));
    let difference = dau["difference"].as_f64().expect("a number");
    assert!((difference - 5.0).abs() < 1.0, "twenty of forty users are there twice as often, some buy on another day: {difference}");
    let (low, high) = (dau["low"].as_f64().expect("low"), dau["high"].as_f64().expect("high"));
    assert!(low < difference && difference < high);
    let warnings = compared["warnings"].to_string();
    assert!(warnings.contains("new"), "all users of the first month are new: {warnings}");
    assert!(!warnings.contains("weekdays"), "{warnings}");
}

#[test]
fn a_comparison_is_a_table_when_asked_for() {
    let directory = tempfile::tempdir().expect("a folder");
    let path = log(&directory, 40);
    let done = run(&["compare", "--before", "2026-01-05..2026-02-01", "--after", "2026-02-02..2026-03-01", "--format", "table", &path]);
    assert_eq!(done.status, 0, "{}", done.stderr);
    let of_measures = done.stdout.split("## ").find(|table| table.starts_with("compared, measures")).expect("a table of measures");
    let mut lines = of_measures.lines().skip(1);
    let columns: Vec<&str> = lines.next().expect("names").split_whitespace().collect();
    assert_eq!(columns[0], "name", "{of_measures}");
    assert!(columns.contains(&"difference") && columns.contains(&"low") && columns.contains(&"high"), "{of_measures}");
    let dau: Vec<&str> = lines.find(|line| line.starts_with("dau ")).expect("a line").split_whitespace().collect();
    let mean = columns.iter().position(|column| *column == "first.mean").expect("a column");
    assert_eq!(dau[mean], "10", "{of_measures}");
}

#[test]
fn a_lift_that_was_planted_is_found_and_unlike_groups_are_told() {
    let directory = tempfile::tempdir().expect("a folder");
    let path = log(&directory, 240);
    let arms = compared(&["compare", "--campaign", "spring", "--days", "28", &path]);
    assert_eq!(arms["groups"], serde_json::json!([{ "name": "held_out", "users": 80 }, { "name": "treated", "users": 160 }]));
    let buyers = measure(&arms, "buyers");
    assert_eq!((&buyers["first"]["mean"], &buyers["second"]["mean"]), (&0.0.into(), &0.25.into()));
    assert!(buyers["low"].as_f64().expect("low") > 0.15 && buyers["high"].as_f64().expect("high") < 0.35, "{buyers}");
    let revenue = measure(&arms, "revenue");
    assert!((revenue["difference"].as_f64().expect("a number") - 2.5).abs() < 1e-9, "{revenue}");
    assert_eq!(measure(&arms, "left")["difference"], 0.0);
    let warnings: Vec<&str> = arms["warnings"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(warnings, ["the groups differ in size: 80 and 160 users"]);
    let longer = run(&["compare", "--campaign", "spring", "--days", "40", &path]);
    assert!(longer.status == 2 && longer.stderr.contains("days are over"), "{}", longer.stderr);
}

#[test]
fn what_cannot_be_compared_is_told() {
    let directory = tempfile::tempdir().expect("a folder");
    let path = log(&directory, 12);
    for (arguments, words) in [
        (&["compare", path.as_str()][..], "--before"),
        (&["compare", "--before", "2026-01-05..2026-01-04", "--after", "2026-01-05..2026-01-06", &path], "is after"),
        (&["compare", "--campaign", "autumn", &path], "no `campaign_exposed` event"),
        (&["compare", "--campaign", "spring", "--arm", "x", &path], "no arm \"x\""),
        (&["compare", "--campaign", "spring", "--control", "y", &path], "no arm \"y\""),
    ] {
        let done = run(arguments);
        assert!(done.status == 2 && done.stderr.contains(words), "{arguments:?}: {}", done.stderr);
    }
}
