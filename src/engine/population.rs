//! The users of a partition: ids to slots, and what is known in each slot.

mod together;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::sync::OnceLock;

use compact_str::CompactString;
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::component::{Component, Slot};
use super::count::FOREVER;
use super::habit::Habit;
use super::slot_set::SlotSet;
use super::standing::Standing;
pub(super) use super::users::LOOKS;
use super::users::{self, MOST_LOOKS, User, Users, UsersOnce};
use crate::model::churn::level::RiskLevel;
use crate::model::loyalty::states::States;
use crate::model::rules::facts::RuleFacts;
use crate::model::time::Day;

/// Slots that an estimate of memory looks at.
const SAMPLED_SLOTS: usize = 512;

/// All ids of a partition. The index and the calendar of visits are made anew from the rest after a restore.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Population {
    /// Days within which an order can be returned.
    return_days: i32,
    users: Users,
    /// Slots of deleted users, for the next new ones.
    free: Vec<Slot>,
    /// The component of each id that belongs to one.
    component_of: BTreeMap<Slot, u32>,
    components: BTreeMap<u32, Component>,
    next_component: u32,
    /// Ids whose user lives in another partition, with the id by which to look there.
    moved: BTreeMap<Slot, Box<str>>,
    #[serde(skip)]
    index: Index,
    #[serde(skip)]
    visits: BTreeMap<Day, SlotSet>,
    /// What the ids of a component come to together, kept from the first that asks until one of them changes. A frozen population has none.
    #[serde(skip)]
    wholes: BTreeMap<u32, OnceLock<Habit>>,
}

/// What is stored of a [`Population`], in the same order.
#[derive(Serialize)]
pub struct PopulationOnce {
    return_days: i32,
    users: UsersOnce,
    free: Vec<Slot>,
    component_of: BTreeMap<Slot, u32>,
    components: BTreeMap<u32, Component>,
    next_component: u32,
    moved: BTreeMap<Slot, Box<str>>,
}

/// How many tables the index has. Each grows by itself, so that no event waits until everyone has moved.
const SHARDS: usize = 512;

/// Ids to slots.
#[derive(Clone, Debug)]
struct Index {
    hasher: foldhash::fast::RandomState,
    /// By bits of the hash that a table itself makes no use of.
    shards: Vec<HashTable<Slot>>,
}

impl Default for Index {
    fn default() -> Self {
        Self { hasher: foldhash::fast::RandomState::default(), shards: vec![HashTable::new(); SHARDS] }
    }
}

impl Index {
    /// The hash of an id, and the number of its table.
    fn hash(&self, id: &[u8]) -> (u64, usize) {
        let hash = self.hasher.hash_one(id);
        (hash, (hash >> 40) as usize % SHARDS)
    }

    fn find(&self, id: &[u8], users: &Users) -> Option<Slot> {
        let (hash, shard) = self.hash(id);
        self.shards[shard].find(hash, |slot| users.get(*slot).id.as_bytes() == id).copied()
    }

    /// The slots that an id can have by what the table itself knows of its hash: its own, and one in ten times another, too.
    fn likely(&self, id: &[u8]) -> impl Iterator<Item = Slot> + '_ {
        let (hash, shard) = self.hash(id);
        self.shards[shard].iter_hash(hash).copied()
    }

    fn insert(&mut self, slot: Slot, users: &Users) {
        let (hash, shard) = self.hash(users.get(slot).id.as_bytes());
        let hasher = &self.hasher;
        self.shards[shard].insert_unique(hash, slot, |slot| hasher.hash_one(users.get(*slot).id.as_bytes()));
    }

    fn remove(&mut self, slot: Slot, users: &Users) {
        let (hash, shard) = self.hash(users.get(slot).id.as_bytes());
        if let Ok(entry) = self.shards[shard].find_entry(hash, |known| *known == slot) {
            entry.remove();
        }
    }

    fn approximate_bytes(&self) -> usize {
        let places = self.shards.iter().map(HashTable::capacity).sum::<usize>();
        places * (size_of::<Slot>() + 1)
    }
}

impl Population {
    /// Nobody yet; `return_days` are the days within which an order can be returned.
    #[must_use]
    pub fn new(return_days: i32) -> Self {
        Self { return_days, ..Self::default() }
    }

