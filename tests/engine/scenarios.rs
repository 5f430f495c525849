//! What a log makes of a user, step by step: transitions, closings, deletions, late and refused events.

use std::sync::Arc;

use stickiness::engine::aggregator::Aggregator;
use stickiness::engine::effect::{Admission, Effect};
use stickiness::engine::partition::{PartitionEngine, Placement};
use stickiness::engine::settings::{Breakdown, DeletionPast, EngineSettings};
use stickiness::model::event::{Event, EventType, Facts, OrderFacts, ReturnFacts};
use stickiness::model::money::Money;
use stickiness::model::rejection::Reason;
use stickiness::model::time::{Calendar, Day, EventTime};
use stickiness::wire::records;

pub(crate) struct Bench {
    pub(crate) engine: PartitionEngine,
    aggregator: Aggregator,
    settings: EngineSettings,
}

pub(crate) fn time(text: &str) -> EventTime {
    let text = if text.len() == 10 { format!("{text}T12:00:00Z") } else { text.to_owned() };
    let timestamp: jiff::Timestamp = text.parse().expect("a timestamp");
    EventTime::from_nanos(i64::try_from(timestamp.as_nanosecond()).expect("in range"))
}

pub(crate) fn day(text: &str) -> Day {
    Day::parse(text).expect("a day")
}

pub(crate) fn event(user: &str, kind: EventType, at: &str) -> Event<'static> {
    let user_id = user.to_owned().into();
    Event { user_id, event_id: "".into(), kind, time: time(at), facts: Facts::None, breakdowns: vec![] }
}

pub(crate) fn order(user: &str, id: &str, at: &str, units: i128) -> Event<'static> {
    let facts = OrderFacts { order_id: id.to_owned().into(), amount: Money::from_millionths(units * 1_000_000), ..OrderFacts::default() };
    Event { facts: Facts::Order(facts), ..event(user, EventType::OrderPlaced, at) }
}

impl Bench {
    pub(crate) fn new(settings: EngineSettings) -> Self {
        let calendar = Arc::new(Calendar::new(&settings.time_zone).expect("a zone"));
        Self {
            engine: PartitionEngine::new(settings.clone(), Placement::ALONE, calendar, [0; 16]),
            aggregator: Aggregator::new(1),
            settings,
        }
    }

    pub(crate) fn take(&mut self, event: &Event<'_>) -> Admission {
        self.engine.handle(event, None)
    }

    pub(crate) fn active(&mut self, user: &str, at: &str) {
        assert_eq!(self.take(&event(user, EventType::Activity, at)), Admission::Accepted);
    }

    /// Transitions since the last call but states of loyalty, as `user kind from>to as_of cause`.
    fn said(&mut self) -> Vec<String> {
        let counted = |said: &String| [" lifecycle ", " loyal ", " purchase "].iter().any(|kind| said.contains(kind));
        self.said_of_all().into_iter().filter(counted).collect()
    }

    /// The same with states of loyalty.
    pub(crate) fn said_of_all(&mut self) -> Vec<String> {
        let effects = self.engine.drain_effects().into_iter();
        let said = effects
            .filter_map(|effect| if let Effect::Transition(transition) = effect { Some(records::transition(&transition)) } else { None });
        said.map(|record| {
            let text = |field: &str| record[field].to_string().replace('"', "");
            format!("{} {} {}>{} {} {}", text("user_id"), text("kind"), text("from"), text("to"), text("as_of"), text("cause"))
        })
        .collect()
    }

    pub(crate) fn metric(&mut self, segment: &str, on: &str) -> serde_json::Value {
        for partial in self.engine.take_partials() {
            self.aggregator.update(0, partial);
        }
        self.aggregator.metric(segment, day(on)).map_or(serde_json::Value::Null, |metric| records::metric(&metric, 0, &self.settings))
    }
}

