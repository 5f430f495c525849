//! Time that stands still, lags, jumps or comes from the future: windows move only when they should, and a replay after a crash moves
//! them in the same places.

use std::time::Duration;

use serde_json::Value;
use stickiness::io::clock::{self, Stopwatch};

use crate::support::broker::Broker;
use crate::support::feed::{Feed, MORE, PATIENCE, finish, wait_until_closed, wait_until_counted};
use crate::support::outputs::{assert_same, metrics};
use crate::support::process::{Group, Process};
use crate::support::records::{Input, create_topic, produce, read_committed};
use crate::support::recount::{Closing, assert_counts_input};

const DAY_MS: i64 = 86_400_000;

/// Sends an activity event of a user at a time.
fn send(bootstrap: &str, topic: &str, partition: i32, user: &str, time_ms: i64) {
    let value = format!(r#"{{"event_id":"{user}-{time_ms}","user_id":"{user}","type":"activity","timestamp":{time_ms}}}"#);
    produce(bootstrap, topic, [Input { partition, key: user, value: &value, timestamp_ms: clock::wall().millis() }]);
}

fn day(time_ms: i64) -> String {
    stickiness::model::time::Day::from_number(i32::try_from(time_ms.div_euclid(DAY_MS)).expect("a day")).to_string()
}

/// Waits until the metric of a day is what is wanted.
fn wait_for_metric(process: &mut Process, bootstrap: &str, group: &Group, key: &str, wanted: impl Fn(&Value) -> bool) {
    let stopwatch = Stopwatch::start();
    loop {
        let published = metrics(bootstrap, &group.name);
        if published.get(key).is_some_and(&wanted) {
            return;
        }
        process.assert_runs();
        assert!(stopwatch.elapsed() < PATIENCE, "{key}: {:?}\n{}", published.get(key), process.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_partition_a_month_behind_holds_days_open_and_an_idle_one_does_not() {
    let bootstrap = Broker::shared().bootstrap();
    create_topic(&bootstrap, "time-behind", 3);
    let more = MORE.replace("idle_after = \"1d\"", "idle_after = \"3s\"");
    let group = Group::new(&bootstrap, "time-behind", &["time-behind"], &more);
    let (now, month) = (clock::wall().millis(), 30 * DAY_MS);
    // Partition 2 never has a record. Partition 0 is a month behind partition 1, and is kept busy.
    send(&bootstrap, "time-behind", 1, "ahead", now - DAY_MS);
    send(&bootstrap, "time-behind", 0, "behind", now - month - DAY_MS);
    let mut process = group.start();
    let (old, new) = (format!("all|{}", day(now - month - DAY_MS)), format!("all|{}", day(now - 2 * DAY_MS)));
    let stopwatch = Stopwatch::start();
    while stopwatch.elapsed() < Duration::from_secs(6) {
        send(&bootstrap, "time-behind", 0, "behind", now - month - DAY_MS);
        let published = metrics(&bootstrap, &group.name);
        assert!(published.values().all(|record| record["final"] == false), "a busy partition holds its days open");
        std::thread::sleep(Duration::from_millis(300));
    }
    process.kill9();
    process = group.start();
    // Now it is idle, and the clock closes what the wall says is over.
    wait_for_metric(&mut process, &bootstrap, &group, &old, |record| record["final"] == true && record["dau"] == 1);
    wait_for_metric(&mut process, &bootstrap, &group, &new, |record| record["final"] == true && record["dau"] == 0);
    // What comes then of the time before is late, not too late, and counts on its day.
    send(&bootstrap, "time-behind", 0, "late", now - month - DAY_MS);
    wait_for_metric(&mut process, &bootstrap, &group, &old, |record| record["final"] == true && record["dau"] == 2);
    process.terminate();
    assert_eq!(read_committed(&bootstrap, "time-behind-dead").len(), 0);
}

#[test]
fn an_event_of_the_year_2099_moves_no_window() {
    let bootstrap = Broker::shared().bootstrap();
    create_topic(&bootstrap, "time-future", 1);
    let group = Group::new(&bootstrap, "time-future", &["time-future"], MORE);
    let now = clock::wall().millis();
    send(&bootstrap, "time-future", 0, "a", now - 3 * DAY_MS);
    send(&bootstrap, "time-future", 0, "a", 4_085_000_000_000);
    send(&bootstrap, "time-future", 0, "b", now - 3 * DAY_MS);
    let mut process = group.start();
    wait_until_counted(&mut process, &bootstrap, &group, &["time-future"]);
    process.kill9();
    let process = group.start();
    send(&bootstrap, "time-future", 0, "c", now - 3 * DAY_MS);
    finish(process, &bootstrap, &group, &["time-future"]);
    let dead = read_committed(&bootstrap, "time-future-dead");
    assert!(dead.len() == 1 && dead[0].headers.iter().any(|(_, value)| value == b"future"), "{dead:?}");
    let published = metrics(&bootstrap, &group.name);
    assert_eq!(published[&format!("all|{}", day(now - 3 * DAY_MS))]["dau"], 3);
    assert_eq!(published.len(), 1, "no day but one: {:?}", published.keys());
    assert_counts_input(&bootstrap, &group, "time-future", Closing::ByEvents);
}

#[test]
fn days_of_23_and_25_hours_count_and_close_by_the_zones_rules() {
    let bootstrap = Broker::shared().bootstrap();
    create_topic(&bootstrap, "time-zone", 1);
    let group = Group::new(&bootstrap, "time-zone", &["time-zone"], &format!("{MORE}\ntime.time_zone = \"Europe/Berlin\""));
    // In 2026 clocks go forward on 29 March at 01:00 UTC, and back on 25 October at 01:00 UTC.
    let hours = |date: &str, hour: i64| {
        let midnight = stickiness::model::time::Day::parse(date).expect("a day").number();
        i64::from(midnight) * DAY_MS + hour * 3_600_000
    };
    for (user, date, hour) in [
        ("last-of-28th", "2026-03-28", 22),
        ("first-of-29th", "2026-03-28", 23),
        ("last-of-29th", "2026-03-29", 21),
        ("first-of-30th", "2026-03-29", 22),
        ("last-of-24-oct", "2026-10-24", 21),
        ("first-of-25-oct", "2026-10-24", 22),
        ("last-of-25-oct", "2026-10-25", 22),
        ("first-of-26-oct", "2026-10-25", 23),
    ] {
        send(&bootstrap, "time-zone", 0, user, hours(date, hour));
    }
    let mut process = group.start();
    wait_until_counted(&mut process, &bootstrap, &group, &["time-zone"]);
    process.kill9();
    let mut process = group.start();
    // An hour after midnight closes the 25th, whose 25 hours are over; it is the grace.
    send(&bootstrap, "time-zone", 0, "closer", hours("2026-10-26", 0));
    wait_for_metric(&mut process, &bootstrap, &group, "all|2026-10-25", |record| record["final"] == true);
    process.terminate();
    let published = metrics(&bootstrap, &group.name);
    for (date, dau) in [("2026-03-28", 1), ("2026-03-29", 2), ("2026-03-30", 1), ("2026-10-24", 1), ("2026-10-25", 2), ("2026-10-26", 2)] {
        assert_eq!(published[&format!("all|{date}")]["dau"], dau, "{date}");
    }
    assert_counts_input(&bootstrap, &group, "time-zone", Closing::ByEvents);
}

#[test]
fn a_wall_clock_that_jumps_back_opens_no_day_again() {
    let bootstrap = Broker::shared().bootstrap();
    let name = "trouble-clock";
    let mut feed = Feed::new(&bootstrap, name, 2, true, 44);
    let mut group = Group::new(&bootstrap, name, &[name], &MORE.replace("idle_after = \"1d\"", "idle_after = \"1s\""));
    let clock = group.path("clock");
    group.environment.push(("STICKINESS_CLOCK".to_owned(), clock.display().to_string()));
    let set = |days: i64| std::fs::write(&clock, (days * DAY_MS).to_string()).expect("written");
    set(0);
    feed.feed(800);
    let mut process = group.start();
    wait_until_counted(&mut process, &bootstrap, &group, &[name]);
    wait_until_closed(&mut process, &bootstrap, &group);
    let closed = metrics(&bootstrap, name);
    // Ten days back, while it runs, and through a crash: the partitions are idle all the time.
    set(-10);
    std::thread::sleep(Duration::from_secs(3));
    process.kill9();
    let process = group.start();
    process.wait_for_log("state restored", PATIENCE);
    process.wait_for_log("io::aggregation: aggregating", PATIENCE);
    std::thread::sleep(Duration::from_secs(3));
    assert_same(&metrics(&bootstrap, name), &closed);
    process.kill9();
    set(0);
    finish(group.start(), &bootstrap, &group, &[name]);
    assert_counts_input(&bootstrap, &group, name, Closing::ByTheClock);
}
