//! `stickiness demo`: the whole service on an embedded broker with sample events.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use clap::Args;

use super::Failure;
use super::logging::start_logging;
use super::run::{Signals, failure, runtime, serve_until_told};
use crate::config::{LogFormat, LogSettings, Settings};
use crate::io::feed::{DemoPace, Feed, feed_demo};
use crate::io::kafka::embedded::EmbeddedBroker;
use crate::service::{Service, connection, topic_plans};

/// Partitions of the demo's topics.
const PARTITIONS: u32 = 4;
/// The demo's topic of events.
const INPUT: &str = "events";

/// Run the whole service on an embedded broker with sample events; needs nothing else
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stickiness demo                                          then open the page that it prints
  stickiness demo --listen 127.0.0.1:9000 --users 20000 --events 600000
  RUST_LOG=info stickiness demo                            with everything that the service says")]
pub(super) struct DemoArguments {
    /// Where the page is served
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Users
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    users: u32,
    /// Days of history before today
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    days: u16,
    /// Events of history; they are fed within about 15 seconds
    #[arg(long, default_value_t = 120_000, value_parser = clap::value_parser!(u64).range(1..=2_000_000))]
    events: u64,
    /// Live events a second, after the history
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    live_rate: u32,
}

pub(super) fn run(arguments: &DemoArguments) -> Result<(), Failure> {
    // Someone who tries it wants to see what to look at, not every partition's history.
    start_logging(LogSettings { format: LogFormat::Text, level: "warn" });
    if !arguments.listen.ip().is_loopback() {
        let advice = "the demo shows itself to this machine alone: say 127.0.0.1 and a port";
        return Err(Failure::Usage(anyhow::anyhow!("--listen {}: {advice}", arguments.listen)));
    }
    let broker = EmbeddedBroker::start().map_err(Failure::running)?;
    let state = std::env::temp_dir().join(format!("stickiness-demo-{}", std::process::id()));
    let settings = settings(&broker.bootstrap_servers(), &state.display().to_string(), arguments.listen)?;
    for plan in topic_plans(&settings, PARTITIONS) {
        broker.create_topic(&plan.name, plan.partitions).map_err(Failure::running)?;
    }
    let runtime = runtime()?;
    let mut signals = runtime.block_on(async { Signals::listen() }).map_err(Failure::running)?;
    let connection = connection(&settings).map_err(failure)?;
    let feed = Feed::new(&connection, INPUT).map_err(Failure::running)?;
    let http = settings.http.clone();
    let service = Service::start_prepared(settings, connection, runtime.handle().clone()).map_err(failure)?;
    let (stop, feeder) = start_feed(feed, arguments);
    let served = runtime.block_on(serve_until_told(&http, &service, &mut signals, |address| {
        eprintln!("The page: http://{address}/");
        eprintln!("The figures: curl -s 'http://{address}/v1/metrics?segment=all' | tail -c 2000");
        eprintln!("A user: curl -s http://{address}/v1/users/u0000001    The service: curl -s http://{address}/metrics");
        eprintln!("{} days of sample events are on their way, watch DAU/MAU move. Ctrl-C ends it.", arguments.days);
    }));
    stop.store(true, Ordering::Relaxed);
    drop(feeder.join());
    service.stop().map_err(failure)?;
    drop(std::fs::remove_dir_all(state));
    served
}

fn settings(bootstrap_servers: &str, state: &str, listen: SocketAddr) -> Result<Settings, Failure> {
    let text = format!(
        "[kafka]\nbootstrap_servers = \"{bootstrap_servers}\"\ngroup_id = \"demo\"\ninputs = [\"{INPUT}\"]\n\
         [snapshots]\nurl = {state:?}\n[http]\nlisten = \"{listen}\"\n[breakdowns]\nproperties = [\"channel\", \"plan\"]\n"
    );
    Settings::read(&text, []).map_err(|mistakes| Failure::Usage(anyhow::anyhow!("{mistakes}")))
}

fn start_feed(feed: Feed, arguments: &DemoArguments) -> (Arc<AtomicBool>, thread::JoinHandle<()>) {
    let stop = Arc::new(AtomicBool::new(false));
    let pace = DemoPace {
        users: arguments.users,
        days: arguments.days,
        history_events: arguments.events,
        history_rate: u32::try_from(arguments.events / 15).unwrap_or(u32::MAX).max(1),
        live_rate: arguments.live_rate,
    };
    let stopping = Arc::clone(&stop);
    let feeder = thread::spawn(move || {
        let ended = feed_demo(feed, pace, &stopping, |events| eprintln!("{events} events of history are in; live events follow."));
        if let Err(error) = ended {
            tracing::error!(%error, "no more sample events");
        }
    });
    (stop, feeder)
}
