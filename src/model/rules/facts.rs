//! What rules remember of a user: the events that can still matter, one by one, what the others come to, and which segments the user is in.

use serde::{Deserialize, Serialize};

use super::super::time::EventTime;

/// An event that a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark {
    /// When.
    pub time: EventTime,
    /// What it is recognised by when it comes again; 0 when it cannot be.
    pub event: u64,
    /// The property that is added up, in millionths; 0 without one.
    pub amount: i64,
}

/// The events of one filter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Sorted.
    marks: Vec<Mark>,
    /// How many more there were, too old to be told apart.
    pub older: u64,
    /// What those come to.
    pub older_amount: i64,
}

impl Series {
    /// Adds one; tells whether it is news.
    pub fn add(&mut self, mark: Mark) -> bool {
        if self.contains(&mark) {
            return false;
        }
        let at = self.marks.partition_point(|known| *known < mark);
        self.marks.insert(at, mark);
        true
    }

    /// Whether the event of a mark is among those that are told apart.
    #[must_use]
    pub fn contains(&self, mark: &Mark) -> bool {
        let at = self.marks.partition_point(|known| *known < *mark);
        mark.event != 0 && self.marks[at..].first().is_some_and(|known| known.time == mark.time && known.event == mark.event)
    }

    /// The marks that are told apart, by time.
    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Those after an instant, up to and including another.
    #[must_use]
    pub fn between(&self, after: EventTime, through: EventTime) -> &[Mark] {
        let end = self.marks.partition_point(|mark| mark.time <= through);
        let start = self.marks[..end].partition_point(|mark| mark.time <= after);
        &self.marks[start..end]
    }

    /// Adds up those that nothing needs one by one any more.
    pub fn fold(&mut self, is_needed: impl Fn(usize, &Mark) -> bool) {
        let mut at = 0;
        let (older, older_amount) = (&mut self.older, &mut self.older_amount);
        self.marks.retain(|mark| {
            let needed = is_needed(at, mark);
            at += 1;
            if !needed {
                *older += 1;
                *older_amount = older_amount.saturating_add(mark.amount);
            }
            needed
        });
    }

    fn absorb(&mut self, other: &Self) {
        self.older += other.older;
        self.older_amount = self.older_amount.saturating_add(other.older_amount);
        for mark in &other.marks {
            self.add(*mark);
        }
    }
}

/// What became of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActionState {
    /// To be done.
    Due,
    /// Fulfilled in time.
    Done,
    /// Not fulfilled in time.
    Overdue,
}

impl ActionState {
    /// The names on the wire.
    pub const NAMES: &'static [&'static str] = &["due", "done", "overdue"];

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// A segment that the user is in, or whose action is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The number of the rule.
    pub rule: u16,
    /// Since when, by the times of events.
    pub since: EventTime,
    /// Whether the user is in it.
    pub inside: bool,
    /// The action with its deadline.
    pub action: Option<(EventTime, ActionState)>,
}

/// What rules know of a user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleFacts {
    /// Which rules the numbers are of.
    pub of: u64,
    /// By number of the series, sorted.
    series: Vec<(u16, Series)>,
    /// By number of the rule, sorted; of the id that the user goes by.
    pub held: Vec<Held>,
    /// When the clock changes something next.
    pub next: Option<EventTime>,
}

impl RuleFacts {
    /// Nothing yet, of the rules with this fingerprint.
    #[must_use]
    pub fn empty(of: u64) -> Self {
        Self { of, ..Self::default() }
    }

    /// The events of a series so far; `None` without any.
    #[must_use]
    pub fn series(&self, number: u16) -> Option<&Series> {
        self.series.binary_search_by_key(&number, |(known, _)| *known).ok().map(|at| &self.series[at].1)
    }

    /// The events of a series, to add to.
    pub fn series_mut(&mut self, number: u16) -> &mut Series {
        let at = self.series.binary_search_by_key(&number, |(known, _)| *known).unwrap_or_else(|at| {
            self.series.insert(at, (number, Series::default()));
            at
        });
        &mut self.series[at].1
    }

    /// All of them, by number.
    pub fn all_series_mut(&mut self) -> impl Iterator<Item = (u16, &mut Series)> {
        self.series.iter_mut().map(|(number, series)| (*number, series))
    }

    /// Whether there is nothing to remember.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty() && self.held.is_empty()
    }

    /// Joins the events of another id of the same user, if they are of the same rules.
    pub fn absorb(&mut self, other: &Self) {
        if self.series.is_empty() && self.held.is_empty() {
            self.of = other.of;
        }
        if self.of == other.of {
            for (number, series) in &other.series {
                self.series_mut(*number).absorb(series);
            }
        }
    }

    /// The part after an instant, as that of a user of its own.
    #[must_use]
    pub fn after(&self, time: EventTime) -> Self {
        let later = |(number, series): &(u16, Series)| {
            let marks: Vec<Mark> = series.marks.iter().filter(|mark| mark.time > time).copied().collect();
            (!marks.is_empty()).then(|| (*number, Series { marks, ..Series::default() }))
        };
        Self { of: self.of, series: self.series.iter().filter_map(later).collect(), held: Vec::new(), next: None }
    }

    /// The same under other numbers: `None` drops what has no number any more. To be judged at `soon`, at the latest.
    #[must_use]
    pub fn renumbered(&self, of: u64, series: impl Fn(u16) -> Option<u16>, rule: impl Fn(u16) -> Option<u16>, soon: EventTime) -> Self {
        let mut renumbered = Self { of, ..Self::default() };
        for (number, known) in &self.series {
            if let Some(number) = series(*number) {
                *renumbered.series_mut(number) = known.clone();
            }
        }
        renumbered.held = self.held.iter().filter_map(|held| Some(Held { rule: rule(held.rule)?, ..*held })).collect();
        renumbered.held.sort_unstable_by_key(|held| held.rule);
        renumbered.next = Some(self.next.map_or(soon, |next| next.min(soon)));
        renumbered
    }

    /// Bytes of memory.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        let series = self.series.iter().map(|(_, series)| size_of::<(u16, Series)>() + series.marks.capacity() * size_of::<Mark>());
        size_of::<Self>() + series.sum::<usize>() + self.held.capacity() * size_of::<Held>()
    }
}
