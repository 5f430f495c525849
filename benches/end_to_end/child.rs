//! What this binary does as a process of its own, so that its processor time and memory are those of one thing: `child WHAT ...`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stickiness::engine::partition::{PartitionEngine, Placement};
use stickiness::engine::settings::EngineSettings;
use stickiness::io::clock::Stopwatch;
use stickiness::io::kafka::Entry;
use stickiness::io::worker::CLOSED_AT_ONCE;
use stickiness::model::event::{Event, EventType, Facts};
use stickiness::model::time::{Calendar, Day, EventTime};

use crate::drain_and_produce;
use crate::events::DAY_MS;
use crate::process::{status, usage};
use crate::topics::{PARTITIONS, connection, reader};

/// 2026-01-01.
const START: Day = Day::from_number(20_454);
/// An hour after the grace of the day before is over.
const AFTER_GRACE_MS: i64 = 7_200_000;

/// Does what the arguments say and gives the result.
pub(crate) fn run(arguments: &[String]) -> Value {
    match arguments {
        [what, bootstrap, topic] if what == "raw" => drain(bootstrap, topic),
        [what, users, days] if what == "memory" => hold(users.parse().expect("a number"), days.parse().expect("a number")),
        [what, bootstrap, topic, group] if what == "drain-and-produce" => drain_and_produce::run(bootstrap, topic, group),
        _ => panic!("unknown: {arguments:?}"),
    }
}

/// One consumer that takes batches and looks at nothing but lengths: the limit of what reads the topic by one thread.
fn drain(bootstrap: &str, topic: &str) -> Value {
    let (mut consumer, ends) = reader(&connection(bootstrap), "raw", topic, PARTITIONS);
    let total: i64 = ends.iter().map(|ends| ends.high - ends.low).sum();
    let (mut count, mut bytes, mut first) = (0_i64, 0, None);
    while count < total {
        consumer.poll().expect("polled");
        for entry in consumer.next_batch(Duration::from_millis(20)).iter() {
            if let Entry::Record(record) = entry {
                count += 1;
                bytes += record.payload.map_or(0, <[u8]>::len);
            }
        }
        if count > 0 && first.is_none() {
            first = Some((Stopwatch::start(), count));
        }
    }
    let (stopwatch, before) = first.expect("there are records");
    let (seconds, usage) = (stopwatch.elapsed().as_secs_f64(), usage(std::process::id()));
    json!({"records": count - before, "seconds": seconds, "bytes": bytes, "cpu_s": usage.cpu_s, "peak_bytes": usage.peak_bytes})
}

fn timed(work: impl FnOnce()) -> Duration {
    let stopwatch = Stopwatch::start();
    work();
    stopwatch.elapsed()
}

/// An engine with many users of 16-byte ids, each active on some days: what they take, how long days take to close in pieces, and how long the longest piece takes.
fn hold(users: u32, days: u32) -> Value {
    let calendar = Arc::new(Calendar::new("UTC").expect("a zone"));
    let mut engine = PartitionEngine::new(EngineSettings::default(), Placement::ALONE, calendar, [0; 16]);
    let before = status(std::process::id(), "VmRSS:");
    engine.close_in_pieces();
    let (stopwatch, mut slowest_close, mut slowest_event, mut slowest_hold) =
        (Stopwatch::start(), Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut event = Event {
        user_id: "".into(),
        event_id: "".into(),
        kind: EventType::Activity,
        time: EventTime::MIN,
        facts: Facts::None,
        breakdowns: Vec::new(),
    };
    // One event of somebody else begins each day, an hour after the grace of the day before is over, and closes that day.
    let begin = |engine: &mut PartitionEngine, event: &mut Event<'_>, day: i64| {
        "somebody".clone_into(event.user_id.to_mut());
        event.time = EventTime::from_millis((i64::from(START.number()) + day) * DAY_MS + AFTER_GRACE_MS);
        engine.handle(event, None);
    };
    begin(&mut engine, &mut event, 0);
    for day in 0..i64::from(days) {
        for user in 0..users {
            let id = event.user_id.to_mut();
            id.clear();
            let _ = std::fmt::Write::write_fmt(id, format_args!("{user:016x}"));
            event.time = EventTime::from_millis((i64::from(START.number()) + day) * DAY_MS + i64::from(user / 1_000));
            let one = Stopwatch::start();
            engine.handle(&event, None);
            slowest_event = slowest_event.max(one.elapsed());
            drop(engine.drain_effects());
        }
        let close = Stopwatch::start();
        slowest_hold = slowest_hold.max(timed(|| begin(&mut engine, &mut event, day + 1)));
        while engine.close_position().is_some() {
            slowest_hold = slowest_hold.max(timed(|| engine.close_on(CLOSED_AT_ONCE)));
        }
        slowest_close = slowest_close.max(close.elapsed());
        drop(engine.drain_effects());
        drop(engine.take_partials());
    }
    let grown = status(std::process::id(), "VmRSS:").saturating_sub(before);
    let events_per_s = f64::from(users) * f64::from(days) / stopwatch.elapsed().as_secs_f64();
    json!({
        "users": users, "active_days": days, "rss_bytes": grown, "estimated_bytes": engine.approximate_bytes(), "events_per_s": events_per_s,
        "slowest_hold_ms": slowest_hold.as_secs_f64() * 1e3, "slowest_close_ms": slowest_close.as_secs_f64() * 1e3, "slowest_event_ms": slowest_event.as_secs_f64() * 1e3,
    })
}
