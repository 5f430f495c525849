//! Which of what a partition ever told is in force: what its newest history tells, and what that one stands on.

use std::collections::BTreeMap;

use crate::engine::partial::{Continuation, Partial};
use crate::model::time::Day;
use crate::wire::partials::Told;

/// Later than any day.
const NEVER: Day = Day::from_number(i32::MAX);
/// Earlier than any day.
const ALWAYS: Day = Day::from_number(i32::MIN);

/// The histories of all partitions.
#[derive(Debug, Default)]
pub(super) struct Histories {
    newest: BTreeMap<i32, String>,
    /// What the histories of each partition go on from, by the history that goes on.
    continued: BTreeMap<(i32, String), Continuation>,
}

impl Histories {
    /// Notes which history tells something. Whether it is a new one of a partition that had another: what that one told may no longer be in force.
    pub(super) fn note(&mut self, partition: i32, told: &Told) -> bool {
        if let Partial::Continues(continuation) = &told.partial {
            self.continued.insert((partition, told.lineage.clone()), continuation.clone());
        }
        let before = self.newest.insert(partition, told.lineage.clone());
        before.is_some_and(|before| before != told.lineage)
    }

    /// Whether something that a partition told is in force.
    pub(super) fn is_in_force(&self, partition: i32, told: &Told) -> bool {
        let Some(mut lineage) = self.newest.get(&partition) else { return true };
        let (mut figures_before, mut closed_through) = (NEVER, NEVER);
        // A history goes on from an older one, so that the way ends.
        for _ in 0..=self.continued.len() {
            if *lineage == told.lineage {
                return match &told.partial {
                    Partial::Figures { day, .. } => *day < figures_before,
                    Partial::Close { day, .. } | Partial::Alerts { day, .. } => *day <= closed_through,
                    Partial::Continues(_) => true,
                    Partial::Progress { .. } | Partial::Histories { .. } | Partial::Calibration { .. } => figures_before == NEVER,
                };
            }
            let Some(older) = self.continued.get(&(partition, lineage.clone())) else { return false };
            figures_before = figures_before.min(older.figures_before.unwrap_or(ALWAYS));
            closed_through = closed_through.min(older.closed_through.unwrap_or(ALWAYS));
            lineage = &older.lineage;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::Counts;
    use crate::engine::partial::RiskCounts;
    use crate::model::churn::ProcessKind;
    use crate::model::revenue_share::RevenueBuckets;

    fn told(lineage: &str, partial: Partial) -> Told {
        Told { lineage: lineage.to_owned(), partial }
    }

    fn figures(day: i32) -> Partial {
        Partial::Figures { segment: "all".to_owned(), day: Day::from_number(day), counts: Counts::default(), outlook: None }
    }

    fn close(day: i32) -> Partial {
        Partial::Close { day: Day::from_number(day), loyal_buyers: 0, revenue: RevenueBuckets::default(), risk: RiskCounts::default() }
    }

    fn scores() -> Partial {
        Partial::Calibration { process: ProcessKind::Activity, day: Day::from_number(1), scores: Box::default() }
    }

    fn goes_on(lineage: &str, figures_before: i32, closed_through: i32) -> Partial {
        Partial::Continues(Continuation {
            lineage: lineage.to_owned(),
            figures_before: Some(Day::from_number(figures_before)),
            closed_through: Some(Day::from_number(closed_through)),
        })
    }

    #[test]
    fn a_history_stands_on_what_those_before_it_had_told_where_it_went_on() {
        let mut histories = Histories::default();
        assert!(!histories.note(0, &told("a", figures(1))));
        assert!(histories.note(0, &told("b", goes_on("a", 10, 20))));
        assert!(!histories.note(0, &told("b", figures(30))));
        assert!(histories.note(0, &told("c", goes_on("b", 40, 15))));
        for (lineage, partial, expected) in [
            ("c", figures(99), true),
            ("b", figures(39), true),
            ("b", figures(40), false),
            ("b", close(15), true),
            ("b", close(16), false),
            ("a", figures(9), true),
            ("a", figures(10), false),
            ("a", close(15), true),
            ("a", close(16), false),
            ("z", figures(1), false),
            ("c", scores(), true),
            ("b", scores(), false),
        ] {
            assert_eq!(histories.is_in_force(0, &told(lineage, partial.clone())), expected, "{lineage} {partial:?}");
        }
        assert!(histories.note(0, &told("d", figures(1))), "one that counts from the start stands on none");
        assert!(!histories.is_in_force(0, &told("c", figures(1))));
        assert!(!histories.note(1, &told("c", figures(1))), "partitions are apart");
    }
}
