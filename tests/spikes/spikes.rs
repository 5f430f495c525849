//! A series of 200 a day whose truth is known: alarms of clean years, and days of half as much again that are found.

use stickiness::engine::alerts::{AlertBook, AlertChangeKind, AlertSettings, Entries, SegmentDay};
use stickiness::model::spike::deficit::Returns;
use stickiness::model::spike::distribution::Expectation;
use stickiness::model::spike::{DayCount, SpikeRules, judge};
use stickiness::model::time::Day;

use crate::rivals::{raw_z, seasonal_poisson, threshold, weekday_mad};
use crate::sampling::Sampler;

/// Days before the first judged one.
const HISTORY: i32 = 112;
const YEAR: i32 = 365;
/// Factors of the weekdays; their mean is 1.
const WEEK: [f64; 7] = [1.15, 1.05, 1.0, 1.0, 1.05, 0.9, 0.85];

/// Detectors by name, with the scores at which they are usually set to alarm: p < 1e-4, Iglewicz and Hoaglin's 3.5, three standard deviations.
const DETECTORS: [(&str, f64); 4] =
    [("quasi-Poisson GLM", 9.210_340_4), ("weekday median/MAD", 3.5), ("seasonal Poisson", 9.210_340_4), ("raw z", 3.0)];

/// The scores of every judged day: as it was, and as it would have been with half as much again.
#[derive(Default)]
struct Scores {
    clean: [Vec<f64>; 4],
    spiked: [Vec<f64>; 4],
    /// What nobody can beat: the truth itself as the detector.
    oracle: (Vec<f64>, Vec<f64>),
}

/// What 20,000 users at risk do whose number grows by a fifth a year, at a rate that rises or falls by up to a fifth a year.
/// With `incidents`, two days of every five weeks count three times as much; they are in everybody's past, but no days to be judged.
fn simulate(seed: u64, dispersion: f64, incidents: bool, scores: &mut Scores) {
    let mut sampler = Sampler::new(seed);
    let drift = 0.4 * sampler.uniform() - 0.2;
    let rules = SpikeRules::default();
    let mut past: Vec<DayCount> = Vec::new();
    for number in 0..HISTORY + YEAR {
        let years = f64::from(number - HISTORY) / f64::from(YEAR);
        let exposure = 20_000.0 * (1.0 + 0.2 * years);
        let mean = exposure * 0.01 * (1.0 + drift * years) * WEEK[(number % 7) as usize];
        let day = |count| DayCount { day: Day::from_number(number), count, exposure };
        let is_incident = incidents && number % 35 < 2;
        let today = day(sampler.overdispersed(if is_incident { 3.0 * mean } else { mean }, dispersion));
        if number >= HISTORY && !is_incident {
            let recent = &past[past.len() - HISTORY as usize..];
            // The past is the same for both, and so is what it says.
            let glm = judge(&rules, recent, &[], today).expect("enough history").expectation;
            let spiked = day(sampler.overdispersed(1.5 * mean, dispersion_of_spike(dispersion)));
            let truth = Expectation { mean, dispersion };
            for (day, all, oracle) in [(today, &mut scores.clean, &mut scores.oracle.0), (spiked, &mut scores.spiked, &mut scores.oracle.1)]
            {
                all[0].push(-glm.at_least(day.count).ln());
                all[1].push(weekday_mad(recent, day));
                all[2].push(seasonal_poisson(recent, day));
                all[3].push(raw_z(recent, day));
                oracle.push(-truth.at_least(day.count).ln());
            }
        }
        past.push(today);
    }
}

/// The day's noise has the same coefficient of variation whatever the mean, so that variance over mean grows with it.
fn dispersion_of_spike(dispersion: f64) -> f64 {
    1.0 + 1.5 * (dispersion - 1.0)
}

fn share_above(scores: &[f64], limit: f64) -> f64 {
    scores.iter().filter(|score| **score > limit).count() as f64 / scores.len() as f64
}

