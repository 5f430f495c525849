//! The metrics of one day of one segment.

use serde_json::{Value, json};

use super::Shape::{Between, Constant, Count, Counts, Day, Flag, Number, OrNull, Retention, Text};
use super::{COUNT_OR_NULL, Field, METRICS, RATIO, names, properties, record};

/// Fields of every record.
pub(super) const FIELDS: &[Field] = &[
    ("schema", Constant(METRICS), "name and version of this schema"),
    ("day", Day, "the calendar day D, in time_zone"),
    ("time_zone", Text, "IANA name of the zone whose days are counted"),
    ("segment", Text, "`all`, or `property=value` of a breakdown"),
    ("revision", Count, "counts up from 0 with each record of this key"),
    ("final", Flag, "whether every partition has closed D; later arrivals still publish a new revision"),
    ("dau", Count, "distinct users active on D"),
    ("wau_7d", Count, "distinct users active on any of D-6..D"),
    ("mau_30d", Count, "distinct users active on any of D-29..D"),
    ("dau_mau_ratio", RATIO, "dau / mau_30d, the stickiness; with time.mau_days N other than 30, dau / mau_Nd"),
    ("dau_wau_ratio", RATIO, "dau / wau_7d"),
    ("active_days_mean_30d", RATIO, "active user-days in D-29..D over mau_30d: the average number of active days per month"),
    ("active_days_histogram_30d", Counts(30), "users with exactly 1, 2, … 30 active days in D-29..D"),
    ("new_1d", Count, "users whose first active day ever is D"),
    ("retained_1d", Count, "users active on D-1 and D"),
    ("resurrected_1d", Count, "users active on D, not on D-1, and not new"),
    ("dormant_1d", Count, "users active on D-1 and not on D"),
    ("new_7d", Count, "users whose first active day ever is in D-6..D"),
    ("retained_7d", Count, "users active in D-13..D-7 and in D-6..D"),
    ("resurrected_7d", Count, "users active in D-6..D, not in D-13..D-7, and not new"),
    ("dormant_7d", Count, "users active in D-13..D-7 and not in D-6..D"),
    ("new_30d", Count, "users whose first active day ever is in D-29..D"),
    ("retained_30d", Count, "users active in D-59..D-30 and in D-29..D"),
    ("resurrected_30d", Count, "users active in D-29..D, not in D-59..D-30, and not new"),
    ("dormant_30d", Count, "users active in D-59..D-30 and not in D-29..D"),
    ("quick_ratio_7d", RATIO, "(new_7d + resurrected_7d) / dormant_7d"),
    ("quick_ratio_30d", RATIO, "(new_30d + resurrected_30d) / dormant_30d"),
    ("retention_rate_30d", RATIO, "retained_30d over users active in D-59..D-30"),
    ("churn_rate_30d", RATIO, "dormant_30d over users active in D-59..D-30"),
    ("retention", Retention, "for n = 1, 3, 7, 14, 30: users first active on D-n, and those of them active on D"),
    ("orders", Count, "orders on D that stand"),
    ("repeat_orders", Count, "orders on D that are not their buyer's first ever"),
    ("new_buyers", Count, "buyers whose first ever order is on D"),
    ("revenue", Number, "money of D's orders, net of what was returned of them at any time"),
    ("buyers_30d", Count, "users with an order day in D-29..D"),
    ("repeat_buyers_30d", Count, "users with two or more distinct order days in D-29..D"),
    ("repeat_purchase_rate_30d", RATIO, "repeat_buyers_30d / buyers_30d"),
    ("complaints", Count, "complaints opened on D"),
    ("complaints_open", Count, "complaints open at the end of D"),
    ("complainers_30d", Count, "distinct users who opened a complaint in D-29..D"),
    ("silent_unhappy_30d", Count, "complainers_30d x complaints.silent_ratio, the prior for those who leave without a word"),
];

/// Fields of the segment `all` alone.
pub(super) const OF_ALL: &[Field] = &[
    (
        "loyal_buyers",
        COUNT_OR_NULL,
        "users whose streak of orders is at least purchases.loyal_orders at the end of D; null until D closes, then not revised",
    ),
    ("promoters_30d", Count, "users whose last answer to `recommend` in D-29..D is 9 or 10"),
    ("passives_30d", Count, "users whose last answer to `recommend` in D-29..D is 7 or 8"),
    ("detractors_30d", Count, "users whose last answer to `recommend` in D-29..D is 0 to 6"),
    ("nps_30d", OrNull(&Between(-100, 100)), "100 x (promoters - detractors) / all three"),
    (
        "top20_revenue_share",
        RATIO,
        "share of all net revenue to date from the top fifth of the buyers with positive net revenue; null until D closes, then not revised",
    ),
    ("risk_low", COUNT_OR_NULL, "users at level low at the end of D, of churn.process; null until D closes, then not revised"),
    ("risk_medium", COUNT_OR_NULL, "the same of level medium"),
    ("risk_high", COUNT_OR_NULL, "the same of level high"),
    ("risk_churned", COUNT_OR_NULL, "the same of level churned"),
    (
        "became_high",
        COUNT_OR_NULL,
        "users at level high at the end of D and at another at the end of D-1; null until D closes, then not revised",
    ),
    (
        "became_churned",
        COUNT_OR_NULL,
        "users churned at the end of D and at another level at the end of D-1; null until D closes, then not revised",
    ),
    ("reactivated", COUNT_OR_NULL, "users churned at the end of D-1 with a day of the process on D; null until D closes, then not revised"),
];

/// Fields of breakdowns alone, and not of each.
pub(super) const OF_BREAKDOWNS: &[Field] = &[(
    "values_limited",
    Flag,
    "there, and true, when breakdowns.max_values was reached for the property in some partition: later values are counted as `other`",
)];

pub(super) fn metrics() -> Value {
    let description = "One day of one segment. The last record of a key is the one that counts. A ratio whose denominator is 0 is null.";
    let mut schema = record("stickiness.metrics", description, FIELDS);
    if let Some(known) = schema["properties"].as_object_mut() {
        known.extend(properties(&[OF_ALL, OF_BREAKDOWNS].concat()));
    }
    schema["patternProperties"] = json!({ "^mau_[1-9][0-9]*d$": { "type": "integer", "minimum": 0, "description": "distinct users active in the N days that end with D" } });
    schema["if"] = json!({ "properties": { "segment": { "const": "all" } } });
    schema["then"] = json!({ "required": names(OF_ALL) });
    schema
}
