//! Models that take over at the close of a day: levels and counts are those of the models by day, whatever was worked out beforehand, and a
//! recovery that repeats the switches ends where the first run did.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use stickiness::engine::models::Switch;
use stickiness::engine::partial::Partial;
use stickiness::engine::partition::PartitionEngine;
use stickiness::engine::settings::EngineSettings;
use stickiness::model::churn::refit::{FittedModel, HOLDOUT_DAYS, Holdout};
use stickiness::model::churn::{ChurnParameters, History, ProcessKind};
use stickiness::model::event::{Event, EventType};
use stickiness::model::time::{Calendar, Day};
use stickiness::wire::snapshot::{Head, VERSION, encode};

use crate::cluster::Cluster;
use crate::generated::{arrivals, settings, sketches};
use crate::naive::Naive;
use crate::properties::levels_agree;
use crate::scenarios::{Bench, day, event, order};

/// A model that comes before an event: its number, the process, the parameters, and how many closes ahead it is to take over.
pub(crate) type Offer = (usize, ProcessKind, [f64; 4], i32);

pub(crate) fn offers() -> impl Strategy<Value = Vec<Offer>> {
    let process = prop::sample::select(vec![ProcessKind::Activity, ProcessKind::Purchase]);
    let parameters = [0.1..3.0, 0.5..60.0, 0.05..3.0, 0.1..4.0];
    prop::collection::vec((0..70_usize, process, parameters, -1..4_i32), 0..5)
}

/// The settings as the switches make them by the close of `day`.
pub(crate) fn settings_on(settings: &EngineSettings, switches: &[Switch], day: Day) -> EngineSettings {
    let mut settings = settings.clone();
    for switch in switches.iter().filter(|switch| switch.at_close_of <= day) {
        let churn = &mut settings.churn;
        let process = if switch.model.process == ProcessKind::Activity { &mut churn.activity } else { &mut churn.purchase };
        process.process.parameters = switch.model.parameters;
    }
    settings
}

/// Offers the models that come before event `index`.
pub(crate) fn offer(engine: &mut PartitionEngine, offers: &[Offer], index: usize) -> Vec<Switch> {
    let due = offers.iter().filter(|offer| offer.0 == index);
    let scheduled = due.filter_map(|(_, process, [r, alpha, a, b], ahead)| {
        let settings = &engine.settings().churn.of(*process).process;
        let parameters = ChurnParameters { r: *r, alpha: *alpha, a: *a, b: *b };
        let model = FittedModel { process: *process, model: settings.model, unit: settings.unit, parameters };
        let not_before = engine.closed_through()? + *ahead;
        engine.schedule_model(&model, not_before)
    });
    scheduled.collect()
}

