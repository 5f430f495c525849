//! Segments by rules: the article's example with its boundaries, actions, clocks, merges, other rules.

use stickiness::config::Settings;
use stickiness::engine::settings::EngineSettings;
use stickiness::model::event::{Event, EventType, Facts, Noted};
use stickiness::model::month_day::MonthDay;
use stickiness::model::time::Day;

use crate::scenarios::{Bench, day, event};

/// The settings that ship as an example.
const HIGH_QUALITY: &str = include_str!("../../config/examples/high-quality-new-users.toml");

fn settings(text: &str) -> EngineSettings {
    Settings::read(text, []).unwrap_or_else(|mistakes| panic!("{mistakes}")).engine
}

fn bench(text: &str) -> Bench {
    Bench::new(settings(text))
}

/// A view of a course; `number` tells it from others.
fn view(number: usize, at: &str) -> Event<'static> {
    Event {
        event_id: format!("v{number}").into(),
        // The properties that the example looks at, in the order of their names.
        breakdowns: vec![(0, "course".into())],
        ..event("a", EventType::Activity, at)
    }
}

fn said(bench: &mut Bench) -> Vec<String> {
    let all = bench.said_of_all();
    all.into_iter().filter(|said| said.contains(" segment ") || said.contains(" action ")).collect()
}

fn segments(bench: &Bench) -> Vec<String> {
    bench.engine.profile("a").expect("a user").segments
}

/// A sign-up, and views of courses after it: the last of them at `last`.
fn signed_up(views: usize, last: &str) -> Bench {
    let mut bench = bench(HIGH_QUALITY);
    bench.take(&event("a", EventType::Signup, "2026-03-01T10:00:00Z"));
    for number in 1..views {
        bench.take(&view(number, &format!("2026-03-01T11:00:{number:02}Z")));
    }
    bench.take(&view(views, last));
    bench
}

#[test]
fn more_than_ten_views_within_a_day_of_sign_up() {
    let mut ten = signed_up(10, "2026-03-01T12:00:00Z");
    ten.take(&view(10, "2026-03-01T12:00:00Z"));
    assert_eq!((said(&mut ten), segments(&ten)), (vec![], vec![]), "ten are not more than ten, and a repeat is no eleventh");
    let entered = ["a segment null>high_quality_new_user 2026-03-01 event", "a action null>due 2026-03-01 event"];
    let mut eleven = signed_up(11, "2026-03-01T12:00:00Z");
    assert_eq!(said(&mut eleven), entered);
    assert_eq!(segments(&eleven), ["high_quality_new_user"]);
    let mut in_time = signed_up(11, "2026-03-02T10:00:00Z");
    assert_eq!(said(&mut in_time).len(), 2, "24 hours after the sign-up is within a day");
    let mut too_late = signed_up(11, "2026-03-02T10:00:00.001Z");
    assert_eq!(said(&mut too_late), Vec::<String>::new(), "a millisecond later is not");
    let mut late = bench(HIGH_QUALITY);
    for number in 1..=11 {
        late.take(&view(number, &format!("2026-03-01T11:00:{number:02}Z")));
    }
    late.take(&event("a", EventType::Signup, "2026-03-01T10:00:00Z"));
    let entered = ["a segment null>high_quality_new_user 2026-03-01 event", "a action null>due 2026-03-01 event"];
    assert_eq!(said(&mut late), entered, "the sign-up may come last");
}

