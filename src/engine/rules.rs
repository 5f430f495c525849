//! Segments by rules: events are noted where a rule looks at them, and users are judged where an event or the clock can change what a rule says.

pub mod fields;
mod settling;

use std::collections::BTreeSet;

use super::component::Slot;
use super::deletion::digest;
use super::habit::{Habit, Rare};
use super::partition::PartitionEngine;
use super::population::Population;
use super::settings::EngineSettings;
use crate::model::event::Event;
use crate::model::loyalty::facts::millionths;
use crate::model::rules::compiled::{Rules, Source};
use crate::model::rules::facts::{Mark, RuleFacts};
use crate::model::rules::{SegmentRule, properties};
use crate::model::time::{Day, EventTime};

/// What a rule costs, and what it came to, since the engine was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleCost {
    /// The name of the segment.
    pub segment: String,
    /// Users in it.
    pub users: u64,
    /// How often it was judged.
    pub judged: u64,
    /// Users who entered.
    pub entered: u64,
    /// Users who left.
    pub left: u64,
}

/// The rules in force, and when the clock concerns whom: made anew from the rest after a restore.
#[derive(Debug, Default)]
pub(super) struct RuleBook {
    pub(super) rules: Rules,
    /// The names of the event properties that come after those of the breakdowns in [`Event::breakdowns`].
    properties: Vec<String>,
    /// Whom the clock concerns at which instant next.
    timers: BTreeSet<(EventTime, Slot)>,
    /// By number of the rule.
    costs: Vec<RuleCost>,
    /// The rules before these, with what was known by them: until an event is noted, or it is told that there is no way back.
    set_aside: Option<SetAside>,
}

/// Rules that others took the place of, and what they remembered of whom.
#[derive(Debug)]
struct SetAside {
    rules: Vec<SegmentRule>,
    facts: Vec<(Slot, RuleFacts)>,
}

/// The rules of settings, by numbers that a fingerprint tells from others.
fn compile(rules: &[SegmentRule]) -> Rules {
    let written = postcard::to_stdvec(rules).unwrap_or_default();
    let digest = digest(&[&written]);
    let mut fingerprint = [0; 8];
    fingerprint.copy_from_slice(&digest[..8]);
    Rules::new(rules, u64::from_le_bytes(fingerprint))
}

impl RuleBook {
    /// The rules of settings, over the users of a state.
    pub(super) fn new(settings: &EngineSettings, population: &Population) -> Self {
        let rules = compile(&settings.segments);
        let costs = rules.rules.iter().map(|rule| RuleCost { segment: rule.name.clone(), ..RuleCost::default() }).collect();
        let mut book = Self { rules, properties: properties(&settings.segments), timers: BTreeSet::new(), costs, set_aside: None };
        for (slot, facts) in population.rule_facts() {
            book.timers.extend(facts.next.map(|next| (next, slot)));
            facts.held.iter().filter(|held| held.inside).for_each(|held| book.count_users(held.rule, 1));
        }
        book
    }

    /// Whether any rule looks at profiles, as everyone's are when a day has closed.
    pub(super) fn look_at_profiles(&self) -> bool {
        self.rules.rules.iter().any(|rule| rule.looks_at_profile)
    }

    fn count_users(&mut self, rule: u16, change: i64) {
        if let Some(cost) = self.costs.get_mut(usize::from(rule)) {
            cost.users = cost.users.saturating_add_signed(change);
        }
    }

    /// Notes when the clock concerns a user next.
    fn set_timer(&mut self, slot: Slot, before: Option<EventTime>, now: Option<EventTime>) {
        if before != now {
            before.map(|before| self.timers.remove(&(before, slot)));
            self.timers.extend(now.map(|now| (now, slot)));
        }
    }
}

impl PartitionEngine {
    /// Says which event properties come after those of the breakdowns in [`Event::breakdowns`]: by default those of the rules in force. A decoder made for newer settings
    /// reads others.
    pub fn read_properties(&mut self, properties: Vec<String>) {
        self.rules.properties = properties;
    }

    /// What each rule costs and came to.
    #[must_use]
    pub fn rule_costs(&self) -> &[RuleCost] {
        &self.rules.costs
    }

    /// Keeps an event where a rule looks at it; tells whether one does, and it is news.
    pub(super) fn note_rules(&mut self, slot: Slot, event: &Event<'_>, day: Day) -> bool {
        let mut noted = Vec::new();
        for number in self.rules.rules.series_of(event.kind) {
            let source = &self.rules.rules.sources[usize::from(*number)];
            let property = |name: &str| self.property(event, name);
            if source.filter.accepts(event.kind.name(), property) {
                noted.push((*number, amount(source, property)));
            }
        }
        if noted.is_empty() {
            return false;
        }
        self.rules.set_aside = None;
        let digest = super::apply::event_digest(event);
        let event_mark = u64::from_le_bytes(std::array::from_fn(|at| digest[at]));
        let of = self.rules.rules.fingerprint;
        let mark = |amount| Mark { time: event.time, event: event_mark, amount };
        // A repeat may come when what was noted is kept under another id of the user.
        noted.retain(|(number, amount)| !self.is_noted(slot, *number, &mark(*amount)));
        // Nor may a repeat be an occasion to forget: what is forgotten by then would depend on it.
        if noted.is_empty() {
            return false;
        }
        let facts = self.rare(slot, day).rules_mut(of);
        for (number, amount) in noted {
            facts.series_mut(number).add(mark(amount));
        }
        true
    }

