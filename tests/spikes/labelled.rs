//! Real series with incidents that others labelled: what is hit, what is missed, and what alarms without a label, as it comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::Value;
use stickiness::engine::alerts::history::SilenceHistory;
use stickiness::engine::alerts::{AlertBook, AlertChangeKind, AlertName, AlertSettings, Entries, SegmentDay};
use stickiness::model::spike::SpikeRules;
use stickiness::model::spike::deficit::Returns;
use stickiness::model::time::Day;

use crate::data;

/// Hits, labelled incidents that could be judged, and alerts outside of all labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Outcome {
    hits: usize,
    incidents: usize,
    false_alarms: usize,
}

/// Days in order.
type Series = Vec<(Day, SegmentDay)>;

/// A count that rises as entries would, and falls as returns would.
fn told_both_ways(count: u64, exposure: f64) -> SegmentDay {
    let size = exposure as u64;
    SegmentDay {
        segment: "all".to_owned(),
        has_data: true,
        entered_high: Entries::default(),
        entered_churned: Entries { count, at_risk: size },
        returns: Returns { silent: size, observed: count, expected: exposure, variance: 0.0 },
    }
}

/// The days on which each alert of one sort fires. A series is no group of users, so no size of a group is asked for.
fn alerts(days: &[(Day, SegmentDay)], sort: AlertName) -> BTreeMap<String, BTreeSet<Day>> {
    let rules = SpikeRules { minimum_at_risk: 0, ..SpikeRules::default() };
    let mut book = AlertBook::new(AlertSettings { rules, ..AlertSettings::default() });
    let mut firing: BTreeMap<String, BTreeSet<Day>> = BTreeMap::new();
    for (day, segment) in days {
        for change in book.close_day(*day, std::slice::from_ref(segment)) {
            if change.alert.name == sort && change.kind != AlertChangeKind::Ended {
                firing.entry(change.alert.fingerprint).or_default().insert(*day);
            }
        }
    }
    firing
}

/// Compares alerts with labelled windows of days, both ends included; windows that end before anything can be judged do not count.
fn outcome(days: &[(Day, SegmentDay)], sort: AlertName, windows: &[(Day, Day)]) -> Outcome {
    let lag = if sort == AlertName::ReturnDeficit { 35 } else { 28 };
    let Some((first, _)) = days.get(lag) else { return Outcome::default() };
    let windows: Vec<&(Day, Day)> = windows.iter().filter(|(_, last)| last >= first).collect();
    let alerts = alerts(days, sort);
    let meets = |(from, to): &&&(Day, Day), days: &BTreeSet<Day>| days.range(*from..=*to).next().is_some();
    let hits = windows.iter().filter(|window| alerts.values().any(|days| meets(window, days))).count();
    let false_alarms = alerts.values().filter(|days| !windows.iter().any(|window| meets(&window, days))).count();
    Outcome { hits, incidents: windows.len(), false_alarms }
}

fn told(name: &str, sort: AlertName, found: Outcome) {
    let Outcome { hits, incidents, false_alarms } = found;
    println!("| {name} | {} | {hits} | {} | {false_alarms} |", sort.name(), incidents - hits);
}

const HEADER: &str = "| series | detector | hits | misses | false alarms |\n|---|---|---|---|---|";

/// The incidents that the shop's makers planted.
const INCIDENTS: [(&str, &str, &str); 3] = [
    ("organic spike", "2024-02-29", "2024-03-03"),
    ("checkout bug", "2024-04-09", "2024-05-09"),
    ("payment incident", "2024-05-19", "2024-06-07"),
];

/// Users by the days on which they were active.
type ActiveUsers = BTreeMap<Day, BTreeSet<String>>;

/// Events by day and type, the count of users active by day, and those users.
fn shop_series() -> (BTreeMap<String, Series>, Series, ActiveUsers) {
    let file = std::fs::File::open(data().join("ecom-clickstream-synthetic/events.csv.gz")).expect("the events");
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).expect("gzip");
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let mut users = ActiveUsers::new();
    let mut counts: BTreeMap<(String, Day), u64> = BTreeMap::new();
    for row in rows.records() {
        let row = row.expect("a row");
        let day = Day::parse(&row[2][..10]).expect("a day");
        users.entry(day).or_default().insert(row[1].to_owned());
        *counts.entry((row[3].to_owned(), day)).or_default() += 1;
    }
    let types: BTreeSet<&String> = counts.keys().map(|(name, _)| name).collect();
    let per_user = |name: &String| {
        let day = |(day, users): (&Day, &BTreeSet<String>)| {
            let count = counts.get(&(name.clone(), *day)).copied().unwrap_or(0);
            (*day, told_both_ways(count, users.len() as f64))
        };
        (name.clone(), users.iter().map(day).collect())
    };
    let series = types.into_iter().map(per_user).collect();
    let active = users.iter().map(|(day, users)| (*day, told_both_ways(users.len() as u64, 1.0))).collect();
    (series, active, users)
}

/// Returns by silence, as `alerts tune` counts them.
fn returns_of(users: &ActiveUsers, lapse_days: u16) -> Series {
    let last = *users.keys().next_back().expect("a day");
    let mut active: BTreeMap<&str, Vec<Day>> = BTreeMap::new();
    for (day, users) in users {
        for user in users {
            active.entry(user).or_default().push(*day);
        }
    }
    let mut history = SilenceHistory::new(lapse_days, last);
    for days in active.values() {
        history.add_user(days);
    }
    history.segment_days(|day| users.contains_key(&day))
}

