//! Alerts straight to an Alertmanager, by its v2 API (`POST /api/v2/alerts`), beside the topic.
//!
//! Telling never waits for the network: the newest state of each alert is kept in an outbox, and a thread of its own posts what is due, with
//! retries. An Alertmanager forgets an alert that is not told again, so firing ones are, well before they expire.

mod message;
mod outbox;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::sync::Notify;
use tracing::{error, info, warn};
use url::Url;

use self::outbox::Outbox;
use super::clock::{self, Stopwatch};
use crate::config::{AlertmanagerSettings, Credentials};
use crate::engine::alerts::Alert;
use crate::model::time::Calendar;

/// How often, how long and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertmanagerPace {
    /// How long a request may take, connecting included.
    pub timeout: Duration,
    /// How often a firing alert is told again; less than half of `expiry`.
    pub resend: Duration,
    /// How long after it was last told a firing alert counts as resolved.
    pub expiry: Duration,
    /// For how long a resolved alert is told again, for an Alertmanager that lost what it knew.
    pub resolved_kept: Duration,
    /// Wait after a first failure; doubled after each further one.
    pub first_retry: Duration,
    /// The longest wait between two tries.
    pub last_retry: Duration,
    /// Alerts in the outbox at most; further ones are refused until some are resolved.
    pub capacity: usize,
}

impl Default for AlertmanagerPace {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            resend: Duration::from_secs(60),
            expiry: Duration::from_secs(300),
            resolved_kept: Duration::from_secs(900),
            first_retry: Duration::from_secs(1),
            last_retry: Duration::from_secs(60),
            capacity: 10_000,
        }
    }
}

/// Alerts cannot be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum AlertmanagerError {
    /// The HTTP client, TLS above all, cannot be set up.
    #[error("alerts.alertmanager_url: no HTTP client")]
    Client(#[from] reqwest::Error),
    /// The thread cannot be started.
    #[error("alerts.alertmanager_url: no thread for it")]
    Thread(#[from] std::io::Error),
}

/// What became of the alerts that were told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlertmanagerCounts {
    /// Requests that were taken.
    pub accepted: u64,
    /// Requests that failed and are tried again.
    pub failed: u64,
    /// Requests that were refused for what they say, and are not tried again.
    pub refused: u64,
    /// Alerts that the outbox had no room for.
    pub overflowed: u64,
}

