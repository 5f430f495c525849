//! Users are judged by all rules: when an event concerns them, when their own instant comes, and, by rules that look at the profile, when a day closes.

use std::cell::OnceCell;

use super::super::apply::Occasion;
use super::super::component::Slot;
use super::super::effect::{Cause, Change};
use super::super::partition::PartitionEngine;
use super::super::profile::Profile;
use super::fields;
use crate::model::rules::FieldCondition;
use crate::model::rules::compiled::Rule;
use crate::model::rules::facts::{ActionState, Held, RuleFacts};
use crate::model::rules::judge::Judge;
use crate::model::time::{Day, EventTime};

const DAY_NANOS: i64 = 86_400_000_000_000;

/// What became of a user's segments.
#[derive(Default)]
struct Settled {
    held: Vec<Held>,
    next: Option<EventTime>,
    changes: Vec<Change>,
    /// Rules that were entered (1) and left (-1).
    moved: Vec<(u16, i64)>,
}

impl PartitionEngine {
    /// The instant that users are judged at: that of the newest accepted event, or the end of the last closed day.
    pub(in crate::engine) fn rule_now(&self) -> EventTime {
        let closed = self.state.closed_through.map_or(EventTime::MIN, |closed| self.calendar.end_of(closed).plus_nanos(-1));
        if self.state.newest_day.is_some() { self.state.newest_time.max(closed) } else { closed }
    }

    /// Judges the user of a slot after an event. `noted` tells whether a rule looks at it, `changed` whether it changed anything else of the user.
    pub(in crate::engine) fn settle_rules_by_event(&mut self, slot: Slot, (noted, changed): (bool, bool), occasion: Occasion) {
        let by_others = |rule: &Rule| rule.looks_at_profile || rule.holds_without_events;
        if noted || (changed && self.rules.rules.rules.iter().any(by_others)) {
            let root = self.state.population.root(slot);
            self.settle_rules(root, self.rule_now(), occasion);
        }
    }

    /// Judges a user who is another than before: after a merge, or after a deletion that left something.
    pub(in crate::engine) fn settle_rules_anew(&mut self, root: Slot, occasion: Occasion) {
        if !self.rules.rules.rules.is_empty() {
            self.settle_rules(root, self.rule_now(), occasion);
        }
    }

    /// Judges whom the clock concerns up to an instant, each as of their own.
    pub(in crate::engine) fn run_rule_timers(&mut self, through: EventTime) {
        while let Some((at, slot)) = self.rules.timers.first().copied().filter(|(at, _)| *at <= through) {
            self.rules.timers.pop_first();
            let as_of = self.as_of().max(self.calendar.day_of(at));
            if self.state.population.root(slot) == slot {
                self.close_first(slot);
                self.settle_rules(slot, at, (as_of, Cause::Clock, None));
            }
        }
    }

    /// Judges everyone by the rules that look at the profile, as of the end of a day that closes.
    pub(in crate::engine) fn close_rules(&mut self, day: Day) {
        if !self.rules.look_at_profiles() {
            return;
        }
        // As events do, by the newest day: one of the day after may have come within the grace.
        let (now, as_of) = (self.rule_now(), self.as_of().max(day));
        let roots: Vec<Slot> = self.state.population.roots().collect();
        for root in roots {
            self.settle_rules(root, now, (as_of, Cause::Clock, None));
        }
    }

    fn settle_rules(&mut self, root: Slot, now: EventTime, occasion: Occasion) {
        let settled = self.judge_rules(root, now, occasion.0);
        for cost in &mut self.rules.costs {
            cost.judged += 1;
        }
        for (rule, change) in settled.moved {
            self.rules.count_users(rule, change);
            let Some(cost) = self.rules.costs.get_mut(usize::from(rule)) else { continue };
            *(if change > 0 { &mut cost.entered } else { &mut cost.left }) += 1;
        }
        let known = self.state.population.habit(root).rare.as_deref().and_then(|rare| rare.rules.as_deref());
        let (held_before, next_before) = known.map_or((&[][..], None), |facts| (&facts.held, facts.next));
        if held_before != settled.held || next_before != settled.next {
            self.rules.set_timer(root, next_before, settled.next);
            let of = self.rules.rules.fingerprint;
            let facts = self.state.population.habit_mut(root).rare_mut().rules_mut(of);
            (facts.held, facts.next) = (settled.held, settled.next);
        }
        for change in settled.changes {
            self.say(root, change, occasion);
        }
    }

