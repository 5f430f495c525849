//! Measures of loyalty on real logs, against recounts from the files.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use stickiness::config::Settings;
use stickiness::io::files::{FileRecords, Input, Progress};
use stickiness::io::replay::{Order, ReplayOptions, replay};
use stickiness::model::insights::rfm::Buyers;
use stickiness::model::money::Money;
use stickiness::model::time::Day;
use stickiness::wire::mapping::Format;

use crate::{Named, data};

pub(crate) fn add(tests: &mut Vec<Named>) {
    tests.push(("repeated problems bpi2016-complaints".into(), Box::new(repeated_problems)));
    tests.push(("coupons and channels completejourney-sample".into(), Box::new(coupons)));
    tests.push(("campaigns completejourney-sample".into(), Box::new(campaigns)));
    tests.push(("rhythm of orders rfm-orders".into(), Box::new(rhythm)));
    tests.push(("fifths of buyers rfm-orders".into(), Box::new(fifths)));
    tests.push(("promoters nps-timeseries".into(), Box::new(promoters)));
}

/// The profiles of a log, by user.
fn profiles(log: &str, mapping: &str) -> BTreeMap<String, Value> {
    let text = format!("[input]\nformat = \"csv\"\n[input.fields]\ntimestamp = \"event_time\"\ntype = \"event_type\"\n{mapping}\n");
    let settings = Settings::read(&text, []).expect("valid settings");
    let output = tempfile::tempdir().expect("a folder");
    let options = ReplayOptions { output: output.path().into(), until: None, partitions: 3, order: Order::EventTime };
    let decoder = settings.decoder();
    let path = data().join(log).join("events.csv.gz");
    let input = vec![Input::from_argument(path.to_str().expect("UTF-8"), Format::Csv).expect("a known ending")];
    let summary = replay(&settings, &options, FileRecords::new(input, &decoder, Progress::hidden())).expect("replays");
    assert_eq!(summary.accepted, summary.records, "nothing is left out: {:?}", summary.dead_letters);
    let written = std::fs::read_to_string(output.path().join("profiles.ndjson")).expect("profiles");
    let profiles = written.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    profiles.map(|profile| (profile["user_id"].as_str().expect("an id").to_owned(), profile)).collect()
}

fn rows(log: &str) -> Vec<BTreeMap<String, String>> {
    let file = std::fs::File::open(data().join(log).join("events.csv.gz")).expect("a file");
    let mut reader = csv::Reader::from_reader(flate2::read::GzDecoder::new(file));
    reader.deserialize().map(|row| row.expect("a row")).collect()
}

fn day(row: &BTreeMap<String, String>) -> i32 {
    Day::parse(&row["event_time"][..10]).expect("a day").number()
}

fn repeated_problems() {
    let profiles =
        profiles("bpi2016-complaints", "[input.types]\ncomplaint = \"complaint_opened\"\n[input.properties]\ncategory = \"item_id\"");
    let rows = rows("bpi2016-complaints");
    let mut problems: BTreeMap<(&str, &str), Vec<i32>> = BTreeMap::new();
    for row in &rows {
        problems.entry((&row["user_id"], &row["item_id"])).or_default().push(day(row));
    }
    let mut found = 0;
    for (user, profile) in &profiles {
        let as_of = Day::parse(profile["as_of"].as_str().expect("a day")).expect("a day").number();
        let recent = |days: &Vec<i32>| days.iter().filter(|at| (as_of - 179..=as_of).contains(at)).count();
        let repeated = problems.iter().filter(|((id, _), days)| id == user && recent(days) > 1).count();
        assert_eq!(profile["repeated_problems"], repeated, "{user}");
        found += repeated;
    }
    assert!(profiles.len() == 226 && found > 20, "{found} of {}", profiles.len());
}

