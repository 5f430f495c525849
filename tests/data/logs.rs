//! `daily.csv`, `l28.csv` and `retention_weekly.csv` of every log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use stickiness::config::Settings;
use stickiness::io::files::{FileRecords, Input, Progress};
use stickiness::io::replay::{Order, Partitions, ReplayOptions, replay};
use stickiness::model::event::EventType;
use stickiness::model::retention::weekly;
use stickiness::model::time::{Calendar, Day};
use stickiness::wire::mapping::Format;

use crate::{Named, data};

const LOGS: [&str; 11] = [
    "bpi2016-complaints",
    "cdnow-master",
    "cdnow-sample",
    "completejourney-sample",
    "ecom-clickstream-synthetic",
    "git-activity",
    "hospital-billing",
    "lifetimes-example",
    "nps-timeseries",
    "rfm-orders",
    "traffic-fines",
];

pub(crate) fn add(tests: &mut Vec<Named>) {
    for log in LOGS {
        tests.push((format!("daily {log}"), Box::new(move || daily(log, 1))));
        tests.push((format!("l28 {log}"), Box::new(move || l28(log))));
        tests.push((format!("weekly retention {log}"), Box::new(move || weekly_retention(log))));
    }
    tests.push(("daily in 5 partitions git-activity".into(), Box::new(|| daily("git-activity", 5))));
    tests.push(("orders and money cdnow-master".into(), Box::new(cdnow_money)));
}

fn settings(types: &str) -> Settings {
    let text = format!(
        "[time]\nmau_days = 28\n[input]\nformat = \"csv\"\n[input.fields]\ntimestamp = \"event_time\"\ntype = \"event_type\"\n[input.types]\n{types}\n"
    );
    Settings::read(&text, []).expect("valid settings")
}

/// Every type is activity but those that the log's notes leave out.
fn activity() -> Settings {
    settings("default = \"activity\"\ncampaign_sent = \"campaign_exposed\"")
}

fn events(log: &str) -> PathBuf {
    data().join(log).join("events.csv.gz")
}

fn input(log: &str) -> Vec<Input> {
    vec![Input::from_argument(events(log).to_str().expect("UTF-8"), Format::Csv).expect("a known ending")]
}

/// The rows of a CSV of expected figures.
fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).expect("expected figures");
    reader.deserialize().map(|row| row.expect("a row")).collect()
}

