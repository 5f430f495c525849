//! How well a model would have told lapses on past days, beside rules that need no model.
//!
//! At an origin, everything known up to a day is fitted, and every user is judged by the days of the horizon after it: a user *lapsed* without any. The
//! rules are sorts by silence and by repeats, and a fixed silence. They say no probabilities of their own; these are learned from the horizon before the
//! origin, as someone who has only the rule would: the share that lapsed among users with a like score one horizon earlier.

mod rules;
mod scores;
mod tracking;
mod warning;

use serde::Serialize;

use super::fit::{Degenerate, Fit, fit, weighted};
use super::{ChurnProcess, History, ProcessKind};
use crate::model::histories::{Histories, Judged, history};
use crate::model::time::Day;
use rules::{Learned, Rule};
pub use scores::{CalibrationBin, LiftPoint, Scores};
use scores::{Judgement, judge};
pub use tracking::TrackedWeek;
use tracking::track;
pub use warning::Warning;
use warning::{Silence, by_model, by_repeats, by_silence, silences};

/// What is tried.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Whose days are looked at.
    pub kind: ProcessKind,
    /// Model, unit and lapse; its parameters and horizon are replaced by those of each origin.
    pub process: ChurnProcess,
    /// The risk from which a user is flagged.
    pub high: f64,
    /// Fewest users to fit to.
    pub least_users: u64,
}

/// One day up to which a model was fitted, and how it did after it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Origin {
    /// The last day that was fitted.
    pub split: String,
    /// The last day that was judged.
    pub until: String,
    /// Days judged.
    pub horizon_days: u16,
    /// Users judged: those with a day up to the split.
    pub users: usize,
    /// Those without a day in the horizon.
    pub lapsed: usize,
    /// Their days in the horizon.
    pub actual: usize,
    /// The fit to the days up to the split.
    pub fit: Fit,
    /// Why the fit's parameters mean little, if so.
    pub degenerate: Option<String>,
    /// How the fitted model did.
    pub model: Scores,
    /// Users who have been silent longer are likelier to lapse.
    pub recency_sort: Scores,
    /// Users with fewer repeats are likelier to lapse.
    pub frequency_sort: Scores,
    /// Users silent for more than the lapse are lost, others are not.
    pub fixed_silence: Scores,
}

/// A user at the origin, and the number of days within the horizon.
struct Sample {
    history: History,
    days: usize,
}

/// What is known one horizon before an origin, to learn from: users with what came of them by the origin, and the fit of then.
struct Earlier {
    samples: Vec<Sample>,
    process: Option<ChurnProcess>,
    silences: Vec<Silence>,
}

/// Fits up to and including `split`, and judges the `horizon_days` after it.
///
/// # Errors
/// When there is nothing to fit.
pub fn backtest(histories: &Histories, plan: &Plan, split: Day, horizon_days: u16) -> Result<Origin, Degenerate> {
    let judged = histories.judged(plan.kind, split, split + i32::from(horizon_days));
    let samples = samples(&judged, split);
    let (process, fit, degenerate) = fitted(plan, horizon_days, &samples)?;
    let earlier = Earlier::new(histories, plan, split, horizon_days, &judged);
    let flagged = samples.iter().filter(|sample| process.risk(&sample.history) >= plan.high).count();
    let ahead = f64::from(horizon_days);
    let judgement = |sample: &Sample| {
        let risk = process.risk(&sample.history);
        Judgement { score: risk, probability: Some(risk), expected: Some(process.expected_days(&sample.history, ahead)), days: sample.days }
    };
    let model = judge(samples.iter().map(judgement).collect(), flagged);
    let warning = earlier.process.and_then(|process| by_model(&earlier.silences, &process));
    let lapse = process.lapse_days;
    Ok(Origin {
        split: split.to_string(),
        until: (split + i32::from(horizon_days)).to_string(),
        horizon_days,
        users: samples.len(),
        lapsed: samples.iter().filter(|sample| sample.days == 0).count(),
        actual: samples.iter().map(|sample| sample.days).sum(),
        fit,
        degenerate,
        model: Scores { warning, ..model },
        recency_sort: earlier.judge(Rule::Silence, &samples, flagged, by_silence(&earlier.silences, horizon_days)),
        frequency_sort: earlier.judge(Rule::Repeats, &samples, flagged, by_repeats(&earlier.silences, horizon_days)),
        fixed_silence: earlier.judge(Rule::Longer(lapse), &samples, flagged, by_silence(&earlier.silences, horizon_days)),
    })
}

/// Weeks since the first day of all, with the repeat days of the users known at the split up to `until`, and those that the fit expected of them.
#[must_use]
pub fn tracking(histories: &Histories, plan: &Plan, fit: &Fit, split: Day, until: Day) -> Vec<TrackedWeek> {
    let judged = histories.judged(plan.kind, split, until);
    let process = ChurnProcess { parameters: fit.parameters, model: fit.model, unit: fit.unit, ..plan.process };
    track(&judged, &process, until)
}

fn samples(judged: &[Judged], split: Day) -> Vec<Sample> {
    let sample = |user: &Judged| history(&user.before, split).map(|(history, _)| Sample { history, days: user.after.len() });
    judged.iter().filter_map(sample).collect()
}

/// The process with the parameters of a fit, the fit, and why it means little.
fn fitted(plan: &Plan, horizon_days: u16, samples: &[Sample]) -> Result<(ChurnProcess, Fit, Option<String>), Degenerate> {
    let ChurnProcess { model, unit, .. } = plan.process;
    let histories = weighted(samples.iter().map(|sample| sample.history), unit);
    let (fit, reason) = match fit(model, unit, &histories, plan.least_users) {
        Ok(fit) => (fit, None),
        Err(reason @ Degenerate::AtBound { fit, .. }) => (fit, Some(reason.to_string())),
        Err(reason) => return Err(reason),
    };
    Ok((ChurnProcess { parameters: fit.parameters, horizon_days, ..plan.process }, fit, reason))
}

impl Earlier {
    fn new(histories: &Histories, plan: &Plan, split: Day, horizon_days: u16, judged: &[Judged]) -> Self {
        let before = split - i32::from(horizon_days);
        let samples = samples(&histories.judged(plan.kind, before, split), before);
        let process = fitted(plan, horizon_days, &samples).ok().map(|(process, ..)| process);
        Self { samples, process, silences: silences(judged, before, split) }
    }

    /// Judges a rule with what it would have learned; without anyone to learn from, it has a score alone.
    fn judge(&self, rule: Rule, samples: &[Sample], flagged: usize, warning: Option<Warning>) -> Scores {
        let learned = Learned::new(rule, self.samples.iter().map(|sample| (sample.history, sample.days)));
        let judgement = |sample: &Sample| {
            let told = learned.of(&sample.history);
            let (probability, expected) = (told.map(|told| told.lapsed), told.map(|told| told.days));
            Judgement { score: rule.score(&sample.history), probability, expected, days: sample.days }
        };
        // A fixed silence says itself whom it flags.
        let flagged = match rule {
            Rule::Longer(_) => samples.iter().filter(|sample| rule.score(&sample.history) > 0.0).count(),
            Rule::Silence | Rule::Repeats => flagged,
        };
        Scores { warning, ..judge(samples.iter().map(judgement).collect(), flagged) }
    }
}

#[cfg(test)]
mod tests;
