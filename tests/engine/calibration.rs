//! Predictions whose horizon is over: what is told of them is what a recompute from the events gives, by the models of then.

use proptest::prelude::*;
use stickiness::engine::models::Switch;
use stickiness::engine::predictions::Scored;
use stickiness::engine::settings::EngineSettings;
use stickiness::model::churn::ProcessKind;
use stickiness::model::churn::calibration::Calibration;
use stickiness::model::event::{Event, EventType};
use stickiness::model::time::Day;

use crate::cluster::Cluster;
use crate::generated::{arrivals, settings, sketches};
use crate::naive::Naive;
use crate::refit::{Offer, cases, last_day, offer, offers, settings_on};
use crate::scenarios::{Bench, day, event};

/// Users who had a level and were not churned when the day closed whose horizon is over with `day`, as it is known from `events`; `None` where
/// the time of an activity decides that is not kept.
fn recomputed(
    settings: &EngineSettings,
    kind: ProcessKind,
    events: &[Event<'static>],
    switches: &[Switch],
    day: Day,
) -> Option<Calibration> {
    let horizon = i32::from(settings.churn.of(kind).process.horizon_days);
    let then = day - horizon;
    let by_then = settings_on(settings, switches, then);
    let naive = Naive::new(&by_then, events);
    let mut scores = Calibration::default();
    for user in naive.users(None).values() {
        let Some((level, history)) = naive.judged(kind, user, then) else { continue };
        let (_, now) = naive.judged(kind, user, day).expect("a day of the process");
        if level != "churned" {
            scores.add(by_then.churn.of(kind).process.risk(&history), now.silent_days < horizon);
        }
    }
    (!naive.blurred(then)).then_some(scores)
}

fn with_horizons(mut settings: EngineSettings, (activity, purchase): (u16, u16)) -> EngineSettings {
    settings.churn.activity.process.horizon_days = activity;
    settings.churn.purchase.process.horizon_days = purchase;
    settings
}

/// After each event, and at each close without events, the newest closed day is scored.
fn scores_agree(settings: &EngineSettings, events: &[Event<'static>], offers: &[Offer]) -> Result<(), TestCaseError> {
    let mut cluster = Cluster::new(settings, 1);
    let (mut begun, mut switches) = (None, Vec::new());
    for (index, event) in events.iter().enumerate() {
        switches.extend(offer(&mut cluster.engines[0], offers, index));
        let before = cluster.engines[0].closed_through();
        cluster.handle(event);
        begun = begun.or(cluster.engines[0].closed_through());
        if index % 7 == 3 {
            cluster.publish();
            cluster.restore(0);
        }
        agree(&mut cluster, settings, (&events[..=index], &switches), (begun, before))?;
    }
    let last = last_day(settings, events);
    while let Some(closed) = cluster.engines[0].closed_through().filter(|closed| *closed < last) {
        cluster.close_through(closed + 1);
        agree(&mut cluster, settings, (events, &switches), (begun, Some(closed)))?;
    }
    Ok(())
}

fn agree(
    cluster: &mut Cluster,
    settings: &EngineSettings,
    (events, switches): (&[Event<'static>], &[Switch]),
    (begun, before): (Option<Day>, Option<Day>),
) -> Result<(), TestCaseError> {
    cluster.predictions.begin_again();
    cluster.engines[0].work_ahead(100);
    cluster.publish();
    let closed = cluster.engines[0].closed_through();
    for (kind, name) in ProcessKind::NAMES {
        let Some(told) = cluster.predictions.of(kind) else {
            prop_assert_eq!(before, closed, "a day that closed is scored");
            continue;
        };
        prop_assert_eq!(Some(told.day), closed);
        let then = told.day - i32::from(settings.churn.of(kind).process.horizon_days);
        // Of days before the first that closed, nothing was said.
        let expected =
            if Some(then) <= begun { Some(Calibration::default()) } else { recomputed(settings, kind, events, switches, told.day) };
        prop_assert!(expected.is_none_or(|expected| expected == told.scores), "{} on {}: {:?}, not {:?}", name, told.day, told, expected);
    }
    Ok(())
}

/// Partitions, of which there are more from event `at` on, score together what one would.
fn partitions_agree(settings: &EngineSettings, events: &[Event<'static>], at: usize) -> Result<(), TestCaseError> {
    let mut cluster = Cluster::new(settings, 2);
    cluster.close_through(day("2025-12-28"));
    for (index, event) in events.iter().enumerate() {
        if index == at {
            cluster.reshard(1);
        }
        cluster.handle(event);
    }
    let last = last_day(settings, events);
    let mut closing = last - 40;
    while closing < last {
        cluster.close_through(closing);
        for engine in &mut cluster.engines {
            engine.work_ahead(100);
        }
        cluster.publish();
        for (kind, _) in ProcessKind::NAMES {
            let told = cluster.predictions.of(kind);
            let Some(expected) = recomputed(settings, kind, events, &[], closing) else { continue };
            prop_assert_eq!(told, Some(Scored { day: closing, scores: expected }));
        }
        closing = closing + 1;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases() / 3, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn scores_are_those_of_a_recompute(
        settings in settings(), sketches in sketches(45, 70, true), offers in offers(), horizons in (1..25_u16, 1..25_u16)
    ) {
        scores_agree(&with_horizons(settings, horizons), &arrivals(&sketches), &offers)?;
    }

    #[test]
    fn scores_of_partitions_add_up_to_those_of_the_whole(
        settings in settings(), sketches in sketches(45, 70, true), at in 0..90_usize, horizons in (1..60_u16, 1..60_u16)
    ) {
        partitions_agree(&with_horizons(settings, horizons), &arrivals(&sketches), at)?;
    }
}

/// The newest scores of activity.
fn scored(bench: &mut Bench) -> Scored {
    let mut predictions = stickiness::engine::predictions::Predictions::new(1);
    bench.engine.work_ahead(100);
    for partial in bench.engine.take_partials() {
        predictions.update(0, &partial);
    }
    predictions.of(ProcessKind::Activity).expect("told")
}

#[test]
fn a_prediction_is_scored_when_its_horizon_is_over() {
    let mut bench = Bench::new(EngineSettings::default());
    // Users who are deleted leave their places empty, which must hide nobody behind them.
    for user in ["gone", "gone too"] {
        bench.active(user, "2026-01-01");
    }
    for number in 1..=20 {
        bench.active("often", &format!("2026-01-{number:02}"));
    }
    bench.active("once", "2026-01-10");
    bench.take(&event("left", EventType::Activity, "2026-01-12"));
    bench.take(&event("left", EventType::SubscriptionCancelled, "2026-01-13"));
    for user in ["gone", "gone too"] {
        bench.take(&event(user, EventType::UserDeleted, "2026-01-20"));
    }
    bench.active("often", "2026-02-15T03:00:00Z");
    bench.engine.close_through(day("2026-02-14"));
    let told = scored(&mut bench);
    // 30 days before was January 15: of the one who came once nothing came since, and the one who left had left.
    assert_eq!((told.day, told.scores.users()), (day("2026-02-14"), 2));
    assert_eq!(told.scores.bins().iter().map(|bin| bin.silent).sum::<i64>(), 1);
    let process = EngineSettings::default().churn.activity.process;
    let risk = |repeats, recency_days, silent_days| process.risk(&stickiness::model::churn::History { repeats, recency_days, silent_days });
    let mut expected = Calibration::default();
    expected.add(risk(14, 14, 0), true);
    expected.add(risk(0, 0, 5), false);
    assert_eq!(told.scores, expected);
}

#[test]
fn nothing_is_scored_of_another_horizon_or_beyond_what_is_remembered() {
    let mut settings = EngineSettings::default();
    let mut bench = Bench::new(settings.clone());
    bench.active("a", "2026-01-01");
    bench.active("a", "2026-01-03");
    bench.active("a", "2026-02-11");
    bench.engine.close_through(day("2026-03-10"));
    assert_eq!(scored(&mut bench).scores.users(), 0, "churned 30 days before");
    bench.active("a", "2026-02-25");
    bench.engine.close_through(day("2026-03-14"));
    assert_eq!(scored(&mut bench).scores.users(), 1);
    settings.churn.activity.process.horizon_days = 20;
    bench.engine.adopt(&settings).expect("the same history");
    assert_eq!(scored(&mut bench).scores.users(), 0, "what was said 20 days before was of 30 days");
    bench.active("a", "2026-03-16");
    bench.engine.close_through(day("2026-04-04"));
    assert_eq!(scored(&mut bench).scores.users(), 1, "of March 15, the first close with the new horizon");
    let mut long = EngineSettings::default();
    long.churn.activity.process.horizon_days = 200;
    let mut bench = Bench::new(long);
    bench.active("a", "2026-01-01");
    bench.active("a", "2026-01-02");
    bench.active("b", "2026-07-21");
    let told = scored(&mut bench);
    assert_eq!((told.day, told.scores.users()), (day("2026-07-20"), 0));
}
