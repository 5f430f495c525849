//! How long users stay in the stages of the life cycle: the counts against the transitions that were said.

use std::collections::BTreeMap;

use proptest::prelude::*;
use stickiness::engine::settings::EngineSettings;
use stickiness::model::insights::survival::Survival;
use stickiness::model::loyalty::stage::LifeStage;
use stickiness::model::time::{Calendar, Day};

use crate::cluster::Cluster;
use crate::generated::{Sketch, arrivals, settings, sketches};
use crate::properties::cases;

const STAGES: usize = LifeStage::ALL.len();

/// Stays by stage, out of transitions. How long someone was a prospect is not in them: nobody becomes one.
fn recounted(cluster: &Cluster, last: Day) -> [Survival; STAGES] {
    let mut dwells: [Survival; STAGES] = Default::default();
    let mut entered: BTreeMap<&str, (usize, Day)> = BTreeMap::new();
    let stage = |name: &str| LifeStage::NAMES.iter().position(|known| *known == name).expect("a stage");
    for said in cluster.transitions.iter().flatten().filter(|said| said["kind"] == "life_stage") {
        let text = |field: &str| said[field].as_str().expect("text");
        let day = Day::parse(text("as_of")).expect("a day");
        if let Some((before, since)) = entered.insert(text("user_id"), (stage(text("to")), day)) {
            assert_eq!(before, stage(text("from")), "{said}");
            dwells[before].count(day.days_since(since).max(0), true);
        }
    }
    for (stage, since) in entered.into_values() {
        dwells[stage].count(last.days_since(since).max(0), false);
    }
    dwells
}

fn stays(settings: &EngineSettings, sketches: &[Sketch], partitions: u32, restores: &[usize]) -> Result<(), TestCaseError> {
    let events = arrivals(sketches);
    let mut cluster = Cluster::new(settings, partitions);
    for (index, event) in events.iter().enumerate() {
        cluster.handle(event);
        if restores.contains(&(index % 20)) {
            cluster.publish();
            cluster.restore(index % partitions as usize);
        }
    }
    let calendar = Calendar::new(&settings.time_zone).expect("a zone");
    let last = events.iter().map(|event| calendar.day_of(event.time)).max().expect("one") + 70;
    cluster.close_through(last);
    let mut found: [Survival; STAGES] = Default::default();
    for engine in &cluster.engines {
        for (known, dwell) in found.iter_mut().zip(&engine.insights(last).dwells) {
            known.absorb(dwell);
        }
    }
    let expected = recounted(&cluster, last);
    for (stage, name) in LifeStage::NAMES.iter().enumerate().skip(1) {
        prop_assert_eq!(&found[stage], &expected[stage], "days in {}", name);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn days_in_stages_are_those_between_transitions(
        settings in settings(), sketches in sketches(150, 100, false), partitions in 1..=4_u32, restores in prop::collection::vec(0..20_usize, 0..3)
    ) {
        stays(&settings, &sketches, partitions, &restores)?;
    }
}
