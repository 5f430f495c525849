use proptest::prelude::*;

use super::compiled::{EventNode, Node, Rules, Span};
use super::facts::{Held, Mark, RuleFacts};
use super::judge::Judge;
use super::*;
use crate::model::event::EventType;
use crate::model::time::EventTime;

fn filter(event: &str) -> EventFilter {
    EventFilter { types: vec![event.to_owned()], properties: Vec::new() }
}

fn at_least(count: f64) -> Range {
    Range { low: Some(End { at: count, included: true }), high: None }
}

fn time(instant: i64) -> EventTime {
    EventTime::from_nanos(instant)
}

fn facts(series: &[&[(i64, i64)]]) -> RuleFacts {
    let mut facts = RuleFacts::default();
    for (number, marks) in (0..).zip(series) {
        for (event, (instant, amount)) in (1..).zip(*marks) {
            facts.series_mut(number).add(Mark { time: time(*instant), event, amount: amount * 1_000_000 });
        }
    }
    facts
}

#[test]
fn ranges_and_properties() {
    let open = Range { low: Some(End { at: 10.0, included: false }), high: None };
    assert_eq!([10.0, 10.1].map(|number| open.contains(number)), [false, true]);
    let closed = Range { low: Some(End { at: 1.0, included: true }), high: Some(End { at: 2.0, included: true }) };
    assert_eq!([0.9, 1.0, 2.0, 2.1].map(|number| closed.contains(number)), [false, true, true, false]);
    let below = Range { low: None, high: Some(End { at: 10.0, included: false }) };
    assert_eq!([9.9, 10.0, 10.1].map(|number| below.contains(number)), [true, false, false]);
    let test = PropertyTest::In(closed);
    assert_eq!(["1.5", "3", "no", "NaN", "inf"].map(|text| test.accepts(text)), [true, false, false, false, false]);
    let filter = EventFilter { types: vec!["activity".into()], properties: vec![("plan".into(), PropertyTest::OneOf(vec!["pro".into()]))] };
    assert!(filter.accepts("activity", |name| (name == "plan").then_some("pro")));
    assert!(!filter.accepts("activity", |_| None) && !filter.accepts("signup", |_| Some("pro")));
}

#[test]
fn the_same_filter_is_kept_once_and_rules_tell_what_can_change_them() {
    let count = |window| Condition::Events(EventCondition { events: filter("activity"), sum: None, window, range: at_least(1.0) });
    let none = Condition::Events(EventCondition {
        events: filter("order_placed"),
        sum: None,
        window: Window::Last(9),
        range: Range { low: None, high: Some(End { at: 0.0, included: true }) },
    });
    let since = Window::Since { anchor: filter("signup"), first: true, within: Some(5) };
    let rule = |name: &str, when| SegmentRule { name: name.into(), when, on_enter: None };
    let field = Condition::Field(FieldCondition { field: "orders".into(), test: PropertyTest::In(at_least(2.0)) });
    let rules = [
        rule("one", count(Window::Always)),
        rule("two", Condition::All(vec![count(since), none.clone()])),
        rule("three", Condition::Any(vec![none, field])),
    ];
    let compiled = Rules::new(&rules, 1);
    assert_eq!(
        compiled.sources.iter().map(|source| source.filter.types[0].as_str()).collect::<Vec<_>>(),
        ["activity", "signup", "order_placed"]
    );
    let series =
        [EventType::Activity, EventType::Signup, EventType::OrderPlaced, EventType::OrderReturned].map(|kind| compiled.series_of(kind));
    assert_eq!(series, [&[0_u16] as &[u16], &[1], &[2], &[]], "by what their events are");
    let tells: Vec<_> = compiled.rules.iter().map(|rule| (rule.holds_without_events, rule.looks_at_profile)).collect();
    assert_eq!(tells, [(false, false), (false, false), (true, true)]);
}

#[test]
fn a_window_after_an_anchor_ends_with_its_last_instant() {
    let node = Node::Events(EventNode {
        series: 0,
        sums: false,
        window: Span::Since { anchor: 1, first: true, within: Some(10) },
        range: at_least(2.0),
    });
    let holds = |views: &[(i64, i64)], now| {
        let facts = facts(&[views, &[(100, 0), (300, 0)]]);
        Judge { facts: &facts, field: |_: &FieldCondition| false, now: time(now) }.judge(&node).holds
    };
    assert!(holds(&[(100, 0), (110, 0)], 110), "both ends belong to it");
    assert!(!holds(&[(99, 0), (110, 0)], 200) && !holds(&[(100, 0), (111, 0)], 200));
    assert!(!holds(&[(100, 0), (110, 0)], 109), "not before it has happened");
    assert!(holds(&[(100, 0), (110, 0)], 999), "once reached, it stays");
    let facts = facts(&[&[(100, 0), (104, 0), (108, 0)], &[(100, 0)]]);
    let judge = Judge { facts: &facts, field: |_: &FieldCondition| false, now: time(500) };
    assert_eq!(judge.since(&node), time(104), "since the event that made it so, however late it is looked at");
}

#[test]
fn not_holds_where_the_other_does_not_and_changes_with_it() {
    let viewed = Node::Events(EventNode { series: 0, sums: false, window: Span::Last(10), range: at_least(1.0) });
    let node = Node::Not(Box::new(viewed));
    let facts = facts(&[&[(100, 0)]]);
    let judged = |now| Judge { facts: &facts, field: |_: &FieldCondition| false, now: time(now) }.judge(&node);
    let found = [99, 100, 109, 110].map(|now| (judged(now).holds, judged(now).next.map(EventTime::nanos)));
    assert_eq!(found, [(true, Some(100)), (false, Some(110)), (false, Some(110)), (true, None)]);
}

