//! The records of one partition that wait for their endpoint, posted one after the other by a task of their own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::endpoint::{Attempt, Endpoint};
use super::retry::{Verdict, pause};
use crate::io::clock::Stopwatch;

/// Records waiting from which no more are fetched.
const FULL_RECORDS: usize = 2_000;
/// Records waiting below which they are fetched again.
const LOW_RECORDS: usize = 500;
/// Bytes waiting from which no more are fetched.
const FULL_BYTES: usize = 8 * 1024 * 1024;

/// A record to be posted.
#[derive(Debug)]
pub(super) struct Delivery {
    /// Its id for the receiver.
    pub(super) id: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) key: Option<Vec<u8>>,
    /// JSON.
    pub(super) value: Vec<u8>,
    /// The value on the topic, where it is not the same.
    pub(super) published: Option<Vec<u8>>,
    /// Why it cannot be read, and so is never posted.
    pub(super) unreadable: Option<String>,
}

impl Delivery {
    /// The value on the topic.
    pub(super) fn as_published(&self) -> &[u8] {
        self.published.as_ref().unwrap_or(&self.value)
    }
}

/// News of a lane's task.
#[derive(Debug)]
pub(super) enum News {
    /// An attempt failed, and there will be another.
    Failed,
    /// The oldest record of this partition, at this offset, was taken.
    Delivered(i32, i64),
    /// It is given up, for the reason told.
    GivenUp(Box<Delivery>, String),
}

/// What a task needs to know.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) news: Sender<News>,
    /// How long a record is tried.
    pub(super) retry_for: Duration,
    /// The webhook's name, for the log.
    pub(super) webhook: Arc<str>,
    /// The topic, for the log.
    pub(super) topic: Arc<str>,
}

/// A record that waits.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    offset: i64,
    timestamp_ms: Option<i64>,
    bytes: usize,
}

/// One partition. Records go in by offset; what may be committed comes out.
pub(super) struct Lane {
    /// One past the last record that was taken in.
    next: i64,
    /// What is committed.
    committed: i64,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// Whether no more records are fetched for now.
    pub(super) is_paused: bool,
    queue: UnboundedSender<Delivery>,
    leave: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Lane {
    /// A lane whose next record is `start`, with its task.
    pub(super) fn start(start: i64, committed: Option<i64>, route: Route, runtime: &tokio::runtime::Handle) -> Self {
        let (queue, records) = unbounded_channel();
        let (leave, left) = watch::channel(false);
        let task = runtime.spawn(post_all(records, left, route));
        let committed = committed.unwrap_or(-1);
        Self { next: start, committed, waiting: VecDeque::new(), waiting_bytes: 0, is_paused: false, queue, leave, task }
    }

    /// Whether a record is still to be looked at. Records come again after a pause.
    pub(super) fn expects(&self, offset: i64) -> bool {
        offset >= self.next
    }

    /// Passes a record over.
    pub(super) fn pass_over(&mut self, offset: i64) {
        self.next = offset + 1;
    }

    /// Takes a record in, to be posted after those before it.
    pub(super) fn take(&mut self, delivery: Delivery, timestamp_ms: Option<i64>) {
        self.next = delivery.offset + 1;
        let bytes = delivery.value.len() + delivery.published.as_ref().map_or(0, Vec::len);
        self.waiting.push_back(Waiting { offset: delivery.offset, timestamp_ms, bytes });
        self.waiting_bytes += bytes;
        // A task that is gone is found by `is_broken`.
        drop(self.queue.send(delivery));
    }

    /// Notes that the oldest record is dealt with.
    pub(super) fn settle(&mut self, offset: i64) {
        if let Some(first) = self.waiting.front().copied().filter(|first| first.offset == offset) {
            self.waiting.pop_front();
            self.waiting_bytes -= first.bytes;
        }
    }

    /// The next offset to commit; `None` when that is committed.
    pub(super) fn due(&self) -> Option<i64> {
        let done = self.waiting.front().map_or(self.next, |first| first.offset);
        (done != self.committed).then_some(done)
    }

    /// Notes what was committed.
    pub(super) fn note_committed(&mut self, offset: i64) {
        self.committed = offset;
    }

    /// When the oldest record that waits was published, in milliseconds since the epoch.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.waiting.front()?.timestamp_ms
    }

