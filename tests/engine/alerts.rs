//! What partitions tell for alerts when a day closes, against a look at every user.

use std::collections::BTreeMap;

use proptest::prelude::*;
use stickiness::engine::partial::AlertInputs;
use stickiness::engine::settings::EngineSettings;
use stickiness::model::churn::History;
use stickiness::model::churn::returning::rounded;
use stickiness::model::event::{Event, EventType, Facts};
use stickiness::model::time::Day;

use crate::cluster::Cluster;
use crate::generated::{arrivals, settings, sketches};
use crate::naive::Naive;

/// The levels of users at the close of a day, by id.
type Levels = BTreeMap<String, &'static str>;

impl Naive<'_> {
    /// The breakdown values of a user at the end of a day.
    fn belongs_to(&self, events: &[&Event<'static>], day: Day) -> Vec<String> {
        let mut last: BTreeMap<u16, (i64, String)> = BTreeMap::new();
        for event in events.iter().filter(|event| event.kind.is_activity() && self.day(event) <= day) {
            for ((property, _), name) in event.breakdowns.iter().zip(self.segments(event)) {
                let known = last.entry(*property).or_insert((i64::MIN, String::new()));
                *known = (event.time.nanos(), name).max(known.clone());
            }
        }
        last.into_values().map(|(_, name)| name).collect()
    }

    /// What the close of `day` tells. `before` are the levels at the close of the day before, `after` at this one.
    fn alert_inputs(&self, day: Day, before: &Levels, after: &Levels) -> (bool, BTreeMap<String, AlertInputs>) {
        let churn = &self.settings.churn;
        let (kind, process) = (churn.process, churn.of(churn.process).process);
        let mut inputs: BTreeMap<String, AlertInputs> = BTreeMap::new();
        for (id, events) in &self.users(None) {
            let (level, now) = (before.get(id).copied(), after.get(id).copied());
            let below = level == Some("low") || level == Some("medium");
            let churned = level.is_some_and(|level| level != "churned") && now == Some("churned");
            let mut user = AlertInputs {
                entered_high: (below && now == Some("high")).into(),
                could_enter_high: below.into(),
                entered_churned: churned.into(),
                could_enter_churned: (level == Some("high") || below && churned).into(),
                ..AlertInputs::default()
            };
            let yesterday = self.judged(kind, events, day - 1).filter(|(level, history)| *level != "churned" && history.silent_days > 0);
            if let Some((_, history)) = yesterday {
                let recency_days = rounded(history.recency_days.unsigned_abs()).cast_signed();
                let p = process.next_day_billionths(&History { repeats: rounded(history.repeats), recency_days, ..history });
                user.silent = 1;
                user.expected_billionths = p;
                user.variance_billionths = (p as f64 * (1.0 - p as f64 / 1e9)).round() as i64;
                user.returned = self.judged(kind, events, day).is_some_and(|(_, history)| history.silent_days == 0).into();
            }
            for segment in self.belongs_to(events, day - 1).into_iter().chain(["all".to_owned()]) {
                inputs.entry(segment).or_default().absorb(&user);
            }
        }
        inputs.retain(|_, inputs| !inputs.is_empty());
        (self.anybody_on(day), inputs)
    }
}

/// Entries and risks of merged users hang on which id had a level before; who is silent and comes back does not.
fn without_levels(told: &(bool, BTreeMap<String, AlertInputs>)) -> (bool, BTreeMap<String, AlertInputs>) {
    let strip =
        |inputs: &AlertInputs| AlertInputs { entered_high: 0, could_enter_high: 0, entered_churned: 0, could_enter_churned: 0, ..*inputs };
    let stripped = told.1.iter().map(|(name, inputs)| (name.clone(), strip(inputs)));
    (told.0, stripped.filter(|(_, inputs)| !inputs.is_empty()).collect())
}

