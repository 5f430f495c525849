//! `stickiness insights`: what groups of users show, from files.

use anyhow::anyhow;
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::Failure;
use super::settings::{ConfigArgument, day};
use super::table::Format;
use crate::io::files::{FileRecords, Progress};
use crate::io::insights::{of_files, of_user};
use crate::model::time::Day;
use crate::wire::insights::NAMES;
use crate::wire::insights::bounds::left_out_of;

/// Print what groups of users in files show, as one JSON object or as tables: the funnel of orders, recovery after complaints, and more
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stickiness insights --until 2026-06-30 events.ndjson
  stickiness insights --name funnel --format table events.csv.gz
  stickiness insights --user user-1 events.ndjson")]
pub(super) struct InsightsArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Leave out events after this day; as of its end
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    until: Option<Day>,
    /// Print this one alone
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(NAMES))]
    name: Option<String>,
    /// Print this user's profile instead, with ranks among all others: recency, frequency and money, times of decisions, the next category
    #[arg(long, value_name = "ID", conflicts_with = "name")]
    user: Option<String>,
    /// One line of JSON, or tables to read
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Files of events: .csv, .ndjson, .jsonl or .json, each also .gz or .zst; `-` is standard input in `input.format`
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<String>,
}

pub(super) fn run(arguments: &InsightsArguments) -> Result<(), Failure> {
    let settings = arguments.config.read()?;
    let inputs = super::inputs(&arguments.inputs, &settings)?;
    let decoder = settings.decoder();
    let progress = Progress::new(&inputs);
    let records = FileRecords::new(inputs, &decoder, progress);
    if let Some(user) = &arguments.user {
        let told = of_user(&settings, user, arguments.until, records).map_err(Failure::running)?;
        let told = told.ok_or_else(|| Failure::Running(anyhow!("the files know no user `{}`", user.escape_debug())))?;
        return arguments.format.print(Some(user), &told);
    }
    let insights = of_files(&settings, arguments.until, 1, records).map_err(Failure::running)?;
    if let Some(name) = &arguments.name {
        // All insights tell it themselves.
        for (list, left) in left_out_of(&insights, name) {
            eprintln!("{list}: {left} are left out, those with the smallest figures");
        }
    }
    let printed = arguments.name.as_ref().map_or(&insights, |name| &insights[name]);
    arguments.format.print(arguments.name.as_deref(), printed)
}
