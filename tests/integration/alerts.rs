//! Alerts of the running service, of an exodus that was planted: on their topic once, whatever dies, and in a real Alertmanager.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use stickiness::io::clock::Stopwatch;
use stickiness::model::partition::partition_of;

use crate::exodus::{Line, SETTINGS, events};
use crate::support::broker::Broker;
use crate::support::feed::{MORE, PATIENCE, wait_until_counted};
use crate::support::outputs::metrics;
use crate::support::process::{Group, Process};
use crate::support::records::{Input, create_topic, produce, read_committed};

const PARTITIONS: u32 = 2;
const PROGRAM: &str = "prometheus-alertmanager";

/// A running Alertmanager, ended with its owner.
struct Alertmanager(Child, u16);

impl Drop for Alertmanager {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

impl Alertmanager {
    /// `None` without the program of Debian's package of that name, unless `STICKINESS_REQUIRE_ALERTMANAGER` is set.
    fn start(folder: &Path) -> Option<Self> {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let program: Option<PathBuf> = std::env::split_paths(&folders).map(|folder| folder.join(PROGRAM)).find(|path| path.is_file());
        assert!(program.is_some() || std::env::var_os("STICKINESS_REQUIRE_ALERTMANAGER").is_none(), "apt-get install {PROGRAM}");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let config = folder.join("alertmanager.yml");
        fs::write(&config, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n").expect("written");
        let mut command = Command::new(program?);
        command.arg(format!("--config.file={}", config.display())).arg(format!("--storage.path={}", folder.join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).args(["--cluster.listen-address=", "--log.level=warn"]);
        Some(Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started"), port))
    }

    /// The alerts that are active, as JSON; `None` while it does not answer.
    fn active(&self) -> Option<Vec<Value>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.1)).ok()?;
        stream.write_all(b"GET /api/v2/alerts HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }
}

/// A group on a topic of its own, with a broker.
struct Bench {
    bootstrap: String,
    group: Group,
}

impl Bench {
    fn new(name: &str, settings: &str) -> Self {
        let bootstrap = Broker::shared().bootstrap();
        create_topic(&bootstrap, name, PARTITIONS.cast_signed());
        // The one line of settings that is not about breakdowns.
        let more = MORE.lines().filter(|line| !line.trim().starts_with("breakdowns")).collect::<Vec<_>>().join("\n");
        let group = Group::new(&bootstrap, name, &[name], &format!("{more}\n{settings}\n{SETTINGS}"));
        Self { bootstrap, group }
    }

    fn fill(&self, lines: &[Line]) {
        let inputs = lines.iter().map(|(user, millis, json)| Input {
            partition: partition_of(user.as_bytes(), PARTITIONS).cast_signed(),
            key: user,
            value: json,
            timestamp_ms: *millis,
        });
        produce(&self.bootstrap, &self.group.name, inputs);
    }

    /// Waits until a day is final.
    fn wait_until_final(&self, process: &mut Process, day: &str) {
        wait_until_counted(process, &self.bootstrap, &self.group, &[&self.group.name]);
        let (stopwatch, key) = (Stopwatch::start(), format!("all|{day}"));
        while metrics(&self.bootstrap, &self.group.name).get(&key).is_none_or(|record| record["final"] != true) {
            process.assert_runs();
            assert!(stopwatch.elapsed() < PATIENCE, "{day} becomes final\n{}", process.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Every record of an alert, in order.
    fn alerts(&self) -> Vec<Value> {
        let published = read_committed(&self.bootstrap, &format!("{}-alerts", self.group.name));
        published.iter().map(|output| serde_json::from_str(output.text()).expect("JSON")).collect()
    }

    /// What a replay of the same lines writes.
    fn replayed(&self, lines: &[Line]) -> Vec<Value> {
        let (input, output) = (self.group.path("events.ndjson"), self.group.path("replay"));
        fs::write(&input, lines.iter().fold(String::new(), |text, line| text + &line.2 + "\n")).expect("written");
        let mut command = self.group.command("replay");
        command.arg("--output").arg(&output).args(["--partitions", &PARTITIONS.to_string()]).arg(&input);
        assert!(command.stderr(Stdio::null()).status().expect("ran").success());
        let text = fs::read_to_string(output.join("alerts.ndjson")).expect("read");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

/// What `/v1/alerts` tells.
fn by_fingerprint(process: &Process) -> BTreeMap<String, Value> {
    let alerts = process.answer("/v1/alerts");
    newest(alerts.as_ref().and_then(Value::as_array).map_or(&[], Vec::as_slice))
}

/// The last record of each alert.
fn newest(alerts: &[Value]) -> BTreeMap<String, Value> {
    alerts.iter().map(|alert| (alert["fingerprint"].to_string(), alert.clone())).collect()
}

/// The lines of events before a day of March 2026.
fn before(lines: &[Line], day: i64) -> &[Line] {
    let end = 1_772_323_200_000 + (day - 1) * 86_400_000;
    &lines[..lines.partition_point(|line| line.1 < end)]
}

#[test]
fn an_exodus_raises_an_alert_on_the_topic_and_in_alertmanager() {
    let folder = tempfile::tempdir().expect("a directory");
    let alertmanager = Alertmanager::start(folder.path());
    let url = alertmanager.as_ref().map(|running| format!("alerts.alertmanager_url = \"http://127.0.0.1:{}\"", running.1));
    let bench = Bench::new("alerts-exodus", &url.unwrap_or_default());
    let all = events();
    let lines = before(&all, 17);
    let odd = Input { partition: 0, key: "odd", value: "no event", timestamp_ms: lines[0].1 };
    produce(&bench.bootstrap, &bench.group.name, [odd]);
    bench.fill(lines);
    let mut process = bench.group.start();
    bench.wait_until_final(&mut process, "2026-03-15");
    let published = bench.alerts();
    assert!(published.iter().any(|alert| alert["labels"]["segment"] == "all" && alert["status"] == "firing"), "{published:?}");
    assert_eq!(published, bench.replayed(lines), "what a replay of the same log writes");
    let firing = r#"stickiness_alerts_firing{name="return_deficit",severity="critical"}"#;
    assert_eq!(process.metric(firing), Some(2.0), "all, and the web that fired before it");
    let letters = process.answer("/v1/dead-letters").expect("an answer");
    assert_eq!((&letters[0]["reason"], &letters[0]["value"], &letters[0]["key"]), (&json!("malformed"), &json!("no event"), &json!("odd")));
    assert_eq!(by_fingerprint(&process), newest(&published), "the one that aggregates shows them");
    let follower = bench.group.start();
    let stopwatch = Stopwatch::start();
    while by_fingerprint(&follower) != newest(&published) {
        assert!(stopwatch.elapsed() < PATIENCE, "the other one shows the same\n{}", follower.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    follower.terminate();
    if let Some(alertmanager) = &alertmanager {
        let stopwatch = Stopwatch::start();
        let is_told = |alert: &Value| alert["labels"]["alertname"] == "return_deficit" && alert["labels"]["segment"] == "all";
        while !alertmanager.active().is_some_and(|alerts| alerts.iter().any(is_told)) {
            assert!(stopwatch.elapsed() < PATIENCE, "Alertmanager is told\n{}", process.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!(process.metric(r#"stickiness_alertmanager_requests_total{outcome="accepted"}"#) >= Some(1.0));
    }
    process.terminate();
}

#[test]
fn alerts_are_said_once_whichever_process_aggregates() {
    let bench = Bench::new("alerts-crashes", "");
    let all = events();
    bench.fill(before(&all, 11));
    let mut process = bench.group.start();
    bench.wait_until_final(&mut process, "2026-03-09");
    process.terminate();
    assert!(bench.alerts().is_empty(), "nothing was amiss");
    bench.fill(&before(&all, 15)[before(&all, 11).len()..]);
    // One dies with alerts in hand, the next one when it has just said them; a third goes on.
    for place in ["metrics.before@1", "metrics.after@1"] {
        let mut process = bench.group.start_to_fail(place);
        assert!(!process.wait(PATIENCE).success(), "{place}");
        println!("{place}: {} records of alerts are published", bench.alerts().len());
    }
    let mut process = bench.group.start();
    bench.wait_until_final(&mut process, "2026-03-13");
    bench.fill(&before(&all, 19)[before(&all, 15).len()..]);
    bench.wait_until_final(&mut process, "2026-03-17");
    process.kill9();
    bench.fill(&all[before(&all, 19).len()..]);
    let mut process = bench.group.start();
    bench.wait_until_final(&mut process, "2026-03-30");
    process.terminate();
    let published = bench.alerts();
    assert!(published.iter().any(|alert| alert["status"] == "resolved"), "{published:?}");
    assert_eq!(published, bench.replayed(&all), "every record once, in the order of days");
}
