//! Whole histories of users, as fits and backtests need them: every day of a process up to any day, as it was known then.
//!
//! An engine keeps what the future can still change; this keeps everything, and in return knows nothing that is derived. It follows the same rules:
//! repeats change nothing, the smallest copy of an order stands, returns reduce orders or fell them, merged ids are one user from the merge on, and
//! what a deletion covers is gone, as if it had never been.

use std::collections::HashSet;

use hashbrown::HashMap;
use sha2::{Digest as _, Sha256};

use super::churn::{History, ProcessKind};
use super::event::{Event, EventType, Facts, OrderFacts};
use super::money::Money;
use super::purchases::{Order, OrderKey, Purchases, Return};
use super::spend::Spend;
use super::time::{Calendar, Day, EventTime};

/// Distinct days of a process, ascending, each with the net money of its orders; 0 for activity.
pub type Days = Vec<(Day, Money)>;

/// A user on a day, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The days up to and including the cut, as they were known at its end; at least one.
    pub before: Days,
    /// The days after it. When the user has merged with another since, those of both.
    pub after: Days,
}

/// The history of these days as of a day, and what was spent on repeat days; `None` without any day up to then.
#[must_use]
pub fn history(days: &[(Day, Money)], as_of: Day) -> Option<(History, Spend)> {
    let days = &days[..days.partition_point(|(day, _)| *day <= as_of)];
    let ((first, _), (last, _)) = (days.first()?, days.last()?);
    let repeats = u32::try_from(days.len() - 1).unwrap_or(u32::MAX);
    let total: Money = days[1..].iter().map(|(_, money)| *money).sum();
    let mean = if repeats == 0 { 0.0 } else { total.as_f64() / f64::from(repeats) };
    let history = History { repeats, recency_days: last.days_since(*first), silent_days: as_of.days_since(*last) };
    Some((history, Spend { repeats, mean }))
}

/// Takes in events in any order. What is kept of activity is its time alone.
#[derive(Debug)]
pub struct HistoryReader {
    calendar: Calendar,
    excluded: Vec<EventType>,
    ids: HashMap<Box<str>, usize>,
    notes: Vec<Notes>,
    changes: Vec<(EventTime, Change)>,
    nameless_orders: u64,
}

/// What events said of one id.
#[derive(Debug, Default)]
struct Notes {
    active: Vec<EventTime>,
    orders: Vec<(Order, [u8; 16])>,
    returns: Vec<Return>,
}

/// An event about an id as a whole.
#[derive(Clone, Copy, Debug)]
enum Change {
    Merged { from: usize, into: usize },
    Deleted(usize),
}

impl HistoryReader {
    /// A reader that has seen nothing. `excluded` are the types that make nobody active although the vocabulary says so.
    #[must_use]
    pub fn new(calendar: Calendar, excluded: Vec<EventType>) -> Self {
        Self { calendar, excluded, ids: HashMap::new(), notes: Vec::new(), changes: Vec::new(), nameless_orders: 0 }
    }

    /// Takes in an event.
    pub fn take(&mut self, event: &Event<'_>) {
        let id = self.intern(&event.user_id);
        if event.kind.is_activity() && !self.excluded.contains(&event.kind) {
            self.notes[id].active.push(event.time);
        }
        let day = self.calendar.day_of(event.time);
        match &event.facts {
            Facts::Order(facts) => {
                let order = self.order_of(event, facts, day);
                self.notes[id].orders.push((order, digest_of(event)));
            }
            Facts::Return(facts) => {
                let order_id = facts.order_id.as_ref().into();
                let returned = Return { order_id, time: event.time, day, amount: facts.amount, event: digest_of(event) };
                self.notes[id].returns.push(returned);
            }
            Facts::MergedInto(into) => {
                let into = self.intern(into);
                self.changes.push((event.time, Change::Merged { from: id, into }));
            }
            Facts::None if event.kind == EventType::UserDeleted => self.changes.push((event.time, Change::Deleted(id))),
            Facts::None | Facts::Activity(_) | Facts::Survey(_) | Facts::Complaint(_) | Facts::Noted(_) => {}
        }
    }

    fn intern(&mut self, id: &str) -> usize {
        if let Some(known) = self.ids.get(id) {
            return *known;
        }
        self.ids.insert(id.into(), self.notes.len());
        self.notes.push(Notes::default());
        self.notes.len() - 1
    }

