//! What a partition tells the aggregator, and whoever takes it over.

use super::PartitionEngine;
use crate::engine::ledger::Ledger;
use crate::engine::partial::{Continuation, Partial};
use crate::model::time::Day;

impl PartitionEngine {
    /// Takes the figures that changed since the last call. Absolute figures: telling them twice is harmless.
    pub fn take_partials(&mut self) -> Vec<Partial> {
        let mut partials = std::mem::take(&mut self.closed_rows);
        let Some(closed_through) = self.told_closed_through() else { return partials };
        // Users may have moved in where no event ever was: what they count for is told all the same, from the days that are closed on.
        let front = self.as_of();
        let moved = self.state.told_through.is_none_or(|told| told < front);
        for segment in 0..self.state.ledgers.len() {
            self.tell_segment(segment, front, moved, &mut partials);
        }
        self.state.told_through = self.state.told_through.max(Some(front));
        if !partials.is_empty() || !self.progress_told {
            self.progress_told = true;
            let limited = self.state.segments.limited(&self.state.settings);
            partials.push(Partial::Progress { newest: self.state.newest_day, closed_through, limited });
        }
        partials
    }

    /// Tells the days before `first` that changed and were not told, because they become final.
    pub(super) fn tell_before(&mut self, first: Day) {
        for segment in 0..self.state.ledgers.len() {
            let Some((from, through)) = self.state.ledgers[segment].changed_before(first) else { continue };
            let name = self.state.segments.name(segment);
            for (day, counts) in self.state.ledgers[segment].figures(from, through) {
                self.closed_rows.push(Partial::Figures { segment: name.clone(), day, counts, outlook: None });
            }
        }
    }

    /// Tells the days of a segment that changed up to `front`, and with that day, the last that is told, how the figures go on.
    fn tell_segment(&mut self, segment: usize, front: Day, moved: bool, partials: &mut Vec<Partial>) {
        let told = self.state.told_through;
        let ledger = &mut self.state.ledgers[segment];
        let changed = ledger.take_changed();
        let untold = told.map(|told| told + 1).filter(|_| moved);
        let Some(from) = [changed.map(|(from, _)| from), untold].into_iter().flatten().min() else { return };
        let through = if moved { front } else { changed.map_or(front, |(_, through)| through.min(front)) };
        let name = self.state.segments.name(segment);
        for (day, counts) in ledger.figures(from.min(front), front) {
            if day > through && day < front {
                continue;
            }
            let outlook = (day == front).then(|| ledger.outlook(front));
            let nothing = counts.is_zero() && outlook.as_ref().is_none_or(Vec::is_empty);
            // That nothing is left, after users moved away, puts an end to how figures were told to go on.
            let ends = day == front && changed.is_some() && told.is_some();
            if !nothing || ends || told.is_some_and(|told| told >= day) {
                partials.push(Partial::Figures { segment: name.clone(), day, counts, outlook });
            }
        }
    }

    /// Goes on as a history of its own from here: all that can still change is told anew, and the rest was told by `lineage`, which it came from.
    pub fn continue_from(&mut self, lineage: String) -> Continuation {
        let figures_before = self.state.ledgers.first().map(Ledger::base);
        let front = self.as_of();
        for ledger in &mut self.state.ledgers {
            ledger.change_all(front);
        }
        self.progress_told = false;
        Continuation { lineage, figures_before, closed_through: self.told_closed_through() }
    }

    /// The last day of which everything is told that its close decides: not that of a close that is not over.
    fn told_closed_through(&self) -> Option<Day> {
        self.state.close.as_ref().map(|close| close.day() - 1).or(self.state.closed_through)
    }
}
