//! The alarms that other thresholds would have raised.

use super::{Alert, AlertBook, AlertChangeKind, AlertName, AlertSettings, SegmentDay};
use crate::model::spike::deficit::Cusum;
use crate::model::time::Day;

/// Probabilities that are tried beside the one that is set, highest first.
const FIRE_PS: [f64; 5] = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6];
/// Sums of deficits that are tried beside the one that is set, lowest first.
const CUSUM_HS: [f64; 6] = [3.0, 4.0, 5.0, 6.0, 8.0, 10.0];

/// An alert from start to end.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// As it was on the day it was raised, which is its `day`.
    pub raised: Alert,
    /// The newest day on which it fired.
    pub last_day: Day,
    /// The day after its last one; `None` when it still fires at the end.
    pub ends: Option<Day>,
}

/// The alarms of one threshold, by the day they were raised.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// `fire_p` for churn spikes, `cusum_h` for return deficits.
    pub threshold: f64,
    /// Whether it is the one that is set.
    pub is_set: bool,
    /// What it would have raised.
    pub alarms: Vec<Alarm>,
}

/// What came of all thresholds, those that raise most first.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuning {
    /// Churn spikes by `fire_p`.
    pub spikes: Vec<Trial>,
    /// Return deficits by `cusum_h`.
    pub deficits: Vec<Trial>,
}

/// Runs the days, which are in order, once with each threshold and everything else as it is set.
#[must_use]
pub fn tune(settings: &AlertSettings, days: &[(Day, SegmentDay)]) -> Tuning {
    let fire_ps = with(&FIRE_PS, settings.fire_p, |one, other| other.total_cmp(one));
    let cusum_hs = with(&CUSUM_HS, settings.cusum.h, f64::total_cmp);
    let mut tuning = Tuning { spikes: Vec::new(), deficits: Vec::new() };
    // The two sorts of alerts do not touch each other: one run tries a threshold of each.
    for index in 0..fire_ps.len().max(cusum_hs.len()) {
        let fire_p = fire_ps.get(index).copied();
        let cusum_h = cusum_hs.get(index).copied();
        let alarms = run(settings, fire_p.unwrap_or(settings.fire_p), cusum_h.unwrap_or(settings.cusum.h), days);
        let (spikes, deficits) = alarms.into_iter().partition(|alarm| alarm.raised.name == AlertName::ChurnSpike);
        let trial = |threshold: f64, set: f64, alarms| Trial { threshold, is_set: threshold.to_bits() == set.to_bits(), alarms };
        tuning.spikes.extend(fire_p.map(|threshold| trial(threshold, settings.fire_p, spikes)));
        tuning.deficits.extend(cusum_h.map(|threshold| trial(threshold, settings.cusum.h, deficits)));
    }
    tuning
}

fn with(tried: &[f64], set: f64, order: impl Fn(&f64, &f64) -> std::cmp::Ordering) -> Vec<f64> {
    let mut all: Vec<f64> = tried.iter().copied().chain([set]).collect();
    all.sort_by(order);
    all.dedup();
    all
}

fn run(settings: &AlertSettings, fire_p: f64, cusum_h: f64, days: &[(Day, SegmentDay)]) -> Vec<Alarm> {
    let settings = AlertSettings {
        fire_p,
        resolve_p: settings.resolve_p.max(fire_p),
        cusum: Cusum { h: cusum_h, ..settings.cusum },
        ..settings.clone()
    };
    let mut book = AlertBook::new(settings);
    let mut alarms: Vec<Alarm> = Vec::new();
    for (day, segment) in days {
        for change in book.close_day(*day, std::slice::from_ref(segment)) {
            let known = alarms.iter_mut().rev().find(|alarm| alarm.raised.fingerprint == change.alert.fingerprint);
            match (change.kind, known) {
                (AlertChangeKind::Started, _) | (_, None) => alarms.push(Alarm { raised: change.alert, last_day: *day, ends: None }),
                (AlertChangeKind::GoesOn, Some(alarm)) => alarm.last_day = *day,
                (AlertChangeKind::Ended, Some(alarm)) => alarm.ends = change.alert.ends,
            }
        }
    }
    alarms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::alerts::Entries;
    use crate::model::spike::deficit::Returns;

    #[test]
    fn a_stricter_threshold_raises_less() {
        let day = |number: i32| {
            let usual = 100 + u64::try_from((number * 37).rem_euclid(21)).expect("positive");
            let count = [(70, 40), (80, 60), (90, 300)].iter().find(|(odd, _)| *odd == number).map_or(usual, |(_, more)| usual + more);
            let segment = SegmentDay {
                segment: "all".to_owned(),
                has_data: true,
                entered_high: Entries::default(),
                entered_churned: Entries { count, at_risk: 9_000 },
                returns: Returns {
                    silent: 9_000,
                    observed: if number < 95 { 900 + usual } else { 900 },
                    expected: 1_000.0,
                    variance: 900.0,
                },
            };
            (Day::from_number(number), segment)
        };
        let days: Vec<_> = (0..110).map(day).collect();
        let tuning = tune(&AlertSettings::default(), &days);
        let counts = |trials: &[Trial]| trials.iter().map(|trial| trial.alarms.len()).collect::<Vec<_>>();
        let spikes = counts(&tuning.spikes);
        assert!(spikes.is_sorted_by(|one, other| one >= other) && spikes[0] > spikes[4] && spikes[4] >= 1, "{spikes:?}");
        assert_eq!(tuning.spikes.iter().map(|trial| trial.is_set).collect::<Vec<_>>(), [false, false, true, false, false]);
        let raised = |trial: &Trial| trial.alarms.first().map(|alarm| alarm.raised.day);
        assert!(raised(&tuning.deficits[0]) < raised(&tuning.deficits[5]), "a lower sum is passed earlier");
        let spike = tuning.spikes[4].alarms.last().expect("an alarm");
        assert_eq!(
            (spike.raised.day, spike.last_day, spike.ends),
            (Day::from_number(90), Day::from_number(91), Some(Day::from_number(91)))
        );
    }
}
