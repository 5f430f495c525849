//! `stickiness backfill`: history into the log, before live events.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use super::logging::start_logging;
use super::run::{failure, runtime};
use super::settings::{ConfigArgument, day};
use super::{Failure, print};
use crate::config::Settings;
use crate::io::backfill::Backfill;
use crate::model::time::{Calendar, EventTime};
use crate::service;
use crate::wire::timestamp;

/// Bytes of a mebibyte.
const MIB: usize = 1024 * 1024;

/// Put history into the log that the service counts, before live events, each record once and in the order of time
///
/// Run it before the service is started for the first time. Stopped or killed, the same command goes on where it was.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stickiness backfill --config stickiness.toml --dry-run 2025-*.ndjson.gz
  stickiness backfill --config stickiness.toml 2025-*.ndjson.gz
  stickiness backfill --config stickiness.toml --topic events-archive --before 2026-01-01T00:00:00Z

Then `stickiness run --config stickiness.toml`; docs/backfill.md says how live events follow without a seam.")]
pub(super) struct BackfillArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Read this topic of the same brokers too, to its end as it is when the backfill begins; may be given several times
    #[arg(long = "topic", value_name = "NAME")]
    topics: Vec<String>,
    /// Leave out events at this instant or after it: a day, from its begin in the time zone of the settings, or RFC 3339
    #[arg(long, value_name = "INSTANT")]
    before: Option<String>,
    /// Read everything and tell what would be written, without writing
    #[arg(long)]
    dry_run: bool,
    /// Mebibytes of records to sort in memory; what is more goes through temporary files
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    memory: u32,
    /// Folder for the temporary files; that of the system when it is left out
    #[arg(long, value_name = "DIR")]
    temporary: Option<PathBuf>,
    /// Files of events: .csv, .ndjson, .jsonl or .json, each also .gz or .zst; `-` is standard input in `input.format`
    #[arg(required_unless_present = "topics", value_name = "INPUT")]
    inputs: Vec<String>,
}

pub(super) fn run(arguments: BackfillArguments) -> Result<(), Failure> {
    let settings = arguments.config.read()?;
    let work = Backfill {
        inputs: super::inputs(&arguments.inputs, &settings)?,
        topics: arguments.topics,
        before: arguments.before.map(|text| instant(&text, &settings)).transpose()?,
        dry_run: arguments.dry_run,
        memory_bytes: (arguments.memory as usize).saturating_mul(MIB),
        folder: arguments.temporary.unwrap_or_else(std::env::temp_dir),
    };
    start_logging(settings.log);
    let report = service::backfill(&settings, &work, runtime()?.handle()).map_err(failure)?;
    eprint!("{report}");
    print(&report.to_json().to_string())
}

/// The instant that `--before` means.
fn instant(text: &str, settings: &Settings) -> Result<EventTime, Failure> {
    if let Ok(day) = day(text) {
        let calendar = Calendar::new(&settings.engine.time_zone).map_err(|error| Failure::Usage(error.into()))?;
        return Ok(calendar.start_of(day));
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let instant = timestamp::from_text(text, settings.input.timestamp_unit).filter(|_| !digits);
    let wrong =
        || Failure::Usage(anyhow!("--before {text}: must be a day, YYYY-MM-DD, or RFC 3339 with an offset, such as 2026-01-31T12:00:00Z"));
    instant.ok_or_else(wrong)
}
