//! How long lists of names are told: names come with events, and whoever sends those could make a list as long as they like.

use std::cmp::Reverse;

use serde_json::{Map, Value, json};

/// Names of a list that are told at most: those with the largest counts, of equals the first by name.
pub const TOLD_NAMES: usize = 1_000;

/// Lists of what events name, as paths in the insights, with the figures of a row whose sum is its count; an object of counts by name has none.
const LISTS: [(&str, &[&str]); 14] = [
    ("/recovery/remedies", &["/stayed/users"]),
    ("/satisfaction/curve", &["/users"]),
    ("/satisfaction/second_order", &["/users"]),
    ("/departures/reasons", &[]),
    ("/departures/competitors", &[]),
    ("/departures/flows", &["/count"]),
    ("/attributes", &["/users"]),
    ("/channels", &["/users", "/orders_90d"]),
    ("/cross_sell/categories", &[]),
    ("/cross_sell/next", &["/buyers"]),
    ("/complaints/categories", &["/complaints"]),
    ("/intermediaries", &["/orders_90d"]),
    ("/campaigns", &["/exposed/users", "/held_out/users"]),
    ("/competitors", &["/users"]),
];

/// Shortens what is too long, and tells how much is left out of each such list, by its path with dots.
pub(super) fn shorten(insights: &mut Value) -> Map<String, Value> {
    let mut left_out = Map::new();
    for (path, figures) in LISTS {
        let left = insights.pointer_mut(path).map_or(0, |list| shorten_list(list, figures));
        if left > 0 {
            left_out.insert(path[1..].replace('/', "."), json!(left));
        }
    }
    left_out
}

/// What is left out of the lists of one of the insights.
#[must_use]
pub fn left_out_of(insights: &Value, name: &str) -> Map<String, Value> {
    let lists = insights["left_out"].as_object().into_iter().flatten();
    lists.filter(|(list, _)| list.split('.').next() == Some(name)).map(|(list, left)| (list.clone(), left.clone())).collect()
}

/// Keeps the first by count, in the order in which they are; tells how many it does not keep.
fn shorten_list(list: &mut Value, figures: &[&str]) -> usize {
    let count = |row: &Value| figures.iter().filter_map(|figure| row.pointer(figure)?.as_u64()).sum();
    match list {
        Value::Array(rows) => {
            let mut kept = kept(rows.iter().map(count).collect()).into_iter();
            let before = rows.len();
            rows.retain(|_| kept.next().unwrap_or_default());
            before - rows.len()
        }
        Value::Object(counts) => {
            let mut kept = kept(counts.values().map(|count| count.as_u64().unwrap_or_default()).collect()).into_iter();
            let before = counts.len();
            counts.retain(|_, _| kept.next().unwrap_or_default());
            before - counts.len()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Which of the rows with these counts are told.
fn kept(counts: Vec<u64>) -> Vec<bool> {
    let mut kept = vec![counts.len() <= TOLD_NAMES; counts.len()];
    let mut places: Vec<(Reverse<u64>, usize)> = counts.into_iter().map(Reverse).zip(0..).collect();
    places.sort_unstable();
    for (_, place) in places.into_iter().take(TOLD_NAMES) {
        kept[place] = true;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::insights::Insights;
    use crate::model::time::Day;
    use crate::wire::insights::insights;

    #[test]
    fn names_beyond_the_limit_are_counted_and_not_told() {
        let mut all = Insights::default();
        for number in 0..20_000_u64 {
            let name = || format!("{number:05}").into_boxed_str();
            // Every twentieth has three users, the others have one.
            let count = if number % 20 == 7 { 3 } else { 1 };
            all.groups.reasons.insert(name(), count);
            all.groups.channels.insert(name(), (count, count));
            all.groups.pairs.insert(("a".into(), name()), 1);
            all.groups.categories.insert(name(), 1);
            all.handling.categories.entry(name()).or_default().complaints = count;
            all.trade.campaigns.entry(name()).or_default()[1].orders.insert(0, count);
        }
        all.groups.categories.insert("a".into(), 20_000);
        all.groups.buyers = [20_000, 0];
        let told = insights(&all, Day::parse("2026-01-31").expect("a day"), 24);
        let channels = told["channels"].as_array().expect("a list");
        let names = |at: usize| channels[at]["channel"].as_str().expect("a name").to_owned();
        assert_eq!((channels.len(), names(0), names(999)), (1_000, "00007".to_owned(), "19987".to_owned()), "those with three, by name");
        assert_eq!(told["departures"]["reasons"].as_object().map(Map::len), Some(1_000));
        let next = &told["cross_sell"]["next"];
        assert_eq!((next.as_array().map(Vec::len), &next[0]["after"]), (Some(1_000), &json!("00000")), "of equals the first by name");
        let left_out = json!({
            "departures.reasons": 19_000, "channels": 19_000, "cross_sell.categories": 19_001,
            "cross_sell.next": 19_001, "cross_sell.pairs": 19_900, "complaints.categories": 19_000, "campaigns": 19_000,
        });
        assert_eq!(told["left_out"], left_out);
        assert_eq!(Value::from(left_out_of(&told, "departures")), json!({ "departures.reasons": 19_000 }));
        let few = insights(&Insights::default(), Day::parse("2026-01-31").expect("a day"), 24);
        assert_eq!(few["left_out"], json!({}));
    }
}
