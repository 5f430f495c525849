//! `/v1/live`: figures and the service's state as they change, as server-sent events.
//!
//! An event `records` is an array of the records of the segment that changed: all of them in the first, in which the array may be empty. An event `state` is
//! what `/v1/state` answers, at least every ten seconds.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::stream::{self, Stream};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Interval, MissedTickBehavior};

use super::answer::Problem;
use super::api::off_thread;
use super::query::MetricsQuery;
use super::{Changes, Days, Limits, View, state};
use crate::io::clock::Stopwatch;

/// The longest time without an event: whoever hears nothing for much longer is cut off.
const SILENCE: Duration = Duration::from_secs(10);

/// What streams share.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    room: Arc<Semaphore>,
    limits: Limits,
    leaving: watch::Receiver<bool>,
}

impl Streams {
    pub(super) fn new(limits: Limits, leaving: watch::Receiver<bool>) -> Self {
        Self { room: Arc::new(Semaphore::new(limits.streams)), limits, leaving }
    }
}

/// Opens a stream, if there is room for one more.
pub(super) async fn live(
    State(view): State<Arc<dyn View>>,
    Extension(streams): Extension<Streams>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let MetricsQuery { segment, days } = MetricsQuery::parse(query.as_deref())?;
    if days != Days::default() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "a stream tells every day of a segment; it takes segment alone"));
    }
    let Ok(permit) = Arc::clone(&streams.room).try_acquire_owned() else {
        return Err(Problem::not_yet("too many streams are open: ask /v1/metrics now and then, or try again later"));
    };
    let mut response = Sse::new(events(Telling::new(view, segment, streams, permit))).into_response();
    // Proxies that gather answers before they pass them on would hold events up.
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// A stream of a segment.
struct Telling {
    view: Arc<dyn View>,
    segment: Arc<str>,
    streams: Streams,
    _permit: OwnedSemaphorePermit,
    pace: Interval,
    age: Stopwatch,
    /// The number of the newest change that was told; `None` before the first.
    told: Option<u64>,
    /// The state that was told last, but for the time.
    state: Value,
    since_state: Stopwatch,
    waiting: VecDeque<Event>,
}

impl Telling {
    fn new(view: Arc<dyn View>, segment: String, streams: Streams, permit: OwnedSemaphorePermit) -> Self {
        let mut pace = tokio::time::interval(streams.limits.stream_pace);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (age, since_state) = (Stopwatch::start(), Stopwatch::start());
        let (segment, waiting) = (segment.into(), VecDeque::new());
        Self { view, segment, streams, _permit: permit, pace, age, told: None, state: Value::Null, since_state, waiting }
    }

    /// Waits for the time to look again; `false` when the stream is over.
    async fn is_due(&mut self) -> bool {
        tokio::select! {
            _ = self.streams.leaving.wait_for(|leaving| *leaving) => false,
            _ = self.pace.tick() => self.age.elapsed() < self.streams.limits.stream_time,
        }
    }

    /// Looks for what changed. An error is a bug elsewhere, which ends the stream.
    async fn look(&mut self) -> Result<(), Problem> {
        let (view, segment, since) = (Arc::clone(&self.view), Arc::clone(&self.segment), self.told.unwrap_or(0));
        let (changes, state) = off_thread(move || (view.changes(&segment, since), state::state(&*view))).await?;
        self.note_changes(&changes);
        self.note_state(state);
        Ok(())
    }

    fn note_changes(&mut self, changes: &Changes) {
        if self.told.is_none() || !changes.records.is_empty() {
            let data = format!("[{}]", changes.records.join(","));
            self.waiting.push_back(Event::default().event("records").data(data));
        }
        self.told = Some(changes.number);
    }

    fn note_state(&mut self, mut state: Value) {
        let now = std::mem::replace(&mut state["now"], Value::Null);
        if state != self.state || self.since_state.elapsed() >= SILENCE {
            self.state = state.clone();
            state["now"] = json!(now);
            self.since_state.restart();
            self.waiting.push_back(Event::default().event("state").data(state.to_string()));
        }
    }
}

fn events(telling: Telling) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(telling, async |mut telling| {
        while telling.waiting.is_empty() {
            if !telling.is_due().await || telling.look().await.is_err() {
                return None;
            }
        }
        let event = telling.waiting.pop_front()?;
        Some((Ok(event), telling))
    })
}
