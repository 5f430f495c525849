//! `stickiness snapshot`: keeps the states of the service by name.

use clap::Args;
use serde_json::json;

use super::logging::start_logging;
use super::run::{failure, runtime};
use super::settings::ConfigArgument;
use super::{Failure, print};
use crate::io::snapshots::KeptName;
use crate::service;

/// Keep the newest stored state of every partition under a name, for `run --from-snapshot NAME`. The service may run meanwhile
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stickiness snapshot --config stickiness.toml --name before-upgrade
  stickiness run --config stickiness.toml --from-snapshot before-upgrade    goes back to it")]
pub(super) struct SnapshotArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// The name: letters, digits, - and _
    #[arg(long, value_name = "NAME", value_parser = kept_name)]
    name: KeptName,
}

/// Reads a name from the command line.
pub(super) fn kept_name(text: &str) -> Result<KeptName, String> {
    KeptName::new(text).ok_or_else(|| "allowed are 1 to 64 letters, digits, - and _".to_owned())
}

pub(super) fn run(arguments: &SnapshotArguments) -> Result<(), Failure> {
    let settings = arguments.config.read()?;
    start_logging(settings.log);
    let kept = runtime()?.block_on(service::keep(&settings, &arguments.name)).map_err(failure)?;
    for service::Kept { partition, offset, bytes } in kept {
        print(&json!({ "name": arguments.name.to_string(), "partition": partition, "offset": offset, "bytes": bytes }).to_string())?;
    }
    Ok(())
}
