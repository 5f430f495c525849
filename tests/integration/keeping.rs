//! States are kept by name, and counting goes on from them.

use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use stickiness::io::clock::Stopwatch;

use crate::support::broker::Broker;
use crate::support::feed::{Feed, MORE, PATIENCE, finish, wait_until_counted};
use crate::support::outputs::{Outputs, assert_same};
use crate::support::process::Group;
use crate::support::records::{create_topic, delete_topic, ends};
use crate::support::recount::{Closing, assert_counts_input};

fn keep(group: &Group, name: &str) -> Output {
    group.command("snapshot").args(["--name", name]).output().expect("run")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The offsets up to which states were kept.
fn offsets(kept: &Output) -> Vec<i64> {
    let lines = String::from_utf8_lossy(&kept.stdout).into_owned();
    lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["offset"].as_i64().expect("a number")).collect()
}

/// What a start with arguments says that ends with status 1.
fn refusal(group: &Group, arguments: &[&str]) -> String {
    let mut process = group.start_with(arguments);
    assert_eq!(process.wait(PATIENCE).code(), Some(1), "{}", process.log());
    process.log()
}

#[test]
fn counting_goes_on_from_states_that_were_kept() {
    let bootstrap = Broker::shared().bootstrap();
    let topic = "keeping";
    let mut feed = Feed::without_merges(&bootstrap, topic, 2, 51);
    let group = Group::new(&bootstrap, topic, &[topic], MORE);
    assert!(told(&keep(&group, "half")).contains("run the service first"));
    feed.feed(2_000);
    finish(group.start(), &bootstrap, &group, &[topic]);
    let kept = keep(&group, "half");
    assert!(kept.status.success(), "{}", told(&kept));
    assert_eq!(offsets(&kept), ends(&bootstrap, topic), "a service that stopped in good order has stored all");
    assert!(told(&keep(&group, "half")).contains("snapshots kept as half already"));
    feed.feed(2_000);
    let mut process = group.start();
    wait_until_counted(&mut process, &bootstrap, &group, &[topic]);
    // While it is idle, no commit names what is stored.
    let stopwatch = Stopwatch::start();
    while offsets(&keep(&group, &format!("idle-{}", stopwatch.elapsed().as_millis()))) != ends(&bootstrap, topic) {
        process.assert_runs();
        assert!(stopwatch.elapsed() < PATIENCE, "the newest stored states are kept");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(refusal(&group, &["--from-snapshot", "half"]).contains("stop every process of the group first"));
    finish(process, &bootstrap, &group, &[topic]);
    assert_counts_input(&bootstrap, &group, topic, Closing::ByEvents);
    let before = Outputs::read(&bootstrap, topic);
    assert!(refusal(&group, &["--from-snapshot", "other"]).contains("no snapshots are kept as other"));
    // A crash before anything but the first commit of each partition is told: what the new history stands on must be in that commit.
    let mut crashed = group.start_to_fail_with("partials.before", &["--from-snapshot", "half"]);
    assert!(crashed.wait(PATIENCE).code().is_none(), "a crash\n{}", crashed.log());
    finish(group.start(), &bootstrap, &group, &[topic]);
    let after = Outputs::read(&bootstrap, topic);
    assert_same(&after.metrics, &before.metrics);
    assert_eq!(after.profiles, before.profiles);
    // Another aggregator, which reads all that was ever told.
    finish(group.start(), &bootstrap, &group, &[topic]);
    assert_same(&Outputs::read(&bootstrap, topic).metrics, &before.metrics);
}

#[test]
fn a_log_that_ends_before_a_state_is_found_out_before_anything_is_forgotten() {
    let bootstrap = Broker::shared().bootstrap();
    let topic = "keeping-shorter";
    let mut feed = Feed::without_merges(&bootstrap, topic, 1, 53);
    let group = Group::new(&bootstrap, topic, &[topic], MORE);
    feed.feed(300);
    let mut process = group.start();
    wait_until_counted(&mut process, &bootstrap, &group, &[topic]);
    process.terminate();
    assert!(keep(&group, "all").status.success());
    delete_topic(&bootstrap, topic);
    create_topic(&bootstrap, topic, 1);
    feed.feed(100);
    let mut process = group.start_with(&["--new-lineage"]);
    process.wait_for_log("the log is counted again from its start", PATIENCE);
    wait_until_counted(&mut process, &bootstrap, &group, &[topic]);
    process.terminate();
    assert!(refusal(&group, &["--from-snapshot", "all"]).contains("it is read on from offset 300, and the log has those from 0 to 100"));
    assert!(group.has_committed_all(&bootstrap, &[topic]), "nothing is forgotten");
}

#[test]
fn states_with_users_on_the_way_are_not_kept() {
    let bootstrap = Broker::shared().bootstrap();
    let group = Group::new(&bootstrap, "keeping-log", &["keeping-log"], &format!("kafka.repartition = true\n{MORE}"));
    let refused = keep(&group, "half");
    assert!(refused.status.code() == Some(1) && told(&refused).contains("users are on the way between partitions"), "{}", told(&refused));
}

#[test]
fn a_new_lineage_forwards_again_and_takes_no_user_in_twice() {
    let bootstrap = Broker::shared().bootstrap();
    let topic = "keeping-anew";
    let mut feed = Feed::new(&bootstrap, topic, 2, false, 52);
    let group = Group::new(&bootstrap, topic, &[topic], &format!("kafka.repartition = true\n{MORE}"));
    let log = format!("{topic}.events");
    feed.feed(2_000);
    let mut process = group.start();
    wait_until_counted(&mut process, &bootstrap, &group, &[topic]);
    finish(process, &bootstrap, &group, &[&log]);
    let emptied = ends(&bootstrap, &log);
    let mut process = group.start_with(&["--new-lineage"]);
    process.wait_for_log("the log is counted again from its start", PATIENCE);
    wait_until_counted(&mut process, &bootstrap, &group, &[topic]);
    finish(process, &bootstrap, &group, &[&log]);
    assert!(ends(&bootstrap, &log).iter().zip(&emptied).all(|(now, before)| now > before), "everything came again");
    // Transitions of both histories are on their topic; the metrics are those of the second alone.
    crate::support::recount::assert_metrics_forwarded(&bootstrap, &group, &[topic]);
}