#[test]
fn the_action_is_done_within_a_day_of_entering_or_overdue() {
    // Entered at 12:00.
    for (contact, expected) in [
        ("2026-03-02T12:00:00Z", vec!["a action due>done 2026-03-02 event"]),
        ("2026-03-02T11:59:59.999Z", vec!["a action due>done 2026-03-02 event"]),
        ("2026-03-02T12:00:00.001Z", vec!["a action due>overdue 2026-03-02 clock"]),
    ] {
        let mut bench = signed_up(11, "2026-03-01T12:00:00Z");
        said(&mut bench);
        bench.take(&Event { event_id: "c".into(), ..event("a", EventType::ContactMade, contact) });
        assert_eq!(said(&mut bench), expected, "{contact}");
    }
    let mut bench = signed_up(11, "2026-03-01T12:00:00Z");
    said(&mut bench);
    bench.take(&event("b", EventType::Activity, "2026-03-02T12:00:00Z"));
    assert_eq!(said(&mut bench), Vec::<String>::new(), "the last instant is in time");
    bench.take(&event("b", EventType::Activity, "2026-03-02T12:00:00.001Z"));
    assert_eq!(said(&mut bench), ["a action due>overdue 2026-03-02 clock"], "the clock of others tells");
    bench.take(&event("a", EventType::RewardRedeemed, "2026-03-02T09:00:00Z"));
    assert_eq!(said(&mut bench), ["a action overdue>done 2026-03-02 event"], "what was in time, and came to be known late");
    assert_eq!(segments(&bench), ["high_quality_new_user"]);
}

#[test]
fn the_deadline_counts_from_the_event_that_made_the_rule_hold() {
    let mut bench = bench(HIGH_QUALITY);
    bench.take(&event("a", EventType::Signup, "2026-03-01T10:00:00Z"));
    for number in 2..=11 {
        bench.take(&view(number, &format!("2026-03-01T15:00:{number:02}Z")));
    }
    bench.take(&view(1, "2026-03-01T11:00:00Z"));
    let effects = bench.engine.drain_effects();
    let records = effects.iter().filter_map(|effect| match effect {
        stickiness::engine::effect::Effect::Transition(transition) => Some(stickiness::wire::records::transition(transition)),
        _ => None,
    });
    let action = records.into_iter().find(|record| record["kind"] == "action").expect("an action");
    assert_eq!(action["deadline"], "2026-03-02T15:00:11Z", "the eleventh by its own time, not the one that came last");
    assert_eq!(action["segment"], "high_quality_new_user");
}

#[test]
fn events_of_the_day_after_within_the_grace_make_nobody_flap() {
    let mut bench = bench("segments = [{ name = \"silent\", when = { field = \"days_silent\", at_least = 7 } }]");
    bench.active("a", "2026-03-01T12:00:00Z");
    bench.take(&event("b", EventType::Activity, "2026-03-08T00:30:00Z"));
    bench.take(&event("a", EventType::ContactMade, "2026-03-08T00:31:00Z"));
    assert_eq!(said(&mut bench), ["a segment null>silent 2026-03-08 event"], "no contact makes active");
    bench.take(&event("b", EventType::Activity, "2026-03-08T01:30:00Z"));
    assert_eq!(said(&mut bench), Vec::<String>::new(), "the day before closed");
}

#[test]
fn it_comes_to_be_known_late_that_an_action_was_done_of_who_has_left() {
    let mut bench = bench(
        "segments = [{ name = \"keen\", when = { count = \"activity\", over = \"1d\" }, on_enter = { within = \"24h\", fulfilled_by = \"contact_made\" } }]",
    );
    bench.active("a", "2026-03-01T12:00:00Z");
    bench.take(&event("b", EventType::ContactMade, "2026-03-02T13:00:00Z"));
    let left: Vec<String> = said(&mut bench).into_iter().skip(2).collect();
    assert_eq!(left, ["a segment keen>null 2026-03-02 clock", "a action due>overdue 2026-03-02 clock"]);
    bench.take(&Event { event_id: "c".into(), ..event("a", EventType::ContactMade, "2026-03-01T20:00:00Z") });
    assert_eq!(said(&mut bench), ["a action overdue>done 2026-03-02 late_event"]);
}

const WINDOWS: &str = r#"
[[segments]]
name = "keen"
when = { count = "activity", over = "2h", at_least = 2 }
[[segments]]
name = "silent"
when = { all = [{ none = "activity", over = "1d" }, { count = "signup" }] }
[[segments]]
name = "rich"
when = { sum = "amount", of = "order_placed", more_than = 99.5 }
[[segments]]
name = "steady"
when = { field = "active_days_7d", at_least = 3 }
"#;

