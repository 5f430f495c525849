//! `stickiness fit`: parameters of the churn models from files.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use serde_json::{Map, Value, json};

use super::Failure;
use super::histories::{FEWEST_USERS, HistoryArguments};
use super::settings::{ConfigArgument, day};
use crate::io::files::LineFile;
use crate::model::churn::fit::{Degenerate, Fit, fit, weighted};
use crate::model::churn::{ChurnParameters, History, ProcessKind};
use crate::model::histories::history;
use crate::model::spend::fit::{DegenerateSpend, SpendFit, fit as fit_spend};
use crate::model::spend::{Spend, SpendParameters};
use crate::model::time::Day;

/// Fit a churn model to the histories in files by maximum likelihood, and print it as one JSON object
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stickiness fit --until 2026-06-30 events.ndjson")]
pub(super) struct FitArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Fit to what was known at the end of this day
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    until: Day,
    /// Write the object to this file, too
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    histories: HistoryArguments,
}

pub(super) fn run(arguments: &FitArguments) -> Result<(), Failure> {
    let settings = arguments.config.read()?;
    let process = arguments.histories.process(&settings);
    let kind = arguments.histories.kind();
    let histories = arguments.histories.read(&settings, arguments.until)?;
    let known: Vec<(History, Spend)> =
        histories.up_to(kind, arguments.until).iter().filter_map(|days| history(days, arguments.until)).collect();
    let fitted = fit(process.model, process.unit, &weighted(known.iter().map(|(history, _)| *history), process.unit), FEWEST_USERS);
    let (fit, degenerate) = match fitted {
        Ok(fit) => (fit, None),
        Err(reason @ Degenerate::AtBound { fit, .. }) => (fit, Some(reason.to_string())),
        Err(reason) => return Err(Failure::Running(anyhow!("no {} can be fitted: {reason}", process.model.name()))),
    };
    let spend = (kind == ProcessKind::Purchase).then(|| fit_spend(known.iter().map(|(_, spend)| *spend), FEWEST_USERS));
    let mut model = model_object(&fit, spend.as_ref());
    model.extend(with_names([
        ("model_id", fit.model_id().into()),
        ("process", kind.name().into()),
        ("first_day", histories.span(kind).map(|(first, _)| first.to_string()).into()),
        ("until", arguments.until.to_string().into()),
        ("repeats", known.iter().map(|(history, _)| u64::from(history.repeats)).sum::<u64>().into()),
        ("degenerate", degenerate.clone().into()),
        ("spend", spend_object(spend.as_ref())),
    ]));
    for reason in degenerate.into_iter().chain(spend.and_then(|spend| Some(spend.err()?.to_string()))) {
        eprintln!("warning: {reason}");
    }
    write(&Value::Object(model), arguments.output.as_deref())
}

/// To the file, when there is one, and to standard output.
fn write(model: &Value, output: Option<&Path>) -> Result<(), Failure> {
    if let Some(path) = output {
        let mut file = LineFile::create(path).map_err(Failure::running)?;
        file.write_json(model).map_err(Failure::running)?;
        file.finish().map_err(Failure::running)?;
    }
    super::print(&model.to_string())
}

fn with_names<const N: usize>(fields: [(&str, Value); N]) -> impl Iterator<Item = (String, Value)> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value))
}

/// The fields that the contract names, in its order.
fn model_object(fit: &Fit, spend: Option<&Result<SpendFit, DegenerateSpend>>) -> Map<String, Value> {
    let ChurnParameters { r, alpha, a, b } = fit.parameters;
    let parameters = spend.and_then(best_spend).map(|fit| fit.parameters);
    let of = |value: fn(&SpendParameters) -> f64| Value::from(parameters.as_ref().map(value));
    with_names([
        ("model", fit.model.name().into()),
        ("unit", fit.unit.name().into()),
        ("r", r.into()),
        ("alpha", alpha.into()),
        ("a", a.into()),
        ("b", b.into()),
        ("log_likelihood", fit.log_likelihood.into()),
        ("users", fit.users.into()),
        ("p", of(|spend| spend.p)),
        ("q", of(|spend| spend.q)),
        ("v", of(|spend| spend.v)),
    ])
    .collect()
}

/// The fit, or the best inside the bounds.
fn best_spend(spend: &Result<SpendFit, DegenerateSpend>) -> Option<SpendFit> {
    match spend {
        Ok(fit) | Err(DegenerateSpend::AtBound { fit, .. }) => Some(*fit),
        Err(DegenerateSpend::TooFewBuyers { .. }) => None,
    }
}

fn spend_object(spend: Option<&Result<SpendFit, DegenerateSpend>>) -> Value {
    let Some(spend) = spend else { return Value::Null };
    let fit = best_spend(spend);
    json!({
        "log_likelihood": fit.map(|fit| fit.log_likelihood),
        "buyers": fit.map(|fit| fit.buyers),
        "degenerate": spend.as_ref().err().map(ToString::to_string),
    })
}
