//! `stickiness schema`: what goes in and out, for machines.

use clap::Args;

use super::settings::ConfigArgument;
use super::{Failure, print};
use crate::wire::schema::{Channels, asyncapi, named};

/// Print the JSON Schema of one record, or an `AsyncAPI` document of all topics
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stickiness schema > asyncapi.json
  stickiness schema metrics > metrics.schema.json")]
pub(super) struct SchemaArguments {
    /// The record; without it, the `AsyncAPI` document with all schemas inside
    #[arg(value_parser = ["event", "metrics", "transitions", "churn-risk", "alerts", "profiles", "dead-letters"])]
    name: Option<String>,
    #[command(flatten)]
    config: ConfigArgument,
}

pub(super) fn run(arguments: &SchemaArguments) -> Result<(), Failure> {
    let settings = arguments.config.read()?;
    let topics = &settings.topics;
    let channels = Channels {
        inputs: &settings.kafka.inputs,
        metrics: &topics.metrics,
        transitions: &topics.transitions,
        churn_risk: &topics.churn_risk,
        alerts: &topics.alerts,
        profiles: &topics.profiles,
        dead_letters: &topics.dead_letters,
    };
    let document = arguments.name.as_deref().and_then(named).unwrap_or_else(|| asyncapi(&channels));
    print(&serde_json::to_string_pretty(&document).map_err(Failure::running)?)
}
