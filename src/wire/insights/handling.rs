//! Insights of how complaints are handled, as JSON.

use serde_json::{Value, json};

use super::groups::per;
use super::proportion;
use crate::engine::insights::{CategoryCounts, Handling, RESPONSE_HOURS, RemedyCounts};
use crate::model::insights::proportion::Proportion;

/// Who stayed and who was satisfied, by what was done.
pub(super) fn remedies(handling: &Handling) -> Value {
    let one = |remedy: &str, counts: &RemedyCounts| json!({ "remedy": remedy, "stayed": proportion(&counts.stayed), "satisfied": proportion(&counts.satisfied) });
    handling.remedies.iter().map(|(remedy, counts)| one(remedy, counts)).collect()
}

/// How soon complaints are answered, what they are about, and failures for each service.
pub(super) fn complaints(handling: &Handling) -> Value {
    let all: u64 = handling.categories.values().map(|counts| counts.complaints).sum();
    let category = |name: &str, counts: &CategoryCounts| {
        let share = Proportion { part: counts.complaints, whole: all };
        let (low, high) = share.interval().unzip();
        json!({
            "category": name, "complaints": counts.complaints, "users": counts.users, "legal": counts.legal,
            "share": share.share(), "low": low, "high": high,
        })
    };
    json!({
        "first_response": first_response(handling),
        "categories": handling.categories.iter().map(|(name, counts)| category(name, counts)).collect::<Vec<_>>(),
        "service": service(handling),
    })
}

/// Of complaints that were opened at least 30 days ago: hours until the first response, and how many had none within 30 days.
fn first_response(handling: &Handling) -> Value {
    let waited = &handling.first_response;
    let answered = Proportion { part: waited.events(), whole: waited.users() };
    let (low, high) = answered.interval().unzip();
    let curve = waited.curve();
    let within = |hours: i32| curve.iter().rev().find(|step| step.days <= hours).map_or(0.0, |step| 1.0 - step.without);
    let share = |hours: i32| (answered.whole > 0).then(|| within(hours));
    json!({
        "complaints": answered.whole, "answered": answered.part, "waited_hours": RESPONSE_HOURS,
        "answered_share": answered.share(), "low": low, "high": high,
        "median_hours": waited.median(), "within_24h": share(24), "within_72h": share(72),
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn service(handling: &Handling) -> Value {
    let [failures, orders, contacts] = handling.service;
    json!({
        "failures_90d": failures, "orders_90d": orders, "support_contacts_90d": contacts,
        "failures_per_order": per(failures as f64, orders), "failures_per_support_contact": per(failures as f64, contacts),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_times_that_were_planted_are_found() {
        assert_eq!(complaints(&Handling::default())["first_response"]["answered_share"], Value::Null, "nobody complained");
        let mut handling = Handling::default();
        for hours in [1, 5, 20, 48, 100] {
            handling.first_response.count(hours, true);
        }
        handling.first_response.count(RESPONSE_HOURS, false);
        let told = first_response(&handling);
        assert_eq!((&told["complaints"], &told["answered"], &told["median_hours"]), (&json!(6), &json!(5), &json!(20)));
        let share = |key: &str| format!("{:.3}", told[key].as_f64().expect("a share"));
        assert_eq!((share("within_24h"), share("within_72h")), ("0.500".to_owned(), "0.667".to_owned()));
    }

    #[test]
    fn what_a_remedy_does_is_found() {
        let mut handling = Handling::default();
        for number in 0..400 {
            // Of the users with a gift, nine in ten stay; of those with an apology, six.
            let (remedy, of_ten) = if number % 2 == 0 { ("gift", 9) } else { ("apology", 6) };
            handling.remedies.entry(remedy.into()).or_default().stayed.count(number / 2 % 10 < of_ten);
        }
        let told = remedies(&handling);
        let bound = |at: usize, key: &str| told[at]["stayed"][key].as_f64().expect("a share");
        assert_eq!(
            (&told[0]["remedy"], bound(0, "share"), &told[1]["remedy"], bound(1, "share")),
            (&json!("apology"), 0.6, &json!("gift"), 0.9)
        );
        assert!(bound(0, "high") < bound(1, "low"), "the intervals part: {told}");
        assert_eq!(told[0]["satisfied"]["share"], Value::Null, "nobody said");
    }
}
