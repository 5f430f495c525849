//! Users move to more partitions with `stickiness reshard`: what is published before and after is what the log says, record for record.

use std::process::Output;

use serde_json::Value;

use crate::support::broker::Broker;
use crate::support::feed::{Feed, MORE, finish, wait_until_counted};
use crate::support::process::Group;
use crate::support::records::ends;
use crate::support::recount::{Closing, assert_counts_grown_input, assert_counts_grown_log};

/// Runs `reshard`, which ends or waits at a place if one is named.
fn reshard(group: &Group, partitions: &str, failpoint: &str) -> Output {
    let mut command = group.command("reshard");
    command.args(["--partitions", partitions]).env("STICKINESS_FAILPOINT", failpoint);
    command.output().expect("run")
}

fn moved(output: &Output) -> Value {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn assert_refused(output: &Output, reason: &str) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && told.contains(reason), "{:?}: {told}", output.status);
}

#[test]
fn users_move_when_an_input_gets_more_partitions() {
    let bootstrap = Broker::shared().bootstrap();
    let mut feed = Feed::without_merges(&bootstrap, "reshard-input", 2, 31);
    let group = Group::new(&bootstrap, "reshard-input", &["reshard-input"], MORE);
    feed.feed(1_500);
    assert_refused(&reshard(&group, "5", ""), "has committed nothing");
    let mut process = group.start();
    wait_until_counted(&mut process, &bootstrap, &group, &["reshard-input"]);
    assert_refused(&reshard(&group, "5", ""), "another process of the group is running");
    wait_until_counted(&mut process, &bootstrap, &group, &["reshard-input"]);
    process.terminate();
    // What comes while nothing runs is counted before users move.
    feed.feed(700);
    let before = ends(&bootstrap, "reshard-input");
    assert_refused(&reshard(&group, "1", ""), "has 2 partitions already");
    // A crash before the commit leaves states of two partitions, and another try goes on from there; one after it has done its work.
    assert!(reshard(&group, "5", "reshard.before").status.code().is_none(), "a crash");
    assert!(reshard(&group, "5", "reshard.after").status.code().is_none(), "a crash");
    let again = moved(&reshard(&group, "5", ""));
    assert_eq!((&again["before"], &again["after"], &again["moved"]), (&Value::from(5), &Value::from(5), &Value::from(0)));
    feed.set_partitions(5);
    feed.feed(1_500);
    finish(group.start(), &bootstrap, &group, &["reshard-input"]);
    assert_counts_grown_input(&bootstrap, &group, "reshard-input", (Closing::ByEvents, Some(&before)));
}

#[test]
fn users_with_several_ids_move_when_the_internal_log_gets_more_partitions() {
    let bootstrap = Broker::shared().bootstrap();
    let mut feed = Feed::new(&bootstrap, "reshard-log", 2, false, 32);
    let group = Group::new(&bootstrap, "reshard-log", &["reshard-log"], &format!("kafka.repartition = true\n{MORE}"));
    feed.feed(2_000);
    let mut process = group.start();
    wait_until_counted(&mut process, &bootstrap, &group, &["reshard-log"]);
    wait_until_counted(&mut process, &bootstrap, &group, &["reshard-log.events"]);
    process.terminate();
    let before = ends(&bootstrap, "reshard-log.events");
    let done = moved(&reshard(&group, "3", ""));
    assert_eq!((&done["before"], &done["after"]), (&Value::from(2), &Value::from(3)));
    assert!(done["moved"].as_u64() > Some(20) && done["moved"].as_u64() < done["users"].as_u64(), "{done}");
    feed.feed(2_000);
    finish(group.start(), &bootstrap, &group, &["reshard-log", "reshard-log.events"]);
    assert_counts_grown_log(&bootstrap, &group, &["reshard-log"], (Closing::ByEvents, Some(&before)));
}

#[test]
fn ids_of_one_user_that_would_part_are_not_moved() {
    let bootstrap = Broker::shared().bootstrap();
    let mut feed = Feed::new(&bootstrap, "reshard-parted", 2, true, 33);
    let group = Group::new(&bootstrap, "reshard-parted", &["reshard-parted"], MORE);
    feed.feed(2_000);
    let mut process = group.start();
    wait_until_counted(&mut process, &bootstrap, &group, &["reshard-parted"]);
    process.terminate();
    assert_refused(&reshard(&group, "5", ""), "set kafka.repartition = true, which lets users move");
}
