//! Rules as they are evaluated: which events they look at, each filter once, and conditions that name them by number.

use super::super::event::EventType;
use super::super::time::EventTime;
use super::facts::{Mark, Series};
use super::{Condition, EventFilter, FieldCondition, Range, SegmentRule, Window};

/// A condition with its series by number.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// All of them hold.
    All(Vec<Node>),
    /// One of them holds.
    Any(Vec<Node>),
    /// It does not hold.
    Not(Box<Node>),
    /// Of the events of a series.
    Events(EventNode),
    /// Of the profile.
    Field(FieldCondition),
}

/// A condition on the events of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EventNode {
    /// The series.
    pub series: u16,
    /// Whether amounts are added up, or else events counted.
    pub sums: bool,
    /// When they have to be.
    pub window: Span,
    /// How much it has to be.
    pub range: Range,
}

/// A [`Window`] with its anchor by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Ever.
    Always,
    /// Nanoseconds up to now.
    Last(i64),
    /// From the first or last event of a series on.
    Since {
        /// The series of the anchor.
        anchor: u16,
        /// Whether it is the first of them.
        first: bool,
        /// Nanoseconds after it.
        within: Option<i64>,
    },
}

/// A rule with its conditions by number.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Who belongs to the segment.
    pub when: Node,
    /// Nanoseconds to the deadline of the action, and the series of events that fulfil it.
    pub action: Option<(i64, u16)>,
    /// Whether it looks at the profile, which every event and every close may change.
    pub looks_at_profile: bool,
    /// Whether users without any event that it looks at may belong to it.
    pub holds_without_events: bool,
}

/// A series of events: what belongs to it, and what it is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// What belongs to it.
    pub filter: EventFilter,
    /// The property that is added up.
    pub sum: Option<String>,
    /// What needs its events one by one.
    needs: Vec<Need>,
}

/// What needs events of a series one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Those of so many nanoseconds up to now.
    Last(i64),
    /// Those after an anchor.
    Since { anchor: u16, first: bool, within: Option<i64> },
    /// The first ever, or the last.
    Anchor { first: bool },
}

/// All rules of the settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// In the order of the settings.
    pub rules: Vec<Rule>,
    /// By number.
    pub sources: Vec<Source>,
    /// The series that events of a type may belong to.
    by_type: Vec<Vec<u16>>,
    /// What the numbers are recognised by.
    pub fingerprint: u64,
}

impl Rules {
    /// The rules of the settings; `fingerprint` differs for different ones.
    #[must_use]
    pub fn new(rules: &[SegmentRule], fingerprint: u64) -> Self {
        let mut made = Self { fingerprint, ..Self::default() };
        for rule in rules {
            let when = made.node(&rule.when);
            let action =
                rule.on_enter.as_ref().map(|action| (action.within, made.source(&action.fulfilled_by, None, Need::Last(action.within))));
            let looks_at_profile = looks_at_profile(&when);
            let holds_without_events = may_hold_without_events(&when);
            made.rules.push(Rule { name: rule.name.clone(), when, action, looks_at_profile, holds_without_events });
        }
        made.by_type = EventType::ALL.map(|(kind, ..)| made.series_of_type(kind)).to_vec();
        made
    }

    fn series_of_type(&self, kind: EventType) -> Vec<u16> {
        let named = |source: &Source| source.filter.types.iter().any(|name| name == kind.name());
        (0_u16..).zip(&self.sources).filter(|(_, source)| named(source)).map(|(number, _)| number).collect()
    }

    fn node(&mut self, condition: &Condition) -> Node {
        match condition {
            Condition::All(all) => Node::All(all.iter().map(|one| self.node(one)).collect()),
            Condition::Any(any) => Node::Any(any.iter().map(|one| self.node(one)).collect()),
            Condition::Not(one) => Node::Not(Box::new(self.node(one))),
            Condition::Field(field) => Node::Field(field.clone()),
            Condition::Events(events) => {
                let sum = events.sum.as_deref();
                let (window, need) = match &events.window {
                    Window::Always => (Span::Always, None),
                    Window::Last(length) => (Span::Last(*length), Some(Need::Last(*length))),
                    Window::Since { anchor, first, within } => {
                        let anchor = self.source(anchor, None, Need::Anchor { first: *first });
                        let (first, within) = (*first, *within);
                        (Span::Since { anchor, first, within }, Some(Need::Since { anchor, first, within }))
                    }
                };
                let series = self.source(&events.events, sum, need);
                Node::Events(EventNode { series, sums: sum.is_some(), window, range: events.range })
            }
        }
    }

