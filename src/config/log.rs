//! `[log]`: what the service says of itself on standard error.

use super::section::Section;

/// `[log]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// How a line is written.
    pub format: LogFormat,
    /// The least level that is written: `error`, `warn`, `info`, `debug` or `trace`. `RUST_LOG` goes before it.
    pub level: &'static str,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, whose fields docs/logs.md lists.
    Json,
}

pub(super) fn log(section: Section<'_>) -> LogSettings {
    let format = section.one_of("format", &[(LogFormat::Text, "text"), (LogFormat::Json, "json")], LogFormat::Text);
    let levels = ["error", "warn", "info", "debug", "trace"].map(|level| (level, level));
    let level = section.one_of("level", &levels, "info");
    section.finish();
    LogSettings { format, level }
}
