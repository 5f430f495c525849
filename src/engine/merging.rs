//! Two ids become one user, in one partition or across two.

use std::collections::BTreeSet;

use super::component::{Component, Edge, Slot};
use super::effect::{Admission, Cause, Effect};
use super::loyalty::Look;
use super::partition::PartitionEngine;
use super::risk::Touched;
use super::transfer::{Arrival, NamedEdge, Transfer};
use crate::model::event::Event;
use crate::model::money::Money;
use crate::model::time::{Day, EventTime};

impl PartitionEngine {
    /// Makes the user of an event one with the user of `into`, wherever that one lives.
    pub(super) fn merge(&mut self, event: &Event<'_>, into: &str, day: Day) {
        let restates_from = day - i32::from(self.state.settings.late_horizon_days);
        let from = self.state.population.intern(&event.user_id);
        if event.user_id == into {
            return;
        }
        let away = if self.lives_here(into) {
            let known = self.state.population.find(into);
            known.and_then(|slot| self.state.population.moved_to(slot)).map(str::to_owned)
        } else {
            Some(into.to_owned())
        };
        let edge = NamedEdge { time: event.time, restates_from, from: event.user_id.as_ref().to_owned(), into: into.to_owned() };
        if let Some(home) = away {
            return self.send_away(from, &home, edge);
        }
        let into = self.state.population.intern(into);
        let edge = Edge { time: event.time, restates_from, from, into };
        let users: Vec<Slot> = distinct([self.state.population.root(from), self.state.population.root(into)]).collect();
        for user in users {
            self.leave_alerts(user);
        }
        self.unite(from, into, edge, (event.time, day), true);
        self.enter_alerts(into);
    }

    /// Joins the users of two slots. `counted` tells whether the user of `from` is in this partition's counts on the days that the merge restates.
    fn unite(&mut self, from: Slot, into: Slot, edge: Edge, (time, day): (EventTime, Day), counted: bool) {
        let roots = [self.state.population.root(from), self.state.population.root(into)];
        let rule = self.count_rule();
        let settled: Vec<_> = distinct(roots).map(|root| self.state.revenue.take(root)).collect();
        let mut revenue_before = Money::ZERO;
        for root in distinct(roots) {
            if counted || root != roots[0] || roots[0] == roots[1] {
                self.state.population.count(&mut self.state.ledgers, root, edge.restates_from, rule, -1);
                self.count_loyal(root, -1);
            }
            revenue_before += self.standing_orders(root).1;
        }
        let root = self.join(roots, edge);
        self.state.population.count(&mut self.state.ledgers, root, edge.restates_from, rule, 1);
        self.count_loyal(root, 1);
        let closed = self.state.closed_through.unwrap_or(day);
        for taken in &settled {
            self.state.revenue.put(root, taken, closed);
        }
        // Orders known to both ids count once from now on.
        let both = self.standing_orders(root).1 - revenue_before;
        self.state.revenue.change(root, day, both, closed);
        self.rename(roots, root);
        self.mark_loyalty(root, day, Look::Merge);
        self.settle(root, Touched::ALL, (self.as_of(), Cause::Merge, Some(time)));
        self.settle_rules_anew(root, (self.as_of(), Cause::Merge, Some(time)));
        if self.state.settings.publish_profiles {
            self.effects.push(Effect::ProfileChanged(self.state.population.id(root).to_owned()));
        }
    }

    fn join(&mut self, roots: [Slot; 2], edge: Edge) -> Slot {
        let mut joined = Component { members: Vec::new(), edges: vec![edge], root: roots[1] };
        for root in distinct(roots) {
            let component = self.state.population.take_component(root);
            joined.members.extend(component.members);
            joined.edges.extend(component.edges);
        }
        self.state.population.join(joined)
    }

    /// Forgets what was said under ids that are no longer the user's own.
    fn rename(&mut self, before: [Slot; 2], root: Slot) {
        for old in distinct(before).filter(|old| *old != root) {
            self.leave_risk(old);
            self.leave_rules(old);
            self.state.population.clear_standing(old);
            self.effects.push(Effect::ProfileRemoved(self.state.population.id(old).to_owned()));
        }
    }