fn tells(settings: &EngineSettings, events: &[Event<'static>], restores: &[usize]) -> Result<(), TestCaseError> {
    let mut cluster = Cluster::new(settings, 1);
    let mut before = Levels::new();
    let mut expected = BTreeMap::new();
    for (index, event) in events.iter().enumerate() {
        let closed = cluster.engines[0].closed_through();
        cluster.handle(event);
        if restores.contains(&(index % 50)) {
            cluster.publish();
            cluster.restore(0);
        }
        let (Some(mut day), Some(through)) = (closed, cluster.engines[0].closed_through()) else { continue };
        let naive = Naive::new(settings, &events[..index]);
        while day < through {
            day = day + 1;
            let mut after = before.clone();
            naive.decided(day, &mut after);
            // Of a departure and an activity of one day, the engine does not know which came first once it knows of a later active day.
            let is_blurred = naive.blurred(day) || naive.blurred(day - 1);
            expected.insert(day, (!is_blurred).then(|| naive.alert_inputs(day, &before, &after)));
            before = after;
        }
    }
    cluster.publish();
    let merged = events.iter().any(|event| event.kind == EventType::UserMerged);
    for (day, expected) in expected.into_iter().filter_map(|(day, expected)| Some((day, expected?))) {
        let told = cluster.alerts.get(&(0, day)).cloned().unwrap_or_default();
        if merged {
            prop_assert_eq!(without_levels(&told), without_levels(&expected), "{}", day);
        } else {
            prop_assert_eq!(told, expected, "{}", day);
        }
    }
    Ok(())
}

/// Every engine counts its users as one that looks at each of them would.
pub(crate) fn is_exact(
    settings: &EngineSettings,
    events: &[Event<'static>],
    partitions: u32,
    restores: &[usize],
) -> Result<(), TestCaseError> {
    let mut cluster = Cluster::new(settings, partitions);
    for (index, event) in events.iter().enumerate() {
        cluster.handle(event);
        if restores.contains(&(index % 50)) {
            cluster.publish();
            cluster.restore(index % partitions as usize);
        }
        for engine in &cluster.engines {
            prop_assert_eq!(engine.alert_ledger(), &engine.recounted_alert_ledger(), "after {:?}", event);
        }
    }
    let last = cluster.engines.iter().filter_map(stickiness::engine::partition::PartitionEngine::closed_through).max();
    for day in 1..70 {
        cluster.close_through(last.unwrap_or(Day::from_number(0)) + day);
        for engine in &cluster.engines {
            prop_assert_eq!(engine.alert_ledger(), &engine.recounted_alert_ledger(), "{} days later", day);
        }
    }
    Ok(())
}

/// Contacts become deletions now and then.
pub(crate) fn with_deletions(events: Vec<Event<'static>>) -> Vec<Event<'static>> {
    let delete = |mut event: Event<'static>| {
        if event.kind == EventType::ContactMade {
            (event.kind, event.facts) = (EventType::UserDeleted, Facts::None);
        }
        event
    };
    events.into_iter().map(delete).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::properties::cases(), max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_told_for_alerts_is_what_a_look_at_everyone_finds(
        settings in settings(), sketches in sketches(60, 90, false), restores in prop::collection::vec(0..50_usize, 0..2), grace_hours in 0..60_i64
    ) {
        let settings = EngineSettings { grace_ms: grace_hours * 3_600_000, ..settings };
        tells(&settings, &arrivals(&sketches), &restores)?;
    }

    #[test]
    fn returns_of_merged_users_are_those_that_a_look_at_everyone_finds(
        settings in settings(), sketches in sketches(45, 60, true), restores in prop::collection::vec(0..50_usize, 0..2), grace_hours in 0..60_i64
    ) {
        let settings = EngineSettings { grace_ms: grace_hours * 3_600_000, ..settings };
        tells(&settings, &arrivals(&sketches), &restores)?;
    }

    #[test]
    fn users_counted_for_alerts_stay_exact_through_merges_moves_and_deletions(
        settings in settings(), sketches in sketches(90, 80, true), partitions in 1..=4_u32,
        restores in prop::collection::vec(0..50_usize, 0..2), grace_hours in 0..60_i64
    ) {
        let settings = EngineSettings { grace_ms: grace_hours * 3_600_000, ..settings };
        is_exact(&settings, &with_deletions(arrivals(&sketches)), partitions, &restores)?;
    }
}
