//! Predictions whose horizon is over are scored by what came, in slices between events, once for each day that closes.
//!
//! Nothing is kept of what was predicted: it is worked out again from what is known of the user's days up to then, and from the process that judged then.

use serde::{Deserialize, Serialize};

use super::component::Slot;
use super::habit::Habit;
use super::partial::Partial;
use super::partition::PartitionEngine;
use super::risk::{Known, PROCESSES};
use super::sweep::Sweep;
use crate::model::churn::calibration::Calibration;
use crate::model::churn::refit::FittedModel;
use crate::model::churn::settings::ChurnSettings;
use crate::model::churn::{ChurnProcess, ProcessKind};
use crate::model::time::Day;

/// About so many users of a partition are scored.
const SAMPLE: usize = 100_000;
/// Days back from the newest whose active days are surely remembered, and all that came since.
const REMEMBERED_DAYS: i32 = 150;

/// By which process each day was judged when it closed, for as many days as can be scored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct PastJudges {
    /// Of each process, in the order of [`PROCESSES`]: from the close of which day on, ascending.
    by_day: [Vec<(Day, ChurnProcess)>; 2],
}

impl PastJudges {
    /// Notes by what a day that closes is judged.
    pub(super) fn note(&mut self, day: Day, churn: &ChurnSettings) {
        for (kind, judges) in PROCESSES.into_iter().zip(&mut self.by_day) {
            let process = churn.of(kind).process;
            if judges.last().is_none_or(|(_, last)| *last != process) {
                judges.push((day, process));
            }
            let old = judges.partition_point(|(from, _)| *from <= day - 2 * REMEMBERED_DAYS);
            judges.drain(..old.saturating_sub(1));
        }
    }

    /// What judged a process at the close of `day`; `None` when no such close is known.
    fn on(&self, kind: ProcessKind, day: Day) -> Option<ChurnProcess> {
        let index = PROCESSES.iter().position(|process| *process == kind)?;
        self.by_day[index].iter().rfind(|(from, _)| *from <= day).map(|(_, process)| *process)
    }

    /// Whether the formulas take every parameter.
    pub(super) fn are_usable(&self) -> bool {
        PROCESSES
            .into_iter()
            .zip(&self.by_day)
            .all(|(kind, judges)| judges.iter().all(|(_, process)| FittedModel::of(kind, process).is_usable()))
    }
}

/// A scoring that goes on.
#[derive(Debug, Default)]
pub(super) struct Scoring {
    sweep: Sweep,
    /// One user in so many is scored.
    one_in: u64,
    judges: [Option<ChurnProcess>; 2],
    scores: [Calibration; 2],
}

/// Whether an id is one of the sample: the same in every process.
fn is_sampled(id: &str, one_in: u64) -> bool {
    // The hash that places users in partitions would leave out whole partitions.
    one_in <= 1 || u64::from(crc32fast::hash(id.as_bytes())).is_multiple_of(one_in)
}

impl PartitionEngine {
    /// Scores the next `users` by the newest closed day; a scoring that has begun is ended first.
    pub(super) fn score_predictions(&mut self, users: u32) {
        let Some(closed) = self.state.closed_through else { return };
        let mut scoring = std::mem::take(&mut self.ahead.scoring);
        if scoring.sweep.is_due(closed) {
            scoring = self.begin_scoring(closed);
        }
        if let Some((day, slots)) = scoring.sweep.slice(users, self.state.population.slots()) {
            for slot in slots {
                self.score(slot, day, &mut scoring);
            }
            if scoring.sweep.is_over() {
                self.tell_scores(day, &scoring.scores);
            }
        }
        self.ahead.scoring = scoring;
    }

    fn begin_scoring(&self, day: Day) -> Scoring {
        let one_in = self.state.population.len().div_ceil(SAMPLE) as u64;
        Scoring { sweep: Sweep::begin(day), one_in, judges: PROCESSES.map(|kind| self.past_judge(kind, day)), ..Scoring::default() }
    }

