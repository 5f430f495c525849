//! A worker that cannot know the state says so and counts nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use stickiness::io::observations::Observations;
use stickiness::io::worker::{Refusal, WorkerError};

use super::Bench;
use crate::support::broker::Broker;

/// Counts some records and stops in good order.
fn stopped(name: &str, dir: &Path) -> Bench {
    let bench = Bench::new(Broker::shared(), name, 1, dir);
    bench.fill(2, 2);
    let running = bench.start("first");
    bench.wait_for(4);
    running.stop();
    bench.fill(2, 1);
    bench
}

/// The error that another worker ends with.
fn refusal(bench: &Bench) -> WorkerError {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let worker = bench.worker("second", &runtime, &Arc::<Observations>::default()).expect("joined");
    worker.run(&AtomicBool::new(false)).expect_err("refused")
}

#[test]
fn a_store_that_is_not_the_one_of_the_commit_is_refused() {
    let (dir, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("another"));
    let mut bench = stopped("refusal-store", dir.path());
    bench.state = other.path().to_path_buf();
    let error = refusal(&bench);
    assert!(matches!(&error, WorkerError::Refused(Refusal::NoSnapshot { partition: 0, .. })), "{error}");
    assert!(!error.passes());
    assert_eq!(bench.published().values().map(Vec::len).sum::<usize>(), 4, "nothing was counted");
}

#[test]
fn a_damaged_snapshot_is_passed_over_for_the_one_before_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let bench = stopped("refusal-damaged", dir.path());
    let lineage = dir.path().join("refusal-damaged/refusal-damaged/0");
    let lineage = std::fs::read_dir(lineage).expect("listed").next().expect("one").expect("read").path();
    let mut snapshots: Vec<_> = std::fs::read_dir(lineage).expect("listed").map(|entry| entry.expect("read").path()).collect();
    snapshots.sort();
    assert!(snapshots.len() >= 2, "{snapshots:?}");
    std::fs::write(snapshots.last().expect("one"), b"damaged").expect("written");
    let running = bench.start("second");
    bench.wait_for(6);
    running.stop();
    bench.assert_exact(2, 3);
}
