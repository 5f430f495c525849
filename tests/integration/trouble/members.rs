//! Members that were given up for dead and come back, and members that come and go all the time.

use std::time::Duration;

use stickiness::io::clock::Stopwatch;

use crate::support::broker::Broker;
use crate::support::feed::{Feed, MORE, PATIENCE, finish, wait_until_counted};
use crate::support::process::{Group, Process};
use crate::support::records::is_committed;
use crate::support::recount::{Closing, assert_counts_forwarded, assert_counts_input};

#[test]
fn a_process_held_up_until_another_took_over_publishes_nothing_of_what_it_held() {
    let bootstrap = Broker::shared().bootstrap();
    let mut feed = Feed::new(&bootstrap, "trouble-zombie", 3, true, 31);
    let group = Group::new(&bootstrap, "trouble-zombie", &["trouble-zombie"], MORE);
    for (round, place) in ["offsets.before", "commit.before", "commit.after", "produce.before"].into_iter().enumerate() {
        // It stops with a transaction in hand, or just after one: held up inside, then as a whole.
        let mut zombie = group.start_to_fail(&format!("{place}=wait:3000@2"));
        zombie.wait_for_log("state restored", PATIENCE);
        feed.feed(800);
        std::thread::sleep(Duration::from_millis(600));
        zombie.signal("-STOP");
        let mut heir = group.start();
        feed.feed(200);
        let stopwatch = Stopwatch::start();
        while !is_committed(&bootstrap, &group.name, "trouble-zombie") {
            heir.assert_runs();
            assert!(stopwatch.elapsed() < PATIENCE, "round {round}: another takes over\n{}", heir.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        zombie.signal("-CONT");
        feed.feed(300);
        wait_until_counted(&mut heir, &bootstrap, &group, &["trouble-zombie"]);
        // It came back as a member like any other, and leaves like one.
        zombie.assert_runs();
        zombie.terminate();
        heir.terminate();
    }
    // A zombie that had just been elected fences the aggregator of its heir, which then leaves before it is elected again: figures of the last commits are
    // published by whoever comes next.
    finish(group.start(), &bootstrap, &group, &["trouble-zombie"]);
    assert_counts_input(&bootstrap, &group, "trouble-zombie", Closing::ByEvents);
}

#[test]
fn members_that_come_and_go_every_second_lose_nothing() {
    let bootstrap = Broker::shared().bootstrap();
    let mut feed = Feed::new(&bootstrap, "trouble-churn", 4, false, 32);
    let group = Group::new(&bootstrap, "trouble-churn", &["trouble-churn"], &format!("kafka.repartition = true\n{MORE}"));
    let stopwatch = Stopwatch::start();
    let mut members: Vec<Process> = vec![group.start()];
    let (mut joined, mut left) = (1, 0);
    std::thread::scope(|scope| {
        let mut leaving = Vec::new();
        while stopwatch.elapsed() < Duration::from_secs(60) {
            feed.feed(60);
            members.iter_mut().for_each(Process::assert_runs);
            if members.len() < 3 {
                members.push(group.start());
                joined += 1;
            } else {
                let oldest = members.remove(0);
                leaving.push(scope.spawn(move || oldest.terminate()));
                left += 1;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        for thread in leaving {
            thread.join().expect("it left in good order");
        }
    });
    let mut last = members.pop().expect("one is left");
    members.into_iter().for_each(Process::terminate);
    println!("{joined} joined, {left} left while {} events came", feed.fed);
    assert!(joined > 20 && left > 18, "{joined} joined, {left} left");
    let log = format!("{}.events", group.name);
    wait_until_counted(&mut last, &bootstrap, &group, &["trouble-churn"]);
    finish(last, &bootstrap, &group, &[&log]);
    assert_counts_forwarded(&bootstrap, &group, &["trouble-churn"], Closing::ByEvents);
}
