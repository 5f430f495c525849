//! What the service shows over HTTP: its figures, its users, its own state, and a page for people.
//!
//! `/healthz`, `/readyz`, `/metrics` and the page at `/` are open; `/v1/…` asks for the token when one is set.
//! What is shown comes from a [`View`]; this module knows nothing of how it is counted.

mod answer;
mod api;
mod connections;
mod guard;
mod health;
mod insights;
mod live;
mod openmetrics;
mod page;
mod patience;
mod peers;
mod query;
mod schemas;
mod state;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use self::guard::Guard;
use self::live::Streams;
use crate::config::HttpSettings;
use crate::io::observations::Observations;
use crate::model::time::Day;

/// What the service has to show. Methods are called from many threads at once.
pub trait View: Send + Sync + 'static {
    /// Whether every partition of this process is live and figures are complete; false while restoring.
    fn is_ready(&self) -> bool;

    /// The newest record of each day of a segment, `all` or `property=value`, oldest day first, each as JSON text
    /// (`stickiness.metrics.v1`). Nothing for a segment that has no records. Called off the async threads.
    fn metrics(&self, segment: &str, days: Days) -> Vec<Arc<str>>;

    /// The records of a segment that changed after an answer with the number `since`, all of them for 0, oldest day first. Called off the async threads.
    fn changes(&self, segment: &str, since: u64) -> Changes;

    /// The segments that have records, `all` first.
    fn segments(&self) -> Vec<String>;

    /// What the group knows of a user. Called off the async threads: it may block for as long as the other processes may take.
    fn user(&self, id: &str) -> UserAnswer;

    /// What this process knows of a user: it asks no other. Called off the async threads: it may block, but not much longer than a second.
    fn own_user(&self, id: &str) -> UserAnswer;

    /// The profile of a user with `ranks`, where the user stands among all of the group; why that cannot be told otherwise. Called off the async threads, as `insights`.
    fn with_ranks(&self, profile: &[u8]) -> Result<String, String>;

    /// Alerts that were raised, each as JSON text (`stickiness.alerts.v1`): those that fire first, then the newest. There is a bound to how many.
    /// Called off the async threads.
    fn alerts(&self) -> Vec<Arc<str>>;

    /// What groups of users show, those of all processes that can be asked (`stickiness.insights.v1`); why it cannot be told otherwise. Called off the async threads: it may
    /// block for some seconds where there are many users.
    fn insights(&self) -> Result<String, String>;

    /// What the users of this process show at the end of `day`, or of its own newest when that is later, as bytes for another process; `None` while that cannot be told.
    /// Called off the async threads, as `insights`.
    fn own_insights(&self, day: Option<Day>) -> Option<Vec<u8>>;

    /// What the service observes of itself.
    fn observations(&self) -> &Observations;
}

/// Days from one to another, both included; open where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Days {
    /// The first day.
    pub from: Option<Day>,
    /// The last day.
    pub to: Option<Day>,
}

impl Days {
    /// Whether `day` is among them.
    #[must_use]
    pub fn contains(&self, day: Day) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }
}

/// What changed in a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Grows with every change of any segment; to be asked with next.
    pub number: u64,
    /// The records, oldest day first, each as JSON text (`stickiness.metrics.v1`).
    pub records: Vec<Arc<str>>,
}

/// What a [`View`] knows of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserAnswer {
    /// The profile as JSON (`stickiness.profiles.v1`).
    Found(Vec<u8>),
    /// There is no such user.
    Unknown,
    /// The user's partition is being restored, or its worker did not answer in time: ask again.
    Busy,
    /// The user's partition is with another process of the group, which is the one to ask.
    Elsewhere,
    /// The user's partition is with another process of the group, which does not answer: why.
    Unreachable(String),
}

/// What requests may take of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; more wait in the system's backlog.
    pub connections: usize,
    /// Bytes of a request's path and query. A user id of 256 bytes, all of them percent-encoded, is 768.
    pub url_bytes: usize,
    /// Bytes of a request's body. No request needs one.
    pub body_bytes: u64,
    /// How long a connection may take to send the head of a request; one that is kept open is closed after this long without.
    pub head_time: Duration,
    /// How long an answer may take to be made.
    pub answer_time: Duration,
    /// How long a client may refuse to take in more of an answer.
    pub stall_time: Duration,
    /// How long answers in progress may take after the shutdown.
    pub drain_time: Duration,
    /// Streams of `/v1/live` at once. Each holds a connection, so that there must be fewer than those.
    pub streams: usize,
    /// How long a stream may last; whoever wants more opens another.
    pub stream_time: Duration,
    /// How often a stream looks for what changed.
    pub stream_pace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            url_bytes: 4096,
            body_bytes: 16 * 1024,
            head_time: Duration::from_secs(5),
            answer_time: Duration::from_secs(10),
            stall_time: Duration::from_secs(20),
            drain_time: Duration::from_secs(5),
            streams: 64,
            stream_time: Duration::from_secs(15 * 60),
            stream_pace: Duration::from_secs(1),
        }
    }
}

/// Why HTTP cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Another program listens there, most likely another `stickiness`.
    #[error("http.listen: {address} is taken by another program; stop it, or set another port (0 takes a free one)")]
    Taken {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("http.listen: cannot listen on {address}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A server that listens already: connections wait until [`Server::run`].
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    limits: Limits,
    leave: watch::Sender<bool>,
}

impl Server {
    /// Listens on `settings.listen`. Needs a tokio runtime.
    pub async fn bind(settings: &HttpSettings, view: Arc<dyn View>) -> Result<Self, HttpError> {
        Self::bind_with(settings, Limits::default(), view).await
    }

    /// Listens, with other limits than the usual ones.
    pub async fn bind_with(settings: &HttpSettings, limits: Limits, view: Arc<dyn View>) -> Result<Self, HttpError> {
        let listener = Self::listen(settings).await?;
        let address = listener.local_addr().map_err(|source| HttpError::Listen { address: settings.listen, source })?;
        let leave = watch::Sender::new(false);
        let streams = Streams::new(limits, leave.subscribe());
        let router = router(Guard::new(settings.token.as_ref(), limits), streams, view);
        Ok(Self { listener, address, router, limits, leave })
    }

    /// Takes the address alone, which tells whether it can be taken. Needs a tokio runtime.
    pub async fn listen(settings: &HttpSettings) -> Result<TcpListener, HttpError> {
        let address = settings.listen;
        TcpListener::bind(address).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => HttpError::Taken { address },
            _ => HttpError::Listen { address, source },
        })
    }

    /// Where it listens; the port is a real one when 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then lets answers in progress end.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        connections::serve(self.listener, self.router, self.limits, self.leave, shutdown).await;
    }
}

/// All routes. Only those below `/v1` are behind the token.
fn router(guard: Guard, streams: Streams, view: Arc<dyn View>) -> Router {
    let guard = Arc::new(guard);
    let api = api::routes(streams).layer(middleware::from_fn_with_state(Arc::clone(&guard), guard::admit));
    Router::new()
        .merge(page::routes())
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(openmetrics::metrics))
        .nest("/v1", api)
        .fallback(answer::no_such_page)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(middleware::from_fn_with_state(guard, guard::limit))
        .layer(middleware::map_response(guard::harden))
        .with_state(view)
}
