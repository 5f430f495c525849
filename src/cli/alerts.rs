//! `stickiness alerts tune`: which alarms history would have raised.

mod plot;
mod report;

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Subcommand};

use super::settings::ConfigArgument;
use super::{Failure, print};
use crate::config::Settings;
use crate::engine::alerts::history::SilenceHistory;
use crate::engine::alerts::tuning::tune;
use crate::engine::alerts::{AlertSettings, SegmentDay};
use crate::io::daily_series::DailySeries;
use crate::io::files::{FileRecord, FileRecords, Progress};
use crate::model::time::{Calendar, Day};

/// Alerts and what they would have told
#[derive(Args, Debug)]
pub(super) struct AlertsArguments {
    #[command(subcommand)]
    command: AlertsCommand,
}

#[derive(Debug, Subcommand)]
enum AlertsCommand {
    Tune(TuneArguments),
}

/// Replay history and print the alarms that each threshold would have raised
///
/// Events are read as they are, in any order, without late or future checks; ids are taken for users. Silence stands in for risk: a user is
/// likely to leave when silent for more than half the lapse window, churned when silent for more than all of it, and comes back with the
/// probability of those who were as silent before. JSON goes to standard output, a table to standard error.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stickiness alerts tune --html alarms.html events.ndjson
  stickiness alerts tune --series lapses.csv")]
struct TuneArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Days of silence after which a user has churned
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(2..=3650))]
    lapse_days: u16,
    /// A CSV file of `day,count[,at_risk]` instead of events: its counts are judged as entries into churned
    #[arg(long, value_name = "FILE", conflicts_with = "inputs")]
    series: Option<PathBuf>,
    /// Write a page with a plot here
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Files of events: .csv, .ndjson, .jsonl or .json, each also .gz or .zst; `-` is standard input in `input.format`
    #[arg(required_unless_present = "series", value_name = "INPUT")]
    inputs: Vec<String>,
}

pub(super) fn run(arguments: &AlertsArguments) -> Result<(), Failure> {
    match &arguments.command {
        AlertsCommand::Tune(arguments) => run_tune(arguments),
    }
}

fn run_tune(arguments: &TuneArguments) -> Result<(), Failure> {
    let settings = arguments.config.read()?;
    let mut alerts = settings.alerts.clone().unwrap_or_default();
    let days = match &arguments.series {
        Some(path) => {
            let series = DailySeries::read(path).map_err(Failure::running)?;
            if !series.has_at_risk {
                // Nothing is known of the size of the group.
                alerts.rules.minimum_at_risk = 0;
            }
            series.days
        }
        None => days_of_events(&settings, arguments)?,
    };
    let (Some((first, _)), Some((last, _))) = (days.first(), days.last()) else {
        return Err(Failure::Running(anyhow!("there is no day to be judged: no event of the inputs makes anybody active")));
    };
    let span = report::Span { first: *first, last: *last, days: days.len(), judged: judged_days(&days, &alerts) };
    let tuning = tune(&alerts, &days);
    eprint!("{}", report::table(&tuning, span));
    if let Some(path) = &arguments.html {
        let page = plot::page(&tuning, &days, span);
        std::fs::write(path, page).map_err(|error| Failure::Running(anyhow::Error::from(error).context(path.display().to_string())))?;
        eprintln!("plotted in {}", path.display());
    }
    print(&serde_json::to_string_pretty(&report::json(&tuning, span)).map_err(Failure::running)?)
}

/// Days with data before which there is enough history.
fn judged_days(days: &[(Day, SegmentDay)], alerts: &AlertSettings) -> usize {
    let with_data = days.iter().filter(|(_, day)| day.has_data).count();
    with_data.saturating_sub(usize::from(alerts.rules.minimum_history_days))
}

/// The daily series of all events.
fn days_of_events(settings: &Settings, arguments: &TuneArguments) -> Result<Vec<(Day, SegmentDay)>, Failure> {
    let inputs = super::inputs(&arguments.inputs, settings)?;
    let calendar = Calendar::new(&settings.engine.time_zone).map_err(Failure::running)?;
    let decoder = settings.decoder();
    let progress = Progress::new(&inputs);
    let mut records = FileRecords::new(inputs, &decoder, progress);
    let excluded = &settings.engine.excluded_types;
    let mut users: HashMap<Box<str>, Vec<Day>> = HashMap::new();
    let mut refused = 0_u64;
    while let Some(FileRecord { outcome, .. }) = records.next_record().map_err(Failure::running)? {
        let Ok(read) = outcome else {
            refused += 1;
            continue;
        };
        let event = read.event;
        if !event.kind.is_activity() || excluded.iter().any(|name| name == event.kind.name()) {
            continue;
        }
        let day = calendar.day_of(event.time);
        match users.get_mut(event.user_id.as_ref()) {
            Some(days) if days.last() == Some(&day) => {}
            Some(days) => days.push(day),
            None => _ = users.insert(event.user_id.as_ref().into(), vec![day]),
        }
    }
    if refused > 0 {
        eprintln!("{refused} records are no events and are left out");
    }
    Ok(silences(users, arguments.lapse_days))
}

fn silences(mut users: HashMap<Box<str>, Vec<Day>>, lapse_days: u16) -> Vec<(Day, SegmentDay)> {
    for days in users.values_mut() {
        days.sort_unstable();
        days.dedup();
    }
    let active: std::collections::BTreeSet<Day> = users.values().flatten().copied().collect();
    let Some(last) = active.last() else { return Vec::new() };
    let mut history = SilenceHistory::new(lapse_days, *last);
    for days in users.values() {
        history.add_user(days);
    }
    // A day on which nobody at all was active is one whose events are missing.
    history.segment_days(|day| active.contains(&day))
}
