//! The thread that writes what changed, in the order of the records, and tells the aggregator.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::batch::{Blocks, Letter};
use super::engines::Outcome;
use super::report::Summary;
use super::totals::Totals;
use crate::engine::effect::{RiskChange, Transition};
use crate::io::files::{LineFile, OutputError};
use crate::model::time::Calendar;
use crate::wire::dead_letter;
use crate::wire::records::{ChurnRiskRecord, TransitionRecord, alert as alert_record};

/// A batch whose records are counted, or soon will be.
pub(super) struct Work {
    pub(super) blocks: Blocks,
    /// Records that are no events.
    pub(super) letters: Vec<Letter>,
    /// What the engines say of the events, in parts.
    pub(super) outcomes: Vec<Receiver<Outcome>>,
}

/// Files that grow with the records.
struct Files {
    dead_letters: LineFile,
    transitions: LineFile,
    risks: LineFile,
    alerts: LineFile,
}

/// Writes what batches come to.
pub(super) struct Writer {
    files: Files,
    totals: Totals,
    calendar: Arc<Calendar>,
    summary: Summary,
}

impl Writer {
    /// Begins the files in the folder `output`.
    pub(super) fn create(output: &Path, totals: Totals, calendar: Arc<Calendar>) -> Result<Self, OutputError> {
        let files = Files {
            dead_letters: LineFile::create(&output.join("dead-letters.ndjson"))?,
            transitions: LineFile::create(&output.join("transitions.ndjson"))?,
            risks: LineFile::create(&output.join("churn-risk.ndjson"))?,
            alerts: LineFile::create(&output.join("alerts.ndjson"))?,
        };
        Ok(Self { files, totals, calendar, summary: Summary::default() })
    }

    /// Writes all that comes.
    pub(super) fn run(mut self, work: &Receiver<Work>) -> Result<Self, OutputError> {
        for work in work {
            self.write(work)?;
        }
        Ok(self)
    }

    fn write(&mut self, Work { blocks, letters, outcomes }: Work) -> Result<(), OutputError> {
        let mut whole = Outcome { letters, ..Outcome::default() };
        let mut parts = 0;
        // A thread that ended without an answer has panicked, which ends everything.
        for part in outcomes.iter().filter_map(|outcome| outcome.recv().ok()) {
            whole.absorb(part);
            parts += 1;
        }
        self.summary.accepted += whole.accepted;
        self.summary.duplicates += whole.duplicates;
        self.summary.deleted += whole.deleted;
        if parts > 1 {
            whole.transitions.sort_by_key(|(at, _)| *at);
            whole.risks.sort_by_key(|(at, _)| *at);
        }
        whole.letters.sort_by_key(|letter| letter.place.at);
        self.write_letters(&blocks, &whole.letters)?;
        self.write_changes(&whole.transitions, &whole.risks)?;
        if !whole.told.is_empty() {
            whole.told.sort_by_key(|(partition, _)| *partition);
            self.write_alerts(whole)?;
        }
        Ok(())
    }

    fn write_letters(&mut self, blocks: &Blocks, letters: &[Letter]) -> Result<(), OutputError> {
        for Letter { place, rejection } in letters {
            let (block, row) = (&blocks[place.block as usize], place.row as usize);
            *self.summary.dead_letters.entry(rejection.reason.name()).or_default() += 1;
            let letter = dead_letter::of_file_record(rejection, block.source(), block.line(row), block.value(row), block.length(row));
            self.files.dead_letters.write_json(&letter)?;
        }
        Ok(())
    }

    fn write_changes(&mut self, transitions: &[(u32, Transition)], risks: &[(u32, RiskChange)]) -> Result<(), OutputError> {
        self.summary.transitions += transitions.len() as u64;
        self.summary.risk_changes += risks.len() as u64;
        for (_, transition) in transitions {
            self.files.transitions.write_json(&TransitionRecord::new(transition))?;
        }
        for (_, change) in risks {
            self.files.risks.write_json(&ChurnRiskRecord::new(change))?;
        }
        Ok(())
    }

    fn write_alerts(&mut self, outcome: Outcome) -> Result<(), OutputError> {
        for alert in self.totals.take_in(outcome.told) {
            self.summary.alerts += 1;
            self.files.alerts.write_json(&alert_record(&alert, &self.calendar))?;
        }
        Ok(())
    }

    /// Completes the files, and writes the metrics to the folder `output`.
    pub(super) fn finish(mut self, output: &Path) -> Result<Summary, OutputError> {
        let Files { dead_letters, transitions, risks, alerts } = self.files;
        let mut metrics = LineFile::create(&output.join("metrics.ndjson"))?;
        for record in self.totals.last_metrics().values() {
            self.summary.see_metric(record);
            metrics.write_json(&record)?;
        }
        for file in [alerts, dead_letters, transitions, risks, metrics] {
            file.finish()?;
        }
        Ok(self.summary)
    }
}
