//! Snapshots that are torn, flipped, missing, or of another version, and stores that fail or take their time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use stickiness::io::clock::Stopwatch;

use crate::support::broker::Broker;
use crate::support::feed::{Feed, MORE, PATIENCE, finish, wait_until_counted};
use crate::support::process::{Group, Process};
use crate::support::recount::{Closing, assert_counts_input};
use crate::support::store::{Mood, Store};

/// The snapshots of a partition below a directory of states, oldest first.
fn snapshots(states: &Path, group: &str, partition: u32) -> Vec<PathBuf> {
    let lineages = std::fs::read_dir(states.join(format!("{group}/{group}/{partition}"))).expect("listed");
    let newest = |lineage: std::io::Result<std::fs::DirEntry>| std::fs::read_dir(lineage.expect("read").path()).expect("listed");
    let mut found: Vec<PathBuf> = lineages.flat_map(newest).map(|entry| entry.expect("read").path()).collect();
    found.sort();
    found
}

/// Waits until a partition has as many snapshots.
fn wait_for_snapshots(feed: &mut Feed, states: &Path, group: &Group, count: usize) {
    let stopwatch = Stopwatch::start();
    while snapshots(states, &group.name, 0).len() < count {
        feed.feed(50);
        assert!(stopwatch.elapsed() < PATIENCE, "{count} snapshots\n{}", group.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

type Damage = fn(&Path);

#[test]
fn snapshots_that_are_torn_flipped_or_gone_are_passed_over() {
    let bootstrap = Broker::shared().bootstrap();
    let mut feed = Feed::new(&bootstrap, "trouble-damage", 1, true, 61);
    let group = Group::new(&bootstrap, "trouble-damage", &["trouble-damage"], MORE);
    let states = group.path("state");
    let damages: [(&str, Damage); 4] = [
        ("torn", |path| {
            let bytes = std::fs::read(path).expect("read");
            std::fs::write(path, &bytes[..bytes.len() / 2]).expect("written");
        }),
        ("flipped", |path| {
            let mut bytes = std::fs::read(path).expect("read");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            std::fs::write(path, bytes).expect("written");
        }),
        ("empty", |path| std::fs::write(path, b"").expect("written")),
        ("gone", |path| std::fs::remove_file(path).expect("removed")),
    ];
    for (name, damage) in damages {
        let process = group.start();
        process.wait_for_log("state restored", PATIENCE);
        wait_for_snapshots(&mut feed, &states, &group, 3);
        process.kill9();
        damage(snapshots(&states, &group.name, 0).last().expect("one"));
        let process = group.start();
        process.wait_for_log("state restored", PATIENCE);
        let told = process.log().contains("is damaged, taking the one before it");
        assert_eq!(told, name != "gone", "{name}\n{}", process.log());
        process.kill9();
    }
    let process = group.start();
    finish(process, &bootstrap, &group, &["trouble-damage"]);
    assert_counts_input(&bootstrap, &group, "trouble-damage", Closing::ByEvents);
}

#[test]
fn a_state_of_another_version_is_told_with_what_to_do() {
    let bootstrap = Broker::shared().bootstrap();
    let mut feed = Feed::new(&bootstrap, "trouble-version", 1, true, 62);
    let group = Group::new(&bootstrap, "trouble-version", &["trouble-version"], MORE);
    let process = group.start();
    feed.feed(200);
    finish(process, &bootstrap, &group, &["trouble-version"]);
    for path in snapshots(&group.path("state"), &group.name, 0) {
        std::fs::write(&path, of_version(&std::fs::read(&path).expect("read"), 4_000_000)).expect("written");
    }
    let mut refused = group.start();
    assert_eq!(refused.wait(PATIENCE).code(), Some(1), "{}", refused.log());
    assert!(refused.log().contains("was stored by a version with format 4000000, and this one reads"), "{}", refused.log());
}

/// A snapshot as another version would write it: the number in the head, and the checksums of both wrappings, made anew.
fn of_version(object: &[u8], version: u32) -> Vec<u8> {
    const MARK: usize = 8;
    let state = &object[MARK..object.len() - 4];
    let length = u32::from_le_bytes(state[MARK..MARK + 4].try_into().expect("four bytes")) as usize;
    let mut head: serde_json::Value = serde_json::from_slice(&state[MARK + 4..MARK + 4 + length]).expect("JSON");
    head["version"] = version.into();
    let head = head.to_string();
    let mut inner = state[..MARK].to_vec();
    inner.extend(u32::try_from(head.len()).expect("short").to_le_bytes());
    inner.extend(head.as_bytes());
    inner.extend(&state[MARK + 4 + length..state.len() - 4]);
    inner.extend(crc32fast::hash(&inner).to_le_bytes());
    let mut outer = object[..MARK].to_vec();
    outer.extend(inner);
    outer.extend(crc32fast::hash(&outer).to_le_bytes());
    outer
}

/// The group with its snapshots in a store instead of a directory.
fn in_store(store: &Store, mut group: Group) -> Group {
    group.environment = store.environment();
    let local = format!("snapshots.url = \"{}\"", group.path("state").display());
    group.write_settings(&group.settings().replace(&local, "snapshots.url = \"s3://states/below\""));
    group
}

#[test]
fn a_real_object_store_that_fails_or_dawdles_never_stops_the_stream() {
    let bootstrap = Broker::shared().bootstrap();
    let store = Store::start();
    let mut feed = Feed::new(&bootstrap, "trouble-store", 1, true, 63);
    let group = in_store(&store, Group::new(&bootstrap, "trouble-store", &["trouble-store"], MORE));
    let states = store.bucket().join("below");
    let process = group.start();
    process.wait_for_log("state restored", PATIENCE);
    wait_for_snapshots(&mut feed, &states, &group, 2);
    process.kill9();
    let mut process = group.start();
    feed.feed(300);
    wait_until_counted(&mut process, &bootstrap, &group, &["trouble-store"]);
    for (mood, fails) in [(Mood::Fails, true), (Mood::Slow(Duration::from_secs(4)), false)] {
        store.set(mood);
        assert_goes_on(&mut feed, &bootstrap, &group, &mut process, fails);
        store.set(Mood::Well);
    }
    let before = snapshots(&states, &group.name, 0);
    let stopwatch = Stopwatch::start();
    while snapshots(&states, &group.name, 0).last() == before.last() {
        feed.feed(50);
        assert!(stopwatch.elapsed() < PATIENCE, "snapshots are stored again\n{}", process.log());
        std::thread::sleep(Duration::from_millis(200));
    }
    process.kill9();
    let process = group.start();
    finish(process, &bootstrap, &group, &["trouble-store"]);
    assert_counts_input(&bootstrap, &group, "trouble-store", Closing::ByEvents);
}

/// Events are counted while no snapshot can be stored, and, if the store `fails`, this is counted, too.
fn assert_goes_on(feed: &mut Feed, bootstrap: &str, group: &Group, process: &mut Process, fails: bool) {
    let stopwatch = Stopwatch::start();
    let failures = |process: &Process| process.metric("stickiness_snapshot_failures_total").unwrap_or(0.0);
    let before = failures(process);
    while stopwatch.elapsed() < Duration::from_secs(3) || (fails && failures(process) <= before) {
        let since = Stopwatch::start();
        feed.feed(100);
        wait_until_counted(process, bootstrap, group, &["trouble-store"]);
        assert!(since.elapsed() < Duration::from_secs(3), "the stream goes on: {:?}", since.elapsed());
        assert!(stopwatch.elapsed() < PATIENCE, "failures are counted\n{}", process.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn snapshots_older_than_half_the_retention_are_an_alarm() {
    let bootstrap = Broker::shared().bootstrap();
    let store = Store::start();
    let mut feed = Feed::new(&bootstrap, "trouble-alarm", 1, true, 64);
    let group = in_store(&store, Group::new(&bootstrap, "trouble-alarm", &["trouble-alarm"], MORE));
    crate::support::records::alter_topic(&bootstrap, "trouble-alarm", "retention.ms", "20000");
    let mut process = group.start();
    process.wait_for_log("state restored", PATIENCE);
    store.set(Mood::Fails);
    let stopwatch = Stopwatch::start();
    while process.metric("stickiness_snapshot_overdue{partition=\"0\"}") != Some(1.0) {
        feed.feed(20);
        process.assert_runs();
        assert!(stopwatch.elapsed() < PATIENCE, "{}", process.log());
        std::thread::sleep(Duration::from_millis(200));
    }
    process.wait_for_log("no snapshot was stored for half of the log's retention", PATIENCE);
    process.kill9();
}
