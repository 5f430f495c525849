//! The log on standard error.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSettings};

/// Logs on standard error as the settings say, from the level of `RUST_LOG` on if that is set.
pub(super) fn start_logging(settings: LogSettings) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(settings.level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    // In a test another log may be there already.
    drop(match settings.format {
        LogFormat::Text => log.with_ansi(stderr().is_terminal()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    });
}