    /// What judged when the day closed whose horizon is over with `day`; `None` when nothing did, with this horizon, or when too little is remembered
    /// of what was known then.
    fn past_judge(&self, kind: ProcessKind, day: Day) -> Option<ChurnProcess> {
        let horizon = self.churn.of(kind).process.horizon_days;
        let then = day - i32::from(horizon);
        let process = self.state.past_judges.on(kind, then).filter(|process| process.horizon_days == horizon)?;
        let remembers = self.state.newest_day.is_none_or(|newest| newest.days_since(then) <= REMEMBERED_DAYS);
        let unfolded = kind == ProcessKind::Activity || self.first_needed().is_none_or(|needed| needed <= then + 1);
        (remembers && unfolded).then_some(process)
    }

    fn score(&self, slot: Slot, day: Day, scoring: &mut Scoring) {
        let population = &self.state.population;
        let is_one =
            scoring.judges.iter().any(Option::is_some) && population.is_root(slot) && is_sampled(population.id(slot), scoring.one_in);
        if !is_one {
            return;
        }
        let habit = population.whole(slot);
        for ((kind, process), scores) in PROCESSES.into_iter().zip(scoring.judges).zip(&mut scoring.scores) {
            if let Some(process) = process {
                score(&habit, kind, (&process, day), scores);
            }
        }
    }

    fn tell_scores(&mut self, day: Day, scores: &[Calibration; 2]) {
        for (process, scores) in PROCESSES.into_iter().zip(scores) {
            self.closed_rows.push(Partial::Calibration { process, day, scores: Box::new(*scores) });
        }
    }
}

/// Scores what was predicted of a user whose horizon is over with `day`, if the user had a level then and was not churned.
fn score(habit: &Habit, kind: ProcessKind, (process, day): (&ChurnProcess, Day), scores: &mut Calibration) {
    let then = day - i32::from(process.horizon_days);
    let Known { seen: Some(seen), circumstances, next, .. } = Known::of(kind, habit, then) else { return };
    let history = seen.history(then);
    if circumstances.departed.is_none() && history.silent_days <= i32::from(process.lapse_days) {
        scores.add(process.risk(&history), next.is_some_and(|next| next <= day));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::churn::ChurnParameters;

    fn day(number: i32) -> Day {
        Day::from_number(number)
    }

    #[test]
    fn each_day_is_judged_by_what_was_in_force_when_it_closed() {
        let (mut past, mut churn) = (PastJudges::default(), ChurnSettings::default());
        let prior = churn.activity.process;
        past.note(day(10), &churn);
        past.note(day(11), &churn);
        churn.activity.process = prior.with(ChurnParameters { r: 2.0, ..prior.parameters });
        past.note(day(12), &churn);
        let on = |number| past.on(ProcessKind::Activity, day(number));
        assert_eq!(
            [on(9), on(10), on(11), on(12), on(99)],
            [None, Some(prior), Some(prior), Some(churn.activity.process), Some(churn.activity.process)]
        );
        assert_eq!(past.on(ProcessKind::Purchase, day(99)), Some(churn.purchase.process));
        assert!(past.are_usable());
        churn.purchase.process.parameters.b = f64::NAN;
        past.note(day(13), &churn);
        assert!(!past.are_usable());
    }

    #[test]
    fn judges_are_forgotten_when_no_day_of_theirs_can_be_scored() {
        let (mut past, mut churn) = (PastJudges::default(), ChurnSettings::default());
        for number in 0..1000 {
            churn.activity.process.parameters.r = f64::from(number + 1);
            past.note(day(number), &churn);
        }
        assert_eq!(past.by_day[0].len(), 301);
        assert_eq!(past.by_day[1], [(day(0), churn.purchase.process)]);
        let oldest = past.on(ProcessKind::Activity, day(999 - 150)).map(|process| process.parameters.r);
        assert_eq!(oldest, Some(f64::from(999 - 150 + 1)));
    }

    #[test]
    fn a_sample_is_about_one_user_in_so_many() {
        let sampled = |one_in| (0..10_000).filter(|number| is_sampled(&format!("user-{number}"), one_in)).count();
        assert_eq!([sampled(0), sampled(1)], [10_000; 2]);
        assert!(sampled(4).abs_diff(2_500) < 250, "{}", sampled(4));
    }
}