    /// Makes the index and the calendar of visits anew, after the rest was read from a snapshot.
    pub fn rebuild(&mut self) {
        self.index = Index::default();
        self.visits = BTreeMap::new();
        self.wholes = self.components.keys().map(|number| (*number, OnceLock::new())).collect();
        let free: BTreeSet<Slot> = self.free.iter().copied().collect();
        for slot in (0..self.users.len()).filter_map(|slot| Slot::try_from(slot).ok()).filter(|slot| !free.contains(slot)) {
            self.index.insert(slot, &self.users);
            let visit = self.users.get(slot).standing.visit;
            if visit < FOREVER {
                self.visits.entry(visit).or_default().insert(slot, self.users.len());
            }
        }
    }

    /// The same, without what is made anew after a restore; users are shared until one of both changes them.
    #[must_use]
    pub fn frozen(&self) -> Self {
        Self {
            return_days: self.return_days,
            users: self.users.clone(),
            free: self.free.clone(),
            component_of: self.component_of.clone(),
            components: self.components.clone(),
            next_component: self.next_component,
            moved: self.moved.clone(),
            index: Index::default(),
            visits: BTreeMap::new(),
            wholes: BTreeMap::new(),
        }
    }

    /// The same, to be written once: users are given up as they are written.
    pub(super) fn written_once(self) -> PopulationOnce {
        PopulationOnce {
            return_days: self.return_days,
            users: UsersOnce::new(self.users),
            free: self.free,
            component_of: self.component_of,
            components: self.components,
            next_component: self.next_component,
            moved: self.moved,
        }
    }

