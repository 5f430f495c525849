//! What an accepted event changes.

use super::component::{Edge, Slot};
use super::count::{Era, Ledgers, add_active_day, count_buying_days, count_complaints, count_order, count_purchases, count_surveys};
use super::deletion::digest;
use super::effect::{Cause, Change, Effect, Purchase, Transition};
use super::habit::{Habit, Rare, Remembered};
use super::ledger::Ledger;
use super::loyalty::Look;
use super::partition::PartitionEngine;
use super::risk::{Touched, departure_kind};
use crate::model::churn::level::Departure;
use crate::model::complaints::{Moment, Opening, Resolution};
use crate::model::event::{Event, EventType, Facts, OrderFacts};
use crate::model::lifecycle::Lifecycle;
use crate::model::money::Money;
use crate::model::purchases::{Break, Counted, Details, Order, OrderKey, Purchases, Return};
use crate::model::time::{Day, EventTime};

/// The order that an event may change; the event's day and segments when it is the order itself.
type Affected<'a> = (OrderKey, Option<Day>, &'a [u32]);

/// When and why a state changed, for the record of it.
pub(super) type Occasion = (Day, Cause, Option<EventTime>);

impl PartitionEngine {
    /// Counts an accepted event. `mark` is its [`mark_of`], and `known` the slot of its user if there was one.
    pub(super) fn apply(&mut self, event: &Event<'_>, mark: Remembered, known: Option<Slot>) {
        let day = mark.day;
        match (&event.facts, event.kind) {
            (_, EventType::UserDeleted) => return self.delete_user(event, day),
            (Facts::MergedInto(into), _) => return self.merge(event, into, day),
            _ => {}
        }
        let slot = known.unwrap_or_else(|| self.state.population.add(&event.user_id));
        self.keep_under_one_id(slot);
        let segments = self.segments_of(event);
        let active = event.kind.is_activity() && !self.excluded[event.kind as usize];
        let watched = self.watch(slot, event, (day, active), &segments);
        if active {
            self.note_values(slot, event, day, &segments);
        }
        let has_rules = !self.rules.rules.rules.is_empty();
        let is_known_day = has_rules && active && self.state.population.activity(slot, None).days.contains(day);
        let back = active && self.see_active(slot, event.time);
        let fresh = active && self.count_active_day(slot, day, &segments) || back;
        let facts = self.count_facts(slot, event, mark, &segments);
        let looked = self.note_loyalty(slot, event, mark);
        let noted = self.note_rules(slot, event, day);
        self.see_watched(slot, watched);
        let root = self.state.population.root(slot);
        // Plain activity that adds nothing may be a repeat, for its id is not remembered: it must not even be an occasion to look.
        if looked || facts || !is_plain_activity(event) {
            self.mark_loyalty(slot, day, Look::Event);
        } else if fresh {
            self.mark_active(slot, day);
        }
        let changed = fresh || facts || !is_plain_activity(event);
        if changed || noted {
            let late = self.state.newest_day.is_some_and(|newest| day < newest);
            let cause = if late { Cause::LateEvent } else { Cause::Event };
            let occasion = (self.as_of(), cause, Some(event.time));
            if changed {
                self.settle(slot, Touched::by(event, fresh), occasion);
            }
            // Whose ids were not one yet on the day is counted again by a repeat, too; to rules it is none of the user's news.
            let is_news = facts || back || !is_plain_activity(event) || (fresh && !is_known_day);
            self.settle_rules_by_event(slot, (noted, is_news), occasion);
        }
        if self.state.settings.publish_profiles {
            self.effects.push(Effect::ProfileChanged(self.state.population.id(root).to_owned()));
        }
    }

    /// Keeps what is known about the user of a slot under one id, as far as it is final. An event of the user does that, a repeat as well: so does whatever may
    /// not depend on repeats and asks where anything is kept.
    pub(super) fn keep_under_one_id(&mut self, slot: Slot) {
        let Some(changeable) = self.first_changeable() else { return };
        let horizon = i32::from(self.state.settings.late_horizon_days);
        let restatable = self.state.newest_day.map_or(changeable, |newest| newest - 2 * horizon);
        self.state.population.settle_component(slot, restatable, changeable);
    }

