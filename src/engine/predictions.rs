//! Scored predictions of all partitions together.

use std::collections::BTreeMap;

use super::partial::Partial;
use crate::model::churn::ProcessKind;
use crate::model::churn::calibration::Calibration;
use crate::model::time::Day;

/// How predictions of the whole compare with what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scored {
    /// The last day of their horizon.
    pub day: Day,
    /// Users of all partitions.
    pub scores: Calibration,
}

/// The scores that partitions tell: each partition's of its newest day. They add up where those days are the same, because a user lives in exactly one partition.
#[derive(Debug)]
pub struct Predictions {
    partitions: u32,
    told: BTreeMap<(ProcessKind, u32), (Day, Calibration)>,
}

impl Predictions {
    /// Nothing told yet, of `partitions` partitions.
    #[must_use]
    pub fn new(partitions: u32) -> Self {
        Self { partitions, told: BTreeMap::new() }
    }

    /// Takes in what a partition tells, if it is of scores.
    pub fn update(&mut self, partition: u32, partial: &Partial) {
        if let (Partial::Calibration { process, day, scores }, true) = (partial, partition < self.partitions) {
            self.told.insert((*process, partition), (*day, **scores));
        }
    }

    /// Forgets what partitions told.
    pub fn begin_again(&mut self) {
        self.told.clear();
    }

    /// The scores of the whole; `None` before every partition has told of the same day.
    #[must_use]
    pub fn of(&self, process: ProcessKind) -> Option<Scored> {
        let mut whole: Option<Scored> = None;
        for partition in 0..self.partitions {
            let (day, part) = self.told.get(&(process, partition))?;
            let sum = whole.get_or_insert(Scored { day: *day, scores: Calibration::default() });
            if sum.day != *day {
                return None;
            }
            sum.scores.absorb(part);
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(day: i32, risk: f64, came: bool) -> Partial {
        let mut scores = Box::new(Calibration::default());
        scores.add(risk, came);
        Partial::Calibration { process: ProcessKind::Activity, day: Day::from_number(day), scores }
    }

    #[test]
    fn scores_add_up_once_all_partitions_have_told_of_the_same_day() {
        let mut predictions = Predictions::new(2);
        let whole = |predictions: &Predictions| predictions.of(ProcessKind::Activity);
        assert_eq!(whole(&predictions), None);
        predictions.update(0, &told(10, 0.25, true));
        predictions.update(7, &told(10, 0.25, true));
        assert_eq!(whole(&predictions), None, "the other has told nothing");
        predictions.update(1, &told(11, 0.75, true));
        assert_eq!(whole(&predictions), None, "of another day");
        predictions.update(0, &told(11, 0.75, false));
        let scored = whole(&predictions).expect("all have told");
        let near = |told: Option<f64>, expected: f64| told.is_some_and(|told| (told - expected).abs() < 1e-9);
        assert_eq!((scored.day, scored.scores.users()), (Day::from_number(11), 2));
        // Half of two came, of whom a quarter was to: |.75 - .5|; and (.75² + .25²) / 2.
        assert!(near(scored.scores.error(), 0.25) && near(scored.scores.brier(), 0.3125), "{scored:?}");
        assert_eq!(predictions.of(ProcessKind::Purchase), None);
        predictions.begin_again();
        assert_eq!(whole(&predictions), None);
    }
}