    fn judge_rules(&self, root: Slot, now: EventTime, day: Day) -> Settled {
        let nothing = RuleFacts::default();
        let whole = self.state.population.whole(root);
        let facts = whole.rare.as_deref().and_then(|rare| rare.rules.as_deref());
        let facts = facts.filter(|facts| facts.of == self.rules.rules.fingerprint).unwrap_or(&nothing);
        let own = self.state.population.habit(root).rare.as_deref().and_then(|rare| rare.rules.as_deref());
        let held: &[Held] = own.filter(|own| own.of == self.rules.rules.fingerprint).map_or(&[], |own| &own.held);
        let profile: OnceCell<Profile> = OnceCell::new();
        let field = |condition: &FieldCondition| {
            let profile = profile.get_or_init(|| self.profile_of(&self.churn, self.decided_of(root), root, day));
            fields::holds(profile, condition)
        };
        let judge = Judge { facts, field, now };
        let late = i64::from(self.state.settings.late_horizon_days) * DAY_NANOS;
        let mut settled = Settled::default();
        for (number, rule) in (0_u16..).zip(&self.rules.rules.rules) {
            let before = held.iter().find(|held| held.rule == number).copied();
            settle_one(&mut settled, &judge, (number, rule), before, late);
        }
        settled
    }

    /// Takes a user who goes out of all segments, without a word.
    pub(in crate::engine) fn leave_rules(&mut self, root: Slot) {
        let Some(facts) = self.state.population.habit(root).rare.as_deref().and_then(|rare| rare.rules.as_deref()) else { return };
        let (held, next) = (facts.held.clone(), facts.next);
        self.rules.set_timer(root, next, None);
        held.iter().filter(|held| held.inside).for_each(|held| self.rules.count_users(held.rule, -1));
        if let Some(facts) = self.state.population.habit_mut(root).rare_mut().rules.as_deref_mut() {
            (facts.held, facts.next) = (Vec::new(), None);
        }
    }

    /// The names of the segments that the user of a root slot is in.
    pub(in crate::engine) fn segments_held(&self, root: Slot) -> Vec<String> {
        let facts = self.state.population.habit(root).rare.as_deref().and_then(|rare| rare.rules.as_deref());
        let held = facts.map_or(&[][..], |facts| &facts.held);
        let names = held.iter().filter(|held| held.inside).filter_map(|held| self.rules.rules.rules.get(usize::from(held.rule)));
        names.map(|rule| rule.name.clone()).collect()
    }
}

/// Judges a user by one rule. `late` is for how many nanoseconds after a deadline it may come to be known that it was kept.
fn settle_one<F: Fn(&FieldCondition) -> bool>(
    settled: &mut Settled,
    judge: &Judge<'_, F>,
    (number, rule): (u16, &Rule),
    before: Option<Held>,
    late: i64,
) {
    let verdict = judge.judge(&rule.when);
    settled.next = [settled.next, verdict.next].into_iter().flatten().min();
    let was_inside = before.is_some_and(|held| held.inside);
    let may_be_told = |deadline: EventTime| judge.now <= deadline.plus_nanos(late);
    let mut held = before;
    if verdict.holds && !was_inside {
        let since = judge.since(&rule.when);
        settled.moved.push((number, 1));
        settled.changes.push(Change::Segment { segment: rule.name.as_str().into(), to: true });
        // An action that is still to be done goes on.
        let open = before.and_then(|held| held.action).filter(|(_, state)| *state == ActionState::Due);
        // Who enters by a merge may have met the rule long ago: then nobody knows any more whether it was done.
        let begun =
            rule.action.map(|(within, _)| (since.plus_nanos(within), ActionState::Due)).filter(|(deadline, _)| may_be_told(*deadline));
        if let (None, Some((deadline, to))) = (open, begun) {
            settled.changes.push(Change::Action { segment: rule.name.as_str().into(), from: None, to, deadline });
        }
        held = Some(Held { rule: number, since, inside: true, action: open.or(begun) });
    } else if !verdict.holds && was_inside {
        settled.moved.push((number, -1));
        settled.changes.push(Change::Segment { segment: rule.name.as_str().into(), to: false });
        held = held.map(|held| Held { inside: false, ..held });
    }
    let Some(held) = held else { return };
    let held = settle_action(settled, judge, rule, held);
    let is_open = |(deadline, state): (EventTime, ActionState)| match state {
        ActionState::Due => true,
        ActionState::Overdue => may_be_told(deadline),
        ActionState::Done => false,
    };
    if held.inside || held.action.is_some_and(is_open) {
        settled.held.push(held);
    }
}

/// Follows the action of a segment that was entered: fulfilled by an event from then to the deadline, also when that comes to be known late.
fn settle_action<F>(settled: &mut Settled, judge: &Judge<'_, F>, rule: &Rule, mut held: Held) -> Held {
    let (Some((deadline, before)), Some((within, fulfilled_by))) = (held.action, rule.action) else { return held };
    let entered = deadline.plus_nanos(-within);
    let series = judge.facts.series(fulfilled_by);
    let is_done = series.is_some_and(|series| !series.between(entered.plus_nanos(-1), deadline.min(judge.now)).is_empty());
    let now = match before {
        ActionState::Done => ActionState::Done,
        _ if is_done => ActionState::Done,
        _ if judge.now > deadline => ActionState::Overdue,
        state => state,
    };
    if now == ActionState::Due {
        settled.next = [settled.next, Some(deadline.plus_nanos(1))].into_iter().flatten().min();
    }
    if now != before {
        settled.changes.push(Change::Action { segment: rule.name.as_str().into(), from: Some(before), to: now, deadline });
    }
    held.action = Some((deadline, now));
    held
}
