//! Workers killed with -9.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use stickiness::io::clock::Stopwatch;
use stickiness::io::observations::Observations;
use stickiness::io::worker::Guarantee;

use super::{Bench, PATIENCE};
use crate::support::broker::Broker;

/// Not a test of its own: the process that the tests below kill. They start this binary again with this test alone.
#[test]
#[ignore = "no test of its own but the process that `a_worker_killed…` and others start and kill; by itself it has no arguments and would hold nothing"]
fn child() {
    let Ok(arguments) = std::env::var("STICKINESS_TEST_WORKER") else { return };
    let arguments: Vec<&str> = arguments.split('|').collect();
    let [bootstrap, name, state, id, idle_ms] = arguments[..] else { panic!("five arguments") };
    let idle_after = Duration::from_millis(idle_ms.parse().expect("a number"));
    let bench = Bench {
        bootstrap: bootstrap.to_owned(),
        name: name.to_owned(),
        state: state.into(),
        idle_after,
        guarantee: Guarantee::ExactlyOnce,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let worker = bench.worker(id, &runtime, &Arc::<Observations>::default()).expect("joined");
    worker.run(&AtomicBool::new(false)).expect("runs until it is killed");
}

/// A worker in a process of its own.
pub(super) fn spawn(bench: &Bench, id: &str) -> Child {
    let arguments = format!("{}|{}|{}|{id}|{}", bench.bootstrap, bench.name, bench.state.display(), bench.idle_after.as_millis());
    Command::new(std::env::current_exe().expect("this binary"))
        .args(["--ignored", "--exact", "worker::crash::child"])
        .env("STICKINESS_TEST_WORKER", arguments)
        .stdout(Stdio::null())
        .spawn()
        .expect("started")
}

/// Ends a process like a power cut.
pub(super) fn kill9(mut child: Child) {
    child.kill().expect("it ran until now");
    child.wait().expect("it is dead");
}

#[test]
fn a_worker_killed_again_and_again_counts_every_record_once() {
    let (broker, dir) = (Broker::shared(), tempfile::tempdir().expect("a directory"));
    let bench = Bench::new(broker, "crash-again", 3, dir.path());
    for round in 0..5 {
        let before = bench.written();
        bench.fill(3_000, 20);
        let child = spawn(&bench, &format!("id-{round}"));
        bench.wait_for_writing(before);
        kill9(child);
    }
    let last = bench.start("last");
    bench.wait_for(300_000);
    let observed = last.stop();
    println!("replayed {} records, {:?}", observed.replayed.get(), observed.outcomes());
    bench.assert_exact(3_000, 100);
}

#[test]
fn a_worker_killed_takes_nothing_with_it_from_one_that_lives() {
    let (broker, dir) = (Broker::shared(), tempfile::tempdir().expect("a directory"));
    let bench = Bench::new(broker, "crash-one-of-two", 4, dir.path());
    bench.fill(2_000, 5);
    let living = bench.start("lives");
    bench.wait_for(2_000);
    let child = spawn(&bench, "dies");
    let stopwatch = Stopwatch::start();
    while living.observations.partitions().len() != 2 {
        assert!(stopwatch.elapsed() < PATIENCE, "the other gets its share");
        std::thread::sleep(Duration::from_millis(50));
    }
    bench.fill(2_000, 5);
    bench.wait_for(20_000);
    kill9(child);
    bench.fill(2_000, 5);
    bench.wait_for(30_000);
    living.stop();
    bench.assert_exact(2_000, 15);
}
