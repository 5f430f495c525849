//! What is told of a level of churn risk comes true: in silence, with an event tomorrow, once complaints are resolved.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use stickiness::engine::effect::Effect;
use stickiness::engine::explanation::{Explanation, Forecast};
use stickiness::engine::partition::PartitionEngine;
use stickiness::engine::settings::EngineSettings;
use stickiness::model::churn::ProcessKind;
use stickiness::model::churn::level::RiskLevel;
use stickiness::model::event::{Event, EventType, Facts, OrderFacts};
use stickiness::model::time::{Calendar, Day, EventTime};
use stickiness::wire::explanation::explain;

use crate::cluster::Cluster;
use crate::generated::{Sketch, arrivals, settings, sketches};
use crate::scenarios::{Bench, event, order};

/// Longer than any process of the generated settings lets a user be silent, with patience.
const SILENCE: i32 = 100;

struct Told {
    calendar: Arc<Calendar>,
    engine: PartitionEngine,
    as_of: Day,
}

impl Told {
    /// All events, and everything said that is to be said as of the newest day.
    fn new(settings: &EngineSettings, sketches: &[Sketch]) -> Self {
        let calendar = Arc::new(Calendar::new(&settings.time_zone).expect("a zone"));
        let mut cluster = Cluster::new(settings, 1);
        for event in arrivals(sketches) {
            cluster.handle(&event);
        }
        let mut engine = cluster.engines.remove(0);
        let as_of = engine.newest_day().max(engine.closed_through()).expect("some");
        engine.close_through(as_of);
        engine.drain_effects();
        Self { calendar, engine, as_of }
    }

    /// The same partition, to go on with.
    fn copy(&self) -> PartitionEngine {
        PartitionEngine::from_state(self.engine.state().clone(), Arc::clone(&self.calendar))
    }

    fn explained(&self) -> Vec<(String, Explanation)> {
        let users = self.engine.profiles_on(self.as_of).map(|profile| profile.user_id);
        users.flat_map(|user| self.engine.explain(&user).into_iter().map(move |one| (user.clone(), one))).collect()
    }

    fn event(&self, user: &str, kind: EventType, time: EventTime) -> Event<'static> {
        let order = || Facts::Order(OrderFacts { order_id: "fresh".into(), ..OrderFacts::default() });
        let facts = if kind == EventType::OrderPlaced { order() } else { Facts::None };
        assert!(self.calendar.day_of(time) >= self.as_of);
        Event { user_id: user.to_owned().into(), event_id: "fresh".into(), kind, time, facts, breakdowns: vec![] }
    }
}

type Change = (Option<RiskLevel>, Day, Option<f64>);

/// What is published of each user and process while nothing more comes.
fn silence(told: &Told) -> BTreeMap<(String, ProcessKind), Vec<Change>> {
    let mut engine = told.copy();
    engine.close_through(told.as_of + SILENCE);
    let mut changes: BTreeMap<_, Vec<Change>> = BTreeMap::new();
    for effect in engine.drain_effects() {
        let Effect::RiskChanged(change) = effect else { continue };
        changes.entry((change.user_id.clone(), change.process)).or_default().push((change.to, change.as_of, change.risk));
    }
    changes
}

/// The explanation of one process of a user in an engine that went on.
fn now(engine: &PartitionEngine, user: &str, kind: ProcessKind) -> (Forecast, f64) {
    let explanation = engine.explain(user).into_iter().find(|one| one.process == kind).expect("it has a level");
    let profile = engine.profile_on(user, explanation.as_of).expect("known").outlook;
    let risk = if kind == ProcessKind::Activity { profile.risk_activity } else { profile.risk_purchase };
    (explanation.now, risk.expect("it has a level"))
}

fn comes_true(settings: &EngineSettings, sketches: &[Sketch]) -> Result<(), TestCaseError> {
    let told = Told::new(settings, sketches);
    let mut silence = silence(&told);
    for (user, explanation) in told.explained() {
        let kind = explanation.process;
        let expected: Vec<Change> = explanation.if_silent.iter().map(|one| (Some(one.level), one.day, Some(one.risk))).collect();
        let published = silence.remove(&(user.clone(), kind)).unwrap_or_default();
        prop_assert_eq!(published, expected, "{} {:?}", &user, kind);
        let kind_of_event = if kind == ProcessKind::Activity { EventType::Activity } else { EventType::OrderPlaced };
        let tomorrow = EventTime::from_nanos(told.calendar.start_of(told.as_of + 1).nanos() + 3_600_000_000_000);
        let mut engine = told.copy();
        engine.handle(&told.event(&user, kind_of_event, tomorrow), None);
        prop_assert_eq!(now(&engine, &user, kind), (explanation.if_seen, explanation.if_seen.risk), "{} {:?}", &user, kind);
        let mut engine = told.copy();
        resolve_all(&told, &mut engine, &user);
        let level = explanation.if_resolved.unwrap_or(explanation.now.level);
        prop_assert_eq!(now(&engine, &user, kind).0.level, level, "{} {:?}", user, kind);
    }
    prop_assert!(silence.is_empty(), "{silence:?}");
    Ok(())
}

