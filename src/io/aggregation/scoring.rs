//! What is observed of predictions that were scored, where this process aggregates.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::partial::Partial;
use crate::engine::predictions::{Predictions, Scored};
use crate::io::observations::Observations;
use crate::model::churn::ProcessKind;

/// The scores of one term of office.
#[derive(Debug)]
pub(super) struct Scoring {
    predictions: Predictions,
    /// The newest of each process.
    scored: BTreeMap<&'static str, Scored>,
    observations: Arc<Observations>,
}

impl Scoring {
    pub(super) fn new(partitions: u32, observations: Arc<Observations>) -> Self {
        Self { predictions: Predictions::new(partitions), scored: BTreeMap::new(), observations }
    }

    /// Takes in what a partition told, if it is of scores.
    pub(super) fn update(&mut self, partition: i32, partial: &Partial) {
        self.predictions.update(partition.cast_unsigned(), partial);
    }

    /// Forgets what partitions told.
    pub(super) fn begin_again(&mut self) {
        self.predictions.begin_again();
        self.scored.clear();
    }

    /// Tells the newest scores. While partitions stand at different days, those of the day before stay.
    pub(super) fn observe(&mut self) {
        for (process, name) in ProcessKind::NAMES {
            if let Some(scored) = self.predictions.of(process) {
                self.scored.insert(name, scored);
            }
        }
        self.observations.set_scored(self.scored.clone());
    }
}

impl Drop for Scoring {
    /// Another process may aggregate from now on.
    fn drop(&mut self) {
        self.observations.set_scored(BTreeMap::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::churn::calibration::Calibration;
    use crate::model::time::Day;

    #[test]
    fn scores_are_observed_for_the_time_in_office() {
        let observations = Arc::new(Observations::default());
        let mut scoring = Scoring::new(2, Arc::clone(&observations));
        let mut scores = Calibration::default();
        scores.add(0.5, true);
        let told =
            |number| Partial::Calibration { process: ProcessKind::Activity, day: Day::from_number(number), scores: Box::new(scores) };
        scoring.update(0, &told(3));
        scoring.observe();
        assert!(observations.scored().is_empty());
        scoring.update(1, &told(3));
        scoring.observe();
        scoring.update(1, &told(4));
        scoring.observe();
        let observed = observations.scored();
        assert_eq!(observed.keys().copied().collect::<Vec<_>>(), ["activity"]);
        assert_eq!((observed["activity"].day, observed["activity"].scores.users()), (Day::from_number(3), 2));
        scoring.begin_again();
        scoring.observe();
        assert!(observations.scored().is_empty());
        for partition in 0..2 {
            scoring.update(partition, &told(5));
        }
        scoring.observe();
        assert_eq!(observations.scored().len(), 1);
        drop(scoring);
        assert!(observations.scored().is_empty());
    }
}
