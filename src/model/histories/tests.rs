use super::*;
use crate::model::event::{OrderFacts, ReturnFacts};

/// An event at noon of a day, or `seconds` after it.
fn event(user: &'static str, day: i32, seconds: i64, kind: EventType, facts: Facts<'static>) -> Event<'static> {
    let time = EventTime::from_nanos((i64::from(day) * 86_400 + 43_200 + seconds) * 1_000_000_000);
    Event { user_id: user.into(), event_id: "".into(), kind, time, facts, breakdowns: Vec::new() }
}

fn active(user: &'static str, day: i32) -> Event<'static> {
    event(user, day, 0, EventType::Activity, Facts::None)
}

fn order(user: &'static str, day: i32, id: &'static str, units: i128) -> Event<'static> {
    let facts = OrderFacts { order_id: id.into(), amount: Money::from_millionths(units * 1_000_000), ..OrderFacts::default() };
    event(user, day, 0, EventType::OrderPlaced, Facts::Order(facts))
}

fn returned(user: &'static str, day: i32, id: &'static str, units: Option<i128>) -> Event<'static> {
    let amount = units.map(|units| Money::from_millionths(units * 1_000_000));
    event(user, day, 1, EventType::OrderReturned, Facts::Return(ReturnFacts { order_id: id.into(), amount }))
}

fn merged(user: &'static str, day: i32, into: &'static str) -> Event<'static> {
    event(user, day, 2, EventType::UserMerged, Facts::MergedInto(into.into()))
}

fn deleted(user: &'static str, day: i32) -> Event<'static> {
    event(user, day, 3, EventType::UserDeleted, Facts::None)
}

fn named(mut event: Event<'static>, event_id: &'static str) -> Event<'static> {
    event.event_id = event_id.into();
    event
}

fn read(events: &[Event<'static>]) -> Histories {
    let mut reader = HistoryReader::new(Calendar::new("UTC").expect("a zone"), vec![EventType::Feedback]);
    for event in events {
        reader.take(event);
    }
    reader.finish(90)
}

/// Days and whole units of money.
fn shown(days: &Days) -> Vec<(i32, i128)> {
    days.iter().map(|(day, money)| (day.number(), money.millionths() / 1_000_000)).collect()
}

#[track_caller]
fn check(events: &[Event<'static>], kind: ProcessKind, cut: i32, expected: &[&[(i32, i128)]]) {
    let mut backwards = events.to_vec();
    backwards.reverse();
    for events in [events, &backwards] {
        let mut found: Vec<_> = read(events).up_to(kind, Day::from_number(cut)).iter().map(shown).collect();
        found.sort();
        assert_eq!(found, expected);
    }
}

#[test]
fn days_are_distinct_and_activity_is_what_counts_as_such() {
    let feedback = event("a", 9, 0, EventType::Feedback, Facts::None);
    let events = [active("a", 3), active("a", 1), active("a", 3), order("a", 4, "o", 7), feedback, active("b", 5)];
    check(&events, ProcessKind::Activity, 20, &[&[(1, 0), (3, 0), (4, 0)], &[(5, 0)]]);
    check(&events, ProcessKind::Activity, 3, &[&[(1, 0), (3, 0)]]);
    check(&events, ProcessKind::Purchase, 20, &[&[(4, 7)]]);
}

#[test]
fn returns_count_from_their_own_day_on() {
    let events =
        [order("a", 1, "x", 10), order("a", 1, "y", 5), order("a", 4, "z", 8), returned("a", 6, "z", None), returned("a", 7, "x", Some(3))];
    check(&events, ProcessKind::Purchase, 5, &[&[(1, 15), (4, 8)]]);
    check(&events, ProcessKind::Purchase, 6, &[&[(1, 15)]]);
    check(&events, ProcessKind::Purchase, 7, &[&[(1, 12)]]);
}

#[test]
fn repeats_change_nothing() {
    let again = named(returned("a", 2, "x", Some(3)), "r");
    let events = [
        order("a", 1, "x", 10),
        order("a", 3, "x", 4),
        again.clone(),
        again,
        named(order("a", 5, "", 2), "e"),
        named(order("a", 5, "", 2), "e"),
    ];
    check(&events, ProcessKind::Purchase, 9, &[&[(1, 7), (5, 2)]]);
    let nameless = [order("a", 1, "", 2), order("a", 1, "", 2)];
    check(&nameless, ProcessKind::Purchase, 9, &[&[(1, 4)]]);
}

#[test]
fn merged_ids_are_one_user_from_the_merge_on() {
    let events = [order("a", 1, "x", 10), order("b", 2, "y", 5), order("b", 1, "x", 10), merged("a", 4, "b"), order("a", 6, "z", 1)];
    check(&events, ProcessKind::Purchase, 3, &[&[(1, 10)], &[(1, 10), (2, 5)]]);
    check(&events, ProcessKind::Purchase, 9, &[&[(1, 10), (2, 5), (6, 1)]]);
    let judged = read(&events).judged(ProcessKind::Purchase, Day::from_number(3), Day::from_number(9));
    assert_eq!(judged.len(), 2);
    assert!(judged.iter().all(|user| shown(&user.after) == [(6, 1)]));
    assert!(read(&events).judged(ProcessKind::Purchase, Day::from_number(3), Day::from_number(5)).iter().all(|user| user.after.is_empty()));
}

#[test]
fn deleted_users_leave_nothing_behind() {
    let events = [
        active("a", 1),
        active("b", 1),
        merged("a", 2, "b"),
        deleted("b", 4),
        active("b", 4),
        active("a", 6),
        active("b", 7),
        active("c", 1),
    ];
    // Each id starts a user of its own after the deletion.
    check(&events, ProcessKind::Activity, 9, &[&[(1, 0)], &[(6, 0)], &[(7, 0)]]);
    check(&events, ProcessKind::Activity, 3, &[&[(1, 0)]]);
}

#[test]
fn a_history_counts_from_the_first_day_to_the_last() {
    let days: Days =
        [(1, 50), (3, 10), (9, 20)].map(|(day, units)| (Day::from_number(day), Money::from_millionths(units * 1_000_000))).into();
    let at = |day| history(&days, Day::from_number(day));
    assert_eq!(at(0), None);
    assert_eq!(at(2).map(|(history, _)| history), Some(History { repeats: 0, recency_days: 0, silent_days: 1 }));
    let (history, spend) = at(12).expect("days");
    assert_eq!(history, History { repeats: 2, recency_days: 8, silent_days: 3 });
    assert_eq!(spend, Spend { repeats: 2, mean: 15.0 });
}