pub(crate) fn shop() {
    let (by_type, active, users) = shop_series();
    let window = |index: usize| {
        let (_, from, to) = INCIDENTS[index];
        (Day::parse(from).expect("a day"), Day::parse(to).expect("a day"))
    };
    println!("\nthe synthetic web shop, each series by the incidents that should show in it\n{HEADER}");
    let spike = AlertName::ChurnSpike;
    let mut found = vec![(outcome(&active, spike, &[window(0)]), "daily active users: organic spike")];
    for (name, incident) in [("checkout_bug", 1), ("error_page", 1), ("payment_error", 2), ("support_chat", 2)] {
        found.push((outcome(&by_type[name], spike, &[window(incident)]), name));
    }
    for (outcome, name) in &found {
        told(name, spike, *outcome);
    }
    let mut deficits = Vec::new();
    for lapse_days in [30, 14] {
        let found = outcome(&returns_of(&users, lapse_days), AlertName::ReturnDeficit, &[window(1), window(2)]);
        told(&format!("returns within {lapse_days} days: checkout bug, payment incident"), AlertName::ReturnDeficit, found);
        deficits.push(found);
    }
    let deficit = outcome(&by_type["purchase"], AlertName::ReturnDeficit, &[window(1), window(2)]);
    told("purchase: checkout bug, payment incident", AlertName::ReturnDeficit, deficit);
    let as_found = |hits, incidents, false_alarms| Outcome { hits, incidents, false_alarms };
    let expected = [as_found(0, 1, 0), as_found(0, 1, 0), as_found(0, 1, 0), as_found(1, 1, 0), as_found(1, 1, 0)];
    assert_eq!(found.iter().map(|(outcome, _)| *outcome).collect::<Vec<_>>(), expected, "docs/alerts.md tells what was found");
    deficits.push(deficit);
    assert_eq!(deficits, [as_found(0, 2, 0), as_found(1, 2, 0), as_found(0, 2, 0)], "docs/alerts.md tells what was found");
}

/// The series with the length of what stands for a day, in seconds, and whether its values add up or are means. Shorter series are cut into
/// sevenths of a day, so that the factors of the weekdays are those of the time of day.
const NUMENTA: [(&str, i64, bool); 6] = [
    ("nyc_taxi", 86_400, true),
    ("Twitter_volume_AMZN", 86_400 / 7, true),
    ("Twitter_volume_AAPL", 86_400 / 7, true),
    ("ec2_request_latency_system_failure", 86_400 / 7, false),
    ("exchange-2_cpc_results", 86_400 / 7, false),
    ("exchange-3_cpm_results", 86_400 / 7, false),
];

/// Seconds since 1970 of `2014-07-01 00:30:00`, with or without decimals.
fn seconds(text: &str) -> i64 {
    let date = Day::parse(&text[..10]).expect("a day");
    let calendar_free = |part: &str| part.parse::<i64>().expect("digits");
    i64::from(date.number()) * 86_400
        + calendar_free(&text[11..13]) * 3600
        + calendar_free(&text[14..16]) * 60
        + calendar_free(&text[17..19])
}

fn numenta_series(name: &str, length: i64, adds_up: bool) -> Series {
    let text = std::fs::read_to_string(data().join(format!("nab-anomalies/{name}.csv"))).expect("a series");
    let mut bins: BTreeMap<Day, (f64, f64)> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let (time, value) = line.split_once(',').expect("two columns");
        let bin = bins.entry(Day::from_number((seconds(time) / length) as i32)).or_default();
        bin.0 += value.parse::<f64>().expect("a number");
        bin.1 += 1.0;
    }
    // Means are told in thousandths; a bin that is cut short by the start or end of the file tells of fewer values.
    let full = bins.values().map(|(_, values)| *values).fold(0.0, f64::max);
    let day = |(day, (sum, values)): (&Day, &(f64, f64))| {
        if adds_up { (*day, (*sum as u64, values / full)) } else { (*day, ((sum / values * 1_000.0) as u64, 1.0)) }
    };
    bins.iter().map(day).filter(|(_, (_, exposure))| *exposure > 0.5).map(|(day, (count, _))| (day, told_both_ways(count, 1.0))).collect()
}

pub(crate) fn numenta() {
    let labels = std::fs::read_to_string(data().join("nab-anomalies/labels.json")).expect("the labels");
    let labels: Value = serde_json::from_str(&labels).expect("JSON");
    println!("\nthe Numenta benchmark; its windows hold rises and falls alike, and each detector sees one of them\n{HEADER}");
    let mut all = Vec::new();
    for (name, length, adds_up) in NUMENTA {
        let series = numenta_series(name, length, adds_up);
        let bound = |text: &Value| Day::from_number((seconds(text.as_str().expect("a time")) / length) as i32);
        let windows = labels[format!("{name}.csv")]["windows"].as_array().expect("windows");
        let windows: Vec<(Day, Day)> = windows.iter().map(|window| (bound(&window[0]), bound(&window[1]))).collect();
        for sort in [AlertName::ChurnSpike, AlertName::ReturnDeficit] {
            let found = outcome(&series, sort, &windows);
            told(name, sort, found);
            all.push(found);
        }
    }
    let sum = |field: fn(&Outcome) -> usize| all.iter().map(field).sum::<usize>();
    let totals = (sum(|found| found.hits), sum(|found| found.incidents), sum(|found| found.false_alarms));
    println!("both: {} hits of {} judged, {} false alarms", totals.0, totals.1, totals.2);
    assert_eq!(totals, (12, 36, 38), "docs/alerts.md tells what was found");
}
