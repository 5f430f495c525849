//! Where users stand among all others, against what all profiles and events tell.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};
use stickiness::engine::insights::Insights;
use stickiness::engine::settings::EngineSettings;
use stickiness::model::event::Event;
use stickiness::model::time::{Calendar, Day};
use stickiness::wire;

use crate::cluster::Cluster;
use crate::generated::{Sketch, arrivals, settings, sketches};
use crate::naive::Naive;
use crate::properties::cases;

type Profiles = BTreeMap<String, Value>;
type Categories = BTreeMap<String, BTreeSet<String>>;

/// The ranks of every user as of a day, as a service makes them.
fn told(cluster: &Cluster, day: Day) -> BTreeMap<String, Value> {
    let mut insights = Insights::default();
    cluster.engines.iter().for_each(|engine| insights.absorb(&engine.insights(day)));
    let of = |id: &String| {
        let mut known = cluster.engines.iter().filter_map(|engine| Some((engine.profile_on(id, day)?, engine.recent(id)?)));
        let (profile, recent) = known.next().expect("somewhere");
        let mut told = wire::records::profile(&profile);
        told["recent"] = wire::recent::recent(&recent);
        (id.clone(), wire::insights::ranks::ranks(&insights, day, &told))
    };
    cluster.profiles(day).keys().map(of).collect()
}

/// The score of a value among all: 1 and how many of the quantiles of type 7 at fifths, plus 1, it is not below.
fn fifth(all: &[f64], value: f64) -> u64 {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    let cut = |share: f64| {
        let place = (sorted.len() - 1) as f64 * share;
        let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        below + (above - below) * place.fract() + 1.0
    };
    1 + [0.2, 0.4, 0.6, 0.8].into_iter().filter(|share| value >= cut(*share)).count() as u64
}

fn rfm(profiles: &Profiles, profile: &Value) -> Value {
    let number = |profile: &Value, name: &str| profile[name].as_f64().expect("a number");
    let buyers: Vec<&Value> = profiles.values().filter(|profile| profile["orders"] != 0).collect();
    if profile["orders"] == 0 {
        return Value::Null;
    }
    let since = |profile: &Value| number(profile, "age_days") - number(profile, "recency_days");
    let score = |of: &dyn Fn(&Value) -> f64| fifth(&buyers.iter().map(|buyer| of(buyer)).collect::<Vec<_>>(), of(profile));
    json!({
        "recency": 6 - score(&since), "frequency": score(&|profile| number(profile, "orders")),
        "monetary": score(&|profile| number(profile, "revenue")), "buyers": buyers.len(),
    })
}

/// The share of users whose time is longer by the steps that times are told apart by, half of those whose time is the same.
fn longer(profiles: &Profiles, profile: &Value, name: &str) -> Value {
    let step = |profile: &Value| profile[name].as_f64().map(|seconds| (seconds.ln_1p() * 100.0).round());
    let Some(own) = step(profile) else { return Value::Null };
    let all: Vec<f64> = profiles.values().filter_map(step).collect();
    let (above, below) = (all.iter().filter(|other| **other > own).count(), all.iter().filter(|other| **other < own).count());
    let same = all.len() - above - below;
    json!({ "longer_share": (above as f64 + same as f64 / 2.0) / all.len() as f64, "buyers": all.len() })
}

/// Lift of a pair of categories and the bounds of Wilson's interval, with how many buyers have both.
fn lift(bought: &Categories, buyers: usize, one: &str, other: &str) -> (usize, f64, f64, f64) {
    let having = |wanted: &[&str]| bought.values().filter(|has| wanted.iter().all(|name| has.contains(*name))).count();
    let (both, ones, others) = (having(&[one, other]), having(&[one]), having(&[other]));
    let (n, z) = (ones.min(others) as f64, 1.959_963_984_540_054_f64);
    let share = both as f64 / n;
    let middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let common = ones.max(others) as f64 / buyers as f64;
    let lift = both as f64 * buyers as f64 / (ones as f64 * others as f64);
    (both, lift, (middle - half).max(0.0) / common, (middle + half).min(1.0) / common)
}

/// The next category that is told is one with the largest lower bound, with its figures.
fn next_is_best(told: &Value, bought: &Categories, buyers: usize, own: &BTreeSet<String>) -> Result<(), TestCaseError> {
    let all: BTreeSet<&String> = bought.values().flatten().collect();
    let pairs = own.iter().flat_map(|after| all.iter().filter(|next| !own.contains(**next)).map(move |next| (after, *next)));
    let lows = pairs.map(|(after, next)| lift(bought, buyers, after, next)).filter(|pair| pair.0 > 0).map(|pair| pair.2);
    let Some(best) = lows.max_by(f64::total_cmp) else {
        prop_assert_eq!(told, &Value::Null);
        return Ok(());
    };
    let text = |name: &str| told[name].as_str().unwrap_or_default();
    prop_assert!(own.contains(text("after")) && !own.contains(text("category")), "{}", told);
    let (both, lift, low, high) = lift(bought, buyers, text("after"), text("category"));
    prop_assert_eq!(&told["buyers"], &json!(both));
    for (name, value) in [("lift", lift), ("low", low), ("high", high), ("low", best)] {
        prop_assert!(told[name].as_f64().is_some_and(|found| (found - value).abs() < 1e-9), "{} {} of {}", name, value, told);
    }
    Ok(())
}

fn ranks_agree(settings: &EngineSettings, sketches: &[Sketch], partitions: u32) -> Result<(), TestCaseError> {
    let events: Vec<Event<'static>> = arrivals(sketches);
    let mut cluster = Cluster::new(settings, partitions);
    for event in &events {
        cluster.handle(event);
    }
    let calendar = Calendar::new(&settings.time_zone).expect("a zone");
    let newest = events.iter().map(|event| calendar.day_of(event.time)).max().expect("one");
    cluster.close_through(newest + 3);
    let naive = Naive::new(settings, &events);
    for day in [newest, newest + 3] {
        let (profiles, bought) = (cluster.profiles(day), naive.categories());
        let buyers = profiles.values().filter(|profile| profile["orders"] != 0).count();
        for (id, ranks) in told(&cluster, day) {
            prop_assert_eq!(&ranks["as_of"], &json!(day.to_string()));
            prop_assert_eq!(&ranks["rfm"], &rfm(&profiles, &profiles[&id]), "of {}", id);
            prop_assert_eq!(&ranks["decision"], &longer(&profiles, &profiles[&id], "decision_s_mean"), "of {}", id);
            prop_assert_eq!(&ranks["wait"], &longer(&profiles, &profiles[&id], "wait_s_mean"), "of {}", id);
            next_is_best(&ranks["next_category"], &bought, buyers, &bought[&id])?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn ranks_are_those_among_all_profiles(settings in settings(), sketches in sketches(90, 150, true), partitions in 1..=4_u32) {
        ranks_agree(&settings, &sketches, partitions)?;
    }
}