/// Alarms a clean year at the usual limits, the share of spikes found at those and at four alarms a year, of each detector; and the last of the truth.
fn measured(dispersion: f64, incidents: bool, years: u64) -> ([(f64, f64, f64); 4], f64) {
    let mut scores = Scores::default();
    (0..years).for_each(|year| simulate(1_000 * dispersion as u64 + year, dispersion, incidents, &mut scores));
    let row = |index: usize| {
        let alarms = share_above(&scores.clean[index], DETECTORS[index].1) * f64::from(YEAR);
        let usually = share_above(&scores.spiked[index], DETECTORS[index].1);
        (alarms, usually, share_above(&scores.spiked[index], threshold(scores.clean[index].clone(), 4.0)))
    };
    let oracle = share_above(&scores.oracle.1, threshold(scores.oracle.0.clone(), 4.0));
    ([0, 1, 2, 3].map(row), oracle)
}

/// Alerts a clean year of a whole book: `all` of 200 a day, and so many breakdowns of 20 a day, each on its own, with a fifth of the users at risk.
fn alerts_a_clean_year(breakdowns: u64, years: u64) -> (f64, f64) {
    let (mut of_all, mut of_breakdowns) = (0, 0);
    for year in 0..years {
        let mut sampler = Sampler::new(9_000 + year);
        let mut book = AlertBook::new(AlertSettings::default());
        for number in 0..HISTORY + YEAR {
            let week = WEEK[(number % 7) as usize];
            let mut segment = |segment: String, mean: f64| SegmentDay {
                segment,
                has_data: true,
                entered_high: Entries::default(),
                entered_churned: Entries { count: sampler.overdispersed(mean * week, 3.0), at_risk: (5.0 * mean) as u64 },
                returns: Returns::default(),
            };
            let all = segment("all".to_owned(), 200.0);
            let mut segments: Vec<SegmentDay> = (0..breakdowns).map(|index| segment(format!("plan={index:03}"), 20.0)).collect();
            segments.push(all);
            let started = book.close_day(Day::from_number(number), &segments);
            for change in started.iter().filter(|change| number >= HISTORY && change.kind == AlertChangeKind::Started) {
                let count = if change.alert.labels.segment == "all" { &mut of_all } else { &mut of_breakdowns };
                *count += 1;
            }
        }
    }
    (f64::from(of_all) / years as f64, f64::from(of_breakdowns) / years as f64)
}

pub(crate) fn simulated() {
    let (of_all, of_breakdowns) = alerts_a_clean_year(40, 3);
    println!("\nalerts a clean year: {of_all:.1} of all at 200 a day, {of_breakdowns:.1} of 40 breakdowns at 20 a day, v = 3");
    assert!(of_all <= 2.0 && of_breakdowns <= 2.0, "{of_all} and {of_breakdowns} alerts a clean year");
    println!("\n200 a day, in clean years, and one day of x1.5 at four alarms a year; v = variance / mean of a day");
    println!("| v | detector | alarms a clean year | x1.5 found | at four a year |\n|---|---|---|---|---|");
    for (dispersion, incidents, years) in [(1.0, false, 20), (3.0, false, 40), (3.0, true, 20), (5.0, false, 20)] {
        let (rows, oracle) = measured(dispersion, incidents, years);
        let past = if incidents { ", with incidents in the past" } else { "" };
        for ((name, _), (alarms, usually, found)) in DETECTORS.iter().zip(rows) {
            println!("| {dispersion}{past} | {name} | {alarms:.1} | {usually:.2} | {found:.2} |");
        }
        println!("| {dispersion}{past} | the truth itself | | | {oracle:.2} |");
        let [(glm_alarms, _, glm_found), (_, _, mad_found), (poisson_alarms, ..), _] = rows;
        assert!(glm_alarms <= 2.0, "{glm_alarms} alarms a clean year at {dispersion}");
        if dispersion <= 3.0 && !incidents {
            assert!(glm_found >= 0.8, "{glm_found} of the spikes found at {dispersion}");
        }
        // Where nothing is missed by anyone, nobody is ahead.
        assert!(glm_found >= mad_found && (dispersion < 2.0 || glm_alarms < poisson_alarms), "{rows:?}");
        assert!(glm_found <= oracle + 0.05, "nothing beats the truth: {glm_found} {oracle}");
    }
}