#[test]
fn a_lifecycle_is_said_change_by_change() {
    let mut bench = Bench::new(EngineSettings::default());
    bench.active("a", "2026-01-01");
    bench.active("a", "2026-01-02");
    assert_eq!(bench.said(), ["a lifecycle null>new 2026-01-01 event"]);
    bench.active("b", "2026-06-01");
    assert_eq!(
        bench.said(),
        [
            "a lifecycle new>retained 2026-01-31 clock",
            "a lifecycle retained>dormant 2026-02-01 clock",
            "a lifecycle dormant>absent 2026-03-03 clock",
            "b lifecycle null>new 2026-06-01 event",
        ]
    );
    bench.active("a", "2026-06-01");
    bench.active("c", "2026-05-20");
    bench.active("b", "2026-05-19");
    assert_eq!(bench.said(), ["a lifecycle absent>resurrected 2026-06-01 event", "c lifecycle null>new 2026-06-01 late_event"]);
}

#[test]
fn days_close_an_hour_after_their_end_by_event_time_or_the_clock() {
    let mut bench = Bench::new(EngineSettings::default());
    bench.active("a", "2026-01-01T10:00:00Z");
    bench.active("a", "2026-01-02T00:59:59.999Z");
    assert_eq!(bench.engine.closed_through(), Some(day("2025-12-31")));
    bench.active("a", "2026-01-02T01:00:00Z");
    assert_eq!(bench.engine.closed_through(), Some(day("2026-01-01")));
    assert_eq!(bench.metric("all", "2026-01-01")["final"], true);
    assert_eq!(bench.metric("all", "2026-01-02")["final"], false);
    assert_eq!(bench.engine.next_clock_close(), Some(time("2026-01-03T01:00:00Z")));
    assert!(!bench.engine.close_by_clock(time("2026-01-03T00:59:59.999Z")));
    assert!(bench.engine.close_by_clock(time("2026-01-04T01:00:00Z")));
    assert_eq!(bench.metric("all", "2026-01-03")["final"], true);
    assert_eq!(bench.metric("all", "2026-01-03")["dormant_1d"], 1);
    // The clock moved no horizon: a day 35 days before the newest event still counts.
    bench.active("b", "2025-11-28");
    assert_eq!(bench.metric("all", "2025-11-28")["dau"], 1);
}

#[test]
fn late_events_correct_and_later_ones_are_refused() {
    let mut bench = Bench::new(EngineSettings::default());
    bench.active("a", "2026-03-01");
    bench.active("b", "2026-01-25");
    assert_eq!(bench.metric("all", "2026-01-25")["new_1d"], 1);
    assert_eq!(bench.metric("all", "2026-03-01")["resurrected_7d"], 0);
    let refused = bench.take(&event("c", EventType::Activity, "2026-01-24"));
    assert!(matches!(&refused, Admission::Rejected(why) if why.reason == Reason::TooLate), "{refused:?}");
    let arrival = time("2026-03-02");
    let early = bench.engine.handle(&event("c", EventType::Activity, "2026-03-02T12:05:00.001Z"), Some(arrival));
    assert!(matches!(&early, Admission::Rejected(why) if why.reason == Reason::Future), "{early:?}");
    assert_eq!(bench.engine.handle(&event("c", EventType::Activity, "2026-03-02T12:05:00Z"), Some(arrival)), Admission::Accepted);
}

#[test]
fn loyalty_comes_with_orders_and_goes_with_returns_breaks_and_time() {
    let mut bench = Bench::new(EngineSettings::default());
    for (id, at) in [("o1", "2026-01-01"), ("o2", "2026-01-02"), ("o3", "2026-01-03")] {
        bench.take(&order("a", id, at, 10));
    }
    assert_eq!(
        bench.said(),
        [
            "a purchase null>first_order 2026-01-01 event",
            "a lifecycle null>new 2026-01-01 event",
            "a purchase null>repeat_order 2026-01-02 event",
            "a purchase null>repeat_order 2026-01-03 event",
            "a loyal false>true 2026-01-03 event",
        ]
    );
    let returned = Facts::Return(ReturnFacts { order_id: "o2".into(), amount: None });
    bench.take(&Event { facts: returned, ..event("a", EventType::OrderReturned, "2026-01-04") });
    assert_eq!(bench.said(), ["a purchase null>order_fell 2026-01-04 event", "a loyal true>false 2026-01-04 event"]);
    bench.take(&order("a", "o4", "2026-01-05", 10));
    assert_eq!(bench.said().last().map(String::as_str), Some("a loyal false>true 2026-01-05 event"));
    bench.active("b", "2026-12-01");
    let loyal: Vec<String> = bench.said().into_iter().filter(|said| said.contains("loyal")).collect();
    assert_eq!(loyal, ["a loyal true>false 2026-07-05 clock"]);
    assert_eq!(bench.metric("all", "2026-01-03")["loyal_buyers"], 1);
    assert_eq!(bench.metric("all", "2026-01-04")["loyal_buyers"], 0);
    assert_eq!(bench.metric("all", "2026-07-04")["loyal_buyers"], 1);
    assert_eq!(bench.metric("all", "2026-07-05")["loyal_buyers"], 0);
}