    /// The numbers of the breakdown segments that an event counts in, ascending.
    fn segments_of(&mut self, event: &Event<'_>) -> Vec<u32> {
        let state = &mut self.state;
        let of_breakdowns = event.breakdowns.iter().filter(|(property, _)| usize::from(*property) < state.settings.breakdowns.len());
        let numbers = of_breakdowns.map(|(property, value)| state.segments.number(*property, value, &state.settings));
        let mut numbers: Vec<u32> = numbers.collect();
        numbers.sort_unstable();
        self.grow_ledgers();
        numbers
    }

    /// Makes a ledger for each segment that has none yet.
    pub(super) fn grow_ledgers(&mut self) {
        while self.state.ledgers.len() < self.state.segments.count() {
            let base = self.state.ledgers[0].base();
            self.state.ledgers.push(Ledger::new(base));
        }
    }

    /// Notes the time of an activity event and tells whether it takes back a departure of its user: then it is news even on a day that is active already.
    fn see_active(&mut self, slot: Slot, time: EventTime) -> bool {
        let population = &mut self.state.population;
        if population.component(slot).is_none() {
            let habit = population.habit_mut(slot);
            let before = habit.last_active;
            habit.last_active = before.max(time);
            return habit.rare.as_ref().is_some_and(|rare| rare.departed_between(before, time));
        }
        // The times may be kept under another id of the user than the event's.
        let members = population.members(slot);
        let before = members.iter().map(|member| population.habit(*member).last_active).max().unwrap_or(EventTime::MIN);
        let last = &mut population.habit_mut(slot).last_active;
        *last = time.max(*last);
        let rare = |member: &Slot| population.habit(*member).rare.as_ref();
        members.iter().filter_map(rare).any(|rare| rare.departed_between(before, time))
    }

    /// Adds an active day and tells whether any figure changed.
    fn count_active_day(&mut self, slot: Slot, day: Day, segments: &[u32]) -> bool {
        if self.state.population.component(slot).is_some() {
            return self.count_active_day_of_several(slot, day, segments);
        }
        let rule = self.count_rule();
        let habit = self.state.population.habit_mut(slot);
        let before = habit.activity;
        let mut fresh = habit.activity.insert(day);
        if fresh {
            add_active_day(&mut self.state.ledgers[0], &before, &habit.activity, day, rule);
        }
        for segment in segments {
            let activity = habit.rare_mut().segment(*segment);
            let before = *activity;
            if activity.insert(day) {
                fresh = true;
                add_active_day(&mut self.state.ledgers[*segment as usize], &before, activity, day, rule);
            }
        }
        fresh
    }

    /// The same for a user of several ids: one of them may have been active on the day already.
    fn count_active_day_of_several(&mut self, slot: Slot, day: Day, segments: &[u32]) -> bool {
        let insert = |habit: &mut Habit| {
            habit.activity.insert(day);
            for segment in segments {
                habit.rare_mut().segment(*segment).insert(day);
            }
        };
        if !self.state.population.is_united_from(slot, day) {
            self.recount(slot, day, insert);
            return true;
        }
        let rule = self.count_rule();
        let mut fresh = false;
        for segment in std::iter::once(None).chain(segments.iter().map(|segment| Some(*segment))) {
            let before = self.state.population.activity(slot, segment);
            let mut after = before;
            if after.insert(day) {
                fresh = true;
                add_active_day(&mut self.state.ledgers[segment.unwrap_or(0) as usize], &before, &after, day, rule);
            }
        }
        insert(self.state.population.habit_mut(slot));
        fresh
    }

    /// Takes the user of a slot out of the counts from a day on, changes what is known, and counts it again.
    fn recount<T>(&mut self, slot: Slot, from: Day, change: impl FnOnce(&mut Habit) -> T) -> T {
        let rule = self.count_rule();
        let state = &mut self.state;
        state.population.count(&mut state.ledgers, slot, from, rule, -1);
        let changed = change(state.population.habit_mut(slot));
        state.population.count(&mut state.ledgers, slot, from, rule, 1);
        changed
    }

    /// The same for a change of rare facts alone: of a user of one id, only what `count` counts of them is counted again.
    fn recount_rare(&mut self, slot: Slot, from: Day, change: impl FnOnce(&mut Rare), count: impl Fn(&mut Ledgers, &Rare, Era, i32)) {
        if self.state.population.component(slot).is_some() {
            return self.recount(slot, from, |habit| change(habit.rare_mut()));
        }
        let (population, ledgers) = (&mut self.state.population, &mut self.state.ledgers);
        let rare = population.habit_mut(slot).rare_mut();
        count(ledgers, rare, Era::from(from), -1);
        change(rare);
        count(ledgers, rare, Era::from(from), 1);
    }

