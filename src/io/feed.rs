//! Synthetic events into a topic, keyed by user as the input must be.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::clock::{self, Stopwatch};
use super::generate::{Generated, Generator, GeneratorError, GeneratorSettings};
use super::kafka::Outgoing;
use super::kafka::connection::Connection;
use super::kafka::producer::{ProduceError, Producer};
use crate::model::time::{Day, EventTime};

/// Milliseconds in a day.
const DAY_MS: i64 = 86_400_000;
/// Records handed to the producer at once.
const BATCH_RECORDS: usize = 500;

/// Events cannot be fed.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The broker does not take them.
    #[error(transparent)]
    Produce(#[from] ProduceError),
    /// The generator's settings are wrong.
    #[error(transparent)]
    Generator(#[from] GeneratorError),
}

/// Produces records to one topic, each in the partition of its user.
pub struct Feed {
    producer: Producer,
    topic: String,
    waiting: Vec<(String, String)>,
}

impl Feed {
    /// A feed of a topic, which must exist.
    pub fn new(connection: &Connection, topic: &str) -> Result<Self, FeedError> {
        Ok(Self { producer: Producer::at_least_once(connection)?, topic: topic.to_owned(), waiting: Vec::new() })
    }

    /// Adds a record: the user id that is its key, and its value.
    pub fn push(&mut self, user_id: String, value: String) -> Result<(), FeedError> {
        self.waiting.push((user_id, value));
        if self.waiting.len() >= BATCH_RECORDS { self.send() } else { Ok(()) }
    }

    /// Hands over what waits.
    pub fn send(&mut self) -> Result<(), FeedError> {
        let waiting = std::mem::take(&mut self.waiting);
        let records: Vec<Outgoing<'_>> = waiting
            .iter()
            .map(|(key, value)| Outgoing { partition: -1, key: Some(key.as_bytes()), value: Some(value.as_bytes()) })
            .collect();
        Ok(self.producer.send(&self.topic, &records)?)
    }

    /// Waits until the brokers have everything.
    pub fn finish(mut self) -> Result<(), FeedError> {
        self.send()?;
        Ok(self.producer.commit()?)
    }
}

/// How the demo's events come: months of history as fast as `history_rate` says, then live ones.
#[derive(Clone, Copy, Debug)]
pub struct DemoPace {
    /// Users.
    pub users: u32,
    /// Days of history before today.
    pub days: u16,
    /// Events of history.
    pub history_events: u64,
    /// Events of history a second.
    pub history_rate: u32,
    /// Live events a second.
    pub live_rate: u32,
}

/// Feeds history up to now, says so, and goes on with live events until `stop`.
pub fn feed_demo(mut feed: Feed, pace: DemoPace, stop: &AtomicBool, mut caught_up: impl FnMut(u64)) -> Result<(), FeedError> {
    let now = clock::wall();
    let today = Day::from_number(i32::try_from(now.millis().div_euclid(DAY_MS)).unwrap_or(0));
    let settings =
        |events, days: u16, start, seed| GeneratorSettings { events, days, start, seed, users: pace.users, ..GeneratorSettings::default() };
    let start = today - i32::from(pace.days);
    // Today's share of events lies partly ahead: what has not happened yet is not history.
    let history = Generator::new(settings(pace.history_events, pace.days + 1, start, 1))?;
    let mut history_pace = Pace::new(pace.history_rate);
    let mut count = 0;
    for event in history.take_while(|event| event.arrived_at() <= now) {
        if stop.load(Ordering::Relaxed) {
            return feed.finish();
        }
        feed.push(event.user_id(), event.json())?;
        count += 1;
        history_pace.wait();
    }
    feed.send()?;
    caught_up(count);
    let mut live_pace = Pace::new(pace.live_rate);
    for seed in 2.. {
        for event in Generator::new(settings(100_000, 1, today, seed))? {
            if stop.load(Ordering::Relaxed) {
                return feed.finish();
            }
            live_pace.wait();
            feed.push(event.user_id(), restamped(&event, seed, clock::wall()))?;
            feed.send()?;
        }
    }
    feed.finish()
}

/// An event as if it happened now; a record that is no event stays as it is.
fn restamped(event: &Generated, seed: u64, now: EventTime) -> String {
    let text = event.json();
    let Ok(Value::Object(mut record)) = serde_json::from_str::<Value>(&text) else { return text };
    if event.is_poison() {
        return text;
    }
    let id = record.get("event_id").and_then(Value::as_str).map(|id| format!("live-{seed}-{id}"));
    record.insert("event_id".to_owned(), id.into());
    record.insert("timestamp".to_owned(), now.millis().into());
    Value::Object(record).to_string()
}

/// Keeps to a count of records a second.
struct Pace {
    stopwatch: Stopwatch,
    rate: u64,
    records: u64,
}

impl Pace {
    fn new(rate: u32) -> Self {
        Self { stopwatch: Stopwatch::start(), rate: u64::from(rate.max(1)), records: 0 }
    }

    /// Waits until the next record is due.
    fn wait(&mut self) {
        self.records += 1;
        let due = Duration::from_millis(self.records * 1000 / self.rate);
        let left = self.stopwatch.remaining(due);
        // Short waits are not worth a sleep: the next record makes up for them.
        if left > Duration::from_millis(5) {
            thread::sleep(left);
        }
    }
}
