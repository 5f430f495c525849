//! `stickiness replay`: the engine over files.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Failure;
use super::settings::{ConfigArgument, day};
use crate::io::files::{FileRecords, Progress};
use crate::io::replay::{Order, ReplayOptions, replay};
use crate::model::time::Day;

/// Run the engine over files and write every metric, transition, profile and dead letter
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stickiness generate --events 100000 --users 5000 --days 120 --output events.ndjson
  stickiness replay --output out events.ndjson
  zcat events-*.csv.gz | stickiness replay --config mapping.toml --order event-time --output out -
  tail -n 1 out/metrics.ndjson")]
pub(super) struct ReplayArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Folder for the outputs; made when it is not there
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Leave out events after this day, and close every day up to it
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    until: Option<Day>,
    /// In which order events are counted
    #[arg(long, value_enum, default_value_t = OrderArgument::File)]
    order: OrderArgument,
    /// Spread users over this many partitions, as a topic would
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    partitions: u32,
    /// Files of events: .csv, .ndjson, .jsonl or .json, each also .gz or .zst; `-` is standard input in `input.format`
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OrderArgument {
    /// As they stand in the files
    File,
    /// By their timestamps; all events are held in memory
    EventTime,
}

pub(super) fn run(arguments: ReplayArguments) -> Result<(), Failure> {
    let settings = arguments.config.read()?;
    let inputs = super::inputs(&arguments.inputs, &settings)?;
    let decoder = settings.decoder();
    let progress = Progress::new(&inputs);
    let options = ReplayOptions {
        output: arguments.output,
        until: arguments.until,
        partitions: arguments.partitions,
        order: match arguments.order {
            OrderArgument::File => Order::File,
            OrderArgument::EventTime => Order::EventTime,
        },
    };
    let summary = replay(&settings, &options, FileRecords::new(inputs, &decoder, progress)).map_err(Failure::running)?;
    eprint!("{summary}");
    eprintln!("written to {}", options.output.display());
    Ok(())
}