    /// Counts the facts of an event and tells whether there were any.
    fn count_facts(&mut self, slot: Slot, event: &Event<'_>, mark: Remembered, segments: &[u32]) -> bool {
        let Remembered { day, digest } = mark;
        if mark.is_known_again() {
            self.rare(slot, day).remember(mark);
        }
        let at = Moment { time: event.time, day };
        match (&event.facts, event.kind) {
            (Facts::Order(facts), _) => self.count_order(slot, event, facts, day, segments),
            (Facts::Return(facts), _) => {
                let order_id = facts.order_id.as_ref().into();
                let returned = Return { order_id, time: event.time, day, amount: facts.amount, event: digest };
                self.count_return(slot, returned, event);
            }
            (Facts::Survey(facts), _) => {
                let answer = |rare: &mut Rare| rare.surveys.make().answer(event.time, day, &event.event_id, facts);
                self.recount_rare(slot, day, answer, |ledgers, rare, era, sign| count_surveys(&mut ledgers[0], rare, era, sign));
            }
            (Facts::Complaint(facts), EventType::ComplaintOpened) => {
                let id = &facts.complaint_id;
                let opening = Opening { at, segments: segments.to_vec(), event: digest };
                self.recount_rare(slot, day, |rare| rare.complaints.make().open(id, opening), count_complaints);
            }
            (Facts::Complaint(facts), _) => {
                let id = &facts.complaint_id;
                let resolution = Resolution { at, event: digest };
                self.recount_rare(slot, day, |rare| rare.complaints.make().resolve(id, resolution), count_complaints);
            }
            (_, kind) if breaks_streak(kind) => {
                if let Some(lost) = departure_kind(kind) {
                    self.rare(slot, day).depart(Departure { at, lost });
                }
                self.change_purchases(slot, event, None, |purchases| purchases.break_streak(Break { time: event.time, day }));
            }
            (_, EventType::ReferralConverted) => {
                self.rare(slot, day).referrals.make().add(mark);
            }
            _ => return false,
        }
        true
    }

    fn count_order(&mut self, slot: Slot, event: &Event<'_>, facts: &OrderFacts<'_>, day: Day, segments: &[u32]) {
        self.rare(slot, day);
        if facts.order_id.is_empty() && event.event_id.is_empty() {
            self.state.nameless_orders += 1;
        }
        let number = u64::from(self.state.placement.partition) << 40 | self.state.nameless_orders;
        let order = order_of(event, facts, day, number, segments);
        let return_days = self.count_rule().return_days;
        let key = order.key.clone();
        let place = |purchases: &mut Purchases| purchases.place(order, return_days);
        self.change_purchases(slot, event, Some((key, Some(day), segments)), place);
    }

    fn count_return(&mut self, slot: Slot, returned: Return, event: &Event<'_>) {
        self.rare(slot, returned.day);
        let key = OrderKey::OrderId(returned.order_id.clone());
        let return_days = self.count_rule().return_days;
        self.change_purchases(slot, event, Some((key, None, &[])), |purchases| purchases.give_back(returned, return_days));
    }

    /// Changes the purchases of a slot and all that is counted of them. `order` is the order that may change, with the day and the segments of the event when it is the order itself.
    fn change_purchases(&mut self, slot: Slot, event: &Event<'_>, order: Option<Affected<'_>>, change: impl FnOnce(&mut Purchases)) {
        let root = self.state.population.root(slot);
        let key = order.as_ref().map(|(key, ..)| key.clone());
        let before = (self.standing_orders(root).0, self.counted(root, key.as_ref()));
        self.count_loyal(root, -1);
        match order {
            None => change(self.state.population.habit_mut(slot).rare_mut().purchases.make()),
            Some(order) => self.recount_order(slot, order, change),
        }
        self.count_loyal(root, 1);
        let after = (self.standing_orders(root).0, self.counted(root, key.as_ref()));
        self.change_revenue(root, event, before.1, after.1);
        self.say_purchase(root, event, before.0, after.0);
    }

    fn counted(&self, root: Slot, key: Option<&OrderKey>) -> Option<Counted> {
        self.state.population.purchases(root).counted(key?, self.count_rule().return_days)
    }

