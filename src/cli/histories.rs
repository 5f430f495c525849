//! What `fit` and `backtest` have in common: a process, a model, and histories read from files.

use anyhow::anyhow;
use clap::{Args, ValueEnum};

use super::Failure;
use crate::config::Settings;
use crate::io::files::{FileRecords, Progress};
use crate::io::histories::read_histories;
use crate::model::churn::{ChurnModel, ChurnProcess, ProcessKind, TimeUnit};
use crate::model::histories::Histories;
use crate::model::time::Day;

/// Fewest users that a command fits to: four parameters of fewer are chance.
pub(super) const FEWEST_USERS: u64 = 50;

/// The process, the model and the inputs.
#[derive(Args, Debug)]
pub(super) struct HistoryArguments {
    /// What makes the days of a habit
    #[arg(long, value_enum, default_value_t = ProcessArgument::Purchase)]
    process: ProcessArgument,
    /// The model; by default that of the settings
    #[arg(long, value_enum)]
    model: Option<ModelArgument>,
    /// The unit of alpha; by default that of the settings
    #[arg(long, value_enum)]
    unit: Option<UnitArgument>,
    /// Files of events: .csv, .ndjson, .jsonl or .json, each also .gz or .zst; `-` is standard input in `input.format`
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ProcessArgument {
    /// Distinct active days
    Activity,
    /// Distinct days with an order that stands
    Purchase,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModelArgument {
    /// A user may drop out after every day
    MbgNbd,
    /// A user seen once cannot have dropped out
    BgNbd,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum UnitArgument {
    /// Calendar days
    Day,
    /// Seven days
    Week,
}

impl HistoryArguments {
    /// The process that is meant.
    pub(super) fn kind(&self) -> ProcessKind {
        match self.process {
            ProcessArgument::Activity => ProcessKind::Activity,
            ProcessArgument::Purchase => ProcessKind::Purchase,
        }
    }

    /// The process of the settings, with the model and the unit that the arguments name.
    pub(super) fn process(&self, settings: &Settings) -> ChurnProcess {
        let process = settings.engine.churn.of(self.kind()).process;
        let model = self.model.map_or(process.model, |model| match model {
            ModelArgument::MbgNbd => ChurnModel::MbgNbd,
            ModelArgument::BgNbd => ChurnModel::BgNbd,
        });
        let unit = self.unit.map_or(process.unit, |unit| match unit {
            UnitArgument::Day => TimeUnit::Day,
            UnitArgument::Week => TimeUnit::Week,
        });
        ChurnProcess { model, unit, ..process }
    }

    /// Reads every event up to and including `until`.
    pub(super) fn read(&self, settings: &Settings, until: Day) -> Result<Histories, Failure> {
        let inputs = super::inputs(&self.inputs, settings)?;
        let (decoder, progress) = (settings.decoder(), Progress::new(&inputs));
        let (histories, counts) =
            read_histories(settings, FileRecords::new(inputs, &decoder, progress), until).map_err(Failure::running)?;
        eprintln!("{} records, {} refused, {} after {until}", counts.records, counts.refused, counts.after_until);
        if histories.span(self.kind()).is_none() {
            let wanted = match self.kind() {
                ProcessKind::Activity => "an active day",
                ProcessKind::Purchase => "an order (which types are orders is said by input.types)",
            };
            return Err(Failure::Running(anyhow!("nobody has {wanted} up to {until}")));
        }
        Ok(histories)
    }
}
