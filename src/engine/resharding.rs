//! One log gets more partitions: every user moves to the engine that the hash of the id now names.
//!
//! Nothing happens to anyone: levels, streaks and lifecycles go along, and nothing is published. What a user counts for on the days that can still change
//! is taken out of one engine's figures and put into another's; what was told of earlier days stays where it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::component::{Component, Edge, Slot};
use super::habit::Habit;
use super::ledger::Ledger;
use super::loyalty::Look;
use super::merging::renumber_habit;
use super::partition::{PartitionEngine, Placement};
use super::population::Population;
use super::segments::Segments;
use super::standing::Standing;
use super::switching::Ahead;
use super::transfer::NamedEdge;
use crate::model::churn::settings::ChurnSettings;
use crate::model::money::Money;
use crate::model::partition::partition_of;
use crate::model::time::Day;

/// Why users cannot be moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReshardError {
    /// Fewer than there are, or as many.
    #[error("{after} partitions are not more than {before}")]
    NotMore {
        /// How many engines there are.
        before: usize,
        /// How many there should be.
        after: u32,
    },
    /// The producers place users otherwise.
    #[error(
        "{elsewhere} of {ids} ids are in other partitions than the murmur2 hash of the id names, {example} for one: the producers place their \
         records otherwise, so that nobody can tell where a user's records will be; set kafka.repartition = true, which keys the log itself"
    )]
    PlacedOtherwise {
        /// Ids elsewhere.
        elsewhere: usize,
        /// All ids.
        ids: usize,
        /// One of those elsewhere, by its partition and hash alone.
        example: String,
    },
    /// Merged ids would part.
    #[error(
        "{users} users of several ids would have ids in different partitions, where their records could not find them; set kafka.repartition = true, \
         which lets users move"
    )]
    WouldPart {
        /// How many users.
        users: usize,
    },
    /// A day that was not closed to its end, as closing by the clock does.
    #[error("the close of {day} is not over: try again")]
    Unfinished {
        /// The day.
        day: Day,
    },
    /// Engines that stand at different days.
    #[error(
        "partitions have closed days through {first} and through {last}: the clock that closed them has jumped; try again after the next day has closed"
    )]
    Apart {
        /// The earliest.
        first: Day,
        /// The latest.
        last: Day,
    },
    /// Engines that count by different settings.
    #[error("partitions count by different settings: start the service with the new ones once, and stop it")]
    OtherSettings,
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resharded {
    /// Users there are.
    pub users: usize,
    /// Those of them who moved.
    pub moved: usize,
}

/// Net revenue of closed days, and of open ones by day.
type Revenue = (Money, Vec<(Day, Money)>);

/// What a partition had that its users' states speak of.
struct Origin {
    numbering: Segments,
    churn: Arc<ChurnSettings>,
}

impl Origin {
    fn of(engine: &PartitionEngine) -> Self {
        Self { numbering: engine.state.segments.clone(), churn: Arc::clone(&engine.churn) }
    }
}

/// A user taken out of an engine.
struct Resident {
    /// The engine.
    from: usize,
    /// The engine to live in.
    home: usize,
    members: Vec<(String, Habit)>,
    edges: Vec<NamedEdge>,
    root: String,
    standing: Standing,
    revenue: Revenue,
    /// The open days at whose close the level is to be decided.
    open: Vec<Day>,
}