    /// Whether so much waits that no more is to be fetched.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= FULL_RECORDS || self.waiting_bytes >= FULL_BYTES
    }

    /// Whether so little waits that more can be fetched.
    pub(super) fn is_low(&self) -> bool {
        self.waiting.len() < LOW_RECORDS && self.waiting_bytes < FULL_BYTES / 2
    }

    /// Whether its task ended by itself, which only a panic does.
    pub(super) fn is_broken(&self) -> bool {
        self.task.is_finished()
    }

    /// Lets the attempt that is on its way end, and none begin.
    pub(super) fn leave(&self) {
        self.leave.send_replace(true);
    }

    /// Waits for the task at most `patience`, then ends it: nothing is posted afterwards.
    pub(super) async fn end(&mut self, patience: Duration) {
        if tokio::time::timeout(patience, &mut self.task).await.is_err() {
            self.task.abort();
            drop((&mut self.task).await);
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Posts records one after the other until it is told to leave.
async fn post_all(mut records: UnboundedReceiver<Delivery>, mut left: watch::Receiver<bool>, route: Route) {
    loop {
        let record = tokio::select! {
            biased;
            _ = left.wait_for(|left| *left) => return,
            record = records.recv() => record,
        };
        let Some(record) = record else { return };
        let Some(news) = post(record, &mut left, &route).await else { return };
        if route.news.send(news).is_err() {
            return;
        }
    }
}

/// Posts a record until it is taken or given up; `None` when it was told to leave before.
async fn post(record: Delivery, left: &mut watch::Receiver<bool>, route: &Route) -> Option<News> {
    if let Some(reason) = record.unreadable.clone() {
        return Some(News::GivenUp(Box::new(record), reason));
    }
    // What the endpoint asked for before is none of this record's time.
    wait(route.endpoint.held(), left).await?;
    let since = Stopwatch::start();
    let mut failures = 0;
    loop {
        wait(route.endpoint.held(), left).await?;
        let Attempt { verdict, detail } = route.endpoint.post(&record.id, &record.value).await;
        let asked = match verdict {
            Verdict::Taken => {
                if failures > 0 {
                    tracing::info!(webhook = %route.webhook, topic = %route.topic, partition = record.partition, "a webhook takes records again");
                }
                return Some(News::Delivered(record.partition, record.offset));
            }
            Verdict::Later(asked) if since.elapsed() < route.retry_for => asked,
            Verdict::Later(_) => {
                let detail = format!("tried for {:.0?}; at last {detail}", since.elapsed());
                return Some(News::GivenUp(Box::new(record), detail));
            }
            Verdict::Never => return Some(News::GivenUp(Box::new(record), detail)),
        };
        failures += 1;
        _ = route.news.send(News::Failed);
        if route.endpoint.trouble.tells() {
            let (webhook, topic) = (&route.webhook, &route.topic);
            let (partition, offset, elapsed) = (record.partition, record.offset, since.elapsed());
            tracing::warn!(%webhook, %topic, partition, offset, ?elapsed, reason = detail, "a webhook does not take records, trying again");
        }
        if let Some(asked) = asked {
            route.endpoint.hold(asked);
        }
        wait(pause(failures, rand::random()), left).await?;
    }
}

/// Waits for a time; `None` when it was told to leave.
async fn wait(time: Duration, left: &mut watch::Receiver<bool>) -> Option<()> {
    tokio::select! {
        biased;
        _ = left.wait_for(|left| *left) => None,
        () = tokio::time::sleep(time) => Some(()),
    }
}
