//! The alarms of each threshold as JSON and as a table.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::engine::alerts::tuning::{Alarm, Trial, Tuning};
use crate::model::time::Day;

/// Alarms that a row of the table names.
const NAMED: usize = 4;

/// What was replayed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) first: Day,
    pub(super) last: Day,
    /// Days from the first to the last, those without data included when they are known.
    pub(super) days: usize,
    /// Days that could be judged.
    pub(super) judged: usize,
}

impl Span {
    #[expect(clippy::cast_precision_loss, reason = "counts of alarms and days")]
    fn a_year(self, alarms: usize) -> Option<f64> {
        (self.judged > 0).then(|| alarms as f64 * 365.25 / self.judged as f64)
    }
}

pub(super) fn json(tuning: &Tuning, span: Span) -> Value {
    let trials = |setting: &str, trials: &[Trial]| -> Value {
        let one = |trial: &Trial| {
            json!({
                "setting": setting,
                "value": trial.threshold,
                "is_set": trial.is_set,
                "alarms_per_year": span.a_year(trial.alarms.len()),
                "alarms": trial.alarms.iter().map(alarm).collect::<Vec<_>>(),
            })
        };
        trials.iter().map(one).collect()
    };
    json!({
        "from": span.first.to_string(),
        "to": span.last.to_string(),
        "days": span.days,
        "judged_days": span.judged,
        "churn_spike": trials("alerts.fire_p", &tuning.spikes),
        "return_deficit": trials("alerts.cusum_h", &tuning.deficits),
    })
}

fn alarm(alarm: &Alarm) -> Value {
    let raised = &alarm.raised;
    json!({
        "level": raised.labels.level.map(crate::engine::alerts::RiskLevel::name),
        "starts": raised.starts.to_string(),
        "raised": raised.day.to_string(),
        "ends": alarm.ends.map(|ends| ends.to_string()),
        "severity": raised.severity.name(),
        "observed": raised.observed,
        "expected": raised.expected,
        "upper": raised.upper,
        "p_value": raised.p_value,
        "at_risk": raised.at_risk,
    })
}

pub(super) fn table(tuning: &Tuning, span: Span) -> String {
    let Span { first, last, days, judged } = span;
    let mut text = format!("{first} to {last}: {days} days, {judged} of them judged\n");
    for (title, setting, trials) in [("churn_spike", "fire_p", &tuning.spikes), ("return_deficit", "cusum_h", &tuning.deficits)] {
        _ = writeln!(text, "\n{title}\n{setting:>10}  alarms  a year  the first ones");
        for trial in trials {
            let a_year = span.a_year(trial.alarms.len()).map_or_else(|| "-".to_owned(), |alarms| format!("{alarms:.1}"));
            let mark = if trial.is_set { '*' } else { ' ' };
            let named: Vec<String> = trial.alarms.iter().take(NAMED).map(named).collect();
            let more = trial.alarms.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(", {more} more") } else { String::new() };
            _ = writeln!(text, "{mark}{:>9}  {:>6}  {a_year:>6}  {}{more}", trial.threshold, trial.alarms.len(), named.join(", "));
        }
    }
    text.push_str("\n* is what is set\n");
    text
}

fn named(alarm: &Alarm) -> String {
    let raised = &alarm.raised;
    let level = raised.labels.level.map(|level| format!(" {}", level.name())).unwrap_or_default();
    format!("{}{level} {} for {:.1}", raised.day, raised.observed, raised.expected)
}