    /// Adds up what rules remember of the user of a slot and nothing needs one by one any more, when no event of before `open` can come.
    pub(super) fn fold_rules(&mut self, slot: Slot, open: Day) {
        let (open, now) = (self.calendar.start_of(open), self.state.newest_time);
        let members = self.state.population.members(slot);
        let known = |slot: Slot| self.state.population.habit(slot).rare.as_deref().and_then(|rare| rare.rules.as_deref());
        if !members.iter().any(|member| known(*member).is_some()) {
            return;
        }
        let mut whole = RuleFacts::default();
        members.iter().filter_map(|member| known(*member)).for_each(|facts| whole.absorb(facts));
        for member in members {
            let Some(rare) = &mut self.state.population.habit_mut(member).rare else { continue };
            let Some(facts) = rare.rules.as_deref_mut().filter(|facts| facts.of == self.rules.rules.fingerprint) else { continue };
            for (number, series) in facts.all_series_mut() {
                self.rules.rules.fold(number, series, open, now, |anchor| whole.series(anchor).cloned());
            }
        }
    }

    /// The same for a user who is about to be another's, too: an event brings nothing to the other's anchors that is older than any that can still come, whether
    /// anything was folded since, as a repeat may have seen to, or not.
    pub(super) fn fold_rules_alone(&mut self, slot: Slot) {
        if self.rules.rules.rules.is_empty() {
            return;
        }
        self.keep_under_one_id(slot);
        if let Some(newest) = self.state.newest_day.filter(|_| self.state.population.is_together(slot)) {
            self.fold_rules(slot, newest - i32::from(self.state.settings.late_horizon_days));
        }
    }

    /// Whether a mark is known under any id of the user of a slot.
    fn is_noted(&self, slot: Slot, number: u16, mark: &Mark) -> bool {
        let population = &self.state.population;
        let members = population.component(slot).map_or(std::slice::from_ref(&slot), |component| &component.members);
        let series = |member: &Slot| population.habit(*member).rare.as_deref()?.rules.as_deref()?.series(number);
        members.iter().filter_map(series).any(|series| series.contains(mark))
    }

    fn property<'e>(&self, event: &'e Event<'_>, name: &str) -> Option<&'e str> {
        let place = self.rules.properties.iter().position(|known| known == name)? + self.state.settings.breakdowns.len();
        event.breakdowns.iter().find(|(index, _)| usize::from(*index) == place).map(|(_, value)| value.as_ref())
    }

    /// Forgets what the rules of another partition remember, if they are others than here: settings reach partitions one by one.
    pub(super) fn keep_rules_of(&self, habit: &mut Habit) {
        if let Some(rare) = &mut habit.rare {
            rare.rules = rare.rules.take().filter(|facts| facts.of == self.rules.rules.fingerprint);
        }
    }

    /// Goes over to other rules, or back to those before, if no event was noted since: then all is as it was. What is known of the same filters, and who is in a segment whose rule stays as it is, is kept; of the others nothing is.
    pub(super) fn change_rules(&mut self, before: &EngineSettings) {
        let settings = &self.state.settings;
        if before.segments == settings.segments {
            return;
        }
        let facts = self.state.population.rule_facts().map(|(slot, facts)| (slot, facts.clone())).collect();
        let aside = SetAside { rules: before.segments.clone(), facts };
        if let Some(back) = self.rules.set_aside.take().filter(|aside| aside.rules == settings.segments) {
            self.state.population.set_rule_facts(back.facts);
            return self.rebuild_rules();
        }
        let (old, new) = (compile(&before.segments), compile(&settings.segments));
        let series = |number: u16| {
            let known = old.sources.get(usize::from(number))?;
            let same = |source: &Source| source.filter == known.filter && source.sum == known.sum;
            new.sources.iter().position(same).and_then(|at| u16::try_from(at).ok())
        };
        let rule = |number: u16| {
            let known = before.segments.get(usize::from(number))?;
            settings.segments.iter().position(|rule| rule == known).and_then(|at| u16::try_from(at).ok())
        };
        // All are judged by the new rules when time moves on.
        let soon = self.rule_now().plus_nanos(1);
        self.state.population.renumber_rules(|facts| facts.renumbered(new.fingerprint, series, rule, soon));
        self.rebuild_rules();
        self.rules.set_aside = Some(aside);
    }

    /// Forgets what the rules before these knew: there is no way back to them.
    pub fn keep_rules(&mut self) {
        self.rules.set_aside = None;
    }

    /// Makes the rules and what follows from the users anew.
    pub(super) fn rebuild_rules(&mut self) {
        let properties = std::mem::take(&mut self.rules.properties);
        self.rules = RuleBook::new(&self.state.settings, &self.state.population);
        self.read_properties(properties);
    }
}

/// The property that a series adds up, in millionths; 0 where it is no number.
fn amount<'v>(source: &Source, property: impl Fn(&str) -> Option<&'v str>) -> i64 {
    let value = source.sum.as_deref().and_then(property).and_then(|value| value.parse().ok());
    value.filter(|value: &f64| value.is_finite()).map_or(0, millionths)
}

impl Rare {
    /// What rules remember, of the rules with this fingerprint: what is of others goes.
    pub(super) fn rules_mut(&mut self, of: u64) -> &mut RuleFacts {
        let facts = self.rules.get_or_insert_with(Box::default);
        if facts.of != of {
            **facts = RuleFacts::empty(of);
        }
        facts
    }
}
