//! The service against a real broker, by turns with a consumer that looks at nothing: `cargo bench --bench end-to-end -- --events 2000000`.
//!
//! docs/performance.md says what is measured, and what came of it.

#![allow(clippy::print_stdout, reason = "the results are for whoever runs it")]

mod arguments;
mod child;
mod costs;
mod drain_and_produce;
#[path = "../support/events.rs"]
mod events;
mod figures;
mod others;
mod plot;
mod process;
mod service;
mod topics;

#[path = "../../tests/integration/support/broker.rs"]
#[allow(dead_code, reason = "the tests do more with a broker")]
mod broker;

use std::process::Command;

use serde_json::{Value, json};

use arguments::Arguments;
use broker::Broker;
use figures::{Figures, of_run};
use service::{LIVE, Launch, Service, VARIANTS};
use topics::{PARTITIONS, plan};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The topics, with the ids that users are drawn from.
const TOPICS: [(&str, u32); 2] = [("dense", 100_000), ("sparse", 1_000_000)];
/// Of whose outputs a program that counts nothing produces as many.
const PRODUCED_AGAIN: &str = "everything-1";
/// Events a second while latency is measured, and for how many seconds.
const LIVE_RATE: u64 = 50_000;
const LIVE_SECONDS: u64 = 20;

fn main() {
    let written: Vec<String> = std::env::args().skip(1).collect();
    if written.first().is_some_and(|first| first == "child") {
        println!("{}", child::run(&written[1..]));
        return;
    }
    if !written.iter().any(|argument| argument == "--bench") {
        println!("measures only under `cargo bench`");
        return;
    }
    match Arguments::read(written.into_iter()) {
        Ok(arguments) => measure(&arguments),
        Err(message) => {
            eprintln!("{message}");
            std::process::exit(2);
        }
    }
}

fn measure(arguments: &Arguments) {
    let mut figures = Figures::new(arguments.output.as_deref());
    if arguments.wants("memory") {
        let held = child(&["memory", &arguments.users.to_string(), "10"]);
        figures.add("", "memory", held);
    }
    if arguments.wants("replay") {
        others::replay(arguments, &mut figures);
    }
    let broker_wanted =
        TOPICS.iter().any(|(topic, _)| arguments.wants_topic(topic)) || arguments.wants("latency") || arguments.wants_topic("costs");
    if broker_wanted {
        let broker = Broker::start();
        for (topic, users) in TOPICS.into_iter().filter(|(topic, _)| arguments.wants_topic(topic)) {
            take_turns(arguments, &broker, topic, users, &mut figures);
        }
        if arguments.wants("latency") {
            live(&broker, &mut figures);
        }
        if arguments.wants_topic("costs") {
            costs::measure(arguments, &broker, &mut figures);
        }
    }
    println!("\n{}", figures.table());
}

/// Fills a topic, and runs all who take turns on it.
fn take_turns(arguments: &Arguments, broker: &Broker, topic: &str, users: u32, figures: &mut Figures) {
    let bootstrap = broker.bootstrap();
    topics::create(&bootstrap, topic, PARTITIONS);
    let bytes = topics::fill(&bootstrap, topic, plan(arguments.events, users));
    println!("{}", json!({"topic": topic, "filled": arguments.events, "bytes": bytes}));
    let wanted = |name: &str| arguments.wants(&format!("{topic}-{name}"));
    // Once before it counts, so that everyone finds the log in memory.
    child(&["raw", &bootstrap, topic]);
    for run in 0..arguments.runs {
        for variant in VARIANTS.into_iter().filter(|variant| wanted(variant.name)) {
            let own = ("", service::own_binary());
            let against = arguments.against.as_deref().map(|other| (" against", other));
            let mut builds: Vec<_> = [Some(own), against].into_iter().flatten().collect();
            // Memory that a process before has freed is cheaper to touch than fresh memory: each is first in its turn.
            let first = run as usize % builds.len();
            builds.rotate_left(first);
            for (which, binary) in builds {
                let raw = raw_rate(&bootstrap, topic, figures);
                let name = format!("{}{which}", variant.name);
                let group = format!("{topic}-{}-{run}", name.replace(' ', "-"));
                let launch = Launch { binary, beside: arguments.beside.as_deref() };
                let mut service = Service::start(&bootstrap, topic, variant, &group, launch);
                let run = service.run_to_the_end();
                service.kill();
                figures.add(topic, &name, of_run(&run, arguments.events, Some(raw)));
                if name == PRODUCED_AGAIN {
                    // What it published is there as long as this is.
                    figures.add(topic, "drain-and-produce", child(&["drain-and-produce", &bootstrap, topic, &group]));
                }
            }
        }
        others::peers(arguments, broker, topic, figures);
    }
    topics::remove(&bootstrap, topic);
}

/// The raw consumer's turn: its records a second.
fn raw_rate(bootstrap: &str, topic: &str, figures: &mut Figures) -> f64 {
    let mut raw = child(&["raw", bootstrap, topic]);
    let number = |raw: &Value, key: &str| raw[key].as_f64().expect("a number");
    let rate = number(&raw, "records") / number(&raw, "seconds");
    raw["records_per_s"] = json!(rate);
    raw["cpu_us"] = json!(number(&raw, "cpu_s") * 1e6 / number(&raw, "records"));
    figures.add(topic, "raw", raw);
    rate
}

/// Feeds a service that waits for events at a steady rate: how long they take until what they change is committed.
fn live(broker: &Broker, figures: &mut Figures) {
    let bootstrap = broker.bootstrap();
    topics::create(&bootstrap, "latency", PARTITIONS);
    let mut service = Service::start(&bootstrap, "latency", LIVE, "live", Launch { binary: service::own_binary(), beside: None });
    service.wait_until_live();
    let records = LIVE_RATE * LIVE_SECONDS;
    topics::feed(&bootstrap, "latency", plan(records, 100_000), LIVE_RATE, LIVE_SECONDS);
    let run = service.run_to_the_end();
    let mut result = of_run(&run, records, None);
    // What was fed, not how fast the last of it was taken.
    result["records_per_s"] = json!(LIVE_RATE);
    figures.add("live", "latency", result);
    topics::remove(&bootstrap, "latency");
}

/// The result of this binary as a process of its own.
fn child(arguments: &[&str]) -> Value {
    let this = std::env::current_exe().expect("the path of this binary");
    let output = Command::new(this).arg("child").args(arguments).output().expect("ran");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("a result")
}
