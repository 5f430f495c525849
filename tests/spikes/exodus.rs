//! A population of users with habits of their own, 5 % of whom leave for good on one day: how long until it is noticed.

use std::collections::BTreeMap;

use stickiness::engine::alerts::{AlertBook, AlertChangeKind, AlertName, AlertSettings, Entries, RiskLevel, SegmentDay};
use stickiness::model::spike::DayCount;
use stickiness::model::spike::deficit::Returns;
use stickiness::model::time::Day;

use crate::rivals::{seasonal_poisson, threshold, weekday_mad};
use crate::sampling::Sampler;

/// Users who ever join, over the first `JOINING` days; then as many a day as it takes to make up for those who leave.
const USERS: usize = 20_000;
const JOINING: i32 = 120;
/// The first day that is told: before it there are too few users.
const FIRST: i32 = 130;
/// Days of history before the earliest exodus.
const EXODUS: i32 = FIRST + 80;
/// Days that are waited for a detector.
const PATIENCE: i32 = 60;
const LAPSE: i32 = 30;
const WEEK: [f64; 7] = [1.15, 1.05, 1.0, 1.0, 1.05, 0.9, 0.85];

/// The users' habits: rates a day are gamma with shape r and rate alpha, the probabilities to leave after an active day beta with a and b (MBG/NBD).
const R: f64 = 0.9;
const ALPHA: f64 = 7.0;
const A: f64 = 0.6;
const B: f64 = 25.0;

/// A population in the making: `leaving` says whether this user leaves on the exodus.
struct Population {
    sampler: Sampler,
    users: Vec<User>,
    day: i32,
}

struct User {
    joins: i32,
    rate: f64,
    leave: f64,
    is_gone: bool,
    /// First, newest and count of active days.
    seen: Option<(i32, i32, i32)>,
}

/// What a day brought, as an engine would count it.
struct DayOfUsers {
    segment: SegmentDay,
    active: u64,
}

impl Population {
    fn new(seed: u64) -> Self {
        let mut sampler = Sampler::new(seed);
        let joins = |index: usize| (index as i32 * JOINING) / USERS as i32;
        let users = (0..USERS).map(|index| Self::user(&mut sampler, joins(index))).collect();
        Self { sampler, users, day: 0 }
    }

    fn user(sampler: &mut Sampler, joins: i32) -> User {
        User { joins, rate: sampler.gamma(R) * R / ALPHA, leave: sampler.beta(A, B), is_gone: false, seen: None }
    }

    /// Lives one day. `noise` is the coefficient of variation that the day has for everybody alike, beyond the weekday.
    /// With `campaigns`, a fortnight of every six weeks brings 150 more new users a day.
    fn live(&mut self, noise: f64, campaigns: bool) -> DayOfUsers {
        let day = self.day;
        let common = if noise > 0.0 { self.sampler.gamma(1.0 / (noise * noise)) } else { 1.0 };
        let factor = WEEK[(day % 7) as usize] * common;
        let mut counted = DayOfUsers { segment: empty(), active: 0 };
        let extra = if campaigns && day >= JOINING && day % 42 < 14 { 150 } else { 0 };
        let mut joining = vec![day + 1; extra];
        for user in self.users.iter_mut().filter(|user| user.joins <= day) {
            let silence = user.seen.map(|(_, newest, _)| day - newest);
            let is_active = silence.is_none() || (!user.is_gone && self.sampler.uniform() < 1.0 - (-user.rate * factor).exp());
            count(&mut counted, user, day, is_active);
            if is_active {
                user.seen = Some(user.seen.map_or((day, day, 1), |(first, _, days)| (first, day, days + 1)));
                if self.sampler.uniform() < user.leave {
                    user.is_gone = true;
                    joining.push(day + 1);
                }
            }
        }
        for joins in joining {
            let user = Self::user(&mut self.sampler, joins);
            self.users.push(user);
        }
        self.day += 1;
        counted
    }

    /// One in twenty of those who are still there leaves.
    fn lose(&mut self) {
        for user in self.users.iter_mut().filter(|user| user.seen.is_some() && !user.is_gone) {
            user.is_gone = self.sampler.uniform() < 0.05;
        }
    }
}

