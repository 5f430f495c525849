//! What judgements cost most, remembered by history: few histories are unlike all others, and each takes a dozen logarithms and exponentials.

use std::sync::Arc;

use super::ProcessKind;
use super::level::{Circumstances, Judgement, Seen};
use super::settings::ChurnSettings;
use super::{History, level::Likelihood};
use crate::model::time::Day;

/// Histories that are remembered at most; each has one place, which the newest takes.
const PLACES: usize = 1 << 14;

/// Answers to questions that come again, the same as they would be computed. They are those of one [`ChurnSettings`]: asked by another, as after a
/// change of settings or models, it forgets.
#[derive(Debug, Default)]
pub struct Memory {
    /// Whose answers they are. Held, so that no other can have its address.
    of: Option<Arc<ChurnSettings>>,
    /// Empty until the first question.
    places: Vec<Option<Answer>>,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    kind: ProcessKind,
    history: History,
    likelihood: Likelihood,
    /// The days of silence at which the risk brings the next level, once asked for.
    next: Option<i32>,
}

impl Memory {
    /// As [`ChurnSettings::judge`].
    pub fn judge(
        &mut self,
        churn: &Arc<ChurnSettings>,
        kind: ProcessKind,
        seen: Seen,
        circumstances: Circumstances,
        day: Day,
    ) -> Judgement {
        let history = seen.history(day);
        let likelihood = self.answer(churn, kind, history).likelihood;
        churn.judgement(kind, likelihood, (seen, circumstances), day)
    }

    /// The same, and [`ChurnSettings::next_change`] of it.
    pub fn judge_ahead(
        &mut self,
        churn: &Arc<ChurnSettings>,
        kind: ProcessKind,
        seen: Seen,
        circumstances: Circumstances,
        day: Day,
    ) -> (Judgement, Option<Day>) {
        let answer = self.answer(churn, kind, seen.history(day));
        let judged = churn.judgement(kind, answer.likelihood, (seen, circumstances), day);
        let next = churn.next_change_after(kind, &judged, || *answer.next.get_or_insert_with(|| churn.silence_of_next(kind, &judged)));
        (judged, next)
    }

    fn answer(&mut self, churn: &Arc<ChurnSettings>, kind: ProcessKind, history: History) -> &mut Answer {
        if self.of.as_ref().is_none_or(|of| !Arc::ptr_eq(of, churn)) {
            self.of = Some(Arc::clone(churn));
            self.places = vec![None; PLACES];
        }
        let place = &mut self.places[place_of(kind, history)];
        if place.as_ref().is_none_or(|answer| answer.kind != kind || answer.history != history) {
            *place = None;
        }
        place.get_or_insert_with(|| Answer { kind, history, likelihood: churn.likelihood(kind, &history), next: None })
    }
}

/// Neighbours lie side by side: most histories differ by a day or two.
fn place_of(kind: ProcessKind, history: History) -> usize {
    let History { repeats, recency_days, silent_days } = history;
    let mixed = repeats.wrapping_mul(0x9e37_79b1) ^ recency_days.cast_unsigned().wrapping_mul(0x85eb_ca77);
    let mixed = (mixed ^ (mixed >> 15)).wrapping_add(silent_days.cast_unsigned().wrapping_mul(0xc2b2_ae3d)) ^ kind as u32;
    (mixed ^ (mixed >> 13)) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_settings_are_other_answers() {
        let mut memory = Memory::default();
        let seen = Seen { first: Day::from_number(0), last: Day::from_number(9), days: 4 };
        let mut churn = Arc::new(ChurnSettings::default());
        for number in 1..5 {
            Arc::make_mut(&mut churn).activity.process.parameters.r = f64::from(number);
            let judged = memory.judge(&churn, ProcessKind::Activity, seen, Circumstances::default(), Day::from_number(12));
            assert_eq!(judged, churn.judge(ProcessKind::Activity, seen, Circumstances::default(), Day::from_number(12)), "{number}");
        }
    }

    #[test]
    fn what_is_remembered_is_what_is_computed() {
        let churn = Arc::new(ChurnSettings::default());
        let mut memory = Memory::default();
        // More histories than there are places, each asked for twice.
        for round in 0..2 {
            for number in 0..40_000 {
                let (kind, _) = ProcessKind::NAMES[number % 2];
                let number = i32::try_from(number).expect("small");
                let (first, last) = (Day::from_number(0), Day::from_number(number % 191));
                let seen = Seen { first, last, days: 1 + u32::try_from(number % 71).expect("positive") };
                let day = last + number % 37;
                let judged = memory.judge(&churn, kind, seen, Circumstances::default(), day);
                assert_eq!(judged, churn.judge(kind, seen, Circumstances::default(), day), "round {round}, {number}");
                let ahead = memory.judge_ahead(&churn, kind, seen, Circumstances::default(), day);
                let next = churn.next_change(kind, &judged);
                assert_eq!(ahead, (judged, next), "round {round}, {number}");
            }
        }
    }
}
