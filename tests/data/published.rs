//! The published figures of the churn and spend models, each with its own tolerance, and vectors of high precision.

mod bg_nbd;
mod fits;
mod spend;
mod summaries;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use stickiness::config::Settings;
use stickiness::io::files::{FileRecords, Input, Progress};
use stickiness::io::histories::read_histories;
use stickiness::model::churn::closed_form::{ClosedForm, Span};
use stickiness::model::churn::fit::Weighted;
use stickiness::model::churn::{ChurnModel, ChurnParameters};
use stickiness::model::histories::Histories;
use stickiness::model::spend::Spend;
use stickiness::model::time::Day;
use stickiness::wire::mapping::Format;

use crate::{Named, data};

/// Entries that are about other models, with the reason why they are not tested here.
const OTHERS: [(&str, &str); 7] = [
    ("pnbd-fit", "Pareto/NBD is not offered: MBG/NBD has its dropout for one-time buyers in closed form"),
    ("pnbd-1516", "Pareto/NBD is not offered"),
    ("pnbd-holdout-bins", "Pareto/NBD is not offered"),
    ("bgbb-donations", "BG/BB is not offered: it is for occasions at fixed intervals"),
    ("summary-weeks", "calendar weeks are no unit of recency here: a week is seven days from the first"),
    ("rfm-segments-tests", "RFM scores, not a model of churn"),
    ("rfm-rows", "RFM scores, not a model of churn"),
];

/// An entry's id with its test.
type Entry = (&'static str, fn(&Value));

fn entries() -> Vec<Entry> {
    [bg_nbd::ENTRIES, fits::ENTRIES, spend::ENTRIES, summaries::ENTRIES].concat()
}

pub(crate) fn add(tests: &mut Vec<Named>) {
    for (id, test) in entries() {
        tests.push((format!("published {id}"), Box::new(move || test(&entry(id)))));
    }
    tests.push(("published figures are all covered".into(), Box::new(all_are_covered)));
    tests.push(("vectors of BG/NBD".into(), Box::new(bg_nbd::vectors)));
    tests.push(("fits of cdnow-master and lifetimes-example".into(), Box::new(fits::of_logs)));
    tests.push(("customers of cdnow-master".into(), Box::new(fits::customers)));
    tests.push(("buckets of histories change little cdnow-master".into(), Box::new(fits::buckets)));
    tests.push(("a log that does not suit rfm-orders".into(), Box::new(fits::unsuited)));
}

fn all_are_covered() {
    let published: BTreeSet<String> = published().iter().map(|entry| entry["id"].as_str().expect("an id").to_owned()).collect();
    let covered = entries().into_iter().map(|(id, _)| id.to_owned()).chain(OTHERS.iter().map(|(id, _)| (*id).to_owned())).collect();
    assert_eq!(published, covered);
}

fn json(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(data().join(path)).expect("a file")).expect("JSON")
}

fn published() -> Vec<Value> {
    json("published-numbers/published.json").as_array().expect("a list").clone()
}

fn entry(id: &str) -> Value {
    published().into_iter().find(|entry| entry["id"] == id).expect("an entry")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(number).collect()
}

#[track_caller]
fn near(what: &str, found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() <= within, "{what}: {found} for {expected}, within {within}");
}

#[track_caller]
fn all_near(what: &str, found: &[f64], expected: &[f64], within: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        near(&format!("{what} {index}"), *found, *expected, within);
    }
}

fn parameters(value: &Value) -> ChurnParameters {
    let field = |name: &str| number(&value[name]);
    ChurnParameters { r: field("r"), alpha: field("alpha"), a: field("a"), b: field("b") }
}

#[track_caller]
fn parameters_near(found: ChurnParameters, expected: &Value, within: f64) {
    let ChurnParameters { r, alpha, a, b } = found;
    for (name, found) in [("r", r), ("alpha", alpha), ("a", a), ("b", b)] {
        near(name, found, number(&expected[name]), within);
    }
}

/// BG/NBD at the published fit of CDNOW.
fn fitted() -> ClosedForm {
    ClosedForm::new(ChurnModel::BgNbd, parameters(&entry("bg-fit")["expected"]))
}

/// BG/NBD at the parameters that the walkthrough of BTYD goes on with.
fn walkthrough() -> ClosedForm {
    ClosedForm::new(ChurnModel::BgNbd, parameters(&entry("bg-E-new")["inputs"]))
}

fn span(repeats: f64, recency: f64, age: f64) -> Span {
    Span { repeats, recency, age }
}

fn day(text: &str) -> Day {
    Day::parse(text).expect("a day")
}

/// The histories of a log whose purchases are orders, up to a day.
pub(crate) fn histories(log: &str, until: &str) -> Histories {
    let text = "[input]\nformat = \"csv\"\n[input.fields]\ntimestamp = \"event_time\"\ntype = \"event_type\"\n[input.types]\npurchase = \"order_placed\"\n";
    let settings = Settings::read(text, []).expect("valid settings");
    let path = data().join(log).join("events.csv.gz");
    let inputs = vec![Input::from_argument(path.to_str().expect("UTF-8"), Format::Csv).expect("a known ending")];
    let decoder = settings.decoder();
    let (histories, counts) =
        read_histories(&settings, FileRecords::new(inputs, &decoder, Progress::hidden()), day(until)).expect("readable");
    assert_eq!(counts.refused, 0);
    histories
}

/// The summary of CDNOW by customer as lifetimes has it: id, span in weeks, mean spend.
fn summary() -> Vec<(String, Span, Spend)> {
    let path = data().join("cdnow-sample/cdnow_customers_summary_with_transactions.csv");
    let row = |row: csv::StringRecord| {
        let field = |index: usize| row[index].parse::<f64>().expect("a number");
        let spend = Spend { repeats: row[1].parse().expect("a count"), mean: field(4) };
        (row[0].to_owned(), span(field(1), field(2), field(3)), spend)
    };
    csv_rows(&path).into_iter().map(row).collect()
}

fn csv_rows(path: &Path) -> Vec<csv::StringRecord> {
    csv::Reader::from_path(path).expect("a file").records().map(|row| row.expect("a row")).collect()
}

fn each_alone(spans: impl IntoIterator<Item = Span>) -> Vec<Weighted> {
    spans.into_iter().map(|span| Weighted { span, users: 1.0 }).collect()
}
