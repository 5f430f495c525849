//! What users answer about competitors, as JSON.

use serde_json::{Value, json};

use super::groups::per;
use crate::engine::insights::{RivalCounts, RivalItem, Rivals};
use crate::model::loyalty::facts::RIVAL_ITEMS;

/// Means of the latest answers about each competitor, beside those of the same users about the business.
pub(super) fn competitors(rivals: &Rivals) -> Value {
    let one = |competitor: &str, counts: &RivalCounts| {
        let items: Vec<Value> = RIVAL_ITEMS.iter().zip(&counts.items).map(|(name, counts)| item(name, counts)).collect();
        json!({ "competitor": competitor, "users": counts.users, "items": items })
    };
    rivals.0.iter().map(|(competitor, counts)| one(competitor, counts)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "sums of scores are far below 2^53 millionths")]
fn item(name: &str, counts: &RivalItem) -> Value {
    let mean = |sum: i64, users: u64| per(sum as f64 / 1e6, users);
    json!({
        "item": name, "users": counts.users, "mean": mean(counts.theirs, counts.users),
        "compared": counts.compared, "own_less_theirs": mean(counts.own_less_theirs, counts.compared),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_that_was_planted_is_found() {
        let mut rivals = Rivals::default();
        let counts = rivals.0.entry("rival".into()).or_default();
        counts.users = 3;
        // Of three who trust the competitor with 2, 3 and 4, two trust the business with 1 more.
        counts.items[2] = RivalItem { users: 3, theirs: 9_000_000, compared: 2, own_less_theirs: 2_000_000 };
        let told = competitors(&rivals);
        assert_eq!(told[0]["items"][2], json!({ "item": "trust", "users": 3, "mean": 3.0, "compared": 2, "own_less_theirs": 1.0 }));
        assert_eq!(told[0]["items"][0]["mean"], Value::Null, "nobody said");
    }
}
