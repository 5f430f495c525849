//! A closing by the clock is committed like an offset: a recovery repeats it where it was, and publishes it once.

use std::time::Duration;

use super::crash::{kill9, spawn};
use super::{Bench, PATIENCE};
use crate::support::broker::Broker;
use stickiness::io::clock::Stopwatch;

#[test]
fn a_closing_by_the_clock_happens_once_and_stays_where_it_was() {
    let (broker, dir) = (Broker::shared(), tempfile::tempdir().expect("a directory"));
    let mut bench = Bench::new(broker, "barrier", 1, dir.path());
    bench.idle_after = Duration::from_millis(1_500);
    bench.fill(1, 3);
    let child = spawn(&bench, "a");
    let stopwatch = Stopwatch::start();
    while !bench.published().contains_key("clock") {
        assert!(stopwatch.elapsed() < PATIENCE, "an idle partition closes");
        std::thread::sleep(Duration::from_millis(100));
    }
    kill9(child);
    // Without the snapshots that were taken after it, the closing comes from the commit alone.
    let lineage = std::fs::read_dir(dir.path().join("barrier/barrier/0")).expect("a lineage").next().expect("one").expect("read").path();
    let mut snapshots: Vec<_> = std::fs::read_dir(&lineage).expect("listed").map(|entry| entry.expect("read").path()).collect();
    snapshots.sort();
    for newer in &snapshots[1..] {
        std::fs::remove_file(newer).expect("removed");
    }
    bench.fill(1, 2);
    let running = bench.start("b");
    bench.wait_for(6);
    let observed = running.stop();
    assert!(observed.replayed.get() > 0 || snapshots.len() == 1, "{snapshots:?}");
    let published = bench.published();
    assert_eq!(published["clock"], ["closing"]);
    assert_eq!(published["user-0"], ["1", "2", "3", "closed 4", "closed 5"]);
}