fn run(settings: &Settings, log: &str, partitions: u32, order: Order) -> Vec<Value> {
    let output = tempfile::tempdir().expect("a folder");
    let options = ReplayOptions { output: output.path().into(), until: None, partitions, order };
    let decoder = settings.decoder();
    let summary = replay(settings, &options, FileRecords::new(input(log), &decoder, Progress::hidden())).expect("replays");
    assert_eq!(summary.accepted, summary.records, "nothing is left out: {:?}", summary.dead_letters);
    let metrics = std::fs::read_to_string(output.path().join("metrics.ndjson")).expect("metrics");
    metrics.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn daily(log: &str, partitions: u32) {
    let records = run(&activity(), log, partitions, Order::EventTime);
    let expected = rows(&data().join(log).join("expected/daily.csv"));
    assert!(expected.len() > 150, "the figures are there");
    assert_eq!(records.len(), expected.len());
    for (record, expected) in records.iter().zip(&expected) {
        assert_eq!(record["day"], expected["d"].as_str());
        for (field, column) in [
            ("dau", "dau"),
            ("new_1d", "new"),
            ("retained_1d", "retained"),
            ("resurrected_1d", "resurrected"),
            ("dormant_1d", "dormant"),
            ("wau_7d", "wau7"),
            ("mau_28d", "mau28"),
            ("mau_30d", "mau30"),
        ] {
            assert_eq!(record[field].to_string(), expected[column], "{field} on {}", expected["d"]);
        }
        let dau = record["dau"].as_f64().expect("a number");
        for (denominator, column) in [("mau_30d", "stickiness_dau_mau30"), ("wau_7d", "stickiness_dau_wau7")] {
            let denominator = record[denominator].as_f64().expect("a number");
            match expected[column].parse::<f64>() {
                Ok(ratio) => assert!((dau / denominator - ratio).abs() < 1e-6, "{column} on {}", expected["d"]),
                Err(_) => assert!(denominator == 0.0, "{column} on {}", expected["d"]),
            }
        }
    }
}

fn l28(log: &str) {
    let facts: Value = serde_json::from_str(&std::fs::read_to_string(data().join(log).join("facts.json")).expect("facts")).expect("JSON");
    let day = Day::parse(facts["l28_ref_day"].as_str().expect("a day")).expect("a day");
    let active = active_days(log);
    let settings = activity();
    let calendar = std::sync::Arc::new(Calendar::new("UTC").expect("a zone"));
    let mut partitions = Partitions::new(&settings, 3, &calendar);
    feed(&settings, log, &mut partitions, day);
    let ours: BTreeMap<String, u32> = partitions
        .engines()
        .iter()
        .flat_map(|engine| engine.profiles_on(day))
        .filter(|profile| profile.active_days_28d > 0)
        .map(|profile| (profile.user_id, profile.active_days_28d))
        .collect();
    let expected = rows(&data().join(log).join("expected/l28.csv"));
    let expected: BTreeMap<String, u32> =
        expected.into_iter().map(|row| (row["user_id"].clone(), row["active_days_28"].parse().expect("a number"))).collect();
    assert!(!expected.is_empty() && expected.len() <= active.len());
    assert_eq!(ours, expected);
}

/// Hands the events up to a day, by event time, to the partitions.
fn feed(settings: &Settings, log: &str, partitions: &mut Partitions, until: Day) {
    let decoder = settings.decoder();
    let calendar = Calendar::new("UTC").expect("a zone");
    let mut records = FileRecords::new(input(log), &decoder, Progress::hidden());
    let mut events = Vec::new();
    while let Some(record) = records.next_record().expect("readable") {
        events.push(record.outcome.expect("an event").event.into_owned());
    }
    events.sort_by_key(|event| event.time);
    for event in events.iter().filter(|event| calendar.day_of(event.time) <= until) {
        partitions.handle(event, None);
    }
}

fn active_days(log: &str) -> BTreeMap<String, BTreeSet<Day>> {
    let settings = activity();
    let decoder = settings.decoder();
    let calendar = Calendar::new("UTC").expect("a zone");
    let mut records = FileRecords::new(input(log), &decoder, Progress::hidden());
    let mut days: BTreeMap<String, BTreeSet<Day>> = BTreeMap::new();
    while let Some(record) = records.next_record().expect("readable") {
        let event = record.outcome.expect("an event").event;
        if event.kind == EventType::Activity {
            days.entry(event.user_id.to_string()).or_default().insert(calendar.day_of(event.time));
        }
    }
    days
}

fn weekly_retention(log: &str) {
    let ours = weekly(active_days(log).into_values());
    let expected = rows(&data().join(log).join("expected/retention_weekly.csv"));
    let expected: BTreeMap<(Day, u32), u64> = expected
        .iter()
        .map(|row| {
            ((Day::parse(&row["cohort"]).expect("a day"), row["offset"].parse().expect("weeks")), row["users"].parse().expect("users"))
        })
        .filter(|(_, users)| *users > 0)
        .collect();
    assert!(expected.len() > 10);
    assert_eq!(ours, expected);
}

fn cdnow_money() {
    let facts: Value =
        serde_json::from_str(&std::fs::read_to_string(data().join("cdnow-master/facts.json")).expect("facts")).expect("JSON");
    let records = run(&settings("purchase = \"order_placed\""), "cdnow-master", 1, Order::EventTime);
    let sum = |field: &str| records.iter().map(|record| record[field].as_f64().expect("a number")).sum::<f64>();
    assert!((sum("revenue") - facts["amount"]["sum"].as_f64().expect("a sum")).abs() < 0.005);
    assert!((sum("orders") - facts["amount"]["n"].as_f64().expect("a count")).abs() < 0.5);
    assert!((sum("new_buyers") - facts["users"].as_f64().expect("a count")).abs() < 0.5);
}
