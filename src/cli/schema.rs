//! `stickiness schema`: what goes in and out, for machines.

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::settings::ConfigArgument;
use super::{Failure, print};
use crate::wire::schema::avro::{OUTPUTS, avro};
use crate::wire::schema::{Channels, NAMES, asyncapi, named};

/// Print the JSON Schema of one record, or an `AsyncAPI` document of all topics
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stickiness schema > asyncapi.json
  stickiness schema metrics > metrics.schema.json
  stickiness schema metrics --avro > metrics.avsc")]
pub(super) struct SchemaArguments {
    /// The record; without it, the `AsyncAPI` document with all schemas inside
    #[arg(value_parser = PossibleValuesParser::new(NAMES))]
    name: Option<String>,
    /// The Avro schema of an output instead, as publish.format = "avro" registers it
    #[arg(long, requires = "name")]
    avro: bool,
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
    let document = match arguments.name.as_deref() {
        Some(name) if arguments.avro => avro_of(name, settings.engine.mau_days)?,
        name => name.and_then(named).unwrap_or_else(|| asyncapi(&channels)),
    };
    print(&serde_json::to_string_pretty(&document).map_err(Failure::running)?)
}

/// The Avro schema of the output called `name`.
fn avro_of(name: &str, mau_days: u16) -> Result<serde_json::Value, Failure> {
    let output = OUTPUTS.iter().find(|(known, _)| *known == name);
    output.and_then(|(_, schema)| avro(schema, mau_days)).ok_or_else(|| {
        let known: Vec<&str> = OUTPUTS.iter().map(|(known, _)| *known).collect();
        Failure::running(anyhow::anyhow!("`{name}` is never published as Avro; with --avro, the record is one of {}", known.join(", ")))
    })
}