    /// Changes a buyer's revenue to date: an order counts from its own day, what is returned of it from the day of the return.
    fn change_revenue(&mut self, root: Slot, event: &Event<'_>, before: Option<Counted>, after: Option<Counted>) {
        let closed = self.state.closed_through.unwrap_or(Day::from_number(i32::MIN / 2));
        let day = self.calendar.day_of(event.time);
        let ordered = matches!(event.facts, Facts::Order(_));
        for (counted, sign) in [(before, -1), (after, 1)] {
            let Some(counted) = counted else { continue };
            let net = if sign > 0 { counted.net } else { -counted.net };
            self.state.revenue.change(root, if ordered { counted.day } else { day }, net, closed);
        }
    }

    /// Changes an order and counts again what of the user's figures depends on it.
    fn recount_order(&mut self, slot: Slot, (key, placed, segments): Affected<'_>, change: impl FnOnce(&mut Purchases)) {
        if self.state.population.component(slot).is_some() {
            return self.recount_order_of_several(slot, &key, placed, change);
        }
        let return_days = self.count_rule().return_days;
        let (population, ledgers) = (&mut self.state.population, &mut self.state.ledgers);
        let purchases = population.habit_mut(slot).rare_mut().purchases.make();
        let known = purchases.order(&key);
        let Some(from) = known.map(|known| known.day).into_iter().chain(placed).min() else { return change(purchases) };
        let mut segments: Vec<u32> = known.map_or(&[][..], |known| &known.segments).iter().chain(segments).copied().collect();
        segments.sort_unstable();
        segments.dedup();
        let before = purchases.counted(&key, return_days);
        count_buying_days(ledgers, purchases, &segments, Era::from(from), -1);
        change(purchases);
        count_buying_days(ledgers, purchases, &segments, Era::from(from), 1);
        let after = purchases.counted(&key, return_days);
        for (counted, sign) in [(before, -1), (after, 1)] {
            if let Some(counted) = counted {
                count_order(ledgers, counted.day, counted.net, &counted.segments, sign);
            }
        }
    }

    /// The same for a user of several ids, whose orders are looked at together.
    fn recount_order_of_several(&mut self, slot: Slot, key: &OrderKey, placed: Option<Day>, change: impl FnOnce(&mut Purchases)) {
        let known = self.state.population.purchases(slot).order(key).map(|known| known.day);
        let Some(from) = [placed, known].into_iter().flatten().min() else {
            return change(self.state.population.habit_mut(slot).rare_mut().purchases.make());
        };
        if !self.state.population.is_united_from(slot, from) {
            return self.recount(slot, from, |habit| change(habit.rare_mut().purchases.make()));
        }
        let (rule, era) = (self.count_rule(), Era::from(from));
        let (population, ledgers) = (&mut self.state.population, &mut self.state.ledgers);
        count_purchases(ledgers, &population.purchases(slot), era, rule, -1);
        change(population.habit_mut(slot).rare_mut().purchases.make());
        count_purchases(ledgers, &population.purchases(slot), era, rule, 1);
    }

    /// Orders of a user that stand, and their net revenue.
    pub(super) fn standing_orders(&self, root: Slot) -> (u64, Money) {
        self.state.population.purchases(root).standing_total()
    }

    /// Adds or takes away the open days on which a user is loyal.
    pub(super) fn count_loyal(&mut self, root: Slot, sign: i64) {
        let Some(open) = self.state.closed_through.map(|closed| closed + 1) else { return };
        let stretches = self.loyalty_rule().loyal_days(&self.state.population.purchases(root), open);
        self.state.loyal.count(&stretches, sign);
    }

    pub(super) fn say(&mut self, root: Slot, change: Change, (as_of, cause, at): Occasion) {
        let user_id = self.state.population.id(root).to_owned();
        self.effects.push(Effect::Transition(Transition { user_id, change, at, as_of, cause }));
    }

    pub(super) fn say_lifecycle(&mut self, root: Slot, from: Option<Lifecycle>, to: Option<Lifecycle>, occasion: Occasion) {
        if let Some(to) = to.filter(|to| from != Some(*to) && self.wanted.lifecycle(*to)) {
            self.say(root, Change::Lifecycle { from, to }, occasion);
        }
    }

    pub(super) fn say_loyal(&mut self, root: Slot, from: bool, to: bool, occasion: Occasion) {
        if from != to {
            self.say(root, Change::Loyal { to }, occasion);
        }
    }