#[test]
fn windows_end_by_the_clock_of_events_and_figures_of_profiles_at_closes() {
    let mut bench = bench(WINDOWS);
    bench.take(&event("a", EventType::Signup, "2026-03-01T00:00:00Z"));
    assert_eq!(said(&mut bench), ["a segment null>silent 2026-03-01 event"]);
    bench.active("a", "2026-03-01T01:00:00Z");
    bench.active("a", "2026-03-01T02:00:00Z");
    assert_eq!(said(&mut bench), ["a segment silent>null 2026-03-01 event", "a segment null>keen 2026-03-01 event"]);
    bench.active("b", "2026-03-01T02:59:59.999Z");
    assert_eq!(said(&mut bench), Vec::<String>::new());
    bench.active("b", "2026-03-01T03:00:00Z");
    assert!(
        said(&mut bench).contains(&"a segment keen>null 2026-03-01 clock".to_owned()),
        "two hours after the first of the two it is out"
    );
    bench.take(&Event {
        event_id: "o".into(),
        breakdowns: vec![(0, "99.5".into())],
        ..event("a", EventType::OrderPlaced, "2026-03-02T04:00:00Z")
    });
    assert_eq!(said(&mut bench), ["b segment keen>null 2026-03-01 clock", "a segment null>silent 2026-03-02 clock"], "b never signed up");
    bench.take(&Event {
        event_id: "p".into(),
        breakdowns: vec![(0, "0.1".into())],
        ..event("a", EventType::OrderPlaced, "2026-03-02T04:00:01Z")
    });
    assert_eq!(said(&mut bench), ["a segment null>rich 2026-03-02 event"]);
    bench.active("a", "2026-03-03");
    assert!(said(&mut bench).contains(&"a segment null>steady 2026-03-03 event".to_owned()));
    bench.engine.close_through(day("2026-03-20"));
    let closed = said(&mut bench);
    assert!(closed.contains(&"a segment steady>null 2026-03-08 clock".to_owned()), "{closed:?}");
}

/// The settings that ship as another example.
const THANKS: &str = include_str!("../../config/examples/thanks.toml");

#[test]
fn who_brings_much_is_thanked_once_a_quarter() {
    let mut bench = bench(THANKS);
    let thanks = |id: &'static str, at: &str, kind: &'static str| Event {
        event_id: id.into(),
        breakdowns: vec![(0, kind.into())],
        ..event("a", EventType::ContactMade, at)
    };
    bench.take(&crate::scenarios::order("a", "1", "2026-01-01", 499));
    bench.take(&crate::scenarios::order("a", "2", "2026-01-02", 1));
    assert_eq!(said(&mut bench), ["a segment null>to_be_thanked 2026-01-02 event", "a action null>due 2026-01-02 event"]);
    bench.take(&thanks("c", "2026-01-05", "offer"));
    assert_eq!(said(&mut bench), Vec::<String>::new(), "an offer is no thanks");
    bench.take(&thanks("t", "2026-01-06", "thanks"));
    assert_eq!(said(&mut bench), ["a segment to_be_thanked>null 2026-01-06 event", "a action due>done 2026-01-06 event"]);
    bench.engine.close_through(day("2026-05-01"));
    let later =
        ["a segment null>to_be_thanked 2026-04-06 clock", "a action null>due 2026-04-06 clock", "a action due>overdue 2026-04-13 clock"];
    assert_eq!(said(&mut bench), later);
}

#[test]
fn one_user_of_two_ids_has_the_events_of_both_and_a_deleted_one_none() {
    let mut bench = bench(HIGH_QUALITY);
    bench.take(&event("a", EventType::Signup, "2026-03-01T10:00:00Z"));
    for number in 1..=11 {
        let user = if number % 2 == 0 { "a" } else { "b" };
        bench.take(&Event { user_id: user.into(), ..view(number, &format!("2026-03-01T11:00:{number:02}Z")) });
    }
    assert_eq!(said(&mut bench), Vec::<String>::new());
    let facts = stickiness::model::event::Facts::MergedInto("a".into());
    bench.take(&Event { facts, ..event("b", EventType::UserMerged, "2026-03-01T12:00:00Z") });
    let entered = ["a segment null>high_quality_new_user 2026-03-01 merge", "a action null>due 2026-03-01 merge"];
    assert_eq!(said(&mut bench), entered);
    assert_eq!(bench.engine.rule_costs()[0].users, 1);
    bench.take(&event("a", EventType::UserDeleted, "2026-03-01T13:00:00Z"));
    bench.active("c", "2026-03-09");
    assert_eq!(said(&mut bench), Vec::<String>::new(), "nothing is due for who is gone");
    assert_eq!(bench.engine.rule_costs()[0].users, 0);
}

