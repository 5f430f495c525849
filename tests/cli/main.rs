//! The commands as a user runs them: exit status, standard output, standard error.

mod churn;
mod golden;

use std::fs;

use golden::{check_golden, run, run_with};

#[test]
fn help_tells_the_commands() {
    for (arguments, name) in [
        (&["--help"][..], "help"),
        (&["check", "--help"], "help-check"),
        (&["generate", "--help"], "help-generate"),
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
fn check_takes_the_example_and_the_defaults() {
    for arguments in [&["check", "--offline"][..], &["check", "--offline", "--config", "config/stickiness.toml"]] {
        let done = run(arguments);
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
    for name in ["event", "metrics", "transitions", "profiles", "dead-letters"] {
        let done = run(&["schema", name]);
        let schema: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
        assert!(jsonschema::meta::is_valid(&schema), "{name}");
        check_golden(&format!("cli/schema-{name}.json"), &done.stdout);
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
