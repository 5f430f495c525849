//! `stickiness run`: the service.

use std::net::SocketAddr;

use clap::Args;
use tracing_subscriber::EnvFilter;

use super::Failure;
use super::settings::ConfigArgument;
use crate::config::HttpSettings;
use crate::io::http::Server;
use crate::service::{History, Service, ServiceError};

/// How often the service is looked at for whether it ended by itself.
const LOOK: std::time::Duration = std::time::Duration::from_millis(200);

/// Count events from Kafka and publish metrics and transitions, until SIGTERM or Ctrl-C
#[derive(Args, Debug)]
pub(super) struct RunArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Forget what the group has committed and count the log again from its start: transitions are published once more, and
    /// days whose events the log no longer has keep their last records. No other process of the group may run. Give it to one
    /// process, once
    #[arg(long)]
    new_lineage: bool,
}

pub(super) fn run(arguments: &RunArguments) -> Result<(), Failure> {
    let settings = arguments.config.read()?;
    start_logging("info");
    let runtime = runtime()?;
    let http = settings.http.clone();
    let history = if arguments.new_lineage { History::New } else { History::Continued };
    let service = Service::start(settings, history, runtime.handle().clone()).map_err(failure)?;
    let served = runtime.block_on(serve_until_told(&http, &service, |address| tracing::info!(%address, "listening")));
    tracing::info!("stopping: the last commit, snapshots, leaving the group");
    service.stop().map_err(failure)?;
    served
}

/// Logs on standard error, at the level of `RUST_LOG` or else `level`.
pub(super) fn start_logging(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_ansi(terminal).with_writer(std::io::stderr).try_init());
}

/// What runs HTTP, the object store and signals.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(Failure::running)
}

/// Serves HTTP until a signal, or until the service has ended by itself. `listening` is told where.
pub(super) async fn serve_until_told(
    settings: &HttpSettings,
    service: &Service,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), Failure> {
    let server = Server::bind(settings, service.view()).await.map_err(Failure::running)?;
    listening(server.address());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async move { drop(stopped.await) }));
    let told = until_told(service).await.map_err(Failure::running);
    drop(stop);
    drop(serving.await);
    told
}

pub(super) fn failure(error: ServiceError) -> Failure {
    match error {
        ServiceError::Unsupported(_) | ServiceError::Property(_) | ServiceError::TimeZone(_) => Failure::Usage(error.into()),
        _ => Failure::running(error),
    }
}

/// Returns on SIGTERM, on Ctrl-C, and when the service has ended by itself.
async fn until_told(service: &Service) -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            interrupted = tokio::signal::ctrl_c() => return interrupted,
            _ = look.tick() => if service.has_failed() { return Ok(()) },
        }
    }
}