/// Moves the users of `engines`, in the order of their partitions, to as many engines as `salts` adds to them. Their effects and partials must have been taken, and they
/// must have closed the same days. Afterwards each has partials to tell and no effects.
pub fn reshard(engines: Vec<PartitionEngine>, salts: &[[u8; 16]]) -> Result<(Vec<PartitionEngine>, Resharded), ReshardError> {
    let partitions = u32::try_from(engines.len() + salts.len()).unwrap_or(u32::MAX);
    check(&engines, partitions)?;
    let mut engines = align(engines, partitions, salts);
    let origins: Vec<Origin> = engines.iter().map(Origin::of).collect();
    let mut pointers = BTreeMap::new();
    let mut residents = Vec::new();
    for (index, engine) in engines.iter_mut().enumerate() {
        engine.discount_leavers(index, partitions);
        // Work done beforehand is of users who may leave.
        engine.ahead = Ahead::default();
        engine.take_residents(index, partitions, &mut residents, &mut pointers);
    }
    let done = Resharded { users: residents.len(), moved: residents.iter().filter(|one| one.from != one.home).count() };
    for resident in residents {
        for (id, _) in &resident.members {
            pointers.insert(id.clone(), resident.root.clone());
        }
        let (home, from) = (resident.home, resident.from);
        engines[home].house(resident, (from != home).then(|| &origins[from]));
    }
    for (id, to) in pointers {
        engines[partition_of(id.as_bytes(), partitions) as usize].point_away(&id, &to);
    }
    engines.iter_mut().for_each(PartitionEngine::rebuild_rules);
    Ok((engines, done))
}

fn check(engines: &[PartitionEngine], after: u32) -> Result<(), ReshardError> {
    if after as usize <= engines.len() || engines.is_empty() {
        return Err(ReshardError::NotMore { before: engines.len(), after });
    }
    let first = &engines[0].state.settings;
    if engines.iter().any(|engine| engine.state.settings != *first) {
        return Err(ReshardError::OtherSettings);
    }
    if let Some(position) = engines.iter().find_map(PartitionEngine::close_position) {
        return Err(ReshardError::Unfinished { day: position.day });
    }
    let closed: BTreeSet<Day> = engines.iter().filter_map(|engine| engine.state.closed_through).collect();
    if let (Some(first), Some(last), true) = (closed.first(), closed.last(), closed.len() > 1) {
        return Err(ReshardError::Apart { first: *first, last: *last });
    }
    if engines[0].state.placement.transfers { Ok(()) } else { check_placement(engines, after) }
}

/// Where users cannot move by themselves, every id must be where its records are, before and after.
fn check_placement(engines: &[PartitionEngine], after: u32) -> Result<(), ReshardError> {
    let before = u32::try_from(engines.len()).unwrap_or(u32::MAX);
    let (mut ids, mut elsewhere, mut parted, mut example) = (0, 0, 0, String::new());
    for (index, engine) in engines.iter().enumerate() {
        let population = &engine.state.population;
        for root in population.roots() {
            let members = population.members(root);
            let homes: BTreeSet<u32> = members.iter().map(|slot| partition_of(population.id(*slot).as_bytes(), after)).collect();
            parted += usize::from(homes.len() > 1);
            for slot in members {
                ids += 1;
                let hash = |partitions| partition_of(population.id(slot).as_bytes(), partitions) as usize;
                // A producer that knew of the new partitions already has put some where they belong now.
                if hash(before) != index && hash(after) != index {
                    elsewhere += 1;
                    example = format!("one of partition {index} that belongs to {}", hash(before));
                }
            }
        }
    }
    match (elsewhere, parted) {
        (0, 0) => Ok(()),
        (0, users) => Err(ReshardError::WouldPart { users }),
        _ => Err(ReshardError::PlacedOtherwise { elsewhere, ids, example }),
    }
}

