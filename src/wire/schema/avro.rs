//! Avro schemas of what is published, made of the same fields as the JSON Schemas.
//!
//! Only what identifies a record has to be there. Every other field may be null and is so by default, null where it is unknown or where the record's kind has no such
//! field: so fields can come and go, and old and new readers read old and new records (`FULL_TRANSITIVE` in the words of schema registries).

use serde_json::{Map, Value, json};

use super::{ALERTS, CHURN_RISK, Field, METRICS, PROFILES, Shape, TRANSITIONS};
use super::{LABELS, RETENTION, alerts, loyalty, metrics, names, user};
use crate::engine::aggregator::ALL;

/// What names are in.
const NAMESPACE: &str = "stickiness.v1";
/// The outputs that can be Avro: what `stickiness schema` calls them, and their `schema`.
pub const OUTPUTS: [(&str, &str); 5] =
    [("metrics", METRICS), ("transitions", TRANSITIONS), ("churn-risk", CHURN_RISK), ("alerts", ALERTS), ("profiles", PROFILES)];

/// What the records of a schema are called, are, are identified by, and have, in the order in which they have it; fields of some kinds alone are among them.
type Outline = (&'static str, &'static str, &'static [&'static str], Vec<Field>);

fn outline(schema: &str) -> Option<Outline> {
    Some(match schema {
        METRICS => {
            let doc = "One day of one segment. The last record of a key is the one that counts.";
            let complaints = metrics::FIELDS.iter().position(|(name, _, _)| *name == "complaints").unwrap_or_default();
            let (before, after) = metrics::FIELDS.split_at(complaints);
            // Loyal buyers are told beside the other buyers.
            let (loyal, of_all) = metrics::OF_ALL.split_at(1);
            let fields = [before, loyal, after, of_all, metrics::OF_BREAKDOWNS].concat();
            ("Metrics", doc, &["schema", "day", "segment"], fields)
        }
        TRANSITIONS => {
            let fields = [user::TRANSITION_FIELDS, user::OF_PURCHASES, user::OF_ACTIONS].concat();
            ("Transition", "One user's state changed.", &["schema", "user_id", "kind"], fields)
        }
        CHURN_RISK => {
            ("ChurnRisk", "One user's level of churn risk changed.", &["schema", "user_id", "process"], user::CHURN_RISK_FIELDS.to_vec())
        }
        ALERTS => {
            let doc = "A churn spike or return deficit as of a closed day. The last record of a key is the alert's state.";
            ("Alert", doc, &["schema", "fingerprint"], alerts::ALERT_FIELDS.to_vec())
        }
        PROFILES => {
            let fields = [user::PROFILE_FIELDS, loyalty::LOYALTY_FIELDS].concat();
            ("Profile", "One user as of the newest accepted day of their partition.", &["schema", "user_id"], fields)
        }
        _ => return None,
    })
}

/// The Avro schema of the records whose `schema` is this, such as `stickiness.metrics.v1`; `None` of others. With `mau_days` other than 30 metrics have a
/// field for it.
#[must_use]
pub fn avro(schema: &str, mau_days: u16) -> Option<Value> {
    let (name, doc, identity, fields) = outline(schema)?;
    let mut fields: Vec<Value> = fields.iter().map(|field| of_record(name, field, identity)).collect();
    if schema == METRICS && mau_days != 30 {
        let after = fields.iter().position(|field| field["name"] == "mau_30d").map_or(fields.len(), |at| at + 1);
        let meaning = format!("distinct users active in the {mau_days} days that end with D");
        fields.insert(after, optional(&format!("mau_{mau_days}d"), &json!("long"), &meaning));
    }
    Some(json!({ "type": "record", "name": name, "namespace": NAMESPACE, "doc": doc, "fields": fields }))
}

/// Leaves out of a record that was read as Avro what it does not have as JSON: there, fields of other kinds are missing and not null.
pub fn leave_out_absent(record: &mut Map<String, Value>) {
    let text = |field: &str| record.get(field).and_then(Value::as_str).unwrap_or_default();
    let absent = match text("schema") {
        METRICS if text("segment") == ALL => names(metrics::OF_BREAKDOWNS),
        METRICS => [names(metrics::OF_ALL), names(metrics::OF_BREAKDOWNS)].concat(),
        TRANSITIONS => match text("kind") {
            "purchase" => names(user::OF_ACTIONS),
            "action" => names(user::OF_PURCHASES),
            _ => names(&[user::OF_PURCHASES, user::OF_ACTIONS].concat()),
        },
        _ => Vec::new(),
    };
    record.retain(|name, value| !value.is_null() || !absent.contains(&name.as_str()));
    if let Some(Value::Object(labels)) = record.get_mut("labels") {
        labels.retain(|_, value| !value.is_null());
    }
}

/// A field of the record called `record`.
fn of_record(record: &str, (name, shape, meaning): &Field, identity: &[&str]) -> Value {
    let kind = shape.avro(&format!("{record}_{name}"));
    if identity.contains(name) { json!({ "name": name, "type": kind, "doc": meaning }) } else { optional(name, &kind, meaning) }
}

/// A field that may be null, and is when it is not told.
fn optional(name: &str, kind: &Value, meaning: &str) -> Value {
    let mut branches = vec![json!("null")];
    match kind {
        Value::Array(union) => branches.extend(union.iter().filter(|branch| *branch != "null").cloned()),
        one => branches.push(one.clone()),
    }
    json!({ "name": name, "type": branches, "default": null, "doc": meaning })
}

impl Shape {
    /// The Avro type, whose records are called `path` and what comes below it.
    fn avro(self, path: &str) -> Value {
        let record = |fields: &[Field]| {
            let fields: Vec<Value> = fields.iter().map(|field| of_record(path, field, &[])).collect();
            json!({ "type": "record", "name": path, "fields": fields })
        };
        let list = |items: Value| json!({ "type": "array", "items": items });
        match self {
            // Texts and no symbols, so that a new one is no new type; instants are exact to the nanosecond as text.
            Self::Constant(_) | Self::Text | Self::OneOf(_) | Self::Instant => json!("string"),
            Self::Flag => json!("boolean"),
            Self::Day => json!({ "type": "int", "logicalType": "date" }),
            Self::Count => json!("long"),
            Self::Number | Self::Between(..) => json!("double"),
            Self::OrNull(inner) => json!(["null", inner.avro(path)]),
            Self::Counts(_) => list(json!("long")),
            Self::Texts => list(json!("string")),
            Self::State => json!(["null", "boolean", "string"]),
            // No map: its members are in any order, and the same record is to be the same bytes.
            Self::Labels => record(LABELS),
            Self::Retention => list(record(RETENTION)),
            Self::Record(fields) => record(fields),
            Self::Records(fields) => list(record(fields)),
        }
    }
}