    fn say_purchase(&mut self, root: Slot, event: &Event<'_>, before: u64, orders: u64) {
        let to = match (before, orders) {
            (before, orders) if before > orders => Purchase::OrderFell,
            (0, 1) => Purchase::FirstOrder,
            (before, orders) if before < orders => Purchase::RepeatOrder,
            _ => return,
        };
        let order_id = match &event.facts {
            Facts::Order(facts) => facts.order_id.as_ref(),
            Facts::Return(facts) => facts.order_id.as_ref(),
            _ => "",
        };
        let order_id = (!order_id.is_empty()).then(|| order_id.to_owned());
        let late = self.state.newest_day.is_some_and(|newest| self.calendar.day_of(event.time) < newest);
        let cause = if late { Cause::LateEvent } else { Cause::Event };
        self.say(root, Change::Purchase { to, order_id, orders }, (self.as_of(), cause, Some(event.time)));
    }

    /// Whether an event repeats an accepted one, as far as that is remembered: where a repeat would change something.
    pub(super) fn is_duplicate(&self, slot: Slot, event: &Event<'_>, mark: Remembered) -> bool {
        if event.event_id.is_empty() {
            return false;
        }
        if let Facts::MergedInto(into) = &event.facts {
            let population = &self.state.population;
            let known = |edge: &Edge| {
                edge.time == event.time && population.id(edge.from) == event.user_id && population.id(edge.into) == into.as_ref()
            };
            return population.component(slot).is_some_and(|component| component.edges.iter().any(known));
        }
        if !mark.is_known_again() {
            return false;
        }
        let known = |rare: &Rare| rare.remembered.binary_search(&mark).is_ok();
        let population = &self.state.population;
        let members = population.component(slot).map_or(std::slice::from_ref(&slot), |component| &component.members);
        members.iter().any(|member| population.habit(*member).rare.as_ref().is_some_and(|rare| known(rare)))
    }
}

/// Whether an event only makes its user active, and tells what was looked at: then a repeat on its day adds nothing, and its id is not remembered.
fn is_plain_activity(event: &Event<'_>) -> bool {
    matches!(event.kind, EventType::Signup | EventType::Activity)
}

/// What an event of `day` is recognised by when it comes again, worked out once for each: nothing but its day for plain activity, and for merges, which a repeat
/// leaves as they are.
pub(super) fn mark_of(event: &Event<'_>, day: Day) -> Remembered {
    let matters = !is_plain_activity(event) && !matches!(event.kind, EventType::UserMerged | EventType::UserDeleted);
    Remembered { day, digest: if matters { event_digest(event) } else { [0; 16] } }
}

/// Whether an event of this type breaks a streak of orders.
fn breaks_streak(kind: EventType) -> bool {
    matches!(kind, EventType::CompetitorPurchase | EventType::CustomerLost | EventType::SubscriptionCancelled)
}

/// What an event is recognised by across the ids of a user; zero without an event id.
pub(super) fn event_digest(event: &Event<'_>) -> [u8; 16] {
    if event.event_id.is_empty() { [0; 16] } else { digest(&[event.event_id.as_bytes(), event.kind.name().as_bytes()]) }
}

/// What an order is known by.
fn key_of(event: &Event<'_>, facts: &OrderFacts<'_>, number: u64) -> OrderKey {
    if !facts.order_id.is_empty() {
        OrderKey::OrderId(facts.order_id.as_ref().into())
    } else if !event.event_id.is_empty() {
        OrderKey::EventId(event.event_id.as_ref().into())
    } else {
        OrderKey::Alone(number)
    }
}

fn order_of(event: &Event<'_>, facts: &OrderFacts<'_>, day: Day, number: u64, segments: &[u32]) -> Order {
    #[expect(clippy::cast_possible_truncation, reason = "the logarithm of a double is below 710")]
    let fixed = |seconds: f64| (seconds.ln() * 1e15).round() as i64;
    Order {
        time: event.time,
        day,
        key: key_of(event, facts, number),
        event_id: event.event_id.as_ref().into(),
        amount: facts.amount,
        brands: facts.brands.iter().map(|brand| brand.as_ref().into()).collect(),
        categories: facts.categories.iter().map(|category| category.as_ref().into()).collect(),
        discounted: facts.discounted,
        rewarded: facts.reward_used,
        decision_log: facts.decision_s.filter(|seconds| *seconds > 0.0).map(fixed),
        details: facts.details.as_deref().map(|details| Box::new(Details::from(details))),
        segments: segments.to_vec(),
    }
}