    /// Sends the user of a slot to the partition of another id, with all that is known about it.
    fn send_away(&mut self, slot: Slot, to: &str, edge: NamedEdge) {
        let root = self.state.population.root(slot);
        let rule = self.count_rule();
        self.state.population.count(&mut self.state.ledgers, root, edge.restates_from, rule, -1);
        self.count_loyal(root, -1);
        self.leave_alerts(root);
        let (settled, pending) = self.state.revenue.take(root);
        self.leave_risk(root);
        self.leave_rules(root);
        self.effects.push(Effect::ProfileRemoved(self.state.population.id(root).to_owned()));
        let component = self.state.population.take_component(root);
        let population = &self.state.population;
        let named = |known: &Edge| NamedEdge {
            time: known.time,
            restates_from: known.restates_from,
            from: population.id(known.from).to_owned(),
            into: population.id(known.into).to_owned(),
        };
        let mut edges: Vec<NamedEdge> = component.edges.iter().map(named).collect();
        edges.push(edge);
        let members: Vec<_> =
            component.members.iter().map(|member| (population.id(*member).to_owned(), population.habit(*member).clone())).collect();
        let segments = self.named_segments();
        let path = vec![population.id(root).to_owned()];
        for member in component.members {
            self.state.population.move_away(member, to);
        }
        let arrival = Arrival { into: to.to_owned(), path, settles: false, members, segments, edges, settled, pending };
        self.effects.push(Effect::Transfer { to: to.to_owned(), transfer: Box::new(Transfer::Arrive(Box::new(arrival))) });
    }

    pub(super) fn named_segments(&self) -> Vec<(u32, u16, String)> {
        let numbers = 1..u32::try_from(self.state.segments.count()).unwrap_or(u32::MAX);
        numbers
            .filter_map(|number| self.state.segments.value(number).map(|(property, value)| (number, property, value.to_owned())))
            .collect()
    }

    /// Takes in what another partition sent.
    pub fn receive(&mut self, transfer: Transfer) -> Admission {
        match transfer {
            Transfer::Forget { id, time, day } => self.forget(&id, time, day),
            Transfer::Arrive(arrival) => self.arrive(*arrival),
        }
        Admission::Accepted
    }

    fn arrive(&mut self, mut arrival: Arrival) {
        let into = self.state.population.intern(&arrival.into);
        if arrival.settles {
            self.state.population.move_back(into);
        } else if let Some(home) = self.state.population.moved_to(into).map(str::to_owned) {
            return self.pass_on(arrival, home);
        }
        if let Some(edge) = arrival.edges.last() {
            self.begin_time(edge.restates_from);
        }
        let renumbered = self.renumber(&arrival.segments);
        let return_days = self.count_rule().return_days;
        let mut members = Vec::new();
        let known: Vec<Slot> = arrival.members.iter().map(|(id, _)| self.state.population.intern(id)).chain([into]).collect();
        let known: Vec<Slot> = known.iter().copied().chain([self.goal_of(&arrival, into)]).collect();
        self.roots_of(&known).into_iter().for_each(|root| self.leave_alerts(root));
        for (id, mut habit) in std::mem::take(&mut arrival.members) {
            renumber_habit(&mut habit, &renumbered);
            self.keep_rules_of(&mut habit);
            let slot = self.state.population.intern(&id);
            self.state.population.move_back(slot);
            self.state.population.habit_mut(slot).absorb(&habit, return_days);
            members.push(slot);
        }
        self.move_in(&members, into, &arrival);
        self.roots_of(&known).into_iter().for_each(|root| self.enter_alerts(root));
    }

    fn roots_of(&self, slots: &[Slot]) -> BTreeSet<Slot> {
        slots.iter().map(|slot| self.state.population.root(*slot)).collect()
    }

    /// The id that the merge named, where it lives here: it may be one of the user's older ones, or, when the id that the way led to was deleted, a user of
    /// its own. Else the end of the way.
    fn goal_of(&self, arrival: &Arrival, into: Slot) -> Slot {
        let population = &self.state.population;
        let named = arrival.edges.last().and_then(|last| population.find(&last.into));
        named.filter(|slot| population.moved_to(*slot).is_none()).unwrap_or(into)
    }

