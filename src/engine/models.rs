//! The churn models that are in force in a partition, and those that take over at the close of a day to come.

use serde::{Deserialize, Serialize};

use super::risk::PROCESSES;
use crate::model::churn::ProcessKind;
use crate::model::churn::refit::FittedModel;
use crate::model::churn::settings::ChurnSettings;
use crate::model::time::Day;

/// A model that takes over when a day closes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Switch {
    /// The model.
    pub model: FittedModel,
    /// The day.
    pub at_close_of: Day,
}

/// Refitted models of a partition. Nothing but [`Switch`]es changes them, so that a replay that repeats those ends equal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Models {
    /// Of each process, in the order of [`PROCESSES`].
    in_force: [Option<FittedModel>; 2],
    /// In the order in which they were scheduled.
    pending: Vec<Switch>,
}

/// Whether settings leave the parameters of a model's process to be fitted, of this model in this unit.
#[must_use]
pub fn takes(churn: &ChurnSettings, model: &FittedModel) -> bool {
    let settings = churn.of(model.process);
    churn.refit && !settings.parameters_set && (settings.process.model, settings.process.unit) == (model.model, model.unit)
}

impl Models {
    /// How risk is judged: as the settings say, with the parameters in force where they say none.
    #[must_use]
    pub fn apply(&self, settings: &ChurnSettings) -> ChurnSettings {
        let mut churn = settings.clone();
        for model in self.in_force.iter().flatten().filter(|model| takes(settings, model)) {
            let process = match model.process {
                ProcessKind::Activity => &mut churn.activity.process,
                ProcessKind::Purchase => &mut churn.purchase.process,
            };
            *process = process.with(model.parameters);
        }
        churn
    }

    /// The model that a process will have when all that is scheduled has taken over.
    pub(super) fn last(&self, process: ProcessKind) -> Option<&FittedModel> {
        let pending = self.pending.iter().rev().map(|switch| &switch.model);
        pending.chain(self.in_force.iter().flatten()).find(|model| model.process == process)
    }

    /// The day of the last switch of a process that is to come.
    pub(super) fn last_switch(&self, process: ProcessKind) -> Option<Day> {
        self.pending.iter().filter(|switch| switch.model.process == process).map(|switch| switch.at_close_of).max()
    }

    /// Notes a switch. The same twice is once.
    pub(super) fn schedule(&mut self, switch: Switch) {
        if !self.pending.contains(&switch) {
            self.pending.push(switch);
        }
    }

    /// The first day whose close brings a switch.
    pub(super) fn next_switch(&self) -> Option<Day> {
        self.pending.iter().map(|switch| switch.at_close_of).min()
    }

    /// The models as they are after the close of `day`.
    #[must_use]
    pub(super) fn after(&self, day: Day) -> Self {
        let mut after = self.clone();
        for switch in self.pending.iter().filter(|switch| switch.at_close_of <= day) {
            let index = PROCESSES.iter().position(|process| *process == switch.model.process).unwrap_or(0);
            after.in_force[index] = Some(switch.model);
        }
        after.pending.retain(|switch| switch.at_close_of > day);
        after
    }

    /// Whether the formulas take every parameter.
    pub(super) fn are_usable(&self) -> bool {
        self.in_force.iter().flatten().chain(self.pending.iter().map(|switch| &switch.model)).all(FittedModel::is_usable)
    }
}
