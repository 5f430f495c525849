//! A process that ends, as by a power cut, at each place of the code at which it could matter, and at random ones: whatever it had
//! in hand, the topics say in the end what the input says, record for record.
//!
//! `STICKINESS_CRASHES=200` runs the long form of the random crashes; `STICKINESS_SEED` chooses other ones.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use stickiness::io::clock::Stopwatch;
use stickiness::io::failpoint::Place;

use crate::support::broker::Broker;
use crate::support::feed::{Feed, MORE, PATIENCE, finish, wait_until_closed, wait_until_counted};
use crate::support::process::{Group, Process};
use crate::support::records::committed_metadata;
use crate::support::recount::{Closing, assert_counts_forwarded, assert_counts_input};

/// The places that a running service comes to; those of models are come by where there are enough users: `refits`.
fn places() -> impl Iterator<Item = (&'static str, Place)> {
    let others = ["reshard.", "backfill.", "model."];
    Place::ALL.into_iter().filter(move |(name, _)| others.iter().all(|other| !name.starts_with(other)))
}

/// Waits until a process ends at its failpoint.
fn wait_until_it_fails(mut process: Process, failpoint: &str) {
    let status = process.wait(PATIENCE);
    assert!(!status.success() && status.code().is_none(), "{failpoint}: {status}\n{}", process.log());
}

#[test]
fn a_process_killed_at_each_place_publishes_what_its_input_says() {
    let bootstrap = Broker::shared().bootstrap();
    let mut feed = Feed::new(&bootstrap, "crash-places", 2, false, 3);
    let group = Group::new(&bootstrap, "crash-places", &["crash-places"], &format!("kafka.repartition = true\n{MORE}"));
    let (closings, others): (Vec<_>, Vec<_>) = places().partition(|(name, _)| name.starts_with("closing."));
    for (name, place) in others {
        feed.feed(600);
        let mut process = group.start_to_fail(name);
        // Days close as long as events come.
        let stopwatch = Stopwatch::start();
        while place == Place::ClosePiece && !process.has_ended() && stopwatch.elapsed() < PATIENCE {
            feed.feed(60);
            std::thread::sleep(Duration::from_millis(50));
        }
        if place == Place::ReleaseBefore {
            process.wait_for_log("state restored", PATIENCE);
            process.signal("-TERM");
        }
        wait_until_it_fails(process, name);
    }
    feed.feed(600);
    let mut process = group.start();
    let log = format!("{}.events", group.name);
    wait_until_counted(&mut process, &bootstrap, &group, &["crash-places"]);
    finish(process, &bootstrap, &group, &[&log]);
    // From now on nothing comes, and every partition is idle.
    group.write_settings(&group.settings().replace("idle_after = \"1d\"", "idle_after = \"1s\""));
    for (name, _) in closings {
        wait_until_it_fails(group.start_to_fail(name), name);
    }
    let mut process = group.start();
    wait_until_closed(&mut process, &bootstrap, &group);
    process.terminate();
    assert_counts_forwarded(&bootstrap, &group, &["crash-places"], Closing::ByTheClock);
}

/// Commits come between the pieces of a close, and the process ends when one has.
#[test]
fn a_process_killed_in_the_middle_of_closes_publishes_what_its_input_says() {
    let bootstrap = Broker::shared().bootstrap();
    let mut feed = Feed::new(&bootstrap, "crash-closes", 2, true, 17);
    let group = Group::new(&bootstrap, "crash-closes", &["crash-closes"], MORE);
    let is_closing = || {
        let committed = committed_metadata(&bootstrap, &group.name, "crash-closes");
        committed.values().any(|metadata| metadata.closing.is_some_and(|closing| closing.next > 0))
    };
    feed.feed(3_000);
    for _ in 0..8 {
        // Each piece, of one user, takes about as long as the time between two commits.
        let mut process = group.start_to_fail("close.piece=wait:40@0");
        process.wait_for_log("state restored", PATIENCE);
        let stopwatch = Stopwatch::start();
        while stopwatch.elapsed() < Duration::from_secs(1) || !is_closing() {
            process.assert_runs();
            assert!(stopwatch.elapsed() < PATIENCE, "a close is committed that is not over\n{}", process.log());
            feed.feed(30);
            std::thread::sleep(Duration::from_millis(50));
        }
        process.kill9();
    }
    let mut process = group.start();
    wait_until_counted(&mut process, &bootstrap, &group, &["crash-closes"]);
    finish(process, &bootstrap, &group, &["crash-closes"]);
    assert_counts_input(&bootstrap, &group, "crash-closes", Closing::ByEvents);
}

#[test]
fn a_process_killed_at_random_publishes_what_its_input_says() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (crashes, seed) = (number("STICKINESS_CRASHES", 20), number("STICKINESS_SEED", 11));
    println!("{crashes} crashes, seed {seed}");
    let bootstrap = Broker::shared().bootstrap();
    let mut feed = Feed::new(&bootstrap, "crash-random", 3, true, seed);
    let group = Group::new(&bootstrap, "crash-random", &["crash-random"], MORE);
    for crash in 0..crashes {
        // Of its own, so that crash n of a seed is the same whatever came before it.
        let mut dice = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(1_000_003) + crash);
        feed.feed(dice.random_range(1..400));
        let (name, _) = places().nth(dice.random_range(0..places().count())).expect("one");
        let failpoint = format!("{name}@{}", dice.random_range(1..6));
        let mut process = group.start_to_fail(&failpoint);
        // A place that is not come to in time: killed wherever it is then.
        let (stopwatch, patience) = (Stopwatch::start(), Duration::from_millis(dice.random_range(200..4_000)));
        while !process.has_ended() && stopwatch.elapsed() < patience {
            feed.feed(dice.random_range(1..60));
            std::thread::sleep(Duration::from_millis(50));
        }
        println!("crash {crash}: {failpoint}{}", if process.has_ended() { "" } else { ", not reached" });
        process.end();
    }
    let process = group.start();
    finish(process, &bootstrap, &group, &["crash-random"]);
    println!("{} events", feed.fed);
    assert_counts_input(&bootstrap, &group, "crash-random", Closing::ByEvents);
}
