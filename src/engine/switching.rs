//! A model takes over when a day closes: everyone is judged anew. What most of them will be found to be is worked out beforehand, in slices between
//! events, so that the close only has to look it up.

use std::sync::Arc;

use super::calibration::Scoring;
use super::census::Census;
use super::component::Slot;
use super::count::FOREVER;
use super::effect::{Cause, Effect};
use super::models::{Switch, takes};
use super::partition::PartitionEngine;
use super::risk::{Known, PROCESSES, model_ids};
use super::standing::Said;
use crate::model::churn::refit::FittedModel;
use crate::model::churn::settings::ChurnSettings;
use crate::model::time::Day;

/// What users will be found to be at the close of a day by the models of then, if nothing more comes of them. Of no snapshot: without it
/// the close takes longer and finds the same.
#[derive(Debug)]
pub(super) struct Foresight {
    day: Day,
    churn: ChurnSettings,
    /// The next slot of the first pass.
    next: Slot,
    column: Vec<Option<[Said; 2]>>,
    /// Slots of users of whom something came since.
    stale: Vec<Slot>,
}

impl Foresight {
    fn new(day: Day, churn: ChurnSettings) -> Self {
        Self { day, churn, next: 0, column: Vec::new(), stale: Vec::new() }
    }

    /// Something came of the user of a slot.
    fn forget(&mut self, slot: Slot) {
        if let Some(known) = self.column.get_mut(slot as usize).filter(|known| known.is_some()) {
            *known = None;
            self.stale.push(slot);
        }
    }
}

/// Work that is done beforehand, none of which a state depends on.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    pub(super) foresight: Option<Foresight>,
    pub(super) census: Census,
    pub(super) scoring: Scoring,
}

impl Ahead {
    /// Bytes of memory that it takes, which it does for each user while a switch is near.
    pub(super) fn approximate_bytes(&self) -> usize {
        let bytes = |foresight: &Foresight| {
            foresight.column.capacity() * size_of::<Option<[Said; 2]>>() + foresight.stale.capacity() * size_of::<Slot>()
        };
        self.foresight.as_ref().map_or(0, bytes)
    }
}

impl PartitionEngine {
    /// Has a model take over at the close of `not_before`, or at the next close where that has closed. `None` when the settings do not take it, when it is
    /// what the process has or is to have, and before any day closed. A switch is no function of the log: it is to be noted, and a
    /// replay is to [`Self::repeat_switch`] it.
    pub fn schedule_model(&mut self, model: &FittedModel, not_before: Day) -> Option<Switch> {
        let first_open = self.state.closed_through? + 1;
        let known = self.state.models.last(model.process) == Some(model);
        if known || !model.is_usable() || !takes(&self.state.settings.churn, model) {
            return None;
        }
        // What came first does not take over from what came after it.
        let after = self.state.models.last_switch(model.process).unwrap_or(first_open);
        let switch = Switch { model: *model, at_close_of: not_before.max(first_open).max(after) };
        self.repeat_switch(switch);
        Some(switch)
    }

    /// Notes a switch that was scheduled before, at any time before its day closes.
    pub fn repeat_switch(&mut self, switch: Switch) {
        self.state.models.schedule(switch);
        self.ahead.foresight = None;
    }

    /// How risk is judged: the settings, with the fitted parameters in force.
    #[must_use]
    pub fn churn(&self) -> &Arc<ChurnSettings> {
        &self.churn
    }

    /// Works ahead on what a close will need, counts histories for a fit, and scores predictions, as far as `users` of each go.
    pub fn work_ahead(&mut self, users: u32) {
        self.count_histories(users);
        self.score_predictions(users);
        self.foresee(users);
    }

    /// Notes that something came of a user.
    pub(super) fn unforesee(&mut self, root: Slot) {
        if let Some(foresight) = &mut self.ahead.foresight {
            foresight.forget(root);
        }
    }

    fn foresee(&mut self, users: u32) {
        let Some(day) = self.state.models.next_switch() else { return };
        let mut foresight = self.ahead.foresight.take().unwrap_or_else(|| {
            let churn = self.state.models.after(day).apply(&self.state.settings.churn);
            Foresight::new(day, churn)
        });
        let end = Slot::try_from(self.state.population.slots()).unwrap_or(Slot::MAX).min(foresight.next.saturating_add(users));
        let fresh = (foresight.next..end).filter(|slot| self.state.population.is_root(*slot));
        let again = foresight.stale.split_off(foresight.stale.len().saturating_sub(users as usize));
        let seen: Vec<_> = fresh.chain(again).map(|slot| (slot, self.foreseen(slot, &foresight))).collect();
        foresight.next = end;
        foresight.column.resize(end as usize, None);
        for (slot, said) in seen {
            if let Some(known) = foresight.column.get_mut(slot as usize) {
                *known = said;
            }
        }
        self.ahead.foresight = Some(foresight);
    }

