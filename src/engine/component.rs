//! Ids that are one user: who merged into whom, from which day on, and under which id the user goes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::time::{Day, EventTime};

/// A slot of the population: the place of one id.
pub type Slot = u32;

/// One `user_merged`: the user of `from` became the user of `into`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edge {
    /// Event time.
    pub time: EventTime,
    /// The first day that the merge restates: its own day less the late horizon.
    pub restates_from: Day,
    /// The id that the record is about.
    pub from: Slot,
    /// The id that it names.
    pub into: Slot,
}

/// The ids of one user, at least two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// Sorted.
    pub members: Vec<Slot>,
    /// Sorted by time.
    pub edges: Vec<Edge>,
    /// The member whose id the user goes by.
    pub root: Slot,
}

impl Component {
    /// The days from which the grouping of members changes, ascending.
    #[must_use]
    pub fn boundaries(&self) -> Vec<Day> {
        let mut days: Vec<Day> = self.edges.iter().map(|edge| edge.restates_from).collect();
        days.sort_unstable();
        days.dedup();
        days
    }

    /// The members as users on `day`: those joined by merges that restate it are together.
    #[must_use]
    pub fn groups_on(&self, day: Day) -> Vec<Vec<Slot>> {
        let mut sets = Sets::default();
        for edge in self.edges.iter().filter(|edge| edge.restates_from <= day) {
            sets.unite(edge.from, edge.into);
        }
        let mut groups: BTreeMap<Slot, Vec<Slot>> = BTreeMap::new();
        for member in &self.members {
            groups.entry(sets.find(*member)).or_default().push(*member);
        }
        groups.into_values().collect()
    }

    /// The member whose id the user goes by: merges are followed in the order of their time, each from the user that its ids are by then; on a circle the byte-smallest id of the circle is the user.
    #[must_use]
    pub fn find_root<'a>(&self, id_of: impl Fn(Slot) -> &'a str) -> Slot {
        let mut sets = Sets::default();
        // Where each id went, as the records say, and the id that each user goes by, by its set.
        let mut went: BTreeMap<Slot, Slot> = BTreeMap::new();
        let mut named: BTreeMap<Slot, Slot> = BTreeMap::new();
        let mut edges: Vec<&Edge> = self.edges.iter().collect();
        edges.sort_by_key(|edge| (edge.time, id_of(edge.from), id_of(edge.into)));
        for edge in edges {
            let (from, into) = (sets.find(edge.from), sets.find(edge.into));
            let user = named.get(&from).copied().unwrap_or(edge.from);
            if from != into {
                let goal = named.get(&into).copied().unwrap_or(edge.into);
                went.insert(user, edge.into);
                named.insert(sets.unite(edge.from, edge.into), goal);
            } else if user != edge.into && edge.from != edge.into {
                let mut circle = vec![edge.into];
                while let Some(next) = circle.last().filter(|last| **last != user).and_then(|last| went.get(last)) {
                    circle.push(*next);
                }
                let smallest = circle.iter().copied().min_by_key(|slot| id_of(*slot)).unwrap_or(user);
                for slot in circle {
                    went.insert(slot, smallest);
                }
                went.remove(&smallest);
                named.insert(from, smallest);
            }
        }
        self.members.first().map_or(self.root, |member| named.get(&sets.find(*member)).copied().unwrap_or(*member))
    }
}

/// Disjoint sets of slots.
#[derive(Default)]
struct Sets(BTreeMap<Slot, Slot>);

impl Sets {
    /// The slot that stands for the set of a slot.
    fn find(&mut self, slot: Slot) -> Slot {
        let mut way = Vec::new();
        let mut end = slot;
        while let Some(next) = self.0.get(&end) {
            way.push(end);
            end = *next;
        }
        for passed in way {
            self.0.insert(passed, end);
        }
        end
    }

    /// Joins the sets of two slots; the one that stands for both.
    fn unite(&mut self, one: Slot, other: Slot) -> Slot {
        let (one, other) = (self.find(one), self.find(other));
        if one != other {
            self.0.insert(one, other);
        }
        other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [&str; 4] = ["d", "a", "c", "b"];

    fn component(edges: &[(i64, Slot, Slot)]) -> Component {
        let edge = |(time, from, into): &(i64, Slot, Slot)| Edge {
            time: EventTime::from_nanos(*time),
            restates_from: Day::from_number(i32::try_from(*time).expect("small")),
            from: *from,
            into: *into,
        };
        Component { members: vec![0, 1, 2, 3], edges: edges.iter().map(edge).collect(), root: 0 }
    }

    #[test]
    fn the_root_is_where_the_merges_lead() {
        for (edges, root) in [
            (vec![(1, 0, 1), (2, 1, 2), (3, 2, 3)], 3),
            (vec![(3, 0, 1), (2, 1, 2), (1, 2, 3)], 3),
            (vec![(1, 1, 0), (2, 1, 2), (3, 3, 1)], 2),
            (vec![(1, 0, 1), (2, 1, 2), (3, 2, 0), (4, 3, 0)], 1),
            (vec![(1, 1, 2), (2, 0, 1), (3, 2, 0)], 1),
            (vec![(1, 1, 3), (2, 3, 2), (3, 0, 1), (4, 2, 0)], 1),
            (vec![(1, 0, 0), (2, 0, 3), (3, 1, 3), (4, 2, 3), (5, 3, 3)], 3),
        ] {
            assert_eq!(component(&edges).find_root(|slot| IDS[slot as usize]), root, "{edges:?}");
        }
    }

    #[test]
    fn members_are_apart_before_their_merge() {
        let component = component(&[(5, 0, 1), (9, 2, 1), (7, 3, 0)]);
        assert_eq!(component.groups_on(Day::from_number(4)), [[0], [1], [2], [3]]);
        assert_eq!(component.groups_on(Day::from_number(5)), [vec![0, 1], vec![2], vec![3]]);
        assert_eq!(component.groups_on(Day::from_number(9)), [[0, 1, 2, 3]]);
        assert_eq!(component.boundaries().len(), 3);
    }
}
