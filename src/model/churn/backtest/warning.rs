//! How early a rule warns, at a precision that one can act on.
//!
//! Each day of a user begins a silence. A silence is *lost* when it reaches the horizon. A rule warns on some day of a silence, or never, and is right when
//! the silence is then lost. A rule's threshold is the one that warns earliest with four warnings in five right; how early that is, is the figure.
//! The model warns when the probability that the silence will be lost, the risk over the days that are left to it, reaches a level.

use serde::Serialize;

use crate::model::churn::{ChurnProcess, History, first_reaching};
use crate::model::histories::Judged;
use crate::model::time::Day;

/// Least share of warnings that must be right.
const PRECISION: f64 = 0.8;
/// Thresholds of probability that are tried: 1 / 50 to 49 / 50.
const LEVELS: u8 = 50;

/// How early a rule warns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Warning {
    /// Mean days between the warning and the end of the horizon over lost silences; 0 for those without a warning.
    pub days: f64,
    /// Its threshold: a probability, days of silence, or repeats.
    pub threshold: f64,
    /// Share of warnings that were right, at least .8.
    pub precision: f64,
    /// Share of lost silences that were warned of.
    pub recall: f64,
    /// Silences looked at.
    pub silences: usize,
}

/// The silence after one day of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Silence {
    repeats: u32,
    recency_days: i32,
    /// Days to the next day; `None` when there was none for as long as is known, which is at least the horizon.
    ended_after: Option<i32>,
}

/// The silences that began after `before`, up to and including `split`, sorted. By the end of the horizon after `split`, each is decided.
pub(super) fn silences(judged: &[Judged], before: Day, split: Day) -> Vec<Silence> {
    let mut silences = Vec::new();
    for user in judged {
        let Some((first, _)) = user.before.first() else { continue };
        let days: Vec<Day> = user.before.iter().chain(&user.after).map(|(day, _)| *day).collect();
        for (repeats, day) in (0..).zip(&days).filter(|(_, day)| **day > before && **day <= split) {
            let next = days.get(repeats as usize + 1).map(|next| next.days_since(*day));
            silences.push(Silence { repeats, recency_days: day.days_since(*first), ended_after: next });
        }
    }
    silences.sort_unstable();
    silences
}

/// By the model: at the smallest silence at which the risk over the rest of the horizon reaches a level.
pub(super) fn by_model(silences: &[Silence], process: &ChurnProcess) -> Option<Warning> {
    let levels = (1..LEVELS).map(|level| f64::from(level) / f64::from(LEVELS));
    let of_level = |level: f64| {
        let horizon = i32::from(process.horizon_days);
        let (form, unit) = (process.closed_form(), process.unit);
        let reach = |silence: &Silence| {
            let Silence { repeats, recency_days, .. } = *silence;
            first_reaching(horizon - 1, |silent_days| {
                let rest = f64::from(horizon - silent_days) / unit.days();
                form.risk(&History { repeats, recency_days, silent_days }.span(unit), rest) >= level
            })
        };
        // Silences are sorted, so those that are alike are judged once.
        let mut warned = Vec::with_capacity(silences.len());
        let mut before: Option<(Silence, Option<i32>)> = None;
        for silence in silences {
            let day = match before {
                Some((known, day)) if (known.repeats, known.recency_days) == (silence.repeats, silence.recency_days) => day,
                _ => reach(silence),
            };
            before = Some((*silence, day));
            warned.push(day);
        }
        measure(silences, &warned, process.horizon_days, level)
    };
    earliest(levels.filter_map(of_level))
}

/// After a fixed number of days.
pub(super) fn by_silence(silences: &[Silence], horizon_days: u16) -> Option<Warning> {
    let of_days = |days: u16| measure(silences, &vec![Some(i32::from(days)); silences.len()], horizon_days, f64::from(days));
    earliest((0..horizon_days).filter_map(of_days))
}

/// At once, for users with at most so many repeats.
pub(super) fn by_repeats(silences: &[Silence], horizon_days: u16) -> Option<Warning> {
    let of_repeats = |most: u32| {
        let warned: Vec<Option<i32>> = silences.iter().map(|silence| (silence.repeats <= most).then_some(0)).collect();
        measure(silences, &warned, horizon_days, f64::from(most))
    };
    earliest((0..20).filter_map(of_repeats))
}

