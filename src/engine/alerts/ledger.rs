//! What a partition counts for alerts as events come, so that the close of a day looks at nobody but those whose day came: users by level, and silent users by
//! what decides whether they come back. Everything is a sum over users, each of whom is taken out and put in again when something about them changes.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use serde::{Deserialize, Serialize, Serializer};

use crate::engine::partial::AlertInputs;
use crate::model::churn::level::RiskLevel;
use crate::model::churn::returning::BILLION;
use crate::model::churn::{ChurnProcess, History};
use crate::model::time::Day;

/// What decides whether a user comes back on a day: the last day of the process, and repeats and recency, rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(in crate::engine) struct Silence {
    pub(in crate::engine) last: Day,
    pub(in crate::engine) repeats: u32,
    pub(in crate::engine) recency_days: i32,
}

/// Where a user stands at the end of a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Standpoint {
    /// `None` without a day of the process, and of users who departed: they are not expected.
    pub(in crate::engine) silence: Option<Silence>,
    /// The breakdown segments that the user belongs to.
    pub(in crate::engine) segments: Vec<u32>,
}

/// What the close of an open day changes about a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Step {
    pub(in crate::engine) day: Day,
    pub(in crate::engine) before: Standpoint,
    pub(in crate::engine) after: Standpoint,
    /// Whether a silent user has come back.
    pub(in crate::engine) returned: bool,
}

/// What one user counts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Share {
    pub(in crate::engine) level: Option<RiskLevel>,
    /// At the end of the last closed day.
    pub(in crate::engine) closed: Standpoint,
    /// On open days.
    pub(in crate::engine) steps: Vec<Step>,
}

/// Users by silence and segment; 0 is everything.
type Silent = BTreeMap<(Silence, u32), i64>;
/// The same in no order, where every event comes by.
type SilentChanges = HashMap<(Silence, u32), i64, foldhash::fast::FixedState>;

/// The changes that wait for the close of their day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct OpenDay {
    /// Whether anybody was active on it.
    has_data: bool,
    #[serde(serialize_with = "in_order")]
    silent: SilentChanges,
    returned: BTreeMap<u32, i64>,
}

impl OpenDay {
    fn is_empty(&self) -> bool {
        !self.has_data && self.silent.is_empty() && self.returned.is_empty()
    }
}

/// Users of a partition, as far as alerts are concerned, as of the last closed day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertLedger {
    levels: BTreeMap<u32, [i64; 4]>,
    silent: Silent,
    open: BTreeMap<Day, OpenDay>,
}

/// Equal states are equal bytes: in whatever order the changes came.
fn in_order<S: Serializer>(changes: &SilentChanges, serializer: S) -> Result<S::Ok, S::Error> {
    changes.iter().map(|(key, count)| (*key, *count)).collect::<Silent>().serialize(serializer)
}

fn add_change(changes: &mut SilentChanges, at: &Standpoint, sign: i64) {
    let Some(silence) = at.silence else { return };
    for segment in with_all(&at.segments) {
        match changes.entry((silence, segment)) {
            Entry::Occupied(known) if *known.get() == -sign => _ = known.remove(),
            known => *known.or_default() += sign,
        }
    }
}

fn add<K: Ord>(counts: &mut BTreeMap<K, i64>, key: K, difference: i64) {
    let count = counts.entry(key);
    match count {
        std::collections::btree_map::Entry::Occupied(mut known) => {
            *known.get_mut() += difference;
            if *known.get() == 0 {
                known.remove();
            }
        }
        std::collections::btree_map::Entry::Vacant(vacant) => _ = vacant.insert(difference),
    }
}

/// Everything, and the segments.
fn with_all(segments: &[u32]) -> impl Iterator<Item = u32> {
    std::iter::once(0).chain(segments.iter().copied())
}

fn add_silent(silent: &mut Silent, at: &Standpoint, sign: i64) {
    if let Some(silence) = at.silence {
        with_all(&at.segments).for_each(|segment| add(silent, (silence, segment), sign));
    }
}

impl AlertLedger {
    /// Exchanges what a user counts for.
    pub(in crate::engine) fn exchange(&mut self, before: &Share, after: &Share) {
        if (before.level, &before.closed) != (after.level, &after.closed) {
            self.count_closed(before, -1);
            self.count_closed(after, 1);
        }
        let same = before.steps.iter().zip(&after.steps).take_while(|(one, other)| one == other).count();
        before.steps[same..].iter().for_each(|step| self.count_step(step, -1));
        after.steps[same..].iter().for_each(|step| self.count_step(step, 1));
    }

    /// Adds (`sign` 1) or takes away (-1) a user.
    pub(in crate::engine) fn count(&mut self, share: &Share, sign: i64) {
        self.count_closed(share, sign);
        share.steps.iter().for_each(|step| self.count_step(step, sign));
    }

    fn count_closed(&mut self, share: &Share, sign: i64) {
        self.count_level(share.level, &share.closed.segments, sign);
        add_silent(&mut self.silent, &share.closed, sign);
    }

