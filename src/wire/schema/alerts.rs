//! What is told of an alert.

use serde_json::Value;

use super::Shape::{Between, Constant, Count, Day, Instant, Labels, Number, OneOf, OrNull, Records, Text};
use super::{ALERTS, COUNT_OR_NULL, Field, record};

pub(super) const ALERT_FIELDS: &[Field] = &[
    ("schema", Constant(ALERTS), "name and version of this schema"),
    ("fingerprint", Text, "digest of name, labels and start, as key too: the same through the life of an alert and after a restart"),
    (
        "name",
        OneOf(&["churn_spike", "return_deficit"]),
        "`churn_spike`: more users entered a level than the past explains; `return_deficit`: fewer silent users came back than expected",
    ),
    ("status", OneOf(&["firing", "resolved"]), "whether it goes on"),
    (
        "severity",
        OneOf(&["warning", "critical"]),
        "as of its first day: critical from twice the expected entries, or three quarters of the expected returns",
    ),
    (
        "labels",
        Labels,
        "what tells an alert from others: `segment` (`all` or property=value), `process`, and for a churn spike the `level` that is entered",
    ),
    ("starts_at", Instant, "start of its first day; of a return deficit, of the day on which returns began to fall behind"),
    ("ends_at", OrNull(&Instant), "end of its last day; null while it fires"),
    ("day", Day, "the closed day that the following figures are of"),
    ("observed", Count, "users who entered the level, or silent users who came back"),
    ("expected", Number, "how many were to be expected"),
    ("upper", COUNT_OR_NULL, "the largest count that would have been no alarm; null for a return deficit"),
    ("p_value", Between(0, 1), "probability of a count so high, or of a sum of return deficits so high, when nothing is amiss"),
    ("at_risk", Count, "users who could enter the level, or come back"),
    (
        "top_segments",
        Records(TOP_FIELDS),
        "of `all`: the breakdown values that bring most of the excess, largest first, at most five; they have no alerts of their own meanwhile",
    ),
    ("summary", Text, "one or two sentences for the person who is called"),
];

const TOP_FIELDS: &[Field] = &[
    ("segment", Text, "property=value"),
    ("observed", Count, "as of the alert, in this segment"),
    ("expected", Number, "by the segment's own past"),
    ("p_value", Between(0, 1), "by the segment's own past"),
];

pub(super) fn alert() -> Value {
    let description = "A churn spike or return deficit as of a closed day: once when it starts, for each closed day while it goes on, and once when it ends. The last record of a key is the alert's state.";
    record("stickiness.alerts", description, ALERT_FIELDS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::alerts::{AlertBook, AlertSettings, Entries, SegmentDay};
    use crate::model::spike::deficit::Returns;
    use crate::model::time::{Calendar, Day as CalendarDay};
    use crate::wire::records;
    use crate::wire::registry::avro::{AvroSchema, AvroWriter};
    use crate::wire::schema::avro::{avro, leave_out_absent};

    /// A record that was written and read as Avro.
    fn there_and_back(record: &Value) -> Value {
        let schema = avro(ALERTS, 30).expect("an output").to_string();
        let mut datum = Vec::new();
        AvroWriter::parse(&schema).expect("a schema").append(record, &mut datum).expect("a place for everything");
        let mut back = AvroSchema::parse(&schema, &[]).expect("a schema").to_value(&datum).expect("a datum");
        leave_out_absent(back.as_object_mut().expect("a record"));
        back
    }

    #[test]
    fn records_of_alerts_follow_the_schema() {
        let schema = jsonschema::validator_for(&alert()).expect("a schema");
        let calendar = Calendar::new("Europe/Berlin").expect("a zone");
        let mut book = AlertBook::new(AlertSettings::default());
        let mut told = Vec::new();
        for number in 19_800..19_870 {
            let spike = u64::from(number == 19_860) * 5;
            let segment = |name: &str| SegmentDay {
                segment: name.to_owned(),
                has_data: true,
                entered_high: Entries { count: 40, at_risk: 5_000 },
                entered_churned: Entries { count: 30 * (1 + spike), at_risk: 5_000 },
                returns: Returns { silent: 5_000, observed: if number < 19_860 { 400 } else { 300 }, expected: 400.0, variance: 300.0 },
            };
            let changes = book.close_day(CalendarDay::from_number(number), &[segment("all"), segment("plan=free")]);
            told.extend(changes.iter().map(|change| records::alert(&change.alert, &calendar)));
        }
        for record in &told {
            assert!(schema.is_valid(record), "{record:#}");
            assert_eq!(there_and_back(record).to_string(), record.to_string());
        }
        let of = |name: &str, status: &str| told.iter().filter(|record| record["name"] == name && record["status"] == status).count();
        assert!(of("churn_spike", "firing") > 0 && of("churn_spike", "resolved") == 1 && of("return_deficit", "firing") > 0);
        let spike = told.iter().find(|record| record["name"] == "churn_spike").expect("a spike");
        assert_eq!(spike["starts_at"], "2024-05-16T22:00:00Z", "a day of Berlin begins at midnight there");
        assert_eq!(spike["ends_at"], Value::Null);
        assert_eq!(spike["labels"], json!({"level": "churned", "process": "activity", "segment": "all"}));
        assert_eq!(spike["top_segments"][0]["segment"], "plan=free");
    }
}