    /// Puts the ids of an arrival together as they were, then joins them with the user that they move to.
    fn move_in(&mut self, members: &[Slot], into: Slot, arrival: &Arrival) {
        let Some((last, earlier)) = arrival.edges.split_last() else { return };
        let strangers: Vec<Slot> =
            members.iter().copied().filter(|slot| *slot != into && self.state.population.component(*slot).is_none()).collect();
        let first = strangers.first().or(members.first()).copied().unwrap_or(into);
        let population = &self.state.population;
        let among = |known: &NamedEdge| {
            let from = population.find(&known.from).filter(|slot| strangers.contains(slot))?;
            let into = population.find(&known.into).filter(|slot| strangers.contains(slot))?;
            Some(Edge { time: known.time, restates_from: known.restates_from, from, into })
        };
        let edges = earlier.iter().filter_map(among).collect();
        let goal = self.goal_of(arrival, into);
        let edge =
            Edge { time: last.time, restates_from: last.restates_from, from: population.find(&last.from).unwrap_or(first), into: goal };
        let from =
            if strangers.is_empty() { first } else { self.state.population.join(Component { members: strangers, edges, root: first }) };
        let closed = self.state.closed_through.unwrap_or(edge.restates_from);
        self.state.revenue.put(self.state.population.root(from), &(arrival.settled, arrival.pending.clone()), closed);
        let day = edge.restates_from + i32::from(self.state.settings.late_horizon_days);
        self.unite(from, goal, edge, (edge.time, day), false);
    }

    /// Sends an arrival on to where its goal has moved; a circle ends at the byte-smallest id of it.
    fn pass_on(&mut self, mut arrival: Arrival, home: String) {
        arrival.path.push(arrival.into.clone());
        if arrival.path.contains(&home) {
            arrival.settles = true;
            arrival.into = arrival.path.iter().min().cloned().unwrap_or(home);
        } else {
            arrival.into = home;
        }
        if arrival.settles && self.lives_here(&arrival.into) {
            return self.arrive(arrival);
        }
        for (id, _) in &arrival.members {
            let slot = self.state.population.intern(id);
            self.state.population.move_away(slot, &arrival.into);
        }
        self.effects.push(Effect::Transfer { to: arrival.into.clone(), transfer: Box::new(Transfer::Arrive(Box::new(arrival))) });
    }

    /// A partition that has seen no event needs a first day to count on, although what comes from another partition moves no time.
    pub(super) fn begin_time(&mut self, first: Day) {
        if self.state.ledgers.is_empty() {
            // Orders of before that can still be returned.
            let reach = i32::from(self.state.settings.return_days) + i32::from(self.state.settings.late_horizon_days);
            self.state.ledgers.push(super::ledger::Ledger::new(first - reach));
        }
        if self.state.closed_through.is_none() {
            self.state.closed_through = Some(first - 1);
            self.state.told_through = self.state.closed_through;
        }
    }

    /// The numbers here of another partition's breakdown segments, by their numbers there.
    pub(super) fn renumber(&mut self, segments: &[(u32, u16, String)]) -> Vec<(u32, u32)> {
        let state = &mut self.state;
        let number = |(there, property, value): &(u32, u16, String)| (*there, state.segments.number(*property, value, &state.settings));
        let renumbered = segments.iter().map(number).collect();
        self.grow_ledgers();
        renumbered
    }
}

/// One or two slots.
fn distinct(slots: [Slot; 2]) -> impl Iterator<Item = Slot> {
    std::iter::once(slots[0]).chain((slots[1] != slots[0]).then_some(slots[1]))
}

/// Changes the numbers of breakdown segments from those of another partition to this one's.
pub(super) fn renumber_habit(habit: &mut super::habit::Habit, renumbered: &[(u32, u32)]) {
    let Some(rare) = &mut habit.rare else { return };
    let here = |there: u32| renumbered.iter().find(|(known, _)| *known == there).map_or(there, |(_, here)| *here);
    for (segment, activity) in std::mem::take(&mut rare.segments) {
        rare.segment(here(segment)).absorb(&activity);
    }
    rare.purchases.renumber_segments(here);
    rare.complaints.renumber_segments(here);
    rare.values.renumber_segments(here);
}
