//! `/metrics`, read by rules of the format that scrapers hold to.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::client::{Answer, Running};
use super::fake::Fake;
use super::{plain, sample};

use stickiness::io::http::Limits;

/// Families by name with their kind, and samples by name and labels.
#[derive(Default)]
struct Exposition {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
}

/// Reads the text, and panics where it breaks a rule.
fn read(text: &str) -> Exposition {
    let mut read = Exposition::default();
    let mut helped = BTreeSet::new();
    let mut family = String::new();
    let body = text.strip_suffix("# EOF\n").expect("the end is marked");
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let (what, rest) = rest.split_once(' ').expect("a keyword");
            let (name, value) = rest.split_once(' ').expect("a name");
            match what {
                "HELP" => assert!(helped.insert(name.to_owned()) && value.ends_with('.'), "{line}"),
                "TYPE" => {
                    name.clone_into(&mut family);
                    assert!(read.kinds.insert(name.to_owned(), value.to_owned()).is_none(), "twice: {line}");
                }
                "UNIT" => assert!(name.ends_with(&format!("_{value}")), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let name = series.split('{').next().expect("a name");
        let suffixes: &[&str] = match read.kinds[&family].as_str() {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            _ => &[""],
        };
        assert!(suffixes.iter().any(|suffix| name == format!("{family}{suffix}")), "{line} in {family}");
        assert!(name.starts_with("stickiness_") && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
        assert!(read.samples.insert(series.to_owned(), value.parse().expect("a number")).is_none(), "twice: {line}");
    }
    assert_eq!(helped, read.kinds.keys().cloned().collect());
    read
}

fn ask(running: &Running) -> Answer {
    running.get_with("/metrics", "Accept: application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1\r\n")
}

#[test]
fn everything_is_told() {
    let answer = ask(&plain());
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let read = read(&answer.body);
    for (series, value) in [
        ("stickiness_ready", 1.0),
        ("stickiness_events_total{outcome=\"too_late\"}", 10.0),
        ("stickiness_events_total{outcome=\"malformed\"}", 4.0),
        ("stickiness_forwarding_lag_records{topic=\"clicks\",partition=\"2\"}", 7.0),
        ("stickiness_aborts_total{reason=\"\\\"odd\\\\\\nreason\"}", 1.0),
        ("stickiness_webhook_records_total{webhook=\"crm\",records=\"transitions\",outcome=\"delivered\"}", 812.0),
        ("stickiness_webhook_records_total{webhook=\"crm\",records=\"transitions\",outcome=\"given_up\"}", 3.0),
        ("stickiness_webhook_records_total{webhook=\"crm\",records=\"transitions\",outcome=\"filtered\"}", 9_001.0),
        ("stickiness_webhook_failures_total{webhook=\"crm\",records=\"transitions\"}", 17.0),
        ("stickiness_commits_total", 1204.0),
        ("stickiness_commit_duration_seconds_count", 1000.0),
        ("stickiness_commit_duration_seconds_bucket{le=\"0.01\"}", 250.0),
        ("stickiness_publish_latency_seconds_bucket{le=\"+Inf\"}", 48_000.0),
        ("stickiness_publish_latency_quantile_seconds{q=\"0.99\"}", 0.396),
        ("stickiness_partition_live{partition=\"3\"}", 1.0),
        ("stickiness_partition_lag_records{partition=\"3\"}", 3.0),
        ("stickiness_snapshot_size_bytes{partition=\"1\"}", 1_048_576.0),
        ("stickiness_users{partition=\"0\"}", 600.0),
        ("stickiness_merged_users{partition=\"0\"}", 40.0),
        ("stickiness_state_bytes{partition=\"0\"}", 126_600.0),
        ("stickiness_user_state_bytes", 211.0),
        ("stickiness_churn_calibration_error{process=\"activity\"}", 0.82 / 3.0),
        ("stickiness_churn_brier_score{process=\"activity\"}", 0.7604 / 3.0),
        ("stickiness_churn_prediction_users{process=\"activity\"}", 3.0),
        ("stickiness_churn_calibration_day{process=\"activity\"}", 20_500.0),
        ("stickiness_churn_calibration_predicted{process=\"activity\",bin=\"0.10-0.15\"}", 0.13),
        ("stickiness_churn_calibration_observed{process=\"activity\",bin=\"0.10-0.15\"}", 0.5),
        ("stickiness_churn_calibration_predicted{process=\"activity\",bin=\"0.90-0.95\"}", 0.92),
        ("stickiness_churn_calibration_observed{process=\"activity\",bin=\"0.90-0.95\"}", 1.0),
    ] {
        let told = read.samples.get(series).copied().unwrap_or_else(|| panic!("{series} is missing"));
        assert!((told - value).abs() <= value / 1000.0, "{series} is {told}");
    }
    assert!(read.samples["stickiness_webhook_oldest_undelivered_seconds{webhook=\"crm\",records=\"transitions\"}"] > 1e9);
    for series in ["stickiness_watermark_lag_seconds{partition=\"0\"}", "stickiness_snapshot_age_seconds{partition=\"1\"}"] {
        assert!(read.samples[series] > 0.0, "{series}");
    }
    assert!(!read.samples.contains_key("stickiness_snapshot_age_seconds{partition=\"0\"}"));
    assert!(!read.samples.contains_key("stickiness_events_total{outcome=\"forwarded\"}"), "what was forwarded is counted in the log");
    assert!(!read.samples.keys().any(|series| series.contains("bin=\"0.00-0.05\"")), "nobody is in it");
}

#[test]
fn buckets_add_up() {
    let read = read(&ask(&plain()).body);
    for (name, _) in read.kinds.iter().filter(|(_, kind)| *kind == "histogram") {
        let prefix = format!("{name}_bucket{{le=\"");
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for (series, count) in &read.samples {
            let Some(bound) = series.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix("\"}")) else { continue };
            buckets.push((bound.parse().expect("a bound"), *count));
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{buckets:?}");
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, read.samples[&format!("{name}_count")])));
    }
}

