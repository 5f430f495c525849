//! What the ids of one user come to together.

use std::borrow::Cow;
use std::sync::OnceLock;

use super::{Population, SAMPLED_SLOTS};
use crate::engine::component::{Component, Slot};
use crate::engine::count::{CountRule, Era, FOREVER, Ledgers, count_habit};
use crate::engine::habit::{Activity, Habit, Rare};
use crate::engine::last_values::LastValues;
use crate::model::purchases::Purchases;
use crate::model::time::Day;

impl Population {
    /// All that is known about the user of a slot, its ids taken together.
    #[must_use]
    pub fn whole(&self, slot: Slot) -> Cow<'_, Habit> {
        let Some(number) = self.component_of.get(&slot) else { return Cow::Borrowed(self.habit(slot)) };
        let Some(component) = self.components.get(number) else { return Cow::Borrowed(self.habit(slot)) };
        if self.is_under_root(component) {
            return Cow::Borrowed(self.habit(component.root));
        }
        match self.wholes.get(number) {
            Some(whole) => Cow::Borrowed(whole.get_or_init(|| self.together(&component.members))),
            None => Cow::Owned(self.together(&component.members)),
        }
    }

    fn is_under_root(&self, component: &Component) -> bool {
        component.members.iter().all(|member| *member == component.root || self.habit(*member).is_empty())
    }

    /// The active days of the user of a slot, its ids taken together: everywhere, or in a breakdown segment.
    #[must_use]
    pub fn activity(&self, slot: Slot, segment: Option<u32>) -> Activity {
        let of = |slot: Slot| {
            let habit = self.habit(slot);
            match segment {
                None => habit.activity,
                Some(segment) => habit.rare.as_ref().map_or_else(Activity::default, |rare| rare.activity_in(segment)),
            }
        };
        let Some(component) = self.component(slot) else { return of(slot) };
        component.members.iter().fold(Activity::default(), |mut all, member| {
            all.absorb(&of(*member));
            all
        })
    }

    /// When and where the user of a slot was seen, its ids taken together, and when it left: active days, breakdown values and departures alone, since all that is
    /// known of several ids is much to put together for each event.
    pub(in crate::engine) fn seen_of(&self, slot: Slot) -> Cow<'_, Habit> {
        let Some(component) = self.component(slot) else { return Cow::Borrowed(self.habit(slot)) };
        let mut seen = Habit::default();
        for habit in component.members.iter().map(|member| self.habit(*member)) {
            seen.activity.absorb(&habit.activity);
            seen.last_active = seen.last_active.max(habit.last_active);
            let Some(rare) = habit.rare.as_deref().filter(|rare| *rare.values != LastValues::default() || !rare.departures.is_empty())
            else {
                continue;
            };
            seen.rare_mut().values.absorb(&rare.values, LastValues::absorb);
            rare.departures.iter().for_each(|departure| seen.rare_mut().depart(*departure));
        }
        Cow::Owned(seen)
    }

    /// The purchases of the user of a slot, its ids taken together.
    #[must_use]
    pub fn purchases(&self, slot: Slot) -> Cow<'_, Purchases> {
        match self.whole(slot) {
            Cow::Borrowed(whole) => whole.rare.as_deref().map_or_else(Cow::default, |rare| Cow::Borrowed(&*rare.purchases)),
            Cow::Owned(whole) => Cow::Owned(whole.rare.map(|rare| rare.purchases.into_part()).unwrap_or_default()),
        }
    }

    /// Whether anything but active days may be known about the user of a slot.
    #[must_use]
    pub fn has_facts(&self, slot: Slot) -> bool {
        self.habit(slot).rare.is_some() || self.component(slot).is_some()
    }

    /// Whether the ids of the user of a slot are together on every day from `day` on.
    #[must_use]
    pub fn is_united_from(&self, slot: Slot, day: Day) -> bool {
        self.component(slot).is_none_or(|component| component.edges.iter().all(|edge| edge.restates_from <= day))
    }

    /// Whether all that is known about the user of a slot is kept under one id.
    #[must_use]
    pub fn is_together(&self, slot: Slot) -> bool {
        self.component(slot).is_none_or(|component| self.is_under_root(component))
    }

    /// Keeps what is known about a user of several ids under one, as far as no day can change any more on which they count apart: active days before
    /// `restatable` and purchases before `changeable` are final. They must be put together before any of it is forgotten.
    pub fn settle_component(&mut self, slot: Slot, restatable: Day, changeable: Day) {
        let Some(component) = self.component(slot) else { return };
        let newest = component.edges.iter().map(|edge| edge.restates_from).max();
        if newest.is_none_or(|newest| newest >= restatable) || self.is_together(slot) {
            return;
        }
        let purchases_too = newest < Some(changeable);
        let root = component.root;
        for member in component.members.clone() {
            if member == root {
                continue;
            }
            let mut habit = std::mem::take(self.habit_mut(member));
            if let Some(rare) = habit.rare.as_mut().filter(|rare| !purchases_too && !rare.purchases.is_empty()) {
                let kept = Rare { purchases: std::mem::take(&mut rare.purchases), ..Rare::default() };
                self.users.get_mut(member).habit.rare = Some(Box::new(kept));
            }
            self.users.get_mut(root).habit.absorb(&habit, self.return_days);
        }
    }

    fn together(&self, slots: &[Slot]) -> Habit {
        // Most of it is copied as it is, and little joined to that.
        let size = |slot: &Slot| self.habit(*slot).rare.as_deref().map_or(0, Rare::approximate_bytes);
        let Some(largest) = slots.iter().copied().max_by_key(size) else { return Habit::default() };
        let mut whole = self.habit(largest).alone();
        for slot in slots.iter().filter(|slot| **slot != largest) {
            whole.absorb(self.habit(*slot), self.return_days);
        }
        whole
    }

    /// Bytes of memory of what is kept of users of several ids, estimated from a sample.
    pub(super) fn approximate_bytes_of_wholes(&self) -> usize {
        let step = (self.wholes.len() / SAMPLED_SLOTS).max(1);
        let kept = self.wholes.values().step_by(step).filter_map(OnceLock::get);
        kept.map(|whole| size_of::<Habit>() + whole.rare.as_ref().map_or(0, |rare| rare.approximate_bytes())).sum::<usize>() * step
    }

    /// Adds (`sign` 1) or takes away (-1) what the user of a slot counts for from a day on, its ids apart on days before their merges.
    pub fn count(&self, ledgers: &mut Ledgers, slot: Slot, from: Day, rule: CountRule, sign: i32) {
        let Some(component) = self.component(slot) else {
            return count_habit(ledgers, self.habit(slot), Era::from(from), rule, sign);
        };
        let mut starts = component.boundaries();
        starts.retain(|day| *day > from);
        starts.insert(0, from);
        for (index, start) in starts.iter().enumerate() {
            let through = starts.get(index + 1).map_or(FOREVER, |next| *next - 1);
            for group in component.groups_on(*start) {
                count_habit(ledgers, &self.together(&group), Era { from: *start, through }, rule, sign);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::component::Edge;
    use crate::model::money::Money;
    use crate::model::purchases::{Break, Order};
    use crate::model::time::EventTime;

    const IDS: u32 = 4;

    #[derive(Clone, Debug)]
    enum Step {
        Active(Slot, i32),
        Ordered(Slot, u8, i32),
        Cancelled(Slot, i32),
        Merged(Slot, Slot, i32),
        Settled(Slot, i32, i32),
        TakenApart(Slot),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..IDS, 0_i32..40).prop_map(|(slot, day)| Step::Active(slot, day)),
            4 => (0..IDS, 0_u8..6, 0_i32..40).prop_map(|(slot, key, day)| Step::Ordered(slot, key, day)),
            1 => (0..IDS, 0_i32..40).prop_map(|(slot, day)| Step::Cancelled(slot, day)),
            2 => (0..IDS, 0..IDS, 0_i32..40).prop_map(|(from, into, day)| Step::Merged(from, into, day)),
            2 => (0..IDS, 0_i32..60, 0_i32..60).prop_map(|(slot, restatable, changeable)| Step::Settled(slot, restatable, changeable)),
            1 => (0..IDS).prop_map(Step::TakenApart),
        ]
    }

    fn at(day: i32) -> (Day, EventTime) {
        (Day::from_number(day), EventTime::from_millis(i64::from(day) * 86_400_000))
    }

    fn order(key: u8, day: i32) -> Order {
        let (day, time) = at(day);
        Order::bare(&key.to_string(), (time, day), Money::from_millionths(1_000_000))
    }

    fn take(population: &mut Population, step: &Step) {
        match *step {
            Step::Active(slot, day) => {
                population.habit_mut(slot).activity.insert(at(day).0);
            }
            Step::Ordered(slot, key, day) => {
                population.habit_mut(slot).rare_mut().purchases.make().place(order(key, day), 30);
            }
            Step::Cancelled(slot, day) => {
                let (day, time) = at(day);
                population.habit_mut(slot).rare_mut().purchases.make().break_streak(Break { time, day });
            }
            Step::Merged(from, into, day) => {
                let (restates_from, time) = at(day);
                let mut component = population.take_component(from);
                let other = if component.members.contains(&into) { component.clone() } else { population.take_component(into) };
                component.members.extend(other.members);
                component.edges.extend(other.edges);
                component.edges.push(Edge { time, restates_from, from, into });
                population.join(component);
            }
            Step::Settled(slot, restatable, changeable) => population.settle_component(slot, at(restatable).0, at(changeable).0),
            Step::TakenApart(slot) => {
                population.take_component(slot);
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_of_several_ids_is_what_they_come_to_now(steps in prop::collection::vec(step(), 1..40)) {
            let mut population = Population::new(30);
            for slot in 0..IDS {
                population.intern(&format!("user-{slot}"));
            }
            for step in &steps {
                take(&mut population, step);
                // A frozen population keeps nothing and puts all of it together anew.
                let anew = population.frozen();
                for slot in 0..IDS {
                    prop_assert_eq!(population.whole(slot), anew.whole(slot), "{:?}", step);
                    prop_assert_eq!(population.purchases(slot), anew.purchases(slot));
                }
            }
        }
    }

    #[test]
    fn ids_are_counted_until_they_are_removed_and_their_slots_are_taken_again() {
        let mut population = Population::new(90);
        assert!(population.is_empty());
        let [first, second, again] = ["a", "b", "a"].map(|id| population.intern(id));
        assert_eq!((again, population.len(), population.is_empty()), (first, 2, false));
        population.remove(first);
        population.remove(second);
        assert_eq!((population.len(), population.is_empty(), population.slots()), (0, true, 2));
        assert_eq!((population.intern("c"), population.len(), population.slots()), (second, 1, 2));
    }
}