    /// `None` when something is known of a later day, which only the close can judge.
    fn foreseen(&self, root: Slot, Foresight { day, churn, .. }: &Foresight) -> Option<[Said; 2]> {
        let whole = self.state.population.whole(root);
        let mut said = [Said::default(); 2];
        for (said, kind) in said.iter_mut().zip(PROCESSES) {
            let known = Known::of(kind, &whole, *day);
            if known.later.is_some() {
                return None;
            }
            *said = known.say(churn, kind, *day).1;
        }
        Some(said)
    }

    /// Puts the models that were scheduled for the close of `day` in force. What was foreseen of whom, if that means that everyone is to be judged anew.
    pub(super) fn switch_models(&mut self, day: Day) -> Option<Vec<Option<[Said; 2]>>> {
        if self.state.models.next_switch().is_none_or(|next| next > day) {
            return None;
        }
        self.state.models = self.state.models.after(day);
        let churn = self.state.models.apply(&self.state.settings.churn);
        let foresight = self.ahead.foresight.take().filter(|foresight| foresight.day == day && foresight.churn == churn);
        if churn == *self.churn {
            return None;
        }
        self.churn = Arc::new(churn);
        self.model_ids = model_ids(&self.churn);
        Some(foresight.map(|foresight| foresight.column).unwrap_or_default())
    }

    /// Says what models that took over at the close of `day` change of a user, who was judged like `before` until then. Whether its level at the end of the day is to be decided
    /// for it.
    pub(super) fn judge_by_new_models(
        &mut self,
        root: Slot,
        foreseen: Option<[Said; 2]>,
        (day, as_of, before): (Day, Day, &ChurnSettings),
    ) -> bool {
        if !foreseen.is_some_and(|foreseen| self.take_over_unchanged(root, foreseen)) {
            self.take_over_changed(root, (day, as_of), before);
        }
        let standing = self.state.population.standing(root);
        foreseen.is_none() || standing.decided != standing.risks()[self.counted_process().1].level
    }

    /// Notes when the new models change a user's levels next, if they leave them as they are now.
    fn take_over_unchanged(&mut self, root: Slot, foreseen: [Said; 2]) -> bool {
        let standing = self.state.population.standing(root);
        if standing.risks().iter().zip(&foreseen).any(|(said, foreseen)| said.level != foreseen.level) {
            return false;
        }
        self.restand(root, foreseen);
        true
    }

    fn restand(&mut self, root: Slot, risks: [Said; 2]) {
        let mut standing = self.state.population.standing(root);
        standing = standing.with_risks(risks);
        let next = risks.iter().map(|said| said.next).min().unwrap_or(FOREVER);
        // What else the clock changes is somewhere behind the day that was noted.
        self.state.population.set_standing(root, standing.until(standing.next_change.min(next)));
    }

    /// Judges a user by the new models: as of the day that closes, or as of the newest where something is known of a later day already.
    fn take_over_changed(&mut self, root: Slot, (day, newest): (Day, Day), before: &ChurnSettings) {
        let whole = self.state.population.whole(root);
        let known = PROCESSES.map(|kind| Known::of(kind, &whole, day));
        let as_of = if known.iter().any(|known| known.later.is_some()) { newest } else { day };
        let known = if as_of == day { known } else { PROCESSES.map(|kind| Known::of(kind, &whole, as_of)) };
        let standing = self.state.population.standing(root);
        let mut risks = standing.risks();
        for ((index, kind), known) in PROCESSES.into_iter().enumerate().zip(known) {
            let (judged, said) = known.say(&self.churn, kind, as_of);
            if said.level != risks[index].level && self.wanted.risk(said.level) {
                let same = known.say(before, kind, as_of).1.level == said.level;
                let cause = if same { Cause::Clock } else { Cause::Model };
                let departed = known.circumstances.departed.is_some();
                let change = self.risk_change((root, index), (risks[index], said), judged.as_ref(), (as_of, cause, departed));
                self.effects.push(Effect::RiskChanged(Box::new(change)));
            }
            risks[index] = said;
        }
        self.restand(root, risks);
        if as_of > day {
            self.note_open_risk(root, as_of);
        }
    }
}
