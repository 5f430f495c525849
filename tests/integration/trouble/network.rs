//! A network that delays, cuts and swallows, and answers that never come.

use std::time::Duration;

use stickiness::io::clock::Stopwatch;

use crate::support::broker::Broker;
use crate::support::feed::{Feed, MORE, PATIENCE, finish};
use crate::support::process::{Group, Process};
use crate::support::proxy::{Proxy, Weather};
use crate::support::recount::{Closing, assert_counts_input};

/// A broker that is reached by the service through a proxy, and by the test directly.
struct Bench {
    broker: Broker,
    proxy: Proxy,
    group: Group,
    feed: Feed,
}

impl Bench {
    fn new(name: &str, seed: u64) -> Self {
        let mut proxy = Proxy::new();
        let broker = Broker::start_behind(proxy.port());
        proxy.lead_to(broker.port());
        let feed = Feed::new(&broker.bootstrap(), name, 2, true, seed);
        let group = Group::new(&format!("127.0.0.1:{}", proxy.port()), name, &[name], MORE);
        Self { broker, proxy, group, feed }
    }

    /// Feeds a little now and then.
    fn feed_for(&mut self, time: Duration, process: &mut Process) {
        let stopwatch = Stopwatch::start();
        while stopwatch.elapsed() < time {
            self.feed.feed(40);
            process.assert_runs();
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// In fine weather again, everything is as if nothing had been.
    fn finish(mut self, process: Process) {
        self.proxy.set(Weather::Fine);
        self.feed.feed(100);
        let bootstrap = self.broker.bootstrap();
        finish(process, &bootstrap, &self.group, &[&self.group.name]);
        assert_counts_input(&bootstrap, &self.group, &self.group.name, Closing::ByEvents);
    }
}

#[test]
fn delays_cuts_and_black_holes_lose_and_double_nothing() {
    let mut bench = Bench::new("network-weather", 51);
    let mut process = bench.group.start();
    bench.feed_for(Duration::from_secs(3), &mut process);
    bench.proxy.set(Weather::Slow(Duration::from_millis(150)));
    bench.feed_for(Duration::from_secs(5), &mut process);
    bench.proxy.set(Weather::Fine);
    for _ in 0..8 {
        bench.feed_for(Duration::from_millis(500), &mut process);
        bench.proxy.cut();
    }
    // Longer than the session: the members are given up for dead meanwhile.
    bench.proxy.set(Weather::BlackHole);
    bench.feed_for(Duration::from_secs(6), &mut process);
    bench.proxy.set(Weather::Fine);
    bench.proxy.cut();
    bench.feed_for(Duration::from_secs(2), &mut process);
    bench.finish(process);
}

#[test]
fn transactions_whose_end_nobody_heard_of_are_neither_lost_nor_doubled() {
    let mut bench = Bench::new("network-end", 52);
    let mut process = bench.group.start();
    bench.feed_for(Duration::from_secs(3), &mut process);
    let stopwatch = Stopwatch::start();
    while bench.proxy.lost_answers() < 10 && stopwatch.elapsed() < PATIENCE {
        bench.proxy.set(Weather::NoAnswerToEndTxn);
        bench.feed_for(Duration::from_millis(300), &mut process);
        bench.proxy.set(Weather::Fine);
        bench.feed_for(Duration::from_millis(700), &mut process);
    }
    let lost = bench.proxy.lost_answers();
    println!("{lost} answers lost");
    assert!(lost >= 10, "{lost} answers lost");
    bench.finish(process);
}
