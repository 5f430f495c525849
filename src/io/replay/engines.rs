//! The engines of all partitions of a log, or of those that one thread counts.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::batch::{Blocks, Letter, PackedEvent, Place};
use crate::config::{PublishSettings, Settings};
use crate::engine::effect::{Admission, Effect, RiskChange, Transition};
use crate::engine::partial::Partial;
use crate::engine::partition::{PartitionEngine, Placement};
use crate::model::event::Event;
use crate::model::partition::partition_of;
use crate::model::time::{Calendar, Day, EventTime};
use crate::wire::records;

/// Events whose users are fetched from memory together, before they are counted.
const EXPECTED: usize = 32;

/// What engines say of the events of a batch, each with the event's turn in it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) accepted: u64,
    pub(super) duplicates: u64,
    pub(super) deleted: u64,
    pub(super) letters: Vec<Letter>,
    pub(super) transitions: Vec<(u32, Transition)>,
    pub(super) risks: Vec<(u32, RiskChange)>,
    /// Figures that changed, by partition.
    pub(super) told: Vec<(u32, Vec<Partial>)>,
}

impl Outcome {
    /// Notes what became of an event.
    pub(super) fn admit(&mut self, place: Place, admission: Admission) {
        match admission {
            Admission::Accepted | Admission::Forwarded => self.accepted += 1,
            Admission::Duplicate => self.duplicates += 1,
            Admission::Deleted => self.deleted += 1,
            Admission::Rejected(rejection) => self.letters.push(Letter { place, rejection }),
        }
    }

    /// Adds what is said of other events of the batch.
    pub(super) fn absorb(&mut self, mut other: Self) {
        self.accepted += other.accepted;
        self.duplicates += other.duplicates;
        self.deleted += other.deleted;
        self.letters.append(&mut other.letters);
        self.transitions.append(&mut other.transitions);
        self.risks.append(&mut other.risks);
        self.told.append(&mut other.told);
    }

    /// Keeps what an engine wants published, if anybody wants it, and returns what else it wants done.
    pub(super) fn keep(&mut self, at: u32, effect: Effect, publish: &PublishSettings) -> Option<Effect> {
        match effect {
            Effect::Transition(transition) => {
                let (kind, state) = records::transition_selector(&transition);
                if publish.wants_transition(kind, state) {
                    self.transitions.push((at, transition));
                }
            }
            Effect::RiskChanged(change) => {
                if publish.wants_risk(change.to) {
                    self.risks.push((at, *change));
                }
            }
            Effect::ProfileChanged(_) | Effect::ProfileRemoved(_) => {}
            other @ (Effect::ForwardEvent { .. } | Effect::Transfer { .. }) => return Some(other),
        }
        None
    }
}

/// Engines by partition: all, or each n-th from one on. Users who move are delivered at once, which takes all.
#[derive(Debug)]
pub(super) struct Engines {
    members: Vec<PartitionEngine>,
    /// Of all.
    partitions: u32,
    /// The partition of the first engine.
    first: u32,
    /// From the partition of one engine to that of the next.
    step: u32,
    publish: PublishSettings,
}

impl Engines {
    /// Engines that have seen nothing.
    pub(super) fn new(settings: &Settings, partitions: u32, calendar: &Arc<Calendar>) -> Self {
        let place = |partition| Placement { partition, partitions, transfers: true };
        // Nobody sees the digests of deleted ids of a replay, so they need no secret.
        let engine = |partition| {
            let mut engine = PartitionEngine::new(settings.engine.clone(), place(partition), calendar.clone(), [0; 16]);
            engine.want(settings.publish.wanted());
            engine
        };
        Self { members: (0..partitions).map(engine).collect(), partitions, first: 0, step: 1, publish: settings.publish.clone() }
    }

    /// All engines in `parts`, each with every `parts`-th.
    pub(super) fn split(self, parts: u32) -> Vec<Self> {
        let part = |first| Self { members: Vec::new(), partitions: self.partitions, first, step: parts, publish: self.publish.clone() };
        let mut split: Vec<Self> = (0..parts).map(part).collect();
        for (engine, part) in self.members.into_iter().zip((0..parts as usize).cycle()) {
            split[part].members.push(engine);
        }
        split
    }

    /// All engines out of the parts that they were split in.
    pub(super) fn join(parts: Vec<Self>) -> Option<Self> {
        let mut first = parts.first()?.empty();
        let mut parts: Vec<_> = parts.into_iter().map(|part| part.members.into_iter()).collect();
        let count = parts.len();
        for part in (0..count).cycle() {
            let Some(engine) = parts[part].next() else { break };
            first.members.push(engine);
        }
        Some(first)
    }

    fn empty(&self) -> Self {
        Self { members: Vec::new(), partitions: self.partitions, first: 0, step: 1, publish: self.publish.clone() }
    }

    /// The engines, by partition.
    pub(super) fn all(&self) -> &[PartitionEngine] {
        &self.members
    }

    fn partition_of(&self, id: &str) -> u32 {
        partition_of(id.as_bytes(), self.partitions)
    }

