//! Threads that hang or panic end the process; waits are told, and end when what is waited for comes.

use std::time::Duration;

use stickiness::io::clock::Stopwatch;

use crate::support::broker::Broker;
use crate::support::feed::{Feed, MORE, PATIENCE, finish, wait_until_counted};
use crate::support::process::Group;
use crate::support::recount::{Closing, assert_counts_input};

#[test]
fn a_worker_that_hangs_ends_the_process_and_the_next_goes_on() {
    let bootstrap = Broker::shared().bootstrap();
    let mut feed = Feed::new(&bootstrap, "trouble-hang", 2, true, 21);
    let group = Group::new(&bootstrap, "trouble-hang", &["trouble-hang"], &format!("{MORE}\nworkers.step_limit = \"2s\""));
    feed.feed(1_000);
    let mut hangs = group.start_to_fail("consume=hang");
    assert_eq!(hangs.wait(PATIENCE).code(), Some(1), "{}", hangs.log());
    let said = hangs.log();
    assert!(said.contains("error: worker") && said.contains("of trouble-hang has hung for"), "{said}");
    let mut panics = group.start_to_fail("consume=panic");
    feed.feed(100);
    assert_eq!(panics.wait(PATIENCE).code(), Some(1), "{}", panics.log());
    assert!(panics.log().contains("panicked; its message is above"), "{}", panics.log());
    let process = group.start();
    finish(process, &bootstrap, &group, &["trouble-hang"]);
    assert_counts_input(&bootstrap, &group, "trouble-hang", Closing::ByEvents);
}

#[test]
fn a_broker_that_is_held_up_is_waited_for_and_told() {
    let broker = Broker::start();
    let bootstrap = broker.bootstrap();
    let mut feed = Feed::new(&bootstrap, "trouble-stall", 2, true, 22);
    // A session longer than the stall: nobody else takes over.
    let more = MORE.replace("\"2000\"", "\"30000\"");
    let group = Group::new(&bootstrap, "trouble-stall", &["trouble-stall"], &format!("{more}\nworkers.step_limit = \"2s\""));
    let mut process = group.start();
    feed.feed(1_000);
    wait_until_counted(&mut process, &bootstrap, &group, &["trouble-stall"]);
    // Threads that still share out partitions have nothing to commit.
    process.wait_for_log("io::aggregation: aggregating", PATIENCE);
    let stopwatch = Stopwatch::start();
    while process.metric("stickiness_ready") != Some(1.0) {
        assert!(stopwatch.elapsed() < PATIENCE, "both threads have their share\n{}", process.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    // More than is counted and committed by the time that the broker has it.
    feed.feed(12_000);
    broker.hold();
    std::thread::sleep(Duration::from_secs(8));
    process.assert_runs();
    broker.go_on();
    feed.feed(500);
    wait_until_counted(&mut process, &bootstrap, &group, &["trouble-stall"]);
    assert!(process.log().contains("waiting for the brokers, to take"), "{}", process.log());
    process.terminate();
    // Whoever aggregated may have begun anew when it was stopped: the next publishes what it did not.
    finish(group.start(), &bootstrap, &group, &["trouble-stall"]);
    assert_counts_input(&bootstrap, &group, "trouble-stall", Closing::ByEvents);
}

#[test]
fn a_broker_that_is_away_for_longer_than_a_session_ends_no_process() {
    let mut broker = Broker::start();
    let bootstrap = broker.bootstrap();
    let mut feed = Feed::new(&bootstrap, "trouble-outage", 2, true, 23);
    let group = Group::new(&bootstrap, "trouble-outage", &["trouble-outage"], &format!("{MORE}\nworkers.step_limit = \"12s\""));
    let mut process = group.start();
    feed.feed(800);
    wait_until_counted(&mut process, &bootstrap, &group, &["trouble-outage"]);
    process.wait_for_log("io::aggregation: aggregating", PATIENCE);
    for signal_first in [true, false] {
        if signal_first {
            broker.stop();
        } else {
            broker.kill9();
        }
        std::thread::sleep(Duration::from_secs(6));
        assert_ne!(process.metric("stickiness_ready"), None, "it answers");
        broker.restart();
        feed.feed(300);
        wait_until_counted(&mut process, &bootstrap, &group, &["trouble-outage"]);
        // A thread that hung at the outage would be found out by now.
        std::thread::sleep(Duration::from_secs(15));
        process.assert_runs();
        assert_eq!(process.metric("stickiness_ready"), Some(1.0));
    }
    finish(process, &bootstrap, &group, &["trouble-outage"]);
    assert_counts_input(&bootstrap, &group, "trouble-outage", Closing::ByEvents);
}
