//! From orders to recency, frequency and money, as lifetimes' own tests state it.

use serde_json::{Value, json};
use stickiness::config::Settings;
use stickiness::model::churn::ProcessKind;
use stickiness::model::histories::{Histories, HistoryReader, history};
use stickiness::model::time::{Calendar, Day};

use super::{Entry, day, near, number, numbers};

pub(super) const ENTRIES: &[Entry] = &[
    ("summary-days", by_day),
    ("summary-holdout", by_holdout),
    ("summary-out-of-order", out_of_order),
    ("summary-same-period", same_period),
];

/// Orders as rows of user, day and perhaps money, in their order.
fn read(rows: &Value) -> Histories {
    let decoder = Settings::read("", []).expect("defaults").decoder();
    let mut reader = HistoryReader::new(Calendar::new("UTC").expect("a zone"), Vec::new());
    for row in rows.as_array().expect("rows") {
        let timestamp = format!("{}T12:00:00Z", row[1].as_str().expect("a day"));
        let event =
            json!({"user_id": row[0].to_string(), "type": "order_placed", "timestamp": timestamp, "properties": {"amount": row[2]}});
        reader.take(&decoder.decode_json(event.to_string().as_bytes()).expect("an event"));
    }
    reader.finish(90)
}

fn by_day(entry: &Value) {
    let as_of = day("2015-02-07");
    let users = read(&entry["inputs"]).up_to(ProcessKind::Purchase, as_of);
    let expected: Vec<Vec<f64>> = entry["expected"].as_array().expect("rows").iter().map(numbers).collect();
    let row = |(id, days): (u32, &stickiness::model::histories::Days)| {
        let (history, spend) = history(days, as_of).expect("a day");
        let recency = f64::from(history.recency_days);
        vec![f64::from(id), f64::from(history.repeats), recency, recency + f64::from(history.silent_days), spend.mean]
    };
    assert_eq!((1..).zip(&users).map(row).collect::<Vec<_>>(), expected);
}

/// The mean of all days of the holdout, the first included.
fn by_holdout(entry: &Value) {
    let cut = day("2015-02-01");
    let judged = read(&entry["inputs"]).judged(ProcessKind::Purchase, cut, day("2015-02-07"));
    let before: Vec<f64> = judged.iter().map(|user| history(&user.before, cut).expect("a day").1.mean).collect();
    let mean = |days: &[(Day, stickiness::model::money::Money)]| {
        days.iter().map(|(_, money)| money.as_f64()).sum::<f64>() / (days.len() as f64).max(1.0)
    };
    let after: Vec<f64> = judged.iter().map(|user| mean(&user.after)).collect();
    assert_eq!((before, after), (numbers(&entry["expected"]["cal"]), numbers(&entry["expected"]["holdout"])));
}

fn out_of_order(entry: &Value) {
    let as_of = day("2014-12-31");
    let users = read(&entry["inputs"]).up_to(ProcessKind::Purchase, as_of);
    near("mean", history(&users[0], as_of).expect("a day").1.mean, number(&entry["expected"]), number(&entry["tol"]));
}

fn same_period(entry: &Value) {
    let as_of = day("2015-02-07");
    let users = read(&entry["inputs"]).up_to(ProcessKind::Purchase, as_of);
    let (history, _) = history(&users[0], as_of).expect("a day");
    near("repeats", f64::from(history.repeats), number(&entry["expected"]), number(&entry["tol"]));
}