#[test]
fn what_is_decided_at_a_close_counts_events_up_to_that_day() {
    let mut bench = Bench::new(EngineSettings::default());
    for (user, units) in [("a", 100), ("b", 50), ("c", 25), ("d", 15), ("e", 10)] {
        bench.take(&order(user, "o1", "2026-01-01", units));
    }
    // Still before the close of the first day.
    bench.take(&order("b", "o2", "2026-01-02T00:30:00Z", 1000));
    bench.active("a", "2026-01-03T02:00:00Z");
    let share = |record: serde_json::Value| record["top20_revenue_share"].as_f64().expect("decided");
    assert!((share(bench.metric("all", "2026-01-01")) - 0.5).abs() < 0.005);
    assert!((share(bench.metric("all", "2026-01-02")) - 1050.0 / 1200.0).abs() < 0.005);
    assert!(bench.metric("all", "2026-01-03")["top20_revenue_share"].is_null());
}

#[test]
fn records_begin_with_the_first_active_day() {
    let excluded_types = vec!["order_placed".to_owned()];
    let mut bench = Bench::new(EngineSettings { excluded_types, ..EngineSettings::default() });
    bench.take(&order("a", "o", "2026-01-02", 10));
    bench.active("a", "2026-01-04");
    bench.active("b", "2026-01-06");
    bench.metric("all", "2026-01-06");
    let published: Vec<String> = bench.aggregator.take_changed().iter().map(|metric| metric.day.to_string()).collect();
    assert_eq!(published, ["2026-01-04", "2026-01-05", "2026-01-06"]);
}

#[test]
fn revenue_to_date_falls_on_the_day_of_a_return() {
    let mut bench = Bench::new(EngineSettings::default());
    for (user, units) in [("a", 100), ("b", 50), ("c", 25), ("d", 15), ("e", 10)] {
        bench.take(&order(user, "o", "2026-01-01", units));
    }
    let amount = Some(Money::from_millionths(60_000_000));
    let returned = Facts::Return(ReturnFacts { order_id: "o".into(), amount });
    bench.take(&Event { facts: returned, ..event("a", EventType::OrderReturned, "2026-01-02") });
    bench.active("z", "2026-01-04");
    // The best of five buyers has 100 of 200, and then, being another one, 50 of 140.
    for (on, share) in [("2026-01-01", 0.5), ("2026-01-02", 50.0 / 140.0)] {
        let found = bench.metric("all", on)["top20_revenue_share"].as_f64().expect("decided");
        assert!((found - share).abs() < 0.005, "{found} on {on}");
    }
}

#[test]
fn a_deletion_removes_the_user_and_blocks_stragglers() {
    for (past, dau_after) in [(DeletionPast::Keep, 2), (DeletionPast::Decrement, 1)] {
        let mut bench = Bench::new(EngineSettings { deletion_past: past, ..EngineSettings::default() });
        bench.active("a", "2026-01-01");
        bench.active("b", "2026-01-01");
        let opened = Event { facts: Facts::Complaint("c".into()), ..event("a", EventType::ComplaintOpened, "2026-01-02") };
        bench.take(&opened);
        bench.take(&event("a", EventType::UserDeleted, "2026-01-03"));
        assert!(bench.engine.profile("a").is_none());
        assert_eq!(bench.metric("all", "2026-01-01")["dau"], dau_after, "{past:?}");
        assert_eq!(bench.metric("all", "2026-01-03")["complaints_open"], 0, "{past:?}");
        assert_eq!(bench.take(&event("a", EventType::Activity, "2026-01-03")), Admission::Deleted);
        bench.active("a", "2026-01-03T12:00:00.001Z");
        assert_eq!(bench.engine.profile("a").expect("new").first_active_day, Some(day("2026-01-03")));
        // Once the deletion is too late to precede anything, its digest is forgotten.
        bench.active("b", "2026-02-08");
        assert_eq!(bench.take(&event("a", EventType::Activity, "2026-01-04")), Admission::Accepted);
    }
}