    fn engine(&mut self, partition: u32) -> &mut PartitionEngine {
        &mut self.members[((partition - self.first) / self.step) as usize]
    }

    /// Takes in an event in the partition of its user, following the user where it has moved.
    pub(super) fn handle(&mut self, at: u32, event: &Event<'_>, arrival: Option<EventTime>, outcome: &mut Outcome) -> Admission {
        self.handle_in(self.partition_of(&event.user_id), at, event, arrival, outcome)
    }

    fn handle_in(&mut self, first: u32, at: u32, event: &Event<'_>, arrival: Option<EventTime>, outcome: &mut Outcome) -> Admission {
        let mut partition = first;
        // A user moves at most once into each partition before its way ends.
        for hop in 0..=self.partitions {
            let engine = self.engine(partition);
            let admission = if hop == 0 { engine.handle(event, arrival) } else { engine.handle_passed_on(event) };
            match self.deliver(at, partition, outcome) {
                Some(home) => partition = self.partition_of(&home),
                None => return admission,
            }
        }
        Admission::Forwarded
    }

    /// Does what an engine wants done; the id to whose partition the event at hand goes.
    fn deliver(&mut self, at: u32, partition: u32, outcome: &mut Outcome) -> Option<String> {
        let mut forwarded = None;
        for effect in self.engine(partition).drain_effects() {
            let Some(rest) = outcome.keep(at, effect, &self.publish) else { continue };
            assert_eq!(self.step, 1, "users move where all engines are");
            match rest {
                Effect::ForwardEvent { user_id } => forwarded = Some(user_id),
                Effect::Transfer { to, transfer } => {
                    let to = self.partition_of(&to);
                    self.engine(to).receive(*transfer);
                    self.deliver(at, to, outcome);
                }
                Effect::Transition(_) | Effect::RiskChanged(_) | Effect::ProfileChanged(_) | Effect::ProfileRemoved(_) => {}
            }
        }
        forwarded
    }

    /// Takes in the events of a batch, in order. After the one whose turn is `look`, or before the first later one, partitions tell what changed.
    pub(super) fn count(&mut self, blocks: &Blocks, events: &mut [PackedEvent], look: Option<u32>) -> Outcome {
        let mut outcome = Outcome::default();
        let seen = look.map_or(events.len(), |look| events.partition_point(|event| event.place.at <= look));
        let (before, after) = events.split_at_mut(seen);
        self.count_all(blocks, before, &mut outcome);
        if look.is_some() {
            outcome.told = self.tell();
        }
        self.count_all(blocks, after, &mut outcome);
        outcome
    }

    fn count_all(&mut self, blocks: &Blocks, events: &mut [PackedEvent], outcome: &mut Outcome) {
        for coming in events.chunks_mut(EXPECTED) {
            self.expect(blocks, coming);
            for packed in coming {
                let (place, partition, arrival) = (packed.place, packed.partition, packed.arrived_at);
                let event = packed.unpack(blocks);
                let admission = self.handle_in(partition, place.at, &event, arrival, outcome);
                outcome.admit(place, admission);
            }
        }
    }

    /// Has the engines fetch from memory what there is of the users of events.
    fn expect(&mut self, blocks: &Blocks, coming: &[PackedEvent]) {
        let mut ids: SmallVec<[(u32, Cow<'_, str>); EXPECTED]> =
            coming.iter().map(|packed| (packed.partition, packed.user_id(blocks))).collect();
        ids.sort_unstable_by_key(|(partition, _)| *partition);
        for of_one in ids.chunk_by(|(one, _), (other, _)| one == other) {
            let keys: SmallVec<[&[u8]; EXPECTED]> = of_one.iter().map(|(_, id)| id.as_bytes()).collect();
            self.engine(of_one[0].0).warm(&keys);
        }
    }

    /// Closes every day up to and including `day` in every partition.
    pub(super) fn close_through(&mut self, day: Day) -> Outcome {
        let mut outcome = Outcome::default();
        for partition in 0..self.partitions {
            self.engine(partition).close_through(day);
            self.deliver(partition, partition, &mut outcome);
        }
        outcome
    }

    /// What changed in each partition since it told last.
    pub(super) fn tell(&mut self) -> Vec<(u32, Vec<Partial>)> {
        (self.first..)
            .step_by(self.step as usize)
            .zip(&mut self.members)
            .map(|(partition, engine)| (partition, engine.take_partials()))
            .collect()
    }

    /// Closes the days of partitions that never had a record as far as those of all others: nothing is to come for them, so they hold back no day.
    /// Whether there was any other.
    pub(super) fn close_the_empty(&mut self) -> bool {
        let furthest = self.members.iter().filter(|engine| engine.newest_day().is_some()).filter_map(PartitionEngine::closed_through).min();
        let Some(furthest) = furthest else { return false };
        for engine in self.members.iter_mut().filter(|engine| engine.newest_day().is_none()) {
            engine.close_through(furthest);
        }
        true
    }

    /// The newest accepted day of any partition.
    pub(super) fn newest_day(&self) -> Option<Day> {
        self.members.iter().filter_map(PartitionEngine::newest_day).max()
    }
}