    /// The order of an `order_placed`, with what decides its day and money.
    fn order_of(&mut self, event: &Event<'_>, facts: &OrderFacts<'_>, day: Day) -> Order {
        let key = match (facts.order_id.as_ref(), event.event_id.as_ref()) {
            ("", "") => {
                self.nameless_orders += 1;
                OrderKey::Alone(self.nameless_orders)
            }
            ("", event_id) => OrderKey::EventId(event_id.into()),
            (order_id, _) => OrderKey::OrderId(order_id.into()),
        };
        Order {
            time: event.time,
            day,
            key,
            event_id: event.event_id.as_ref().into(),
            amount: facts.amount,
            brands: Vec::new(),
            categories: Vec::new(),
            discounted: facts.discounted,
            rewarded: facts.reward_used,
            decision_log: None,
            details: None,
            segments: Vec::new(),
        }
    }

    /// Ends the reading. `return_days` is how long an order can be returned.
    #[must_use]
    pub fn finish(mut self, return_days: i32) -> Histories {
        self.changes.sort_by_key(|(time, _)| *time);
        let mut merges: Vec<(EventTime, usize, usize)> = Vec::new();
        let mut neighbours: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut gone = vec![EventTime::MIN; self.notes.len()];
        for (time, change) in &self.changes {
            match *change {
                Change::Merged { from, into } => {
                    merges.push((*time, from, into));
                    neighbours.entry(from).or_default().push(into);
                    neighbours.entry(into).or_default().push(from);
                }
                Change::Deleted(id) => {
                    // The whole user goes: every id that merges have led to or from.
                    let mut leaving = vec![id];
                    while let Some(id) = leaving.pop() {
                        gone[id] = *time;
                        leaving.extend(neighbours.remove(&id).unwrap_or_default());
                    }
                }
            }
        }
        merges.retain(|(time, from, _)| *time > gone[*from]);
        let calendar = &self.calendar;
        let facts = self.notes.into_iter().zip(gone).map(|(notes, gone)| notes.finish(gone, calendar, return_days)).collect();
        Histories { calendar: self.calendar, return_days, facts, merges }
    }
}

impl Notes {
    fn finish(self, gone: EventTime, calendar: &Calendar, return_days: i32) -> IdFacts {
        let mut active: Vec<Day> = self.active.iter().filter(|time| **time > gone).map(|time| calendar.day_of(*time)).collect();
        active.sort_unstable();
        active.dedup();
        let mut purchases = Purchases::default();
        // By time, so that of repeats the first stands, as in an engine.
        let (mut orders, mut returns) = (self.orders, self.returns);
        orders.sort_by_key(|(order, _)| order.time);
        returns.sort_by_key(|returned| returned.time);
        let mut known = HashSet::new();
        let mut is_first = |digest: [u8; 16], day: Day| digest == [0; 16] || known.insert((digest, day));
        for (order, digest) in orders.into_iter().filter(|(order, _)| order.time > gone) {
            if is_first(digest, order.day) {
                purchases.place(order, return_days);
            }
        }
        for returned in returns.into_iter().filter(|returned| returned.time > gone) {
            if is_first(returned.event, returned.day) {
                purchases.give_back(returned, return_days);
            }
        }
        IdFacts { active, purchases }
    }
}

/// What an event is recognised by: 16 bytes of a SHA-256 of its type and id, or zero when it has no id.
fn digest_of(event: &Event<'_>) -> [u8; 16] {
    let mut short = [0; 16];
    if !event.event_id.is_empty() {
        let hash = Sha256::new().chain_update(event.kind.name()).chain_update([0]).chain_update(event.event_id.as_bytes()).finalize();
        short.copy_from_slice(&hash[..16]);
    }
    short
}

/// What is known of one id.
#[derive(Debug)]
struct IdFacts {
    active: Vec<Day>,
    purchases: Purchases,
}

/// The histories of all users.
#[derive(Debug)]
pub struct Histories {
    calendar: Calendar,
    return_days: i32,
    facts: Vec<IdFacts>,
    /// By time.
    merges: Vec<(EventTime, usize, usize)>,
}

impl Histories {
    /// First and last day of a process over all users.
    #[must_use]
    pub fn span(&self, kind: ProcessKind) -> Option<(Day, Day)> {
        let days = (0..self.facts.len()).flat_map(|id| self.days_of(&[id], kind, EventTime::MAX));
        days.fold(None, |span, (day, _)| span.map_or(Some((day, day)), |(first, last): (Day, Day)| Some((first.min(day), last.max(day)))))
    }

