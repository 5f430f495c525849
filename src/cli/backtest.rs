//! `stickiness backtest`: how well a model would have told lapses on past days.

mod chart;
mod report;
mod table;

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Failure;
use super::histories::{FEWEST_USERS, HistoryArguments};
use super::settings::{ConfigArgument, day};
use crate::io::files::LineFile;
use crate::model::churn::backtest::{Origin, Plan, Scores, TrackedWeek, backtest, tracking};
use crate::model::churn::{ChurnModel, ProcessKind, TimeUnit};
use crate::model::histories::Histories;
use crate::model::time::Day;

/// Fit a churn model to the past in files, judge it on the days after, and print how it did beside rules without a model
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stickiness backtest --split 2026-03-31 --until 2026-06-30 --html report.html events.ndjson")]
pub(super) struct BacktestArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Fit to what was known at the end of this day
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    split: Day,
    /// Judge the days after the split up to this one
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    until: Day,
    /// Cut the days after the split into this many horizons, and fit before each of them anew
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=365))]
    origins: u16,
    /// Write a report with a calibration plot, a tracking plot and lift curves to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    histories: HistoryArguments,
}

/// What is printed for programs.
#[derive(Debug, Serialize)]
struct Backtest {
    process: ProcessKind,
    model: ChurnModel,
    unit: TimeUnit,
    split: String,
    until: String,
    horizon_days: u16,
    /// By time; at least one.
    origins: Vec<Origin>,
    /// Means over the origins of every figure that all of them have.
    mean: Value,
    /// Of the first origin.
    tracking: Vec<TrackedWeek>,
}

/// The model, or a rule that it stands beside.
struct Rule {
    /// The field for programs.
    name: &'static str,
    /// The title for people.
    title: &'static str,
    /// The class of its line in charts.
    class: &'static str,
    of: fn(&Origin) -> &Scores,
}

/// The model first.
const RULES: [Rule; 4] = [
    Rule { name: "model", title: "model", class: "model", of: |origin| &origin.model },
    Rule { name: "recency_sort", title: "recency sort", class: "recency", of: |origin| &origin.recency_sort },
    Rule { name: "frequency_sort", title: "frequency sort", class: "frequency", of: |origin| &origin.frequency_sort },
    Rule { name: "fixed_silence", title: "fixed silence", class: "silence", of: |origin| &origin.fixed_silence },
];

/// A figure of a rule.
struct Figure {
    /// The field for programs.
    name: &'static str,
    /// The title for people, who see so many decimals.
    title: &'static str,
    decimals: usize,
    of: fn(&Scores) -> Option<f64>,
}

const FIGURES: [Figure; 10] = [
    Figure { name: "auc", title: "AUC", decimals: 3, of: |scores| scores.auc },
    Figure { name: "brier", title: "Brier score", decimals: 4, of: |scores| scores.brier },
    Figure { name: "log_loss", title: "log loss", decimals: 4, of: |scores| scores.log_loss },
    Figure { name: "calibration_error", title: "calibration error", decimals: 4, of: |scores| scores.calibration_error },
    Figure { name: "expected", title: "expected days", decimals: 0, of: |scores| scores.expected },
    Figure { name: "mean_absolute_error", title: "mean absolute error", decimals: 3, of: |scores| scores.mean_absolute_error },
    Figure { name: "top_decile_lift", title: "top-decile lift", decimals: 2, of: |scores| scores.top_decile_lift },
    Figure { name: "precision", title: "precision of flagged", decimals: 3, of: |scores| scores.precision },
    Figure { name: "recall", title: "recall of flagged", decimals: 3, of: |scores| scores.recall },
    Figure { name: "days_of_warning", title: "days of warning", decimals: 1, of: |scores| scores.warning.map(|warning| warning.days) },
];

impl Figure {
    /// As people see it for a rule; a dash where there is none.
    fn shown(&self, rule: &Rule, origin: &Origin) -> String {
        (self.of)((rule.of)(origin)).map_or_else(|| "-".to_owned(), |figure| format!("{figure:.*}", self.decimals))
    }
}

pub(super) fn run(arguments: &BacktestArguments) -> Result<(), Failure> {
    let settings = arguments.config.read()?;
    let horizon_days = arguments.horizon_days()?;
    let plan = Plan {
        kind: arguments.histories.kind(),
        process: arguments.histories.process(&settings),
        high: settings.engine.churn.high,
        least_users: FEWEST_USERS,
    };
    let histories = arguments.histories.read(&settings, arguments.until)?;
    let result = arguments.judged(&histories, &plan, horizon_days)?;
    eprint!("{}", table::table(&result));
    if let Some(path) = &arguments.html {
        let mut file = LineFile::create(path).map_err(Failure::running)?;
        file.write(report::html(&result).as_bytes()).map_err(Failure::running)?;
        file.finish().map_err(Failure::running)?;
        eprintln!("report written to {}", path.display());
    }
    super::print(&serde_json::to_string(&result).map_err(Failure::running)?)
}

impl BacktestArguments {
    /// The days of one horizon.
    fn horizon_days(&self) -> Result<u16, Failure> {
        let days = self.until.days_since(self.split) / i32::from(self.origins);
        u16::try_from(days).ok().filter(|days| (1..=3650).contains(days)).ok_or_else(|| {
            Failure::Usage(anyhow!(
                "--until must be at least one day and at most 3650 days an origin after --split, with {} origins",
                self.origins
            ))
        })
    }

    fn judged(&self, histories: &Histories, plan: &Plan, horizon_days: u16) -> Result<Backtest, Failure> {
        let origin = |index: u16| {
            let split = self.split + i32::from(index) * i32::from(horizon_days);
            let failed = |reason| Failure::Running(anyhow!("no {} can be fitted up to {split}: {reason}", plan.process.model.name()));
            backtest(histories, plan, split, horizon_days).map_err(failed)
        };
        let origins = (0..self.origins).map(origin).collect::<Result<Vec<Origin>, Failure>>()?;
        Ok(Backtest {
            process: plan.kind,
            model: plan.process.model,
            unit: plan.process.unit,
            split: self.split.to_string(),
            until: self.until.to_string(),
            horizon_days,
            mean: means(&origins),
            tracking: tracking(histories, plan, &origins[0].fit, self.split, self.until),
            origins,
        })
    }
}

/// Means of the figures of each rule; `null` where an origin has none.
#[expect(clippy::cast_precision_loss, reason = "at most 365 origins")]
fn means(origins: &[Origin]) -> Value {
    let mean = |figure: &Figure, rule: &Rule| {
        let sum: Option<f64> = origins.iter().map(|origin| (figure.of)((rule.of)(origin))).sum();
        sum.map(|sum| sum / origins.len() as f64)
    };
    let figures = |rule: &Rule| FIGURES.iter().map(|figure| (figure.name.to_owned(), json!(mean(figure, rule)))).collect::<Map<_, _>>();
    RULES.iter().map(|rule| (rule.name.to_owned(), Value::Object(figures(rule)))).collect::<Map<_, _>>().into()
}
