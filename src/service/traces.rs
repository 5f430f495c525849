//! Begins to trace, where the settings ask for it.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::ServiceError;
use crate::config::Settings;
use crate::io::observations::Observations;
use crate::io::traces::Traces;

/// What traces records as settings say; `None` when they do not ask for it.
#[cfg(feature = "opentelemetry")]
pub(super) fn start(settings: &Settings, observations: &Arc<Observations>, runtime: &Handle) -> Result<Option<Traces>, ServiceError> {
    let start = |tracing| crate::io::traces::otlp::start(tracing, observations, runtime.clone());
    settings.tracing.as_ref().map(start).transpose().map_err(|error| ServiceError::Tracing(error.into()))
}

/// Nothing: settings that ask for it are refused where they are read.
#[cfg(not(feature = "opentelemetry"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
pub(super) fn start(_: &Settings, _: &Arc<Observations>, _: &Handle) -> Result<Option<Traces>, ServiceError> {
    Ok(None)
}