/// Sends alerts to one Alertmanager from a thread of its own.
#[derive(Debug)]
pub struct Alertmanager {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug)]
struct State {
    outbox: Outbox,
    counts: AlertmanagerCounts,
    /// How long is left to send what waits; once it is to stop.
    stop: Option<(Stopwatch, Duration)>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in there is ever half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Alertmanager {
    /// Starts the thread. Nothing is sent yet, and an Alertmanager that is not there is no failure.
    pub fn start(settings: &AlertmanagerSettings, pace: AlertmanagerPace) -> Result<Self, AlertmanagerError> {
        let client =
            Client::builder().timeout(pace.timeout).connect_timeout(pace.timeout).redirect(reqwest::redirect::Policy::none()).build()?;
        let outbox = Outbox::new(pace.capacity, pace.resend, pace.resolved_kept);
        let state = State { outbox, counts: AlertmanagerCounts::default(), stop: None };
        let shared = Arc::new(Shared { state: Mutex::new(state), wake: Notify::new() });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let sender = Sender {
            client,
            address: address(&settings.url),
            credentials: settings.credentials.clone(),
            pace,
            stopwatch: Stopwatch::start(),
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::Builder::new().name("alertmanager".to_owned()).spawn(move || runtime.block_on(sender.run()))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Takes in the newest state of an alert, to be sent soon. Never waits; says false when there is no room for one more alert.
    pub fn tell(&self, alert: &Alert, calendar: &Calendar) -> bool {
        let mut state = self.shared.lock();
        let taken = state.outbox.put(message::Message::new(alert, calendar));
        if !taken {
            state.counts.overflowed += 1;
            warn!(fingerprint = alert.fingerprint, "no room for an alert to the alertmanager");
        }
        drop(state);
        self.shared.wake.notify_one();
        taken
    }

    /// What became of what was told.
    #[must_use]
    pub fn counts(&self) -> AlertmanagerCounts {
        self.shared.lock().counts
    }

    /// Sends what was not sent yet, for at most `patience`, and ends the thread. Alerts that still fire are left to expire or to be told by another process.
    pub fn stop(mut self, patience: Duration) {
        self.end(patience);
    }

    fn end(&mut self, patience: Duration) {
        let Some(thread) = self.thread.take() else { return };
        self.shared.lock().stop = Some((Stopwatch::start(), patience));
        self.shared.wake.notify_one();
        if thread.join().is_err() {
            error!("the thread for the alertmanager panicked");
        }
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

/// Where alerts are posted: below the path of the setting.
fn address(url: &Url) -> Url {
    let mut address = url.clone();
    let path = format!("{}/api/v2/alerts", url.path().trim_end_matches('/'));
    address.set_path(&path);
    address
}

/// Why a request did not do.
enum Trouble {
    /// It may do later.
    Later(String),
    /// It will never do.
    Never(String),
}

struct Sender {
    client: Client,
    address: Url,
    credentials: Option<Credentials>,
    pace: AlertmanagerPace,
    stopwatch: Stopwatch,
    shared: Arc<Shared>,
}

impl Sender {
    async fn run(self) {
        let mut failures = 0;
        loop {
            let stop = self.shared.lock().stop;
            if stop.is_some_and(|(since, patience)| since.remaining(patience).is_zero()) {
                return;
            }
            let now = self.stopwatch.elapsed();
            let (batch, next) = self.shared.lock().outbox.due(now);
            if batch.is_empty() {
                failures = 0;
                if stop.is_some() {
                    return;
                }
                self.wait(next.map(|due| due.saturating_sub(now)), true).await;
                continue;
            }
            let ended = tokio::select! {
                ended = self.post(&batch) => ended,
                () = self.out_of_patience() => return,
            };
            failures = self.note(&batch, ended, failures);
            if failures > 0 {
                let doubled = self.pace.first_retry.saturating_mul(1 << (failures - 1_u32).min(16));
                self.wait(Some(doubled.min(self.pace.last_retry)), false).await;
            }
        }
    }

    /// Waits for at most `limit`, for something new when that is `welcome`, or for the end.
    async fn wait(&self, limit: Option<Duration>, welcome: bool) {
        let waited = Stopwatch::start();
        loop {
            let left = waited.remaining(limit.unwrap_or(Duration::from_secs(3600)));
            let woken = tokio::time::timeout(left, self.shared.wake.notified()).await.is_ok();
            if !woken || welcome || self.shared.lock().stop.is_some() {
                return;
            }
        }
    }

    /// Ends when the thread is to stop and its patience is over.
    async fn out_of_patience(&self) {
        loop {
            let stop = self.shared.lock().stop;
            match stop {
                Some((since, patience)) => return tokio::time::sleep(since.remaining(patience)).await,
                None => self.shared.wake.notified().await,
            }
        }
    }

    async fn post(&self, batch: &[message::Message]) -> Result<(), Trouble> {
        let expiry = i64::try_from(self.pace.expiry.as_nanos()).unwrap_or(i64::MAX);
        let expires = clock::wall().plus_nanos(expiry);
        let body: Vec<Value> = batch.iter().map(|message| message.json(expires)).collect();
        let request = self.client.post(self.address.clone()).header("content-type", "application/json").body(Value::from(body).to_string());
        let request = match &self.credentials {
            Some(Credentials::Bearer(token)) => request.bearer_auth(token.reveal()),
            Some(Credentials::Basic { username, password }) => request.basic_auth(username, Some(password.reveal())),
            None => request,
        };
        let response = request.send().await.map_err(|error| Trouble::Later(format!("{:#}", anyhow::Error::from(error))))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let text: String = response.text().await.unwrap_or_default().chars().take(200).collect();
        let trouble = format!("{status}: {text}");
        let is_lasting = matches!(status, StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY);
        Err(if is_lasting { Trouble::Never(trouble) } else { Trouble::Later(trouble) })
    }

    /// Notes how a request ended; the count of failures in a row.
    fn note(&self, batch: &[message::Message], ended: Result<(), Trouble>, failures: u32) -> u32 {
        let mut state = self.shared.lock();
        match ended {
            Ok(()) => {
                state.counts.accepted += 1;
                state.outbox.sent(batch, self.stopwatch.elapsed());
                if failures > 0 {
                    info!(url = %self.address, "the alertmanager takes alerts again");
                }
                0
            }
            Err(Trouble::Never(trouble)) => {
                state.counts.refused += 1;
                // The same would be refused again, and stand in the way of the others.
                state.outbox.sent(batch, self.stopwatch.elapsed());
                error!(url = %self.address, trouble, alerts = batch.len(), "the alertmanager refuses alerts");
                0
            }
            Err(Trouble::Later(trouble)) => {
                state.counts.failed += 1;
                warn!(url = %self.address, trouble, failures, "the alertmanager does not take alerts; trying again");
                failures.saturating_add(1)
            }
        }
    }
}

#[cfg(test)]
mod tests;
