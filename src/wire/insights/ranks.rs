//! Where a user stands among all others: what changes with what others do, and is therefore in no record of the user.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cross_sell::next_of;
use crate::engine::insights::{Insights, Times};
use crate::model::insights::rfm::Buyer;
use crate::model::money::Money;
use crate::model::time::Day;

/// The ranks at the end of `day` of a user of whom this is the profile, with the latest days and orders in it. `null` stands where the user has nothing to be ranked by.
#[must_use]
pub fn ranks(insights: &Insights, day: Day, profile: &Value) -> Value {
    let buyer = buyer(day, profile);
    let scores = buyer.as_ref().and_then(|buyer| insights.buyers.cuts().map(|cuts| cuts.scores(buyer)));
    let rfm = scores.map(|[recency, frequency, monetary]| {
        json!({ "recency": recency, "frequency": frequency, "monetary": monetary, "buyers": insights.buyers.users() })
    });
    let bought: BTreeSet<&str> = profile["recent"]["categories"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    json!({
        "as_of": day.to_string(),
        "rfm": rfm,
        "decision": among(&insights.trade.decisions, &profile["decision_s_mean"]),
        "wait": among(&insights.trade.waits, &profile["wait_s_mean"]),
        "next_category": next_of(&insights.groups, &bought).map(|next| next.told()),
    })
}

/// The share of buyers whose time is longer than that of the user.
fn among(times: &Times, seconds: &Value) -> Option<Value> {
    let longer = times.longer(seconds.as_f64()?)?;
    Some(json!({ "longer_share": longer, "buyers": times.users() }))
}

/// What a buyer is ranked by, as of a day that may be later than that of the profile.
#[expect(clippy::cast_possible_truncation, reason = "money is far below 2^53 millionths times two")]
fn buyer(day: Day, profile: &Value) -> Option<Buyer> {
    let days = |name: &str| i32::try_from(profile[name].as_i64()?).ok();
    let since = days("age_days")? - days("recency_days")?;
    let as_of = profile["as_of"].as_str().and_then(Day::parse)?;
    let revenue = (profile["revenue"].as_f64()? * 1e6).round() as i128;
    Some((since + day.days_since(as_of), profile["orders"].as_u64()?, Money::from_millionths(revenue)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insights() -> Insights {
        let mut insights = Insights::default();
        for number in 1_i32..=10 {
            insights.buyers.count((
                100 - 10 * number,
                u64::from(number.unsigned_abs()),
                Money::from_millionths(i128::from(number) * 10_000_000),
            ));
            insights.trade.decisions.count(f64::from(number) * 60.0);
        }
        let groups = &mut insights.groups;
        groups.buyers = [100, 50];
        for (category, buyers) in [("tea", 40), ("cake", 20), ("cups", 30)] {
            groups.categories.insert(category.into(), buyers);
        }
        groups.pairs.insert(("cake".into(), "tea".into()), 16);
        groups.pairs.insert(("cups".into(), "tea".into()), 13);
        insights
    }

    fn profile(categories: &[&str]) -> Value {
        json!({
            "as_of": "2026-01-30", "age_days": 50, "recency_days": 50, "orders": 10, "revenue": 100.0, "decision_s_mean": 60.0,
            "wait_s_mean": null, "recent": { "categories": categories },
        })
    }

    #[test]
    fn a_user_is_ranked_among_all() {
        let day = Day::parse("2026-01-31").expect("a day");
        let told = ranks(&insights(), day, &profile(&["tea"]));
        assert_eq!(told["rfm"], json!({ "recency": 5, "frequency": 5, "monetary": 5, "buyers": 10 }), "the last order is of yesterday");
        assert_eq!(told["decision"], json!({ "longer_share": 0.95, "buyers": 10 }), "of ten the quickest");
        assert_eq!(told["wait"], Value::Null, "nothing is known of waiting");
        assert_eq!((&told["next_category"]["category"], &told["next_category"]["lift"]), (&json!("cake"), &json!(2.0)));
    }

    #[test]
    fn next_is_what_was_not_bought() {
        let day = Day::parse("2026-01-31").expect("a day");
        let next = |categories: &[&str]| ranks(&insights(), day, &profile(categories))["next_category"].clone();
        assert_eq!(next(&["cake", "tea"])["category"], "cups");
        assert_eq!(next(&["cups"])["category"], "tea");
        assert_eq!(next(&["cake", "cups", "tea"]), Value::Null, "there is no other");
        assert_eq!(next(&[]), Value::Null);
        let mut nobody = profile(&[]);
        nobody["recency_days"] = Value::Null;
        assert_eq!(ranks(&insights(), day, &nobody)["rfm"], Value::Null, "who never bought has no ranks");
    }
}