/// Adds the new engines, and has all stand at the same time: that of the one furthest ahead.
fn align(mut engines: Vec<PartitionEngine>, partitions: u32, salts: &[[u8; 16]]) -> Vec<PartitionEngine> {
    let (first, before) = (&engines[0], engines.len());
    let (settings, calendar, transfers) = (first.state.settings.clone(), first.calendar.clone(), first.state.placement.transfers);
    let (models, past_judges) = (first.state.models.clone(), first.state.past_judges.clone());
    for salt in salts {
        let mut state = PartitionEngine::new(settings.clone(), Placement::ALONE, calendar.clone(), *salt).state;
        state.models = models.clone();
        state.past_judges = past_judges.clone();
        engines.push(PartitionEngine::from_state(state, calendar.clone()));
    }
    let newest_day = engines.iter().filter_map(|engine| engine.state.newest_day).max();
    let newest_time = engines.iter().map(|engine| engine.state.newest_time).max();
    let closed = engines.iter().filter_map(|engine| engine.state.closed_through).max();
    let deletions: Vec<_> = engines.iter().take(before).map(|engine| engine.state.deletions.clone()).collect();
    for (partition, engine) in (0..).zip(&mut engines) {
        engine.state.placement = Placement { partition, partitions, transfers };
        engine.state.newest_day = newest_day;
        engine.state.newest_time = newest_time.unwrap_or(engine.state.newest_time);
        if engine.state.closed_through.is_none() {
            engine.state.closed_through = closed;
            engine.state.told_through = closed;
        }
        for other in &deletions {
            engine.state.deletions.inherit(other);
        }
        engine.progress_told = false;
        engine.advance_ledgers();
    }
    // A partition that only took users in counts from a day of its own.
    let base = engines.iter().filter_map(|engine| engine.state.ledgers.first()).map(Ledger::base).max();
    if let Some(base) = base {
        for engine in &mut engines {
            engine.count_from(base);
        }
    }
    engines
}

impl PartitionEngine {
    /// Takes the users who will live elsewhere out of what this partition counts.
    fn discount_leavers(&mut self, index: usize, partitions: u32) {
        let roots: Vec<Slot> = self.state.population.roots().collect();
        for root in roots {
            if partition_of(self.state.population.id(root).as_bytes(), partitions) as usize == index {
                continue;
            }
            self.count_resident(root, -1);
            self.leave_alerts(root);
            let decided = self.state.population.standing(root).decided;
            self.leave_risk(root);
            // It goes along: only the levels that are counted here are without it.
            self.state.population.set_decided(root, decided);
        }
    }

    /// Takes all users out, and where those who moved away before are to be looked for.
    fn take_residents(&mut self, index: usize, partitions: u32, residents: &mut Vec<Resident>, pointers: &mut BTreeMap<String, String>) {
        let mut revenue = self.state.revenue.take_all();
        let mut open: BTreeMap<Slot, Vec<Day>> = BTreeMap::new();
        for (day, slots) in self.state.risk.take_open() {
            for slot in slots.into_ascending() {
                open.entry(self.state.population.root(slot)).or_default().push(day);
            }
        }
        self.state.loyalty.clear();
        let empty = Population::new(i32::from(self.state.settings.return_days));
        let mut population = std::mem::replace(&mut self.state.population, empty);
        pointers.extend(population.moved().map(|(slot, to)| (population.id(slot).to_owned(), to.to_owned())));
        let roots: Vec<Slot> = population.roots().collect();
        for root in roots {
            let standing = population.standing(root);
            let component = population.take_component(root);
            let id = |slot: Slot| population.id(slot).to_owned();
            let named = |known: &Edge| NamedEdge {
                time: known.time,
                restates_from: known.restates_from,
                from: id(known.from),
                into: id(known.into),
            };
            let (edges, root_id) = (component.edges.iter().map(named).collect(), id(root));
            let ids: Vec<String> = component.members.iter().map(|slot| id(*slot)).collect();
            let habits = component.members.iter().map(|slot| std::mem::take(population.habit_mut(*slot)));
            residents.push(Resident {
                from: index,
                home: partition_of(root_id.as_bytes(), partitions) as usize,
                members: ids.into_iter().zip(habits).collect(),
                edges,
                root: root_id,
                standing,
                revenue: revenue.remove(&root).unwrap_or_default(),
                open: open.remove(&root).unwrap_or_default(),
            });
        }
    }