fn coupons() {
    let mapping = "[input.types]\npurchase = \"activity\"\ncampaign_sent = \"campaign_exposed\"\ncoupon_redeemed = \"reward_redeemed\"\n[input.properties]\nitem = \"item_id\"";
    let profiles = profiles("completejourney-sample", mapping);
    let rows = rows("completejourney-sample");
    let mut coupons: BTreeMap<&str, u64> = BTreeMap::new();
    let mut stores: BTreeMap<&str, BTreeMap<&str, BTreeSet<i32>>> = BTreeMap::new();
    for row in &rows {
        match row["event_type"].as_str() {
            "coupon_redeemed" => *coupons.entry(&row["user_id"]).or_default() += 1,
            "purchase" => _ = stores.entry(&row["user_id"]).or_default().entry(&row["channel"]).or_default().insert(day(row)),
            _ => {}
        }
    }
    let total: u64 = profiles.values().map(|profile| profile["rewards_redeemed"].as_u64().expect("a count")).sum();
    assert_eq!(total, 2_102, "as many as the log's own facts say");
    let (mut none, mut some) = (0, 0);
    for (user, profile) in &profiles {
        assert_eq!(profile["rewards_redeemed"], coupons.get(user.as_str()).copied().unwrap_or_default(), "{user}");
        let as_of = Day::parse(profile["as_of"].as_str().expect("a day")).expect("a day").number();
        let recent = |days: &BTreeSet<i32>| days.range(as_of - 59..=as_of).count();
        let visits: BTreeMap<&str, usize> =
            stores.get(user.as_str()).into_iter().flatten().map(|(store, days)| (*store, recent(days))).collect();
        let most = visits.values().max().copied().filter(|most| *most > 0);
        let favourite = visits.iter().find(|(_, days)| Some(**days) == most).map(|(store, _)| *store);
        assert_eq!(profile["favourite_channel"].as_str(), favourite, "{user}");
        assert_eq!(profile["channels"], visits.values().filter(|days| **days > 0).count(), "{user}");
        if favourite.is_some() { some += 1 } else { none += 1 }
    }
    assert!(none > 100 && some > 1_000, "{none} users without a store of late, {some} with one");
}

/// Households that a campaign was sent to, beside those that never had one, against a recount.
fn campaigns() {
    const DAYS: i32 = 28;
    let rows = rows("completejourney-sample");
    let mut sent: BTreeMap<&str, BTreeMap<&str, i32>> = BTreeMap::new();
    let mut bought: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    for row in &rows {
        match row["event_type"].as_str() {
            "campaign_sent" => {
                let first = sent.entry(&row["item_id"]).or_default().entry(&row["user_id"]).or_insert(i32::MAX);
                *first = day(row).min(*first);
            }
            _ => _ = bought.entry(&row["user_id"]).or_default().insert(day(row)),
        }
    }
    let newest = rows.iter().map(day).max().expect("rows");
    let over = |users: &BTreeMap<&str, i32>| users.values().filter(|from| **from + DAYS - 1 <= newest).count();
    let (campaign, users) = sent.iter().max_by_key(|(_, users)| over(users)).expect("campaigns");
    let text = "[input]\nformat = \"csv\"\n[input.fields]\ntimestamp = \"event_time\"\ntype = \"event_type\"\n[input.types]\npurchase = \"activity\"\n\
        campaign_sent = \"campaign_exposed\"\ncoupon_redeemed = \"reward_redeemed\"\n[input.properties]\ncampaign = \"item_id\"\n";
    let settings = Settings::read(text, []).expect("valid settings");
    let decoder = settings.decoder();
    let path = data().join("completejourney-sample/events.csv.gz");
    let input = vec![Input::from_argument(path.to_str().expect("UTF-8"), Format::Csv).expect("a known ending")];
    let records = FileRecords::new(input, &decoder, Progress::hidden());
    let arms = stickiness::io::compare::of_arms(&settings, campaign, (DAYS, true), records).expect("reads");
    assert_eq!(arms.users["exposed"].len(), over(users), "{campaign}");
    let nothing = BTreeSet::new();
    let active = |from: i32, user: &str| bought.get(user).unwrap_or(&nothing).range(from..from + DAYS).count();
    let expected: usize = users.iter().filter(|(_, from)| **from + DAYS - 1 <= newest).map(|(user, from)| active(*from, user)).sum();
    let found: u32 = arms.users["exposed"].iter().map(|user| user.after.active_days).sum();
    assert_eq!(usize::try_from(found).expect("small"), expected);
    let compared = stickiness::wire::compare::arms(&arms, ("unexposed", "exposed"), DAYS).expect("both");
    let warnings = compared["warnings"].to_string();
    assert!(warnings.contains("the mix differs: active_days before"), "campaigns went to those who buy often: {warnings}");
}