fn merged(from: &'static str, into: &'static str, at: &str) -> Event<'static> {
    Event { facts: Facts::MergedInto(into.into()), ..event(from, EventType::UserMerged, at) }
}

#[test]
fn what_a_merge_brings_does_not_depend_on_a_repeat_before_it_either() {
    let told = |repeats: bool| {
        let mut bench = bench("segments = [{ name = \"starter\", when = { count = \"activity\", since = \"signup\", at_least = 3 } }]");
        bench.take(&event("c", EventType::Signup, "2026-01-01T12:00:00Z"));
        for (user, at) in [("a", "2026-02-10"), ("b", "2026-02-11"), ("a", "2026-02-15"), ("a", "2026-02-20")] {
            bench.active(user, at);
        }
        bench.take(&merged("b", "a", "2026-03-02T12:00:00Z"));
        bench.active("a", "2026-04-05");
        bench.active("d", "2026-04-08");
        if repeats {
            bench.active("a", "2026-04-05");
        }
        bench.take(&merged("a", "c", "2026-04-08T13:00:00Z"));
        said(&mut bench)
    };
    assert_eq!(told(false), Vec::<String>::new(), "without its anchor, an id keeps events for the late horizon");
    assert_eq!(told(true), Vec::<String>::new());
}

#[test]
fn an_action_that_was_due_too_long_ago_to_know_is_not_begun_by_a_merge() {
    let rule = "segments = [{ name = \"starter\", when = { count = \"activity\", since = \"signup\", within = \"20d\", at_least = 3 }, \
                on_enter = { within = \"1d\", fulfilled_by = \"contact_made\" } }]";
    let said_of_merge = |on: &str| {
        let mut bench = bench(rule);
        bench.active("a", "2026-01-01");
        bench.take(&event("c", EventType::Signup, "2026-01-01T12:00:00Z"));
        for at in ["2026-01-02T12:00:00Z", "2026-01-03T12:00:00Z", "2026-01-04T01:00:00Z"] {
            bench.active("c", at);
        }
        bench.take(&event("c", EventType::ContactMade, "2026-01-04T05:00:00Z"));
        said(&mut bench);
        bench.take(&merged("c", "a", on));
        bench.active("d", "2026-04-01");
        said(&mut bench)
    };
    let entered = |day: &str| format!("a segment null>starter {day} merge");
    let done = ["a action null>due 2026-01-21 merge", "a action due>done 2026-01-21 merge"].map(str::to_owned);
    assert_eq!(said_of_merge("2026-01-21T12:00:00Z"), [&[entered("2026-01-21")], &done[..]].concat());
    assert_eq!(said_of_merge("2026-03-02T12:00:00Z"), [entered("2026-03-02")], "it was done, and nobody says that it was not");
}

#[test]
fn rules_that_cannot_be_taken_over_are_as_if_they_never_were() {
    let mut bench = signed_up(11, "2026-03-01T12:00:00Z");
    let bytes = |bench: &Bench| postcard::to_stdvec(bench.engine.state()).expect("encodes");
    let before = bytes(&bench);
    bench.engine.adopt(&settings(WINDOWS)).expect("rules may change");
    assert!(segments(&bench).is_empty() && bytes(&bench) != before);
    bench.engine.adopt(&settings(HIGH_QUALITY)).expect("and back");
    assert!(bytes(&bench) == before, "the same, to the byte");
    bench.take(&event("b", EventType::Activity, "2026-03-02T12:00:00.001Z"));
    assert!(said(&mut bench).contains(&"a action due>overdue 2026-03-02 clock".to_owned()), "and its clock runs");
}