    fn source(&mut self, filter: &EventFilter, sum: Option<&str>, need: impl Into<Option<Need>>) -> u16 {
        let at = self.sources.iter().position(|known| known.filter == *filter && known.sum.as_deref() == sum).unwrap_or_else(|| {
            self.sources.push(Source { filter: filter.clone(), sum: sum.map(str::to_owned), needs: Vec::new() });
            self.sources.len() - 1
        });
        let needs = &mut self.sources[at].needs;
        needs.extend(need.into().filter(|need| !needs.contains(need)));
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    /// The series that events of a type may belong to.
    #[must_use]
    pub fn series_of(&self, kind: EventType) -> &[u16] {
        self.by_type.get(kind as usize).map_or(&[], Vec::as_slice)
    }

    /// Adds up the events of a series that nothing needs one by one, when nothing before `open` can come any more. `anchors` gives other series of the same user.
    pub fn fold(&self, number: u16, series: &mut Series, open: EventTime, now: EventTime, anchors: impl Fn(u16) -> Option<Series>) {
        let Some(source) = self.sources.get(usize::from(number)) else { return };
        let is_old = |mark: &Mark| mark.time < open;
        if !series.marks().first().is_some_and(is_old) {
            return;
        }
        let old = series.marks().iter().filter(|mark| is_old(mark)).count();
        let anchored: Vec<(Need, Option<EventTime>)> = source
            .needs
            .iter()
            .map(|need| match need {
                Need::Since { anchor, first, .. } => {
                    (*need, anchors(*anchor).and_then(|anchors| anchor_of(&anchors, *first, EventTime::MAX)))
                }
                Need::Last(_) | Need::Anchor { .. } => (*need, None),
            })
            .collect();
        series.fold(|at, mark| {
            !is_old(mark) || anchored.iter().any(|(need, anchor)| is_needed(*need, *anchor, (at, old), mark, (open, now)))
        });
    }
}

/// Whether a mark from before `open` is needed one by one; `at` is its place among `old` such ones.
fn is_needed(need: Need, anchor: Option<EventTime>, (at, old): (usize, usize), mark: &Mark, (open, now): (EventTime, EventTime)) -> bool {
    match need {
        // As of any instant that is still open, it may be within.
        Need::Last(length) => mark.time > open.min(now).plus_nanos(-length),
        Need::Anchor { first: true } => at == 0,
        Need::Anchor { first: false } => at + 1 == old,
        Need::Since { within, .. } => {
            anchor.is_some_and(|anchor| mark.time >= anchor && within.is_none_or(|within| mark.time <= anchor.plus_nanos(within)))
        }
    }
}

/// The anchor among the events of a series up to an instant.
#[must_use]
pub fn anchor_of(series: &Series, first: bool, now: EventTime) -> Option<EventTime> {
    let marks = series.between(EventTime::MIN, now);
    if first { marks.first() } else { marks.last() }.map(|mark| mark.time)
}

fn looks_at_profile(node: &Node) -> bool {
    match node {
        Node::All(nodes) | Node::Any(nodes) => nodes.iter().any(looks_at_profile),
        Node::Not(node) => looks_at_profile(node),
        Node::Events(_) => false,
        Node::Field(_) => true,
    }
}

fn may_hold_without_events(node: &Node) -> bool {
    match node {
        Node::All(nodes) => nodes.iter().all(may_hold_without_events),
        Node::Any(nodes) => nodes.iter().any(may_hold_without_events),
        Node::Events(events) => !matches!(events.window, Span::Since { .. }) && events.range.contains(0.0),
        Node::Not(_) | Node::Field(_) => true,
    }
}