    /// How many slots there are, or what makes the parts of the population not fit each other.
    pub(super) fn check(&self) -> Result<usize, &'static str> {
        let ids = self.users.len();
        let known = |slot: &Slot| (*slot as usize) < ids;
        let whole = |component: &Component| {
            let inside = |slot: Slot| component.members.contains(&slot);
            component.members.len() > 1
                && component.members.iter().all(known)
                && inside(component.root)
                && component.edges.iter().all(|edge| inside(edge.from) && inside(edge.into))
        };
        let listed = |(slot, number): (&Slot, &u32)| self.components.get(number).is_some_and(|one| one.members.contains(slot));
        if !self.components.values().all(whole) || !self.component_of.iter().all(listed) {
            return Err("merged ids that do not fit each other");
        }
        if !self.free.iter().all(known) || !self.moved.keys().all(known) {
            return Err("a slot that is not there");
        }
        Ok(ids)
    }

    /// Whether any id has been active or has facts.
    pub(super) fn counts_anything(&self) -> bool {
        self.users.iter().any(|user| !user.habit.is_empty())
    }

    /// Whether all segments that users were active in, ordered in or complained in have a number below `count`.
    pub(super) fn segments_are_below(&self, count: usize) -> bool {
        let below = |segment: &u32| *segment > 0 && (*segment as usize) < count;
        let rare = self.users.iter().filter_map(|user| user.habit.rare.as_deref());
        rare.into_iter().all(|rare| rare.segment_numbers().iter().all(below))
    }

    /// What rules remember of whom, by slot.
    pub(super) fn rule_facts(&self) -> impl Iterator<Item = (Slot, &RuleFacts)> {
        self.users.iter().zip(0..).filter_map(|(user, slot)| Some((slot, user.habit.rare.as_deref()?.rules.as_deref()?)))
    }

    /// Has rules remember this and nothing else.
    pub(super) fn set_rule_facts(&mut self, facts: Vec<(Slot, RuleFacts)>) {
        let known: Vec<Slot> = self.rule_facts().map(|(slot, _)| slot).collect();
        for slot in known {
            self.habit_mut(slot).rare_mut().rules = None;
        }
        for (slot, facts) in facts {
            self.habit_mut(slot).rare_mut().rules = Some(Box::new(facts));
        }
    }

    /// Has rules remember other things.
    pub(super) fn renumber_rules(&mut self, renumbered: impl Fn(&RuleFacts) -> RuleFacts) {
        let slots: Vec<Slot> = self.rule_facts().map(|(slot, _)| slot).collect();
        for slot in slots {
            let rare = self.habit_mut(slot).rare_mut();
            rare.rules = rare.rules.take().map(|facts| renumbered(&facts)).filter(|facts| !facts.is_empty()).map(Box::new);
        }
    }

    /// The slot of an id, if it is known.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Slot> {
        self.index.find(id.as_bytes(), &self.users)
    }

    /// Looks at what there is of ids, as far as they are known.
    pub fn warm(&self, ids: &[&[u8]]) {
        // Which user an id has is not looked at before memory was asked for all of them.
        self.look(ids.iter().flat_map(|id| self.index.likely(id)));
    }

    /// Looks at what there is of users who are about to be counted.
    pub(super) fn look(&self, slots: impl Iterator<Item = Slot>) {
        let users: SmallVec<[&User; MOST_LOOKS]> = slots.map(|slot| self.users.get(slot)).collect();
        users::look(&users);
    }

    /// The slot of an id, made when it is new.
    pub fn intern(&mut self, id: &str) -> Slot {
        self.find(id).unwrap_or_else(|| self.add(id))
    }

    /// A slot for an id that has none.
    pub(super) fn add(&mut self, id: &str) -> Slot {
        let slot = if let Some(slot) = self.free.pop() {
            self.users.get_mut(slot).id = id.into();
            slot
        } else {
            self.users.push(User { id: id.into(), ..User::default() })
        };
        self.index.insert(slot, &self.users);
        slot
    }

    /// The id of a slot.
    #[must_use]
    pub fn id(&self, slot: Slot) -> &str {
        &self.users.get(slot).id
    }

    /// What is known about the id of a slot alone.
    #[must_use]
    pub fn habit(&self, slot: Slot) -> &Habit {
        &self.users.get(slot).habit
    }

    /// The same, to change it.
    pub fn habit_mut(&mut self, slot: Slot) -> &mut Habit {
        if let Some(whole) = self.component_of.get(&slot).and_then(|number| self.wholes.get_mut(number)) {
            whole.take();
        }
        &mut self.users.get_mut(slot).habit
    }

    /// Notes what was decided last about the user of a root slot: nothing that its ids have in common.
    pub(super) fn set_states(&mut self, root: Slot, states: Option<Box<States>>) {
        self.users.get_mut(root).habit.rare_mut().states = states;
    }

    /// What was last said about the user of a root slot.
    #[must_use]
    pub fn standing(&self, slot: Slot) -> Standing {
        self.users.get(slot).standing
    }

    /// Notes the level at the end of a day that closed.
    pub fn set_decided(&mut self, slot: Slot, decided: Option<RiskLevel>) {
        self.users.get_mut(slot).standing.decided = decided;
    }

    /// Notes what was said, and when the user is to be looked at again. What was decided stays.
    pub fn set_standing(&mut self, slot: Slot, standing: Standing) {
        let places = self.users.len();
        let known = &mut self.users.get_mut(slot).standing;
        // An entry for an earlier day stays where it is: the visit finds nothing changed and moves on.
        let visit = if known.visit <= standing.visit { known.visit } else { standing.visit };
        if visit < known.visit {
            self.visits.entry(visit).or_default().insert(slot, places);
        }
        let decided = known.decided;
        *known = standing;
        (known.visit, known.decided) = (visit, decided);
    }

    /// Takes the slots of users whom the close of `day` may change: each is to be asked for with [`Population::is_due`].
    pub(super) fn take_visits(&mut self, day: Day) -> SlotSet {
        self.visits.remove(&day).unwrap_or_default()
    }

    /// Whether the close of `day` changes a user who was noted for it; who does must be given a standing again. Users who were looked at as of a later day since they
    /// were noted wait for their own day.
    pub fn is_due(&mut self, slot: Slot, day: Day) -> bool {
        let standing = &mut self.users.get_mut(slot).standing;
        if standing.visit != day {
            return false;
        }
        standing.visit = FOREVER;
        let standing = *standing;
        if standing.next_change > day {
            self.set_standing(slot, standing.until(standing.next_change));
            return false;
        }
        true
    }

    /// The slot under which the user of an id is kept.
    #[must_use]
    pub fn root(&self, slot: Slot) -> Slot {
        self.component(slot).map_or(slot, |component| component.root)
    }

    /// The ids that are one user with the id of a slot, when there are several.
    #[must_use]
    pub fn component(&self, slot: Slot) -> Option<&Component> {
        self.component_of.get(&slot).and_then(|component| self.components.get(component))
    }

    /// The slots of all ids of the user of a slot.
    #[must_use]
    pub fn members(&self, slot: Slot) -> Vec<Slot> {
        self.component(slot).map_or_else(|| vec![slot], |component| component.members.clone())
    }

    /// Takes apart the component of a slot, to be put together again with [`Population::join`].
    pub fn take_component(&mut self, slot: Slot) -> Component {
        let number = self.component_of.get(&slot).copied();
        let taken = number.and_then(|number| {
            self.wholes.remove(&number);
            self.components.remove(&number)
        });
        let taken = taken.unwrap_or_else(|| Component { members: vec![slot], edges: Vec::new(), root: slot });
        for member in &taken.members {
            self.component_of.remove(member);
        }
        taken
    }

    /// Makes the ids of a component one user and returns the slot of the id that it goes by.
    pub fn join(&mut self, mut component: Component) -> Slot {
        component.members.sort_unstable();
        component.members.dedup();
        component.edges.sort_unstable();
        component.edges.dedup();
        component.root = component.find_root(|slot| &self.users.get(slot).id);
        let root = component.root;
        if component.members.len() > 1 {
            let number = self.next_component;
            self.next_component += 1;
            for member in &component.members {
                self.component_of.insert(*member, number);
            }
            self.components.insert(number, component);
            self.wholes.insert(number, OnceLock::new());
        }
        root
    }

    /// Where to look for the user of a slot when it lives in another partition.
    #[must_use]
    pub fn moved_to(&self, slot: Slot) -> Option<&str> {
        self.moved.get(&slot).map(|id| &**id)
    }

    /// Notes that the user of a slot now lives in the partition of another id; nothing else is kept of it.
    pub fn move_away(&mut self, slot: Slot, to: &str) {
        self.users.get_mut(slot).habit = Habit::default();
        self.set_never(slot);
        self.moved.insert(slot, to.into());
    }

    /// Notes that the user of a slot lives here after all.
    pub fn move_back(&mut self, slot: Slot) {
        self.moved.remove(&slot);
    }

    fn set_never(&mut self, slot: Slot) {
        self.users.get_mut(slot).standing = Standing::default();
    }

    /// Forgets what was said about the id of a slot, because its user goes by another.
    pub fn clear_standing(&mut self, slot: Slot) {
        self.set_never(slot);
    }

    /// Removes an id and all that is known about it. Its component must have been taken apart.
    pub fn remove(&mut self, slot: Slot) {
        self.index.remove(slot, &self.users);
        self.users.get_mut(slot).id = CompactString::default();
        self.users.get_mut(slot).habit = Habit::default();
        self.set_never(slot);
        self.moved.remove(&slot);
        self.free.push(slot);
    }

    /// The ids whose users live in another partition, each with the id by which to look there.
    pub fn moved(&self) -> impl Iterator<Item = (Slot, &str)> {
        self.moved.iter().map(|(slot, to)| (*slot, &**to))
    }

    /// The root slots of all users who live here.
    pub fn roots(&self) -> impl Iterator<Item = Slot> + '_ {
        let slots = (0..self.users.len()).filter_map(|slot| Slot::try_from(slot).ok());
        slots.filter(|slot| self.is_root(*slot))
    }

    /// Whether a slot is that of a user who lives here, and the one that the user is kept under.
    #[must_use]
    pub fn is_root(&self, slot: Slot) -> bool {
        !self.users.get(slot).id.is_empty() && !self.moved.contains_key(&slot) && self.root(slot) == slot
    }

    /// Bytes of memory that all this takes, estimated: what every id has by its capacity, long ids and rare facts from a sample of slots.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        let step = (self.users.len() / SAMPLED_SLOTS).max(1);
        let sampled = self.users.iter().step_by(step).map(|user| {
            let id = if user.id.is_heap_allocated() { user.id.capacity() } else { 0 };
            id + user.habit.rare.as_ref().map_or(0, |rare| rare.approximate_bytes())
        });
        let visits = self.visits.values().map(SlotSet::approximate_bytes).sum::<usize>();
        let habits = self.users.approximate_bytes() + sampled.sum::<usize>() * step;
        habits + self.index.approximate_bytes() + visits + self.approximate_bytes_of_wholes()
    }

    /// The slots that nobody is in.
    pub(super) fn free_slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.free.iter().copied()
    }

    /// How many slots there are, the empty ones of deleted users among them.
    pub(super) fn slots(&self) -> usize {
        self.users.len()
    }

    /// How many ids are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.users.len() - self.free.len()
    }

    /// How many users have several ids.
    #[must_use]
    pub fn merged_users(&self) -> usize {
        self.components.len()
    }

    /// Whether no id is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