fn empty() -> SegmentDay {
    let nothing = Entries::default();
    SegmentDay { segment: "all".to_owned(), has_data: true, entered_high: nothing, entered_churned: nothing, returns: Returns::default() }
}

/// Counts what a user's day means: a return that was expected with the probability of the model, a lapse.
fn count(counted: &mut DayOfUsers, user: &User, day: i32, is_active: bool) {
    counted.active += u64::from(is_active);
    let Some((first, newest, days)) = user.seen else { return };
    let silence = day - newest;
    if (2..=LAPSE).contains(&silence) {
        let hazard = hazard(days - 1, newest - first, day - 1 - first);
        let returns = &mut counted.segment.returns;
        returns.silent += 1;
        returns.observed += u64::from(is_active);
        returns.expected += hazard;
        returns.variance += hazard * (1.0 - hazard);
    }
    if (LAPSE - 9..=LAPSE + 1).contains(&silence) {
        counted.segment.entered_churned.at_risk += 1;
        counted.segment.entered_churned.count += u64::from(silence == LAPSE + 1 && !is_active);
    }
}

/// P(active on the next day), MBG/NBD: x repeat days, the last of them `last` days after the first, `known` days known.
fn hazard(x: i32, last: i32, known: i32) -> f64 {
    let (x, last, known) = (f64::from(x), f64::from(last), f64::from(known));
    let alive = 1.0 / (1.0 + A / (B + x) * ((ALPHA + known) / (ALPHA + last)).powf(R + x));
    alive * (1.0 - ((ALPHA + known) / (ALPHA + known + 1.0)).powf(R + x))
}

/// Series of one population from `FIRST` on, and the alerts of a book that is told them.
struct Watched {
    lapses: Vec<DayCount>,
    /// How many stay away of ten times the usual: a drop of the daily active users as a rise.
    absent: Vec<DayCount>,
    /// First days of alerts by their sort, in days after `FIRST`.
    started: BTreeMap<&'static str, Vec<i32>>,
}

/// The noise that a day has for everybody alike, as a coefficient of variation, and whether new users come in campaigns.
type World = (f64, bool);

fn watch(seed: u64, (noise, campaigns): World, days: i32, exodus: Option<i32>) -> Watched {
    let mut population = Population::new(seed);
    let mut book = AlertBook::new(AlertSettings::default());
    let mut watched = Watched { lapses: Vec::new(), absent: Vec::new(), started: BTreeMap::new() };
    for number in 0..FIRST + days {
        if exodus == Some(number) {
            population.lose();
        }
        let DayOfUsers { segment, active } = population.live(noise, campaigns);
        if number < FIRST {
            continue;
        }
        let day = Day::from_number(number);
        let churned = segment.entered_churned;
        watched.lapses.push(DayCount { day, count: churned.count, exposure: churned.at_risk as f64 });
        watched.absent.push(DayCount { day, count: (20_000_u64).saturating_sub(active), exposure: 1.0 });
        for change in book.close_day(day, &[segment]).into_iter().filter(|change| change.kind == AlertChangeKind::Started) {
            let sort = match (change.alert.name, change.alert.labels.level) {
                (AlertName::ReturnDeficit, _) => "return deficit",
                (AlertName::ChurnSpike, Some(RiskLevel::Churned)) => "lapses by the GLM",
                (AlertName::ChurnSpike, _) => "entries into high",
            };
            watched.started.entry(sort).or_default().push(number - FIRST);
        }
    }
    watched
}

