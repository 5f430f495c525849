//! Insights of who is unhappy, and what follows, as JSON.

use serde_json::{Value, json};

use super::proportion;
use crate::engine::insights::{HabitAround, Insights, Voices};
use crate::model::insights::proportion::Proportion;
use crate::model::insights::survival::Survival;
use crate::model::loyalty::states::LoyaltyKind;

/// How many unhappy users are silent for each who complains: counted, with the interval that Wilson's of the share gives, and as the prior of article B, one complainer for `prior`
/// silent ones, becomes with what was counted.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn silence(voices: &Voices, prior: u32) -> Value {
    let [complained, silent] = voices.unhappy;
    let odds = |share: f64| if share < 1.0 { Some(share / (1.0 - share)) } else { None };
    let counted = Proportion { part: silent, whole: complained + silent };
    let (low, high) = counted.interval().unzip();
    json!({
        "complained": complained, "silent": silent,
        "silent_per_complainer": counted.share().and_then(odds),
        "low": low.and_then(odds), "high": high.and_then(odds),
        "prior": prior,
        "posterior": (f64::from(prior) + silent as f64) / (1.0 + complained as f64),
        // Article B: 24 of 25 leave in silence.
        "article": { "silent_per_complainer": 24 },
    })
}

/// Active days before and after complaints, matched: the same users.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn habits(voices: &Voices) -> Value {
    let one = |habit: &HabitAround| {
        let per = |days: u64| (habit.complaints > 0).then(|| days as f64 / habit.complaints as f64);
        json!({ "complaints": habit.complaints, "active_days_before": per(habit.before), "active_days_after": per(habit.after) })
    };
    let [unresolved, slow, quick] = &voices.habits;
    json!({ "unresolved": one(unresolved), "slow": one(slow), "quick": one(quick) })
}

/// What came within 30 days after failures, and how many had an order in them.
pub(super) fn tolerance(voices: &Voices) -> Value {
    let [nothing, complaint, legal] = &voices.tolerance;
    let failures = nothing.whole + complaint.whole + legal.whole;
    let one = |outcome: &Proportion| json!({ "failures": outcome.whole, "share": Proportion { part: outcome.whole, whole: failures }.share(), "ordered_again": proportion(outcome) });
    json!({ "failures": failures, "nothing": one(nothing), "complaint": one(complaint), "legal": one(legal) })
}

/// How long users stay, by kind of loyalty, beside the order that article A gives.
pub(super) fn tenure(insights: &Insights) -> Value {
    let one = |(kind, tenure): (&Option<LoyaltyKind>, &Survival)| {
        let curve = tenure.curve();
        let points = curve.iter().map(|step| json!({ "days": step.days, "at_risk": step.at_risk, "left": step.events, "stay": step.without, "low": step.interval.0, "high": step.interval.1 }));
        json!({
            "loyalty_kind": kind.map(LoyaltyKind::name), "users": tenure.users(), "left": tenure.events(), "median_days": tenure.median(),
            "curve": points.collect::<Vec<_>>(),
        })
    };
    json!({ "kinds": insights.tenure.iter().map(one).collect::<Vec<_>>(), "article": { "shortest_first": LoyaltyKind::NAMES } })
}

/// Buyers with a second order day, by their first answer on satisfaction.
#[expect(clippy::cast_precision_loss, reason = "scores are small")]
pub(super) fn second_order(voices: &Voices) -> Value {
    let one = |(score, outcomes): (i64, &Proportion)| {
        let mut row = proportion(outcomes);
        row["score"] = json!(score as f64 / 1e6);
        row
    };
    voices.second_order.scores().map(one).collect()
}

/// The rate of leaving within 30 days in one zone over that in another, rates being -ln of the shares that stayed. `None` where all or none of a zone stayed.
pub(super) fn leaving_ratio(zone: &Proportion, against: &Proportion) -> Option<f64> {
    let rate = |zone: &Proportion| zone.share().filter(|share| *share > 0.0 && *share < 1.0).map(|share| -share.ln());
    Some(rate(zone)? / rate(against)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_complainer_for_so_many() {
        let nobody = silence(&Voices::default(), 24);
        assert_eq!(
            (&nobody["silent_per_complainer"], &nobody["posterior"]),
            (&Value::Null, &json!(24.0)),
            "before anything is known, the prior"
        );
        let counted = silence(&Voices { unhappy: [10, 30], ..Voices::default() }, 24);
        assert_eq!((&counted["silent_per_complainer"], &counted["posterior"]), (&json!(3.0), &json!(54.0 / 11.0)));
        // Wilson's interval of 30 of 40 is 0.598 to 0.858; as odds 1.49 to 6.05.
        let odds = |key: &str| format!("{:.2}", counted[key].as_f64().expect("a number"));
        assert_eq!((odds("low"), odds("high")), ("1.49".to_owned(), "6.05".to_owned()));
        assert_eq!(
            silence(&Voices { unhappy: [0, 3], ..Voices::default() }, 24)["silent_per_complainer"],
            Value::Null,
            "nobody complained"
        );
    }

    #[test]
    fn leaving_rates_are_compared() {
        let zone = |part| Proportion { part, whole: 100 };
        let ratio = leaving_ratio(&zone(20), &zone(55)).expect("some left, some stayed");
        assert!((ratio - 0.2_f64.ln() / 0.55_f64.ln()).abs() < 1e-12 && ratio > 2.6, "{ratio}");
        assert_eq!(leaving_ratio(&zone(100), &zone(55)), None, "all stayed: no rate to compare");
    }
}
