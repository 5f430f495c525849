//! Comparisons as JSON: `stickiness.compare.v1`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::model::compare::arms::{Arms, Doings, Exposed};
use crate::model::compare::{Difference, LARGEST_IMBALANCE, Summary, imbalance, of_means, of_series, of_shares};
use crate::model::insights::proportion::Proportion;
use crate::model::time::Day;

/// The first and the last day of a period.
pub type Period = (Day, Day);

/// By how much one group may be larger than the other without a word.
const LARGEST_RATIO: f64 = 1.25;

/// Something that users do, by name.
type Named<T> = (&'static str, fn(&Doings) -> T);

/// What users did, as a number.
const MEANS: [Named<f64>; 4] = [
    ("active_days", |doings| f64::from(doings.active_days)),
    ("orders", |doings| f64::from(doings.orders)),
    ("revenue", |doings| doings.revenue),
    ("complaints", |doings| f64::from(doings.complaints)),
];

/// Whether users did something.
const SHARES: [Named<bool>; 7] = [
    ("active", |doings| doings.active_days > 0),
    ("buyers", |doings| doings.orders > 0),
    ("repeat_buyers", |doings| doings.orders > 1),
    ("complainers", |doings| doings.complaints > 0),
    ("redeemers", |doings| doings.rewards > 0),
    ("referrers", |doings| doings.referrals > 0),
    ("left", |doings| doings.left),
];

/// Every metric of two periods beside each other, of records by day.
#[must_use]
pub fn periods(records: &BTreeMap<Day, &Value>, before: Period, after: Period) -> Value {
    let of = |(from, through): Period| -> Vec<&Value> { records.range(from..=through).map(|(_, record)| *record).collect() };
    let (first, second) = (of(before), of(after));
    let mut names: Vec<&String> = first.iter().chain(&second).filter_map(|record| record.as_object()).flat_map(Map::keys).collect();
    names.sort_unstable();
    names.dedup();
    let measure = |name: &&String| {
        let values = |records: &[&Value]| -> Vec<f64> { records.iter().filter_map(|record| record[name.as_str()].as_f64()).collect() };
        let (one, other) = (values(&first), values(&second));
        let compared = of_series(&one, &other)?;
        Some(row(name, (&Summary::of(&one), &Summary::of(&other)), compared))
    };
    let is_figure = |name: &&&String| !["revision"].contains(&name.as_str());
    json!({
        "schema": "stickiness.compare.v1",
        "by": "period",
        "groups": [group(before, &first), group(after, &second)],
        "measures": names.iter().filter(is_figure).filter_map(measure).collect::<Vec<_>>(),
        "warnings": warnings_of_periods((before, &first), (after, &second)),
    })
}

fn group((from, through): Period, records: &[&Value]) -> Value {
    let name = format!("{from}..{through}");
    json!({ "name": name, "days": records.len(), "of_days": through.days_since(from) + 1 })
}

fn row(name: &str, (first, second): (&Summary, &Summary), compared: Difference) -> Value {
    let (low, high) = compared.interval.unzip();
    json!({
        "name": name,
        "first": { "count": first.count, "mean": first.mean },
        "second": { "count": second.count, "mean": second.mean },
        "difference": compared.difference,
        "low": low,
        "high": high,
    })
}

fn warnings_of_periods((before, first): (Period, &[&Value]), (after, second): (Period, &[&Value])) -> Vec<String> {
    let mut warnings = Vec::new();
    let length = |(from, through): Period| through.days_since(from) + 1;
    for (period, records) in [(before, first), (after, second)] {
        let missing = length(period) - i32::try_from(records.len()).unwrap_or(i32::MAX);
        if missing > 0 {
            warnings.push(format!("{}..{} has no record of {missing} of its {} days", period.0, period.1, length(period)));
        }
        let open = records.iter().filter(|record| record["final"] == false).count();
        if open > 0 {
            warnings.push(format!("{open} days of {}..{} are provisional", period.0, period.1));
        }
    }
    if length(before) % 7 != 0 || length(after) % 7 != 0 {
        warnings.push("a period is not of whole weeks: weekdays weigh differently in the two".to_owned());
    }
    if before.1 >= after.0 && after.1 >= before.0 {
        warnings.push("the periods overlap".to_owned());
    }
    let mean =
        |records: &[&Value], name: &str| Summary::of(&records.iter().filter_map(|record| record[name].as_f64()).collect::<Vec<_>>()).mean;
    if let Some((one, other)) = mean(first, "mau_30d").zip(mean(second, "mau_30d")).filter(|(one, other)| *one > 0.0 && *other > 0.0)
        && (one / other).max(other / one) > LARGEST_RATIO
    {
        warnings.push(format!("the groups differ in size: {one:.0} and {other:.0} users a month"));
    }
    let newcomers = |records: &[&Value]| Some(mean(records, "new_30d")? / mean(records, "mau_30d").filter(|users| *users > 0.0)?);
    if let Some((one, other)) = newcomers(first).zip(newcomers(second)).filter(|(one, other)| (one - other).abs() > 0.1) {
        warnings.push(format!("the mix differs: {:.0} % and {:.0} % of the users of a month are new", 100.0 * one, 100.0 * other));
    }
    warnings
}

/// Two arms of a campaign beside each other, on `days` days from each user's exposure on. `None` when one of them has nobody.
#[must_use]
pub fn arms(arms: &Arms, (control, treated): (&str, &str), days: i32) -> Option<Value> {
    let (first, second) = (arms.users.get(control)?, arms.users.get(treated)?);
    let after = |users: &[Exposed], read: fn(&Doings) -> f64| -> Vec<f64> { users.iter().map(|user| read(&user.after)).collect() };
    let means = MEANS.iter().filter_map(|(name, read)| {
        let (one, other) = (after(first, *read), after(second, *read));
        Some(row(name, (&Summary::of(&one), &Summary::of(&other)), of_means(&one, &other)?))
    });
    let shares = SHARES.iter().filter_map(|(name, read)| {
        let share = |users: &[Exposed]| {
            let mut share = Proportion::default();
            for user in users {
                share.count(read(&user.after));
            }
            share
        };
        let (one, other) = (share(first), share(second));
        let summary =
            |share: &Proportion| Summary { count: usize::try_from(share.whole).unwrap_or_default(), mean: share.share(), variance: None };
        Some(row(name, (&summary(&one), &summary(&other)), of_shares(&one, &other)?))
    });
    Some(json!({
        "schema": "stickiness.compare.v1",
        "by": "arm",
        "days": days,
        "groups": [{ "name": control, "users": first.len() }, { "name": treated, "users": second.len() }],
        "measures": means.chain(shares).collect::<Vec<_>>(),
        "warnings": warnings_of_arms(arms, first, second),
    }))
}

#[expect(clippy::cast_precision_loss, reason = "counts of users are far below 2^53")]
fn warnings_of_arms(arms: &Arms, first: &[Exposed], second: &[Exposed]) -> Vec<String> {
    let mut warnings = Vec::new();
    let ratio = first.len() as f64 / second.len() as f64;
    if ratio.max(1.0 / ratio) > LARGEST_RATIO {
        warnings.push(format!("the groups differ in size: {} and {} users", first.len(), second.len()));
    }
    for (name, read) in MEANS {
        let before = |users: &[Exposed]| -> Vec<f64> { users.iter().map(|user| read(&user.before)).collect() };
        if let Some(apart) = imbalance(&before(first), &before(second)).filter(|apart| apart.abs() > LARGEST_IMBALANCE) {
            warnings.push(format!("the mix differs: {name} before the exposure is {apart:.2} standard deviations apart"));
        }
    }
    if arms.in_several > 0 {
        warnings.push(format!("{} users were exposed to several arms and are left out", arms.in_several));
    }
    if arms.unfinished > 0 {
        warnings.push(format!("{} users are left out whose days after the exposure are not over", arms.unfinished));
    }
    warnings
}