/// The one with the most days of those precise enough.
fn earliest(warnings: impl Iterator<Item = Warning>) -> Option<Warning> {
    warnings.filter(|warning| warning.precision >= PRECISION).max_by(|one, other| one.days.total_cmp(&other.days))
}

/// What comes of warning after so many days of each silence; `None` when no warning is given or no silence is lost.
#[expect(clippy::cast_precision_loss, reason = "counts of silences and days")]
fn measure(silences: &[Silence], warned: &[Option<i32>], horizon_days: u16, threshold: f64) -> Option<Warning> {
    let horizon = i32::from(horizon_days);
    let (mut lost, mut given, mut right, mut days) = (0_u64, 0_u64, 0_u64, 0_i64);
    for (silence, warned) in silences.iter().zip(warned) {
        let is_lost = silence.ended_after.is_none_or(|after| after > horizon);
        lost += u64::from(is_lost);
        // A silence that has ended by then is not warned of.
        let Some(at) = warned.filter(|at| silence.ended_after.is_none_or(|after| after > *at)) else { continue };
        given += 1;
        if is_lost {
            right += 1;
            days += i64::from(horizon - at);
        }
    }
    (given > 0 && lost > 0).then(|| Warning {
        days: days as f64 / lost as f64,
        threshold,
        precision: right as f64 / given as f64,
        recall: right as f64 / lost as f64,
        silences: silences.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::churn::{ChurnModel, ChurnParameters, TimeUnit};
    use crate::model::money::Money;

    fn silence(repeats: u32, ended_after: Option<i32>) -> Silence {
        Silence { repeats, recency_days: i32::try_from(repeats).expect("few") * 5, ended_after }
    }

    #[test]
    fn each_day_begins_a_silence() {
        let days = |numbers: &[i32]| numbers.iter().map(|number| (Day::from_number(*number), Money::ZERO)).collect();
        let judged = [Judged { before: days(&[0, 5, 9]), after: days(&[12, 30]) }];
        let found = silences(&judged, Day::from_number(0), Day::from_number(10));
        let expected =
            [Silence { repeats: 1, recency_days: 5, ended_after: Some(4) }, Silence { repeats: 2, recency_days: 9, ended_after: Some(3) }];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_earliest_precise_threshold_is_taken() {
        // Returns after 3 days, or never: from the third day on, silence is always right.
        let all: Vec<Silence> = (0..10).map(|index| silence(index % 2, (index % 2 == 1).then_some(3))).collect();
        let warning = by_silence(&all, 20).expect("a warning");
        assert_eq!((warning.threshold.to_string().as_str(), warning.days.to_string().as_str(), warning.silences), ("3", "17", 10));
        assert!((warning.precision - 1.0).abs() < 1e-12 && (warning.recall - 1.0).abs() < 1e-12);
        // Those without repeats never return, which a rule by repeats knows at once.
        assert_eq!(by_repeats(&all, 20).map(|warning| (warning.days, warning.threshold)), Some((20.0, 0.0)));
        // When everyone returns, nothing is lost; when half do at the last moment, no rule is precise.
        assert_eq!(by_silence(&[silence(0, Some(3)); 9], 20), None);
        let unclear: Vec<Silence> = (0..10).map(|index| silence(0, (index % 2 == 1).then_some(20))).collect();
        assert_eq!(by_silence(&unclear, 20), None);
    }

    /// By MBG/NBD with r = α = a = 1 and b = 3. Without repeats, a user has dropped out with 1 / 4 at once. Of 200 repeats in 400 days, with 1 / 204 at first,
    /// and with odds of ((401 + t) / 401)^201 / 203 after t days: 1.3 % after two, 2.2 % after three.
    #[test]
    fn the_model_judges_each_history_by_itself() {
        let parameters = ChurnParameters { r: 1.0, alpha: 1.0, a: 1.0, b: 3.0 };
        let process = ChurnProcess { model: ChurnModel::MbgNbd, unit: TimeUnit::Day, parameters, horizon_days: 20, lapse_days: 30 };
        let new = Silence { repeats: 0, recency_days: 0, ended_after: None };
        let frequent = Silence { repeats: 200, recency_days: 400, ended_after: None };
        for (silences, days) in [(vec![new; 3], "20"), (vec![frequent; 3], "17"), (vec![new, new, frequent, frequent], "18.5")] {
            assert_eq!(by_model(&silences, &process).map(|warning| warning.days.to_string()).as_deref(), Some(days), "{silences:?}");
        }
    }
}