fn rhythm() {
    let profiles = profiles("rfm-orders", "[input.types]\npurchase = \"order_placed\"");
    let rows = rows("rfm-orders");
    let mut days: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    for row in &rows {
        days.entry(&row["user_id"]).or_default().insert(day(row));
    }
    let mut steady = 0;
    for (user, profile) in &profiles {
        let days: Vec<i32> = days[user.as_str()].iter().copied().collect();
        let gaps: Vec<f64> = days.windows(2).map(|pair| f64::from(pair[1] - pair[0])).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / gaps.len() as f64;
        let expected = (gaps.len() > 1).then(|| variance.sqrt() / mean);
        let found = profile["gap_variation"].as_f64();
        let close = found.zip(expected).map_or(found.is_none() && expected.is_none(), |(found, expected)| (found - expected).abs() < 1e-9);
        assert!(close, "{user}: {found:?}, not {expected:?}");
        steady += usize::from(found.is_some_and(|variation| variation < 1.0));
        assert_eq!(profile["full_price_share"], 1.0, "no discount is told");
        assert!(
            profile["decision_s_mean"].is_null() && profile["customer_share"].is_null() && profile["satisfaction"].is_null(),
            "unknown is null"
        );
    }
    assert!(profiles.len() == 995 && steady > 500, "{steady} of {}", profiles.len());
}

/// Scores as the package `rfm` for R computes them, and its count of champions.
fn fifths() {
    let profiles = profiles("rfm-orders", "[input.types]\npurchase = \"order_placed\"");
    let analysis = Day::parse("2006-12-31").expect("a day");
    let buyer = |profile: &Value| {
        let first = Day::parse(profile["first_active_day"].as_str().expect("a day")).expect("a day");
        let last = first + profile["recency_days"].as_i64().expect("days") as i32;
        let millionths = (profile["revenue"].as_f64().expect("money") * 1e6).round() as i128;
        (analysis.days_since(last), profile["orders"].as_u64().expect("orders"), Money::from_millionths(millionths))
    };
    let mut buyers = Buyers::default();
    for profile in profiles.values() {
        buyers.count(buyer(profile));
    }
    let cuts = buyers.cuts().expect("buyers");
    let mut reader = csv::Reader::from_path(data().join("rfm-orders/expected/rfm_scores.csv")).expect("expected scores");
    let (mut champions, mut compared) = ((0, 0, Money::ZERO), 0);
    for row in reader.deserialize::<BTreeMap<String, String>>() {
        let row = row.expect("a row");
        let buyer = buyer(&profiles[&row["customer_id"]]);
        let [recency, frequency, money] = cuts.scores(&buyer);
        assert_eq!(format!("{recency}{frequency}{money}"), row["rfm"], "{}", row["customer_id"]);
        compared += 1;
        if [recency, frequency, money].iter().all(|score| *score >= 4) {
            champions = (champions.0 + 1, champions.1 + buyer.1, champions.2 + buyer.2);
        }
    }
    assert_eq!(compared, 995);
    assert_eq!(champions, (158, 1_234, Money::from_millionths(120_178_000_000)), "as the package's own tests have them");
    let grid = buyers.grid(&cuts);
    assert_eq!(grid.iter().flatten().map(|cell| cell.1).sum::<u64>(), 4_906);
}

fn promoters() {
    let profiles = profiles("nps-timeseries", "[input.types]\nnps = \"survey_response\"\n[input.properties]\nrecommend = \"rating\"");
    let count = |of: fn(u64) -> bool| profiles.values().filter(|profile| profile["recommend"].as_u64().is_some_and(of)).count();
    let (promoters, detractors) = (count(|score| score >= 9), count(|score| score <= 6));
    assert_eq!((promoters, profiles.len() - promoters - detractors, detractors), (2_309, 972, 1_719), "as the log's notes say");
    let attitudes = profiles.values().filter(|profile| !profile["attitude"].is_null());
    assert!(attitudes.count() < 3_000, "answers of more than 180 days ago say nothing");
}
