//! `stickiness topics`: creates what is missing.

use clap::Args;

use super::settings::ConfigArgument;
use super::{Failure, print};
use crate::io::kafka::topics::{Topics, input_warnings};
use crate::service::{connection, topic_plans};

/// Create the topics that are missing, with the right partitions and policies; nothing that exists is changed
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stickiness topics --config stickiness.toml --partitions 16")]
pub(super) struct TopicsArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Partitions of an input that is created; other topics get as many as the input has
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    partitions: u32,
}

pub(super) fn run(arguments: &TopicsArguments) -> Result<(), Failure> {
    let settings = arguments.config.read()?;
    let connection = connection(&settings).map_err(|error| Failure::Usage(error.into()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::running)?;
    let topics = Topics::new(&connection).map_err(Failure::running)?;
    let counts = topics.partition_counts().map_err(Failure::running)?;
    let partitions = settings.kafka.inputs.iter().filter_map(|input| counts.get(input)).max().copied();
    let plans = topic_plans(&settings, partitions.unwrap_or(arguments.partitions));
    let created = runtime.block_on(topics.create_missing(&plans)).map_err(Failure::running)?;
    for name in &created {
        print(&format!("created {name}"))?;
    }
    eprintln!("{} of {} topics were missing", created.len(), plans.len());
    let inputs: Vec<&str> = settings.kafka.inputs.iter().map(String::as_str).collect();
    for state in runtime.block_on(topics.describe(&inputs)).map_err(Failure::running)? {
        for warning in input_warnings(&state) {
            eprintln!("warning: {warning}");
        }
    }
    Ok(())
}