proptest! {
    /// Totals, the next change and since when are those of a look at every single instant.
    #[test]
    fn a_window_up_to_now_is_that_of_every_instant(
        marks in prop::collection::vec((0_i64..60, -3_i64..9), 0..12),
        length in 1_i64..20,
        low in -4_i64..8,
        sums in any::<bool>(),
        upper in any::<bool>(),
        now in 0_i64..80,
    ) {
        let facts = facts(&[&marks]);
        let end = Some(End { at: f64::from(i32::try_from(low).expect("small")), included: true });
        let range = if upper { Range { low: None, high: end } } else { Range { low: end, high: None } };
        let node = Node::Events(EventNode { series: 0, sums, window: Span::Last(length), range });
        let holds = |instant: i64| {
            let inside = marks.iter().filter(|(at, _)| *at <= instant && *at > instant - length);
            let total: i64 = inside.map(|(_, amount)| if sums { *amount } else { 1 }).sum();
            if upper { total <= low } else { total >= low }
        };
        let judge = Judge { facts: &facts, field: |_: &FieldCondition| false, now: time(now) };
        let verdict = judge.judge(&node);
        prop_assert_eq!(verdict.holds, holds(now));
        let next = verdict.next.map_or(200, EventTime::nanos);
        prop_assert!(next > now && (now..next).all(|instant| holds(instant) == holds(now)), "nothing changes before the clock says so");
        if holds(now) {
            let since = judge.since(&node).nanos();
            if let Some(before) = (now - length..now).rev().find(|instant| !holds(*instant)) {
                prop_assert_eq!(since, before + 1);
            }
        }
    }
}

#[test]
fn facts_give_all_their_series_by_number_and_know_what_they_take() {
    let mark = |instant| Mark { time: time(instant), event: 1, amount: 0 };
    let mut facts = RuleFacts::default();
    for number in [7, 3] {
        for instant in 0..100 {
            facts.series_mut(number).add(mark(instant));
        }
    }
    // Each mark is a time, an event and an amount of 8 bytes; lists may have room for as many again.
    assert!((4_800..9_600).contains(&facts.approximate_bytes()), "{}", facts.approximate_bytes());
    // Each segment entered is an instant, a deadline and a rule at least.
    let entered = Held { rule: 1, since: time(0), inside: true, action: None };
    let mut with_segments = RuleFacts::default();
    with_segments.held = vec![entered; 100];
    assert!(with_segments.approximate_bytes() - RuleFacts::default().approximate_bytes() >= 100 * (8 + 8 + 2));
    let numbers: Vec<u16> = facts.all_series_mut().map(|(number, _)| number).collect();
    assert_eq!(numbers, [3, 7]);
    facts.all_series_mut().for_each(|(_, series)| series.fold(|_, mark| mark.time >= time(90)));
    assert_eq!([3, 7].map(|number| facts.series(number).map(|series| (series.marks().len(), series.older))), [Some((10, 90)); 2]);
}

#[test]
fn rules_look_at_properties_of_events_anchors_sums_and_actions() {
    let with = |names: &[&str]| EventFilter {
        types: vec!["activity".into()],
        properties: names.iter().map(|name| ((*name).into(), PropertyTest::OneOf(vec!["x".into()]))).collect(),
    };
    let condition = |events: EventFilter, sum: Option<&str>, window| {
        Condition::Events(EventCondition { events, sum: sum.map(Into::into), window, range: at_least(1.0) })
    };
    let since = Window::Since { anchor: with(&["channel"]), first: true, within: None };
    let rules = [
        SegmentRule {
            name: "one".into(),
            when: Condition::Not(Box::new(condition(with(&["plan", "country"]), Some("seats"), Window::Always))),
            on_enter: Some(Action { within: 1, fulfilled_by: with(&["agent", "plan"]) }),
        },
        SegmentRule { name: "two".into(), when: condition(with(&["plan"]), None, since), on_enter: None },
    ];
    assert_eq!(properties(&rules), ["agent", "channel", "country", "plan", "seats"]);
    assert!(properties(&[]).is_empty());
}

#[test]
fn marks_that_no_window_reaches_any_more_are_added_up() {
    let last = Condition::Events(EventCondition { events: filter("activity"), sum: None, window: Window::Last(10), range: at_least(1.0) });
    let rules = Rules::new(&[SegmentRule { name: "keen".into(), when: last, on_enter: None }], 1);
    // A window of 10 that ends with the first instant that is still open, or with now where that is before it, is the oldest that is looked at.
    for (open, now, kept) in
        [(130, 200, vec![121, 125]), (140, 130, vec![121, 125]), (125, 200, vec![119, 120, 121, 125]), (136, 200, vec![])]
    {
        let mut facts = facts(&[&[(119, 0), (120, 0), (121, 0), (125, 0)]]);
        let series = facts.series_mut(0);
        rules.fold(0, series, time(open), time(now), |_| None);
        let left: Vec<i64> = series.marks().iter().map(|mark| mark.time.nanos()).collect();
        assert_eq!(series.older, 4 - left.len() as u64, "all are counted");
        assert_eq!(left, kept, "open from {open}, now {now}");
    }
}