#[test]
fn nothing_yet_is_told_too() {
    let empty = Running::start(None, Limits::default(), Fake::empty());
    let read_empty = read(&ask(&empty).body);
    assert!(read_empty.samples["stickiness_commit_duration_seconds_count"].abs() < f64::EPSILON);
    assert!(read_empty.samples["stickiness_commit_duration_seconds_sum"].abs() < f64::EPSILON);
    assert!(!read_empty.samples.contains_key("stickiness_user_state_bytes"));
    let full = Running::start(None, Limits::default(), sample());
    assert_eq!(read_empty.kinds, read(&ask(&full).body).kinds, "families come and go");
}

#[test]
fn the_older_format_tells_the_same() {
    let running = plain();
    let (newer, older) = (ask(&running), running.get("/metrics"));
    assert_eq!(older.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    // Ages grow between the two.
    let samples = |text: &str| -> Vec<String> {
        let is_age = |line: &str| ["_age_", "_lag_seconds", "_oldest_"].iter().any(|part| line.contains(part));
        let lines = text.lines().filter(|line| !line.starts_with('#') && !is_age(line));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(samples(&newer.body), samples(&older.body));
    for line in ["# TYPE stickiness_events_total counter", "# TYPE stickiness_build_info gauge", "# TYPE stickiness_ready gauge"] {
        assert!(older.body.lines().any(|told| told == line), "{line}");
    }
    assert!(!older.body.contains("# UNIT") && !older.body.contains("# EOF"));
}

/// Prometheus' own judgement, where it is installed.
#[test]
fn promtool_has_no_complaint() {
    let Ok(mut child) =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    else {
        return;
    };
    let text = plain().get("/metrics").body;
    child.stdin.take().expect("an input").write_all(text.as_bytes()).expect("it reads");
    let done = child.wait_with_output().expect("it ends");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&[done.stdout, done.stderr].concat()));
}
