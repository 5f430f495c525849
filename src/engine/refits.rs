//! When parameters are due to be fitted: histories of all partitions, and the day of the last fit.

use std::collections::BTreeMap;

use crate::model::churn::ProcessKind;
use crate::model::churn::refit::Holdout;
use crate::model::time::Day;

/// Histories of the whole that are due to be fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// The process.
    pub process: ProcessKind,
    /// The last day that every partition has told of: the days held back end with it at the earliest.
    pub judged_through: Day,
    /// The day at whose close what is found takes over: two closes ahead of the partition that has come furthest.
    pub takes_effect: Day,
    /// Users of all partitions.
    pub holdout: Holdout,
}

/// The histories that partitions tell. Each partition's are of its own newest day: what a user did after it says nothing of the days before,
/// so that they add up.
#[derive(Debug)]
pub struct Refits {
    partitions: u32,
    told: BTreeMap<(ProcessKind, u32), (Day, Holdout)>,
    fitted: BTreeMap<ProcessKind, Day>,
}

impl Refits {
    /// Nothing told yet, of `partitions` partitions.
    #[must_use]
    pub fn new(partitions: u32) -> Self {
        Self { partitions, told: BTreeMap::new(), fitted: BTreeMap::new() }
    }

    /// Notes that a process was fitted to the days up to one.
    pub fn note_fitted(&mut self, process: ProcessKind, judged_through: Day) {
        let fitted = self.fitted.entry(process).or_insert(judged_through);
        *fitted = (*fitted).max(judged_through);
    }

    /// Takes in what a partition tells.
    pub fn update(&mut self, partition: u32, process: ProcessKind, day: Day, holdout: Holdout) {
        if partition < self.partitions {
            self.told.insert((process, partition), (day, holdout));
        }
    }

    /// Forgets what partitions told; what was fitted stays fitted.
    pub fn begin_again(&mut self) {
        self.told.clear();
    }

    /// Takes the histories of a process if every partition has told those of a later day than that of the last fit.
    pub fn take_due(&mut self, process: ProcessKind) -> Option<Due> {
        let told: Vec<&(Day, Holdout)> = (0..self.partitions).map_while(|partition| self.told.get(&(process, partition))).collect();
        if told.len() < self.partitions as usize {
            return None;
        }
        let judged_through = told.iter().map(|(day, _)| *day).min()?;
        if self.fitted.get(&process).is_some_and(|fitted| *fitted >= judged_through) {
            return None;
        }
        let furthest = told.iter().map(|(day, _)| *day).max()?;
        let mut holdout = Holdout::default();
        for (_, part) in told {
            holdout.absorb(part);
        }
        self.note_fitted(process, judged_through);
        Some(Due { process, judged_through, takes_effect: furthest + 2, holdout })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::churn::History;

    #[test]
    fn a_fit_is_due_once_for_each_day_that_all_partitions_have_told() {
        let (mut refits, day) = (Refits::new(2), Day::from_number);
        let one = |silent_days| {
            let mut holdout = Holdout::default();
            holdout.add(&History { repeats: 0, recency_days: 0, silent_days }, false);
            holdout
        };
        refits.update(0, ProcessKind::Activity, day(10), one(3));
        refits.update(0, ProcessKind::Purchase, day(10), one(3));
        refits.update(7, ProcessKind::Activity, day(10), one(3));
        assert_eq!(refits.take_due(ProcessKind::Activity), None, "the other has told nothing");
        refits.update(1, ProcessKind::Activity, day(12), one(4));
        let due = refits.take_due(ProcessKind::Activity).expect("all have told");
        assert_eq!((due.judged_through, due.takes_effect, due.holdout.users()), (day(10), day(14), 2));
        assert_eq!(refits.take_due(ProcessKind::Activity), None, "nothing new");
        refits.update(1, ProcessKind::Activity, day(13), one(4));
        assert_eq!(refits.take_due(ProcessKind::Activity), None, "of one partition alone");
        refits.update(0, ProcessKind::Activity, day(11), one(4));
        assert_eq!(refits.take_due(ProcessKind::Activity).map(|due| due.takes_effect), Some(day(15)));
        refits.note_fitted(ProcessKind::Purchase, day(11));
        refits.update(1, ProcessKind::Purchase, day(11), one(4));
        assert_eq!(refits.take_due(ProcessKind::Purchase), None, "another did it before");
        refits.begin_again();
        assert_eq!(refits.take_due(ProcessKind::Activity), None);
    }
}
