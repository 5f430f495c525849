//! `stickiness reshard`: moves users to more partitions.

use clap::Args;
use serde_json::json;

use super::logging::start_logging;
use super::run::{failure, runtime};
use super::settings::ConfigArgument;
use super::{Failure, print};
use crate::service;

/// Add partitions to the log and move every user to the one that its id now belongs to
///
/// Stop every process of the group first, and, unless kafka.repartition is set, every producer: one that does not know of new partitions
/// sends events where their user no longer is.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stickiness reshard --config stickiness.toml --partitions 32")]
pub(super) struct ReshardArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// How many partitions there shall be; as many as the log has already when it is left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    partitions: Option<u32>,
}

pub(super) fn run(arguments: &ReshardArguments) -> Result<(), Failure> {
    let settings = arguments.config.read()?;
    start_logging(settings.log);
    let runtime = runtime()?;
    let moved = service::reshard(&settings, arguments.partitions, runtime.handle()).map_err(failure)?;
    let service::Moved { before, after, users } = moved;
    if before == after {
        eprintln!("the users are in {after} partitions already, and nothing was changed");
    }
    print(&json!({ "before": before, "after": after, "users": users.users, "moved": users.moved }).to_string())
}