/// A detector of a series, and the score of a day after its past.
type Detector = (&'static str, fn(&Watched) -> &[DayCount], fn(&[DayCount], DayCount) -> f64);

const RIVALS: [Detector; 4] = [
    ("lapses by weekday median/MAD", |watched| &watched.lapses, weekday_mad),
    ("lapses by seasonal Poisson", |watched| &watched.lapses, seasonal_poisson),
    ("daily active users by weekday median/MAD", |watched| &watched.absent, weekday_mad),
    ("daily active users by seasonal Poisson", |watched| &watched.absent, seasonal_poisson),
];

/// The scores of the days with at least eight weeks before them, of which at most sixteen count.
fn scores(series: &[DayCount], score: fn(&[DayCount], DayCount) -> f64) -> Vec<f64> {
    (56..series.len()).map(|index| score(&series[index.saturating_sub(112)..index], series[index])).collect()
}

/// Days from the exodus to the first alarm, the day itself as 1; `PATIENCE` when it is not found. Half of all, and nine in ten, are found by then.
fn quantiles(mut days: Vec<i32>) -> (i32, i32) {
    days.sort_unstable();
    (days[days.len() / 2], days[days.len() * 9 / 10])
}

fn report(world: World, clean_runs: u64, runs: u64) -> (f64, (i32, i32)) {
    let clean: Vec<Watched> = (0..clean_runs).map(|seed| watch(seed, world, 80 + 365, None)).collect();
    let years = clean_runs as f64;
    let judged = |watched: &Watched, sort: &str| watched.started.get(sort).map_or(0, |days| days.iter().filter(|day| **day >= 80).count());
    let alarms = |sort: &str| clean.iter().map(|watched| judged(watched, sort)).sum::<usize>() as f64 / years;
    let lost: Vec<(i32, Watched)> = (0..runs)
        .map(|seed| (EXODUS + seed as i32 % 7, seed))
        .map(|(exodus, seed)| (exodus - FIRST, watch(1_000 + seed, world, 80 + 7 + PATIENCE, Some(exodus))))
        .collect();
    let returns = clean.last().map_or(0, |watched| watched.absent.last().map_or(0, |day| 20_000 - day.count));
    let joining = if world.1 { "in campaigns" } else { "evenly" };
    println!(
        "\n5 % of the users leave; {returns} active a day; new users come {joining}; days have a noise of {:.0} % for everybody alike",
        world.0 * 100.0
    );
    println!("| detector | alarms a clean year | half found by day | nine in ten by day |\n|---|---|---|---|");
    let mut deficit = (0.0, (0, 0));
    for sort in ["return deficit", "lapses by the GLM"] {
        let found = |(exodus, watched): &(i32, Watched)| {
            let days = watched.started.get(sort).into_iter().flatten();
            days.map(|day| day - exodus + 1).filter(|day| *day >= 1).min().unwrap_or(PATIENCE).min(PATIENCE)
        };
        let (half, most) = quantiles(lost.iter().map(found).collect());
        println!("| {sort} | {:.1} | {half} | {most} |", alarms(sort));
        if sort == "return deficit" {
            deficit = (alarms(sort), (half, most));
        }
    }
    for (name, series, score) in RIVALS {
        let limit = threshold(clean.iter().flat_map(|watched| scores(series(watched), score)).collect(), 4.0);
        let found = |(exodus, watched): &(i32, Watched)| {
            let scores = scores(series(watched), score);
            let first = scores.iter().enumerate().find(|(index, score)| *index as i32 + 56 >= *exodus && **score > limit);
            first.map_or(PATIENCE, |(index, _)| (index as i32 + 56 - exodus + 1).min(PATIENCE))
        };
        let (half, most) = quantiles(lost.iter().map(found).collect());
        println!("| {name} | 4.0 | {half} | {most} |");
    }
    deficit
}

pub(crate) fn simulated() {
    let (alarms, (half, most)) = report((0.0, false), 3, 20);
    assert!(half <= 5, "half of the exoduses are found by day {half}");
    assert!(alarms <= 1.0, "{alarms} alarms a clean year");
    let (campaign_alarms, campaigns) = report((0.0, true), 3, 20);
    assert!(campaigns.0 <= 5 && campaign_alarms <= 2.0, "with campaigns, half by day {campaigns:?}, {campaign_alarms} alarms a clean year");
    let (noisy_alarms, noisy) = report((0.03, false), 3, 20);
    assert!(noisy_alarms <= 2.0, "{noisy_alarms} alarms a clean year with noise");
    assert!(noisy.0 >= half && noisy.1 >= most, "noise makes nothing easier to see: {noisy:?}");
}
