//! `stickiness run`: the service.

use std::net::SocketAddr;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Failure;
use super::logging::start_logging;
use super::settings::ConfigArgument;
use crate::config::{HttpSettings, Settings};
use crate::io::http::Server;
use crate::io::kafka::probe::ProbeError;
use crate::io::snapshots::KeptName;
use crate::service::{History, Service, ServiceError};

/// How often the service is looked at for whether it ended by itself.
const LOOK: std::time::Duration = std::time::Duration::from_millis(200);

/// Count events from Kafka and publish metrics and transitions, until SIGTERM or Ctrl-C
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stickiness run --config stickiness.toml
  STICKINESS__LOG__FORMAT=json stickiness run --config stickiness.toml
  stickiness run --config stickiness.toml --from-snapshot before-upgrade

`stickiness check` tells mistakes beforehand; `stickiness topics` creates what is missing.")]
pub(super) struct RunArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Forget what the group has committed and count the log again from its start: transitions are published once more, and
    /// days whose events the log no longer has keep their last records. No other process of the group may run. Give it to one
    /// process, once
    #[arg(long)]
    new_lineage: bool,
    /// Forget what the group has committed and go on from the states kept as NAME: transitions since then are published once more. No
    /// other process of the group may run. Give it to one process, once
    #[arg(long, value_name = "NAME", conflicts_with = "new_lineage", value_parser = super::snapshot::kept_name)]
    from_snapshot: Option<KeptName>,
}

pub(super) fn run(arguments: &RunArguments) -> Result<(), Failure> {
    let settings = arguments.config.read()?;
    start_logging(settings.log);
    let runtime = runtime()?;
    let http = settings.http.clone();
    let history = match &arguments.from_snapshot {
        Some(name) => History::Kept(name.clone()),
        None if arguments.new_lineage => History::New,
        None => History::Continued,
    };
    let mut signals = runtime.block_on(async { Signals::listen() }).map_err(Failure::running)?;
    // A mistake here would else be found only after the group was joined.
    drop(runtime.block_on(Server::listen(&http)).map_err(Failure::running)?);
    let Some(started) = runtime.block_on(start(settings, history, runtime.handle().clone(), &mut signals)) else {
        tracing::info!("told to stop before the service had started");
        // What still waits for brokers need not be waited for.
        runtime.shutdown_background();
        return Ok(());
    };
    let service = started.map_err(failure)?;
    let served = runtime.block_on(serve_until_told(&http, &service, &mut signals, |address| tracing::info!(%address, "listening")));
    tracing::info!("stopping: the last commit, snapshots, leaving the group");
    service.stop().map_err(failure)?;
    served
}

/// Starts the service; `None` when a signal came first.
async fn start(
    settings: Settings,
    history: History,
    runtime: tokio::runtime::Handle,
    signals: &mut Signals,
) -> Option<Result<Service, ServiceError>> {
    let starting = tokio::task::spawn_blocking(move || Service::start(settings, history, runtime));
    tokio::select! {
        biased;
        started = starting => Some(started.unwrap_or_else(|panicked| Err(ServiceError::Ended(panicked.to_string())))),
        () = signals.told() => None,
    }
}

/// What runs HTTP, the object store and signals.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(Failure::running)
}

/// Serves HTTP until a signal, or until the service has ended by itself. `listening` is told where.
pub(super) async fn serve_until_told(
    settings: &HttpSettings,
    service: &Service,
    signals: &mut Signals,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), Failure> {
    let server = Server::bind(settings, service.view()).await.map_err(Failure::running)?;
    listening(server.address());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async move { drop(stopped.await) }));
    until_told(service, signals).await;
    drop(stop);
    drop(serving.await);
    Ok(())
}

pub(super) fn failure(error: ServiceError) -> Failure {
    match error {
        ServiceError::Unsupported(_)
        | ServiceError::Property(_)
        | ServiceError::Brokers(ProbeError::Properties(_))
        | ServiceError::Secret(_)
        | ServiceError::TimeZone(_) => Failure::Usage(error.into()),
        _ => Failure::running(error),
    }
}

/// SIGTERM and Ctrl-C, noticed from the moment that it is made.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// To be called in a runtime.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Returns when either has come.
    async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Returns when it is told to end, and when the service has ended by itself.
async fn until_told(service: &Service, signals: &mut Signals) {
    let mut look = tokio::time::interval(LOOK);
    let failed = async {
        while !service.has_failed() {
            look.tick().await;
        }
    };
    tokio::select! {
        () = signals.told() => {}
        () = failed => {}
    }
}
