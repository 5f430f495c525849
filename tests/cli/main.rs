//! The commands as a user runs them: exit status, standard output, standard error.

mod alerts;
mod avro;
mod churn;
mod compare;
mod compatibility;
mod documents;
mod exodus;
mod formats;
mod golden;
mod insights;
mod logging;
mod shell;
mod webhooks;

use std::fs;

use golden::{check_golden, run, run_with};

#[test]
fn help_tells_the_commands() {
    for (arguments, name) in [
        (&["--help"][..], "help"),
        (&["check", "--help"], "help-check"),
        (&["generate", "--help"], "help-generate"),
        (&["run", "--help"], "help-run"),
        (&["replay", "--help"], "help-replay"),
        (&["backfill", "--help"], "help-backfill"),
        (&["completions", "--help"], "help-completions"),
        (&["man", "--help"], "help-man"),
        (&["alerts", "tune", "--help"], "help-alerts-tune"),
        (&["fit", "--help"], "help-fit"),
        (&["backtest", "--help"], "help-backtest"),
    ] {
        let done = run(arguments);
        assert_eq!((done.status, done.stderr.as_str()), (0, ""), "{arguments:?}");
        check_golden(&format!("cli/{name}.txt"), &done.stdout);
    }
}

#[test]
fn bad_usage_is_status_2() {
    for arguments in [
        &[][..],
        &["chek"],
        &["check", "--confg", "x"],
        &["schema", "weather"],
        &["generate", "--events", "x"],
        &["generate", "--rate", "5"],
        &["completions", "tcsh"],
        &["demo", "--listen", "0.0.0.0:8080"],
        &["fit", "x.csv"],
        &["fit", "--until", "2024-1-1", "x.csv"],
        &["fit", "--until", "2024-01-01", "x.parquet"],
        &["backtest", "--split", "2024-01-02", "--until", "2024-01-02", "x.csv"],
    ] {
        let done = run(arguments);
        assert_eq!((done.status, done.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(!done.stderr.is_empty());
    }
}

#[test]
fn check_takes_the_examples_and_the_defaults() {
    let example = |path| vec!["check", "--offline", "--config", path];
    for arguments in [
        vec!["check", "--offline"],
        example("config/stickiness.toml"),
        example("config/examples/cdnow.toml"),
        example("config/examples/high-quality-new-users.toml"),
        example("config/examples/webhooks.toml"),
        example("config/examples/thanks.toml"),
        example("config/examples/segment.toml"),
        example("config/examples/cloudevents.toml"),
        example("config/examples/avro.toml"),
        example("config/examples/posthog.toml"),
        example("config/examples/snowplow.toml"),
    ] {
        let done = run(&arguments);
        assert_eq!((done.status, done.stdout.as_str(), done.stderr.as_str()), (0, "", "the settings are valid\n"));
    }
}

#[test]
fn check_tells_every_mistake() {
    let done = run(&["check", "--config", "tests/data/settings/mistakes.toml"]);
    let mistakes = fs::read_to_string("tests/data/settings/mistakes.txt").expect("the golden");
    let expected = format!("error: tests/data/settings/mistakes.toml: {mistakes}");
    assert_eq!((done.status, done.stdout.as_str(), done.stderr), (2, "", expected));
    let done = run(&["check", "--config", "no/such.toml"]);
    assert_eq!((done.status, done.stderr.starts_with("error: no/such.toml: ")), (2, true), "{}", done.stderr);
    assert!(done.stderr.contains("own-topic.toml"), "it says what to do next: {}", done.stderr);
}

#[test]
fn check_tells_every_property_that_is_the_services_own_or_nobodys() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("settings.toml");
    let check = |properties: &str| {
        fs::write(&path, format!("[kafka.properties]\n{properties}\n")).expect("written");
        let done = run(&["check", "--offline", "--config", path.to_str().expect("UTF-8")]);
        assert_eq!(done.status, 2, "{}", done.stderr);
        done.stderr
    };
    let told = check("\"group.id\" = \"x\"\n\"isolation.level\" = \"x\"");
    assert!(told.contains("2 mistakes") && told.contains("group.id = \"x\"") && told.contains("isolation.level = \"x\""), "{told}");
    let told = check("\"no.such.property\" = \"x\"");
    assert!(told.contains("kafka.properties") && told.contains("no.such.property"), "{told}");
}

#[test]
fn check_reads_the_environment_and_hides_secrets() {
    let done =
        run_with(&["check"], &[("STICKINESS__HTTP__TOKEN", "hunter 2"), ("STICKINESS__TIME__MAU_DAYS", "0"), ("STICKINESS__TIEM__X", "1")]);
    let expected = "error: 3 mistakes in the settings
  time.mau_days = 0: must be a whole number from 1 to 128 (set by STICKINESS__TIME__MAU_DAYS)
  http.token = <redacted>: must be visible ASCII characters without spaces, at least one (set by STICKINESS__HTTP__TOKEN)
  tiem: unknown key; did you mean `time`?
";
    assert_eq!((done.status, done.stderr.as_str()), (2, expected));
}

#[test]
fn schemas_are_printed() {
    for name in ["event", "metrics", "transitions", "churn-risk", "alerts", "profiles", "dead-letters"] {
        let schema: serde_json::Value = serde_json::from_str(&run(&["schema", name]).stdout).expect("JSON");
        assert!(jsonschema::meta::is_valid(&schema), "{name}");
    }
    let all: serde_json::Value = serde_json::from_str(&run(&["schema"]).stdout).expect("JSON");
    assert_eq!(all["asyncapi"], "3.0.0");
    let renamed = run_with(&["schema"], &[("STICKINESS__TOPICS__METRICS", "figures")]).stdout;
    let renamed: serde_json::Value = serde_json::from_str(&renamed).expect("JSON");
    assert_eq!(renamed["channels"]["metrics"]["address"], "figures");
}

#[test]
fn generated_events_are_the_same_each_time() {
    for (format, name) in [("ndjson", "generated.ndjson"), ("csv", "generated.csv")] {
        let arguments = ["generate", "--events", "40", "--users", "5", "--poison-share", "0.2", "--seed", "7", "--format", format];
        let done = run(&arguments);
        assert_eq!((done.status, done.stderr.as_str()), (0, ""));
        check_golden(&format!("cli/{name}"), &done.stdout);
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("events");
        let to_file = [&arguments[..], &["--output", path.to_str().expect("UTF-8")]].concat();
        assert_eq!((run(&to_file).status, fs::read_to_string(&path).expect("the file")), (0, done.stdout));
    }
    let done = run(&["generate", "--users", "0"]);
    assert_eq!((done.status, done.stderr.as_str()), (2, "error: users must be at least 1\n"));
}

#[test]
fn generated_events_come_at_the_given_rate() {
    let done = run(&["generate", "--rate", "400", "--duration", "1", "--users", "10"]);
    assert_eq!((done.status, done.stdout.lines().count()), (0, 400));
}

#[test]
fn tuning_a_series_names_its_alarms() {
    let directory = tempfile::tempdir().expect("a directory");
    let (series, page) = (directory.path().join("lapses.csv"), directory.path().join("plot.html"));
    let day = |number: i32| stickiness::model::time::Day::from_number(19_723 + number);
    let count = |number: i32| if number == 80 { 260 } else { 100 + number * 37 % 21 };
    let rows: Vec<String> = (0..120).map(|number| format!("{},{},20000\n", day(number), count(number))).collect();
    fs::write(&series, format!("day,count,at_risk\n{}", rows.concat())).expect("disk");
    let done = run(&["alerts", "tune", "--series", series.to_str().expect("UTF-8"), "--html", page.to_str().expect("UTF-8")]);
    let told: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!((done.status, &told["judged_days"]), (0, &92.into()));
    let trials = told["churn_spike"].as_array().expect("trials");
    assert_eq!(trials.iter().map(|trial| trial["value"].as_f64().expect("a number")).collect::<Vec<_>>(), [1e-2, 1e-3, 1e-4, 1e-5, 1e-6]);
    for trial in trials {
        let alarm = trial["alarms"].as_array().and_then(|alarms| alarms.iter().find(|alarm| alarm["raised"] == "2024-03-21"));
        let alarm = alarm.expect("the day that stands out");
        assert_eq!((&alarm["observed"], &alarm["level"], &alarm["ends"]), (&260.into(), &"churned".into(), &"2024-03-22".into()));
    }
    assert_eq!(told["return_deficit"][0]["alarms"], serde_json::json!([]));
    assert!(done.stderr.contains("\n*   0.0001       1     4.0  2024-03-21 churned 260 for 1"), "{}", done.stderr);
    let page = fs::read_to_string(page).expect("the page");
    assert_eq!((page.matches("<svg").count(), page.matches("class=\"set\"").count()), (1, 1));
    assert!(page.matches("class=\"alarm\"").count() >= 5 && !page.contains("NaN") && !page.contains("http"), "a mark for each threshold");
}

#[test]
fn tuning_on_events_counts_silences() {
    let directory = tempfile::tempdir().expect("a directory");
    let events = directory.path().join("events.ndjson");
    let path = events.to_str().expect("UTF-8");
    assert_eq!(run(&["generate", "--events", "20000", "--users", "800", "--days", "150", "--seed", "3", "--output", path]).status, 0);
    let done = run(&["alerts", "tune", "--lapse-days", "10", path]);
    let told: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!((done.status, &told["from"], &told["days"]), (0, &"2024-01-01".into(), &150.into()), "{}", done.stderr);
    let counts: Vec<usize> =
        told["return_deficit"].as_array().expect("trials").iter().map(|trial| trial["alarms"].as_array().map_or(0, Vec::len)).collect();
    assert!(counts.len() == 6 && counts.is_sorted_by(|one, other| one >= other), "{counts:?}");
    let nobody = directory.path().join("nobody.ndjson");
    fs::write(&nobody, "{\"user_id\":\"u\",\"type\":\"price_changed\",\"timestamp\":1714564800000}\n").expect("disk");
    let done = run(&["alerts", "tune", nobody.to_str().expect("UTF-8")]);
    assert_eq!((done.status, done.stderr.contains("no day to be judged")), (1, true), "{}", done.stderr);
    assert_eq!(run(&["alerts", "tune"]).status, 2);
}