#[test]
fn other_rules_keep_what_the_same_filters_know_and_who_is_in_unchanged_segments() {
    let mut bench = signed_up(11, "2026-03-01T12:00:00Z");
    said(&mut bench);
    let more = format!(
        "{HIGH_QUALITY}\n[[segments]]\nname = \"viewer\"\nwhen = {{ count = \"activity\", where = {{ category = \"course\" }}, at_least = 12 }}\n"
    );
    bench.engine.adopt(&settings(&more)).expect("rules may change");
    assert_eq!(segments(&bench), ["high_quality_new_user"]);
    let lower = more.replace("at_least = 12", "at_least = 11");
    let mut other = signed_up(11, "2026-03-01T12:00:00Z");
    said(&mut other);
    other.engine.adopt(&settings(&lower)).expect("rules may change");
    other.active("b", "2026-03-01T12:30:00Z");
    assert_eq!(
        said(&mut other),
        ["a segment null>viewer 2026-03-01 clock"],
        "who fulfils a new rule by what is known enters when time moves on"
    );
    bench.take(&view(12, "2026-03-01T13:00:00Z"));
    assert_eq!(said(&mut bench), ["a segment null>viewer 2026-03-01 event"], "the eleven before are known");
    bench.engine.adopt(&settings("")).expect("rules may go");
    assert_eq!(segments(&bench), Vec::<String>::new());
    bench.active("b", "2026-03-05");
    assert_eq!(said(&mut bench), Vec::<String>::new(), "what was due for a rule that is gone is due no more");
}

#[test]
fn a_birthday_and_a_holiday_are_due_as_days_close() {
    let text = r#"
[loyalty]
holidays = ["03-20"]
[[segments]]
name = "birthday"
when = { field = "birthday_in_days", at_most = 2 }
on_enter = { within = "3d", fulfilled_by = "contact_made" }
[[segments]]
name = "holiday"
when = { all = [{ count = "activity", over = "90d" }, { field = "holiday_in_days", at_most = 0 }] }
"#;
    let mut bench = bench(text);
    let told = Noted::Birthday(MonthDay::parse("1990-03-12").expect("a day"));
    bench.take(&Event { facts: Facts::Noted(Box::new(told)), ..event("a", EventType::ProfileUpdated, "2026-03-01") });
    bench.take(&event("a", EventType::Activity, "2026-03-01"));
    let profile = bench.engine.profile("a").expect("a user");
    let due = |day: Option<Day>| day.map(|day| day.to_string());
    assert_eq!(due(profile.loyalty.birthday_due_day).as_deref(), Some("2026-03-12"));
    assert_eq!(due(profile.loyalty.holiday_due_day).as_deref(), Some("2026-03-20"));
    bench.engine.close_through(day("2026-03-25"));
    let expected = [
        "a segment null>birthday 2026-03-10 clock",
        "a action null>due 2026-03-10 clock",
        "a segment birthday>null 2026-03-13 clock",
        "a action due>overdue 2026-03-14 clock",
        "a segment null>holiday 2026-03-20 clock",
        "a segment holiday>null 2026-03-21 clock",
    ];
    let mut said = said(&mut bench);
    said.sort_by_key(|said| said.split(' ').nth(3).map(str::to_owned));
    assert_eq!(said, expected);
}

#[test]
fn who_is_in_one_of_some_states_belongs_to_a_segment_and_what_is_not_known_is_none() {
    let text = r#"
[[segments]]
name = "away"
when = { field = "lifecycle_30d", is = ["dormant", "absent"] }
[[segments]]
name = "loyal"
when = { field = "loyal", is = "true" }
[[segments]]
name = "northern"
when = { field = "favourite_brand", is = "north" }
"#;
    let mut bench = bench(text);
    for (id, at) in [("1", "2026-01-01"), ("2", "2026-01-02"), ("3", "2026-01-03")] {
        bench.take(&crate::scenarios::order("a", id, at, 10));
    }
    assert_eq!(said(&mut bench), ["a segment null>loyal 2026-01-03 event"]);
    bench.engine.close_through(day("2026-03-10"));
    assert_eq!(said(&mut bench), ["a segment null>away 2026-02-02 clock"], "dormant then, and absent a month later");
    bench.active("a", "2026-03-11");
    assert_eq!(said(&mut bench), ["a segment away>null 2026-03-11 event"]);
    assert_eq!(segments(&bench), ["loyal"]);
}
