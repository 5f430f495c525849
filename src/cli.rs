//! One module a command.

mod alerts;
mod backfill;
mod backtest;
mod check;
mod compare;
mod completions;
mod demo;
mod fit;
mod generate;
mod histories;
mod insights;
mod logging;
mod man;
mod replay;
mod reshard;
mod run;
mod schema;
mod settings;
mod snapshot;
mod table;
mod topics;
mod user;

use std::io::{self, Write};

use clap::{Parser, Subcommand};

use crate::config::Settings;
use crate::io::files::Input;

/// Exact stickiness metrics, repeat-purchase counters and user transitions, from Kafka to Kafka, exactly once.
#[derive(Debug, Parser)]
#[command(
    name = "stickiness",
    version,
    max_term_width = 120,
    after_help = "Where to begin:
  stickiness demo                                  everything on sample events; needs nothing else
  stickiness replay --output out events.ndjson     your own file
  stickiness check --config stickiness.toml        your own topic: then `topics`, then `run`
  stickiness COMMAND --help                        the options of a command, with examples

Exit status: 0 done, 1 failed while running, 2 bad usage or settings."
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArguments),
    Run(run::RunArguments),
    Replay(replay::ReplayArguments),
    Backfill(backfill::BackfillArguments),
    Alerts(alerts::AlertsArguments),
    Fit(fit::FitArguments),
    Backtest(backtest::BacktestArguments),
    Insights(insights::InsightsArguments),
    Compare(compare::CompareArguments),
    Check(check::CheckArguments),
    Schema(schema::SchemaArguments),
    Generate(generate::GenerateArguments),
    Topics(topics::TopicsArguments),
    Reshard(reshard::ReshardArguments),
    Snapshot(snapshot::SnapshotArguments),
    User(user::UserArguments),
    Completions(completions::CompletionsArguments),
    Man(man::ManArguments),
}

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// The arguments or the settings are wrong: exit status 2.
    Usage(anyhow::Error),
    /// It failed while running: exit status 1.
    Running(anyhow::Error),
}

impl Failure {
    fn running(error: impl Into<anyhow::Error>) -> Self {
        Self::Running(error.into())
    }
}

/// Does what the arguments say. Machine output goes to standard output, everything else to standard error.
///
/// # Errors
/// When the command fails; what is wrong is not printed yet.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Backfill(arguments) => backfill::run(arguments),
        Command::Alerts(arguments) => alerts::run(&arguments),
        Command::Fit(arguments) => fit::run(&arguments),
        Command::Backtest(arguments) => backtest::run(&arguments),
        Command::Insights(arguments) => insights::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Topics(arguments) => topics::run(&arguments),
        Command::Reshard(arguments) => reshard::run(&arguments),
        Command::Snapshot(arguments) => snapshot::run(&arguments),
        Command::User(arguments) => user::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    }
}

/// The files that arguments name.
fn inputs(names: &[String], settings: &Settings) -> Result<Vec<Input>, Failure> {
    let inputs: Result<Vec<Input>, _> = names.iter().map(|name| Input::from_argument(name, settings.input.format)).collect();
    inputs.map_err(|error| Failure::Usage(error.into()))
}

/// Writes `text` and a line end to standard output. A reader that has gone away, as `head` does, is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    is_over(output.write_all(text.as_bytes()).and_then(|()| output.write_all(b"\n")).and_then(|()| output.flush())).map(|_| ())
}

/// Whether a write to standard output found that nobody reads it any more.
fn is_over(written: io::Result<()>) -> Result<bool, Failure> {
    match written {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
        Err(error) => Err(Failure::running(error)),
    }
}