fn resolve_all(told: &Told, engine: &mut PartitionEngine, user: &str) {
    let last = told.calendar.end_of(told.as_of).nanos() - 1_000_000;
    // Without ids a resolution closes one complaint: as many as there may be.
    let ids = ["c0", "c1", "c2", "c3"].into_iter().chain(std::iter::repeat_n("", 60));
    for (number, id) in (0..).zip(ids) {
        let resolved = told.event(user, EventType::ComplaintResolved, EventTime::from_nanos(last + number * 1000));
        engine.handle(&Event { facts: Facts::Complaint(id.into()), event_id: number.to_string().into(), ..resolved }, None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 64 } else { 256 }))]

    #[test]
    fn what_is_told_of_a_level_comes_true(settings in settings(), sketches in sketches(70, 60, true)) {
        comes_true(&settings, &sketches)?;
    }
}

#[test]
fn a_level_is_explained_in_words_and_numbers() {
    let mut bench = Bench::new(EngineSettings::default());
    for number in 1..=31 {
        bench.active("a", &format!("2026-01-{number:02}"));
    }
    bench.take(&order("a", "o1", "2026-01-31", 10));
    bench.take(&Event { facts: Facts::Complaint("c".into()), ..event("a", EventType::ComplaintOpened, "2026-01-31T15:00:00Z") });
    let told = explain(&bench.engine.explain("a"));
    let activity = &told["activity"];
    assert_eq!((&activity["level"], &activity["as_of"], &activity["days_seen"]), (&json!("low"), &json!("2026-01-31"), &json!(31)));
    assert_eq!(activity["next"], activity["if_silent"][0]);
    let curve: Vec<f64> = activity["curve"].as_array().expect("a list").iter().filter_map(Value::as_f64).collect();
    assert_eq!((curve.len(), Some(curve[0])), (91, activity["risk"].as_f64()), "today and 90 days more");
    assert!(curve.windows(2).all(|pair| pair[0] <= pair[1]), "silence makes it no better: {curve:?}");
    for forecast in activity["if_silent"].as_array().expect("a list") {
        let ahead = usize::try_from(forecast["in_days"].as_u64().expect("days")).expect("few");
        assert_eq!(curve.get(ahead).copied(), forecast["risk"].as_f64().filter(|_| ahead <= 90), "{forecast}");
    }
    let words = |side: &str| activity[side].as_array().expect("a list").iter().map(ToString::to_string).collect::<Vec<_>>();
    let next = activity["next"]["in_days"].as_i64().expect("days");
    assert!(words("raises")[0].contains(&format!("{next} more silent days reach")) || activity["next"]["by_complaint"] == true);
    assert!(words("raises").last().is_some_and(|last| last.contains("31 more silent days reach churned")), "{activity}");
    let level = |forecast: &Value| forecast["level"].as_str().map(str::to_owned);
    assert_eq!(level(&activity["if_seen_tomorrow"]), Some("low".to_owned()));
    assert!(words("lowers").iter().chain(&words("raises")).any(|word| word.contains("activity tomorrow gives 0.")), "{activity}");
    assert_eq!(told["purchase"]["reasons"], json!(["seen on one day only"]));
    assert!(told["purchase"]["lowers"][0].as_str().is_some_and(|word| word.starts_with("an order tomorrow gives 0.")), "{told}");
    bench.active("b", "2026-02-10");
    let told = explain(&bench.engine.explain("a"));
    assert_eq!((&told["activity"]["level"], &told["activity"]["if_resolved"]), (&json!("medium"), &json!({"level": "low"})), "{told}");
    assert!(told["activity"]["lowers"].to_string().contains("once no complaint is open it is low"), "{told}");
    assert_eq!(explain(&bench.engine.explain("nobody")), json!({"activity": null, "purchase": null}));
}

#[test]
fn the_latest_days_and_orders_of_a_user() {
    let mut bench = Bench::new(EngineSettings::default());
    bench.active("a", "2026-01-01");
    bench.active("a", "2026-01-03");
    bench.take(&order("a", "o1", "2026-01-05", 10));
    bench.take(&order("a", "o2", "2026-01-05", 20));
    let told = |bench: &Bench| bench.engine.recent("a").map(|recent| stickiness::wire::recent::recent(&recent)).expect("known");
    let recent = told(&bench);
    assert_eq!((&recent["from"], &recent["active_days"]), (&json!("2026-01-01"), &json!(["2026-01-01", "2026-01-03", "2026-01-05"])));
    let orders = |recent: &Value| -> Vec<(Value, Value)> {
        let listed = recent["orders"].as_array().expect("a list").iter();
        listed.map(|order| (order["order_id"].clone(), order["amount"].clone())).collect()
    };
    assert_eq!(orders(&recent), [(json!("o1"), json!(10.0)), (json!("o2"), json!(20.0))]);
    bench.active("a", "2026-08-01");
    let later = told(&bench);
    assert_eq!(later["from"], json!("2026-01-22"), "192 days are remembered");
    assert_eq!(later["active_days"], json!(["2026-08-01"]));
    bench.take(&order("a", "o3", "2026-08-02", 30));
    let later = told(&bench);
    assert_eq!(orders(&later), [(json!("o3"), json!(30.0))], "orders that cannot be returned any more are kept as totals alone");
    assert_eq!(bench.engine.recent("nobody"), None);
}