    /// The days of every user with any up to and including `cut`, as they were known at its end.
    #[must_use]
    pub fn up_to(&self, kind: ProcessKind, cut: Day) -> Vec<Days> {
        self.members(self.last_instant(cut))
            .iter()
            .map(|ids| self.days_of(ids, kind, self.last_instant(cut)))
            .filter(|days| !days.is_empty())
            .collect()
    }

    /// Every user with a day up to and including `cut`, with the days up to then and those after, up to `until`.
    #[must_use]
    pub fn judged(&self, kind: ProcessKind, cut: Day, until: Day) -> Vec<Judged> {
        let (cut_end, end) = (self.last_instant(cut), self.last_instant(until));
        let roots = Roots::new(self.facts.len(), self.merges_up_to(end));
        let mut later: Vec<Vec<usize>> = vec![Vec::new(); self.facts.len()];
        (0..self.facts.len()).for_each(|id| later[roots.of(id)].push(id));
        let judge = |ids: &Vec<usize>| {
            let before = self.days_of(ids, kind, cut_end);
            let mut after = self.days_of(&later[roots.of(*ids.first()?)], kind, end);
            after.retain(|(day, _)| *day > cut);
            (!before.is_empty()).then_some(Judged { before, after })
        };
        self.members(cut_end).iter().filter_map(judge).collect()
    }

    fn last_instant(&self, day: Day) -> EventTime {
        self.calendar.end_of(day).plus_nanos(-1)
    }

    fn merges_up_to(&self, time: EventTime) -> &[(EventTime, usize, usize)] {
        &self.merges[..self.merges.partition_point(|(merged, ..)| *merged <= time)]
    }

    /// The ids of each user as of an instant, in the order in which their first ids came.
    fn members(&self, time: EventTime) -> Vec<Vec<usize>> {
        let roots = Roots::new(self.facts.len(), self.merges_up_to(time));
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); self.facts.len()];
        (0..self.facts.len()).for_each(|id| members[roots.of(id)].push(id));
        members.retain(|ids| !ids.is_empty());
        members
    }

    /// The days of a user of these ids, up to and including an instant.
    fn days_of(&self, ids: &[usize], kind: ProcessKind, time: EventTime) -> Days {
        match kind {
            ProcessKind::Activity => {
                let last = self.calendar.day_of(time);
                let mut days: Vec<Day> =
                    ids.iter().flat_map(|id| self.facts[*id].active.iter().copied().filter(|day| *day <= last)).collect();
                days.sort_unstable();
                days.dedup();
                days.into_iter().map(|day| (day, Money::ZERO)).collect()
            }
            ProcessKind::Purchase => {
                let mut parts = ids.iter().map(|id| self.facts[*id].purchases.up_to(time, self.return_days));
                let mut all = parts.next().unwrap_or_default();
                parts.for_each(|part| all.absorb(&part, self.return_days));
                order_days(&all, self.return_days)
            }
        }
    }
}

/// The days with an order that stands, and their net money.
fn order_days(purchases: &Purchases, return_days: i32) -> Days {
    let mut days: Days = Vec::new();
    for order in purchases.standing() {
        let net = purchases.net(order, return_days).unwrap_or_default();
        match days.last_mut() {
            Some((day, sum)) if *day == order.day => *sum += net,
            _ => days.push((order.day, net)),
        }
    }
    days
}

/// Which ids are one user.
struct Roots(Vec<usize>);

impl Roots {
    fn new(ids: usize, merges: &[(EventTime, usize, usize)]) -> Self {
        let mut parents: Vec<usize> = (0..ids).collect();
        for (_, from, into) in merges {
            let (from, into) = (root(&mut parents, *from), root(&mut parents, *into));
            parents[from.max(into)] = from.min(into);
        }
        (0..ids).for_each(|id| _ = root(&mut parents, id));
        Self(parents)
    }

    fn of(&self, id: usize) -> usize {
        self.0[id]
    }
}

/// The smallest id of the same user, which each id on the way points to from then on.
fn root(parents: &mut [usize], id: usize) -> usize {
    let mut top = id;
    while parents[top] != top {
        top = parents[top];
    }
    let mut at = id;
    while parents[at] != top {
        at = std::mem::replace(&mut parents[at], top);
    }
    top
}

#[cfg(test)]
mod tests;
