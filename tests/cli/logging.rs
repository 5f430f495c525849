//! The log as a program reads it.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use assert_cmd::cargo::CommandCargoExt as _;
use serde_json::Value;

#[test]
fn a_log_in_json_is_an_object_a_line() {
    let mut command = Command::cargo_bin("stickiness").expect("the binary");
    command.arg("run").env_remove("RUST_LOG").stderr(Stdio::piped());
    command.env("STICKINESS__KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1").env("STICKINESS__LOG__FORMAT", "json");
    let mut service = command.env("STICKINESS__HTTP__LISTEN", "127.0.0.1:0").spawn().expect("it starts");
    let mut lines = BufReader::new(service.stderr.take().expect("a pipe")).lines().map(|line| line.expect("UTF-8"));
    let waiting = lines.find(|line| line.contains("waiting for the brokers"));
    service.kill().and_then(|()| service.wait()).expect("it ends");
    let told: Value = serde_json::from_str(&waiting.expect("it says what it waits for")).expect("JSON");
    assert_eq!((&told["level"], &told["message"]), (&"WARN".into(), &"waiting for the brokers".into()), "{told}");
    assert!(told["timestamp"].is_string() && told["target"].as_str().is_some_and(|target| target.starts_with("stickiness")), "{told}");
    assert!(told["error"].as_str().is_some_and(|error| error.contains("kafka.bootstrap_servers")), "it says what to do: {told}");
}
