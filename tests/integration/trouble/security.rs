//! Brokers that want TLS and credentials, logs without user ids and secrets, and deletions that leave no trace.

use std::time::Duration;

use stickiness::io::clock::{self, Stopwatch};

use crate::support::broker::Broker;
use crate::support::feed::{Feed, MORE, PATIENCE, finish};
use crate::support::process::Group;
use crate::support::records::{Input, create_topic, produce, read_committed};
use crate::support::recount::{Closing, assert_counts_input};

/// Properties for a broker that wants TLS and SCRAM.
fn properties(password: &str, authority: Option<&str>) -> String {
    let authority = authority.map_or_else(String::new, |path| format!("\"ssl.ca.location\" = \"{path}\"\n"));
    format!(
        "[kafka.properties]\n\"session.timeout.ms\" = \"6000\"\n\"security.protocol\" = \"sasl_ssl\"\n\"sasl.mechanism\" = \"SCRAM-SHA-512\"\n\
         \"sasl.username\" = \"stickiness\"\n\"sasl.password\" = \"{password}\"\n{authority}"
    )
}

#[test]
fn only_right_credentials_and_a_known_authority_let_the_service_in() {
    let broker = Broker::start_secure("stickiness", "right-hunter2");
    let (direct, secure, authority) = (broker.bootstrap(), broker.secure_bootstrap(), broker.authority());
    let mut feed = Feed::new(&direct, "secure", 2, true, 71);
    feed.feed(800);
    for (name, password, authority) in
        [("secure-password", "wrong-hunter2", Some(authority.as_str())), ("secure-authority", "right-hunter2", None)]
    {
        let group = Group::new(&secure, name, &["secure"], &properties(password, authority));
        let mut process = group.start();
        assert_eq!(process.wait(PATIENCE).code(), Some(1), "{name}\n{}", process.log());
        assert!(process.log().contains("refused the connection"), "{name}\n{}", process.log());
        assert!(!process.log().contains("hunter2"), "{name}");
        let checked = group.command("check").output().expect("ran");
        let said = [checked.stdout, checked.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(checked.status.code() == Some(1) && said.contains("refused") && !said.contains("hunter2"), "{name}: {said}");
    }
    let mut group = Group::new(&secure, "secure", &["secure"], &properties("right-hunter2", Some(&authority)));
    group.environment = vec![("RUST_LOG".to_owned(), "debug".to_owned())];
    finish(group.start(), &direct, &group, &["secure"]);
    assert!(!group.log().contains("hunter2"), "secrets are in no log");
    assert_counts_input(&direct, &group, "secure", Closing::ByEvents);
}

#[test]
fn logs_name_no_user() {
    let bootstrap = Broker::shared().bootstrap();
    let mut feed = Feed::new(&bootstrap, "secure-logs", 2, false, 72);
    let group = Group::new(&bootstrap, "secure-logs", &["secure-logs"], &format!("kafka.repartition = true\n{MORE}"));
    let first = group.start();
    first.wait_for_log("state restored", PATIENCE);
    feed.feed(2_000);
    std::thread::sleep(Duration::from_secs(1));
    first.kill9();
    finish(group.start(), &bootstrap, &group, &["secure-logs"]);
    let named = read_committed(&bootstrap, "secure-logs-transitions").into_iter().filter_map(|record| record.key);
    let users: std::collections::BTreeSet<String> = named.collect();
    assert!(users.len() > 50, "{} users have transitions", users.len());
    let log = group.log();
    let told: Vec<&String> = users.iter().filter(|user| log.contains(user.as_str())).collect();
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn a_deleted_user_is_in_no_newer_snapshot_and_a_tombstone_in_the_profiles() {
    const USER: &str = "trace-of-7f3a9c";
    let bootstrap = Broker::shared().bootstrap();
    create_topic(&bootstrap, "secure-deletion", 1);
    let group = Group::new(&bootstrap, "secure-deletion", &["secure-deletion"], MORE);
    let now = clock::wall().millis();
    let send = |user: &str, kind: &str, more: &str, number: i64| {
        let time = now - 1_000_000 + number * 1_000;
        let value = format!(r#"{{"event_id":"e{number}","user_id":"{user}","type":"{kind}","timestamp":{time},"properties":{{{more}}}}}"#);
        produce(&bootstrap, "secure-deletion", [Input { partition: 0, key: user, value: &value, timestamp_ms: now }]);
    };
    send(USER, "order_placed", r#""order_id":"o","amount":5,"brand":"b""#, 1);
    send("old-name-of-it", "user_merged", &format!(r#""into":"{USER}""#), 2);
    send("someone-else", "activity", "", 3);
    let process = group.start();
    let stopwatch = Stopwatch::start();
    while snapshots_with(&group, USER) == 0 {
        assert!(stopwatch.elapsed() < PATIENCE, "the user is in a snapshot\n{}", process.log());
        send("someone-else", "order_placed", "", 4);
        std::thread::sleep(Duration::from_millis(200));
    }
    send(USER, "user_deleted", "", 5);
    let stopwatch = Stopwatch::start();
    // Older snapshots give way to newer ones.
    while snapshots_with(&group, USER) > 0 || snapshots_with(&group, "old-name-of-it") > 0 {
        assert!(stopwatch.elapsed() < PATIENCE, "newer snapshots hold no trace\n{}", process.log());
        send("someone-else", "order_placed", "", 6);
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(snapshots_with(&group, "someone-else") > 0, "others are there");
    process.terminate();
    let profiles = read_committed(&bootstrap, "secure-deletion-profiles");
    let last = profiles.iter().rfind(|record| record.key.as_deref() == Some(USER)).expect("it had a profile");
    assert_eq!(last.value, None, "a tombstone");
}

/// How many snapshots of a group hold a text in their states.
fn snapshots_with(group: &Group, text: &str) -> usize {
    let holds = |object: &Vec<u8>| {
        // The store's mark of 8 bytes is before the snapshot, its checksum after it.
        let Ok((_, body)) = stickiness::wire::snapshot::open(&object[8..object.len() - 4]) else { return false };
        let state = zstd::decode_all(body).expect("compressed");
        state.windows(text.len()).any(|window| window == text.as_bytes())
    };
    files_below(&group.path("state")).iter().filter(|object| holds(object)).count()
}

/// The contents of all files below a directory. Those that go away meanwhile are left out.
fn files_below(directory: &std::path::Path) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .flat_map(|path| if path.is_dir() { files_below(&path) } else { std::fs::read(&path).into_iter().collect() })
        .filter(|content| content.len() > 12)
        .collect()
}