    /// Takes a user in, from another partition where `origin` is given.
    fn house(&mut self, resident: Resident, origin: Option<&Origin>) {
        let Resident { mut members, edges, root, mut standing, revenue, open, .. } = resident;
        if let Some(origin) = origin {
            self.renumber_members(&mut members, &origin.numbering);
        }
        let doubles = self.take_doubles(&members);
        let is_double = !doubles.is_empty();
        let members = members.into_iter().map(|(id, habit)| self.move_into(&id, habit)).collect();
        let mut component = Component { members, edges: Vec::new(), root: 0 };
        component.edges = edges.iter().filter_map(|edge| self.edge_here(edge)).collect();
        component.root = self.state.population.find(&root).unwrap_or_default();
        let mut revenues = vec![revenue];
        for (double, revenue) in doubles {
            component.members.extend(double.members);
            component.edges.extend(double.edges);
            revenues.push(revenue);
        }
        let root = self.state.population.join(component);
        let closed = self.state.closed_through.unwrap_or(Day::from_number(0));
        for revenue in &revenues {
            self.state.revenue.put(root, revenue, closed);
        }
        if origin.is_some() || is_double {
            self.count_resident(root, 1);
            self.enter_risk(root, standing.decided);
            self.enter_alerts(root);
        } else {
            self.state.population.set_decided(root, standing.decided);
        }
        // Where models take over on different days, what was judged by one is judged anew at the next close.
        let anew = is_double || origin.is_some_and(|origin| origin.churn != self.churn);
        if anew {
            standing = standing.judged_by(closed + 1, true);
        }
        self.state.population.set_standing(root, standing.until(standing.next_change));
        self.mark_loyalty(root, closed + 1, Look::Event);
        for day in open.into_iter().chain(anew.then_some(closed + 1)) {
            self.state.risk.look_at(day, root, self.state.population.slots());
        }
    }

    /// Puts what a user counts for into the figures of this partition (`sign` 1), or takes it out (-1), on all days that can still change.
    fn count_resident(&mut self, root: Slot, sign: i32) {
        let rule = self.count_rule();
        if let Some(base) = self.state.ledgers.first().map(Ledger::base) {
            self.state.population.count(&mut self.state.ledgers, root, base, rule, sign);
        }
        self.count_loyal(root, i64::from(sign));
    }

    /// Users known in two partitions, because a producer knew of new partitions before the service did, are one from now on: what the first
    /// to be taken in counts for is taken out again.
    fn take_doubles(&mut self, members: &[(String, Habit)]) -> Vec<(Component, Revenue)> {
        let population = &self.state.population;
        let roots: BTreeSet<Slot> = members.iter().filter_map(|(id, _)| population.find(id)).map(|slot| population.root(slot)).collect();
        let mut doubles = Vec::new();
        for root in roots {
            self.count_resident(root, -1);
            self.leave_alerts(root);
            self.leave_risk(root);
            self.state.population.clear_standing(root);
            doubles.push((self.state.population.take_component(root), self.state.revenue.take(root)));
        }
        doubles
    }

    fn move_into(&mut self, id: &str, habit: Habit) -> Slot {
        let slot = self.state.population.intern(id);
        let return_days = self.count_rule().return_days;
        let here = self.state.population.habit_mut(slot);
        if here.is_empty() {
            *here = habit;
        } else {
            here.absorb(&habit, return_days);
        }
        slot
    }

    fn edge_here(&self, edge: &NamedEdge) -> Option<Edge> {
        let population = &self.state.population;
        let (from, into) = (population.find(&edge.from)?, population.find(&edge.into)?);
        Some(Edge { time: edge.time, restates_from: edge.restates_from, from, into })
    }

    /// Gives the breakdown segments that habits speak of their numbers here.
    fn renumber_members(&mut self, members: &mut [(String, Habit)], numbering: &Segments) {
        let mut used: BTreeSet<u32> = BTreeSet::new();
        members.iter().filter_map(|(_, habit)| habit.rare.as_deref()).for_each(|rare| used.extend(rare.segment_numbers()));
        let named = |number: u32| numbering.value(number).map(|(property, value)| (number, property, value.to_owned()));
        let named: Vec<(u32, u16, String)> = used.into_iter().filter_map(named).collect();
        if named.is_empty() {
            return;
        }
        let renumbered = self.renumber(&named);
        for (_, habit) in members {
            renumber_habit(habit, &renumbered);
        }
    }

    /// Notes where the user of an id lives, unless that is here.
    fn point_away(&mut self, id: &str, to: &str) {
        if self.state.population.find(id).is_none() {
            let slot = self.state.population.intern(id);
            self.state.population.move_away(slot, to);
        }
    }
}
