//! Deleted users: gone from the state, their ids blocked for stragglers by salted digests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::component::Slot;
use super::count::{Era, count_habit};
use super::effect::{Cause, Effect};
use super::habit::Habit;
use super::loyalty::Look;
use super::partition::PartitionEngine;
use super::risk::Touched;
use super::settings::DeletionPast;
use super::transfer::Transfer;
use crate::model::complaints::Moment;
use crate::model::event::Event;
use crate::model::money::Money;
use crate::model::time::{Day, EventTime};

/// The first 16 bytes of a SHA-256.
pub(super) fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hash.finalize()[..16]);
    short
}

/// Ids that were deleted, until the day of their deletion is too late.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Deletions {
    salt: [u8; 16],
    blocked: Blocked,
    /// Deletions in partitions from which users may have moved here, each under the salt of its own: digests cannot be made anew.
    inherited: Vec<([u8; 16], Blocked)>,
}

/// Digests of deleted ids, with when they were deleted.
type Blocked = BTreeMap<[u8; 16], (EventTime, Day)>;

impl Deletions {
    /// None yet; the salt goes into every digest.
    #[must_use]
    pub fn new(salt: [u8; 16]) -> Self {
        Self { salt, ..Self::default() }
    }

    /// Blocks events of an id dated at or before its deletion.
    pub fn block(&mut self, id: &str, time: EventTime, day: Day) {
        let known = self.blocked.entry(digest(&[&self.salt, id.as_bytes()])).or_insert((time, day));
        *known = (*known).max((time, day));
    }

    /// Whether an event of this time belongs to a user who was deleted at or after it.
    #[must_use]
    pub fn blocks(&self, id: &str, time: EventTime) -> bool {
        let books = std::iter::once((&self.salt, &self.blocked)).chain(self.inherited.iter().map(|(salt, blocked)| (salt, blocked)));
        let mut books = books.filter(|(_, blocked)| !blocked.is_empty());
        books.any(|(salt, blocked)| blocked.get(&digest(&[salt, id.as_bytes()])).is_some_and(|(deleted, _)| time <= *deleted))
    }

    /// Blocks what another partition blocks, too.
    pub(super) fn inherit(&mut self, other: &Self) {
        let own = std::iter::once((other.salt, &other.blocked));
        for (salt, blocked) in own.chain(other.inherited.iter().map(|(salt, blocked)| (*salt, blocked))) {
            let is_known = salt == self.salt || self.inherited.iter().any(|(known, _)| *known == salt);
            if !is_known && !blocked.is_empty() {
                self.inherited.push((salt, blocked.clone()));
            }
        }
    }

    /// Forgets deletions of before `day`, which no accepted event can precede any more.
    pub fn forget_before(&mut self, day: Day) {
        self.blocked.retain(|_, (_, deleted)| *deleted >= day);
        for (_, blocked) in &mut self.inherited {
            blocked.retain(|_, (_, deleted)| *deleted >= day);
        }
        self.inherited.retain(|(_, blocked)| !blocked.is_empty());
    }
}

impl PartitionEngine {
    /// Deletes the user of an event, under all the ids it has. What came after the deletion, and arrived before it, is a new user's.
    pub(super) fn delete_user(&mut self, event: &Event<'_>, day: Day) {
        self.state.deletions.block(&event.user_id, event.time, day);
        let Some(slot) = self.state.population.find(&event.user_id) else { return };
        let root = self.state.population.root(slot);
        self.effects.push(Effect::ProfileRemoved(self.state.population.id(root).to_owned()));
        let return_days = self.count_rule().return_days;
        let whole = self.state.population.whole(root).into_owned();
        let at = Moment { time: event.time, day };
        let after = whole.after(at, return_days);
        self.discount(root, &whole, at);
        self.count_loyal(root, -1);
        self.state.revenue.take(root);
        self.leave_alerts(root);
        self.leave_risk(root);
        self.leave_rules(root);
        for member in self.state.population.take_component(root).members {
            let id = self.state.population.id(member).to_owned();
            self.state.deletions.block(&id, event.time, day);
            self.state.population.remove(member);
            let placement = self.state.placement;
            if crate::model::partition::partition_of(id.as_bytes(), placement.partitions) != placement.partition {
                let transfer = Box::new(Transfer::Forget { id: id.clone(), time: event.time, day });
                self.effects.push(Effect::Transfer { to: id, transfer });
            }
        }
        if !after.is_empty() {
            self.begin_again(&event.user_id, after, event.time);
        }
    }

    /// Takes the user out of past counts, or leaves what came up to the deletion as anonymous counts, by setting.
    fn discount(&mut self, root: Slot, whole: &Habit, at: Moment) {
        let rule = self.count_rule();
        match self.state.settings.deletion_past {
            DeletionPast::Decrement => {
                let from = at.day - i32::from(self.state.settings.late_horizon_days);
                self.state.population.count(&mut self.state.ledgers, root, from, rule, -1);
            }
            DeletionPast::Keep => {
                self.state.population.count(&mut self.state.ledgers, root, at.day, rule, -1);
                count_habit(&mut self.state.ledgers, &whole.up_to(at, rule.return_days), Era::from(at.day), rule, 1);
            }
        }
    }

    /// A new user under the id of one that was deleted, of what came after the deletion.
    fn begin_again(&mut self, id: &str, habit: Habit, time: EventTime) {
        let rule = self.count_rule();
        let slot = self.state.population.intern(id);
        let from = self.first_changeable().unwrap_or(Day::from_number(0));
        *self.state.population.habit_mut(slot) = habit;
        self.state.population.count(&mut self.state.ledgers, slot, from, rule, 1);
        self.count_loyal(slot, 1);
        let closed = self.state.closed_through.unwrap_or(from);
        let days: Vec<_> = self.state.population.purchases(slot).standing().iter().map(|order| (order.day, order.key.clone())).collect();
        for (day, key) in days {
            let counted = self.state.population.purchases(slot).counted(&key, rule.return_days);
            self.state.revenue.change(slot, day, counted.map_or(Money::ZERO, |counted| counted.net), closed);
        }
        self.mark_loyalty(slot, from, Look::Event);
        self.settle(slot, Touched::ALL, (self.as_of(), Cause::LateEvent, Some(time)));
        self.settle_rules_anew(slot, (self.as_of(), Cause::LateEvent, Some(time)));
        self.enter_alerts(slot);
    }

    /// Forgets the pointer to a user who was deleted where it lives, and blocks stragglers.
    pub(super) fn forget(&mut self, id: &str, time: EventTime, day: Day) {
        self.state.deletions.block(id, time, day);
        self.close_id_first(id);
        if let Some(slot) = self.state.population.find(id).filter(|slot| self.state.population.moved_to(*slot).is_some()) {
            self.state.population.remove(slot);
        }
    }
}
