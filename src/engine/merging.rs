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

/// Users that are out of the counts for a moment, to become one.
struct Apart {
    /// The first day on which they are counted anew.
    from: Day,
    /// Those who were counted, and whose id an arrival went by, by the slots that they were kept under.
    users: BTreeSet<Slot>,
    /// All of their ids and merges.
    component: Component,
    /// What was settled of each one's revenue, and what was not, by day.
    settled: Vec<(Money, Vec<(Day, Money)>)>,
    /// The sum of that.
    revenue: Money,
}

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
        let users = self.roots_of(&[from, into]);
        for user in &users {
            self.leave_alerts(*user);
        }
        let mut apart = self.take_apart(users, restates_from);
        apart.component.edges.push(Edge { time: event.time, restates_from, from, into });
        self.put_together(apart, into, (event.time, day));
        self.enter_alerts(into);
    }

    /// Takes users of this partition out of what it counts from a day on, so that they can become one.
    fn take_apart(&mut self, users: BTreeSet<Slot>, from: Day) -> Apart {
        let rule = self.count_rule();
        let component = Component { members: Vec::new(), edges: Vec::new(), root: 0 };
        let mut apart = Apart { from, component, settled: Vec::new(), revenue: Money::ZERO, users };
        for user in &apart.users {
            self.fold_rules_alone(*user);
            self.state.population.count(&mut self.state.ledgers, *user, from, rule, -1);
            self.count_loyal(*user, -1);
            apart.revenue += self.standing_orders(*user).1;
            apart.settled.push(self.state.revenue.take(*user));
            let Component { members, edges, .. } = self.state.population.take_component(*user);
            apart.component.members.extend(members);
            apart.component.edges.extend(edges);
        }
        apart
    }

    /// Makes one user of what was taken apart and what came to it, and counts that user. `day` is that of the merge.
    fn put_together(&mut self, apart: Apart, among: Slot, (time, day): (EventTime, Day)) {
        let rule = self.count_rule();
        let alone = apart.component.members.len() < 2;
        let joined = self.state.population.join(apart.component);
        let root = if alone { among } else { joined };
        self.state.population.count(&mut self.state.ledgers, root, apart.from, rule, 1);
        self.count_loyal(root, 1);
        let closed = self.state.closed_through.unwrap_or(day);
        for taken in &apart.settled {
            self.state.revenue.put(root, taken, closed);
        }
        // Orders known to several ids count once from now on.
        let several = self.standing_orders(root).1 - apart.revenue;
        self.state.revenue.change(root, day, several, closed);
        self.rename(&apart.users, root);
        self.mark_loyalty(root, day, Look::Merge);
        self.settle(root, Touched::ALL, (self.as_of(), Cause::Merge, Some(time)));
        self.settle_rules_anew(root, (self.as_of(), Cause::Merge, Some(time)));
        if self.state.settings.publish_profiles {
            self.effects.push(Effect::ProfileChanged(self.state.population.id(root).to_owned()));
        }
    }

    /// Forgets what was said under ids that are no longer the user's own.
    fn rename(&mut self, before: &BTreeSet<Slot>, root: Slot) {
        for old in before.iter().copied().filter(|old| *old != root) {
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
        self.fold_rules_alone(root);
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
        if let Transfer::Arrive(arrival) = &transfer {
            let ends = arrival.edges.iter().flat_map(|edge| [&edge.from, &edge.into]);
            let ids = arrival.members.iter().map(|(id, _)| id).chain(&arrival.path).chain(ends).chain([&arrival.into]);
            ids.for_each(|id| self.close_id_first(id));
        }
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
        let Some(last) = arrival.edges.last() else { return };
        let (time, from) = (last.time, last.restates_from);
        self.begin_time(from);
        let renumbered = self.renumber(&arrival.segments);
        let return_days = self.count_rule().return_days;
        let goal = self.goal_of(&arrival, into);
        // An id may live here already: events of it came first, or another way of its user ended here.
        let ids: Vec<Slot> = arrival.members.iter().map(|(id, _)| self.state.population.intern(id)).collect();
        let mut known: Vec<Slot> = ids.iter().copied().filter(|slot| self.state.population.moved_to(*slot).is_none()).collect();
        known.push(goal);
        let users = self.roots_of(&known);
        for user in &users {
            self.leave_alerts(*user);
        }
        let mut apart = self.take_apart(users, from);
        for ((_, habit), slot) in arrival.members.iter_mut().zip(&ids) {
            renumber_habit(habit, &renumbered);
            self.keep_rules_of(habit);
            self.state.population.move_back(*slot);
            self.state.population.habit_mut(*slot).absorb(habit, return_days);
        }
        self.move_in(&mut apart, &ids, goal, &arrival);
        let day = from + i32::from(self.state.settings.late_horizon_days);
        self.put_together(apart, goal, (time, day));
        self.enter_alerts(goal);
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

    /// Adds the ids of an arrival, the merges among them, and the one that moves them to the user of `goal`, with their revenue.
    fn move_in(&self, apart: &mut Apart, ids: &[Slot], goal: Slot, arrival: &Arrival) {
        let population = &self.state.population;
        let here = |id: &str| population.find(id).filter(|slot| ids.contains(slot));
        let Some((last, earlier)) = arrival.edges.split_last() else { return };
        for NamedEdge { time, restates_from, from, into } in earlier {
            if let (Some(from), Some(into)) = (here(from), here(into)) {
                apart.component.edges.push(Edge { time: *time, restates_from: *restates_from, from, into });
            }
        }
        let NamedEdge { time, restates_from, .. } = *last;
        let from = here(&last.from).or(ids.first().copied()).unwrap_or(goal);
        apart.component.edges.push(Edge { time, restates_from, from, into: goal });
        apart.component.members.extend(ids);
        apart.users.extend(arrival.path.first().and_then(|id| here(id)));
        apart.settled.push((arrival.settled, arrival.pending.clone()));
        apart.revenue += arrival.pending.iter().fold(arrival.settled, |sum, (_, difference)| sum + *difference);
    }

    /// Sends an arrival on to where its goal has moved; a circle ends at the byte-smallest id of it.
    fn pass_on(&mut self, mut arrival: Arrival, home: String) {
        arrival.path.push(arrival.into.clone());
        // What led to the circle is none of it: another user's way into it may be another.
        if let Some(begins) = arrival.path.iter().position(|id| *id == home) {
            arrival.settles = true;
            arrival.into = arrival.path[begins..].iter().min().cloned().unwrap_or(home);
        } else {
            arrival.into = home;
        }
        // Ids that only came by here are known here, too.
        if arrival.settles && self.is_home_of(&arrival.into) {
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

/// Changes the numbers of breakdown segments from those of another partition to this one's.
pub(super) fn renumber_habit(habit: &mut super::habit::Habit, renumbered: &[(u32, u32)]) {
    let Some(rare) = &mut habit.rare else { return };
    let here = |there: u32| renumbered.iter().find(|(known, _)| *known == there).map_or(there, |(_, here)| *here);
    for (segment, activity) in std::mem::take(&mut rare.segments) {
        rare.segment(here(segment)).absorb(&activity);
    }
    if let Some(purchases) = rare.purchases.if_there() {
        purchases.renumber_segments(here);
    }
    if let Some(complaints) = rare.complaints.if_there() {
        complaints.renumber_segments(here);
    }
    if let Some(values) = rare.values.if_there() {
        values.renumber_segments(here);
    }
}