#[test]
fn a_deletion_leaves_no_id_in_the_state() {
    let mut bench = Bench::new(EngineSettings::default());
    bench.active("secret-one", "2026-01-01");
    bench.active("secret-two", "2026-01-01");
    bench.take(&Event { facts: Facts::MergedInto("secret-two".into()), ..event("secret-one", EventType::UserMerged, "2026-01-02") });
    assert!(contains(&postcard_bytes(&bench), b"secret"));
    bench.take(&event("secret-one", EventType::UserDeleted, "2026-01-03"));
    assert!(!contains(&postcard_bytes(&bench), b"secret"), "neither the id nor the one it was merged into");
    for id in ["secret-one", "secret-two"] {
        assert_eq!(bench.take(&event(id, EventType::Activity, "2026-01-02")), Admission::Deleted);
    }
}

fn postcard_bytes(bench: &Bench) -> Vec<u8> {
    postcard::to_stdvec(bench.engine.state()).expect("encodes")
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn values_beyond_the_limit_are_other_and_the_records_say_so() {
    let breakdowns = vec![Breakdown { property: "plan".into(), values: None }];
    let mut bench = Bench::new(EngineSettings { breakdowns, max_values: 2, ..EngineSettings::default() });
    for (user, value) in [("a", "x"), ("b", "y"), ("c", "z"), ("d", "w"), ("e", "x")] {
        let with = Event { breakdowns: vec![(0, value.to_owned().into())], ..event(user, EventType::Activity, "2026-01-01") };
        assert_eq!(bench.take(&with), Admission::Accepted);
    }
    for (segment, dau) in [("plan=x", 2), ("plan=y", 1), ("plan=other", 2)] {
        let record = bench.metric(segment, "2026-01-01");
        assert_eq!((&record["dau"], &record["values_limited"]), (&dau.into(), &true.into()), "{segment}");
    }
    assert!(bench.metric("plan=z", "2026-01-01").is_null());
}

#[test]
fn a_merge_across_partitions_needs_transfers() {
    let settings = EngineSettings::default();
    let calendar = Arc::new(Calendar::new("UTC").expect("a zone"));
    let placement = Placement { partition: 0, partitions: 64, transfers: false };
    let mut engine = PartitionEngine::new(settings, placement, calendar, [0; 16]);
    let merge = Event { facts: Facts::MergedInto("somebody-else".into()), ..event("a", EventType::UserMerged, "2026-01-02") };
    let refused = engine.handle(&merge, None);
    assert!(
        matches!(&refused, Admission::Rejected(why) if why.reason == Reason::InvalidValue && why.detail.contains("kafka.repartition")),
        "{refused:?}"
    );
}

#[test]
fn a_repeat_changes_nothing_even_with_other_content() {
    let mut bench = Bench::new(EngineSettings::default());
    let with_id = |event: Event<'static>| Event { event_id: "e1".into(), ..event };
    bench.take(&with_id(order("a", "x", "2026-01-01", 9)));
    assert_eq!(bench.take(&with_id(order("a", "y", "2026-01-01", 1))), Admission::Duplicate);
    let referral = with_id(event("a", EventType::ReferralConverted, "2026-01-01"));
    assert_eq!(
        [bench.take(&referral), bench.take(&referral)],
        [Admission::Accepted, Admission::Duplicate],
        "another type is another event"
    );
    assert_eq!(bench.metric("all", "2026-01-01")["revenue"], 9.0);
    // A repeat of plain activity, whose id is not remembered, is no occasion to look at the user.
    let plain = with_id(event("b", EventType::Activity, "2026-01-02"));
    bench.take(&event("b", EventType::Activity, "2026-01-01"));
    bench.take(&plain);
    bench.active("c", "2026-01-31T00:30:00Z");
    bench.said();
    bench.take(&plain);
    assert_eq!(bench.said(), Vec::<String>::new());
}

#[test]
fn ids_of_one_user_count_shared_events_once_however_long_after() {
    let mut bench = Bench::new(EngineSettings::default());
    for user in ["a", "b"] {
        bench.take(&Event { event_id: "r1".into(), ..event(user, EventType::ReferralConverted, "2026-01-01") });
        bench.take(&order(user, "o2", "2026-01-01", 5));
    }
    bench.take(&Event { facts: Facts::MergedInto("b".into()), ..event("a", EventType::UserMerged, "2026-01-11") });
    for at in ["2026-01-12", "2026-06-01", "2026-08-01"] {
        bench.active("b", at);
        let profile = bench.engine.profile("a").expect("known under either id");
        assert_eq!((profile.user_id.as_str(), profile.referrals, profile.purchases.orders), ("b", 1, 1), "{at}");
    }
    assert_eq!(bench.engine.profile("b").expect("known").active_days, 4);
}

#[test]
fn what_came_after_a_deletion_that_arrives_late_is_a_new_users() {
    for (past, dau_before) in [(DeletionPast::Keep, 1), (DeletionPast::Decrement, 0)] {
        let mut bench = Bench::new(EngineSettings { deletion_past: past, ..EngineSettings::default() });
        bench.active("a", "2026-01-01");
        bench.take(&order("a", "o", "2026-01-03", 7));
        bench.take(&event("a", EventType::UserDeleted, "2026-01-02"));
        let profile = bench.engine.profile("a").expect("a new user");
        assert_eq!((profile.active_days, profile.first_active_day, profile.purchases.orders), (1, Some(day("2026-01-03")), 1));
        assert_eq!(bench.metric("all", "2026-01-01")["dau"], dau_before, "{past:?}");
        let third = bench.metric("all", "2026-01-03");
        assert_eq!((&third["dau"], &third["new_1d"], &third["revenue"]), (&1.into(), &1.into(), &7.0.into()), "{past:?}");
    }
}

#[test]
fn a_close_never_takes_a_user_back() {
    let mut bench = Bench::new(EngineSettings::default());
    bench.active("a", "2026-01-01");
    bench.active("a", "2026-02-01T00:00:00.001Z");
    bench.active("b", "2026-02-04");
    let said: Vec<String> = bench.said().into_iter().filter(|said| said.starts_with('a')).collect();
    assert_eq!(said, ["a lifecycle null>new 2026-01-01 event", "a lifecycle new>retained 2026-02-01 event"]);
}

#[test]
fn revenue_moves_with_the_copy_of_an_order_that_stands() {
    let mut bench = Bench::new(EngineSettings::default());
    bench.take(&order("a", "x", "2026-01-02", 10));
    bench.take(&order("b", "x", "2026-01-02", 10));
    bench.take(&order("c", "o", "2026-01-03T00:00:00.001Z", 1000));
    bench.take(&order("c", "o", "2026-01-01", 1000));
    bench.active("z", "2026-01-06");
    let share = bench.metric("all", "2026-01-02")["top20_revenue_share"].as_f64().expect("decided");
    assert!((share - 1000.0 / 1020.0).abs() < 0.005, "{share}");
}

#[test]
fn a_value_too_long_for_a_key_is_other() {
    let breakdowns = vec![Breakdown { property: "plan".into(), values: None }];
    let mut bench = Bench::new(EngineSettings { breakdowns, ..EngineSettings::default() });
    for length in [256, 257, 700_000] {
        let with =
            Event { breakdowns: vec![(0, "x".repeat(length).into())], ..event(&format!("u{length}"), EventType::Activity, "2026-01-01") };
        assert_eq!(bench.take(&with), Admission::Accepted);
    }
    assert_eq!(bench.metric(&format!("plan={}", "x".repeat(256)), "2026-01-01")["dau"], 1);
    assert_eq!(bench.metric("plan=other", "2026-01-01")["dau"], 2);
}

#[test]
fn what_another_partition_passes_on_moves_no_time() {
    let mut bench = Bench::new(EngineSettings::default());
    bench.active("a", "2026-01-01");
    assert_eq!(bench.engine.handle_passed_on(&event("b", EventType::Activity, "2026-05-01")), Admission::Accepted);
    assert_eq!(bench.engine.newest_day(), Some(day("2026-01-01")));
    bench.active("a", "2026-01-02");
    bench.active("a", "2026-05-02T12:00:00Z");
    assert_eq!(bench.metric("all", "2026-05-01")["dau"], 1);
    assert_eq!(bench.metric("all", "2026-05-01")["new_1d"], 1);
}