pub(crate) fn last_day(settings: &EngineSettings, events: &[Event<'_>]) -> Day {
    let calendar = Calendar::new(&settings.time_zone).expect("a zone");
    events.iter().map(|event| calendar.day_of(event.time)).max().expect("one") + 40
}

/// Each close decides what the models of its day say, and the levels that were published last are those of the last models.
fn decides(settings: &EngineSettings, events: &[Event<'static>], offers: &[Offer], ahead: u32) -> Result<(), TestCaseError> {
    let mut cluster = Cluster::new(settings, 1);
    let (mut before, mut expected, mut switches) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (index, event) in events.iter().enumerate() {
        switches.extend(offer(&mut cluster.engines[0], offers, index));
        cluster.engines[0].work_ahead(ahead);
        let closed = cluster.engines[0].closed_through();
        cluster.handle(event);
        let (Some(mut day), Some(through)) = (closed, cluster.engines[0].closed_through()) else { continue };
        while day < through {
            day = day + 1;
            let by_then = settings_on(settings, &switches, day);
            let naive = Naive::new(&by_then, &events[..index]);
            let counts = naive.decided(day, &mut before);
            if !naive.blurred(day) && !naive.blurred(day - 1) {
                expected.push((day, counts));
            }
        }
    }
    let last = last_day(settings, events);
    cluster.close_through(last);
    for (day, expected) in expected {
        let Some(decided) = cluster.decided_risk(day) else { continue };
        prop_assert_eq!(decided, expected, "{} with {:?}", day, &switches);
    }
    let by_then = settings_on(settings, &switches, last);
    judgements_agree(&cluster, &Naive::new(&by_then, events), last)
}

fn judgements_agree(cluster: &Cluster, naive: &Naive<'_>, day: Day) -> Result<(), TestCaseError> {
    levels_agree(cluster, naive, day)?;
    let (ours, theirs) = (cluster.profiles(day), naive.profiles(day));
    for (id, profile) in theirs {
        for field in ["risk_activity", "risk_purchase", "p_alive_activity", "risk_level", "clv_365d"] {
            prop_assert_eq!(&ours[&id][field], &profile[field], "{} of {}", field, id);
        }
    }
    Ok(())
}

fn bytes(engine: &PartitionEngine) -> Vec<u8> {
    let head = Head { version: VERSION, lineage: "a".into(), topic: "t".into(), partition: 0, partitions: 1, offset: 0, users: 0 };
    encode(&head, engine.state()).expect("encoded")
}

/// A run that is restored and works ahead now and then, against a recovery from the state before event `from` that is told all later switches at once.
fn recovers(
    settings: &EngineSettings,
    events: &[Event<'static>],
    offers: &[Offer],
    (from, ahead): (usize, u32),
) -> Result<(), TestCaseError> {
    let from = from.min(events.len() - 1);
    let mut cluster = Cluster::new(settings, 1);
    let (mut snapshot, mut later, mut said) = (None, Vec::new(), 0);
    for (index, event) in events.iter().enumerate() {
        if index == from {
            snapshot = Some(cluster.engines[0].state().clone());
            later.clear();
            said = cluster.risks[0].len();
        }
        later.extend(offer(&mut cluster.engines[0], offers, index));
        if index % 3 != 0 {
            cluster.engines[0].work_ahead(ahead);
        }
        if index % 7 == 3 {
            cluster.publish();
            cluster.restore(0);
        }
        cluster.handle(event);
    }
    let last = last_day(settings, events);
    cluster.publish();
    cluster.close_through(last);
    let mut again = Cluster::new(settings, 1);
    let calendar = Arc::new(Calendar::new(&settings.time_zone).expect("a zone"));
    again.engines[0] = PartitionEngine::from_state(snapshot.expect("an event"), calendar);
    for switch in later {
        again.engines[0].repeat_switch(switch);
    }
    for event in &events[from..] {
        again.handle(event);
    }
    again.publish();
    again.close_through(last);
    prop_assert_eq!(&cluster.risks[0][said..], &again.risks[0][..]);
    cluster.publish();
    again.publish();
    prop_assert!(bytes(&cluster.engines[0]) == bytes(&again.engines[0]), "the states differ");
    Ok(())
}

/// How many cases are tried: `PROPTEST_CASES`, or a number that suits every run of the tests.
pub(crate) fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(96)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn levels_after_switches_are_those_of_the_models_by_day(
        settings in settings(), sketches in sketches(45, 70, false), offers in offers(), ahead in 0..5_u32, grace_hours in 0..60_i64
    ) {
        let settings = EngineSettings { grace_ms: grace_hours * 3_600_000, ..settings };
        decides(&settings, &arrivals(&sketches), &offers, ahead)?;
    }

    #[test]
    fn a_recovery_that_repeats_the_switches_ends_equal(
        settings in settings(), sketches in sketches(45, 70, true), offers in offers(), from in 0..70_usize, ahead in 0..5_u32
    ) {
        recovers(&settings, &arrivals(&sketches), &offers, (from, ahead))?;
    }
}

const FITTED: ChurnParameters = ChurnParameters { r: 2.0, alpha: 1.0, a: 1.0, b: 1.0 };

fn fitted(bench: &Bench, process: ProcessKind) -> FittedModel {
    let settings = &bench.engine.settings().churn.of(process).process;
    FittedModel { process, model: settings.model, unit: settings.unit, parameters: FITTED }
}

#[test]
fn a_switch_is_told_with_its_cause_and_the_new_model() {
    let mut bench = Bench::new(EngineSettings::default());
    for number in 1..=20 {
        bench.active("a", &format!("2026-01-{number:02}"));
    }
    bench.active("b", "2026-01-25");
    let model = fitted(&bench, ProcessKind::Activity);
    let switch = bench.engine.schedule_model(&model, day("2026-01-01")).expect("news");
    assert_eq!(switch.at_close_of, day("2026-01-25"), "the first open day");
    assert_eq!(bench.engine.schedule_model(&model, day("2026-01-30")), None, "it is to have it already");
    bench.risks();
    bench.active("b", "2026-01-26T02:00:00Z");
    let said = bench.risks();
    let of_a = said.iter().find(|record| record["user_id"] == "a").expect("a level");
    assert_eq!((&of_a["cause"], &of_a["as_of"]), (&"model".into(), &"2026-01-25".into()), "{of_a}");
    assert_eq!(of_a["model_id"], model.model_id());
    assert_eq!(bench.engine.churn().activity.process.parameters, FITTED);
    assert_eq!(bench.engine.schedule_model(&model, day("2026-01-30")), None, "it has it");
}

#[test]
fn a_model_does_not_give_way_to_one_that_came_before_it() {
    let mut bench = Bench::new(EngineSettings::default());
    bench.active("a", "2026-01-01");
    let first = fitted(&bench, ProcessKind::Activity);
    let second = FittedModel { parameters: ChurnParameters { r: 3.0, ..FITTED }, ..first };
    let days = [(first, "2026-01-04"), (second, "2026-01-02")];
    let scheduled = days.map(|(model, not_before)| bench.engine.schedule_model(&model, day(not_before)).expect("news").at_close_of);
    assert_eq!(scheduled, [day("2026-01-04"); 2]);
    bench.active("a", "2026-01-06");
    assert_eq!(bench.engine.churn().activity.process.parameters, second.parameters);
}

#[test]
fn parameters_that_are_set_are_never_replaced() {
    let mut settings = EngineSettings::default();
    settings.churn.activity.parameters_set = true;
    let mut bench = Bench::new(settings.clone());
    bench.active("a", "2026-01-01");
    let [activity, purchase] = [ProcessKind::Activity, ProcessKind::Purchase].map(|process| fitted(&bench, process));
    assert_eq!(bench.engine.schedule_model(&activity, day("2026-01-02")), None);
    assert!(bench.engine.schedule_model(&purchase, day("2026-01-02")).is_some());
    bench.active("a", "2026-01-05");
    assert_eq!(bench.engine.churn().purchase.process.parameters, FITTED);
    // Without refits the settings count again; with them, what was found does.
    settings.churn.refit = false;
    bench.engine.adopt(&settings).expect("the same history");
    assert_eq!(**bench.engine.churn(), settings.churn);
    assert_eq!(bench.engine.schedule_model(&purchase, day("2026-01-08")), None);
    settings.churn.refit = true;
    bench.engine.adopt(&settings).expect("the same history");
    assert_eq!(bench.engine.churn().purchase.process.parameters, FITTED);
}

#[test]
fn histories_are_told_once_for_each_closed_day() {
    let mut bench = Bench::new(EngineSettings::default());
    // Users who are deleted leave their places empty, which must hide nobody behind them.
    for user in ["gone", "gone too"] {
        bench.active(user, "2026-01-01");
    }
    for (user, days) in [("a", vec![1, 2, 9, 15]), ("b", vec![3]), ("c", vec![14])] {
        for number in days {
            bench.active(user, &format!("2026-01-{number:02}"));
        }
    }
    bench.take(&order("a", "o", "2026-01-15", 3));
    for user in ["gone", "gone too"] {
        bench.take(&event(user, EventType::UserDeleted, "2026-01-15"));
    }
    bench.engine.close_through(day("2026-01-15"));
    bench.engine.take_partials();
    for _ in 0..10 {
        bench.engine.work_ahead(1);
    }
    let told = histories(&mut bench.engine);
    // As of the 8th: c is not known yet; a came on the 9th.
    let mut expected = Holdout::default();
    expected.add(&History { repeats: 1, recency_days: 1, silent_days: 6 }, true);
    expected.add(&History { repeats: 0, recency_days: 0, silent_days: 5 }, false);
    assert_eq!(i32::from(HOLDOUT_DAYS), 7);
    let at = day("2026-01-15");
    assert_eq!(told, [(ProcessKind::Activity, at, expected), (ProcessKind::Purchase, at, Holdout::default())]);
    bench.engine.work_ahead(100);
    assert!(histories(&mut bench.engine).is_empty());
    let mut settings = EngineSettings::default();
    settings.churn.refit = false;
    bench.engine.adopt(&settings).expect("the same history");
    bench.take(&event("b", EventType::Activity, "2026-01-20"));
    bench.engine.work_ahead(100);
    assert!(histories(&mut bench.engine).is_empty());
}

fn histories(engine: &mut PartitionEngine) -> Vec<(ProcessKind, Day, Holdout)> {
    let told = engine.take_partials().into_iter();
    told.filter_map(|partial| match partial {
        Partial::Histories { process, day, holdout } => Some((process, day, holdout)),
        Partial::Figures { .. }
        | Partial::Close { .. }
        | Partial::Progress { .. }
        | Partial::Alerts { .. }
        | Partial::Continues(_)
        | Partial::Calibration { .. } => None,
    })
    .collect()
}

#[test]
fn a_new_model_alone_raises_no_alert() {
    let mut bench = Bench::new(EngineSettings::default());
    for number in 1..=20 {
        bench.active("a", &format!("2026-01-{number:02}"));
    }
    bench.active("b", "2026-01-25");
    let model = fitted(&bench, ProcessKind::Activity);
    bench.engine.schedule_model(&model, day("2026-01-01")).expect("news");
    bench.engine.take_partials();
    bench.active("b", "2026-01-26T02:00:00Z");
    let (mut became, mut entered) = (None, None);
    for partial in bench.engine.take_partials() {
        match partial {
            Partial::Close { day: closed, risk, .. } if closed == day("2026-01-25") => became = Some(risk.became_high),
            Partial::Alerts { day: closed, segments, .. } if closed == day("2026-01-25") => entered = Some(segments["all"].entered_high),
            _ => {}
        }
    }
    assert_eq!((became, entered), (Some(1), Some(0)), "the metrics say how it is, and alerts look at what happened");
}