    /// Exchanges the level of a user that is decided at the close of a day; `segments` are those of the end of the day before, and of the day.
    pub(in crate::engine) fn decide(&mut self, [before, after]: [Option<RiskLevel>; 2], [were, are]: &[Vec<u32>; 2]) {
        if before != after || were != are {
            self.count_level(before, were, -1);
            self.count_level(after, are, 1);
        }
    }

    fn count_level(&mut self, level: Option<RiskLevel>, segments: &[u32], sign: i64) {
        let Some(level) = level else { return };
        for segment in with_all(segments) {
            let levels = self.levels.entry(segment).or_default();
            levels[level as usize] += sign;
            if *levels == [0; 4] {
                self.levels.remove(&segment);
            }
        }
    }

    pub(in crate::engine) fn count_step(&mut self, step: &Step, sign: i64) {
        let open = self.open.entry(step.day).or_default();
        add_change(&mut open.silent, &step.before, -sign);
        add_change(&mut open.silent, &step.after, sign);
        if step.returned {
            with_all(&step.before.segments).for_each(|segment| add(&mut open.returned, segment, sign));
        }
        if open.is_empty() {
            self.open.remove(&step.day);
        }
    }

    /// Notes that somebody was active on an open day.
    pub(in crate::engine) fn see_data(&mut self, day: Day) {
        self.open.entry(day).or_default().has_data = true;
    }

    /// What is known of a day that closes before its own changes are taken in: who could enter a level, who was silent and how many of them were expected,
    /// and who came back. Whether anybody was active at all.
    pub(in crate::engine) fn inputs(&self, day: Day, process: &ChurnProcess) -> (bool, BTreeMap<u32, AlertInputs>) {
        let mut inputs: BTreeMap<u32, AlertInputs> = BTreeMap::new();
        for (segment, [low, medium, high, _]) in &self.levels {
            let known = inputs.entry(*segment).or_default();
            (known.could_enter_high, known.could_enter_churned) = (low + medium, *high);
        }
        self.expect(day, process, &mut inputs);
        let Some(open) = self.open.get(&day) else { return (false, inputs) };
        for (segment, returned) in &open.returned {
            inputs.entry(*segment).or_default().returned = *returned;
        }
        (open.has_data, inputs)
    }

    /// The silent users of the end of the day before, and the sum of their probabilities to come back on `day`.
    fn expect(&self, day: Day, process: &ChurnProcess, inputs: &mut BTreeMap<u32, AlertInputs>) {
        let mut known: Option<(Silence, i64)> = None;
        // Who was there on the day before was not silent.
        for ((silence, segment), users) in self.silent.iter().take_while(|((silence, _), _)| silence.last < day - 1) {
            let p = known.filter(|(same, _)| same == silence).map_or_else(|| next_day(silence, day, process), |(_, p)| p);
            known = Some((*silence, p));
            let sum = inputs.entry(*segment).or_default();
            sum.silent += users;
            sum.expected_billionths += users * p;
            sum.variance_billionths += users * variance(p);
        }
    }

    /// Takes in what happened on a day that closes, and forgets users who are silent for more than `lapse_days`. Their levels are exchanged apart.
    pub(in crate::engine) fn close(&mut self, day: Day, lapse_days: i32) {
        for (key, difference) in self.open.remove(&day).unwrap_or_default().silent {
            add(&mut self.silent, key, difference);
        }
        while let Some(oldest) = self.silent.first_entry().filter(|oldest| day.days_since(oldest.key().0.last) > lapse_days) {
            oldest.remove();
        }
    }

    /// The same days, with nobody on them.
    pub(in crate::engine) fn emptied(&self) -> Self {
        let days = self.open.iter().filter(|(_, open)| open.has_data);
        let empty = |(day, _): (&Day, &OpenDay)| (*day, OpenDay { has_data: true, ..OpenDay::default() });
        Self { open: days.map(empty).collect(), ..Self::default() }
    }

    /// Whether all segments have a number below `count`.
    pub(in crate::engine) fn segments_are_below(&self, count: usize) -> bool {
        let open = self.open.values().flat_map(|open| open.returned.keys().chain(open.silent.keys().map(|(_, segment)| segment)));
        let silent = self.silent.keys().map(|(_, segment)| segment);
        let all: BTreeSet<u32> = self.levels.keys().chain(silent).chain(open).copied().collect();
        all.last().is_none_or(|last| (*last as usize) < count)
    }
}

/// The probability to come back on `day` after a silence that ends on the day before.
fn next_day(silence: &Silence, day: Day, process: &ChurnProcess) -> i64 {
    let silent_days = (day - 1).days_since(silence.last);
    process.next_day_billionths(&History { repeats: silence.repeats, recency_days: silence.recency_days, silent_days })
}

/// p (1 - p), in billionths like p.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a probability in billionths")]
fn variance(p: i64) -> i64 {
    let share = p as f64 / BILLION;
    (p as f64 * (1.0 - share)).round() as i64
}
