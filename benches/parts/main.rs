//! What single parts cost, without a broker: decoding, counting, closing days, snapshots, and layouts of users in memory. `cargo bench --bench parts`.

#[path = "../support/events.rs"]
mod events;
mod layout;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stickiness::engine::partition::{PartitionEngine, Placement};
use stickiness::engine::settings::EngineSettings;
use stickiness::io::clock::Stopwatch;
use stickiness::model::event::Event;
use stickiness::model::time::{Calendar, Day};
use stickiness::wire::decode::{Decoder, DecoderLimits};
use stickiness::wire::mapping::{InputMapping, Location};
use stickiness::wire::snapshot::{self, Head};

use events::{DAY_MS, DAYS, Events, Plan};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 2026-01-01.
const START: Day = Day::from_number(20_454);
/// Events made at a time, outside of what is timed.
const CHUNK: usize = 65_536;

/// Users of a state, or a few when nothing is measured, so that `--test` takes no time.
fn scaled(users: u32) -> u32 {
    if std::env::args().any(|argument| argument == "--bench") { users } else { users / 1_000 }
}

fn plan(users: u32) -> Plan {
    Plan {
        events: u64::from(users) * 8,
        users,
        start_ms: i64::from(START.number()) * DAY_MS,
        span_ms: DAYS * DAY_MS,
        late_per_cent: 0,
        breakdowns: 0,
    }
}

fn calendar() -> Arc<Calendar> {
    Arc::new(Calendar::new("UTC").expect("a zone"))
}

fn engine() -> PartitionEngine {
    PartitionEngine::new(EngineSettings::default(), Placement::ALONE, calendar(), [0; 16])
}

/// Lets the engine count events, and takes what it says of them, as a worker does.
fn count(engine: &mut PartitionEngine, events: &[Event<'_>]) {
    for event in events {
        engine.handle(event, None);
        drop(black_box(engine.drain_effects()));
    }
}

/// An engine that knows its users: each has had two or so events.
fn populated(events: &mut Events, users: u32) -> PartitionEngine {
    let mut engine = engine();
    let mut left = users as usize * 2;
    while left > 0 {
        let chunk: Vec<Event<'_>> = events.take(CHUNK.min(left)).map(|drawn| drawn.event()).collect();
        left -= chunk.len();
        count(&mut engine, &chunk);
        engine.take_partials();
    }
    engine
}

fn decode(criterion: &mut Criterion) {
    // Where the properties are elsewhere than at the top, as a pointer may say, records are read the general way.
    let mut elsewhere = InputMapping::default();
    elsewhere.fields.properties = Location::parse("/properties").expect("a pointer");
    let decoder = |mapping: &InputMapping| Decoder::new(mapping, DecoderLimits::default());
    let (usual, general) = (decoder(&InputMapping::default()), decoder(&elsewhere));
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    for (name, plain, decoder) in [
        ("activity", true, &usual),
        ("mixed", false, &usual),
        ("activity by pointer", true, &general),
        ("mixed by pointer", false, &general),
    ] {
        let events = if plain { Events::plain(plan(100_000)) } else { Events::new(plan(100_000)) };
        let records: Vec<String> = events
            .take(4_096)
            .map(|drawn| {
                let mut json = String::new();
                drawn.write(&mut json);
                json
            })
            .collect();
        let mut next = records.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| decoder.decode_json(next.next().expect("a cycle does not end").as_bytes()).is_ok());
        });
    }
    group.finish();
}

fn count_events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    group.throughput(Throughput::Elements(1)).sample_size(10);
    for (density, users) in [("dense", 100_000), ("sparse", 1_000_000)] {
        for (name, plain) in [("activity", true), ("mixed", false)] {
            let users = scaled(users);
            let mut events = if plain { Events::plain(plan(users)) } else { Events::new(plan(users)) };
            let mut engine = populated(&mut events, users);
            group.bench_function(BenchmarkId::new(density, name), |bencher| {
                bencher.iter_custom(|iterations| time_counting(&mut engine, &mut events, iterations));
            });
        }
    }
    group.finish();
}

fn time_counting(engine: &mut PartitionEngine, events: &mut Events, iterations: u64) -> Duration {
    let mut left = usize::try_from(iterations).expect("memory is larger");
    let mut counting = Duration::ZERO;
    while left > 0 {
        let chunk: Vec<Event<'_>> = events.take(CHUNK.min(left)).map(|drawn| drawn.event()).collect();
        left -= chunk.len();
        let stopwatch = Stopwatch::start();
        count(engine, &chunk);
        counting += stopwatch.elapsed();
        engine.take_partials();
    }
    counting
}

fn close_days(criterion: &mut Criterion) {
    let users = scaled(1_000_000);
    let mut group = criterion.benchmark_group("close a day");
    group.sample_size(10);
    // Users with eight events in 120 days, so that a day has a fifteenth as many.
    let mut events = Events::new(plan(users));
    let mut engine = populated(&mut events, users);
    let a_day = (u64::from(users) * 8 / DAYS.unsigned_abs()).max(1);
    group.bench_function(BenchmarkId::from_parameter(users), |bencher| {
        bencher.iter_custom(|iterations| {
            let mut closing = Duration::ZERO;
            for _ in 0..iterations {
                time_counting(&mut engine, &mut events, a_day);
                let next = engine.closed_through().expect("a day is closed") + 1;
                let stopwatch = Stopwatch::start();
                engine.close_through(next);
                closing += stopwatch.elapsed();
                engine.drain_effects();
                engine.take_partials();
            }
            closing
        });
    });
    group.finish();
}

fn snapshots(criterion: &mut Criterion) {
    let users = scaled(1_000_000);
    let engine = populated(&mut Events::new(plan(users)), users);
    let head = Head {
        version: snapshot::VERSION,
        lineage: String::new(),
        topic: "events".to_owned(),
        partition: 0,
        partitions: 1,
        offset: 0,
        users: engine.users() as u64,
    };
    let bytes = snapshot::encode(&head, engine.state()).expect("encoded");
    let mut group = criterion.benchmark_group("snapshot");
    group.sample_size(10).throughput(Throughput::Elements(engine.users() as u64));
    group.bench_function("encode", |bencher| bencher.iter(|| snapshot::encode(&head, engine.state()).expect("encoded").len()));
    // What a worker stands still for; what is encoded is a frozen state, elsewhere.
    group.bench_function("freeze", |bencher| bencher.iter(|| black_box(engine.frozen())));
    group.bench_function("restore", |bencher| {
        bencher.iter(|| snapshot::decode(&bytes, |_| Ok::<_, String>(calendar())).expect("decoded").1.users());
    });
    group.finish();
}

criterion_group!(benches, decode, count_events, close_days, snapshots, layout::layout);
criterion_main!(benches);
