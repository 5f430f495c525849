//! The commands of an operator against a real broker.

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use stickiness::io::clock::Stopwatch;

use crate::support::broker::Broker;
use crate::support::outputs::{assert_same, metrics};
use crate::support::process::{Group, Process};
use crate::support::records::{Input, create_topic, produce, read_committed};

const PATIENCE: Duration = Duration::from_secs(60);
/// An address at which nothing listens.
const NOWHERE: &str = "127.0.0.1:1";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn output(mut command: Command) -> Output {
    command.output().expect("ran")
}

/// Waits until a process has logged a text, and returns the first line with it.
fn wait_for_line(process: &mut Process, text: &str) -> String {
    let stopwatch = Stopwatch::start();
    loop {
        if let Some(line) = process.log().lines().find(|line| line.contains(text)) {
            return line.to_owned();
        }
        process.assert_runs();
        assert!(stopwatch.elapsed() < PATIENCE, "{text} is logged\n{}", process.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_user_is_asked_of_the_running_service() {
    let bootstrap = Broker::shared().bootstrap();
    create_topic(&bootstrap, "commands-user", 1);
    let value = r#"{"user_id":"a/b","type":"activity","timestamp":"2026-01-01T00:00:00Z"}"#;
    produce(&bootstrap, "commands-user", [Input { partition: 0, key: "a/b", value, timestamp_ms: 1_767_225_600_000 }]);
    let group = Group::new(&bootstrap, "commands-user", &["commands-user"], "http.token = \"secret\"");
    let mut process = group.start();
    let listening = wait_for_line(&mut process, "listening");
    let (_, address) = listening.rsplit_once("address=").expect("an address");
    let ask = |id: &str| {
        let mut command = group.command("user");
        command.args(["--address", address, id]);
        output(command)
    };
    let stopwatch = Stopwatch::start();
    let found = loop {
        let found = ask("a/b");
        if found.status.success() || stopwatch.elapsed() > PATIENCE {
            break found;
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    let profile: Value = serde_json::from_slice(&found.stdout).unwrap_or_else(|_| panic!("{}\n{}", said(&found), process.log()));
    assert_eq!((profile["user_id"].as_str(), profile["active_days"].as_u64()), (Some("a/b"), Some(1)));
    assert_eq!(profile["explain"]["activity"]["reasons"], serde_json::json!(["seen on one day only"]));
    let recent = serde_json::json!({"from": "2026-01-01", "active_days": ["2026-01-01"], "categories": [], "orders": []});
    assert_eq!(profile["recent"], recent);
    let mut explain = group.command("user");
    explain.args(["--address", address, "--explain", "a/b"]);
    let told = String::from_utf8(output(explain).stdout).expect("text");
    assert!(told.starts_with("a/b\nactivity: ") && told.contains("\n  raises it: "), "{told}");
    let stopwatch = Stopwatch::start();
    // Until every thread has its share, nobody can be told to be unknown.
    while process.metric("stickiness_ready") != Some(1.0) {
        assert!(stopwatch.elapsed() < PATIENCE, "{}", process.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    let missing = ask("nobody");
    assert_eq!((missing.status.code(), said(&missing).as_str()), (Some(1), "error: the service knows no user `nobody`\n"));
    process.terminate();
    let gone = ask("a/b");
    assert_eq!(gone.status.code(), Some(1));
    assert!(said(&gone).contains("no answer from a service at 127.0.0.1:"), "{}", said(&gone));
}

#[test]
fn check_tells_what_only_the_brokers_know() {
    let bootstrap = Broker::shared().bootstrap();
    create_topic(&bootstrap, "commands-check", 2);
    create_topic(&bootstrap, "commands-check-profiles", 2);
    let group = Group::new(&bootstrap, "commands-check", &["commands-check"], "");
    let checked = output(group.command("check"));
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
    for warning in [
        "topic `commands-check` keeps its producers' timestamps",
        "merges across its partitions are dead letters",
        "topic `commands-check-profiles` has cleanup.policy=delete",
    ] {
        assert!(said(&checked).contains(warning), "{warning} in {}", said(&checked));
    }
    group.write_settings(&group.settings().replace("[\"commands-check\"]", "[\"commands-check\", \"commands-nowhere\"]"));
    let checked = output(group.command("check"));
    assert_eq!(checked.status.code(), Some(1));
    for mistake in ["topic `commands-nowhere` does not exist", "several kafka.inputs need kafka.repartition = true"] {
        assert!(said(&checked).contains(mistake), "{mistake} in {}", said(&checked));
    }
}

#[test]
fn brokers_that_are_away_are_told_by_check_and_waited_for_by_run() {
    let group = Group::new(NOWHERE, "commands-away", &["commands-away"], "");
    let stopwatch = Stopwatch::start();
    let checked = output(group.command("check"));
    assert_eq!(checked.status.code(), Some(1));
    assert!(stopwatch.elapsed() < Duration::from_secs(10), "{:?}", stopwatch.elapsed());
    assert!(said(&checked).contains("127.0.0.1:1 did not answer within 8s"), "{}", said(&checked));
    let mut process = group.start();
    wait_for_line(&mut process, "waiting for the brokers");
    process.assert_runs();
}

#[test]
fn credentials_that_are_refused_end_the_start() {
    let bootstrap = Broker::shared().bootstrap();
    create_topic(&bootstrap, "commands-sasl", 1);
    let sasl = |mechanism: &str| {
        format!(
            "[kafka.properties]\n\"security.protocol\" = \"sasl_plaintext\"\n\"sasl.mechanisms\" = \"{mechanism}\"\n\
             \"sasl.username\" = \"someone\"\n\"sasl.password\" = \"hunter2\""
        )
    };
    let tls = "[kafka.properties]\n\"security.protocol\" = \"ssl\"".to_owned();
    // A property that no client can have is a mistake in the settings; what a broker refuses shows when it is asked.
    let refused =
        [(sasl("PLAIN"), "refused the connection", 1), (sasl("NONSENSE"), "kafka.properties", 2), (tls, "refused the connection", 1)];
    for (number, (more, expected, status)) in refused.into_iter().enumerate() {
        let group = Group::new(&bootstrap, &format!("commands-sasl-{number}"), &["commands-sasl"], &more);
        let mut process = group.start();
        let ended = process.wait(PATIENCE);
        println!("{}", process.log());
        assert_eq!(ended.code(), Some(status), "{}", process.log());
        assert!(process.log().lines().any(|line| line.starts_with("error: ") && line.contains(expected)), "{}", process.log());
        assert!(!process.log().contains("hunter2"));
        let checked = output(group.command("check"));
        assert!(checked.status.code() == Some(status) && said(&checked).contains(expected), "{}", said(&checked));
    }
}

/// Waits until as many users have a transition record, and returns how many records there are.
fn wait_for_transitions(process: &mut Process, bootstrap: &str, records: usize) -> usize {
    let stopwatch = Stopwatch::start();
    loop {
        let found = read_committed(bootstrap, "commands-lineage-transitions").len();
        if found >= records {
            return found;
        }
        process.assert_runs();
        assert!(stopwatch.elapsed() < PATIENCE, "{found} of {records}\n{}", process.log());
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_new_lineage_counts_the_log_again_and_only_when_it_is_alone() {
    let bootstrap = Broker::shared().bootstrap();
    create_topic(&bootstrap, "commands-lineage", 2);
    let users: Vec<String> = (0..20).map(|user| format!("user-{user}")).collect();
    let value = |user: &str| format!(r#"{{"user_id":"{user}","type":"activity","timestamp":"2026-01-01T00:00:00Z"}}"#);
    let values: Vec<String> = users.iter().map(|user| value(user)).collect();
    let timestamp_ms = 1_767_225_600_000;
    let inputs = users.iter().zip(&values).zip(0..);
    let inputs = inputs.map(|((key, value), number)| Input { partition: number % 2, key, value, timestamp_ms });
    produce(&bootstrap, "commands-lineage", inputs);
    let group = Group::new(&bootstrap, "commands-lineage", &["commands-lineage"], "");
    let mut first = group.start();
    let before = wait_for_transitions(&mut first, &bootstrap, users.len());
    let mut refused = group.start_with(&["--new-lineage"]);
    assert_eq!(refused.wait(PATIENCE).code(), Some(1), "{}", refused.log());
    assert!(refused.log().contains("stop every process of the group first"), "{}", refused.log());
    first.terminate();
    let metrics_before = metrics(&bootstrap, "commands-lineage");
    let mut afresh = group.start_with(&["--new-lineage"]);
    assert_eq!(wait_for_transitions(&mut afresh, &bootstrap, 2 * before), 2 * before);
    afresh.terminate();
    assert_same(&metrics(&bootstrap, "commands-lineage"), &metrics_before);
    let mut goes_on = group.start();
    wait_for_line(&mut goes_on, "state restored");
    goes_on.terminate();
    assert_eq!(wait_for_transitions(&mut group.start(), &bootstrap, 2 * before), 2 * before, "nothing is counted a third time");
}

#[test]
fn settings_that_decide_figures_belong_to_the_history() {
    let bootstrap = Broker::shared().bootstrap();
    create_topic(&bootstrap, "commands-settings", 1);
    let value = r#"{"user_id":"a","type":"activity","timestamp":"2026-01-01T00:00:00Z"}"#;
    produce(&bootstrap, "commands-settings", [Input { partition: 0, key: "a", value, timestamp_ms: 1_767_225_600_000 }]);
    let group = Group::new(&bootstrap, "commands-settings", &["commands-settings"], "time.mau_days = 30");
    let mut first = group.start();
    wait_for_line(&mut first, "state restored");
    wait_for_line(&mut first, "io::aggregation: aggregating");
    first.terminate();
    let published = read_committed(&bootstrap, "commands-settings-metrics").len();
    assert!(published > 0);
    group.write_settings(&group.settings().replace("time.mau_days = 30", "time.mau_days = 28"));
    let mut second = group.start();
    assert_eq!(second.wait(PATIENCE).code(), Some(1));
    assert_eq!(read_committed(&bootstrap, "commands-settings-metrics").len(), published, "what is refused publishes nothing");
    assert!(second.log().contains("counted with other settings (time.mau_days)"), "{}", second.log());
    assert!(second.log().contains("run --new-lineage"), "{}", second.log());
}

/// The users with a transition of their lifecycle, sorted.
fn users_of(bootstrap: &str, topic: &str) -> Vec<String> {
    let records = read_committed(bootstrap, topic).into_iter();
    let of_lifecycle = records
        .filter(|record| record.value.as_deref().is_some_and(|value| String::from_utf8_lossy(value).contains("\"kind\":\"lifecycle\"")));
    let mut users: Vec<String> = of_lifecycle.filter_map(|record| record.key).collect();
    users.sort();
    users
}

/// Waits until exactly `expected` users have a transition each.
fn wait_for_users(process: &mut Process, bootstrap: &str, topic: &str, expected: &[&str]) {
    let stopwatch = Stopwatch::start();
    while users_of(bootstrap, topic) != expected {
        process.assert_runs();
        let found = users_of(bootstrap, topic);
        assert!(stopwatch.elapsed() < PATIENCE, "{found:?}, not {expected:?}\n{}", process.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn settings_for_what_comes_change_between_two_records_and_stay() {
    let bootstrap = Broker::shared().bootstrap();
    let (topic, transitions) = ("commands-onward", "commands-onward-transitions");
    create_topic(&bootstrap, topic, 1);
    let send = |user: &str, kind: &str| {
        let value = format!(r#"{{"user_id":"{user}","type":"{kind}","timestamp":"2026-01-01T00:00:00Z"}}"#);
        produce(&bootstrap, topic, [Input { partition: 0, key: user, value: &value, timestamp_ms: 1_767_225_600_000 }]);
    };
    let group = Group::new(&bootstrap, topic, &[topic], "activity.exclude = []");
    send("a", "feedback");
    let mut first = group.start();
    wait_for_users(&mut first, &bootstrap, transitions, &["a"]);
    first.terminate();
    group.write_settings(&group.settings().replace("activity.exclude = []", "activity.exclude = [\"feedback\"]"));
    let mut second = group.start();
    wait_for_line(&mut second, "new settings are in force");
    send("b", "feedback");
    send("c", "activity");
    wait_for_users(&mut second, &bootstrap, transitions, &["a", "c"]);
    second.kill9();
    let mut third = group.start();
    send("d", "feedback");
    send("e", "activity");
    wait_for_users(&mut third, &bootstrap, transitions, &["a", "c", "e"]);
    assert!(!third.log().contains("new settings"), "they are in force already\n{}", third.log());
    // The process that was killed may be taken for the aggregator for a while longer than for the owner of the partition.
    wait_for_line(&mut third, "io::aggregation: aggregating");
    third.terminate();
    let published = metrics(&bootstrap, topic);
    assert_eq!(published["all|2026-01-01"]["dau"], 3, "{published:?}");
}
