//! Whether a condition holds for a user at an instant, since when, and when the clock alone may change that.

use super::super::time::EventTime;
use super::FieldCondition;
use super::compiled::{EventNode, Node, Span, anchor_of};
use super::facts::{Mark, RuleFacts, Series};

/// What a condition comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it holds.
    pub holds: bool,
    /// The first later instant at which it may be otherwise although no event came.
    pub next: Option<EventTime>,
}

/// What conditions are judged by.
pub struct Judge<'f, F> {
    /// The user's events.
    pub facts: &'f RuleFacts,
    /// Whether the profile fulfils a condition.
    pub field: F,
    /// The instant; events after it do not count yet.
    pub now: EventTime,
}

impl<F: Fn(&FieldCondition) -> bool> Judge<'_, F> {
    /// Judges a condition. Those on the profile are asked for only where those on events beside them leave it open.
    pub fn judge(&self, node: &Node) -> Verdict {
        match node {
            Node::All(nodes) => self.joined(nodes, true),
            Node::Any(nodes) => self.joined(nodes, false),
            Node::Not(node) => {
                let verdict = self.judge(node);
                Verdict { holds: !verdict.holds, ..verdict }
            }
            Node::Events(events) => self.judge_events(events),
            Node::Field(field) => Verdict { holds: (self.field)(field), next: None },
        }
    }

    /// All of them (`wanted`), or any.
    fn joined(&self, nodes: &[Node], wanted: bool) -> Verdict {
        let mut joined = Verdict { holds: wanted, next: None };
        let (events, others): (Vec<&Node>, Vec<&Node>) = nodes.iter().partition(|node| matches!(node, Node::Events(_)));
        for node in events.into_iter().chain(others) {
            // What is decided already need not look at the profile, but at every event that may expire.
            if joined.holds != wanted && matches!(node, Node::Field(_)) {
                continue;
            }
            let verdict = self.judge(node);
            joined.next = earlier(joined.next, verdict.next);
            if verdict.holds != wanted {
                joined.holds = !wanted;
            }
        }
        joined
    }

    fn judge_events(&self, events: &EventNode) -> Verdict {
        // One that is still to come begins to count when its time has come.
        let after_now = |series: u16| {
            self.facts.series(series).and_then(|series| series.between(self.now, EventTime::MAX).first()).map(|mark| mark.time)
        };
        let anchor = if let Span::Since { anchor, .. } = events.window { after_now(anchor) } else { None };
        let coming = earlier(after_now(events.series), anchor);
        let Some(Counted { marks, more, .. }) = self.counted(events) else { return Verdict { holds: false, next: coming } };
        let total = shown(marks.iter().map(|mark| weight(mark, events.sums)).sum::<i128>() + more);
        let first_expiry = match events.window {
            Span::Last(length) => marks.first().map(|mark| mark.time.plus_nanos(length)),
            Span::Always | Span::Since { .. } => None,
        };
        Verdict { holds: events.range.contains(total), next: earlier(first_expiry, coming) }
    }

    /// The marks that count now, and what older ones come to; `None` without the anchor that it takes.
    fn counted(&self, events: &EventNode) -> Option<Counted<'_>> {
        let series = self.facts.series(events.series);
        let between = |after: EventTime, through: EventTime| series.map_or(&[][..], |series| series.between(after, through));
        let nothing_more = |marks, from| Counted { marks, more: 0, from };
        match events.window {
            Span::Always => {
                let more = series.map_or(0, |series| older(series, events.sums));
                Some(Counted { marks: between(EventTime::MIN, self.now), more, from: None })
            }
            Span::Last(length) => Some(nothing_more(between(self.now.plus_nanos(-length), self.now), None)),
            Span::Since { anchor, first, within } => {
                let anchor = anchor_of(self.facts.series(anchor)?, first, self.now)?;
                let end = within.map_or(self.now, |within| anchor.plus_nanos(within).min(self.now));
                Some(nothing_more(between(anchor.plus_nanos(-1), end), Some(anchor)))
            }
        }
    }

    /// Since when a condition that holds has held, by the times of events; as of now where they do not tell, as of the profile.
    pub fn since(&self, node: &Node) -> EventTime {
        match node {
            // Since the last of them does.
            Node::All(nodes) => nodes.iter().map(|node| self.since(node)).max().unwrap_or(self.now),
            Node::Any(nodes) => nodes.iter().filter(|node| self.judge(node).holds).map(|node| self.since(node)).min().unwrap_or(self.now),
            Node::Events(events) => self.since_of_events(events).unwrap_or(self.now),
            Node::Not(_) | Node::Field(_) => self.now,
        }
    }

    /// Follows the total through its changes.
    fn since_of_events(&self, events: &EventNode) -> Option<EventTime> {
        let Counted { marks, more, from } = self.counted(events)?;
        let weight = |mark: &Mark| weight(mark, events.sums);
        let mut changes: Vec<(EventTime, i128)> = marks.iter().map(|mark| (mark.time, weight(mark))).collect();
        if let Span::Last(length) = events.window {
            // Of those that left the window, the ones that a window ending at a mark of now can have held.
            let reach = self.now.plus_nanos(-length).plus_nanos(-length);
            let left = self.facts.series(events.series).map_or(&[][..], |series| series.between(reach, self.now.plus_nanos(-length)));
            changes.extend(left.iter().flat_map(|mark| [(mark.time, weight(mark)), (mark.time.plus_nanos(length), -weight(mark))]));
            changes.sort_by_key(|change| change.0);
        }
        let contains = |total: i128| events.range.contains(shown(total));
        let (mut total, mut since) = (more, from.filter(|_| contains(more)));
        let mut held = contains(more);
        for same in changes.chunk_by(|one, other| one.0 == other.0) {
            total += same.iter().map(|(_, change)| change).sum::<i128>();
            let holds = contains(total);
            if holds && !held {
                since = Some(same[0].0);
            }
            held = holds;
        }
        since
    }
}

/// Marks that count, what older ones come to, and the anchor.
struct Counted<'f> {
    marks: &'f [Mark],
    /// In millionths.
    more: i128,
    from: Option<EventTime>,
}

fn earlier(one: Option<EventTime>, other: Option<EventTime>) -> Option<EventTime> {
    [one, other].into_iter().flatten().min()
}

/// What a mark adds, in millionths, so that sums do not depend on their order: its amount, or 1.
fn weight(mark: &Mark, sums: bool) -> i128 {
    if sums { mark.amount.into() } else { ONE }
}

fn older(series: &Series, sums: bool) -> i128 {
    if sums { series.older_amount.into() } else { i128::from(series.older) * ONE }
}

const ONE: i128 = 1_000_000;

#[expect(clippy::cast_precision_loss, reason = "counts and millionths of money stay far below 2^53")]
fn shown(total: i128) -> f64 {
    total as f64 / 1e6
}
